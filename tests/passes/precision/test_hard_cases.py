"""Graphs that go wrong in f16 unless some nodes stay in f32: each is right, and says which and why.

Every `.isth` file of this folder is a case; `// because: OP: REASON` in it is what must be reported.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph
from isthmus.ir.parser import parse
from isthmus.passes.manager import PassManager
from isthmus.passes.numerics import relative_error, seeded_inputs
from isthmus.passes.precision.borders import carry_out
from isthmus.passes.precision.decisions import PrecisionSummary
from isthmus.passes.precision.lower import LowerPrecision
from isthmus.passes.precision.narrow import NARROW
from isthmus.passes.precision.plan import Plan
from isthmus.passes.spec import parse_pipeline

CASES = sorted(Path(__file__).parent.glob("*.isth"))
_BECAUSE = "// because: "


def lowered(graph: Graph, text: str) -> tuple[Graph, PrecisionSummary]:
    """A copy after the pass written as pipeline text, and what it reports."""
    copy = graph.copy()
    [record] = PassManager(parse_pipeline(text), check="full").run(copy)
    assert record.precision is not None
    return copy, record.precision


@pytest.mark.parametrize("pipeline", ["lower-precision", "lower-precision{seeded=1}"])
@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_right_in_f16_for_the_reason_named(path: Path, pipeline: str) -> None:
    text = path.read_text()
    graph = parse(text, filename=path.name)
    lower, summary = lowered(graph, pipeline)
    inputs = seeded_inputs(graph, 7)
    wanted, got = evaluate(graph, inputs), evaluate(lower, inputs)
    assert relative_error(got["y"], wanted["y"]) < 1e-2
    assert summary.lowered
    said = [f"{each.op}: {each.reason}" for each in summary.kept]
    for line in text.splitlines():
        if line.startswith(_BECAUSE):
            assert any(line.removeprefix(_BECAUSE) in each for each in said), said


@pytest.mark.parametrize("path", [p for p in CASES if "mask" not in p.stem], ids=lambda p: p.stem)
def test_wrong_if_everything_goes_low(path: Path) -> None:
    """The cases are hard: they fail without the care taken."""
    graph = parse(path.read_text(), filename=path.name)
    careless = graph.copy()
    carry_out(careless, Plan(NARROW["f16"], {node for node in careless.nodes if node.op.name != "const"}))
    inputs = seeded_inputs(graph, 7)
    assert relative_error(evaluate(careless, inputs)["y"], evaluate(graph, inputs)["y"]) > 1e-2


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_bf16_has_the_range(path: Path) -> None:
    graph = parse(path.read_text(), filename=path.name)
    lower, summary = lowered(graph, LowerPrecision.name + "{dtype=bf16,seeded=1}")
    inputs = seeded_inputs(graph, 7)
    assert relative_error(evaluate(lower, inputs)["y"], evaluate(graph, inputs)["y"]) < 5e-2
    assert not any("bf16 ends" in each.reason for each in summary.kept)


def test_a_mask_that_is_made_finite_is_reported() -> None:
    path = Path(__file__).parent / "least_number_mask.isth"
    lower, summary = lowered(parse(path.read_text()), "lower-precision")
    assert summary.masks == ("%y",)
    mask = next(node.operands[3] for node in lower.nodes if node.op.name == "attention")
    assert mask is not None
    assert mask.array is not None
    assert float(mask.array.min()) == -32768.0
