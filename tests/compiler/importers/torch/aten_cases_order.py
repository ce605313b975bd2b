"""Calls of torch's functions that order, count, scan and gather in bags: see aten_cases.

Of ties torch does not say which place its indices name, so indices are held by what they point at; elements tie and are
NaN where that is a form of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch.nn import functional as F  # noqa: N812

Case: TypeAlias = Callable[[Any], Any]

_NAN, _INF = float("nan"), float("inf")


def _spoilt(t: Any) -> Any:
    """Ties, NaNs and infinities of both signs."""
    return t.x.round().masked_fill(t.m & (t.i > 0), _NAN).masked_fill(t.i == 5, _INF).masked_fill(t.i == -5, -_INF)


def _pointed_at(x: Any, dim: int, found: Any) -> Any:
    """Values, and what their indices name, without the axis."""
    values, places = found
    return values, x.gather(dim, places.unsqueeze(dim)).squeeze(dim)


SELECTION: dict[str, Case] = {
    "median": lambda t: (t.x.median(), t.i.median(), _spoilt(t).median(), t.x.sum().median()),
    "median_dim": lambda t: (_pointed_at(t.x, 1, t.x.median(1)), t.x.median(0, keepdim=True), t.i.median(2)[0]),
    "median_of_nan": lambda t: (_pointed_at(_spoilt(t), 1, _spoilt(t).median(1)), _spoilt(t).median(2)[0]),
    "median_of_nothing": lambda t: (t.x[:, :0].median(), t.x[t.x > 9].median(), t.x[t.x > 0].median()),
    "nanmedian": lambda t: (_spoilt(t).nanmedian(), _pointed_at(_spoilt(t), 1, _spoilt(t).nanmedian(1))),
    "nanmedian_of_nothing": lambda t: (t.x[t.x > 9].nanmedian(), (t.x * _NAN).nanmedian(2)[0], t.i.nanmedian(2)[0]),
    "kthvalue": lambda t: (
        t.x.kthvalue(2),
        t.x.kthvalue(4, 1, keepdim=True),
        t.i.kthvalue(3)[0],
        t.x.sum().kthvalue(1),
    ),
    "kthvalue_of_nan": lambda t: _pointed_at(_spoilt(t), 2, _spoilt(t).kthvalue(5, 2)),
    "kthvalue_along_a_free_size": lambda t: t.x.kthvalue(t.x.shape[0], 0),
    "mode": lambda t: (_pointed_at(t.i, 2, t.i.mode(2)), t.x.round().mode(0)[0], t.m.mode(1, keepdim=True)[0]),
    "unique": lambda t: (torch.unique(t.i, return_inverse=True, return_counts=True), torch.unique(t.m)),
    "unique_consecutive": lambda t: torch.unique_consecutive(t.j, return_inverse=True, return_counts=True),
    "unique_of_nan": lambda t: torch.unique(_spoilt(t)),
}

SCANS: dict[str, Case] = {
    "cummax": lambda t: (t.i.cummax(1), t.x.cummax(0), t.m.cummax(2), t.x.sum().cummax(0)),
    "cummax_of_nan": lambda t: (_spoilt(t).cummax(1), _spoilt(t).cummax(0)),
    "cummin": lambda t: (t.i.cummin(-1), t.i.cummin(0), _spoilt(t).cummin(1)),
    "cumprod": lambda t: (t.x.cumprod(1), t.x.cumprod(0), t.j.cumprod(2), t.m.cumprod(1), t.x.sum().cumprod(0)),
    "cumprod_of_nothing": lambda t: (t.x[:, :0].cumprod(1), t.x[:, :0].cummax(1), t.x[:, :0].logcumsumexp(1)),
    "logcumsumexp": lambda t: ((t.x * 200).logcumsumexp(1), t.x.logcumsumexp(0)),
    "logcumsumexp_of_infinities": lambda t: _spoilt(t).logcumsumexp(2),
}

COUNTING: dict[str, Case] = {
    "bincount": lambda t: (t.j.flatten().bincount(), t.j.flatten().bincount(t.x.flatten(), minlength=9)),
    "histc": lambda t: (torch.histc(t.x, 7, -2, 2), torch.histc(t.x, 5), torch.histc(t.x * 0 + 3, 4)),
    "repeat_interleave": lambda t: (
        t.x.repeat_interleave(torch.tensor([0, 2, 0, 1]), 1),
        torch.repeat_interleave(t.j[:, 0, 0]),
        t.x.repeat_interleave(t.j[:, 0, 0] - 1, 0),
        t.m.repeat_interleave(torch.tensor([0, 1, 2, 3]), dim=1),
    ),
    "searched_by_rows": lambda t: torch.searchsorted(t.x.sort()[0], t.y, side="right"),
    "pdist": lambda t: (F.pdist(t.x[0]), F.pdist(t.x[0], p=1.0)),
    "randperm": lambda t: torch.randperm(7).sort()[0],
}


def _table() -> Any:
    return torch.cos(torch.arange(30.0)).view(6, 5)


def _offsets(t: Any) -> Any:
    """Into 12 * N indices: some bags are empty, the last one among them."""
    return torch.cat([torch.tensor([0, 3, 3]), t.places.new_full((1,), t.places.numel())])


def _bag(t: Any, mode: str, **options: Any) -> Any:
    return F.embedding_bag(t.places.flatten(), _table(), _offsets(t), mode=mode, **options)


BAGS: dict[str, Case] = {
    "rows": lambda t: tuple(F.embedding_bag(t.places[:, 0], _table(), mode=mode) for mode in ("sum", "mean", "max")),
    "rows_padded": lambda t: tuple(
        F.embedding_bag(t.places[:, 0], _table(), mode=mode, padding_idx=-4) for mode in ("sum", "mean", "max")
    ),
    "weighed": lambda t: F.embedding_bag(
        t.places[:, 0], _table(), mode="sum", per_sample_weights=t.x[:, 0, :3], padding_idx=1
    ),
    "offsets": lambda t: (_bag(t, "sum"), _bag(t, "mean"), _bag(t, "max")),
    "offsets_and_the_last": lambda t: (_bag(t, "mean", include_last_offset=True), _bag(t, "max", padding_idx=2)),
    "offsets_weighed": lambda t: _bag(t, "sum", per_sample_weights=t.x[:, :2].flatten()),
}

SCATTERING: dict[str, Case] = {
    "scatter_mean": lambda t: (
        t.x.scatter_reduce(1, t.places, t.y, "mean"),
        t.x.scatter_reduce(1, t.places, t.y, "mean", include_self=False),
        t.i.scatter_reduce(2, t.places, t.i, "mean"),
    ),
    "scatter_without_the_old": lambda t: tuple(
        t.x.scatter_reduce(1, t.places, t.y, how, include_self=False) for how in ("sum", "prod", "amax", "amin")
    ),
    "scatter_integers_without_the_old": lambda t: t.i.scatter_reduce(1, t.places, t.j, "amax", include_self=False),
    "index_reduce": lambda t: tuple(
        t.x.index_reduce(1, torch.tensor([2, 0, 2]), t.y[:, :3], how, include_self=how == "amin")
        for how in ("prod", "mean", "amax", "amin")
    ),
    "scatter_truth": lambda t: t.m.scatter_reduce(1, t.places, t.m.flip(0), "amin", include_self=False),
    "into_a_number": lambda t: (
        t.x.sum().index_add(0, torch.tensor([0]), t.y.sum()),
        t.x.sum().index_fill(0, torch.tensor([0]), 3.0),
        t.x.sum().scatter_reduce(0, torch.tensor(0), t.y.sum(), "mean"),
    ),
    "from_a_number": lambda t: (t.x.sum().masked_select(t.m.any()), t.x.sum().nonzero(), t.x.masked_select(t.m)),
    "addbmm": lambda t: torch.addbmm(t.y[0, :, :4], t.x, t.y.mT, beta=0.5, alpha=2.0),
    "put": lambda t: (
        t.x.put(torch.tensor([[1, -2]]), torch.tensor([[5.0, 6.0]])),
        t.x.put(torch.tensor([1, 1]), torch.tensor([5.0, 6.0]), accumulate=True),
    ),
}

SIGNS: dict[str, Case] = {
    "sign_bits": lambda t: (torch.signbit(t.x * 0), torch.signbit(t.i), torch.copysign(t.y, t.x * 0)),
    "angle": lambda t: (torch.angle(_spoilt(t)), torch.angle(t.i)),
    "erfinv": lambda t: (torch.erfinv(t.small * 2 - 1), torch.erfinv(torch.tensor([-1.0, 0.0, 1.0, 2.0, 0.99999]))),
    "order_of_truth": lambda t: (t.m > t.m.flip(0), t.m <= t.m.flip(1)),
    "rrelu": lambda t: F.rrelu(t.x),
    "vander": lambda t: torch.vander(t.small[0, 0], 4),
}
