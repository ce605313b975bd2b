"""What is asked for: signatures, outputs, inputs, and the shapes they get."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import isthmus
from isthmus.compiler.importers.tensorflow import import_tensorflow, signatures
from isthmus.ir import evaluate
from isthmus.ir.errors import BadInput, UnsupportedModel
from tests.compiler.importers.tensorflow.build import FLOAT, Type, const, graph, node, placeholder, saved_model
from tests.support.tensorflow_models import FOLDER, calls

SEVERAL = FOLDER / "several_signatures" / "model"
FROZEN = FOLDER / "frozen" / "model.pb"
CNN = FOLDER / "cnn_dynamic" / "model"


def types(graph: isthmus.Graph) -> dict[str, str]:
    return {v.name: str(v.type) for v in graph.inputs}


def test_signatures_are_listed() -> None:
    assert signatures(SEVERAL) == {
        "look_up": (["i"], ["numbers", "rows"]),
        "project": (["x"], ["y"]),
        "repeat": (["a", "n"], ["total"]),
    }
    assert signatures(FROZEN) == {}


def test_of_several_signatures_one_must_be_chosen() -> None:
    with pytest.raises(BadInput, match="several signatures") as caught:
        isthmus.import_model(SEVERAL)
    assert "look_up, project, repeat" in str(caught.value)


def test_serving_default_comes_first(tmp_path: Path) -> None:
    nodes = [placeholder("x", -1, 4), node("y", "Relu", "x")]
    folder = saved_model(tmp_path / "m", nodes, {"a": ("x:0", FLOAT, (-1, 4))}, {"b": "y:0"})
    imported = isthmus.import_model(folder)
    assert types(imported) == {"a": "f32[a_0, 4]"}
    assert imported.output_names == ("b",)
    assert imported.name == "m"
    assert str(isthmus.import_model(folder / "saved_model.pb")) == str(imported)


def test_a_wrong_signature_gets_a_suggestion() -> None:
    with pytest.raises(BadInput, match=r"no signature 'projekt'.*\n.*did you mean 'project'"):
        isthmus.import_model(SEVERAL, signature="projekt")
    with pytest.raises(BadInput, match="it is a bare graph"):
        isthmus.import_model(FROZEN, signature="project")


def test_outputs_may_be_some_of_a_signature() -> None:
    imported = isthmus.import_model(SEVERAL, signature="look_up", outputs=["rows"])
    assert imported.output_names == ("rows",)
    with pytest.raises(BadInput, match=r"no output 'row'.*\n.*did you mean 'rows'"):
        isthmus.import_model(SEVERAL, signature="look_up", outputs=["row"])


def test_any_tensor_of_a_graph_may_be_an_output_or_an_input() -> None:
    (call,) = calls("frozen")
    whole = isthmus.import_model(FROZEN, outputs=["conv", "probabilities:0"])
    assert whole.output_names == ("conv", "probabilities")
    found = evaluate(whole, call.inputs)
    rest = isthmus.import_model(FROZEN, inputs={"conv": ("N", 8, 8, 4)}, outputs=["probabilities"])
    assert types(rest) == {"conv": "f32[N, 8, 8, 4]"}
    again = evaluate(rest, {"conv": found["conv"]})["probabilities"]
    assert np.allclose(again, call.outputs["probabilities"], rtol=1e-6)


def test_outputs_of_a_graph_are_what_nothing_uses() -> None:
    source = graph(placeholder("x", 2), node("a", "Relu", "x"), node("b", "Neg", "a"), node("c", "Exp", "x"))
    assert import_tensorflow(source).output_names == ("b", "c")


def test_tensors_that_do_not_exist_get_a_suggestion() -> None:
    with pytest.raises(BadInput, match=r"no tensor 'probabilitys'.*\n.*did you mean 'probabilities'"):
        isthmus.import_model(FROZEN, outputs=["probabilitys"])
    with pytest.raises(BadInput, match=r"no input 'images'.*\n.*did you mean 'image'"):
        isthmus.import_model(SEVERAL.parent.parent / "detection" / "model", inputs={"images": (1, 2)})


def test_sizes_left_open_get_names_and_bounds() -> None:
    assert types(isthmus.import_model(CNN)) == {"x": "f32[x_0, x_1, x_2, 3]"}
    asked = isthmus.import_model(CNN, inputs={"x": ("N:1..8", "H", 32, 3)})
    assert types(asked) == {"x": "f32[N, H, 32, 3]"}
    assert [(s.low, s.high) for s in asked.inputs[0].type.symbols() if s.name == "N"] == [(1, 8)]
    assert types(isthmus.import_model(CNN, inputs={"x": (1, 20, 24, 3)})) == {"x": "f32[1, 20, 24, 3]"}


def test_shapes_must_fit_the_declared_ones() -> None:
    with pytest.raises(BadInput, match="rank 4"):
        isthmus.import_model(CNN, inputs={"x": (1, 20)})
    with pytest.raises(BadInput, match="3"):
        isthmus.import_model(CNN, inputs={"x": ("N", 20, 20, 4)})


def test_a_rank_left_open_is_asked_for() -> None:
    source = graph(node("x", "Placeholder", dtype=Type(FLOAT)), node("y", "Relu", "x"))
    with pytest.raises(UnsupportedModel, match="no declared rank"):
        import_tensorflow(source)


def test_a_tensor_that_depends_on_a_missing_input_is_named(tmp_path: Path) -> None:
    nodes = [placeholder("x", 2), placeholder("keep", 2), node("y", "Mul", "x", "keep")]
    folder = saved_model(tmp_path / "m", nodes, {"x": ("x:0", FLOAT, (2,))}, {"y": "y:0"})
    with pytest.raises(UnsupportedModel, match="depends on 'keep'"):
        isthmus.import_model(folder)


def test_compile_passes_the_choice_on() -> None:
    program = isthmus.compile(SEVERAL, "reference", signature="look_up", outputs=["numbers"], inputs={"i": (2,)})
    assert program({"i": np.array([1, 3])})["numbers"].tolist() == [1, 3]


def test_other_formats_have_neither() -> None:
    given = isthmus.parse("graph @g(%x: f32[2]) {\n  return %x\n}\n")
    with pytest.raises(BadInput, match="TensorFlow"):
        isthmus.import_model(given, signature="a")


def test_a_constant_output_needs_no_input() -> None:
    imported = import_tensorflow(graph(const("c", [1.0, 2.0]), node("y", "Neg", "c")))
    assert evaluate(imported, {})["y"].tolist() == [-1, -2]
