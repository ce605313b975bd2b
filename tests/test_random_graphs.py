"""Random graphs through everything: text, passes and OpenVINO must keep their meaning.

What counts as the same numbers is explained in `tests.support.conditioning`: tolerances are those of the element type,
and rounding noise measured on the very graph decides where less can be asked.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.backends.base import BuildOptions
from isthmus.backends.openvino.limits import DEVIATIONS
from isthmus.backends.table import backend_called
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
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
STEADY = settings.get_profile("random graphs")
PIPELINES = (pipelines.default(), *(each.name for each in OURS))


def text_of(graph: Graph) -> str:
    return f"\n{print_graph(graph)}"


@settings(STEADY, max_examples=300)
@given(graphs())
def test_graphs_verify_and_print_and_parse(graph: Graph) -> None:
    verify(graph)
    again = parse(print_graph(graph), constants=stored_constants(graph))
    assert difference(graph, again, locations=True) is None, text_of(graph)


@settings(STEADY, max_examples=120)
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
        wrong = {name: why for name, each in wanted.items() if (why := each.disagreement(found[name]))}
        assert not wrong, f"{pipeline} moves {wrong} for {inputs}{text_of(graph)}"


@settings(STEADY, max_examples=150)
@given(graphs())
def test_openvino_agrees(graph: Graph) -> None:
    assert_openvino_agrees(graph)


@pytest.mark.parametrize("family", [m.__name__.rpartition(".")[2] for m in ops.FAMILIES])
@settings(STEADY, max_examples=30)
@given(data=st.data())
def test_every_row_is_drawn(family: str, data: st.DataObject) -> None:
    rows = [row.name for row in ops.TABLE.values() if row.family == family]
    assert_openvino_agrees(data.draw(graphs(4, rows)))


def assert_openvino_agrees(graph: Graph) -> None:
    """Constant parts are folded first, as every pipeline does: what an engine makes of them is of no interest."""
    backend = backend_called("openvino")
    legal = graph.copy()
    PassManager(parse_pipeline("fold")).run(legal)
    backend.legalize(legal)
    verify(legal)
    if backend.unsupported(legal):
        return
    executable = backend.build(legal, BuildOptions(threads=1))
    for inputs in samples(graph, hostile=False):
        wanted = truth(graph, inputs)
        if wanted is None or (DEVIATIONS.keys() & {n.op.name for n in graph.walk()} and is_wild(graph, inputs)):
            continue
        found = dict(zip(graph.output_names, executable([inputs[v.name] for v in graph.inputs]), strict=True))
        wrong = {name: why for name, each in wanted.items() if (why := each.disagreement(found[name]))}
        assert not wrong, f"{wrong} for {inputs}{text_of(graph)}"


def is_wild(graph: Graph, inputs: Inputs) -> bool:
    """Whether NaN, infinities, or integers beyond 32 bits occur on the way: `DEVIATIONS` says what becomes of them."""
    wild: list[Value] = []

    def observe(value: Value, array: Array) -> None:
        if value.dtype.is_float and not np.isfinite(array).all():
            wild.append(value)
        if value.dtype.name == "i64" and (array != array.astype(np.int32)).any():
            wild.append(value)

    evaluate(graph, inputs, observe=observe)
    return bool(wild)
