"""The node of a loop whose variables have their roles: a `scan` over so many iterations, or a `loop`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from isthmus.compiler.importers.tensorflow.loop_roles import Carried, Listed, Reading, Role
from isthmus.compiler.importers.tensorflow.operands import ListOrigin, LoopList, Operand, ReservedList, TensorList
from isthmus.compiler.importers.tensorflow.scope import Scope, rebuilt
from isthmus.compiler.importers.tensorflow.trips import Count
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Graph, Value
from isthmus.ir.types import I64


@dataclass(frozen=True, eq=False)
class SettledLoop:
    """A loop in `scope`: its variables before the first iteration, what each is, and the body read so."""

    scope: Scope
    start: Sequence[Operand]
    roles: Sequence[Role]
    reading: Reading

    def scanned(self, trips: Dim) -> tuple[Operand, ...]:
        """The variables after `trips` iterations of a `scan`."""
        b, reading = self.scope.builder, self.reading
        captured = reading.scope.captured
        yields = [*self._states_after(), *self._collected()]
        graph = self._body([*reading.carried.values(), reading.counter], captured, yields)
        results = b.scan(
            *self._states_before(),
            b.iota(dtype=I64, shape=(trips,), axis=0),
            *captured,
            body=graph,
            carried=len(reading.carried),
            scanned=1,
        )
        return self._after(results, trips)

    def looped(self, condition: Callable[[Scope, Sequence[Operand]], Value]) -> tuple[Operand, ...]:
        """The variables after a `loop` that goes on while the condition on them holds."""
        b, reading = self.scope.builder, self.reading
        first = condition(self.scope, self._as_lists())
        more = condition(reading.scope, reading.outputs)
        captured = reading.scope.captured
        yields = [more, *self._states_after(), *self._collected()]
        graph = self._body([reading.counter, *reading.carried.values()], captured, yields)
        results = b.loop(None, first, *self._states_before(), *captured, body=graph, carried=len(reading.carried))
        return self._after(results, 0)

    def _body(self, inputs: Sequence[Value], captured: Sequence[Value], yields: Sequence[Value]) -> Graph:
        inner = self.reading.scope
        return rebuilt(inner.graph, [*inputs, *map(inner.capture, captured)], yields)

    def _as_lists(self) -> list[Operand]:
        """The first values of the variables, as a condition may look at them."""
        return [
            LoopList(ListOrigin(x)) if isinstance(role, Listed) and isinstance(x, ReservedList | TensorList) else x
            for role, x in zip(self.roles, self.start, strict=True)
        ]

    def _states_before(self) -> list[Value]:
        return [_tensor(self.start[i]) for i in self.reading.carried]

    def _states_after(self) -> list[Value]:
        return [_tensor(self.reading.outputs[i]) for i in self.reading.carried]

    def _collected(self) -> list[Value]:
        """The one element that each list got in an iteration."""
        pairs = zip(self.roles, self.reading.outputs, strict=True)
        lists = [after for role, after in pairs if isinstance(role, Listed)]
        return [x.written[0][1] if x.written else x.pushed[0] for x in lists if isinstance(x, LoopList)]

    def _after(self, results: Sequence[Value], trips: Dim) -> tuple[Operand, ...]:
        state = dict(zip(self.reading.carried, results, strict=False))
        stacked = iter(results[len(state) :])
        found: list[Operand] = []
        for i, (role, start) in enumerate(zip(self.roles, self.start, strict=True)):
            match role:
                case Count():
                    found.append(role.after(self.scope.builder, trips))
                case Carried():
                    found.append(state[i] if isinstance(start, Value) else TensorList(state[i]))
                case Listed():
                    found.append(TensorList(next(stacked)))
                case _:
                    found.append(start)
        return tuple(found)


def _tensor(operand: Operand) -> Value:
    if isinstance(operand, TensorList):
        return operand.buffer
    assert isinstance(operand, Value)
    return operand
