"""What other tools made of models: Keras 2's files, frozen graphs of TensorFlow 2, functions marked for XLA."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from tests.support.tensorflow_draw import draw
from tests.support.tensorflow_writer import answer, drawing_of, keras, layers, numbers, randomise


def _frozen(folder: Path, model: Any, shape: tuple[int | None, ...], lower: bool) -> None:
    """The model as one graph without variables, and what it answers."""
    randomise(model)
    spec = tf.TensorSpec(shape, tf.float32, name="x")
    call = tf.function(lambda x: {"y": model(x)}, input_signature=[spec], autograph=False)
    made = convert_variables_to_constants_v2(call.get_concrete_function(), lower_control_flow=lower)
    (folder / "model.pb").write_bytes(made.graph.as_graph_def().SerializeToString())
    (output,) = made.outputs
    given = numbers(*(size or 3 for size in shape))
    (found,) = made(tf.constant(given))
    label = output.name.removesuffix(":0")
    np.savez_compressed(folder / "reference.npz", **{"0/frozen/in/x": given, f"0/frozen/out/{label}": found.numpy()})


def _sequence_model() -> Any:
    x = keras.Input((None, 6), name="x")
    h = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)
    return keras.Model(x, layers.Dense(3)(layers.GRU(5)(h)))


def frozen_functions(folder: Path) -> None:
    """Loops stay functions."""
    _frozen(folder, _sequence_model(), (None, None, 6), lower=False)


def frozen_lowered(folder: Path) -> None:
    """Loops are Enter, Merge, Switch, NextIteration and Exit again, over TensorLists."""
    _frozen(folder, _sequence_model(), (None, None, 6), lower=True)


def frozen_cnn(folder: Path) -> None:
    """A residual block, as grappler leaves it."""
    x = keras.Input((16, 16, 3), name="x")
    h = layers.Conv2D(6, 3, padding="same", use_bias=False)(x)
    h = layers.ReLU(6.0)(layers.BatchNormalization()(h))
    h = layers.Add()([h, layers.DepthwiseConv2D(3, padding="same")(h)])
    model = keras.Model(x, layers.Dense(4)(layers.GlobalAveragePooling2D()(h)))
    _frozen(folder, model, (None, 16, 16, 3), lower=True)


class Compiled(tf.Module):  # type: ignore[misc]
    """A function for XLA within one that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable(numbers(4, 4), name="w")

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
    def inner(self, x: Any) -> Any:
        """A product and an activation."""
        return tf.nn.gelu(tf.matmul(x, self.w))

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])  # type: ignore[untyped-decorator]
    def call(self, x: Any) -> Any:
        """Twice, with a choice in between."""
        y = self.inner(x)
        return {"y": self.inner(y) if tf.reduce_sum(y) > 0.0 else y}


def xla_functions(folder: Path) -> None:
    """Calls marked `_XlaMustCompile`."""
    module = Compiled()
    tf.saved_model.save(module, str(folder / "model"), signatures={"call": module.call})
    answer(folder, [("call", {"x": numbers(3, 4)}), ("call", {"x": -np.abs(numbers(2, 4))})])


def _keras_2(folder: Path, model: Any, *calls: dict[str, Any]) -> None:
    for i, weight in enumerate(model.weights):
        kind, spread = drawing_of(weight.name.removesuffix(":0"), tuple(weight.shape))
        weight.assign(draw(f"keras2/{i}", tuple(weight.shape), kind, spread))
    model.save(str(folder / "model"), save_format="tf", include_optimizer=False)
    (folder / "model" / "keras_metadata.pb").unlink()
    answer(folder, [("serving_default", call) for call in calls])


def keras_2_cnn(folder: Path) -> None:
    """Fused batch norms, which Keras 3 no longer writes."""
    old = tf_keras.layers
    x = tf_keras.Input((None, None, 3), name="image")
    h = old.BatchNormalization()(old.Conv2D(6, 3, strides=2, padding="same", use_bias=False)(x))
    h = old.BatchNormalization()(old.DepthwiseConv2D(3, padding="same", use_bias=False)(old.ReLU(6.0)(h)))
    h = old.SeparableConv2D(8, 3, dilation_rate=2, padding="same", activation="swish")(h)
    h = old.UpSampling2D(2, interpolation="bilinear")(old.MaxPooling2D(2, padding="same")(h))
    h = old.Conv2DTranspose(4, 3, strides=2, padding="same")(h)
    model = tf_keras.Model(x, old.Dense(5, activation="softmax")(old.GlobalAveragePooling2D()(h)))
    _keras_2(folder, model, {"image": numbers(2, 32, 36, 3)}, {"image": numbers(1, 40, 24, 3, seed=1)})


def keras_2_lstm(folder: Path) -> None:
    """Loops over TensorLists in functions, with a mask from the embedding."""
    old = tf_keras.layers
    ids = tf_keras.Input((None,), dtype="int32", name="ids")
    h = old.Embedding(20, 6, mask_zero=True)(ids)
    h = old.GRU(5)(old.Bidirectional(old.LSTM(4, return_sequences=True))(h))
    rows = np.array([[3, 4, 5, 0, 0], [7, 1, 2, 9, 4]], np.int32)
    _keras_2(folder, tf_keras.Model(ids, old.Dense(2)(h)), {"ids": rows}, {"ids": rows[:1, :3]})


MAKERS: dict[str, Callable[[Path], None]] = {
    each.__name__: each
    for each in (frozen_functions, frozen_lowered, frozen_cnn, xla_functions, keras_2_cnn, keras_2_lstm)
}
