"""Sizes of 1 while tracing: torch takes a free size for another number, so a branch on it would be lost."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from isthmus.compiler.importers.torch.examples import Examples
from isthmus.ir.dim import as_symbol

_OTHERS = (str(Path(torch.__file__).parent), "<string>")
"""Where code that is not the model's stands: torch itself, and guards that it generates."""


@contextmanager
def watched(examples: Examples) -> Iterator[None]:
    """Warns where the model's own code asks about a size that may be 1, and 1 would be answered differently.

    What torch asks on its own behalf (does this broadcast, is it contiguous) leaves results as they are. It is no
    error: many models only take a shorter way to the same result.
    """
    dims = [as_symbol(dim) for leaf in examples.leaves for dim in leaf.dims if dim is not None]
    if not any(each is not None and each.low <= 1 for each in dims):
        yield
        return
    answer = torch.SymBool.__bool__
    asked_at: dict[str, str] = {}

    def asked(self: Any) -> bool:
        found = bool(answer(self))
        frame = sys._getframe(1)
        if not frame.f_code.co_filename.startswith(_OTHERS) and _differs(self, found):
            asked_at[f"{frame.f_code.co_filename}:{frame.f_lineno}"] = str(self.node.expr)
        return found

    torch.SymBool.__bool__ = asked
    try:
        yield
    finally:
        torch.SymBool.__bool__ = answer
    for place, question in asked_at.items():
        warnings.warn(
            f"{place} asks whether {question}, and answers differently where that size is 1: the program does as for 2;"
            ' ask for "N:2..32", or fix the size at 1, if the results differ',
            stacklevel=2,
        )


def _differs(asked: Any, found: bool) -> bool:
    """Whether the answer changes where one of the sizes is 1. A guard that torch keeps is checked by torch."""
    node = asked.node
    expr = node.expr
    free = [s for s in expr.free_symbols if node.shape_env.var_to_range[s].lower == 2]
    answers = [expr.subs(s, 1) for s in free]
    return any(str(each) == str(not found) for each in answers)
