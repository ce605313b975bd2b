"""LSTM, GRU and RNN in every form, against onnxruntime, onnx's own evaluator, and torch."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

import isthmus
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph
from tests.compiler.importers.onnx.build import imported, ops, run
from tests.compiler.importers.onnx.recurrent_models import (
    FUNCTIONS,
    GATES,
    OUTPUTS,
    Recurrent,
    by_onnx,
    by_onnxruntime,
    recurrent,
)

OPS = tuple(GATES)
DIRECTIONS = ("forward", "reverse", "bidirectional")
EPSILON = {np.float64: 2.0**-50, np.float32: 2.0**-23, np.float16: 2.0**-10, ml_dtypes.bfloat16: 2.0**-7}

FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "bare": {"bias": False, "initial": False},
    "lengths": {"lengths": (5, 2, 3)},
    "lengths that leave the last steps to none": {"lengths": (1, 3, 2)},
    "clip": {"clip": 0.3, "scale": 2.0},
}
FORMS_OF: dict[str, dict[str, dict[str, Any]]] = {
    "RNN": {},
    "GRU": {
        "linear_before_reset": {"linear_before_reset": 1},
        "linear_before_reset bare": {"linear_before_reset": 1, "bias": False, "initial": False},
        "linear_before_reset with all": {"linear_before_reset": 1, "lengths": (4, 1, 2), "clip": 0.4},
    },
    "LSTM": {
        "peepholes": {"peepholes": True},
        "input_forget": {"input_forget": 1},
        "all": {"peepholes": True, "input_forget": 1, "lengths": (4, 1, 2), "clip": 0.5, "scale": 2.0},
    },
}


def agree(found: Sequence[NDArray[Any]], wanted: Sequence[NDArray[Any]], tolerance: float = 1e-6) -> None:
    """Equal shapes, and elements apart by `tolerance` of the largest, at most."""
    for a, b in zip(found, wanted, strict=True):
        assert a.shape == b.shape
        wide = b.astype(np.float64)
        allowed = tolerance * np.abs(wide).max(initial=1.0)
        np.testing.assert_allclose(a.astype(np.float64), wide, rtol=0, atol=allowed)


def ours(case: Recurrent, **options: Any) -> list[NDArray[Any]]:
    return run(case.model(**options), *case.feeds.values())


def steps(graph: Graph) -> list[int]:
    """What each scan yields, beside the state it carries."""
    return [len(n.results) - n.attrs["carried"] for n in graph.nodes if n.op.name == "scan"]


# -- equations --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(("op", "form"), [(op, form) for op in OPS for form in {**FORMS, **FORMS_OF[op]}])
def test_every_form_agrees_with_onnxruntime(op: str, form: str, direction: str) -> None:
    case = recurrent(op, direction=direction, **{**FORMS, **FORMS_OF[op]}[form])
    agree(ours(case), by_onnxruntime(case))


NAMES = (
    *("Relu", "Tanh", "Sigmoid", "Affine", "LeakyRelu", "ThresholdedRelu"),
    *("ScaledTanh", "HardSigmoid", "Elu", "Softsign", "Softplus"),
)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("name", NAMES)
def test_every_activation_agrees_with_onnxruntime(op: str, name: str) -> None:
    count = 2 * FUNCTIONS[op]
    numbers = np.linspace(0.2, 0.8, count)
    case = recurrent(
        op,
        direction="bidirectional",
        scale=0.5,
        activations=[name] * count,
        activation_alpha=numbers,
        activation_beta=numbers[::-1],
    )
    agree(ours(case), by_onnxruntime(case))


@pytest.mark.parametrize("dtype", EPSILON)
@pytest.mark.parametrize("op", OPS)
def test_every_type_and_layout_agrees_with_onnx(op: str, dtype: Any) -> None:
    for direction in DIRECTIONS:
        for layout in (0, 1):
            case = recurrent(op, direction=direction, layout=layout, dtype=dtype, peepholes=op == "LSTM")
            found = ours(case, opset=22)
            assert {a.dtype for a in found} == {np.dtype(dtype)}
            agree(found, by_onnx(case), 4 * EPSILON[dtype])


def test_thresholded_relu_keeps_the_threshold_unlike_the_op_of_that_name() -> None:
    case = recurrent("RNN", size=1, time=1, batch=1, hidden=1, bias=False, initial=False)
    given = {"X": [[[0.5]]], "W": [[[1.0]]], "R": [[[1.0]]]}
    attributes = {"activations": ["ThresholdedRelu"], "activation_alpha": [0.5], "hidden_size": 1}
    case = replace(case, given={k: np.array(v, np.float32) for k, v in given.items()}, attributes=attributes)
    assert ours(case)[1] == 0.5


# -- what activations are given ---------------------------------------------------------------------------------------


def lstm_with(names: Sequence[str], alphas: Sequence[float], betas: Sequence[float] = ()) -> list[NDArray[Any]]:
    case = recurrent("LSTM", activations=names)
    numbers = {"activation_alpha": list(alphas), "activation_beta": list(betas)}
    return ours(replace(case, attributes={**case.attributes, **{k: v for k, v in numbers.items() if v}}))


def test_numbers_go_to_the_functions_that_take_one_or_one_by_one_where_all_have_one() -> None:
    names = ("Sigmoid", "LeakyRelu", "Tanh")
    agree(lstm_with(names, [0.3]), lstm_with(names, [9.0, 0.3, 9.0]), 0.0)
    assert not np.allclose(lstm_with(names, [0.3])[0], lstm_with(names, [0.6])[0])
    agree(lstm_with(names, []), lstm_with(names, [0.01]), 0.0)
    hard = ("HardSigmoid", "LeakyRelu", "Affine")
    agree(lstm_with(hard, []), lstm_with(hard, [0.2, 0.01, 1.0], [0.5, 0.0]), 0.0)


def test_names_may_be_in_lower_case() -> None:
    agree(lstm_with(("sigmoid", "tanh", "softsign"), []), lstm_with(("Sigmoid", "Tanh", "Softsign"), []), 0.0)


@pytest.mark.parametrize(
    ("names", "alphas", "reason"),
    [
        (("Sigmoid", "Gelu", "Tanh"), [], "'Gelu' is not supported"),
        (("Sigmoid", "Tanh"), [], "2 activations, must be 3 for each of 1 directions"),
        (("Sigmoid", "ScaledTanh", "Tanh"), [], "'ScaledTanh' needs activation_alpha"),
        (("Sigmoid", "Elu", "Tanh"), [0.1, 0.2], "activation_alpha has 2 numbers for 1 activations"),
    ],
)
def test_activations_that_cannot_be_told_are_refused(names: Sequence[str], alphas: list[float], reason: str) -> None:
    with pytest.raises((MalformedModel, UnsupportedModel), match=reason):
        lstm_with(names, alphas)


# -- lengths, layouts and outputs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("op", OPS)
def test_a_row_gives_what_it_gives_alone(op: str, direction: str) -> None:
    lengths = (5, 2, 0)
    case = recurrent(op, direction=direction, lengths=lengths)
    y, *last = ours(case)
    for row, length in enumerate(lengths):
        given = {k: v[:, row : row + 1] if v.ndim == 3 and k not in "WR" else v for k, v in case.given.items()}
        given["X"] = given["X"][:length]
        alone = replace(case, given={k: v for k, v in given.items() if k != "sequence_lens"})
        agree([y[:length, :, row : row + 1], *(each[:, row : row + 1] for each in last)], ours(alone))
        assert not y[length:, :, row].any()


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("op", OPS)
def test_batch_first_is_batch_second_turned(op: str, direction: str) -> None:
    """With lengths, which onnx's evaluator passes over; onnxruntime has no such layout."""
    case = recurrent(op, direction=direction, lengths=(4, 1, 5))
    turned = {k: np.swapaxes(v, 0, 1) if v.ndim == 3 and k not in "WR" else v for k, v in case.given.items()}
    y, *last = ours(replace(case, given=turned, attributes={**case.attributes, "layout": 1}))
    agree([np.transpose(y, (1, 2, 0, 3)), *(np.swapaxes(each, 0, 1) for each in last)], ours(case), 0.0)


@pytest.mark.parametrize("op", OPS)
def test_any_outputs_may_be_named_and_others_cost_nothing(op: str) -> None:
    case = recurrent(op, direction="bidirectional")
    everything = dict(zip(OUTPUTS[op], ours(case), strict=True))
    for wanted in range(1, 1 << len(OUTPUTS[op])):
        names = [name if wanted >> i & 1 else "" for i, name in enumerate(OUTPUTS[op])]
        some = replace(case, outputs=names)
        graph = imported(some.model())
        agree(list(evaluate(graph, some.feeds).values()), [everything[name] for name in names if name], 0.0)
        assert steps(graph) == [int(bool(names[0]))] * 2
        unused = [n for n in graph.nodes if not any(r.uses for r in n.results) and n.op.name not in ("scan", "split")]
        assert {r for n in unused for r in n.results} <= set(graph.outputs)


def test_known_lengths_that_leave_nothing_out_are_not_looked_at() -> None:
    whole, partial = (recurrent("GRU", lengths=each, fed=("X",)) for each in ((5, 5, 5), (5, 5, 4)))
    assert "where" not in ops(imported(whole.model()))
    assert "where" in ops(imported(partial.model()))
    agree(ours(partial), by_onnxruntime(partial))


def test_a_single_step_is_no_loop() -> None:
    case = recurrent("LSTM", time=1, direction="bidirectional", lengths=(1, 0, 1))
    assert "scan" not in ops(imported(case.model()))
    agree([each[:, :, ::2] for each in ours(case)[:1]], [each[:, :, ::2] for each in by_onnxruntime(case)[:1]])


# -- sizes and weights ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", OPS)
def test_batch_and_time_may_vary(op: str) -> None:
    """States may name their batch otherwise: it is the same one."""
    case = recurrent(op, direction="bidirectional", lengths=(5, 2, 3))
    sizes: dict[str, Sequence[int | str]] = {"X": ("T", "N", 4), "sequence_lens": ("rows",)}
    sizes |= {"initial_h": (2, "M", 2), "initial_c": (2, "K", 2)}
    graph = imported(case.model(sizes=sizes))
    assert [str(v.type) for v in graph.outputs] == ["f32[T, 2, N, 2]", *["f32[2, N, 2]"] * (len(OUTPUTS[op]) - 1)]
    for time, batch in ((5, 3), (1, 1), (7, 2)):
        each = recurrent(op, direction="bidirectional", lengths=(1,) * batch, time=time, batch=batch)
        same = replace(each, given={**each.given, **{k: v for k, v in case.given.items() if k in "WRB"}})
        agree(list(evaluate(graph, same.feeds).values()), by_onnxruntime(same))


def test_weights_may_be_inputs_and_are_not_copied_where_they_are_not() -> None:
    case = recurrent("LSTM", peepholes=True, direction="bidirectional")
    open_ = replace(case, fed=tuple(case.given))
    assert len(imported(open_.model()).inputs) == len(case.given)
    agree(ours(open_), ours(case), 0.0)
    arrays = [node.result.array for node in imported(case.model()).nodes if node.op.name == "const"]
    large = [array.shape for array in arrays if array is not None and array.size > 1]
    assert sorted(large) == sorted(v.shape for k, v in case.given.items() if k not in case.feeds)


@pytest.mark.parametrize(("opset", "attributes"), [(1, {"output_sequence": 1}), (7, {}), (22, {"layout": 0}), (28, {})])
@pytest.mark.parametrize("op", OPS)
def test_every_operator_set_agrees(op: str, opset: int, attributes: dict[str, Any]) -> None:
    case = recurrent(op)
    newer = replace(case, attributes={**case.attributes, **attributes})
    agree(ours(newer, opset=opset), ours(case), 0.0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"X": np.zeros((5, 3), np.float32)}, r"X is f32\[5, 3\], must have rank 3"),
        ({"W": np.zeros((1, 9, 4), np.float32)}, r"W is f32\[1, 9, 4\], must be \[1, 8, 4\]"),
        ({"R": np.zeros((2, 8, 2), np.float32)}, r"R is f32\[2, 8, 2\], must be \[1, 8, 2\]"),
        ({"R": np.zeros((1, 12, 3), np.float32)}, r"R is f32\[1, 12, 3\], must be \[1, 8, 2\]"),
        ({"B": np.zeros((1, 8), np.float32)}, r"B is f32\[1, 8\], must be \[1, 16\]"),
        ({"P": np.zeros((1, 8), np.float32)}, r"P is f32\[1, 8\], must be \[1, 6\]"),
        ({"initial_c": np.zeros((1, 4, 2), np.float32)}, r"initial_c is f32\[1, 4, 2\], must be \[1, 3, 2\]"),
        ({"sequence_lens": np.zeros(4, np.int32)}, r"sequence_lens is i32\[4\], must be \[3\]"),
        ({"clip": 0.0}, "clip is 0.0, must be positive"),
        ({"layout": 2}, "layout must be one of 0, 1"),
        ({"direction": "both"}, "direction must be one of 'forward', 'reverse', 'bidirectional'"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], reason: str) -> None:
    case = recurrent("LSTM", peepholes=True, lengths=(5, 5, 5))
    given = {k: changes.get(k, v) for k, v in case.given.items()}
    attributes = {**case.attributes, **{k: v for k, v in changes.items() if k not in given}}
    with pytest.raises(MalformedModel, match=reason):
        imported(replace(case, given=given, attributes=attributes).model())


# -- whole models, and engines ----------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")  # of torch.onnx, about itself
@pytest.mark.parametrize("kind", OPS)
def test_what_torch_exports_agrees_with_torch(kind: str) -> None:
    """Two layers in both directions over packed sequences."""
    torch = pytest.importorskip("torch")
    packing = torch.nn.utils.rnn

    class Tagger(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layers = getattr(torch.nn, kind)(6, 4, num_layers=2, bidirectional=True)
            self.head = torch.nn.Linear(8, 3)

        def forward(self, x: Any, lengths: Any) -> Any:
            y, last = self.layers(packing.pack_padded_sequence(x, lengths))
            return self.head(packing.pad_packed_sequence(y)[0]), last[-1] if kind == "LSTM" else last

    torch.manual_seed(0)
    module, file = Tagger().eval(), io.BytesIO()
    names, axes = ["x", "lengths"], {"x": {0: "T", 1: "N"}, "lengths": {0: "N"}}
    example = torch.randn(5, 3, 6), torch.tensor([5, 4, 2])
    torch.onnx.export(module, example, file, dynamo=False, input_names=names, dynamic_axes=axes)
    graph = imported(onnx.load_from_string(file.getvalue()))
    for time, lengths in ((5, [5, 4, 2]), (7, [7, 1])):
        x = torch.randn(time, len(lengths), 6)
        wanted = module(x, torch.tensor(lengths))
        found = evaluate(graph, [x.numpy(), np.array(lengths)])
        agree(list(found.values()), [each.detach().numpy() for each in wanted])


@pytest.mark.parametrize(
    ("op", "target"), [(op, "cpu-fp32") for op in OPS] + [(op, "cpu-fp32@tvm") for op in ("GRU", "LSTM")]
)
def test_engines_agree_with_onnxruntime(op: str, target: str) -> None:
    case = recurrent(op, direction="bidirectional", lengths=(5, 2, 3))
    program = isthmus.compile(case.model(sizes={"X": ("T", 3, 4)}), target=target)
    agree(list(program(case.feeds).values()), by_onnxruntime(case))
