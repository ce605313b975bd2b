"""Every TensorFlow op that has a lowering."""

from __future__ import annotations

from isthmus.compiler.importers.lowering import LoweringTable
from isthmus.compiler.importers.tensorflow import (
    activation,
    control,
    creation,
    detection,
    elementwise,
    image,
    indexing,
    linalg,
    lookup,
    nn,
    norm,
    quant,
    recurrent,
    reduce,
    resizing,
    segment,
    shape,
    slicing,
    spectral,
    tensor_arrays,
    tensor_lists,
)

TABLE = LoweringTable(
    (
        elementwise,
        activation,
        linalg,
        nn,
        norm,
        image,
        resizing,
        reduce,
        shape,
        slicing,
        indexing,
        segment,
        detection,
        spectral,
        quant,
        control,
        tensor_lists,
        tensor_arrays,
        recurrent,
        lookup,
        creation,
    )
)
"""Families in the order of the op table."""
