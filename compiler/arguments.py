"""Checks on what a caller passes to `compile`, `optimize` and `load`, before any work is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

from isthmus.backends.options import EngineOptions
from isthmus.backends.progress import Progress, Silent
from isthmus.backends.table import backend_called
from isthmus.compiler.target import Target
from isthmus.ir.errors import BadArgument
from isthmus.passes.base import Pass
from isthmus.passes.spec import parse_pipeline


def check_choice(name: str, value: Any, admitted: Any) -> None:
    """BadArgument unless `value` is one of the strings the Literal `admitted` lists."""
    if value not in get_args(admitted):
        raise BadArgument(f"{name} is {value!r}", hint=f"give one of {', '.join(map(repr, get_args(admitted)))}")


def check_threads(threads: Any) -> None:
    """BadArgument unless `threads` is None or a positive integer."""
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise BadArgument(f"threads is {threads!r}", hint="give a positive integer, or None for all cores")


def check_accuracy(accuracy: Any) -> None:
    """BadArgument unless `accuracy` is None or a bound that something can keep."""
    if accuracy is None:
        return
    if isinstance(accuracy, bool) or not isinstance(accuracy, int | float) or not accuracy >= 0:
        raise BadArgument(
            f"accuracy is {accuracy!r}", hint="give the largest relative L2 error you accept, such as 1e-2"
        )


def as_progress(progress: Any) -> Progress:
    """Whom to tell how far work is; nobody for None. BadArgument for what cannot be told."""
    if progress is None:
        return Silent()
    if any(not callable(getattr(progress, name, None)) for name in ("stage", "step")):
        hint = "give an object with stage(name) and step(name, done, total)"
        raise BadArgument(f"progress is {progress!r}", hint=hint)
    return cast(Progress, progress)


def as_engine_options(options: Any, target: Target) -> EngineOptions | None:
    """The options of the target's engine: as they are, or from a mapping by name. BadArgument for anything else."""
    kind = backend_called(target.backend).options
    if options is None or (kind is not None and isinstance(options, kind)):
        return options
    if kind is None:
        raise BadArgument(f"options is {options!r}", hint=f"there is nothing that target {target} could be told")
    if not isinstance(options, Mapping):
        raise BadArgument(
            f"options is {options!r}", hint=f"target {target} takes {kind.__name__}, or a dict of its fields"
        )
    return kind.of(options)


def as_passes(passes: Any) -> list[Pass]:
    """Passes from pipeline text, or from a sequence of passes and texts. BadArgument for anything else."""
    given = [passes] if isinstance(passes, str | Pass) else passes
    if not isinstance(given, Sequence):
        raise BadArgument(f"passes is {passes!r}", hint="give pipeline text, or a list of passes and texts")
    chosen: list[Pass] = []
    for each in given:
        if isinstance(each, str):
            chosen += parse_pipeline(each)
        elif isinstance(each, Pass):
            chosen.append(each)
        else:
            raise BadArgument(f"{each!r} is no pass", hint="give an instance of a Pass, or pipeline text")
    return chosen
