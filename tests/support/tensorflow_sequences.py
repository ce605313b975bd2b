"""Recurrent networks and transformers of Keras, for the TensorFlow fixtures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tests.support.tensorflow_writer import exported, keras, layers, numbers


def _over_time(build: Callable[[Any], Any], folder: Path, steps: int | None = None) -> None:
    x = keras.Input((steps, 6), name="x")
    calls = [{"x": numbers(2, steps or 7, 6)}]
    if steps is None:
        calls.append({"x": numbers(3, 4, 6, seed=1)})
    exported(folder, keras.Model(x, build(x)), *calls)


def lstm(folder: Path) -> None:
    """Two layers and a projection, time open."""
    _over_time(lambda x: layers.Dense(3)(layers.LSTM(8)(layers.LSTM(8, return_sequences=True)(x))), folder)


def lstm_static(folder: Path) -> None:
    """Five steps: Keras unrolls nothing, but sizes are known."""
    _over_time(lambda x: layers.LSTM(8, return_sequences=True, return_state=True)(x), folder, steps=5)


def bidirectional(folder: Path) -> None:
    """Forward and backward."""
    _over_time(lambda x: layers.Bidirectional(layers.LSTM(5, return_sequences=True))(x), folder)


def masked(folder: Path) -> None:
    """Steps of zeros are passed over."""
    _over_time(lambda x: layers.GRU(5)(layers.LSTM(5, return_sequences=True)(layers.Masking(0.0)(x))), folder)


def gru(folder: Path) -> None:
    """Both forms of the reset gate, and backward."""

    def build(x: Any) -> Any:
        before = layers.GRU(8, return_sequences=True, reset_after=False)(x)
        return layers.GRU(8, return_sequences=True, go_backwards=True)(before)

    _over_time(build, folder)


def simple_rnn(folder: Path) -> None:
    """One matrix and tanh."""
    _over_time(lambda x: layers.SimpleRNN(8)(x), folder)


def masked_embedding(folder: Path) -> None:
    """Token ids with padding: the mask comes from the embedding."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    h = layers.Embedding(20, 6, mask_zero=True)(ids)
    h = layers.Bidirectional(layers.LSTM(5))(h)
    model = keras.Model(ids, layers.Dense(2)(h))
    rows = np.array([[3, 4, 5, 0, 0], [7, 1, 2, 9, 4]], np.int32)
    exported(folder, model, {"ids": rows})


class Positions(layers.Layer):  # type: ignore[misc]
    """Adds a learned vector for each position."""

    def build(self, shape: Any) -> None:
        """Make room for 32 positions."""
        self.table = self.add_weight(shape=(32, shape[-1]), name="embeddings")

    def call(self, x: Any) -> Any:
        """x plus the vectors of as many positions as it has."""
        return x + tf.gather(tf.convert_to_tensor(self.table), tf.range(tf.shape(x)[1]))


def _transformer(ids: Any, width: int = 16) -> Any:
    h = Positions()(layers.Embedding(50, width)(ids))
    for _ in range(2):
        a = layers.MultiHeadAttention(4, width // 4)(h, h, use_causal_mask=True)
        h = layers.LayerNormalization(epsilon=1e-6)(h + a)
        f = layers.Dense(width)(layers.Dense(4 * width, activation="gelu")(h))
        h = layers.LayerNormalization(epsilon=1e-6)(h + f)
    return layers.Dense(50)(h)


def transformer_static(folder: Path) -> None:
    """Two blocks over a fixed number of tokens."""
    ids = keras.Input((12,), dtype="int32", name="ids", batch_size=2)
    rows = np.random.default_rng(0).integers(0, 50, (2, 12)).astype(np.int32)
    exported(folder, keras.Model(ids, _transformer(ids)), {"ids": rows})


def transformer_dynamic(folder: Path) -> None:
    """Two blocks over any number of rows and tokens."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    rng = np.random.default_rng(0)
    calls = [{"ids": rng.integers(0, 50, shape).astype(np.int32)} for shape in ((2, 12), (1, 5))]
    exported(folder, keras.Model(ids, _transformer(ids)), *calls)


MAKERS: dict[str, Callable[[Path], None]] = {
    each.__name__: each
    for each in (
        lstm,
        lstm_static,
        bidirectional,
        masked,
        gru,
        simple_rnn,
        masked_embedding,
        transformer_static,
        transformer_dynamic,
    )
}
