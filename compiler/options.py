"""What command-line options mean: shapes, arrays and options of engines as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from isthmus.backends.options import EngineOptions
from isthmus.backends.table import backend_called
from isthmus.compiler.importers.shapes import DimSpec
from isthmus.compiler.target import parse_target
from isthmus.ir.errors import BadArgument, BadInput
from isthmus.ir.types import Array


class CheckLevel(StrEnum):
    """How closely passes are watched."""

    none = "none"
    structure = "structure"
    full = "full"
    numerics = "numerics"


class FallbackChoice(StrEnum):
    """What becomes of nodes the target's backend cannot run."""

    error = "error"
    reference = "reference"


def parse_shapes(texts: Sequence[str]) -> dict[str, tuple[DimSpec, ...]]:
    """Shapes by input from texts like `x:N:1..32x3x224x224`; `?` is any size. BadInput for anything else."""
    shapes: dict[str, tuple[DimSpec, ...]] = {}
    for text in texts:
        name, colon, dims = text.partition(":")
        if not name or not colon:
            raise BadInput(f"shape {text!r} names no input", hint="write it as x:N:1..32x3x224x224")
        shapes[name] = tuple(_dim(each) for each in dims.split("x")) if dims else ()
    return shapes


def parse_engine_options(target: str, texts: Sequence[str]) -> EngineOptions | None:
    """Options of the target's engine from texts like `tf32=true`; None where none are given. BadArgument otherwise."""
    if not texts:
        return None
    kind = backend_called(parse_target(target).backend).options
    if kind is None:
        raise BadArgument(f"target {target} takes no options", hint=f"leave out --option {texts[0]}")
    return kind.parse(texts)


def load_arrays(texts: Sequence[str]) -> dict[str, Array]:
    """Arrays by input from texts like `x=image.npy`."""
    arrays = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not equals:
            raise BadInput(f"input {text!r} names no file", hint="write it as x=image.npy")
        if not Path(path).is_file():
            raise BadInput(f"input {name!r}: there is no file {path}")
        try:
            arrays[name] = np.load(path, allow_pickle=False)
        except ValueError as error:
            raise BadInput(f"input {name!r}: {path} is no .npy file: {error}") from None
    return arrays


def load_samples(paths: Sequence[Path]) -> Iterator[dict[str, Array]]:
    """The arrays of each .npz file by name, read when they are asked for. BadInput for what is none."""
    for path in paths:
        try:
            with np.load(path, allow_pickle=False) as file:
                yield dict(file)
        except (OSError, ValueError, TypeError, AttributeError, BadZipFile) as error:
            raise BadInput(f"calibration file {path} is no .npz file: {error}") from None


def statistics(array: Array) -> dict[str, float]:
    """Mean, standard deviation, least and greatest element; NaN for no elements."""
    if not array.size:
        return dict.fromkeys(("mean", "std", "min", "max"), float("nan"))
    wide = array.astype(np.float64)
    return {"mean": wide.mean(), "std": wide.std(), "min": wide.min(), "max": wide.max()}


def _dim(text: str) -> DimSpec:
    return int(text) if text.isdigit() else None if text == "?" else text
