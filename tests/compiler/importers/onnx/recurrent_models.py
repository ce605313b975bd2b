"""Models of one LSTM, GRU or RNN node, and what onnx and onnxruntime make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

Arrays = Mapping[str, NDArray[Any]]

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
FUNCTIONS = {"RNN": 1, "GRU": 2, "LSTM": 3}
OUTPUTS = {"RNN": ("Y", "Y_h"), "GRU": ("Y", "Y_h"), "LSTM": ("Y", "Y_h", "Y_c")}
INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
FED = ("X", "sequence_lens", "initial_h", "initial_c")
"""What differs from call to call; all else are weights."""


@dataclass(frozen=True)
class Recurrent:
    """A node, all it is given (by formal names), and the outputs it names."""

    op: str
    given: Arrays
    attributes: Mapping[str, Any]
    outputs: Sequence[str]
    fed: Sequence[str] = FED

    @property
    def feeds(self) -> dict[str, NDArray[Any]]:
        """The model's inputs."""
        return {name: self.given[name] for name in INPUTS if name in self.given and name in self.fed}

    def model(self, opset: int = 14, sizes: Mapping[str, Sequence[int | str]] | None = None) -> ModelProto:
        """The model; `sizes` are those of inputs that are not fixed."""
        names = [name if name in self.given else "" for name in INPUTS]
        while not names[-1]:
            names.pop()
        node = helper.make_node(self.op, names, self.outputs, **self.attributes)
        inputs = [_info(name, array, (sizes or {}).get(name, array.shape)) for name, array in self.feeds.items()]
        weights = [numpy_helper.from_array(a, name) for name, a in self.given.items() if name not in self.feeds]
        outputs = [_info(name, self.given["X"], None) for name in self.outputs if name]
        graph = helper.make_graph([node], "recurrent", inputs, outputs, weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def recurrent(
    op: str,
    *,
    time: int = 5,
    batch: int = 3,
    size: int = 4,
    hidden: int = 2,
    direction: str = "forward",
    bias: bool = True,
    initial: bool = True,
    peepholes: bool = False,
    lengths: Sequence[int] | None = None,
    scale: float = 1.0,
    dtype: Any = np.float32,
    outputs: Sequence[str] | None = None,
    fed: Sequence[str] = FED,
    **attributes: Any,
) -> Recurrent:
    """A node with drawn weights in -scale..scale."""
    rng, count, rows = np.random.default_rng(7), 1 + (direction == "bidirectional"), GATES[op] * hidden

    def drawn(*shape: int) -> NDArray[Any]:
        return rng.uniform(-scale, scale, shape).astype(dtype)

    batch_first = attributes.get("layout", 0)
    state = (batch, count, hidden) if batch_first else (count, batch, hidden)
    given = {"X": drawn(*((batch, time, size) if batch_first else (time, batch, size)))}
    given |= {"W": drawn(count, rows, size), "R": drawn(count, rows, hidden)}
    given |= {"B": drawn(count, 2 * rows)} if bias else {}
    given |= {} if lengths is None else {"sequence_lens": np.array(lengths, np.int32)}
    given |= {name: drawn(*state) for name in ("initial_h", "initial_c")[: len(OUTPUTS[op]) - 1] if initial}
    given |= {"P": drawn(count, 3 * hidden)} if peepholes else {}
    attributes |= {"hidden_size": hidden, "direction": direction}
    return Recurrent(op, given, attributes, outputs or OUTPUTS[op], fed)


def by_onnxruntime(case: Recurrent) -> list[NDArray[Any]]:
    """What onnxruntime gives: of f32, and of states before the batch."""
    session = onnxruntime.InferenceSession(case.model().SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(None, case.feeds))


def by_onnx(case: Recurrent) -> list[NDArray[Any]]:
    """What onnx's own evaluator gives in f64, which knows no lengths, clips and functions of one's choice."""
    wide = {name: array.astype(np.float64) for name, array in case.given.items()}
    model = Recurrent(case.op, wide, case.attributes, case.outputs, case.fed).model()
    found = ReferenceEvaluator(model).run(None, {name: wide[name] for name in case.feeds})
    return list(found)


def _info(name: str, array: NDArray[Any], shape: Sequence[int | str] | None) -> Any:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), shape)
