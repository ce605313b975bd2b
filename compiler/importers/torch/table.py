"""Every ATen op that has a lowering."""

from __future__ import annotations

from isthmus.compiler.importers.torch import (
    activation,
    bags,
    comparison,
    control,
    counting,
    creation,
    deformable,
    detection,
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
    repeating,
    scans,
    scattering,
    selection,
    shape,
    shuffling,
    slicing,
    transcendental,
    unique,
)
from isthmus.compiler.importers.torch.schema import AtenTable

TABLE = AtenTable(
    (
        elementwise,
        comparison,
        transcendental,
        activation,
        linalg,
        fused,
        nn,
        norm,
        image,
        detection,
        deformable,
        recurrent,
        reduce,
        scans,
        selection,
        unique,
        counting,
        shape,
        shuffling,
        repeating,
        slicing,
        indexing,
        scattering,
        bags,
        creation,
        quantized,
    )
)
"""Families in the order of the op table."""

CONTROL = AtenTable((control,))
"""torch's higher-order operators, which take bodies."""
