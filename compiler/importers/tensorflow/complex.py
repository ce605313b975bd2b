"""Complex tensors, which are pairs of real ones: put together, taken apart, measured."""

from __future__ import annotations

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.compiler.importers.tensorflow.operands import Complex
from isthmus.ir.graph import Value


@lowers("Real")
def real(b: TfBuilder, x: Complex) -> Value:
    return x.real


@lowers("Imag")
def imag(b: TfBuilder, x: Complex) -> Value:
    return x.imaginary


@lowers("ComplexAbs")
def complex_abs(b: TfBuilder, x: Complex) -> Value:
    return b.sqrt(b.add(b.mul(x.real, x.real), b.mul(x.imaginary, x.imaginary)))


@lowers("Angle")
def angle(b: TfBuilder, x: Complex) -> Value:
    return b.atan2(x.imaginary, x.real)


@lowers("Complex")
def complex_(b: TfBuilder, real: Value, imaginary: Value) -> Complex:
    return Complex(real, imaginary)


@lowers("Conj")
def conj(b: TfBuilder, x: Complex | Value) -> Complex | Value:
    return x if isinstance(x, Value) else Complex(x.real, b.neg(x.imaginary))
