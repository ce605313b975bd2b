"""What is not taken is refused by name, with the place and what to do."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import isthmus
from isthmus.compiler.importers.tensorflow import import_tensorflow
from isthmus.compiler.importers.tensorflow.protos import Message, make
from isthmus.ir.errors import ImportFailed, MalformedModel, UnknownFormat, UnsupportedModel, UnsupportedOps
from tests.compiler.importers.tensorflow.build import (
    FLOAT,
    STRING,
    Function,
    Shape,
    Type,
    const,
    function,
    graph,
    node,
    placeholder,
    saved_model,
)


def test_all_ops_at_fault_are_listed_with_their_nodes() -> None:
    source = graph(
        placeholder("x", 2),
        node("a", "MyOwnOp", "x"),
        node("b", "Relu", "a"),
        node("c", "MyOwnOp", "b"),
        node("d", "StringToHashBucketFast", "x", num_buckets=3),
        node("y", "AddN", "c", "d", N=2),
    )
    with pytest.raises(UnsupportedOps) as caught:
        import_tensorflow(source)
    assert "tensorflow::MyOwnOp: 2 nodes (a, c)" in str(caught.value)
    assert "tensorflow::StringToHashBucketFast: 1 node (d)" in str(caught.value)


def test_what_nobody_asks_for_is_not_looked_at() -> None:
    source = graph(placeholder("x", 2), node("a", "MyOwnOp", "x"), node("y", "Relu", "x", "^a"))
    assert import_tensorflow(source, outputs=["y"]).op_count() == 1


def test_strings_in_a_signature(tmp_path: Path) -> None:
    nodes = [placeholder("x", -1, code=STRING), node("y", "DecodeRaw", "x", out_type=Type(FLOAT))]
    folder = saved_model(tmp_path / "m", nodes, {"text": ("x:0", STRING, (-1,))}, {"y": "y:0"})
    with pytest.raises(UnsupportedModel, match="input 'text' has element type string"):
        isthmus.import_model(folder)


def test_strings_inside() -> None:
    source = graph(placeholder("x", 2), node("s", "Const", value=b"a"), node("y", "Add", "x", "s"))
    with pytest.raises(UnsupportedModel, match="Add: input 1 is a string"):
        import_tensorflow(source)


def test_a_table_of_strings() -> None:
    source = graph(
        placeholder("x", 2),
        node("t", "HashTableV2", key_dtype=Type(STRING), value_dtype=Type(FLOAT)),
        node("k", "Const", value=b"a"),
        const("v", [1.0]),
        const("none", 0.0),
        node("fill", "LookupTableImportV2", "t", "k", "v"),
        node("y", "LookupTableFindV2", "t", "x", "none"),
    )
    with pytest.raises(UnsupportedModel, match="strings"):
        import_tensorflow(source, outputs=["y"])


def test_signatures_that_change_variables(tmp_path: Path) -> None:
    count = function(
        "count", ["v", "x"], {"y": "r:value:0"},
        node("up", "AssignAddVariableOp", "v", "x"),
        node("r", "ReadVariableOp", "v", "^up", dtype=Type(FLOAT)),
    )  # fmt: skip
    nodes = [
        placeholder("x"),
        node("v", "VarHandleOp", dtype=Type(FLOAT), shape=Shape(())),
        node("y", "StatefulPartitionedCall", "v", "x", f=Function("count")),
    ]
    folder = saved_model(tmp_path / "m", nodes, {"x": ("x:0", FLOAT, ())}, {"y": "y:0"}, (count,))
    with pytest.raises(UnsupportedModel, match="changes variables: 'up' is AssignAddVariableOp"):
        isthmus.import_model(folder)


def test_batch_normalisation_in_training_mode() -> None:
    rows = [const(n, np.ones(3, np.float32)) for n in "abcd"]
    source = graph(placeholder("x", 1, 2, 2, 3), *rows, node("y", "FusedBatchNorm", "x", *"abcd", is_training=True))
    with pytest.raises(UnsupportedModel, match="training mode"):
        import_tensorflow(source)


def test_attributes_that_nobody_reads_are_not_ignored() -> None:
    with pytest.raises(UnsupportedModel, match="Relu: attribute 'steepness'"):
        import_tensorflow(graph(placeholder("x", 2), node("y", "Relu", "x", steepness=3)))


@pytest.mark.parametrize(
    ("name", "reason"),
    [("saved_model.cpb", "chunked"), ("saved_model.pbtxt", "stored as text"), ("other.txt", "holds no saved_model.pb")],
)
def test_folders_of_other_kinds(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / name).write_text("")
    with pytest.raises(ImportFailed, match=reason):
        isthmus.import_model(tmp_path)


@pytest.mark.parametrize(("name", "reason"), [("model.cpb", "chunked"), ("model.pbtxt", "stored as text")])
def test_files_of_other_kinds(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / name).write_text("node {}")
    with pytest.raises(UnsupportedModel, match=reason):
        isthmus.import_model(tmp_path / name)


def test_files_that_are_no_models(tmp_path: Path) -> None:
    (tmp_path / "model.pb").write_bytes(b"\xff" * 40)
    with pytest.raises(MalformedModel, match="GraphDef"):
        isthmus.import_model(tmp_path / "model.pb")
    (tmp_path / "model.pb").write_bytes(b"")
    with pytest.raises(MalformedModel, match="no graph is in the file"):
        isthmus.import_model(tmp_path / "model.pb")
    with pytest.raises(UnknownFormat, match="there is no file"):
        isthmus.import_model(tmp_path / "none.pb")


def test_graphs_for_other_uses(tmp_path: Path) -> None:
    made = make("SavedModel")
    for tag in ("train", "eval"):
        made.meta_graphs.add().meta_info_def.tags.append(tag)
    (tmp_path / "saved_model.pb").write_bytes(made.SerializeToString())
    with pytest.raises(UnsupportedModel, match="tagged 'serve': train; eval"):
        isthmus.import_model(tmp_path)


def test_functions_that_call_each_other() -> None:
    functions = [
        function(name, ["a"], {"r": "c:output:0"}, node("c", "PartitionedCall", "a", f=Function(other)))
        for name, other in (("f", "g"), ("g", "f"))
    ]
    source = graph(placeholder("x", 2), node("y", "PartitionedCall", "x", f=Function("f")), functions=tuple(functions))
    with pytest.raises(MalformedModel, match="function 'f' calls itself"):
        import_tensorflow(source)


def test_nodes_that_depend_on_themselves() -> None:
    with pytest.raises(MalformedModel, match="depends on itself"):
        import_tensorflow(graph(node("a", "Relu", "b"), node("b", "Relu", "a"), node("y", "Relu", "a")), outputs=["y"])


def test_variables_of_a_graph_that_is_not_frozen() -> None:
    source = graph(
        node("v", "VarHandleOp", dtype=Type(FLOAT), shape=Shape((2,))),
        node("y", "ReadVariableOp", "v", dtype=Type(FLOAT)),
    )
    with pytest.raises(UnsupportedModel, match="variable 'v' has no value: the graph is not frozen"):
        import_tensorflow(source)


def test_errors_name_the_node() -> None:
    bad = graph(placeholder("x", 2, 3), const("w", np.ones((4, 5), np.float32)), node("fc/MatMul", "MatMul", "x", "w"))
    with pytest.raises(ImportFailed) as caught:
        import_tensorflow(bad)
    assert caught.value.where == "tensorflow:fc/MatMul (MatMul)"


@pytest.mark.parametrize(
    ("op", "nodes"),
    [
        ("LinSpace", [const("a", 0.0), const("b", 1.0), const("n", 1 << 30)]),
        ("Range", [const("a", 0.0), const("b", 1e9), const("n", 1.0)]),
        ("CropAndResize", [const("a", np.zeros((1, 4), np.float32)), const("b", [0]), const("n", [1 << 29, 1])]),
        ("ResizeArea", [const("n", [1 << 29, 1])]),
    ],
)
def test_small_files_that_ask_for_large_constants(op: str, nodes: list[Message]) -> None:
    """Refused, or left to running: importing takes little memory."""
    image = ["x"] if op in ("CropAndResize", "ResizeArea") else []
    source = graph(placeholder("x", 1, 8, 8, 1), *nodes, node("y", op, *image, *(n.name for n in nodes)))
    tracemalloc.start()
    try:
        with suppress(UnsupportedModel):
            import_tensorflow(source, outputs=["y"])
        assert tracemalloc.get_traced_memory()[1] < 1 << 25
    finally:
        tracemalloc.stop()
