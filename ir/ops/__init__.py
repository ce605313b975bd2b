"""The op table: every op isthmus knows, one file a family."""

from __future__ import annotations

from difflib import get_close_matches
from types import ModuleType

from isthmus.ir.errors import IRError
from isthmus.ir.op import Op
from isthmus.ir.ops import activation, control, creation, elementwise, image, indexing, linalg, nn, quant, reduce, shape

FAMILIES: tuple[ModuleType, ...] = (
    creation,
    elementwise,
    activation,
    linalg,
    nn,
    image,
    reduce,
    shape,
    indexing,
    quant,
    control,
)
"""The families, in the order documentation lists them."""

TABLE: dict[str, Op] = {row.name: row for family in FAMILIES for row in vars(family).values() if isinstance(row, Op)}
"""Op name -> row."""


def find(name: str) -> Op:
    """The op called `name`; IRError with the nearest names if there is none."""
    if name in TABLE:
        return TABLE[name]
    near = get_close_matches(name, TABLE, n=3)
    raise IRError(
        f"no op is called {name!r}", hint=f"did you mean {' or '.join(near)}?" if near else "see `isthmus ops`"
    )
