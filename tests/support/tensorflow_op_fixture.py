"""One SavedModel with a signature for each op, or form of an op, that the larger fixtures do not have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tests.support import (
    tensorflow_op_cases,
    tensorflow_op_cases_images,
    tensorflow_op_cases_nn,
    tensorflow_op_cases_old,
)

CASES = {
    **tensorflow_op_cases.CASES,
    **tensorflow_op_cases_nn.CASES,
    **tensorflow_op_cases_images.CASES,
    **tensorflow_op_cases_old.CASES,
}


def make(folder: Path) -> None:
    """Save all cases as signatures, run each, and store what came out."""
    module = tf.Module()
    module.table = tensorflow_op_cases_nn.TABLE
    module.variable = tensorflow_op_cases_old.VARIABLE
    signatures: dict[str, Any] = {}
    found: dict[str, Any] = {}
    for name, case in CASES.items():
        specs = [
            tf.TensorSpec(
                [None if k in case.open_ and k < a.ndim else d for k, d in enumerate(np.shape(a))],
                np.asarray(a).dtype,
                name=key,
            )
            for key, a in case.inputs.items()
        ]
        outputs = _named(case.function)
        signatures[name] = tf.function(outputs, input_signature=specs).get_concrete_function()
    tf.saved_model.save(module, str(folder / "model"), signatures=signatures)
    loaded = tf.saved_model.load(str(folder / "model"))
    for number, (name, case) in enumerate(CASES.items()):
        given = {key: np.asarray(a) for key, a in case.inputs.items()}
        results = loaded.signatures[name](**{key: tf.constant(a) for key, a in given.items()})
        found |= {f"{number}/{name}/in/{key}": a for key, a in given.items()}
        found |= {f"{number}/{name}/out/{key}": a.numpy() for key, a in results.items()}
    np.savez_compressed(folder / "reference.npz", **found)


def _named(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*tensors: Any) -> Any:
        found = function(*tensors)
        return found if isinstance(found, dict) else {"y": found}

    return call
