"""TorchScript by interpretation: a module whose forward runs the graphs of a ScriptModule, so that torch.export can
trace it.

Each scripted submodule has a twin with the same path, the same parameters (not copies) and a forward that walks its
graph. Branches and loops are taken as they come while tracing, so what they depend on must be known then: sizes,
options, None. A condition on data is refused by torch.export, with the line of the script.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch

from isthmus.compiler.importers.torch.scripted.fakes import invoke
from isthmus.compiler.importers.torch.scripted.graphs import (
    all_nodes,
    graph_of,
    inlined,
    line_of,
    overload_of,
    signature_of,
)
from isthmus.compiler.importers.torch.scripted.numbers import PLAIN
from isthmus.ir.errors import UnsupportedModel


def twin_of(script: Any) -> Any:
    """A torch.nn.Module that computes what a ScriptModule or ScriptFunction does, over the same weights."""
    if isinstance(script, torch.jit.ScriptFunction):
        return _FunctionTwin(script)
    return _Twin(script, signature_of(script))


class _Twin(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
    """Stands for one scripted module."""

    def __init__(self, script: Any, signature: inspect.Signature | None = None) -> None:
        super().__init__()
        self.script = (script,)  # in a tuple, which hides it from torch's registration of submodules
        for name, parameter in script.named_parameters(recurse=False):
            self.register_parameter(name, torch.nn.Parameter(parameter.detach(), requires_grad=False))
        for name, buffer in script.named_buffers(recurse=False):
            self.register_buffer(name, buffer)
        for name, child in script.named_children():
            self.add_module(name, _Twin(child))
        for name in _state(script):
            held = getattr(script, name)
            if isinstance(held, torch.Tensor) and not hasattr(self, name):
                self.register_buffer(name, held)
        if signature is not None:
            self.forward = _with_signature(self, signature)  # type: ignore[method-assign]

    def forward(self, *args: Any) -> Any:
        """The script's forward."""
        return self.run("forward", args)

    def run(self, method: str, args: Sequence[Any]) -> Any:
        """The method of the script called `method`."""
        return _run(graph_of(self.script[0], method), (self, *args))

    def attribute(self, name: str) -> Any:
        """A submodule, a tensor, or a plain value of the script."""
        return getattr(self, name) if name in self._known() else getattr(self.script[0], name)

    def assign(self, name: str, value: Any) -> None:
        """State that the script keeps: only tensors of one shape can be carried from call to call."""
        held = self._buffers.get(name)
        if held is None or not isinstance(value, torch.Tensor) or held.shape != value.shape:
            raise UnsupportedModel(
                f"the script keeps {name!r} from call to call, which is no tensor of one shape",
                hint="keep state in registered buffers of a fixed shape",
            )
        held.copy_(value)

    def _known(self) -> set[str]:
        return {*self._parameters, *self._buffers, *self._modules, "training"}


class _FunctionTwin(torch.nn.Module):  # type: ignore[misc]
    """Stands for a scripted function."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.forward = _with_signature(self, signature_of(function))
        self.function = (function,)

    def run(self, method: str, args: Sequence[Any]) -> Any:
        """The function itself."""
        return _run(inlined(self.function[0].graph), args)


def _with_signature(twin: Any, signature: inspect.Signature) -> Callable[..., Any]:
    def forward(*args: Any, **keywords: Any) -> Any:
        bound = signature.bind(*args, **keywords)
        bound.apply_defaults()
        return twin.run("forward", bound.args)

    forward.__signature__ = signature  # type: ignore[attr-defined]  # what torch.export asks for the names of inputs
    return forward


def _state(script: Any) -> list[str]:
    """The tensors among the script's attributes that are no buffers."""
    names = []
    for node in all_nodes(graph_of(script, "forward")) if hasattr(script, "forward") else ():
        if node.kind() in ("prim::GetAttr", "prim::SetAttr"):
            target = next(iter(node.inputs()))
            if target.debugName().partition(".")[0] == "self":
                names.append(node.s("name"))
    return [name for name in dict.fromkeys(names) if hasattr(script, name)]


def _run(graph: Any, args: Sequence[Any]) -> Any:
    values: dict[str, Any] = {v.debugName(): arg for v, arg in zip(graph.inputs(), args, strict=True)}
    results = _block(graph, values)
    return results[0] if len(results) == 1 else tuple(results)


def _block(block: Any, values: dict[str, Any]) -> list[Any]:
    for node in block.nodes():
        _step(node, values)
    return [values[v.debugName()] for v in block.outputs()]


def _step(node: Any, values: dict[str, Any]) -> None:
    kind = node.kind()
    args = [values[v.debugName()] for v in node.inputs()]
    outputs = [v.debugName() for v in node.outputs()]
    if kind == "prim::If":
        then, other = node.blocks()
        found = _block(then if _truth(args[0], node) else other, values)
    elif kind == "prim::Loop":
        found = _loop(node, args, values)
    elif kind == "prim::Constant":
        found = [next(iter(node.outputs())).toIValue()]
    elif kind in _STRUCTURE:
        found = _STRUCTURE[kind](node, args)
    else:
        result = _call(node, kind, args)
        found = list(result) if len(outputs) > 1 else [result]
    values.update(zip(outputs, found, strict=False))


def _loop(node: Any, args: Sequence[Any], values: dict[str, Any]) -> list[Any]:
    (body,) = node.blocks()
    names = [v.debugName() for v in body.inputs()]
    most, more, *state = args
    turn = 0
    while _truth(more, node) and turn < most:
        values.update(zip(names, (turn, *state), strict=True))
        more, *state = _block(body, values)
        turn += 1
    return state


def _truth(condition: Any, node: Any) -> bool:
    try:
        return bool(condition)
    except Exception as error:
        raise UnsupportedModel(
            "the script branches on data, which tracing cannot follow",
            where=line_of(node),
            hint="give the torch.nn.Module with torch.cond or torch.while_loop in place of the branch",
        ) from error


def _call(node: Any, kind: str, args: list[Any]) -> Any:
    """An op: on tensors by torch's own overload, on Python values by Python."""
    name = kind.partition("::")[2]
    if name in _ON_ANYTHING:
        return _ON_ANYTHING[name](*args)
    if name in _ON_PYTHON and not any(isinstance(arg, torch.Tensor) for arg in args):
        return _ON_PYTHON[name](*args)
    overload = overload_of(node)
    if overload is None:
        if name in _ON_PYTHON:
            return _ON_PYTHON[name](*args)
        raise UnsupportedModel(f"the script uses {kind}, which is not supported", where=line_of(node))
    return invoke(overload, args)


def _get(node: Any, args: list[Any]) -> list[Any]:
    return [args[0].attribute(node.s("name"))]


def _set(node: Any, args: list[Any]) -> list[Any]:
    args[0].assign(node.s("name"), args[1])
    return []


def _method(node: Any, args: list[Any]) -> list[Any]:
    name = node.s("name")
    return [args[0](*args[1:]) if name == "forward" else args[0].run(name, args[1:])]


def _raise(node: Any, args: list[Any]) -> list[Any]:
    raise UnsupportedModel(f"the script raises: {args[0]}", where=line_of(node))


_STRUCTURE: dict[str, Callable[[Any, list[Any]], list[Any]]] = {
    "prim::GetAttr": _get,
    "prim::SetAttr": _set,
    "prim::CallMethod": _method,
    "prim::RaiseException": _raise,
    "prim::ListConstruct": lambda node, args: [list(args)],
    "prim::TupleConstruct": lambda node, args: [tuple(args)],
    "prim::DictConstruct": lambda node, args: [dict(zip(args[::2], args[1::2], strict=True))],
    "prim::ListUnpack": lambda node, args: list(args[0]),
    "prim::TupleUnpack": lambda node, args: list(args[0]),
    "prim::TupleIndex": lambda node, args: [args[0][args[1]]],
    "prim::unchecked_cast": lambda node, args: args,
    "prim::NumToTensor": lambda node, args: args,
    "prim::Print": lambda node, args: [],
    "aten::warn": lambda node, args: [],
    "prim::Uninitialized": lambda node, args: [None],
}
"""What arranges values, reads modules and calls their methods."""


def _slice(items: Any, start: Any = None, end: Any = None, step: Any = 1) -> Any:
    return items[slice(start, end, step)]


def _append(items: list[Any], item: Any) -> list[Any]:
    items.append(item)
    return items


def _set_item(items: Any, key: Any, item: Any) -> Any:
    items[key] = item
    return items


def _to_int(x: Any) -> Any:
    return x if isinstance(x, torch.SymInt) else torch.sym_int(x) if isinstance(x, torch.SymFloat) else int(x)


_OF_TORCH = frozenset(("__lshift__", "__rshift__", "round", "log2", "sin", "cos", "tan", "tanh", "isnan", "isinf"))
"""Left to torch's own overloads, which take Python numbers too: `round` gives a float there, infinities have a sine."""

_ON_PYTHON: dict[str, Callable[..., Any]] = {name: apply for name, apply in PLAIN.items() if name not in _OF_TORCH} | {
    "add": lambda x, y, alpha=1: x + y if isinstance(x, str | list | tuple) else x + alpha * y,
    "sub": lambda x, y, alpha=1: x - alpha * y,
    "rsub": lambda x, y, alpha=1: y - alpha * x,
    "slice": _slice,
    "Int": _to_int,
    "Float": lambda x: torch.sym_float(x) if isinstance(x, torch.SymInt) else float(x),
    "clone": lambda x, *options: x,
    "contiguous": lambda x, *options: x,
    "detach": lambda x: x,
    "to": lambda x, *options: x,
    "format": lambda text, *args: text,
    "is_scripting": lambda: False,
}
"""Ops on numbers, texts and lists."""

_ON_ANYTHING: dict[str, Callable[..., Any]] = {
    "__is__": operator.is_,
    "__isnot__": operator.is_not,
    "__contains__": operator.contains,
    "__getitem__": operator.getitem,
    "_set_item": _set_item,
    "append": _append,
    "list": list,
    "keys": lambda items: list(items.keys()),
    "values": lambda items: list(items.values()),
    "items": lambda items: list(items.items()),
    "len": lambda items: items.shape[0] if isinstance(items, torch.Tensor) else len(items),
    "Bool": lambda x: x if isinstance(x, torch.Tensor) else bool(x),
    "size": lambda x, dim=None: x.shape[dim] if dim is not None else list(x.shape),
    "dim": lambda x: x.dim(),
    "dtype": lambda x: x.dtype,
    "device": lambda x: x.device,
    "layout": lambda x: x.layout,
    "is_cuda": lambda x: False,
    "requires_grad": lambda x: False,
    "data": lambda x: x,
    "is_floating_point": lambda x: x.is_floating_point(),
    "numel": lambda x: x.numel(),
}
"""Ops on containers whatever they hold, and questions that tracing answers of a tensor."""
