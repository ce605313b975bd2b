"""If, Case and While over functions, whose bodies become regions; and variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow import loops
from isthmus.compiler.importers.tensorflow.branches import choose
from isthmus.compiler.importers.tensorflow.frame import Function, Functions, TfBuilder
from isthmus.compiler.importers.tensorflow.operands import Operand, PartialShape, Poison, Variable
from isthmus.compiler.importers.tensorflow.scope import Scope
from isthmus.ir.errors import MalformedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import I32, DType


@lowers("If", "StatelessIf")
def if_(
    b: TfBuilder, condition: Value, *operands: Operand, then_branch: Function, else_branch: Function
) -> tuple[Operand, ...]:
    name = b.node.name
    return choose(
        b.frame.scope,
        condition,
        lambda scope: then_branch.results(scope, operands, f"{name}/then"),
        lambda scope: else_branch.results(scope, operands, f"{name}/else"),
    )


@lowers("Case", "StatelessCase")
def case(b: TfBuilder, index: Value, *operands: Operand, branches: Functions) -> tuple[Operand, ...]:
    """A chain of choices; an index that names no branch takes the last one."""
    if not branches:
        raise MalformedModel("Case has no branches")
    return _case(b, b.frame.scope, index, operands, branches, 0)


@lowers("While", "StatelessWhile")
def while_(b: TfBuilder, *operands: Operand, cond: Function, body: Function) -> tuple[Operand, ...]:
    return loops.run(b.frame.scope, _FunctionalLoop(operands, cond, body, b.node.name))


@lowers("VarHandleOp")
def var_handle(b: TfBuilder, *, dtype: DType, shape: PartialShape) -> Variable:
    return Variable(b.node)


@lowers("ReadVariableOp")
def read_variable(b: TfBuilder, variable: Variable, *, dtype: DType) -> Value:
    return b.variable(variable.node)


@lowers("VariableV2", "Variable")
def reference_variable(b: TfBuilder, *, dtype: DType, shape: PartialShape) -> Value:
    return b.variable(b.node)


@lowers("VariableShape")
def variable_shape(b: TfBuilder, variable: Variable, *, out_type: DType = I32) -> Value:
    return b.cast(b.dims(b.variable(variable.node).shape), dtype=out_type)


@lowers("VarIsInitializedOp", "IsVariableInitialized")
def is_initialized(b: TfBuilder, variable: Variable | Value, *, dtype: DType | None = None) -> Value:
    """What a file holds the value of is initialized."""
    return b.const(np.array(True))


@lowers("ResourceGather")
def resource_gather(b: TfBuilder, variable: Variable, indices: Value, *, dtype: DType, batch_dims: int = 0) -> Value:
    if batch_dims:
        raise MalformedModel("ResourceGather with batch dimensions")
    return b.gather(b.variable(variable.node), indices, axis=0)


@dataclass(frozen=True)
class _FunctionalLoop:
    """A While node as `loops` reads it."""

    start: Sequence[Operand]
    cond: Function
    step: Function
    name: str

    def unchanged(self) -> list[bool]:
        """Which variables the body passes on as they are."""
        marks = [Poison(()) for _ in self.start]
        found = self.step.passed_on(marks)
        if len(found) != len(marks):
            raise MalformedModel(f"the loop carries {len(marks)} values, but its body yields {len(found)}")
        return [each is mark for each, mark in zip(found, marks, strict=True)]

    def condition(self, scope: Scope, variables: Sequence[Operand]) -> Operand:
        """Whether to go on."""
        found = self.cond.results(scope, variables, f"{self.name}/cond")
        if len(found) != 1:
            raise MalformedModel(f"the condition yields {len(found)} values")
        return found[0]

    def body(self, scope: Scope, variables: Sequence[Operand]) -> tuple[Operand, ...]:
        """The variables after one iteration."""
        return self.step.results(scope, variables, f"{self.name}/body")


def _case(
    b: TfBuilder, scope: Scope, index: Value, operands: Sequence[Operand], branches: Sequence[Function], number: int
) -> tuple[Operand, ...]:
    first, *rest = branches
    what = f"{b.node.name}/branch{number}"
    if not rest:
        return first.results(scope, operands, what)
    return choose(
        scope,
        scope.builder.equal(scope.admit(index), number),
        lambda inner: first.results(inner, operands, what),
        lambda inner: _case(b, inner, index, operands, rest, number + 1),
    )
