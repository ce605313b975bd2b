"""What the cases of the op table do not reach: narrow types, shared heads, layers that must be the engine's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from isthmus.ir.evaluate import evaluate
from isthmus.ir.types import BF16, F16, F32, I8, I32, I64, Array, DType
from tests.support.opcases import Case, random_array
from tests.support.tensorrt.bench import BACKEND, Bench, disagreement

WINDOW: dict[str, Any] = {"kernel": (3, 3), "strides": (2, 2), "pads": ((1, 1), (1, 0)), "dilations": (1, 1)}
TURNED: dict[str, Any] = {"axes": (0, 1), "steps": (3, -3)}
CONV: dict[str, Any] = {"strides": (2, 2), "pads": ((0, 1), (2, 0)), "dilations": (1, 1)}


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


def drawn(dtype: DType, *shape: int, seed: int = 0) -> Array:
    return random_array(dtype, shape, np.random.default_rng(seed))


def agrees(bench: Bench, case: Case, native: str = "") -> None:
    """The case builds and means the same; with `native`, as a layer of that type."""
    graph = case.graph()
    BACKEND.legalize(graph)
    n = bench.write(graph)
    kinds = {n.definition.get_layer(i).type.name for i in range(n.definition.num_layers)}
    assert not native or native in kinds
    gots = bench.run(graph, case.inputs, exact=True)
    for got, want in zip(gots, evaluate(graph, case.inputs).values(), strict=True):
        assert disagreement(got, want) is None, str(case)


def qkv(dtype: DType, heads: int = 6) -> list[Array]:
    return [drawn(dtype, 2, 6, 5, 8), drawn(dtype, 2, heads, 7, 8, seed=1), drawn(dtype, 2, heads, 7, 8, seed=2)]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("heads", [6, 2, 1])
def test_attention_is_the_engines_own_with_shared_heads(bench: Bench, heads: int, causal: bool) -> None:
    agrees(bench, Case("attention", tuple(qkv(F32, heads)), {"scale": 0.5, "causal": causal}), "ATTENTION_INPUT")


@pytest.mark.parametrize("shape", [(2, 1, 5, 7), (5, 7), (7,), (1, 6, 5, 1)])
def test_attention_takes_masks_that_broadcast(bench: Bench, shape: tuple[int, ...]) -> None:
    case = Case("attention", (*qkv(F32), drawn(F32, *shape, seed=3)), {"scale": 0.5})
    agrees(bench, case, "ATTENTION_INPUT")


@pytest.mark.parametrize("dropped", [1, 2])
def test_attention_of_fewer_dimensions_is_the_engines_own(bench: Bench, dropped: int) -> None:
    operands = tuple(x[(0,) * dropped] for x in qkv(F32))
    agrees(bench, Case("attention", operands, {"scale": 0.5}), "ATTENTION_INPUT")


@pytest.mark.parametrize("shape", [(5, 8), (1, 5, 8), (1, 1, 5, 8), (2, 1, 5, 8)])
def test_rotation_of_equal_halves_is_the_engines_own(bench: Bench, shape: tuple[int, ...]) -> None:
    turns = [np.tile(drawn(F32, *shape[:-1], 4, seed=seed), 2) for seed in (1, 2)]
    case = Case("rotary_embedding", (drawn(F32, 2, 3, 5, 8), *turns), constant=frozenset((1, 2)))
    agrees(bench, case, "ROTARY_EMBEDDING")


@pytest.mark.parametrize("dtype", [I32, I64])
@pytest.mark.parametrize("shapes", [((2, 1, 3, 4), (6, 4, 5)), ((4,), (2, 4, 5)), ((2, 3, 4), (4,)), ((4,), (4,))])
def test_integers_are_multiplied_exactly(bench: Bench, dtype: DType, shapes: tuple[tuple[int, ...], ...]) -> None:
    agrees(bench, Case("matmul", tuple(drawn(dtype, *shape) for shape in shapes)))


def test_einsum_reads_diagonals_of_unknown_size(bench: Bench) -> None:
    case = Case("einsum", (drawn(F32, 2, 3, 3, 4),), {"equation": "aBBc->caB"}, symbolic=True)
    agrees(bench, case, "EINSUM")


def test_a_deconvolution_adds_beyond_what_padding_cuts_off(bench: Bench) -> None:
    attrs = {"strides": (2, 2), "pads": ((0, 1), (0, 0)), "dilations": (1, 1), "output_padding": (1, 1)}
    operands = (drawn(F32, 1, 2, 4, 4), drawn(F32, 2, 3, 3, 3, seed=1), drawn(F32, 3))
    agrees(bench, Case("conv_transpose", operands, attrs, constant=frozenset((1, 2))), "DECONVOLUTION")


def test_a_deconvolution_with_strides_and_gaps_has_them_in_its_weights(bench: Bench) -> None:
    attrs = {"strides": (2, 2), "pads": ((1, 1), (1, 1)), "dilations": (2, 3), "output_padding": (0, 1)}
    operands = (drawn(F32, 1, 2, 4, 4), drawn(F32, 2, 3, 3, 2, seed=1))
    agrees(bench, Case("conv_transpose", operands, attrs, constant=frozenset((1,))), "DECONVOLUTION")
    refused = BACKEND.unsupported(Case("conv_transpose", operands, attrs).graph())
    assert "strides and dilations at once" in refused[0][1]


@pytest.mark.parametrize("dtype", [F16, BF16])
@pytest.mark.parametrize(
    ("op", "shapes", "attrs", "constant"),
    [
        ("attention", [(2, 6, 5, 8), (2, 2, 7, 8), (2, 2, 7, 8)], {"scale": 0.5}, ()),
        ("conv", [(1, 4, 7, 7), (6, 2, 3, 3), (6,)], {**CONV, "groups": 2}, (1, 2)),
        ("conv", [(1, 4, 7, 7), (6, 2, 3, 3), (6,)], {**CONV, "groups": 2}, ()),
        ("batch_norm", [(2, 3, 4), (3,), (3,), (3,), ()], {"epsilon": 1e-2}, (1, 2, 3, 4)),
        ("layer_norm", [(2, 3, 8), (8,), (3, 8)], {"axis": 1}, ()),
        ("rms_norm", [(2, 3, 8), (8,)], {"axis": 2}, ()),
        ("group_norm", [(2, 6, 4, 5), (6,), (6,)], {"groups": 3}, ()),
        ("instance_norm", [(2, 6, 4, 5), (6,), (6,)], {}, ()),
        ("max_pool", [(1, 2, 8, 8)], WINDOW, ()),
        ("avg_pool", [(1, 2, 8, 8)], WINDOW, ()),
        ("avg_pool", [(1, 2, 8, 8)], {**WINDOW, "dilations": (2, 2)}, ()),
        ("grid_sample", [(1, 2, 4, 5), (1, 3, 3, 2)], {}, ()),
        ("resize", [(1, 2, 4, 5)], {"axes": (2, 3), "sizes": (8, 10), "scales": (2.0, 2.0), "mode": "linear"}, ()),
    ],
)
def test_narrow_types(
    bench: Bench,
    op: str,
    shapes: list[tuple[int, ...]],
    attrs: dict[str, Any],
    constant: tuple[int, ...],
    dtype: DType,
) -> None:
    operands = [drawn(dtype, *shape, seed=i) for i, shape in enumerate(shapes)]
    if op == "batch_norm":
        operands[4] = np.abs(drawn(dtype, 3, seed=4))
    agrees(bench, Case(op, tuple(operands), attrs, constant=frozenset(constant)))


@pytest.mark.parametrize("attrs", [{}, {"align_corners": True, "mode": "nearest", "padding": "border"}])
def test_sampling_along_one_dimension_is_that_of_an_image(bench: Bench, attrs: dict[str, Any]) -> None:
    agrees(bench, Case("grid_sample", (drawn(F32, 1, 2, 4), drawn(F32, 1, 3, 1)), attrs), "GRID_SAMPLE")


@pytest.mark.parametrize(
    ("sizes", "scales", "native"), [((8, 10), (2.0, 2.0), "RESIZE"), ((6, 7), (1.5, 1.4), "GATHER")]
)
def test_nearest_elements_are_the_engines_where_no_rounding_decides(
    bench: Bench, sizes: tuple[int, ...], scales: tuple[float, ...], native: str
) -> None:
    attrs = {"axes": (2, 3), "sizes": sizes, "scales": scales, "mode": "nearest"}
    agrees(bench, Case("resize", (drawn(F32, 1, 2, 4, 5),), attrs), native)


@pytest.mark.parametrize("included", [False, True])
def test_windows_that_overhang_average_what_they_hold(bench: Bench, included: bool) -> None:
    attrs = {**WINDOW, "strides": (3, 3), "pads": ((1, 1), (1, 1)), "ceil_mode": True, "count_include_pad": included}
    agrees(bench, Case("avg_pool", (drawn(F32, 1, 2, 8, 9),), attrs))


@pytest.mark.parametrize("op", ["scatter_nd", "scatter_elements"])
def test_updates_known_to_meet_are_refused(op: str) -> None:
    if op == "scatter_nd":
        case = Case(op, (drawn(F32, 4, 5), np.array([[1], [-3]]), drawn(F32, 2, 5)), constant=frozenset((1,)))
    else:
        places = np.array([[0, 1], [-4, 2]])
        case = Case(op, (drawn(F32, 4, 5), places, drawn(F32, 2, 2)), {"axis": 0}, constant=frozenset((1,)))
    assert "two updates meet" in BACKEND.unsupported(case.graph())[0][1]


@pytest.mark.parametrize(
    ("op", "operands", "attrs"),
    [
        ("concat", (drawn(F32, 0, 3), drawn(F32, 2, 3)), {"axis": 0}),
        ("pad", (drawn(F32, 0, 3),), {"pads": ((1, 1), (0, 0))}),
        ("tile", (drawn(F32, 2, 3),), {"repeats": (0, 1)}),
        ("gather", (drawn(F32, 3), np.zeros(0, np.int64)), {"axis": 0}),
        ("gather_nd", (drawn(F32, 2, 3), np.zeros((0, 1), np.int64)), {}),
        ("matmul", (drawn(F32, 2, 0), drawn(F32, 0, 5)), {}),
        ("dynamic_expand", (drawn(F32), np.array([2, 3])), {}),
        ("dynamic_slice", (drawn(F32, 5, 6), np.array([-100, 4]), np.array([100, -100])), TURNED),
    ],
)
def test_nothing_and_scalars(bench: Bench, op: str, operands: tuple[Array, ...], attrs: dict[str, Any]) -> None:
    agrees(bench, Case(op, operands, attrs))


@pytest.mark.parametrize("bias", [True, False])
def test_bf16_transposed_convolutions_build(bench: Bench, bias: bool) -> None:
    """The engine has no kernel for them: they are f32 inside."""
    attrs = {**CONV, "output_padding": (0, 1)}
    operands = [drawn(BF16, 1, 4, 5, 5), drawn(BF16, 4, 3, 2, 2, seed=1), drawn(BF16, 3, seed=2)]
    agrees(bench, Case("conv_transpose", tuple(operands[: 2 + bias]), attrs, constant=frozenset({1})), "DECONVOLUTION")


ALL: dict[str, Any] = {"kernel": (2, 2), "strides": (2, 2), "pads": ((0, 0), (0, 0)), "dilations": (1, 1)}


@pytest.mark.parametrize("large", [300.0, 1e-4])
def test_sums_of_squares_may_leave_f16(bench: Bench, large: float) -> None:
    x = np.full((1, 4, 4, 4), large, np.float16)
    agrees(bench, Case("lp_pool", (x,), {**ALL, "ceil_mode": False, "p": 2}))
    agrees(bench, Case("lrn", (x,), {"size": 4, "alpha": 1e-4, "beta": 0.75, "bias": 1.0}))


@pytest.mark.parametrize(("mean", "variance"), [(300, 1e-5), (0, 0), (20, 1)])
def test_factors_of_channels_may_leave_f16(bench: Bench, mean: float, variance: float) -> None:
    parameters = [np.full(2, each, np.float16) for each in (3, 0, mean, variance)]
    x = np.full((1, 2, 3, 3), mean + 1, np.float16)
    agrees(bench, Case("batch_norm", (x, *parameters), {"epsilon": 1e-5}, constant=frozenset({1, 2, 3, 4})))


@pytest.mark.parametrize("dtype", [F32, I32, I8], ids=str)
def test_padding_is_never_the_maximum(bench: Bench, dtype: DType) -> None:
    least = -np.inf if dtype.is_float else np.iinfo(dtype.numpy).min
    x = np.full((1, 2, 4, 4), least).astype(dtype.numpy)
    x[0, 1, 2, 2] = 3
    attrs = {"kernel": (3, 3), "strides": (3, 3), "pads": ((1, 1), (1, 1)), "dilations": (1, 1), "ceil_mode": False}
    case = Case("max_pool_with_indices", (x,), attrs)
    agrees(bench, case)
    _, indices = evaluate(case.graph(), [x]).values()
    assert indices.tolist() == [[[[0, 2], [8, 10]], [[16, 18], [24, 26]]]]


def test_integer_matrices_have_one_axis_less() -> None:
    x = drawn(I64, *(1,) * 6, 2, 2)
    ((_, reason),) = BACKEND.unsupported(Case("matmul", (x, x)).graph())
    assert "one more axis" in reason
