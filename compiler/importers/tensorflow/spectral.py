"""Fourier transforms of short signals, as products with constant matrices. Complex tensors are pairs of real ones."""

from __future__ import annotations

import numpy as np

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.compiler.importers.tensorflow.operands import Complex
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import Array

_LONGEST = 4096
"""The matrices of longer transforms would take more memory than a model should."""


@lowers("RFFT")
def rfft(b: TfBuilder, x: Value, length: Value) -> Complex:
    """The first n/2 + 1 frequencies of real signals along the last axis, cut or padded to n."""
    (n,) = b.integers(length, "RFFT: the length")
    angles = _angles(n, n // 2 + 1)
    signal = _fitted(b, x, n)
    return Complex(_times(b, signal, np.cos(angles)), _times(b, signal, -np.sin(angles)))


@lowers("IRFFT")
def irfft(b: TfBuilder, x: Complex, length: Value) -> Value:
    """The real signal of n samples; the imaginary part of the first and the last frequency counts for nothing."""
    (n,) = b.integers(length, "IRFFT: the length")
    count = n // 2 + 1
    weight = np.full(count, 2.0)
    weight[0] = 1.0
    if n % 2 == 0:
        weight[-1] = 1.0
    angles = _angles(n, count).T
    real = _times(b, _fitted(b, x.real, count), np.cos(angles) * weight[:, None] / n)
    return b.sub(real, _times(b, _fitted(b, x.imaginary, count), np.sin(angles) * weight[:, None] / n))


@lowers("FFT", "IFFT")
def fft(b: TfBuilder, x: Complex | Value) -> Complex:
    if isinstance(x, Value):
        raise MalformedModel(f"{b.node.op} of a real tensor")
    return _transformed(b, x, b.node.op == "IFFT")


def _transformed(b: TfBuilder, x: Complex, inverse: bool) -> Complex:
    """The transform along the last axis."""
    n = x.real.shape[-1]
    if not isinstance(n, int):
        raise UnsupportedModel("a Fourier transform along a symbolic size")
    angles = _angles(n, n)
    cosine, sine = np.cos(angles) / (n if inverse else 1), np.sin(angles) * (-1 / n if inverse else 1)
    real = b.add(_times(b, x.real, cosine), _times(b, x.imaginary, sine))
    return Complex(real, b.sub(_times(b, x.imaginary, cosine), _times(b, x.real, sine)))


@lowers("RFFT2D")
def rfft_2d(b: TfBuilder, x: Value, length: Value) -> Complex:
    """RFFT along the last axis, then FFT along the one before it."""
    rows, columns = b.integers(length, "RFFT2D: the lengths")
    fitted = _turned(b, _fitted(b, _turned(b, x), rows))
    return _along_columns(b, rfft(b, fitted, b.const(np.array([columns]))), inverse=False)


@lowers("IRFFT2D")
def irfft_2d(b: TfBuilder, x: Complex, length: Value) -> Value:
    """The inverse of RFFT2D."""
    rows, columns = b.integers(length, "IRFFT2D: the lengths")
    real, imaginary = (_turned(b, _fitted(b, _turned(b, v), rows)) for v in (x.real, x.imaginary))
    found: Value = irfft(b, _along_columns(b, Complex(real, imaginary), inverse=True), b.const(np.array([columns])))
    return found


@lowers("FFT2D", "IFFT2D")
def fft_2d(b: TfBuilder, x: Complex | Value) -> Complex:
    if isinstance(x, Value):
        raise MalformedModel(f"{b.node.op} of a real tensor")
    inverse = b.node.op == "IFFT2D"
    return _along_columns(b, _transformed(b, x, inverse), inverse)


def _along_columns(b: TfBuilder, x: Complex, inverse: bool) -> Complex:
    """The transform along the axis before the last."""
    found = _transformed(b, Complex(_turned(b, x.real), _turned(b, x.imaginary)), inverse)
    return Complex(_turned(b, found.real), _turned(b, found.imaginary))


def _turned(b: TfBuilder, x: Value) -> Value:
    if x.rank < 2:
        raise MalformedModel(f"{x} has no two axes to transform")
    return b.transpose(x, perm=(*range(x.rank - 2), x.rank - 1, x.rank - 2))


def _angles(n: int, frequencies: int) -> Array:
    """2 pi t k / n for each sample t and frequency k."""
    if not 1 <= n <= _LONGEST:
        raise UnsupportedModel(f"a Fourier transform of {n} samples", hint=f"at most {_LONGEST} are supported")
    turns = np.outer(np.arange(n), np.arange(frequencies)) % n
    found: Array = 2 * np.pi * turns / n
    return found


def _fitted(b: TfBuilder, x: Value, n: int) -> Value:
    """x with its last axis cut or padded with zeros to n."""
    axis, size = x.rank - 1, x.shape[-1]
    if not isinstance(size, int):
        raise UnsupportedModel("a Fourier transform along a symbolic size")
    if size > n:
        return b.slice(x, axes=(axis,), starts=(0,), stops=(n,), steps=(1,))
    return x if size == n else b.pad(x, pads=(*[(0, 0)] * axis, (0, n - size)))


def _times(b: TfBuilder, x: Value, matrix: Array) -> Value:
    return b.matmul(x, b.const(matrix.astype(x.dtype.numpy)))
