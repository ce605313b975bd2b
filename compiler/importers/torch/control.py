"""torch's control-flow operators: bodies become regions, and what they use from outside explicit operands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.compiler.importers.torch.args import common_dtype, expanded, tensor, truth
from isthmus.compiler.importers.torch.builder import Scalar, TorchBuilder
from isthmus.compiler.importers.torch.importer import body_of
from isthmus.compiler.importers.torch.schema import aten
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import BOOL, I64, TensorType


@aten("cond")
def cond(
    b: TorchBuilder, x: Scalar, true_fn: Any = None, false_fn: Any = None, operands: Sequence[Any] = ()
) -> list[Value]:
    """A condition that is known while importing leaves only the branch taken."""
    known = bool(x) if isinstance(x, bool) else None
    if isinstance(x, Value) and (found := b.numbers(x)) is not None:
        known = bool(found.item())
    given = _tensors(b, operands)
    if known is not None:
        body = body_of(true_fn if known else false_fn)
        return body.walk.graph(body.module, b, given)
    types = [v.type for v in given]
    graphs = []
    for branch in (true_fn, false_fn):
        inner, results = body_of(branch).region(b, types)
        inner.graph.set_outputs(results, [f"out{i}" for i in range(len(results))])
        graphs.append(inner.graph)
    condition = truth(b, x)
    condition = condition if condition.rank == 0 else b.reshape(condition, shape=())
    return list(b.if_(condition, *given, then=graphs[0], else_=graphs[1]))


@aten("while_loop")
def while_loop(
    b: TorchBuilder,
    x: Any,
    body_fn: Any = None,
    carried_inputs: Sequence[Any] = (),
    additional_inputs: Sequence[Any] = (),
) -> list[Value]:
    """The condition is asked once outside, and at the end of each turn inside."""
    state, captured = _tensors(b, carried_inputs), _tensors(b, additional_inputs)
    condition, body = body_of(x), body_of(body_fn)
    (first,) = condition.walk.graph(condition.module, b, [*state, *captured])
    inner = b.body()
    inner.graph.name = "body"
    inner.graph.add_input(TensorType(I64, ()), "i")
    inputs = [inner.graph.add_input(v.type, f"x{i}") for i, v in enumerate((*state, *captured))]
    made = body.walk.graph(body.module, inner, inputs)
    produced = [expanded(inner, tensor(inner, each, v.dtype), v.shape) for each, v in zip(made, state, strict=True)]
    (more,) = condition.walk.graph(condition.module, inner, [*produced, *inputs[len(state) :]])
    inner.graph.set_outputs([_flag(inner, more), *produced], [f"out{i}" for i in range(1 + len(produced))])
    return list(b.loop(None, _flag(b, first), *state, *captured, body=inner.graph, carried=len(state)))


@aten("scan")
def scan(
    b: TorchBuilder, x: Any, init: Sequence[Any] = (), xs: Sequence[Any] = (), additional_inputs: Sequence[Any] = ()
) -> list[Value]:
    """Over axis 0 of every scanned tensor: the last carried values, then the stacked results."""
    state, sequences, captured = _tensors(b, init), _tensors(b, xs), _tensors(b, additional_inputs)
    if not sequences:
        raise UnsupportedModel("a scan over nothing")
    types = [v.type for v in state]
    slices = [v.type.with_shape(v.shape[1:]) for v in sequences]
    inner, results = body_of(x).region(b, [*types, *slices, *(v.type for v in captured)])
    inner.graph.set_outputs(results, [f"out{i}" for i in range(len(results))])
    return list(b.scan(*state, *sequences, *captured, body=inner.graph, carried=len(state), scanned=len(sequences)))


def _tensors(b: TorchBuilder, operands: Sequence[Any]) -> list[Value]:
    return [tensor(b, each, common_dtype(each)) for each in operands]


def _flag(b: TorchBuilder, condition: Any) -> Value:
    flag = tensor(b, condition, BOOL)
    return flag if flag.rank == 0 else b.reshape(flag, shape=())
