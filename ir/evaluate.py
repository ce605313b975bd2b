"""The meaning of a graph: numpy through the op table, rounded to each value's own type after each op.

Element types narrower than 32 bits are computed in f32 (integers in i32) and rounded once to the result's type:
what hardware with f32 accumulators does, and what numpy's own f16 does. This is the oracle of every test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np

from isthmus.ir.dim import Dim, DimExpr, as_symbol, resolve, symbols
from isthmus.ir.errors import BadInput, EvaluationError, IsthmusError
from isthmus.ir.graph import Graph, Node, Value
from isthmus.ir.types import Array, TensorType, type_of

T = TypeVar("T")

Observer: TypeAlias = Callable[[Value, Array], None]


def evaluate(
    graph: Graph, inputs: Mapping[str, Array] | Sequence[Array], *, observe: Observer | None = None
) -> dict[str, Array]:
    """Outputs by name. `inputs` by name or in order; `observe(value, array)` sees every value as it is made.

    Raises BadInput for inputs that do not fit the graph's types, EvaluationError where an op fails.
    """
    given = match_inputs(graph, inputs)
    bindings: dict[str, int] = {}
    for value, array in zip(graph.inputs, given, strict=True):
        bind(value.type, array, bindings, f"input {value.name!r}")
    with np.errstate(all="ignore"):
        results = _run(graph, given, bindings, observe)
    return dict(zip(graph.output_names, results, strict=True))


def match_inputs(graph: Graph, inputs: Mapping[str, Array] | Sequence[Array]) -> list[Array]:
    """The arrays in the order of the graph's inputs; BadInput names what is missing or unknown."""
    return [np.asarray(a) for a in match_names(graph, inputs)]


def match_names(graph: Graph, inputs: Mapping[str, T] | Sequence[T]) -> list[T]:
    """What is given for the graph's inputs, in their order; BadInput names what is missing or unknown."""
    names = [v.name for v in graph.inputs]
    if not isinstance(inputs, Mapping):
        if len(inputs) != len(names):
            raise BadInput(f"got {len(inputs)} inputs, need {len(names)}", hint=f"inputs are: {', '.join(names)}")
        return list(inputs)
    missing, unknown = [n for n in names if n not in inputs], [n for n in inputs if n not in names]
    if missing or unknown:
        problem = f"missing {', '.join(missing)}" if missing else f"unknown {', '.join(unknown)}"
        raise BadInput(f"inputs do not fit: {problem}", hint=f"inputs are: {', '.join(map(str, graph.inputs))}")
    return [inputs[n] for n in names]


def bind(type: TensorType, array: Array, bindings: dict[str, int], what: str) -> None:
    """Check `array` against `type`, adding to `bindings` the sizes of symbols seen for the first time."""
    if array.dtype != type.dtype.numpy or array.ndim != type.rank:
        raise BadInput(f"{what} is {array.dtype}{list(array.shape)}, expected {type}")
    pending: list[tuple[DimExpr, int]] = []
    for dim, size in zip(type.shape, array.shape, strict=True):
        if isinstance(dim, int):
            if dim != size:
                raise BadInput(f"{what} has shape {list(array.shape)}, expected {type}")
        elif (name := as_symbol(dim)) is not None and name.name not in bindings:
            if size < name.low or (name.high is not None and size > name.high):
                high = "" if name.high is None else name.high
                raise BadInput(f"{what} makes {name} = {size}, outside its bounds {name.low}..{high}")
            bindings[name.name] = size
        else:
            pending.append((dim, size))
    for expression, size in pending:
        if any(s.name not in bindings for s in symbols(expression)):
            continue
        if (wanted := resolve(expression, bindings)) != size:
            raise BadInput(f"{what} has shape {list(array.shape)}: {expression} is {wanted} by earlier sizes")


def evaluate_node(
    node: Node,
    operands: Sequence[Array | None],
    bindings: dict[str, int],
    observe: Observer | None = None,
) -> list[Array]:
    """The node's results on given arrays, each rounded to its declared type. New sizes go to `bindings`."""
    attrs = {name: _resolved(value, bindings) for name, value in node.attrs.items()}
    regions = {_keyword(name): _Body(body, bindings, observe) for name, body in node.regions.items()}
    try:
        found = node.op.meaning(*(_given(node, i, a) for i, a in enumerate(operands)), **attrs, **regions)
        results = [np.asarray(each) for each in (found if node.op.several else (found,))]
        rounded = [_rounded(a, r.type) for a, r in zip(results, node.results, strict=True)]
        for result, array in zip(node.results, rounded, strict=True):
            bind(result.type, array, bindings, f"result of {node.op.name}")
    except IsthmusError as error:
        if isinstance(error, EvaluationError):
            raise
        raise EvaluationError(error.reason, where=_place(node)) from error
    except (ValueError, IndexError, TypeError, OverflowError, ArithmeticError, MemoryError) as error:
        raise EvaluationError(f"{node.op.name} failed: {error}", where=_place(node)) from error
    return rounded


def _run(
    graph: Graph, inputs: Sequence[Array], bindings: dict[str, int], observe: Observer | None
) -> tuple[Array, ...]:
    arrays: dict[Value, Array] = dict(zip(graph.inputs, inputs, strict=True))
    left = {}
    if observe is not None:
        for value, array in arrays.items():
            observe(value, array)
    for node in graph.nodes:
        operands = [None if v is None else arrays[v] for v in node.operands]
        results = evaluate_node(node, operands, bindings, observe)
        for value, array in zip(node.results, results, strict=True):
            arrays[value] = array
            left[value] = value.use_count
            if observe is not None:
                observe(value, array)
        for value in node.inputs:
            if value in left:
                left[value] -= 1
                if not left[value]:
                    del arrays[value]
    return tuple(arrays[v] for v in graph.outputs)


@dataclass(frozen=True)
class _Body:
    """A region as its op's meaning calls it."""

    graph: Graph
    bindings: dict[str, int]
    observe: Observer | None

    def __call__(self, *arrays: Array) -> tuple[Array, ...]:
        inner = dict(self.bindings)
        given = [_rounded(np.asarray(a), v.type) for v, a in zip(self.graph.inputs, arrays, strict=True)]
        for value, array in zip(self.graph.inputs, given, strict=True):
            bind(value.type, array, inner, f"region input {value.name!r}")
        return _run(self.graph, given, inner, self.observe)

    def nothing(self) -> tuple[Array, ...]:
        return tuple(np.empty((0, *map(self._size, v.shape)), v.dtype.numpy) for v in self.graph.outputs)

    def _size(self, dim: Dim) -> int:
        return resolve(dim, self.bindings) if all(s.name in self.bindings for s in symbols(dim)) else 0


def _resolved(value: Any, bindings: Mapping[str, int]) -> Any:
    if isinstance(value, DimExpr):
        return resolve(value, bindings)
    if isinstance(value, tuple):
        return tuple(_resolved(item, bindings) for item in value)
    return value


def _given(node: Node, index: int, array: Array | None) -> Array | None:
    """An operand as the meaning computes with it; quantized ones say by their own type what to saturate to."""
    return array if node.op.operand(index).among.name == "quantized" else _widen(array)


def _widen(array: Array | None) -> Array | None:
    if array is None or array.dtype.itemsize > 2 or array.dtype == np.bool_:
        return array
    kind = type_of(array).dtype
    if kind.is_float:
        return array.astype(np.float32)
    return array.astype(np.int8 if kind.name == "i4" else np.uint8) if kind.bits == 4 else array


def _rounded(array: Array, type: TensorType) -> Array:
    return array if array.dtype == type.dtype.numpy else array.astype(type.dtype.numpy)


def _keyword(region: str) -> str:
    return f"{region}_" if region == "else" else region


def _place(node: Node) -> str:
    return f"{node!r}" + (f" ({node.loc})" if node.loc else "")
