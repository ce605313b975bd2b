"""Every ATen op that has a lowering."""

from __future__ import annotations

from isthmus.compiler.importers.torch import (
    activation,
    control,
    creation,
    elementwise,
    fused,
    image,
    indexing,
    linalg,
    nn,
    norm,
    quantized,
    recurrent,
    reduce,
    shape,
    slicing,
)
from isthmus.compiler.importers.torch.schema import AtenTable

TABLE = AtenTable(
    (
        elementwise,
        activation,
        linalg,
        fused,
        nn,
        norm,
        image,
        recurrent,
        reduce,
        shape,
        slicing,
        indexing,
        creation,
        quantized,
    )
)
"""Families in the order of the op table."""

CONTROL = AtenTable((control,))
"""torch's higher-order operators, which take bodies."""
