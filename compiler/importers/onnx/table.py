"""Every ONNX op that has a lowering."""

from __future__ import annotations

from isthmus.compiler.importers.lowering import LoweringTable
from isthmus.compiler.importers.onnx import (
    activation,
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
        nn,
        norm,
        image,
        reduce,
        shape,
        slicing,
        padding,
        indexing,
        quant,
        control,
        sequence,
        creation,
    )
)
"""Families in the order of the op table."""
