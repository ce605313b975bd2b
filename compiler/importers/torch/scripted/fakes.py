"""torch's own word on an op's result, asked when a lowering wants it: the op runs on tensors without data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import mul
from typing import Any

import torch
from torch._dispatch.python import enable_python_dispatcher
from torch._dynamo.source import ConstantSource
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv

from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.compiler.importers.torch.sizes import Sizes
from isthmus.compiler.importers.torch.types import torch_dtype
from isthmus.ir.dim import Dim, Extremum, FloorDiv, Symbol, symbol
from isthmus.ir.errors import IsthmusError, UnsupportedModel
from isthmus.ir.graph import Graph
from isthmus.ir.types import TensorType

_FIRST_HINT = 1009
_HINT_STEP = 30
"""Sizes that torch may assume are so far from 0, 1 and each other that no comparison of them comes out by chance."""


class Fakes:
    """Tensors without data for types of the IR; torch's symbols and ours stand for each other."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._env = ShapeEnv()
        self.mode = FakeTensorMode(shape_env=self._env, allow_non_fake_inputs=True)
        self._symbols: dict[str, Any] = {}

    def tensor(self, type: TensorType) -> Any:
        """A tensor of that type."""
        with self.mode:
            return torch.empty([self.size(d) for d in type.shape], dtype=torch_dtype(type.dtype))

    def size(self, dim: Dim) -> Any:
        """An int, or the SymInt that `dim` is."""
        if isinstance(dim, int):
            return dim
        products = [
            coefficient * reduce(mul, (self._atom(a) ** p for a, p in term), 1) for term, coefficient in dim.terms
        ]
        return sum(products[1:], products[0])

    def _atom(self, atom: Any) -> Any:
        if isinstance(atom, Symbol):
            return self._symbol(atom)
        if isinstance(atom, Extremum):
            return reduce(torch.sym_max if atom.kind == "max" else torch.sym_min, map(self.size, atom.args))
        numerator, divisor = self.size(atom.numerator), self.size(atom.divisor)
        return numerator // divisor if isinstance(atom, FloorDiv) else numerator % divisor

    def _symbol(self, ours: Symbol) -> Any:
        if ours.name not in self._symbols:
            hint = _FIRST_HINT + _HINT_STEP * len(self._symbols)
            source = ConstantSource(f"size_{ours.name}")
            made = self._env.create_symbol(
                hint, source, dynamic_dim=DimDynamic.DYNAMIC, do_not_specialize_zero_one=True
            )
            self._symbols[ours.name] = self._env.create_symintnode(made, hint=hint, source=source)
            self._sizes.define(made, symbol(ours.name, ours.low, ours.high))
        return self._symbols[ours.name]


class ScriptBuilder(TorchBuilder):
    """A builder that asks torch about the op at hand only where a lowering wants to know."""

    def __init__(self, graph: Graph) -> None:
        self._asked: Callable[[], Any] | None = None
        self._answer: Any = None
        sizes = Sizes()
        super().__init__(graph, sizes)
        self.fakes = Fakes(sizes)

    @property
    def fake(self) -> Any:
        """torch's result of the op at hand, without data. UnsupportedModel where it depends on data."""
        if self._asked is not None:
            self._answer, self._asked = self._asked(), None
        return self._answer

    @fake.setter
    def fake(self, answer: Any) -> None:
        self._answer, self._asked = answer, None

    def ask(self, overload: Any, arguments: Sequence[Any]) -> None:
        """`fake` shall be what `overload` makes of `arguments`, which hold fakes."""

        def run() -> Any:
            try:
                with self.fakes.mode, enable_python_dispatcher():
                    return invoke(overload, arguments)
            except IsthmusError:
                raise
            except Exception as error:
                text = str(error).strip().partition("\n")[0]
                raise UnsupportedModel(f"torch cannot tell the shape of {overload}: {text}") from error

        self._asked = run


def invoke(overload: Any, arguments: Sequence[Any]) -> Any:
    """The overload called with all its arguments in the order of its schema."""
    specs = overload._schema.arguments
    positional = [a for a, spec in zip(arguments, specs, strict=False) if not spec.kwarg_only]
    named = {spec.name: a for a, spec in zip(arguments, specs, strict=False) if spec.kwarg_only}
    return overload(*positional, **named)
