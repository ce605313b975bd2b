"""The walk over an exported graph: its nodes to lowerings, symbolic sizes to dimensions, bodies to regions."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from isthmus.compiler.importers.base import blamed_on, unsupported_ops
from isthmus.compiler.importers.torch.args import cast, common_dtype, tensor
from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.compiler.importers.torch.functional import writes
from isthmus.compiler.importers.torch.refused import described
from isthmus.compiler.importers.torch.schema import AtenLowering, AtenTable
from isthmus.compiler.importers.torch.state import State
from isthmus.compiler.importers.torch.types import torch_name
from isthmus.ir.dim import DimExpr, equal
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Loc, Value
from isthmus.ir.types import F32, TensorType

_CHECKS = re.compile(r"_assert\w*|sym_constrain_range\w*|_assert_tensor_metadata|_check\w*|_functional_assert\w*")
"""Ops that stop a program which breaks what tracing assumed, and compute nothing."""

PYTHON_ERRORS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What a lowering ends in that meets a form nobody thought of."""

_ON_SCALARS: dict[Any, str] = {
    operator.add: "add",
    operator.sub: "sub",
    operator.mul: "mul",
    operator.floordiv: "floor_div",
    operator.mod: "mod",
    operator.truediv: "div",
    operator.eq: "equal",
    operator.ne: "not_equal",
    operator.lt: "less",
    operator.le: "less_equal",
    operator.gt: "greater",
    operator.ge: "greater_equal",
    torch.sym_max: "maximum",
    torch.sym_min: "minimum",
}


@dataclass(frozen=True)
class Unknown:
    """A number that is not known while importing, which matters only if something uses it."""

    reason: str


@dataclass(frozen=True)
class Body:
    """A sub-graph that a control-flow op runs."""

    walk: Walk
    module: Any

    def region(self, b: TorchBuilder, types: Sequence[TensorType]) -> tuple[TorchBuilder, list[Value]]:
        """The body as a graph of its own with inputs of the given types; a builder at its end, and its results."""
        inner = b.body()
        inner.graph.name = "body"
        inputs = [inner.graph.add_input(type, f"x{i}") for i, type in enumerate(types)]
        found = self.walk.graph(self.module, inner, inputs)
        results = [tensor(inner, each, common_dtype(each)) for each in found]
        return inner, results


class Walk:
    """One import: what all its graphs share."""

    def __init__(self, table: AtenTable, control: AtenTable, state: State) -> None:
        self.table = table
        self.control = control
        self.state = state

    def graph(self, module: Any, b: TorchBuilder, inputs: Sequence[Any]) -> list[Any]:
        """Read a graph module whose placeholders are `inputs`; what it returns, in order."""
        found: dict[Any, Any] = {}
        given = iter(inputs)
        for node in module.graph.nodes:
            if node.op == "placeholder":
                found[node] = next(given)
            elif node.op == "get_attr":
                found[node] = self._attribute(module, node, b)
            elif node.op == "output":
                returned = node.args[0] if isinstance(node.args[0], list | tuple) else (node.args[0],)
                return [_read(each, found) for each in returned]
            else:
                with blamed_on(f"torch:{place_of(node)}"):
                    found[node] = self._node(node, found, b)
        raise MalformedModel("an exported graph returns nothing")

    def check(self, module: Any) -> None:
        """UnsupportedOps that lists every op nothing can lower, with the module and the line that call it."""
        lacking: dict[str, list[str]] = {}
        for node in _calls(module):
            if self._lowering(node) is None and not _is_scalar_code(node):
                lacking.setdefault(described(_op_name(node.target)), []).append(place_of(node))
        if lacking:
            raise unsupported_ops(lacking)

    def lacks(self, target: Any) -> bool:
        """Whether there is neither a lowering of an op nor need for one."""
        if isinstance(target, torch._ops.HigherOrderOperator):
            return target._name not in self.control.rows
        if not isinstance(target, torch._ops.OpOverload):
            return False
        return self.table.find(target) is None and not _is_check(target) and not _is_size(target)

    def _attribute(self, module: Any, node: Any, b: TorchBuilder) -> Any:
        found = operator.attrgetter(node.target)(module)
        if isinstance(found, torch.fx.GraphModule):
            return Body(self, found)
        return b.const(self.state.constant(found, node.target), name=node.target)

    def _lowering(self, node: Any) -> AtenLowering[Any] | None:
        target = node.target
        if isinstance(target, torch._ops.HigherOrderOperator):
            return self.control.rows.get(target._name)
        return self.table.find(target) if isinstance(target, torch._ops.OpOverload) else None

    def _node(self, node: Any, found: dict[Any, Any], b: TorchBuilder) -> Any:
        if node.target is operator.getitem:
            return _read(node.args[0], found)[node.args[1]]
        fake = node.meta.get("val")
        if isinstance(fake, torch.SymInt | torch.SymFloat | torch.SymBool | int | float | bool):
            return self._scalar(node, fake, found, b)
        if fake is None and _is_check(node.target):
            return None
        lowering = self._lowering(node)
        if lowering is None:
            raise unsupported_ops({described(_op_name(node.target)): [place_of(node)]})
        b.loc = Loc("torch", (path_of(node),))
        b.fake = fake
        args = [_read(each, found) for each in node.args]
        keywords = {name: _read(each, found) for name, each in node.kwargs.items()}
        if not isinstance(node.target, torch._ops.HigherOrderOperator):
            args, keywords = lowering.bind(node.target, args, keywords)
        try:
            made = lowering.function(b, *args, **keywords)
        except PYTHON_ERRORS as error:
            raise UnsupportedModel(f"{_op_name(node.target)} in this form: {type(error).__name__}: {error}") from error
        if isinstance(made, Value) and writes(node.target):
            made = cast(b, made, b.wanted_dtype())  # what is written keeps its type
        _check_results(made, fake, b, node.name)
        return _with_gaps(made, fake, node)

    def _scalar(self, node: Any, fake: Any, found: dict[Any, Any], b: TorchBuilder) -> Any:
        """A number: as a dimension where input shapes decide it, as a 0-d tensor where data do."""
        if isinstance(fake, int | float | bool):
            return fake
        args = [_read(each, found, strict=False) for each in node.args]
        if _base_name(node.target) in ("_local_scalar_dense", "item") and isinstance(args[0], Value):
            return args[0] if args[0].rank == 0 else b.reshape(args[0], shape=())
        if any(isinstance(each, Value) for each in args) and not _is_size(node.target):
            return _on_tensors(node.target, args, b)
        try:
            if isinstance(fake, torch.SymInt):
                return b.torch_sizes.dim(fake)
            if isinstance(fake, torch.SymFloat):
                numerator, denominator = b.torch_sizes.ratio(fake)
                return b.div(tensor(b, numerator, F32), float(denominator))
        except UnsupportedModel as error:
            return Unknown(error.reason)
        if node.target in _ON_SCALARS and not any(isinstance(each, Unknown) for each in args):
            return _on_tensors(node.target, args, b)
        return Unknown(f"the condition {fake} is not known while importing")


def path_of(node: Any) -> str:
    """The node's module path and its own name: `encoder.layers.0.linear1/linear_3`."""
    module = _module_path(node)
    return f"{module}/{node.name}" if module else str(node.name)


def place_of(node: Any) -> str:
    """Where a reader finds the node: its module path, and the source line that made it."""
    frames = re.findall(r'File "([^"]*)", line (\d+)', node.meta.get("stack_trace") or "")
    line = f" ({frames[-1][0]}:{frames[-1][1]})" if frames else ""
    return f"{path_of(node)}{line}"


def _module_path(node: Any) -> str:
    stack = node.meta.get("nn_module_stack") or {}
    paths = [entry[0] for entry in stack.values() if not entry[0].startswith("_empty_nn_module_stack")]
    path = re.sub(r"^L\['self'\]\.?", "", paths[-1]) if paths else ""
    return re.sub(r"@\d+$", "", path)


def _calls(module: Any) -> Iterator[Any]:
    for each in module.modules():
        if isinstance(each, torch.fx.GraphModule):
            yield from (node for node in each.graph.nodes if node.op == "call_function")


def _is_scalar_code(node: Any) -> bool:
    fake = node.meta.get("val")
    if node.target is operator.getitem or isinstance(fake, torch.SymInt | torch.SymFloat | torch.SymBool | int | float):
        return True
    return fake is None and _is_check(node.target)


def _is_check(target: Any) -> bool:
    return _CHECKS.fullmatch(_base_name(target)) is not None


def _is_size(overload: Any) -> bool:
    """Whether the op reads a size or the one element of a tensor."""
    return _base_name(overload) in ("sym_size", "sym_numel", "sym_stride", "sym_storage_offset", "_local_scalar_dense")


def _base_name(target: Any) -> str:
    if isinstance(target, torch._ops.OpOverload):
        return str(target._schema.name.partition("::")[2])
    return str(getattr(target, "__name__", target))


def _op_name(target: Any) -> str:
    if isinstance(target, torch._ops.OpOverload):
        return f"{target._schema.name}.{target._overloadname}".removesuffix(".default").removesuffix(".")
    return str(getattr(target, "_name", None) or getattr(target, "__name__", target))


def _read(arg: Any, found: dict[Any, Any], strict: bool = True) -> Any:
    """An argument as a lowering takes it: values, dimensions and plain Python things."""
    if isinstance(arg, torch.fx.Node):
        value = found[arg]
        if strict and isinstance(value, Unknown):
            raise UnsupportedModel(value.reason)
        return value
    if isinstance(arg, list | tuple):
        return [_read(each, found, strict) for each in arg]
    return arg


def _on_tensors(target: Any, args: Sequence[Any], b: TorchBuilder) -> Any:
    name = _ON_SCALARS.get(target)
    if name is None or any(isinstance(each, Unknown) for each in args):
        return Unknown(f"{_op_name(target)} of a number that depends on data")
    dtype = F32 if name == "div" else common_dtype(*args)
    return b.create(name, [tensor(b, each, dtype) for each in args]).result


def _with_gaps(made: Any, fake: Any, node: Any) -> Any:
    """Several results, in which those that the lowering does not make are told from those torch does not make."""
    if not isinstance(made, tuple):
        return made
    lacking = Unknown(f"a result of {_op_name(node.target)} that only training uses, or that is not supported, is used")
    says = fake if isinstance(fake, list | tuple) else ()
    return tuple(
        lacking if each is None and i < len(says) and says[i] is not None else each for i, each in enumerate(made)
    )


def _check_results(made: Any, fake: Any, b: TorchBuilder, name: str) -> None:
    """Hold every result against what torch says of it; name it, and give torch's symbols for new sizes a meaning."""
    values, fakes = (made, fake) if isinstance(made, list | tuple) else ([made], [fake])
    for i, (value, says) in enumerate(zip(values, fakes, strict=False)):
        if isinstance(value, list | tuple):
            _check_results(value, says, b, name)
        if not (isinstance(value, Value) and isinstance(says, torch.Tensor)):
            continue
        value.name = value.name or (name if len(values) == 1 else f"{name}_{i}")
        expected = tuple(says.shape)
        if value.rank != len(expected):
            raise UnsupportedModel(f"the lowering makes {value.type}, torch {list(expected)}")
        for have, size in zip(value.shape, expected, strict=True):
            _learn(b, size, have)
        if any(equal(have, want) is False for have, want in zip(value.shape, _known(b, expected), strict=True)):
            raise UnsupportedModel(f"the lowering makes {value.type}, torch {list(expected)}")
        if str(says.dtype) != f"torch.{torch_name(value.dtype)}":
            raise UnsupportedModel(f"the lowering makes {value.type}, torch {says.dtype}")


def _learn(b: TorchBuilder, size: Any, have: Any) -> None:
    """A size that depends on data is what the lowering made of it."""
    if isinstance(size, torch.SymInt) and size.node.expr.is_Symbol:
        b.torch_sizes.define(size.node.expr, have)


def _known(b: TorchBuilder, sizes: Sequence[Any]) -> Iterator[int | DimExpr]:
    for size in sizes:
        yield b.torch_sizes.dim(size)


def body_of(value: Any) -> Body:
    """An operand that must be a body."""
    if not isinstance(value, Body):
        raise MalformedModel("a control-flow op is given something that is no graph")
    return value
