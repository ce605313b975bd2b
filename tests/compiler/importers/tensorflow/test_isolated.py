"""The reader needs protobuf and numpy alone."""

from __future__ import annotations

import subprocess
import sys

from tests.support.tensorflow_models import FOLDER

_CODE = """
import sys
import isthmus
before = set(sys.modules)
isthmus.import_model({path!r})
loaded = {{name.partition(".")[0] for name in set(sys.modules) - before}}
assert not loaded & {{"tensorflow", "keras", "tf_keras", "torch", "onnx", "openvino", "tvm"}}, loaded
from google.protobuf import descriptor_pool
try:
    descriptor_pool.Default().FindFileByName("tensorflow/core/framework/graph.proto")
except KeyError:
    print("clean")
"""


def test_importing_loads_no_framework() -> None:
    """Nor does it put TensorFlow's messages into protobuf's own pool, where TensorFlow would find them taken."""
    code = _CODE.format(path=str(FOLDER / "cnn" / "model"))
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.stdout.strip() == "clean", found.stderr


def test_isthmus_itself_does_not_load_the_reader() -> None:
    code = "import isthmus, sys; print('isthmus.compiler.importers.tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
