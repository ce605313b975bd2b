"""Writes the models under tests/data/tensorflow with the real TensorFlow, and what it answers for seeded inputs.

    python -m tests.support.tensorflow_fixtures [--only NAME ...] FOLDER

Needs the `dev-tf` extra. Each fixture is a folder: `model/` (a SavedModel) or `model.pb` (a frozen graph), and
`reference.npz` with arrays named CALL/SIGNATURE/in|out/NAME. Large networks come without their weights: `drawn.json`
says how `tests.support.tensorflow_models` draws each again.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from tests.support import (
    tensorflow_frozen,
    tensorflow_keras,
    tensorflow_modules,
    tensorflow_networks,
    tensorflow_op_fixture,
    tensorflow_sequences,
    tensorflow_v1,
)
from tests.support.tensorflow_writer import keras, pack

MAKERS = {
    **tensorflow_keras.MAKERS,
    **tensorflow_networks.MAKERS,
    **tensorflow_sequences.MAKERS,
    **tensorflow_modules.MAKERS,
    **tensorflow_v1.MAKERS,
    **tensorflow_frozen.MAKERS,
    "ops": tensorflow_op_fixture.make,
}
MOST_BYTES = 1 << 18
"""Larger graphs are stored compressed."""


def main() -> None:
    """Make the fixtures asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=list(MAKERS))
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    for name in options.only:
        print(name, flush=True)
        folder = options.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        keras.utils.set_random_seed(0)
        keras.backend.clear_session()
        MAKERS[name](folder)
        for extra in ("fingerprint.pb", "assets"):
            target = folder / "model" / extra
            shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
        graph = folder / "model" / "saved_model.pb"
        if graph.exists() and graph.stat().st_size > MOST_BYTES:
            pack(folder)


if __name__ == "__main__":
    main()
