"""Models of one node of any op, and what onnx and onnxruntime make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, ValueInfoProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

Arrays = Mapping[str, NDArray[Any]]
Sizes = Mapping[str, Sequence[int | str]]


@dataclass(frozen=True)
class Single:
    """A node, its inputs in order, and after them those that are constants."""

    op: str
    opset: int
    feeds: Arrays
    attributes: Mapping[str, Any] = field(default_factory=dict)
    constants: Arrays = field(default_factory=dict)
    outputs: Sequence[str] = ("y",)

    def model(self, sizes: Sizes | None = None) -> ModelProto:
        """The model; `sizes` are those of inputs that are not fixed. What the outputs are is left open."""
        node = helper.make_node(self.op, [*self.feeds, *self.constants], self.outputs, **self.attributes)
        inputs = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(array.dtype), (sizes or {}).get(name, array.shape)
            )
            for name, array in self.feeds.items()
        ]
        constants = [numpy_helper.from_array(array, name) for name, array in self.constants.items()]
        graph = helper.make_graph([node], "single", inputs, [ValueInfoProto(name=o) for o in self.outputs], constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10)


def by_onnxruntime(case: Single) -> list[NDArray[Any]]:
    """What onnxruntime gives."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(case.model().SerializeToString(), options, ["CPUExecutionProvider"])
    return list(session.run(None, dict(case.feeds)))


def by_onnx(case: Single) -> list[NDArray[Any]]:
    """What onnx's own evaluator gives."""
    return list(ReferenceEvaluator(case.model()).run(None, dict(case.feeds)))
