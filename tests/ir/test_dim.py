"""Dimensions: the normal form, three-valued comparison, bounds, and agreement with Python's integers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.ir import dim as d
from isthmus.ir import intervals
from isthmus.ir.dim import Dim, symbol
from isthmus.ir.errors import DimensionError

N, M = symbol("N"), symbol("M")
B = symbol("B", 1, 8)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (N + N, "2*N"),
        (N * M + 1 - M * N, "1"),
        (3 - N, "-N + 3"),
        ((N + 1) * (N - 1), "N*N - 1"),
        ((N + M) * 2, "2*M + 2*N"),
        (d.floordiv(4 * N + 2, 2), "2*N + 1"),
        (d.floordiv(N * M, N), "M"),
        (d.floordiv(2 * N + 1, 2), "N"),
        (d.floordiv(N - 1, 2) + 1, "floordiv(N + 1, 2)"),
        (d.ceildiv(N, 2), "N - floordiv(N, 2)"),
        (d.mod(4 * N + 3, 4), "3"),
        (d.mod(N, 2), "mod(N, 2)"),
        (d.mod(N * M, M), "0"),
        (d.floordiv(B, 16), "0"),
        (d.minimum(N, 0), "0"),
        (d.maximum(N, 1), "N"),
        (d.minimum(N, 5, M, 7), "min(5, M, N)"),
        (d.maximum(d.maximum(N, M), M), "max(M, N)"),
    ],
)
def test_normal_form(found: Dim, text: str) -> None:
    assert str(found) == text


def test_equal_expressions_are_equal_objects() -> None:
    left, right = (N + 1) * (N + 2), N * N + 3 * N + 2
    assert left == right
    assert hash(left) == hash(right)


def test_comparison_is_three_valued() -> None:
    assert d.equal(N + 1, 1 + N) is True
    assert d.equal(N, N + 1) is False
    assert d.equal(N, M) is None
    assert d.equal(B, 9) is False
    assert d.less_equal(B, 8) is True
    assert d.less_equal(N + 1, N) is False
    assert d.less_equal(N, M) is None
    assert d.less_equal(d.mod(N, 4), 3) is True


def test_a_dimension_does_not_compare_equal_to_another_symbol_of_the_same_name() -> None:
    assert symbol("N", 1, 4) != N


@pytest.mark.parametrize(
    ("dim", "expected"),
    [
        (B, (1, 8)),
        (2 * B - 1, (1, 15)),
        (-B, (-8, -1)),
        (B * B, (1, 64)),
        (N, (1, None)),
        (-N, (None, -1)),
        (d.floordiv(B, 3), (0, 2)),
        (d.mod(N, 4), (0, 3)),
        (d.minimum(N, 5), (1, 5)),
        (d.maximum(N, 5), (5, None)),
        (7, (7, 7)),
    ],
)
def test_bounds(dim: Dim, expected: intervals.Bounds) -> None:
    assert d.bounds(dim) == expected


def test_substitute_normalises_again() -> None:
    assert d.substitute(d.floordiv(N, 2) * M, {"N": 2 * M}) == M * M
    assert d.substitute(d.minimum(N, M), {"M": N}) == N
    assert d.substitute(N + M, {"N": 1, "M": 2}) == 3


def test_symbols_of_an_expression() -> None:
    assert {s.name for s in d.symbols(d.floordiv(N, 2) + d.maximum(M, B))} == {"N", "M", "B"}


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: d.floordiv(N, 0), "by zero"),
        (lambda: d.mod(N, 0), "by zero"),
        (lambda: symbol("x", 5, 4), "cannot lie in"),
        (lambda: symbol("x", -1), "cannot lie in"),
        (lambda: d.resolve(N + M, {"N": 1}), "symbol M"),
        (lambda: d.resolve(d.floordiv(N, M), {"N": 1, "M": 0}), "divides by zero"),
    ],
)
def test_what_has_no_meaning_is_an_error(make: Callable[[], object], reason: str) -> None:
    with pytest.raises(DimensionError, match=reason):
        make()


def test_growth_is_bounded() -> None:
    wide: Dim = sum((symbol(f"s{i}") for i in range(40)), start=1)
    with pytest.raises(DimensionError, match="grows beyond"):
        wide * wide


def test_depth_is_bounded() -> None:
    deep: Dim = N
    for _ in range(d.MAX_DEPTH):
        deep = d.floordiv(deep + 1, 2) + 3
    with pytest.raises(DimensionError, match="nests deeper"):
        d.floordiv(deep + 1, 2)


@pytest.mark.parametrize(
    ("name", "text"),
    [("batch_size", "batch_size"), ("batch size", "'batch size'"), ("inf", "'inf'"), ("a'b", "'a\\u0027b'")],
)
def test_odd_symbol_names_are_quoted(name: str, text: str) -> None:
    assert str(symbol(name)) == text


_sizes = st.integers(1, 12)
_leaves = st.one_of(st.integers(-6, 6), st.sampled_from([N, M, B]))


def _grown(children: st.SearchStrategy[Dim]) -> st.SearchStrategy[Dim]:
    pair = st.tuples(children, children)
    by = st.tuples(children, st.integers(1, 5))
    return st.one_of(
        pair.map(lambda p: p[0] + p[1]),
        pair.map(lambda p: p[0] - p[1]),
        pair.map(lambda p: p[0] * p[1]),
        pair.map(lambda p: d.minimum(*p)),
        pair.map(lambda p: d.maximum(*p)),
        by.map(lambda p: d.floordiv(*p)),
        by.map(lambda p: d.mod(*p)),
    )


_dims: st.SearchStrategy[Dim] = st.recursive(_leaves, _grown, max_leaves=6)
_settings = settings(max_examples=150, deadline=None, database=None)


@_settings
@given(_dims, _dims, _sizes, _sizes, st.integers(1, 8))
def test_arithmetic_agrees_with_integers(a: Dim, b: Dim, n: int, m: int, batch: int) -> None:
    sizes = {"N": n, "M": m, "B": batch}
    x, y = d.resolve(a, sizes), d.resolve(b, sizes)
    assert d.resolve(a + b, sizes) == x + y
    assert d.resolve(a - b, sizes) == x - y
    assert d.resolve(a * b, sizes) == x * y
    assert d.resolve(d.minimum(a, b), sizes) == min(x, y)
    assert d.resolve(d.maximum(a, b), sizes) == max(x, y)


@_settings
@given(_dims, st.sampled_from([1, 2, 3, 7, -2, N, B, N * M, 2 * N, N + M]), _sizes, _sizes, st.integers(1, 8))
def test_division_agrees_with_integers(a: Dim, b: Dim, n: int, m: int, batch: int) -> None:
    sizes = {"N": n, "M": m, "B": batch}
    x, y = d.resolve(a, sizes), d.resolve(b, sizes)
    assert d.resolve(d.floordiv(a, b), sizes) == x // y
    assert d.resolve(d.mod(a, b), sizes) == x % y


@_settings
@given(_dims, _dims, _sizes, _sizes, st.integers(1, 8))
def test_claims_hold_for_every_size(a: Dim, b: Dim, n: int, m: int, batch: int) -> None:
    sizes = {"N": n, "M": m, "B": batch}
    x, y = d.resolve(a, sizes), d.resolve(b, sizes)
    assert d.equal(a, b) in (None, x == y)
    assert d.less_equal(a, b) in (None, x <= y)
    low, high = d.bounds(a)
    assert low is None or low <= x
    assert high is None or x <= high
    assert d.resolve(d.substitute(a, {"N": m, "M": N}), sizes) == d.resolve(a, {"N": m, "M": n, "B": batch})


def test_products_cannot_outgrow_memory() -> None:
    """Squaring doubles what an expression spells; a dozen steps of it are refused."""
    size: Dim = N
    for _ in range(12):
        size = size * size
    with pytest.raises(DimensionError, match="spells more than"):
        size * size
