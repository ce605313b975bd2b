"""Keras 3 models where Keras computes in TensorFlow: by `model.export`, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="needs the `dev-tf` extra", exc_type=ImportError)

_CODE = """
import keras, numpy as np, isthmus
from isthmus.ir import evaluate

x = keras.Input((16, 16, 3), name="image")
h = keras.layers.BatchNormalization()(keras.layers.Conv2D(8, 3, strides=2, padding="same")(x))
h = keras.layers.GlobalAveragePooling2D()(h)
model = keras.Model(x, [keras.layers.Dense(5, name="logits")(h), keras.layers.Dense(2, name="box")(h)])
model.save("m.keras")
given = np.random.default_rng(0).standard_normal((3, 16, 16, 3)).astype(np.float32)
wanted = [np.asarray(each) for each in model(given, training=False)]
for source in (model, "m.keras"):
    graph = isthmus.optimize(isthmus.import_model(source))
    assert [str(v.type) for v in graph.inputs] == ["f32[N, 16, 16, 3]"], graph.inputs
    assert graph.output_names == ("logits", "box"), graph.output_names
    for mine, theirs in zip(evaluate(graph, [given]).values(), wanted, strict=True):
        assert np.linalg.norm(mine - theirs) < 1e-5 * np.linalg.norm(theirs)
(port,) = isthmus.import_model(model, inputs={"image": ("B:1..8", 16, 16, 3)}).inputs
assert str(port.type) == "f32[B, 16, 16, 3]"
"""


def test_models_and_files_go_through_a_saved_model(tmp_path: Path) -> None:
    path = os.pathsep.join(each or os.getcwd() for each in sys.path)
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", _CODE], cwd=tmp_path, env=environment, check=True, timeout=300)
