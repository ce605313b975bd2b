"""An op that the table lacks, as torch decomposes it: traced on tensors without data, into ops of the table."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch._dispatch.python import enable_python_dispatcher
from torch.func import functionalize
from torch.fx.experimental.proxy_tensor import make_fx

from isthmus.compiler.importers.torch.export import decompositions
from isthmus.compiler.importers.torch.functional import is_plain
from isthmus.compiler.importers.torch.importer import Walk
from isthmus.compiler.importers.torch.scripted.fakes import ScriptBuilder, invoke
from isthmus.ir.errors import UnsupportedOps
from isthmus.ir.graph import Value


class _Place:
    """Where tensor number `index` stands among arguments."""

    def __init__(self, index: int) -> None:
        self.index = index


def decomposed(b: ScriptBuilder, walk: Walk, overload: Any, plain: Sequence[Any], fakes: Sequence[Any]) -> list[Any]:
    """The op's results, its arguments given as values and as fakes. UnsupportedOps where torch has no way either."""
    values: list[Value] = []
    tensors: list[Any] = []

    def marked(thing: Any, fake: Any) -> Any:
        if isinstance(thing, Value) and isinstance(fake, torch.Tensor):
            values.append(thing)
            tensors.append(fake)
            return _Place(len(values) - 1)
        return [marked(a, f) for a, f in zip(thing, fake, strict=True)] if isinstance(thing, list) else fake

    places = [marked(a, f) for a, f in zip(plain, fakes, strict=True)]

    def run(*given: Any) -> Any:
        return invoke(overload, [_filled(each, given) for each in places])

    table = {op: rule for op, rule in _table().items() if walk.lacks(op)}
    try:
        with warnings.catch_warnings(), b.fakes.mode, enable_python_dispatcher():
            warnings.simplefilter("ignore")
            module = make_fx(run, decomposition_table=table)(*tensors)
            if not is_plain(module):  # torch's own decompositions write into what they return
                module = make_fx(functionalize(module, remove="mutations"), decomposition_table=table)(*tensors)
    except Exception as error:
        raise UnsupportedOps(f"torch does not decompose {overload}: {error}") from error
    walk.check(module)
    return walk.graph(module, b, values)


@cache
def _table() -> Any:
    return decompositions()


def _filled(tree: Any, tensors: Sequence[Any]) -> Any:
    if isinstance(tree, _Place):
        return tensors[tree.index]
    return [_filled(each, tensors) for each in tree] if isinstance(tree, list) else tree
