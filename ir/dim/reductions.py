"""Of several dimensions: the product, the least and the greatest."""

from __future__ import annotations

from collections.abc import Iterable

from isthmus.ir.dim.expression import Dim, Extremum, as_atom, less_equal, single


def product(dims: Iterable[Dim]) -> Dim:
    """The product of the dimensions; 1 for none."""
    total: Dim = 1
    for dim in dims:
        total = total * dim
    return total


def minimum(*dims: Dim) -> Dim:
    """The least of the dimensions; drops those that are known to lose."""
    return _extremum("min", dims)


def maximum(*dims: Dim) -> Dim:
    """The greatest of the dimensions; drops those that are known to lose."""
    return _extremum("max", dims)


def _extremum(kind: str, dims: tuple[Dim, ...]) -> Dim:
    flat: dict[Dim, None] = {}
    for dim in dims:
        inner = _as_extremum(dim, kind)
        flat.update(dict.fromkeys(inner or (dim,)))
    kept = list(flat)
    for dim in list(flat):
        others = [o for o in kept if o is not dim]
        beaten = (less_equal(o, dim) if kind == "min" else less_equal(dim, o) for o in others)
        if any(beaten):
            kept.remove(dim)
    return kept[0] if len(kept) == 1 else single(Extremum(kind, tuple(sorted(kept, key=str))))


def _as_extremum(dim: Dim, kind: str) -> tuple[Dim, ...] | None:
    atom = as_atom(dim)
    return atom.args if isinstance(atom, Extremum) and atom.kind == kind else None
