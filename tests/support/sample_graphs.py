"""Small graphs that between them use every feature of the IR's text."""

from __future__ import annotations

import numpy as np

from isthmus.ir import BOOL, F16, F32, I64, Builder, Graph, Loc, TensorType, symbol
from isthmus.ir.dim import floordiv, maximum, minimum, mod

N, M = symbol("N", 1, 32), symbol("M", 0)


def start(*types: TensorType, name: str = "g") -> Builder:
    graph = Graph(name)
    for i, each in enumerate(types):
        graph.add_input(each, f"x{i}")
    return Builder(graph)


def linear_layer() -> Graph:
    b = start(TensorType(F32, (N, 8)), name="classifier")
    b.loc = Loc("onnx", ("fc/MatMul", "other/path"))
    b.origin = ("rule name", 'quoted "rule"')
    y = b.matmul(b.graph.inputs[0], b.const(np.arange(32, dtype=np.float32).reshape(8, 4), name="w"), name="h")
    b.graph.set_outputs([b.leaky_relu(y, slope=0.3, name="y")], ["logits"])
    return b.graph


def shared_outputs() -> Graph:
    b = start(TensorType(F32, (2,)))
    y = b.relu(b.graph.inputs[0])
    b.graph.set_outputs([y, b.graph.inputs[0], y], ["a", "odd name: b", "return"])
    return b.graph


def attributes_of_every_kind() -> Graph:
    b = start(TensorType(F32, (N, 6, M)), TensorType(I64, ()))
    x, _ = b.graph.inputs
    left, right = b.split(x, axis=1, sizes=(2, 4))
    values, indices = b.topk(right, k=2, axis=1, largest=False)
    b.pad(left, pads=((0, 0), (1, N + 2 * M), (mod(N, 3), floordiv(M, 2))), mode="constant")
    b.reshape(x, shape=(N * M, 6))
    b.cast(x, dtype=F16)
    b.clip(x, None, 6.0)
    b.clip(x, 1.0)
    b.is_inf(x, positive=False)
    b.random_uniform(dtype=F32, shape=(N, maximum(N, M), minimum(M, 5)), low=-1e-30, high=1e300, seed=3)
    b.random_normal(dtype=F32, shape=(), mean=float("-inf"), scale=-0.0)
    b.einsum(x, x, equation="abc,adc->bd")
    b.dims((N, 3))
    b.reduce_sum(x, axes=(), keepdims=True)
    b.graph.set_outputs([values, indices])
    return b.graph


def regions_in_regions() -> Graph:
    b = start(TensorType(BOOL, ()), TensorType(F32, (N,)))
    flag, x = b.graph.inputs
    then, (c, p) = b.region(flag.type, x.type, name="outer then")
    inner, (q,) = then.region(x.type)
    inner.graph.set_outputs([inner.mul(q, 2.0)], ["odd output"])
    twin, (r,) = then.region(x.type)
    twin.graph.set_outputs([r])
    then.graph.set_outputs(then.if_(c, p, then=inner.graph, else_=twin.graph))
    other, (_, s) = b.region(flag.type, x.type)
    other.graph.set_outputs([s])
    b.at(Loc("torch", ()))
    b.graph.set_outputs(b.if_(flag, flag, x, then=then.graph, else_=other.graph), ["y"])
    return b.graph


def loops() -> Graph:
    b = start(TensorType(F32, (N,)))
    (x,) = b.graph.inputs
    body, (_, state) = b.region(TensorType(I64, ()), x.type)
    body.graph.set_outputs([body.const(True), body.relu(state), state], ["go", "s", "t"])
    last, stacked = b.loop(b.const(3), None, x, carried=1, body=body.graph)
    step, (total, each) = b.region(TensorType(F32, ()), TensorType(F32, ()))
    step.graph.set_outputs([step.add(total, each)], ["total"])
    (scanned,) = b.scan(b.const(0.0), last, carried=1, scanned=1, body=step.graph)
    b.graph.set_outputs([last, stacked, scanned], ["a", "b", "c"])
    return b.graph


def nothing_at_all() -> Graph:
    return Graph("")


def odd_names() -> Graph:
    graph = Graph("a b\n\u00e9")
    x = graph.add_input(TensorType(F32, (symbol("batch size"), symbol("inf", 0), symbol("f32"), symbol("it's"))), "x y")
    b = Builder(graph, loc=Loc("odd format", ("a\tb", "\u2028", "")))
    first, second = b.relu(x, name='say "x"'), b.relu(x, name="same")
    third, fourth = b.relu(first, name="same"), b.relu(second, name="same")
    b.reshape(third, shape=third.shape)
    b.relu(b.relu(fourth), name="v0")
    graph.set_outputs([third, fourth], ["same", "x/y.1"])
    return graph


GRAPHS = [
    linear_layer,
    shared_outputs,
    attributes_of_every_kind,
    regions_in_regions,
    loops,
    nothing_at_all,
    odd_names,
]
