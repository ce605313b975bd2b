"""Random graphs through everything: text, passes, OpenVINO and TVM must keep their meaning.

What counts as the same numbers is explained in `tests.support.conditioning`: tolerances are those of the element type,
and rounding noise measured on the very graph decides where less can be asked (2 % of the outputs of drawn graphs).
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from isthmus.backends.base import Backend, BuildOptions
from isthmus.backends.openvino import OpenVINOBackend
from isthmus.backends.tvm import TVMBackend
from isthmus.ir import difference, ops, parse, print_graph, verify
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph, Value
from isthmus.ir.textfile import stored_constants
from isthmus.ir.types import Array
from isthmus.passes import pipelines
from isthmus.passes.manager import PassManager
from isthmus.passes.numerics import Inputs, samples
from isthmus.passes.spec import parse_pipeline
from isthmus.passes.table import OURS
from tests.support.conditioning import Truth, truth
from tests.support.graphs import graphs

settings.register_profile(
    "random graphs",
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # shrinking would take minutes; the graphs are small enough to read
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
STEADY = settings.get_profile("random graphs")
OPENVINO = OpenVINOBackend()
TVM = TVMBackend(is_isolated=False, is_optimized=False)
OTHERS = ("lower-precision", "rewrite")
"""One moves numbers on purpose, one does nothing without the rules it is given."""
PIPELINES = (pipelines.default(), *(each.name for each in OURS if each.name not in OTHERS))


APPROXIMATE = "relax"
"""Its laws give numbers where steps in between overflow or underflow to infinities (log_softmax, softplus)."""


def without_infinities(wanted: Truth, found: Array) -> Truth:
    """What is wanted, or whatever is found where that is infinite."""
    if found.shape != wanted.array.shape or any(trial.shape != found.shape for trial in wanted.trials):
        return wanted
    free = np.isinf(wanted.array)
    return Truth(np.where(free, found, wanted.array), tuple(np.where(free, found, t) for t in wanted.trials))


def text_of(graph: Graph) -> str:
    return f"\n{print_graph(graph)}"


@settings(STEADY, max_examples=300)
@given(graphs())
def test_graphs_verify_and_print_and_parse(graph: Graph) -> None:
    verify(graph)
    again = parse(print_graph(graph), constants=stored_constants(graph))
    assert difference(graph, again, locations=True) is None, text_of(graph)


@settings(STEADY, max_examples=250)
@given(graphs())
def test_passes_keep_the_numbers(graph: Graph) -> None:
    assert_passes_keep(graph)


def assert_passes_keep(graph: Graph) -> None:
    known = [(inputs, found) for inputs in samples(graph) if (found := truth(graph, inputs)) is not None]
    for pipeline in PIPELINES:
        assert_kept(graph, pipeline, known)


def assert_kept(graph: Graph, pipeline: str, known: list[tuple[Inputs, dict[str, Truth]]]) -> None:
    after = graph.copy()
    try:
        PassManager(parse_pipeline(pipeline), check="full").run(after)
    except Exception as error:
        raise AssertionError(text_of(graph)) from error
    for inputs, wanted in known:
        found = evaluate(after, inputs)
        if pipeline == APPROXIMATE:
            wanted = {name: without_infinities(each, found[name]) for name, each in wanted.items()}
        wrong = {name: why for name, each in wanted.items() if (why := each.disagreement(found[name]))}
        assert not wrong, f"{pipeline} moves {wrong} for {inputs}{text_of(graph)}"


@settings(STEADY, max_examples=300)
@given(graphs())
def test_openvino_agrees(graph: Graph) -> None:
    assert_agrees(OPENVINO, graph)


@settings(STEADY, max_examples=60)
@given(graphs())
def test_tvm_agrees(graph: Graph) -> None:
    assert_agrees(TVM, graph)


@pytest.mark.parametrize("family", [m.__name__.rpartition(".")[2] for m in ops.FAMILIES])
@settings(STEADY, max_examples=40)
@given(data=st.data())
def test_every_row_is_drawn(family: str, data: st.DataObject) -> None:
    rows = [row.name for row in ops.TABLE.values() if row.family == family]
    assert_agrees(OPENVINO, data.draw(graphs(4, rows)))


LOOP = """%y: f32[3] = loop(%t, %c, %x, %x) {carried = 1} body (%i: i64[], %a: f32[3], %s: f32[3]) {
  %b: f32[3] = add(%a, %s)
  %m = const bool[] true
  return m: %m, b: %b
}"""
FOUND = {
    "dead but for its size": "%h: f32[], %l: f32[] { %v: f32[u] = dynamic_iota(%l, %h, %h) %y: i64[1] = shape_of(%v)",
    "tiled scalar": "%x: f32[] { %y: f32[] = tile(%x) {repeats = []}",
    "padded scalar": "%x: f32[] { %y: f32[] = pad(%x) {pads = []}",
    "gathered from nothing": "%x: f32[0, 3] { %i = const i64[] -1 %y: f32[0] = gather(%x, %i) {axis = 1}",
    "window that fits nowhere": "%x: f32[1, 3, 1] { %y: f32[1, 3, 0] = max_pool(%x) "
    "{kernel = [2], strides = [1], pads = [[0, 0]], dilations = [1], ceil_mode = false}",
    "window larger than what it looks at": "%x: f32[1, 3, 1] { %y: f32[1, 3, 1] = max_pool(%x) "
    "{kernel = [2], strides = [2], pads = [[0, 0]], dilations = [1], ceil_mode = true}",
    "split into nothing": "%x: i64[2, 3] { %a: i64[2, 3], %y: i64[2, 0] = split(%x) {axis = 1, sizes = [3, 0]}",
    "convolution of nothing": "%x: f32[1, 2, 0] { %w = const f32[2, 2, 1] [1, 2, 3, 4] %y: f32[1, 2, 0] = conv(%x, %w) "
    "{strides = [1], pads = [[0, 0]], dilations = [1]}",
    "mean of nothing": "%x: f32[2, 0] { %y: f32[2] = reduce_mean(%x) {axes = [1], keepdims = false}",
    "loop that never runs": f"%x: f32[3] {{ %t = const i64[] 4 %c = const bool[] false {LOOP}",
    "loop without trips": f"%x: f32[3] {{ %t = const i64[] 0 %c = const bool[] true {LOOP}",
    "scan with a constant": """%x: f32[3], %xs: f32[5, 3] { %f = const f32[3] [0.5, 2.0, 1.0]
%y: f32[3] = scan(%x, %xs, %f) {carried = 1, scanned = 1} body (%a: f32[3], %e: f32[3], %f: f32[3]) {
  %m: f32[3] = mul(%a, %f)
  %s: f32[3] = add(%m, %e)
  return s: %s
}""",
}


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_stays_fixed(name: str) -> None:
    bounds = " where u: 0.. {" if "[u]" in FOUND[name] else " {"
    graph = parse(f"graph @found({FOUND[name].replace(' {', ')' + bounds, 1)} return y: %y }}")
    assert_passes_keep(graph)
    assert_agrees(OPENVINO, graph)
    assert_agrees(TVM, graph)


def assert_agrees(backend: Backend, graph: Graph) -> None:
    """Constant parts are folded first, as every pipeline does: what an engine makes of them is of no interest."""
    legal = graph.copy()
    PassManager(parse_pipeline("fold")).run(legal)
    backend.legalize(legal)
    verify(legal)
    if backend.unsupported(legal):
        return
    executable = backend.build(legal, BuildOptions(threads=1))
    for inputs in samples(graph, hostile=False):
        wanted = truth(graph, inputs)
        if wanted is None or (backend.deviations.keys() & {n.op.name for n in graph.walk()} and is_wild(graph, inputs)):
            continue
        found = dict(zip(graph.output_names, executable([inputs[v.name] for v in graph.inputs]), strict=True))
        wrong = {name: why for name, each in wanted.items() if (why := each.disagreement(found[name]))}
        assert not wrong, f"{wrong} for {inputs}{text_of(graph)}"


def is_wild(graph: Graph, inputs: Inputs) -> bool:
    """Whether NaN, infinities, or integers beyond 32 bits occur on the way: deviations say what becomes of them."""
    wild: list[Value] = []

    def observe(value: Value, array: Array) -> None:
        if value.dtype.is_float and not np.isfinite(array).all():
            wild.append(value)
        if value.dtype.name == "i64" and (array != array.astype(np.int32)).any():
            wild.append(value)

    evaluate(graph, inputs, observe=observe)
    return bool(wild)
