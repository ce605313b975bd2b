"""Every TensorFlow op that has a lowering."""

from __future__ import annotations

from isthmus.compiler.importers.lowering import LoweringTable
from isthmus.compiler.importers.tensorflow import (
    activation,
    color,
    complex,
    control,
    conv_transpose,
    creation,
    detection,
    elementwise,
    image,
    indexing,
    linalg,
    lookup,
    nn,
    norm,
    pooling,
    quant,
    recurrent,
    reduce,
    resampling,
    resizing,
    segment,
    shape,
    slicing,
    special,
    spectral,
    tensor_arrays,
    tensor_lists,
)

TABLE = LoweringTable(
    (
        elementwise,
        special,
        complex,
        activation,
        linalg,
        nn,
        conv_transpose,
        pooling,
        norm,
        image,
        color,
        resizing,
        resampling,
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
