"""Every ONNX op that has a lowering."""

from __future__ import annotations

from isthmus.compiler.importers.lowering import LoweringTable
from isthmus.compiler.importers.onnx import (
    activation,
    attention,
    control,
    creation,
    deformable,
    detection,
    determinant,
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
    unique,
    unpooling,
)

TABLE = LoweringTable(
    (
        elementwise,
        activation,
        linalg,
        determinant,
        attention,
        nn,
        deformable,
        unpooling,
        norm,
        image,
        detection,
        reduce,
        shape,
        slicing,
        padding,
        indexing,
        unique,
        quant,
        recurrent,
        control,
        sequence,
        creation,
    )
)
"""Families in the order of the op table."""
