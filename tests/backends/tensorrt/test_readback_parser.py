"""The read-back evaluator on networks that NVIDIA's ONNX parser makes of ONNX's backend suite.

The parser is another reader of TensorRT's documentation: where its networks give ONNX's numbers here, both agree on
what the layers mean. The cases where they do not are listed with the reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, numpy_helper

from tests.compiler.importers.onnx.backend_suite import Case, node_cases
from tests.support.tensorrt.element_types import Array
from tests.support.tensorrt.errors import NetworkError
from tests.support.tensorrt.library import library
from tests.support.tensorrt.readback import run_network
from tests.support.tensorrt.sketch import empty_network, quiet_logger

TRT = library()

PARSER_IGNORES = {
    r"attention_.*nonpad": "the lengths of keys that are not padding",
    r"attention_(local|bidirectional)_window": "the window",
    r"(gru|lstm|simple_rnn)_batchwise": "the layout",
    r"spacetodepth_crd": "the mode",
    r"triu": "that the upper triangle is the default",
    r"nonmaxsuppression_two_classes": "ONNX's order by class",
    r"bernoulli.*_expanded": "ONNX's random generator",
}
TENSORRT_DIFFERS = {
    r"averagepool_2d_ceil_last_window|maxpool_2d_ceil_output_size": "rounding up keeps a window in the padding",
    r"attention_.*fullymasked": "a query that attends to nothing is undocumented",
}
UNDOCUMENTED = {
    r"cast(like)?_.*FLOAT8": "conversions of FP8",
    r"onehot_(negative|out_of_range)_indices": "indices out of range",
    r"quantizelinear(_axis|_int4|_blocked_asymmetric)?$": "only symmetric quantization",
    r"resize_downsample_scales": "scales that give no whole dims",
}
AGREEING = 1000
"""At least as many cases must agree: the parser took 1,163 of the suite when this was written."""


def listed(name: str, reasons: dict[str, str]) -> bool:
    return any(re.search(pattern, name) for pattern in reasons)


def test_networks_of_the_parser_give_the_numbers_of_onnx() -> None:
    """In a process of its own: beside the libraries that other tests have loaded, the parser can end the process."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        found, wrong = pool.submit(survey).result()
    assert not wrong, "\n".join(f"{name}: {fate}" for name, fate in wrong.items())
    assert found["agrees"] >= AGREEING, found


def survey() -> tuple[Counter[str], dict[str, str]]:
    """How many cases of the suite met each fate, and those which should have met another."""
    found: Counter[str] = Counter()
    wrong: dict[str, str] = {}
    for case in list(node_cases()):
        fate = outcome(case)
        found[fate.split(":")[0]] += 1
        expected = "undocumented" if listed(case.name, UNDOCUMENTED) else "agrees"
        excused = listed(case.name, PARSER_IGNORES | TENSORRT_DIFFERS)
        if not fate.startswith((expected, "rejected")) and not (excused and fate.startswith("differs")):
            wrong[case.name] = fate
    return found, wrong


def outcome(case: Case) -> str:
    """`agrees`, `differs: how`, `undocumented: what`, or `rejected` where parser or types do not allow the case."""
    values = [value for side in case.data[:1] for part in side for value in part]
    if not values or any(isinstance(value, list | TensorProto) or value is None for value in values):
        return "rejected"  # sequences and optionals
    inputs, outputs = ([np.asarray(value) for value in side] for side in case.data[0])
    if any(a.dtype == np.float64 for a in (*inputs, *outputs)):
        return "rejected"  # the parser carries doubles as f32
    parsed = _parsed(case.model) or _parsed(_frozen(case.model, inputs))
    if parsed is None:
        return "rejected"
    definition, parser = parsed
    by_name = {value.name: array for value, array in zip(case.model.graph.input, inputs, strict=True)}
    names = [definition.get_input(i).name for i in range(definition.num_inputs)]
    if not by_name.keys() >= set(names):
        return "rejected"  # a loop whose body's inputs became the network's
    try:
        got = run_network(definition, [by_name[name] for name in names])
    except NetworkError as error:
        return f"undocumented: {error}"
    finally:
        del parser, parsed  # it owns the weights
    computed = {definition.get_output(i).name: array for i, array in enumerate(got)}
    wanted = {value.name: array for value, array in zip(case.model.graph.output, outputs, strict=True)}
    differences = [difference(array, wanted[name]) for name, array in computed.items() if name in wanted]
    return next((f"differs: {d}" for d in differences if d), "agrees")


def _parsed(model: ModelProto) -> tuple[Any, Any] | None:
    """The network that the parser makes of a model, and the parser; None where it makes none."""
    definition = empty_network()
    parser = TRT.OnnxParser(definition, quiet_logger())
    if parser.parse(_readable(model).SerializeToString()):
        return definition, parser
    del parser  # before the network that it wrote to
    return None


def difference(got: Array, want: Array) -> str | None:
    if got.dtype != want.dtype or got.shape != want.shape:
        return f"{got.dtype}{list(got.shape)} instead of {want.dtype}{list(want.shape)}"
    tolerance = 1e-3 if want.dtype == np.float32 else 2e-2
    a, b = got.astype(np.float64), want.astype(np.float64)
    same = np.allclose(a, b, tolerance, tolerance, equal_nan=True)
    return None if same else f"{a.reshape(-1)[:6]} instead of {b.reshape(-1)[:6]}"


def _readable(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    copy.ir_version = min(copy.ir_version, 10)
    return copy


def _frozen(model: ModelProto, arrays: Sequence[Array]) -> ModelProto:
    """The model with all inputs but the first made constants: the parser wants axes, sizes and the like as such."""
    copy = ModelProto()
    copy.CopyFrom(model)
    parameters = list(copy.graph.input)[1:]
    del copy.graph.input[1:]
    for info, array in zip(parameters, arrays[1:], strict=True):
        copy.graph.initializer.append(numpy_helper.from_array(array, info.name))
    return copy
