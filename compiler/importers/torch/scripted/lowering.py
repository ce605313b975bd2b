"""The walk over a script's graphs: methods, constants, attributes and Python's own ops; tensors go to the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from isthmus.compiler.importers.base import blamed_on, unsupported_ops
from isthmus.compiler.importers.torch.args import cast, tensor
from isthmus.compiler.importers.torch.importer import PYTHON_ERRORS, Walk
from isthmus.compiler.importers.torch.scripted.calls import Calls
from isthmus.compiler.importers.torch.scripted.containers import ON_CONTAINERS, length, listed, stack_of
from isthmus.compiler.importers.torch.scripted.frame import Frame
from isthmus.compiler.importers.torch.scripted.graphs import graph_of, inlined, line_of, overload_of
from isthmus.compiler.importers.torch.scripted.kinds import is_instance
from isthmus.compiler.importers.torch.scripted.numbers import PLAIN, compute, is_number, known, number_from
from isthmus.compiler.importers.torch.scripted.refs import UNSET, Items, Maybe, Module, Slot, Table, Tensor
from isthmus.compiler.importers.torch.scripted.regions import Raised, branch, loop
from isthmus.compiler.importers.torch.scripted.structure import Structure, describe, take_apart
from isthmus.compiler.importers.torch.types import dtype_from, torch_dtype
from isthmus.ir.dim import DimExpr
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Loc, Value
from isthmus.ir.types import BOOL, F32, I64

_DTYPES = {
    code: getattr(torch, name)
    for code, name in enumerate(("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"))
} | {11: torch.bool, 15: torch.bfloat16}
"""c10::ScalarType by number, as TorchScript spells element types."""
_CODES = {dtype: code for code, dtype in _DTYPES.items()}


class Lowering:
    """One import of a script."""

    def __init__(self, root: Frame, walk: Walk, script: Any) -> None:
        self.root = root
        self.script = script
        self.walk = walk
        self.calls = Calls(walk)
        self.slots: dict[str, Slot] = {}
        self.held: dict[str, tuple[Structure, list[Value]]] = {}
        """What each slot held at first: its structure and tensors."""
        self._path = ""

    # -- modules ----------------------------------------------------------------------------------

    def method(self, frame: Frame, module: Module, name: str, args: Sequence[Any]) -> Any:
        """What the module's method returns."""
        outer, self._path = self._path, module.path
        try:
            return self.graph(frame, graph_of(module.script, name), (module, *args))
        finally:
            self._path = outer

    def graph(self, frame: Frame, graph: Any, args: Sequence[Any]) -> Any:
        """What a method's or function's graph returns for these arguments."""
        values = {v.debugName(): arg for v, arg in zip(graph.inputs(), args, strict=True)}
        results = self._block(graph, frame, values)
        return results[0] if len(results) == 1 else tuple(results)

    def slot(self, module: Module, name: str) -> Slot:
        """The attribute `name` of a module, which holds at first what the script holds."""
        path = f"{module.path}.{name}" if module.path else name
        if path not in self.slots:
            self.slots[path] = made = Slot(self.root, path)
            self.root.write(made, self.thing(getattr(module.script, name), path))
            structure = describe(self.root, made)
            self.held[path] = structure, take_apart(self.root, made, structure)
        return self.slots[path]

    def slot_at(self, path: str) -> Slot:
        """The attribute with that path from the outermost module."""
        *modules, name = path.split(".")
        found = self.script
        for each in modules:
            found = getattr(found, each)
        return self.slot(Module(found, ".".join(modules)), name)

    def thing(self, held: Any, path: str) -> Any:
        """What a scripted module holds, as a value of the lowering; its tensors become constants."""
        if isinstance(held, torch.Tensor):
            constant = self.walk.state.constant(held, path)
            return self.root.tensor(self.root.b.const(constant, name=path))
        if isinstance(held, torch.jit.ScriptModule):
            return Module(held, path)
        if isinstance(held, tuple):
            return tuple(self.thing(each, f"{path}.{i}") for i, each in enumerate(held))
        if isinstance(held, dict) or type(held).__name__ == "ScriptDict":
            return self.root.table({key: self.thing(each, f"{path}.{key}") for key, each in dict(held).items()})
        if isinstance(held, list) or type(held).__name__ == "ScriptList":
            return self.root.items([self.thing(each, f"{path}.{i}") for i, each in enumerate(held)])
        return held

    # -- blocks -----------------------------------------------------------------------------------

    def _block(self, block: Any, frame: Frame, values: dict[str, Any]) -> list[Any]:
        for node in block.nodes():
            with _told(self._place(node)):
                results = self._node(node, frame, values)
            values.update(zip((v.debugName() for v in node.outputs()), results, strict=False))
        return [_seen(frame, values[v.debugName()]) for v in block.outputs()]

    def _place(self, node: Any) -> str:
        name = node.kind().partition("::")[2]
        return f"{self._path}/{name} ({line_of(node)})" if self._path else f"{name} ({line_of(node)})"

    def _node(self, node: Any, frame: Frame, values: dict[str, Any]) -> Sequence[Any]:
        kind = node.kind()
        args = [_seen(frame, values[v.debugName()]) for v in node.inputs()]
        if kind == "prim::Constant":
            return [self._constant(node, frame)]
        if kind == "prim::If":
            then, other = (self._block_run(block, values) for block in node.blocks())
            return branch(frame, _condition(frame, args[0]), then, other)
        if kind == "prim::Loop":
            (body,) = node.blocks()
            return loop(frame, args[0], _condition(frame, args[1]), args[2:], self._block_run(body, values))
        if kind == "prim::RaiseException":
            raise Raised(str(args[0]), self._place(node))
        if kind == "prim::GetAttr":
            return [self._attribute(frame, args[0], node.s("name"))]
        if kind == "prim::SetAttr":
            frame.write(self.slot(args[0], node.s("name")), args[1])
            return []
        if kind == "prim::CallMethod":
            return [self.method(frame, args[0], node.s("name"), args[1:])]
        if kind == "prim::fork":
            return [self.graph(frame, inlined(node.g("Subgraph")), args)]
        if kind in _STRUCTURE:
            return _STRUCTURE[kind](frame, args, node)
        frame.b.loc = Loc("torch", (f"{self._path}/{kind.partition('::')[2]}".lstrip("/"),))
        result = self._op(node, kind, frame, args)
        return result if node.outputsSize() > 1 else [result]

    def _block_run(self, block: Any, values: dict[str, Any]) -> Callable[[Frame, Sequence[Any]], list[Any]]:
        def run(frame: Frame, args: Sequence[Any]) -> list[Any]:
            inside = dict(values)
            inside.update(zip((v.debugName() for v in block.inputs()), args, strict=True))
            return self._block(block, frame, inside)

        return run

    def _attribute(self, frame: Frame, module: Any, name: str) -> Any:
        if name == "training":
            return False
        held = getattr(module.script, name, None)
        if isinstance(held, torch.jit.ScriptModule):
            return Module(held, f"{module.path}.{name}" if module.path else name)
        return frame.read(self.slot(module, name))

    def _constant(self, node: Any, frame: Frame) -> Any:
        (output,) = node.outputs()
        held = output.toIValue()
        return self.thing(held, output.debugName()) if isinstance(held, torch.Tensor | list) else held

    # -- ops --------------------------------------------------------------------------------------

    def _op(self, node: Any, kind: str, frame: Frame, args: list[Any]) -> Any:
        name = kind.partition("::")[2]
        if name in _QUESTIONS:
            return _QUESTIONS[name](frame, *args)
        if args and isinstance(args[0], Items | Table | tuple | str) and name in ON_CONTAINERS:
            return ON_CONTAINERS[name](frame, *args)
        if name in PLAIN and not any(isinstance(arg, Tensor) for arg in args):
            return _as_declared(frame, node, _plain(frame, name, args))
        overload = overload_of(node)
        if overload is None:
            self.calls.note(kind, self._place(node))
            raise unsupported_ops(self.calls.refused)
        return self.calls.run(frame, overload, args, self._place(node))


def _as_declared(frame: Frame, node: Any, number: Any) -> Any:
    """A number in the type the script has for it: a power of integers may be a float there."""
    if str(node.output().type()) != "float" or isinstance(number, float):
        return number
    return compute(frame.b, "Float", number)


@contextmanager
def _told(place: str) -> Iterator[None]:
    """Errors from inside say which line of the script they belong to, Python's own among them."""
    try:
        with blamed_on(f"torch:{place}"):
            yield
    except PYTHON_ERRORS as error:  # of a script's own mistakes, and of forms nobody thought of
        raise UnsupportedModel(
            f"the script cannot be followed here: {type(error).__name__}: {error}", where=f"torch:{place}"
        ) from error


def _seen(frame: Frame, thing: Any) -> Any:
    """A number that was made outside a region, as seen inside."""
    return frame.lift(thing) if isinstance(thing, Value | Maybe | tuple) else thing


def _condition(frame: Frame, thing: Any) -> Any:
    found = number_from(frame.b, frame.read(thing), BOOL) if isinstance(thing, Tensor) else thing
    if isinstance(found, DimExpr):
        found = compute(frame.b, "ne", found, 0)
    return found if isinstance(found, Value) else bool(found)


def _plain(frame: Frame, name: str, args: list[Any]) -> Any:
    if len(args) == 1 and isinstance(args[0], Items) and name in ("min", "max"):
        found, *rest = listed(frame, args[0])
        for each in rest:
            found = compute(frame.b, name, found, each)
        return found
    if all(is_number(arg) for arg in args):
        return compute(frame.b, name, *args)
    return PLAIN[name](*args)


# -- what is asked of things ------------------------------------------------------------------------------------------


def _tensor_from(frame: Frame, data: Any, dtype: Any = None, *options: Any) -> Tensor:
    """`torch.tensor(data)`: from a number, or nested lists of numbers."""
    wanted = None if dtype is None else dtype_from(_dtype(dtype), "a tensor")
    made = _nested(frame, data)
    return frame.tensor(made if wanted is None else cast(frame.b, made, wanted))


def _nested(frame: Frame, data: Any) -> Value:
    b = frame.b
    if isinstance(data, Tensor):
        held: Value = frame.read(data)
        return held
    if not isinstance(data, Items):
        kind = BOOL if isinstance(data, bool) else F32 if isinstance(data, float) else I64
        return tensor(b, data, data.dtype if isinstance(data, Value) else kind)
    if (stacked := stack_of(frame, data)) is not None:
        return stacked
    parts = listed(frame, data)
    if all(isinstance(each, bool | int | float) for each in parts):
        array = np.array(parts, np.float32 if any(isinstance(p, float) for p in parts) or not parts else None)
        return b.const(array)
    values = [_nested(frame, each) for each in parts]
    return b.concat(*(b.reshape(v, shape=(1, *v.shape)) for v in values), axis=0)


def _size(frame: Frame, x: Tensor, dim: int | None = None) -> Any:
    shape = frame.read(x).shape
    return frame.items(list(shape)) if dim is None else shape[dim]


def _item(frame: Frame, x: Any, dtype: Any = None) -> Any:
    return number_from(frame.b, frame.read(x), dtype) if isinstance(x, Tensor) else compute(frame.b, _BY_TYPE[dtype], x)


_BY_TYPE = {I64: "Int", F32: "Float", BOOL: "Bool"}


def _number(dtype: Any) -> Callable[..., Any]:
    def convert(frame: Frame, x: Any) -> Any:
        if isinstance(x, str):
            return {I64: int, F32: float}[dtype](x)
        return _item(frame, x, dtype)

    return convert


def _surely(thing: Any) -> Any:
    """Something that the script knows is not None."""
    return thing.inner if isinstance(thing, Maybe) else thing


def _dtype(code: Any) -> Any:
    if code not in _DTYPES:
        raise UnsupportedModel(f"element type number {code} of TorchScript, which the IR lacks")
    return _DTYPES[code]


def _is(frame: Frame, a: Any, c: Any) -> Any:
    for first, second in ((a, c), (c, a)):
        if isinstance(first, Maybe) and second is None:
            return compute(frame.b, "__not__", known(frame.b, first.present))
    return a is c or (isinstance(a, int | str) and bool(a == c))


def _formatted(frame: Frame, text: Any, *args: Any) -> str:
    return str(text)


def _to_list(frame: Frame, args: list[Any], node: Any) -> list[Any]:
    x = frame.read(args[0])
    if x.rank != 1 or not isinstance(x.shape[0], int):
        raise UnsupportedModel("tolist() of a tensor that is no vector of known length")
    parts = [frame.b.slice(x, axes=(0,), starts=(i,), stops=(i + 1,), steps=(1,)) for i in range(x.shape[0])]
    return [frame.items([number_from(frame.b, part) for part in parts])]


_QUESTIONS: dict[str, Callable[..., Any]] = {
    "size": _size,
    "sym_size": _size,
    "len": length,
    "dim": lambda frame, x: frame.read(x).rank,
    "numel": lambda frame, x: frame.read(x).type.numel(),
    "dtype": lambda frame, x: _CODES[_torch_type(frame.read(x))],
    "device": lambda frame, x: torch.device("cpu"),
    "layout": lambda frame, x: 0,
    "is_cuda": lambda frame, x: False,
    "is_mkldnn": lambda frame, x: False,
    "is_quantized": lambda frame, x: False,
    "is_sparse": lambda frame, x: False,
    "is_nested": lambda frame, x: False,
    "is_contiguous": lambda frame, x, *options: True,
    "requires_grad": lambda frame, x: False,
    "is_floating_point": lambda frame, x: frame.read(x).dtype.is_float,
    "is_complex": lambda frame, x: False,
    "__is__": _is,
    "__isnot__": lambda frame, a, c: compute(frame.b, "__not__", _is(frame, a, c)),
    "item": _item,
    "Int": _number(I64),
    "Float": _number(F32),
    "Bool": _number(BOOL),
    "IntImplicit": _number(I64),
    "FloatImplicit": _number(F32),
    "ScalarImplicit": lambda frame, x: _item(frame, x) if isinstance(x, Tensor) else x,
    "tensor": _tensor_from,
    "as_tensor": _tensor_from,
    "format": _formatted,
    "percentFormat": _formatted,
    "str": lambda frame, x: str(x),
    "is_scripting": lambda frame: False,
    "is_grad_enabled": lambda frame: False,
    "get_default_dtype": lambda frame: 6,
}
"""What is answered while importing, of any thing."""


def _torch_type(x: Value) -> Any:
    return torch_dtype(x.dtype)


_STRUCTURE: dict[str, Callable[[Frame, list[Any], Any], Sequence[Any]]] = {
    "prim::ListConstruct": lambda frame, args, node: [frame.items(args)],
    "prim::TupleConstruct": lambda frame, args, node: [tuple(args)],
    "prim::DictConstruct": lambda frame, args, node: [frame.table(dict(zip(args[::2], args[1::2], strict=True)))],
    "prim::ListUnpack": lambda frame, args, node: listed(frame, args[0]),
    "prim::TupleUnpack": lambda frame, args, node: args[0],
    "prim::TupleIndex": lambda frame, args, node: [args[0][args[1]]],
    "prim::TupleSlice": lambda frame, args, node: [args[0][node.i("beg") : node.i("end")]],
    "prim::unchecked_cast": lambda frame, args, node: [_surely(args[0])],
    "prim::NumToTensor": lambda frame, args, node: [_tensor_from(frame, args[0])],
    "prim::tolist": _to_list,
    "prim::isinstance": is_instance,
    "prim::Uninitialized": lambda frame, args, node: [UNSET],
    "aten::wait": lambda frame, args, node: args,
    "aten::_unwrap_optional": lambda frame, args, node: [_surely(args[0])],
    "prim::data": lambda frame, args, node: args,
    "prim::Print": lambda frame, args, node: [],
    "aten::warn": lambda frame, args, node: [],
    "prim::Enter": lambda frame, args, node: [None],
    "prim::Exit": lambda frame, args, node: [],
}
"""What arranges values, and what does nothing."""
