"""Every ONNX op that has a lowering."""

from __future__ import annotations

from isthmus.compiler.importers.lowering import LoweringTable
from isthmus.compiler.importers.onnx import (
    activation,
    attention,
    control,
    creation,
    elementwise,
    image,
    indexing,
    linalg,
    nn,
    norm,
    padding,
    quant,
    recurrent,
    reduce,
    sequence,
    shape,
    slicing,
)

TABLE = LoweringTable(
    (
        elementwise,
        activation,
        linalg,
        attention,
        nn,
        norm,
        image,
        reduce,
        shape,
        slicing,
        padding,
        indexing,
        quant,
        recurrent,
        control,
        sequence,
        creation,
    )
)
"""Families in the order of the op table."""
