"""Matrix products and what is made of them."""

from __future__ import annotations

import string

import numpy as np

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow.args import converted, scalar
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.ir.dim import Dim, less_equal, minimum
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import I64, DType


@lowers("MatMul")
def matmul(b: TfBuilder, x: Value, y: Value, *, transpose_a: bool = False, transpose_b: bool = False) -> Value:
    return b.matmul(_swapped(b, x, transpose_a), _swapped(b, y, transpose_b))


@lowers("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")
def batch_matmul(
    b: TfBuilder, x: Value, y: Value, *, adj_x: bool = False, adj_y: bool = False, tout: DType | None = None
) -> Value:
    if tout is not None:
        x, y = converted(b, x, tout), converted(b, y, tout)
    return b.matmul(_swapped(b, x, adj_x), _swapped(b, y, adj_y))


@lowers("_FusedMatMul")
def fused_matmul(
    b: TfBuilder,
    x: Value,
    y: Value,
    *args: Value,
    fused_ops: tuple[str, ...],
    num_args: int,
    transpose_a: bool = False,
    transpose_b: bool = False,
    epsilon: float = 1e-4,
    leakyrelu_alpha: float = 0.2,
) -> Value:
    """What grappler makes of a product, a bias and an activation."""
    found = b.matmul(_swapped(b, x, transpose_a), _swapped(b, y, transpose_b))
    return fused(b, found, args, fused_ops, leakyrelu_alpha)


@lowers("Einsum")
def einsum(b: TfBuilder, *xs: Value, equation: str, n: int) -> Value:
    """Without an arrow the result has every letter that occurs once, in order."""
    terms, arrow, result = equation.replace(" ", "").partition("->")
    if not arrow:
        letters = terms.replace(",", "").replace(".", "")
        result = ("..." if "..." in terms else "") + "".join(c for c in sorted(set(letters)) if letters.count(c) == 1)
    if any(c not in string.ascii_letters + ",." for c in terms + result):
        raise MalformedModel(f"equation {equation!r}")
    return b.einsum(*xs, equation=f"{terms}->{result}")


@lowers("Cross")
def cross(b: TfBuilder, x: Value, y: Value) -> Value:
    axis = x.rank - 1
    turned = [b.gather(v, np.array(order, np.int64), axis=axis) for v, order in ((x, [1, 2, 0]), (y, [2, 0, 1]))]
    back = [b.gather(v, np.array(order, np.int64), axis=axis) for v, order in ((x, [2, 0, 1]), (y, [1, 2, 0]))]
    return b.sub(b.mul(*turned), b.mul(*back))


@lowers("MatrixBandPart")
def matrix_band_part(b: TfBuilder, x: Value, lower: Value, upper: Value) -> Value:
    """What is at most so many diagonals below and above the main one; negative: all."""
    (below,), (above,) = b.integers(scalar(b, lower), "num_lower"), b.integers(scalar(b, upper), "num_upper")
    if below >= 0:
        x = b.trilu(x, upper=True, k=-below)
    return b.trilu(x, upper=False, k=above) if above >= 0 else x


@lowers("MatrixDiag")
def matrix_diag(b: TfBuilder, x: Value) -> Value:
    return _diagonal(b, x)


@lowers("MatrixDiagV3", "MatrixDiagV2")
def matrix_diag_v3(
    b: TfBuilder,
    x: Value,
    k: Value,
    rows: Value,
    columns: Value,
    padding: Value,
    *,
    align: str = "RIGHT_LEFT",
) -> Value:
    """A matrix of `padding` with x on one diagonal; it is square unless rows or columns are given."""
    above = _one_diagonal(b, k)
    (height,), (width,) = b.integers(rows, f"{b.node.op}: rows"), b.integers(columns, f"{b.node.op}: columns")
    size = x.shape[-1]
    needed = (size + abs(above),) * 2 if height < 0 and width < 0 else (size + max(-above, 0), size + max(above, 0))
    sizes = tuple(n if asked < 0 else asked for n, asked in zip(needed, (height, width), strict=True))
    return _with_diagonal(b, b.expand(scalar(b, padding), shape=(*x.shape[:-1], *sizes)), x, above)


@lowers("MatrixDiagPart")
def matrix_diag_part(b: TfBuilder, x: Value) -> Value:
    return b.einsum(x, equation="...ii->...i")


@lowers("DiagPart")
def diag_part(b: TfBuilder, x: Value) -> Value:
    if x.rank != 2:
        raise UnsupportedModel(f"DiagPart of {x}, which is no matrix")
    return b.einsum(x, equation="ii->i")


@lowers("MatrixDiagPartV3", "MatrixDiagPartV2")
def matrix_diag_part_v3(b: TfBuilder, x: Value, k: Value, padding: Value, *, align: str = "RIGHT_LEFT") -> Value:
    above = _one_diagonal(b, k)
    size = _diagonal_size(x, above)
    starts = (max(-above, 0), max(above, 0))
    axes = (x.rank - 2, x.rank - 1)
    square = b.slice(x, axes=axes, starts=starts, stops=tuple(a + size for a in starts), steps=(1, 1))
    return b.einsum(square, equation="...ii->...i")


@lowers("MatrixSetDiag")
def matrix_set_diag(b: TfBuilder, x: Value, diagonal: Value) -> Value:
    return _with_diagonal(b, x, diagonal, 0)


@lowers("MatrixSetDiagV3", "MatrixSetDiagV2")
def matrix_set_diag_v3(b: TfBuilder, x: Value, diagonal: Value, k: Value, *, align: str = "RIGHT_LEFT") -> Value:
    return _with_diagonal(b, x, diagonal, _one_diagonal(b, k))


def _with_diagonal(b: TfBuilder, x: Value, diagonal: Value, above: int) -> Value:
    """x with one diagonal of each matrix replaced: the main one, or one so many places above it."""
    rows, columns = (b.iota(dtype=I64, shape=x.shape[-2:], axis=axis) for axis in (0, 1))
    before = max(-above, 0)
    after = x.shape[-2] - _diagonal_size(x, above) - before
    pads = (*[(0, 0)] * (diagonal.rank - 1), (before, after))
    whole = b.pad(diagonal, b.const(0, diagonal.dtype), pads=pads) if before or after != 0 else diagonal
    place = b.equal(b.add(rows, above), columns) if above else b.equal(rows, columns)
    return b.where(place, b.reshape(whole, shape=(*whole.shape, 1)), x)


def _diagonal_size(x: Value, above: int) -> Dim:
    """How long the diagonal is that lies so many places above the main one."""
    if x.rank < 2:
        raise MalformedModel(f"{x} is no matrix")
    rows, columns = x.shape[-2] - max(-above, 0), x.shape[-1] - max(above, 0)
    size = minimum(rows, columns)
    if less_equal(1, size) is False:
        raise MalformedModel(f"{x} has no diagonal {above} places above the main one")
    return size


def _one_diagonal(b: TfBuilder, k: Value) -> int:
    asked = set(b.integers(k, f"{b.node.op}: k"))
    if len(asked) != 1:
        raise UnsupportedModel(f"{b.node.op} of several diagonals")
    return asked.pop()


def fused(b: TfBuilder, x: Value, args: tuple[Value, ...], names: tuple[str, ...], alpha: float) -> Value:
    """x with the ops that grappler has named one after another; biases are the `args`, added along the last axis."""
    left = list(args)
    for name in names:
        match name:
            case "BiasAdd" | "Add":
                if not left:
                    raise MalformedModel(f"{name} without an operand")
                x = b.add(x, left.pop(0))
            case "Relu":
                x = b.relu(x)
            case "Relu6":
                x = b.clip(x, 0, 6)
            case "Elu":
                x = b.elu(x)
            case "LeakyRelu":
                x = b.leaky_relu(x, slope=alpha)
            case "Tanh":
                x = b.tanh(x)
            case "Sigmoid":
                x = b.sigmoid(x)
            case "GeluApproximate" | "GeluExact":
                x = b.gelu(x, approximate="tanh" if name == "GeluApproximate" else "none")
            case _:
                raise UnsupportedModel(f"fused op {name!r}", hint="export without grappler's remapper")
    return x


def _diagonal(b: TfBuilder, x: Value) -> Value:
    size = x.shape[-1]
    wide = b.reshape(x, shape=(*x.shape, 1))
    square = b.expand(wide, shape=(*x.shape, size))
    return b.trilu(b.trilu(square, upper=True), upper=False)


def _swapped(b: TfBuilder, x: Value, swap: bool) -> Value:
    if not swap:
        return x
    if x.rank < 2:
        raise MalformedModel(f"{x} is no matrix")
    return b.transpose(x, perm=(*range(x.rank - 2), x.rank - 1, x.rank - 2))
