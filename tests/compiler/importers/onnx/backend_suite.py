"""ONNX's own backend test suite, run through import and the evaluator."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, numpy_helper

from isthmus.compiler.importers.onnx import import_onnx
from isthmus.ir.errors import IsthmusError, UnsupportedModel, UnsupportedOps
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph
from isthmus.ir.verify import verify

RTOL, ATOL = 1e-3, 1e-7
"""The suite's own tolerances."""
ULPS = 2
"""A half-precision result may also be this many units in the last place off: the suite rounds after each step of its
own choice, and its relative tolerance is finer than bf16 itself."""

_EPSILON = {"float16": 2.0**-10, "bfloat16": 2.0**-7}

RANDOM = ("test_bernoulli", "test_training_dropout", "test_randomuniform")
"""Cases whose expected numbers come from ONNX's own random generator: only type and shape can agree."""


@dataclass(frozen=True)
class Case:
    """A model, and inputs with the outputs they must give."""

    name: str
    model: ModelProto
    data: Sequence[tuple[Sequence[Any], Sequence[Any]]]


@dataclass
class Outcome:
    """What became of the cases."""

    passed: list[str] = field(default_factory=list)
    unsupported: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)


def node_cases() -> Iterator[Case]:
    """The cases the wheel generates: every op in every version's typical uses, and function bodies written out."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        for case in collect_testcases(None):
            assert case.model is not None
            yield Case(case.name, case.model, case.data_sets or ())


def stored_cases(kind: str) -> Iterator[Case]:
    """The cases the wheel stores as files."""
    root = Path(onnx.__file__).parent / "backend" / "test" / "data" / kind
    for folder in sorted(root.iterdir()):
        sets = [
            tuple(
                [TensorProto.FromString(p.read_bytes()) for p in _numbered(data, direction)]
                for direction in ("input", "output")
            )
            for data in sorted(folder.glob("test_data_set_*"))
        ]
        yield Case(folder.name, onnx.load(folder / "model.onnx"), sets)  # type: ignore[arg-type]


def run(cases: Iterable[Case]) -> Outcome:
    """Import, verify and evaluate every case."""
    outcome = Outcome()
    for case in cases:
        try:
            _check(case)
        except (UnsupportedOps, UnsupportedModel) as error:
            outcome.unsupported[error.reason.splitlines()[-1].strip()] += 1
        except (IsthmusError, AssertionError) as error:
            outcome.failed[case.name] = str(error)
        else:
            outcome.passed.append(case.name)
    return outcome


def _check(case: Case) -> None:
    frozen = False
    for inputs, outputs in case.data:
        arrays = [_array(each) for each in inputs]
        if not frozen:
            try:
                graph = import_onnx(case.model)
            except UnsupportedModel:
                # The suite feeds parameters such as axes as inputs, so that they can be computed: real models do not.
                frozen = True
        if frozen:
            first = case.model.graph.input[0].name
            shapes = {first: arrays[0].shape} if isinstance(arrays[0], np.ndarray) else {}
            graph = import_onnx(_with_parameters(case.model, arrays), inputs=shapes)
            arrays = arrays[: len(graph.inputs)]
        verify(graph)
        _compare(case.name, graph, arrays, [_array(each) for each in outputs])


def _compare(name: str, graph: Graph, inputs: list[Any], expected: list[Any]) -> None:
    for (output, found), wanted in zip(evaluate(graph, inputs).items(), expected, strict=True):
        assert found.dtype == wanted.dtype, f"{output}: {found.dtype}, not {wanted.dtype}"
        assert found.shape == wanted.shape, f"{output}: {found.shape}, not {wanted.shape}"
        if name.startswith(RANDOM):
            continue
        rtol = max(RTOL, ULPS * _EPSILON.get(found.dtype.name, 0.0))
        if found.dtype.kind not in "biuf":
            found, wanted = found.astype(np.float32), wanted.astype(np.float32)
        np.testing.assert_allclose(found, wanted, rtol=rtol, atol=ATOL, err_msg=output)


def _with_parameters(model: ModelProto, arrays: list[Any]) -> ModelProto:
    """The model with all inputs but the first made constants."""
    copy = ModelProto()
    copy.CopyFrom(model)
    kept, *others = list(model.graph.input)
    del copy.graph.input[:]
    copy.graph.input.append(kept)
    for info, array in zip(others, arrays[1:], strict=True):
        if not isinstance(array, np.ndarray):
            raise UnsupportedModel(f"input {info.name} is no tensor")
        copy.graph.initializer.append(numpy_helper.from_array(array, info.name))
    return copy


def _array(value: Any) -> Any:
    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    return value if isinstance(value, list) else np.asarray(value)


def _numbered(folder: Path, direction: str) -> list[Path]:
    return sorted(folder.glob(f"{direction}_*.pb"), key=lambda path: int(path.stem.rpartition("_")[2]))
