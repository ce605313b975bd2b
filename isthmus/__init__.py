"""Isthmus: an ahead-of-time compiler frontend for deep-learning models, with an IR you can read.

program = isthmus.compile("model.onnx", target="cpu-fp32")
outputs = program({"x": array})
"""

from isthmus.backends.tensorrt.options import TensorRTOptions
from isthmus.compiler.driver import compile, load, optimize
from isthmus.compiler.importers.dispatch import import_model
from isthmus.compiler.program import Program
from isthmus.ir.builder import Builder
from isthmus.ir.errors import IsthmusError
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph
from isthmus.ir.parser import parse
from isthmus.passes.base import Pass

__version__ = "0.1.0"

__all__ = [
    "Builder",
    "Graph",
    "IsthmusError",
    "Pass",
    "Program",
    "TensorRTOptions",
    "compile",
    "evaluate",
    "import_model",
    "load",
    "optimize",
    "parse",
]
