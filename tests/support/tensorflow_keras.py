"""Small feed-forward networks of Keras, for the TensorFlow fixtures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.tensorflow_writer import exported, keras, layers, numbers


def mlp(folder: Path) -> None:
    """Dense layers with a dynamic batch."""
    x = keras.Input((16,), name="x")
    h = layers.Dense(32, activation="relu")(x)
    h = layers.LayerNormalization()(layers.Dense(32, activation="gelu")(h))
    h = layers.Dense(16, activation="silu")(h)
    model = keras.Model(x, layers.Dense(4, activation="softmax")(h))
    exported(folder, model, {"x": numbers(3, 16)}, {"x": numbers(1, 16, seed=1)})


def cnn(folder: Path) -> None:
    """Batch norm, depthwise, separable, poolings, transposed convolution, resize, dilation."""
    x = keras.Input((32, 32, 3), name="x")
    h = layers.Conv2D(8, 3, strides=2, padding="same")(x)
    h = layers.ReLU(6.0)(layers.BatchNormalization()(h))
    h = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(h)
    h = layers.LeakyReLU(0.1)(layers.BatchNormalization()(h))
    h = layers.SeparableConv2D(12, 3, padding="same", activation="elu")(h)
    a = layers.MaxPooling2D(3, strides=2, padding="same")(h)
    c = layers.AveragePooling2D(3, strides=2, padding="same")(h)
    h = layers.Concatenate()([a, c])
    h = layers.Conv2D(10, 3, dilation_rate=2, padding="same", activation="hard_swish")(h)
    h = layers.Conv2DTranspose(6, 4, strides=2, padding="same", activation="softplus")(h)
    h = layers.Conv2DTranspose(6, 3, strides=2, padding="valid")(h)
    h = layers.UpSampling2D(2, interpolation="bilinear")(layers.UpSampling2D(2)(h))
    h = layers.Cropping2D(((1, 2), (3, 1)))(layers.ZeroPadding2D(2)(h))
    h = layers.PReLU(shared_axes=[1, 2])(h)
    h = layers.GlobalAveragePooling2D()(h)
    model = keras.Model(x, layers.Dense(5)(h))
    exported(folder, model, {"x": numbers(2, 32, 32, 3)})


def cnn_dynamic(folder: Path) -> None:
    """Open batch, height and width: SAME padding of sizes only running can tell."""
    x = keras.Input((None, None, 3), name="x")
    h = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(x)
    h = layers.MaxPooling2D(2, padding="same")(h)
    h = layers.Conv2D(4, 3, padding="same")(h)
    h = layers.UpSampling2D(2, interpolation="nearest")(h)
    model = keras.Model(x, [h, layers.GlobalMaxPooling2D()(h)])
    exported(folder, model, {"x": numbers(2, 20, 24, 3)}, {"x": numbers(1, 21, 17, 3, seed=1)})


def cnn_1d_3d(folder: Path) -> None:
    """One and three spatial dimensions, causal padding."""
    x = keras.Input((24, 6), name="x")
    h = layers.Conv1D(8, 3, padding="causal", dilation_rate=2, activation="relu")(x)
    h = layers.MaxPooling1D(2)(layers.Conv1D(8, 3, padding="same", strides=2)(h))
    h = layers.SeparableConv1D(6, 3, padding="same")(h)
    v = keras.Input((6, 8, 8, 2), name="v")
    w = layers.Conv3D(4, 3, padding="same", strides=2, activation="relu")(v)
    w = layers.AveragePooling3D(2, padding="same")(layers.BatchNormalization()(w))
    w = layers.Conv3DTranspose(3, 2, strides=2)(w)
    model = keras.Model([x, v], [h, layers.GlobalMaxPooling3D()(w)])
    exported(folder, model, {"x": numbers(2, 24, 6), "v": numbers(2, 6, 8, 8, 2, seed=1)})


MAKERS: dict[str, Callable[[Path], None]] = {each.__name__: each for each in (mlp, cnn, cnn_dynamic, cnn_1d_3d)}
