"""The walk over a model: names to values, nodes to lowerings, functions inlined, bodies to regions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from onnx import AttributeProto, GraphProto, NodeProto

from isthmus.compiler.importers.base import ImportBuilder, blamed_on, unsupported_ops
from isthmus.compiler.importers.lowering import Lowering, LoweringTable
from isthmus.compiler.importers.onnx.external import ExternalData
from isthmus.compiler.importers.onnx.frame import (
    Argument,
    ByDefinition,
    Frame,
    OnnxBuilder,
    arguments_of,
    decoded_text,
    shortest,
    with_arguments,
)
from isthmus.compiler.importers.onnx.functions import (
    Function,
    Key,
    admits_types,
    body_for_call,
    fixed_body,
    key_of,
    schema_of,
)
from isthmus.compiler.importers.onnx.loader import text
from isthmus.compiler.importers.onnx.ordering import ordered
from isthmus.compiler.importers.onnx.scope import Operand, Scope, TensorList
from isthmus.compiler.importers.onnx.survey import MAX_DEPTH
from isthmus.compiler.importers.onnx.tensors import MAX_RANK, constant, dense
from isthmus.ir.errors import MalformedModel, TypeRuleError, UnsupportedModel
from isthmus.ir.graph import Graph, Loc, Value
from isthmus.ir.types import Array, TensorType

NODES_PER_SOURCE_NODE = 20
EXTRA_NODES = 100_000
"""Functions that call functions may grow a model at most this much."""


@dataclass(frozen=True)
class Body:
    """A sub-graph attribute: read when its lowering knows what flows in."""

    walk: Walk
    proto: GraphProto
    scope: Scope
    frame: Frame

    def region(self, inputs: Sequence[TensorType | Array], given: Sequence[Value] = ()) -> Region:
        """The body as a graph of its own. Formal input i has type inputs[i], or is the constant inputs[i].

        `given` are outside values to capture first.
        """
        names = [text(v.name, "an input's name") for v in self.proto.input]
        if len(names) != len(inputs):
            raise MalformedModel(f"a body takes {len(names)} inputs but gets {len(inputs)}")
        scope = Scope(self.scope.builder.body(), self.scope)
        scope.graph.name = text(self.proto.name, "a body's name") or "body"
        for name, each in zip(names, inputs, strict=True):
            made = scope.graph.add_input(each, name) if isinstance(each, TensorType) else scope.builder.const(each)
            scope.define(name, made)
        for value in given:
            scope.capture(value)
        return Region(scope, self._outputs(scope))

    def inline(self) -> tuple[Value, ...]:
        """The body's results where it has no inputs, read in place."""
        return self._outputs(Scope(self.scope.builder, self.scope))

    def _outputs(self, scope: Scope) -> tuple[Value, ...]:
        frame = replace(self.frame, depth=self.frame.depth + 1)
        return self.walk.graph(self.proto, scope, frame)


@dataclass(frozen=True)
class Region:
    """A body that has been read. Its lowering sets the graph's outputs."""

    scope: Scope
    outputs: tuple[Value, ...]

    @property
    def builder(self) -> OnnxBuilder:
        """Adds to the end of the body."""
        assert isinstance(self.scope.builder, OnnxBuilder)
        return self.scope.builder

    def finish(self, outputs: Sequence[Value]) -> Graph:
        """The body's graph, yielding `outputs`."""
        names = dict.fromkeys(f"{v.name or 'out'}" for v in outputs)
        unique = list(names) if len(names) == len(outputs) else [f"out{i}" for i in range(len(outputs))]
        self.scope.graph.set_outputs(outputs, unique)
        return self.scope.graph


class Walk:
    """One import: what all its graphs share."""

    def __init__(
        self, table: LoweringTable, functions: Mapping[Key, Function], external: ExternalData, source_nodes: int
    ) -> None:
        self.table = table
        self.functions = functions
        self.external = external
        self._left = EXTRA_NODES + NODES_PER_SOURCE_NODE * source_nodes
        self._schema_bodies: dict[tuple[str, int], Function | None] = {}

    def graph(self, proto: GraphProto, scope: Scope, frame: Frame) -> tuple[Value, ...]:
        """Read a graph whose inputs are defined in `scope`; its outputs."""
        inputs = {v.name for v in proto.input if scope.defines(v.name)}
        for tensor in proto.initializer:
            if tensor.name not in inputs:
                scope.define_constant(text(tensor.name, "a tensor's name"), constant(tensor, self.external))
        for sparse in proto.sparse_initializer:
            if sparse.values.name not in inputs:
                scope.define_constant(text(sparse.values.name, "a tensor's name"), dense(sparse, self.external))
        self.nodes(ordered(proto.node), scope, frame)
        names = [text(v.name, "an output's name") for v in proto.output]
        return tuple(_tensor(scope.find(name), name) for name in names)

    def nodes(self, nodes: Iterable[NodeProto], scope: Scope, frame: Frame) -> None:
        """Read nodes that stand in order."""
        for index, node in enumerate(nodes):
            path = f"{frame.path}{node.name or f'{node.op_type}_{index}'}"
            with blamed_on(f"onnx:{path} ({node.op_type})"):
                self._node(node, scope, frame, path)

    def _node(self, node: NodeProto, scope: Scope, frame: Frame, path: str) -> None:
        self._left -= 1
        if self._left < 0:
            raise UnsupportedModel("the model's functions expand to too many nodes")
        scope.builder.loc = Loc("onnx", (path,))
        key = key_of(node)
        operands = [scope.find(name) for name in node.input]
        arguments = arguments_of(node, scope, frame)
        version = frame.opsets.get(key[0], 1)
        function = self.functions.get(key)
        lowering = self.table.find(node.op_type, version) if function is None and not key[0] else None
        results: Sequence[Operand | None] | None = None
        if lowering is not None:
            with suppress(ByDefinition):
                results = self._lower(lowering, node, operands, arguments, scope.builder, version)
        if results is None:
            function = function or self._schema_body(key, version, node, operands, arguments)
            inner = self._call(function, key, operands, arguments, scope, frame, path)
            results = [
                inner.find(formal) if name else None
                for formal, name in zip(function.outputs, node.output, strict=False)
            ]
        if len(results) < len(node.output):
            raise UnsupportedModel(f"{node.op_type}: output {node.output[len(results)]!r} is not supported")
        for name, value in zip(node.output, results, strict=False):
            if name:
                _check(value, name)
                scope.define(name, value)

    def _lower(
        self,
        lowering: Lowering,
        node: NodeProto,
        operands: list[Operand | None],
        arguments: Mapping[str, Argument],
        builder: ImportBuilder,
        version: int,
    ) -> Sequence[Operand | None]:
        assert isinstance(builder, OnnxBuilder)
        while operands and operands[-1] is None:
            operands.pop()
        lowering.check_inputs(node.op_type, operands)
        for i, x in enumerate(operands):
            if x is not None and isinstance(x, TensorList) != (i in lowering.lists):
                wanted = "a sequence" if i in lowering.lists else "a tensor"
                raise UnsupportedModel(f"{node.op_type}: input {i} must be {wanted}")
        given = {name: self._decoded(argument) for name, argument in arguments.items()}
        attributes = lowering.bind_attributes(node.op_type, given)
        builder.opset, builder.outputs = version, node.output
        try:
            found = lowering.function(builder, *operands, **attributes)
        except TypeRuleError as error:
            tensors = [x for x in operands if not isinstance(x, TensorList)]
            about_types = "must be one of" in error.reason or "cast" in error.hint
            if not about_types or not admits_types(version, node.op_type, tensors):
                raise
            raise UnsupportedModel(f"{node.op_type} in this form is not supported: {error.reason}") from error
        return (found,) if isinstance(found, Value | TensorList) else found

    def _schema_body(
        self,
        key: Key,
        version: int,
        node: NodeProto,
        operands: Sequence[Operand | None],
        arguments: Mapping[str, Argument],
    ) -> Function:
        domain, op, _ = key
        schema = None if domain else schema_of(op, version, "")
        tensors = [x for x in operands if not isinstance(x, TensorList)]
        if schema is not None and len(tensors) == len(operands):
            if (op, version) not in self._schema_bodies:
                self._schema_bodies[op, version] = fixed_body(schema, version)
            body = self._schema_bodies[op, version] or body_for_call(
                schema, version, with_arguments(node, arguments), tensors
            )
            if body is not None:
                return body
        raise unsupported_ops({f"{domain or 'ai.onnx'}::{op} (opset {version})": [node.name or op]})

    def _call(
        self,
        function: Function,
        key: Key,
        operands: Sequence[Operand | None],
        arguments: Mapping[str, Argument],
        scope: Scope,
        frame: Frame,
        path: str,
    ) -> Scope:
        """The names of a function's body after reading it with the given operands."""
        if key in frame.calls:
            raise MalformedModel(f"function {function.name} calls itself")
        if frame.depth >= MAX_DEPTH:
            raise UnsupportedModel(f"functions and bodies nest more than {MAX_DEPTH} deep")
        if len(operands) > len(function.inputs):
            raise MalformedModel(f"{function.name} takes {len(function.inputs)} inputs, got {len(operands)}")
        inner = Scope(scope.builder)
        for i, name in enumerate(function.inputs):
            inner.define(name, operands[i] if i < len(operands) else None)
        defaults = {name: Argument(proto, inner, frame) for name, proto in function.defaults.items()}
        call = Frame(
            opsets=function.opsets,
            path=f"{path}/",
            arguments={**defaults, **arguments},
            calls=(*frame.calls, key),
            depth=frame.depth + 1,
        )
        self.nodes(ordered(function.nodes), inner, call)
        return inner

    def _decoded(self, argument: Argument) -> Any:
        proto = argument.proto
        match proto.type:
            case AttributeProto.FLOAT:
                return shortest(proto.f)
            case AttributeProto.INT:
                return proto.i
            case AttributeProto.STRING:
                return decoded_text(proto.s, proto.name)
            case AttributeProto.TENSOR:
                return constant(proto.t, self.external)
            case AttributeProto.SPARSE_TENSOR:
                return dense(proto.sparse_tensor, self.external)
            case AttributeProto.GRAPH:
                return Body(self, proto.g, argument.scope, argument.frame)
            case AttributeProto.FLOATS:
                return tuple(map(shortest, proto.floats))
            case AttributeProto.INTS:
                return tuple(proto.ints)
            case AttributeProto.STRINGS:
                return tuple(decoded_text(s, proto.name) for s in proto.strings)
        raise UnsupportedModel(f"attribute {proto.name!r} is of a kind that is not supported")


def _check(value: Operand | None, name: str) -> None:
    if value is None:
        raise MalformedModel(f"output {name!r} stands for an input that is absent")
    for each in value if isinstance(value, TensorList) else (value,):
        if each.rank > MAX_RANK:
            raise UnsupportedModel(f"value {name!r} has rank {each.rank}, more than {MAX_RANK}")
        each.name = each.name or name


def _tensor(value: Operand | None, name: str) -> Value:
    if value is None:
        raise MalformedModel(f"output {name!r} stands for an input that is absent")
    if isinstance(value, TensorList):
        raise UnsupportedModel(f"output {name!r} is a sequence, not a tensor")
    return value
