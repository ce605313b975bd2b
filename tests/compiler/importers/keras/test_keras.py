"""Keras 3 models where Keras computes in torch: in memory, from `.keras` files, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras", reason="needs the `keras` extra")
if keras.backend.backend() != "torch":
    pytest.skip("needs KERAS_BACKEND=torch", allow_module_level=True)

import isthmus  # noqa: E402
from isthmus.ir import evaluate  # noqa: E402
from isthmus.ir.errors import BadInput, ImportFailed, UnsupportedModel  # noqa: E402

layers = keras.layers
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras' own, of NumPy 2


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def network() -> Any:
    """A small convolution network with all weights drawn."""
    x = keras.Input((16, 16, 3), name="image")
    h = layers.Conv2D(8, 3, strides=2, padding="same")(x)
    h = layers.ReLU(6.0)(layers.BatchNormalization()(h))
    h = layers.DepthwiseConv2D(3, padding="same", activation="silu")(h)
    h = layers.Add()([h, layers.Conv2D(8, 1)(h)])
    h = layers.GlobalAveragePooling2D()(h)
    return drawn(keras.Model(x, layers.Dense(5, name="logits")(layers.Dropout(0.5)(h))))


def drawn(model: Any) -> Any:
    rng = np.random.default_rng(1)
    for weight in model.weights:
        if weight.dtype == "float32":
            weight.assign(rng.uniform(0.1, 0.9, weight.shape))
    return model


def agrees(model: Any, source: Any, inputs: Mapping[str, Any], asked: Any = None) -> Any:
    """The optimized graph of `source`, which answers as the model does."""
    graph = isthmus.optimize(isthmus.import_model(source, inputs=asked))
    given = inputs if len(inputs) > 1 else next(iter(inputs.values()))
    wanted = keras.tree.flatten(model(given, training=False))
    found = evaluate(graph, dict(inputs))
    assert len(found) == len(wanted)
    for mine, theirs in zip(found.values(), wanted, strict=True):
        expected = keras.ops.convert_to_numpy(theirs)
        assert np.linalg.norm(mine - expected) <= 1e-5 * np.linalg.norm(expected)
    return graph


def test_a_model_in_memory() -> None:
    model = network()
    graph = agrees(model, model, {"image": numbers(3, 16, 16, 3)})
    assert [str(v.type) for v in graph.inputs] == ["f32[N, 16, 16, 3]"]
    assert graph.output_names == ("logits",)
    assert sum(node.op.name == "transpose" for node in graph.nodes) == 1


def test_a_file(tmp_path: Path) -> None:
    model = network()
    model.save(tmp_path / "m.keras")
    agrees(model, tmp_path / "m.keras", {"image": numbers(2, 16, 16, 3)})


def test_a_file_after_training_was_set_up(tmp_path: Path) -> None:
    model = network()
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    model.save(tmp_path / "m.keras")
    agrees(model, tmp_path / "m.keras", {"image": numbers(2, 16, 16, 3)})


def test_a_sequential_model_and_shapes_by_name() -> None:
    model = drawn(keras.Sequential([keras.Input((None, 4), name="rows"), layers.Dense(3, activation="gelu")]))
    inputs = {"rows": numbers(5, 7, 4)}
    assert str(agrees(model, model, inputs).inputs[0].type) == "f32[N, rows_1, 4]"
    asked = {"rows": ("B:1..8", 7, 4)}
    assert str(agrees(model, model, inputs, asked).inputs[0].type) == "f32[B, 7, 4]"


def test_several_inputs_of_several_types_and_outputs() -> None:
    ids, scale = keras.Input((6,), dtype="int32", name="ids"), keras.Input((8,), name="scale")
    h = layers.Embedding(20, 8)(ids)
    h = layers.LayerNormalization()(h + layers.MultiHeadAttention(2, 4)(h, h))
    pooled = layers.Multiply()([layers.GlobalAveragePooling1D()(h), scale])
    model = drawn(keras.Model({"ids": ids, "scale": scale}, {"rows": h, "all": pooled}))
    rows = np.random.default_rng(0).integers(0, 20, (2, 6)).astype(np.int32)
    agrees(model, model, {"ids": rows, "scale": numbers(2, 8)})


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_recurrent_layers_of_a_fixed_size(kind: str) -> None:
    """Keras unrolls them in torch, and takes the batch for a number."""
    x = keras.Input((5, 3), name="x")
    model = drawn(keras.Model(x, getattr(layers, kind)(4, return_sequences=True)(x)))
    agrees(model, model, {"x": numbers(2, 5, 3)}, {"x": (2, 5, 3)})


def test_a_subclassed_model_is_asked_for_its_inputs() -> None:
    class Own(keras.Model):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, x: Any) -> Any:
            return keras.ops.relu(self.dense(x))

    model = Own()
    x = numbers(2, 4)
    model(x)
    with pytest.raises(BadInput, match="what it is called with"):
        isthmus.import_model(model)
    graph = isthmus.import_model(model, inputs=[("N", 4)])
    (found,) = evaluate(graph, [x]).values()
    assert np.allclose(found, keras.ops.convert_to_numpy(model(x)), atol=1e-6)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"imag": ("N", 16, 16, 3)}, "no input 'imag'"),
        ({"image": ("N", 16, 3)}, "has rank 4 in the model, not 3"),
        ({"image": ("N", 32, 16, 3)}, "dimension 1 of input 'image' is 16"),
    ],
)
def test_shapes_that_do_not_fit(asked: Any, text: str) -> None:
    with pytest.raises(BadInput, match=text):
        isthmus.import_model(network(), inputs=asked)


def test_a_lambda_in_a_file_is_refused_before_keras_sees_it(tmp_path: Path) -> None:
    x = keras.Input((4,))
    keras.Model(x, layers.Lambda(lambda t: t * 2, name="double")(x)).save(tmp_path / "m.keras")
    with pytest.raises(UnsupportedModel, match=r"'(double|__lambda__|lambda)' is a lambda"):
        isthmus.import_model(tmp_path / "m.keras")


def test_layers_of_others_in_a_file_are_refused(tmp_path: Path) -> None:
    @keras.saving.register_keras_serializable(package="mine")
    class Twice(layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return x * 2

    x = keras.Input((4,))
    model = keras.Model(x, Twice(name="twice")(x))
    model.save(tmp_path / "m.keras")
    with pytest.raises(UnsupportedModel, match="'twice' is code of mine>Twice, not of Keras"):
        isthmus.import_model(tmp_path / "m.keras")
    agrees(model, model, {model.inputs[0].name: numbers(2, 4)})


def test_a_process_whose_keras_has_no_export_reads_files_in_a_child(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    model = network()
    model.save(tmp_path / "m.keras")
    x = numbers(2, 16, 16, 3)
    np.save(tmp_path / "x.npy", x)
    code = (
        "import sys, numpy as np, keras, isthmus; from isthmus.ir import evaluate; "
        "assert keras.backend.backend() == 'openvino'; "
        "g = isthmus.import_model('m.keras', inputs={'image': ('B', 16, 16, 3)}); "
        "np.save('y.npy', evaluate(g, [np.load('x.npy')])['logits'])"
    )
    environment = os.environ | {
        "KERAS_BACKEND": "openvino",
        "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path),
    }
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, timeout=300)
    wanted = keras.ops.convert_to_numpy(model(x, training=False))
    assert np.allclose(np.load(tmp_path / "y.npy"), wanted, rtol=1e-4, atol=1e-5)


def test_a_damaged_file_ends_in_an_ordinary_error(tmp_path: Path) -> None:
    model = network()
    model.save(tmp_path / "m.keras")
    data = (tmp_path / "m.keras").read_bytes()
    for cut in (len(data) // 2, len(data) - 1):
        (tmp_path / "cut.keras").write_bytes(data[:cut])
        with pytest.raises(ImportFailed):
            isthmus.import_model(tmp_path / "cut.keras")


def test_open_sizes_that_keras_looks_at() -> None:
    x = keras.Input((None, None, 3), name="image")
    model = keras.Model(x, layers.Conv2D(4, 3, strides=2, padding="same")(x))
    with pytest.raises(UnsupportedModel) as caught:
        isthmus.import_model(model)
    assert "as numbers with inputs=" in caught.value.hint
    assert str(isthmus.import_model(model, inputs={"image": ("N", 8, 8, 3)}).inputs[0].type) == "f32[N, 8, 8, 3]"
