"""Single ops give TensorFlow's results, and every op that has a lowering is met somewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isthmus.compiler.importers.tensorflow import import_tensorflow
from isthmus.compiler.importers.tensorflow.table import TABLE
from isthmus.ir import evaluate
from isthmus.passes.numerics import relative_error
from tests.compiler.importers.tensorflow.build import (
    COMPLEX64,
    INT32,
    Function,
    Shape,
    Type,
    const,
    function,
    graph,
    node,
    placeholder,
)
from tests.support.tensorflow_models import NAMES, Call, calls, model, source_ops

CASES = list(calls("ops"))


@pytest.mark.parametrize("call", CASES, ids=lambda call: call.signature)
def test_an_op_gives_tensorflow_s_result(call: Call, scratch: Path) -> None:
    found = evaluate(import_tensorflow(model("ops", scratch), signature=call.signature), call.inputs)
    assert sorted(found) == sorted(call.outputs)
    for name, wanted in call.outputs.items():
        assert (found[name].dtype, found[name].shape) == (wanted.dtype, wanted.shape)
        assert relative_error(found[name], wanted) < (1e-5 if wanted.dtype.kind == "f" else 1e-30)


X = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
W = np.random.default_rng(1).standard_normal((4, 4)).astype(np.float32)
IMAGE = np.random.default_rng(2).standard_normal((1, 4, 4, 4)).astype(np.float32)


def _normalized(x: Any, gamma: bool) -> Any:
    found = (x - W[0]) / np.sqrt(np.abs(W[1]) + np.float32(0.01))
    return found * (W[3] if gamma else 1) + W[2]


def _batch_norm(op: str, gamma: bool) -> bytes:
    rows = [const(f"w{i}", np.abs(W[i]) if i == 1 else W[i]) for i in range(4)]
    attributes = {"variance_epsilon": 0.01, "scale_after_normalization": gamma}
    return graph(placeholder("x", 1, 4, 4, 4), *rows, node("y", op, "x", "w0", "w1", "w2", "w3", **attributes))


def _fused_product() -> bytes:
    product = node("y", "_FusedMatMul", "x", "w", "c", num_args=1, fused_ops=["BiasAdd", "Relu"])
    return graph(placeholder("x", -1, 4), const("w", W), const("c", W[0]), product)


def _fused_convolution() -> bytes:
    how: dict[str, Any] = {
        "strides": [1, 1, 1, 1],
        "padding": "VALID",
        "num_args": 1,
        "fused_ops": ["BiasAdd", "Relu6"],
    }
    convolution = node("y", "_FusedConv2D", "x", "w", "c", **how)
    return graph(placeholder("x", -1, 4, 4, 4), const("w", W.reshape(1, 1, 4, 4)), const("c", W[0]), convolution)


def _branches() -> bytes:
    double = function("double", ["a"], {"r": "m:z:0"}, node("m", "Add", "a", "a"))
    negate = function("negate", ["a"], {"r": "m:y:0"}, node("m", "Neg", "a"))
    zero = const("zero", 0.0)
    nodes = (
        placeholder("x", 3, 4),
        zero,
        const("all", [0, 1]),
        node("sum", "Sum", "x", "all"),
        node("positive", "Greater", "sum", "zero"),
        node("y", "StatelessIf", "positive", "x", then_branch=Function("double"), else_branch=Function("negate")),
    )
    return graph(*nodes, functions=(double, negate))


def _cases() -> bytes:
    double = function("double", ["a"], {"r": "m:z:0"}, node("m", "Add", "a", "a"))
    made = node("y", "Case", "n", "x")
    for name in ("double", "double"):
        made.attr["branches"].list.func.add(name=name)
    return graph(placeholder("x", 3, 4), placeholder("n", code=INT32), made, functions=(double,))


def _table() -> bytes:
    nodes = (
        placeholder("x", -1, code=INT32),
        node("t", "HashTable", key_dtype=Type(INT32), value_dtype=Type(1)),
        const("keys", [3, 5, 9]),
        const("values", [0.25, 0.5, 0.75]),
        const("none", -1.0),
        node("fill", "InitializeTable", "t", "keys", "values"),
        node("found", "LookupTableFind", "t", "x", "none"),
        node("size", "LookupTableSize", "t"),
        node("count", "Cast", "size", DstT=Type(1)),
        node("y", "Mul", "found", "count"),
    )
    return graph(*nodes)


def _scattered_list(op: str) -> bytes:
    length = () if op == "TensorListScatter" else ("n",)
    nodes = (
        placeholder("x", 3, 4),
        const("places", [0, 1, 2]),
        const("shape", [4]),
        const("n", -1),
        const("one", 1),
        node("list", op, "x", "places", "shape", *length, element_dtype=Type(1), shape_type=Type(INT32)),
        node("y", "TensorListGetItem", "list", "one", "shape", element_dtype=Type(1)),
    )
    return graph(*nodes)


def _joined_list() -> bytes:
    nodes = (
        placeholder("x", 3, 4),
        const("shape", [4]),
        node("list", "TensorListFromTensor", "x", "shape", element_dtype=Type(1), shape_type=Type(INT32)),
        node("y", "TensorListConcat", "list", element_dtype=Type(1), element_shape=Shape((4,))),
    )
    return graph(*nodes)


def _spectrum() -> bytes:
    """With all attributes, as frozen graphs have them; SavedModels lack those that are as by default."""
    nodes = (
        placeholder("x", 3, 4),
        const("n", [4]),
        node("f", "RFFT", "x", "n", Treal=Type(1), Tcomplex=Type(COMPLEX64)),
        node("y", "Real", "f", T=Type(COMPLEX64), Tout=Type(1)),
    )
    return graph(*nodes)


def _segments() -> bytes:
    rows = const("rows", [0, 2]), const("ids", [0, 0])
    return _one("SparseSegmentSum", *rows, T=Type(1), Tidx=Type(INT32), sparse_gradient=False)


def _diagonals(op: str, *more: str) -> bytes:
    nodes = (placeholder("x", 4, 4), const("k", 0), const("zero", 0.0), const("row", W[0]), node("y", op, "x", *more))
    return graph(*nodes)


def _one(op: str, *more: Any, **attributes: Any) -> bytes:
    return graph(placeholder("x", 3, 4), *more, node("y", op, *["x", *(n.name for n in more)], **attributes))


OLD: dict[str, tuple[bytes, Any, Any]] = {
    "AccumulateNV2": (_one("AccumulateNV2", const("c", X), N=2, shape=Shape((3, 4))), X, X + X),
    "BatchNormWithGlobalNormalization": (
        _batch_norm("BatchNormWithGlobalNormalization", True),
        IMAGE,
        _normalized(IMAGE, True),
    ),
    "_BatchNormWithGlobalNormalization": (
        _batch_norm("_BatchNormWithGlobalNormalization", False),
        IMAGE,
        _normalized(IMAGE, False),
    ),
    "Case": (_cases(), X, X + X),
    "HashTable, LookupTableFind, LookupTableSize": (
        _table(),
        np.array([9, 4, 3], np.int32),
        np.array([2.25, -3, 0.75], np.float32),
    ),
    "HostConst": (
        graph(placeholder("x", 3, 4), node("c", "HostConst", value=W[:3]), node("y", "Sub", "x", "c")),
        X,
        X - W[:3],
    ),
    "MatrixDiagPartV2": (_diagonals("MatrixDiagPartV2", "k", "zero"), W, np.diag(W)),
    "MatrixSetDiagV2": (_diagonals("MatrixSetDiagV2", "row", "k"), W, np.where(np.eye(4, dtype=bool), W[0], W)),
    "Real, RFFT": (_spectrum(), X, np.fft.rfft(X).real.astype(np.float32)),
    "PlaceholderV2": (
        graph(node("x", "PlaceholderV2", dtype=Type(1), shape=Shape((3, 4))), node("y", "Neg", "x")),
        X,
        -X,
    ),
    "SparseSegmentSum": (_segments(), X, X[:1] + X[2:]),
    "StatelessIf": (_branches(), np.abs(X), np.abs(X) * 2),
    "StatelessIf, the other branch": (_branches(), -np.abs(X), np.abs(X)),
    "TensorListConcat": (_joined_list(), X, X.reshape(-1)),
    "TensorListScatter": (_scattered_list("TensorListScatter"), X, X[1]),
    "TensorListScatterV2": (_scattered_list("TensorListScatterV2"), X, X[1]),
    "TopK": (_one("TopK", k=2), X, np.sort(X)[:, :-3:-1]),
    "_FusedConv2D": (_fused_convolution(), IMAGE, np.clip(IMAGE @ W + W[0], 0, 6)),
    "_FusedMatMul": (_fused_product(), X, np.maximum(X @ W + W[0], 0)),
}
"""Ops of old files, and of grappler's: a graph of x and y, what x is, and what y is then."""


@pytest.mark.parametrize("name", OLD)
def test_ops_that_tensorflow_no_longer_writes(name: str) -> None:
    source, x, wanted = OLD[name]
    imported = import_tensorflow(source, outputs=["y"])
    given = {"x": x, "n": np.array(5, np.int32)}
    found = evaluate(imported, {v.name: given[v.name] for v in imported.inputs})["y"]
    assert found.dtype == wanted.dtype
    assert relative_error(found, wanted) < 1e-6


VARIABLES = {"Variable", "IsVariableInitialized", "VarIsInitializedOp"}
"""Tested with a checkpoint, in test_variables.py."""
REFUSED = {"Placeholder"}
"""Its lowering is an error message."""


def test_every_lowering_is_tested() -> None:
    met = {op for name in NAMES for op in source_ops(name)}
    written = {each.strip() for name in OLD for each in name.split(",")}
    assert set(TABLE.ops) - met - written - VARIABLES - REFUSED == set()
