"""Matrix products."""

from __future__ import annotations

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.ir.graph import Value
from isthmus.ir.types import I32


@lowers("Gemm")
def gemm(
    b: OnnxBuilder,
    x: Value,
    y: Value,
    addend: Value | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: bool = False,  # noqa: N803
    transB: bool = False,  # noqa: N803
    broadcast: bool = True,
) -> Value:
    """alpha * x @ y + beta * addend, either matrix transposed first if asked."""
    left = b.transpose(x, perm=(1, 0)) if transA else x
    right = b.transpose(y, perm=(1, 0)) if transB else y
    product = b.matmul(left, right)
    if alpha != 1:
        product = b.mul(product, alpha)
    if addend is None or beta == 0:
        return product
    return b.add(product, addend if beta == 1 else b.mul(addend, beta))


@lowers("Einsum")
def einsum(b: OnnxBuilder, *xs: Value, equation: str) -> Value:
    equation = equation.replace(" ", "")
    if "->" not in equation:
        letters = sorted(set(equation) - set(",."))
        dots = "..." if "..." in equation else ""
        equation += "->" + dots + "".join(c for c in letters if equation.count(c) == 1)
    return b.einsum(*xs, equation=equation)


@lowers("MatMulInteger")
def matmul_integer(
    b: OnnxBuilder, x: Value, y: Value, x_zero: Value | None = None, y_zero: Value | None = None
) -> Value:
    """The product of 8-bit matrices in i32, less their zero points: of x one number or one a row, of y one a column."""
    left, right = b.cast(x, dtype=I32), b.cast(y, dtype=I32)
    if x_zero is not None:
        zero = b.reshape(x_zero, shape=(*x_zero.shape, 1)) if x_zero.rank == 1 and x.rank > 1 else x_zero
        left = b.sub(left, b.cast(zero, dtype=I32))
    if y_zero is not None:
        right = b.sub(right, b.cast(y_zero, dtype=I32))
    return b.matmul(left, right)
