"""SavedModels of other kinds than Keras' export, for the TensorFlow fixtures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tests.support.tensorflow_writer import Call, answer, exported, keras, layers, numbers, randomise


def mixed_precision(folder: Path) -> None:
    """f16 activations, f32 weights and result."""
    policy = keras.mixed_precision.Policy("mixed_float16")
    x = keras.Input((8,), name="x")
    h = layers.Dense(16, activation="relu", dtype=policy)(x)
    h = layers.Dense(16, activation="tanh", dtype=policy)(h)
    exported(folder, keras.Model(x, layers.Dense(3, dtype="float32")(h)), {"x": numbers(4, 8)})


def saved_by_tf(folder: Path) -> None:
    """`tf.saved_model.save(keras_model)`: variables are known to the object graph only."""
    x = keras.Input((8, 8, 3), name="x")
    h = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu")(x))
    model = keras.Model(x, layers.Dense(3)(layers.Flatten()(h)))
    randomise(model)
    tf.saved_model.save(model, str(folder / "model"))
    (name,) = tf.saved_model.load(str(folder / "model")).signatures["serving_default"].structured_input_signature[1]
    answer(folder, [("serving_default", {name: numbers(2, 8, 8, 3)})])


class Several(tf.Module):  # type: ignore[misc]
    """A module with three signatures over shared variables."""

    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable(numbers(4, 3), name="w")
        self.scale = tf.Variable(numbers(3, seed=2), name="scale")
        self.table = tf.Variable(np.arange(6, dtype=np.int64), name="table")

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])  # type: ignore[untyped-decorator]
    def project(self, x: Any) -> Any:
        """A product."""
        return {"y": tf.matmul(x, self.w)}

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec([None, 3], tf.float32, name="a"), tf.TensorSpec([], tf.int32, name="n")]
    )
    def repeat(self, a: Any, n: Any) -> Any:
        """A loop whose count is data, and a branch."""
        total = tf.zeros_like(a)
        for i in tf.range(n):
            if tf.reduce_sum(total) > 4.0:
                total = total - a * tf.cast(i, tf.float32)
            else:
                total = total + a * self.scale
        return {"total": total}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="i")])  # type: ignore[untyped-decorator]
    def look_up(self, i: Any) -> Any:
        """Rows by index, two results."""
        return {"rows": tf.gather(self.w, i), "numbers": tf.gather(self.table, i)}


def several_signatures(folder: Path) -> None:
    """`signature=` chooses."""
    module = Several()
    signatures = {"project": module.project, "repeat": module.repeat, "look_up": module.look_up}
    tf.saved_model.save(module, str(folder / "model"), signatures=signatures)
    calls: list[tuple[str, Call]] = [
        ("project", {"x": numbers(5, 4)}),
        ("repeat", {"a": numbers(2, 3), "n": np.array(5, np.int32)}),
        ("repeat", {"a": numbers(2, 3), "n": np.array(0, np.int32)}),
        ("look_up", {"i": np.array([2, 0, 3], np.int64)}),
    ]
    answer(folder, calls)


class Detector(tf.Module):  # type: ignore[misc]
    """A convolutional head and combined non-maximum suppression."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(numbers(3, 3, 3, 12) * 0.5, name="kernel")

    @tf.function(input_signature=[tf.TensorSpec([2, 8, 8, 3], tf.float32, name="image")])  # type: ignore[untyped-decorator]
    def detect(self, image: Any) -> Any:
        """Boxes, scores, classes and counts."""
        found = tf.nn.conv2d(image, self.kernel, 2, "SAME")
        found = tf.reshape(found, [2, 32, 6])
        corners = tf.sigmoid(found[..., :2])
        sizes = tf.sigmoid(found[..., 2:4]) * 0.4
        boxes = tf.concat([corners, corners + sizes], -1)[:, :, tf.newaxis, :]
        scores = tf.sigmoid(found[..., 4:])
        kept = tf.image.combined_non_max_suppression(boxes, scores, 5, 8, 0.4, 0.3, clip_boxes=True)
        return {"boxes": kept[0], "scores": kept[1], "classes": kept[2], "counts": kept[3]}


def detection(folder: Path) -> None:
    """CombinedNonMaxSuppression."""
    module = Detector()
    tf.saved_model.save(module, str(folder / "model"), signatures={"detect": module.detect})
    answer(folder, [("detect", {"image": numbers(2, 8, 8, 3)})])


MAKERS: dict[str, Callable[[Path], None]] = {
    each.__name__: each for each in (mixed_precision, saved_by_tf, several_signatures, detection)
}
