"""Activation functions."""

from __future__ import annotations

import numpy as np

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.ir.graph import Value


@lowers("Relu")
def relu(b: TfBuilder, x: Value) -> Value:
    return b.relu(x)


@lowers("Relu6")
def relu6(b: TfBuilder, x: Value) -> Value:
    return b.clip(x, 0, 6)


@lowers("LeakyRelu")
def leaky_relu(b: TfBuilder, x: Value, *, alpha: float = 0.2) -> Value:
    return b.leaky_relu(x, slope=shortest(alpha))


@lowers("Elu")
def elu(b: TfBuilder, x: Value) -> Value:
    return b.elu(x)


@lowers("Selu")
def selu(b: TfBuilder, x: Value) -> Value:
    return b.selu(x)


@lowers("Softplus")
def softplus(b: TfBuilder, x: Value) -> Value:
    return b.softplus(x)


@lowers("Softsign")
def softsign(b: TfBuilder, x: Value) -> Value:
    return b.softsign(x)


@lowers("Softmax")
def softmax(b: TfBuilder, x: Value) -> Value:
    return b.softmax(x, axis=x.rank - 1)


@lowers("LogSoftmax")
def log_softmax(b: TfBuilder, x: Value) -> Value:
    return b.log_softmax(x, axis=x.rank - 1)


def shortest(number: float) -> float:
    """The shortest decimal that is the same f32: authors write 0.01, and files hold 0.009999999776482582."""
    return float(str(np.float32(number)))
