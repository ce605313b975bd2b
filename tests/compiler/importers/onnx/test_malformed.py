"""Bad models give one clear error with a stable code; none crashes, hangs, reads elsewhere or takes all memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from isthmus.compiler.importers.onnx import import_onnx
from isthmus.ir.errors import (
    BadInput,
    ExternalDataMissing,
    ExternalDataOutside,
    ImportFailed,
    IsthmusError,
    MalformedModel,
    UnsupportedModel,
    UnsupportedOps,
)
from tests.compiler.importers.onnx.build import ints, model

node = helper.make_node


def relu(**options: object) -> ModelProto:
    return model([node("Relu", ["x"], ["y"])], {"x": ["N", 4]}, ["y"], **options)  # type: ignore[arg-type]


def huge_tensor() -> ModelProto:
    made = relu(initializers={"w": np.zeros(1, np.float32)})
    made.graph.initializer[0].dims[:] = [1 << 40, 1 << 20]
    return made


def negative_size() -> ModelProto:
    made = relu(initializers={"w": np.zeros(1, np.float32)})
    made.graph.initializer[0].dims[:] = [-1]
    return made


def wrong_wire_type() -> bytes:
    return b"\x08\x0a" + b"\x38\x01" + b"\x42\x02\x10\x12"


def names_that_are_no_text() -> bytes:
    data: bytes = relu().SerializeToString()
    return data.replace(b"Relu", b"\xff\xfe\xfd\xfc")


def nested_bodies(depth: int) -> bytes:
    """A file of graphs within graphs; protobuf itself would not write so many."""

    def field(number: int, payload: bytes) -> bytes:
        size, digits = len(payload), b""
        while size > 127:
            digits, size = digits + bytes([size & 127 | 128]), size >> 7
        return bytes([number << 3 | 2]) + digits + bytes([size]) + payload

    body = b""
    for _ in range(depth):
        body = field(1, field(5, field(6, body)))
    return field(7, body)


def nested_calls(depth: int) -> ModelProto:
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("local", 1)]
    functions = [helper.make_function("local", "F0", ["a"], ["b"], [node("Relu", ["a"], ["b"])], opsets)]
    for i in range(1, depth):
        call = node(f"F{i - 1}", ["a"], ["b"], domain="local")
        functions.append(helper.make_function("local", f"F{i}", ["a"], ["b"], [call], opsets))
    return model([node(f"F{depth - 1}", ["x"], ["y"], domain="local")], {"x": [1]}, ["y"], functions=functions)


def recursive_function() -> ModelProto:
    body = [node("F", ["a"], ["b"], domain="local")]
    function = helper.make_function("local", "F", ["a"], ["b"], body, [helper.make_opsetid("local", 1)])
    return model([node("F", ["x"], ["y"], domain="local")], {"x": [1]}, ["y"], functions=[function])


def billion_nodes() -> ModelProto:
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("local", 1)]
    functions = [helper.make_function("local", "F0", ["a"], ["b"], [node("Relu", ["a"], ["b"])], opsets)]
    for i in range(1, 40):
        calls = [
            node(f"F{i - 1}", ["a"], ["t"], domain="local"),
            node(f"F{i - 1}", ["t"], ["b"], domain="local"),
        ]
        functions.append(helper.make_function("local", f"F{i}", ["a"], ["b"], calls, opsets))
    return model([node("F39", ["x"], ["y"], domain="local")], {"x": [1]}, ["y"], functions=functions)


CASES: list[tuple[str, Callable[[], ModelProto | bytes], type[IsthmusError], str]] = [
    ("truncated", lambda: relu().SerializeToString()[:-3], MalformedModel, "truncated"),
    ("garbage", lambda: b"\x00\x01not a model", MalformedModel, "no ONNX model"),
    ("empty", lambda: b"", MalformedModel, "has no graph"),
    ("wrong wire type", wrong_wire_type, MalformedModel, "has no graph"),
    ("no text", names_that_are_no_text, MalformedModel, "no text"),
    ("no operator set", lambda: ModelProto(graph=relu().graph), MalformedModel, "operator sets"),
    ("from the future", lambda: relu(opset=29), UnsupportedModel, "newer than 28"),
    (
        "cycle",
        lambda: model([node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"])], {"x": [1]}, ["b"]),
        MalformedModel,
        "cycle",
    ),
    ("undefined name", lambda: model([node("Relu", ["z"], ["y"])], {"x": [1]}, ["y"]), MalformedModel, "'z'"),
    ("undefined output", lambda: model([node("Relu", ["x"], ["y"])], {"x": [1]}, ["q"]), MalformedModel, "'q'"),
    (
        "name defined twice",
        lambda: model([node("Relu", ["x"], ["y"]), node("Abs", ["x"], ["y"])], {"x": [1]}, ["y"]),
        MalformedModel,
        "defined twice",
    ),
    ("too many inputs", lambda: model([node("Relu", ["x", "x"], ["y"])], {"x": [1]}, ["y"]), MalformedModel, "most 1"),
    ("too few inputs", lambda: model([node("Add", ["x"], ["y"])], {"x": [1]}, ["y"]), MalformedModel, "needs 2"),
    (
        "missing attribute",
        lambda: model([node("Cast", ["x"], ["y"])], {"x": [1]}, ["y"]),
        MalformedModel,
        "'to' is missing",
    ),
    (
        "ill-typed attribute",
        lambda: model([node("Softmax", ["x"], ["y"], axis="last")], {"x": [1]}, ["y"]),
        MalformedModel,
        "must be int",
    ),
    (
        "unknown attribute",
        lambda: model([node("Relu", ["x"], ["y"], slope=1.0)], {"x": [1]}, ["y"]),
        UnsupportedModel,
        "'slope'",
    ),
    ("negative size", negative_size, MalformedModel, "negative"),
    (
        "negative input size",
        lambda: model([node("Relu", ["x"], ["y"])], {"x": [-2]}, ["y"]),
        MalformedModel,
        "negative",
    ),
    ("huge tensor without data", huge_tensor, MalformedModel, "holds 4"),
    (
        "shapes that do not fit",
        lambda: model([node("Add", ["x", "z"], ["y"])], {"x": [2], "z": [3]}, ["y"]),
        MalformedModel,
        "do not broadcast",
    ),
    (
        "element types that do not fit",
        lambda: model([node("Add", ["x", "w"], ["y"])], {"x": [2]}, ["y"], initializers={"w": ints(1)}),
        MalformedModel,
        "cast",
    ),
    ("no rank", lambda: model([node("Relu", ["x"], ["y"])], {"x": None}, ["y"]), UnsupportedModel, "rank"),
    ("deeply nested bodies", lambda: nested_bodies(1000), MalformedModel, "no ONNX model"),
    ("deeply nested calls", lambda: nested_calls(1000), UnsupportedModel, "deep"),
    ("recursive function", recursive_function, MalformedModel, "calls itself"),
    ("functions that multiply", billion_nodes, UnsupportedModel, "too many nodes"),
    (
        "rank out of a size",
        lambda: model([node("ConstantOfShape", ["x"], ["y"])], {"x": [1 << 40]}, ["y"], dtype=TensorProto.INT64),
        UnsupportedModel,
        "at most 64",
    ),
]


@pytest.mark.parametrize(("make", "kind", "says"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_refused(make: Callable[[], ModelProto | bytes], kind: type[IsthmusError], says: str) -> None:
    with pytest.raises(ImportFailed) as caught:
        import_onnx(make())
    assert type(caught.value) is kind
    assert says in str(caught.value)


def test_every_prefix_of_a_file_is_refused() -> None:
    made = relu(initializers={"w": np.arange(8, dtype=np.float32)})
    del made.opset_import[1:]
    data = made.SerializeToString()
    for end in range(len(data)):
        with pytest.raises(ImportFailed):
            import_onnx(data[:end])


def test_large_fills_take_no_memory() -> None:
    made = model([node("ConstantOfShape", ["s"], ["y"])], {}, ["y"], initializers={"s": ints(10**6, 10**6)})
    (output,) = import_onnx(made).outputs
    assert output.shape == (10**6, 10**6)


def test_unsupported_ops_are_listed_at_once() -> None:
    nodes = [node("STFT", ["x"], ["a"], name="one"), node("STFT", ["x"], ["b"]), node("Mystery", ["a"], ["y"])]
    with pytest.raises(UnsupportedOps) as caught:
        import_onnx(model(nodes, {"x": [2, 2]}, ["y"]))
    assert "ai.onnx::STFT (opset 18): 2 nodes (one, STFT_1)" in caught.value.reason
    assert "ai.onnx::Mystery (opset 18): 1 node (Mystery_2)" in caught.value.reason


def test_valid_models_in_unsupported_forms_are_not_called_malformed() -> None:
    made = model([node("ReduceMean", ["x"], ["y"])], {"x": [2]}, ["y"], dtype=TensorProto.INT64)
    with pytest.raises(UnsupportedModel, match="not supported"):
        import_onnx(made)


def test_an_error_names_its_node() -> None:
    with pytest.raises(MalformedModel) as caught:
        import_onnx(model([node("Flatten", ["x"], ["y"], name="head/flat", axis=7)], {"x": [2]}, ["y"]))
    assert caught.value.where == "onnx:head/flat (Flatten)"


def test_missing_file() -> None:
    with pytest.raises(ImportFailed, match="cannot read"):
        import_onnx(Path("no/such/model.onnx"))


# -- external data ----------------------------------------------------------------------------------------------------


def external(folder: Path, **entries: str) -> Path:
    folder.mkdir(exist_ok=True)
    made = model([node("Add", ["x", "w"], ["y"])], {"x": [4]}, ["y"], initializers={"w": np.zeros(4, np.float32)})
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    path = folder / "model.onnx"
    path.write_bytes(made.SerializeToString())
    return path


def test_external_data_is_mapped_when_looked_at(tmp_path: Path) -> None:
    path = external(tmp_path, location="weights.bin", offset="8", length="16")
    (tmp_path / "weights.bin").write_bytes(bytes(8) + np.arange(4, dtype=np.float32).tobytes())
    graph = import_onnx(path)
    weight = next(node.result for node in graph.nodes if node.op.name == "const")
    assert weight.array is not None
    assert weight.array.tolist() == [0, 1, 2, 3]
    assert any(isinstance(base, np.memmap) for base in _bases(weight.array))


def test_unaligned_external_data(tmp_path: Path) -> None:
    path = external(tmp_path, location="weights.bin", offset="3", length="16")
    (tmp_path / "weights.bin").write_bytes(bytes(3) + np.arange(4, dtype=np.float32).tobytes())
    weight = next(node.result for node in import_onnx(path).nodes if node.op.name == "const")
    assert weight.array is not None
    assert weight.array.flags.aligned
    assert weight.array.tolist() == [0, 1, 2, 3]


def test_weights_larger_than_memory_are_only_mapped(tmp_path: Path) -> None:
    path = external(tmp_path, location="weights.bin")
    made = ModelProto.FromString(path.read_bytes())
    made.graph.initializer[0].dims[:] = [1 << 30, 1]
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    path.write_bytes(made.SerializeToString())
    with (tmp_path / "weights.bin").open("wb") as sparse:
        sparse.truncate(1 << 32)
    graph = import_onnx(path)
    assert graph.outputs[0].shape == (1 << 30, 1)


@pytest.mark.parametrize(
    "location", ["/etc/passwd", "../weights.bin", "a/../../weights.bin", "..\\weights.bin", "C:\\w"]
)
def test_paths_out_of_the_folder(tmp_path: Path, location: str) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(16))
    with pytest.raises(ExternalDataOutside):
        import_onnx(external(tmp_path / "model", location=location))


def test_link_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(16))
    path = external(tmp_path / "model", location="weights.bin")
    (tmp_path / "model" / "weights.bin").symlink_to(tmp_path / "secret")
    with pytest.raises(ExternalDataOutside, match="link out"):
        import_onnx(path)


def test_download_caches_link_model_and_data_to_one_folder(tmp_path: Path) -> None:
    stored = external(tmp_path / "blobs", location="weights.bin")
    (tmp_path / "blobs" / "weights.bin").write_bytes(bytes(16))
    (tmp_path / "snapshot").mkdir()
    for name in ("model.onnx", "weights.bin"):
        (tmp_path / "snapshot" / name).symlink_to(stored.parent / name)
    assert import_onnx(tmp_path / "snapshot" / "model.onnx").outputs[0].shape == (4,)


@pytest.mark.parametrize(
    ("entries", "kind", "says"),
    [
        ({"location": "weights.bin"}, ExternalDataMissing, "not there"),
        ({"location": "short.bin"}, ExternalDataMissing, "which has 4"),
        ({"location": "short.bin", "offset": "1000"}, ExternalDataMissing, "1000"),
        ({"location": "short.bin", "offset": "-4"}, MalformedModel, "offset"),
        ({"location": "short.bin", "length": "4"}, MalformedModel, "16 bytes, but has 4"),
        ({"location": "folder"}, ExternalDataMissing, "no regular file"),
        ({}, MalformedModel, "names no file"),
    ],
)
def test_bad_external_data(tmp_path: Path, entries: dict[str, str], kind: type[IsthmusError], says: str) -> None:
    (tmp_path / "short.bin").write_bytes(bytes(4))
    (tmp_path / "folder").mkdir()
    with pytest.raises(kind, match=says):
        import_onnx(external(tmp_path, **entries))


def test_external_data_without_a_folder(tmp_path: Path) -> None:
    data = external(tmp_path, location="weights.bin").read_bytes()
    with pytest.raises(ExternalDataMissing, match="without its folder"):
        import_onnx(data)


# -- shapes a user asks for -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shapes", "says"),
    [
        ({"z": (1,)}, "no input 'z'"),
        ({"x": (1, 2, 3)}, "rank 2"),
        ({"x": ("N", 5)}, "is 4 in the model"),
        ({"x": ("1..4", 4)}, "no dimension"),
        ({"x": (-3, 4)}, "negative"),
    ],
)
def test_impossible_shapes(shapes: dict[str, tuple[int | str, ...]], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        import_onnx(relu(), inputs=shapes)


def _bases(array: object) -> list[object]:
    found = []
    while array is not None:
        found.append(array)
        array = getattr(array, "base", None)
    return found
