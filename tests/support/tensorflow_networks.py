"""The networks of keras.applications, for the TensorFlow fixtures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.support.tensorflow_writer import keras, numbers, stripped

NETWORKS = {
    "convnext_tiny": ("ConvNeXtTiny", 64),
    "densenet121": ("DenseNet121", 64),
    "efficientnet_b0": ("EfficientNetB0", 64),
    "inception_v3": ("InceptionV3", 75),
    "mobilenet_v2": ("MobileNetV2", 64),
    "resnet50_v2": ("ResNet50V2", 64),
    "xception": ("Xception", 71),
}
"""For each fixture the class in keras.applications and the image's sides: the smallest it takes, or little more."""


def make(name: str, folder: Path) -> None:
    """The network without its weights; its preprocessing is inside, where the class has one."""
    kind, side = NETWORKS[name]
    build = getattr(keras.applications, kind)
    model = build(weights=None, classifier_activation=None, input_shape=(side, side, 3), classes=50)
    # `model.export` names the input after the layer, which counts up from process to process.
    (given,) = (tensor.name for tensor in model.inputs)
    stripped(folder, model, {given: numbers(2, side, side, 3)})


MAKERS: dict[str, Callable[[Path], None]] = {name: partial(make, name) for name in NETWORKS}
