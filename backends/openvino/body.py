"""A region as an engine model of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.backends.openvino.network import Network
from isthmus.ir.dim import DimExpr, symbol
from isthmus.ir.graph import Graph


@dataclass(frozen=True)
class Body:
    """A region written out: `parameters` for its inputs, `sizes` for symbols taken from outside.

    A scan's body has a `counter`, and a first result that is always true.
    """

    model: Any
    parameters: list[Any]
    results: list[Any]
    sizes: dict[DimExpr, Any]
    counter: Any | None = None

    def index_of(self, parameter: Any) -> int:
        """Where a parameter stands among the model's."""
        return int(self.model.get_parameter_index(parameter))

    @staticmethod
    def write(outer: Network, region: Graph, elements: Sequence[int] | None = None) -> Body:
        """Write `region`. Inputs numbered in `elements` arrive as whole sequences and are read at the counter."""
        n = outer.region()
        counter = None if elements is None else n.ops.parameter([], n.engine.Type.i64)
        parameters, inputs = [], []
        for i, value in enumerate(region.inputs):
            if elements is not None and i in elements:
                sequence = outer.node.inputs[i]
                parameter = n.parameter(sequence)
                inputs.append(n.ops.gather(parameter, counter, n.scalar(0)))
            else:
                parameter = n.parameter(value)
                inputs.append(parameter)
            parameters.append(parameter)
        outputs = n.write(n, region, inputs)
        if counter is not None:
            outputs.insert(0, n.ops.constant(True, n.engine.Type.boolean))
        stacked_from = 1 + outer.node.attrs.get("carried", len(outputs))
        results = []
        for i, output in enumerate(outputs):
            if i >= stacked_from:
                output = n.ops.unsqueeze(output, n.scalar(0))
            results.append(n.ops.result(output))
        sizes = {symbol(s.name, s.low, s.high): p for s, p in n.arithmetic.captured.items()}
        # The counter comes first: the engine drops inputs that are constant without renumbering the counter's port.
        every = [*([] if counter is None else [counter]), *parameters, *sizes.values()]
        model = n.engine.Model(results, every, region.name or "region")
        return Body(model, parameters, results, sizes, counter)
