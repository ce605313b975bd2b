"""Seeded weights for networks that come without: He-initialised filters and plausible norm statistics."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import onnx

Array = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


class WeightSource:
    """Draws each weight of a graph by what it is used for."""

    def __init__(self, graph: onnx.GraphProto, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._users: dict[str, list[tuple[onnx.NodeProto, int]]] = defaultdict(list)
        self._makers: dict[str, onnx.NodeProto] = {}
        for node in graph.node:
            self._makers.update(dict.fromkeys(node.output, node))
            for i, name in enumerate(node.input):
                if node.op_type != "Shape":  # tells nothing about what the numbers are for
                    self._users[name].append((node, i))

    def draw(self, name: str, shape: tuple[int, ...]) -> Array:
        """The weight called `name`; weights must be drawn in a fixed order to be the same each time."""
        node, index = self._use(name)
        match node.op_type, index:
            case ("Conv", 1):
                value = self._rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
            case ("Gemm", 1) if self._classifies(node):
                value = self._rng.standard_normal(shape) * 0.2 / np.sqrt(shape[-1])  # logits a softmax can tell apart
            case ("Gemm" | "MatMul" | "Transpose", _):
                value = self._rng.standard_normal(shape) / np.sqrt(shape[-1])
            case ("BatchNormalization", 1) if self._closes_residual(node):
                value = self._rng.uniform(0.1, 0.3, shape)  # keeps a deep sum of branches from growing
            case ("BatchNormalization", 1 | 4) | ("LayerNormalization", 1) | ("Mul", _):
                value = self._rng.uniform(0.5, 1.5, shape)
            case _:
                value = self._rng.standard_normal(shape) * 0.1
        return np.asarray(value, np.float32)

    def _use(self, name: str) -> tuple[onnx.NodeProto, int]:
        node, index = self._users[name][0]
        while node.op_type in ("Unsqueeze", "Reshape", "Expand", "Identity") and index == 0:
            node, index = self._users[node.output[0]][0]
        return node, index

    def _classifies(self, gemm: onnx.NodeProto) -> bool:
        return any(user.op_type == "Softmax" for user, _ in self._users[gemm.output[0]])

    def _closes_residual(self, norm: onnx.NodeProto) -> bool:
        """Whether the norm's result is added to something else; of two added norms, the first one is meant."""
        for user, index in self._users[norm.output[0]]:
            if user.op_type in ("Sum", "Add"):
                other = self._makers.get(user.input[1 - index])
                return index == 0 or other is None or other.op_type != "BatchNormalization"
        return False
