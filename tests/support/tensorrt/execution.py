"""Runs the layers of a network: on demand, branches lazily, loops iteration by iteration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from tests.support.tensorrt.element_types import Array
from tests.support.tensorrt.errors import NetworkError
from tests.support.tensorrt.meaning import Meaning
from tests.support.tensorrt.network import Layer, Network, Tensor
from tests.support.tensorrt.structure import LOOP_LAYERS, Loop, Structure, analyse

OPAQUE = frozenset({"IAttentionInputLayer"})
"""Layers whose output stands for a whole subgraph: its declared type and dims mean nothing."""


LONGEST_CHAIN = 1_000_000
"""Of layers waiting for each other: no network is as deep, only a circle is."""


@dataclass
class Frame:
    """The values of one iteration of a loop, or of the whole network, and how often each was used."""

    values: dict[Tensor, Array] = field(default_factory=dict)
    spent: Counter[Tensor] = field(default_factory=Counter)


class Execution:
    """One run of a network. A value lives in the frame of its innermost loop, and is dropped after its last use."""

    def __init__(self, network: Network, meanings: Mapping[str, Meaning]) -> None:
        self._meanings = meanings
        self._structure: Structure = analyse(network)
        self._frames: dict[Loop | None, Frame] = {None: Frame()}
        self._kept = set(network.outputs) | set(network.inputs)
        self._uses: Counter[Tensor] = Counter()
        for layer in network.layers:
            for tensor in {t for t in layer.inputs if t is not None}:
                self._count(layer, tensor)

    def run(self, inputs: Mapping[Tensor, Array], outputs: list[Tensor]) -> list[Array]:
        """Compute the outputs; NetworkError where an assertion of the network fails."""
        self._frames[None].values.update(inputs)
        with np.errstate(all="ignore"):
            self._check_assertions(None)
            self._need(outputs)
        return [self._value(tensor) for tensor in outputs]

    def _count(self, layer: Layer, tensor: Tensor) -> None:
        """Only plain layers in the same loop use a value exactly once a frame."""
        homes = {self._structure.home[output] for output in layer.outputs}
        plain = layer.kind not in LOOP_LAYERS and layer.kind not in ("IAssertionLayer", "IConditionLayer")
        if plain and homes == {self._structure.home.get(tensor)}:
            self._uses[tensor] += 1
        else:
            self._kept.add(tensor)

    def _frame(self, tensor: Tensor) -> Frame:
        return self._frames[self._structure.home.get(tensor)]

    def _value(self, tensor: Tensor) -> Array:
        return self._frame(tensor).values[tensor]

    def _known(self, tensor: Tensor) -> bool:
        return tensor in self._frame(tensor).values

    def _need(self, tensors: Iterable[Tensor]) -> None:
        """Compute tensors and what they depend on, depth first; the stack is explicit because networks are deep."""
        stack = list(tensors)
        while stack:
            tensor = stack[-1]
            if self._known(tensor):
                stack.pop()
                continue
            layer = self._producer(tensor)
            missing = [t for t in self._wanted(layer) if not self._known(t)]
            if missing:
                if len(stack) > LONGEST_CHAIN:
                    raise NetworkError(f"{layer} depends on itself other than through a recurrence")
                stack.extend(missing)
                continue
            self._execute(layer)

    def _producer(self, tensor: Tensor) -> Layer:
        if tensor.layer is None:
            raise NetworkError(f"network input '{tensor.name}' was given no value")
        return tensor.layer

    def _wanted(self, layer: Layer) -> list[Tensor]:
        """What has to be known before a layer runs: of a conditional's output the condition, then the branch taken."""
        if layer.kind == "ILoopOutputLayer":
            return self._loop_needs(self._structure.loop_of[layer])
        if layer.kind == "IIfConditionalOutputLayer":
            condition = self._structure.conditions[layer.parameters.conditional]
            return [self._branch(layer)] if self._known(condition) else [condition]
        return [t for t in layer.inputs if t is not None]

    def _branch(self, layer: Layer) -> Tensor:
        condition = self._value(self._structure.conditions[layer.parameters.conditional])
        return _input(layer, 0 if bool(condition) else 1)

    def _execute(self, layer: Layer) -> None:
        if layer.kind == "ILoopOutputLayer":
            self._run_loop(self._structure.loop_of[layer])
            return
        if layer.kind == "IIfConditionalOutputLayer":
            self._store(layer, (self._value(self._branch(layer)),))
            return
        if layer.kind in ("IIfConditionalInputLayer", "IAttentionOutputLayer"):
            self._store(layer, (self._value(_input(layer, 0)),))
        else:
            self._store(layer, self._computed(layer))
        for tensor in {t for t in layer.inputs if t is not None}:
            self._release(tensor)

    def _computed(self, layer: Layer) -> tuple[Array, ...]:
        meaning = self._meanings.get(layer.kind)
        if meaning is None:
            raise NetworkError(
                f"{layer}: this kind of layer has no meaning written down in tests/support/tensorrt/layers"
            )
        arrays = [None if t is None else self._value(t) for t in layer.inputs]
        try:
            result = meaning(layer.parameters, *arrays)
        except NetworkError:
            raise
        except Exception as error:
            shapes = [None if a is None else f"{a.dtype}{list(a.shape)}" for a in arrays]
            raise NetworkError(f"{layer} of {shapes}: {type(error).__name__}: {error}") from error
        return result if isinstance(result, tuple) else (result,)

    def _store(self, layer: Layer, results: tuple[Array, ...]) -> None:
        for tensor, array in zip(layer.outputs, results, strict=True):
            array = np.asarray(array)
            if layer.kind not in OPAQUE:
                check(tensor, array)
            self._frame(tensor).values[tensor] = array

    def _release(self, tensor: Tensor) -> None:
        if tensor in self._kept:
            return
        frame = self._frame(tensor)
        frame.spent[tensor] += 1
        if frame.spent[tensor] == self._uses[tensor]:
            del frame.values[tensor]

    def _check_assertions(self, loop: Loop | None) -> None:
        for layer in self._structure.assertions.get(loop, ()):
            self._need([_input(layer, 0)])
            if not self._value(_input(layer, 0)).all():
                raise NetworkError(f"{layer} fails: {layer.parameters.message}")

    def _loop_needs(self, loop: Loop) -> list[Tensor]:
        """What comes from outside: initial values, iterated tensors, counts and lengths of outputs."""
        first = [_input(layer, 0) for layer in (*loop.recurrences, *loop.iterators)]
        counts = [_input(layer, 0) for layer in loop.limits if layer.parameters.kind.name == "COUNT"]
        return first + counts + [_input(layer, 1) for layer in loop.outputs if len(layer.inputs) > 1]

    def _run_loop(self, loop: Loop) -> None:
        limits = {layer.parameters.kind.name: _input(layer, 0) for layer in loop.limits}
        count = int(self._value(limits["COUNT"])) if "COUNT" in limits else None
        state = {layer: self._value(_input(layer, 0)) for layer in loop.recurrences}
        gathered: dict[Layer, list[Array]] = {
            layer: [] for layer in loop.outputs if layer.parameters.kind.name != "LAST_VALUE"
        }
        iteration = 0
        while count is None or iteration < count:
            self._frames[loop] = Frame()
            for layer, array in state.items():
                self._store(layer, (array,))
            if "WHILE" in limits:
                self._need([limits["WHILE"]])
                if not bool(self._value(limits["WHILE"])):
                    break
            for layer in loop.iterators:
                self._store(layer, (self._iterated(layer, iteration, count),))
            self._check_assertions(loop)
            next_values = {layer: _input(layer, 1) for layer in loop.recurrences}
            self._need([*next_values.values(), *(_input(layer, 0) for layer in gathered)])
            for layer, arrays in gathered.items():
                arrays.append(self._value(_input(layer, 0)))
            state = {layer: self._value(tensor) for layer, tensor in next_values.items()}
            iteration += 1
        self._frames[loop] = Frame()
        for layer, array in state.items():
            self._store(layer, (array,))
        for layer in loop.outputs:
            collected = gathered.get(layer)
            self._store(layer, (self._last(layer) if collected is None else self._joined(layer, collected),))
        del self._frames[loop]

    def _iterated(self, layer: Layer, iteration: int, count: int | None) -> Array:
        """Slice I of the tensor, or M - 1 - I where M is the count (NvInfer.h, IIteratorLayer)."""
        array, axis = self._value(_input(layer, 0)), layer.parameters.axis
        if layer.parameters.reverse and count is None:
            raise NetworkError(f"{layer} is reversed, but its loop has no trip limit of kind COUNT")
        index = count - 1 - iteration if layer.parameters.reverse and count is not None else iteration
        if index >= array.shape[axis]:
            raise NetworkError(f"{layer} iterates beyond the {array.shape[axis]} elements of its axis {axis}")
        return np.asarray(np.take(array, index, axis))

    def _last(self, layer: Layer) -> Array:
        """The state when the loop was left: NvInfer.h asks for the output of a recurrence of the same loop."""
        tensor = _input(layer, 0)
        if tensor.layer is None or tensor.layer.kind != "IRecurrenceLayer":
            raise NetworkError(f"{layer} gives the last value of '{tensor.name}', which is no recurrence")
        return self._value(tensor)

    def _joined(self, layer: Layer, arrays: list[Array]) -> Array:
        """The iterations side by side, first or last first.

        A length other than the number of iterations leaves elements that the documentation does not define.
        """
        length, axis, tensor = int(self._value(_input(layer, 1))), layer.parameters.axis, _input(layer, 0)
        if length != len(arrays):
            raise NetworkError(f"{layer} has length {length}, but its loop ran {len(arrays)} times")
        if arrays:
            return np.stack(arrays if layer.parameters.kind.name == "CONCATENATE" else arrays[::-1], axis)
        return np.zeros((*tensor.dims[:axis], 0, *tensor.dims[axis:]), tensor.dtype)


def _input(layer: Layer, index: int) -> Tensor:
    tensor = layer.inputs[index] if index < len(layer.inputs) else None
    if tensor is None:
        raise NetworkError(f"{layer} lacks its input {index}")
    return tensor


def check(tensor: Tensor, array: Array) -> None:
    """NetworkError where an array is not of the type and dims that the network declares for the tensor."""
    fits = len(tensor.dims) == array.ndim and all(d in (-1, n) for d, n in zip(tensor.dims, array.shape, strict=True))
    if fits and tensor.dtype == array.dtype:
        return
    place = f"output '{tensor.name}' of {tensor.layer}" if tensor.layer else f"network input '{tensor.name}'"
    raise NetworkError(
        f"{place} is declared {tensor.dtype}{list(tensor.dims)}, but is {array.dtype}{list(array.shape)}"
    )
