"""Calls of ATen ops: by the table, on what tensors hold; views and in-place ops by what they do to memory.

The table's lowerings are fed the script's own arguments; what the table lacks is decomposed by torch on the spot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from isthmus.compiler.importers.torch.args import cast, expanded, tensor
from isthmus.compiler.importers.torch.importer import Walk
from isthmus.compiler.importers.torch.refused import described
from isthmus.compiler.importers.torch.scripted.containers import listed, stack_of
from isthmus.compiler.importers.torch.scripted.decompose import decomposed
from isthmus.compiler.importers.torch.scripted.fakes import ScriptBuilder
from isthmus.compiler.importers.torch.scripted.frame import Frame
from isthmus.compiler.importers.torch.scripted.numbers import Quotient, size_from
from isthmus.compiler.importers.torch.scripted.refs import Items, Tensor, View
from isthmus.compiler.importers.torch.scripted.writing import (
    COPIES_IF_SPREAD,
    PARTS,
    SAME,
    SAME_IF_FITTING,
    VIEWS,
    part_written,
    stays_dense,
)
from isthmus.compiler.importers.torch.types import dtype_from
from isthmus.ir.dim import DimExpr
from isthmus.ir.errors import UnsupportedModel, UnsupportedOps
from isthmus.ir.graph import Value
from isthmus.ir.types import F32, TensorType

_TAKE_COMPUTED = ("slice", "select", "arange", "index_select")
"""Ops whose lowerings take integers that depend on data as they are."""


class Calls:
    """Runs ops for one import."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.refused: dict[str, list[str]] = {}
        """Ops that nothing can lower, with the lines that call them."""

    def run(self, frame: Frame, overload: Any, args: Sequence[Any], where: str) -> Any:
        """What the overload makes of the script's values `args`, in the order of its schema."""
        name = overload._schema.name.partition("::")[2]
        if name in SAME and isinstance(args[0], Tensor):
            return args[0]
        if "out" in overload._overloadname.split("_"):
            raise UnsupportedModel(f"{overload} writes into a tensor given as out=", hint="assign its result instead")
        if overload._schema.is_mutable and not name.endswith("__"):
            return self._in_place(frame, overload, args, where)
        if name in VIEWS and isinstance(args[0], Tensor) and not (name in COPIES_IF_SPREAD and not _is_dense(args[0])):
            return self._view(frame, overload, name, args, where)
        if name == "contiguous" and _is_dense(args[0]):
            return args[0]
        if name in PARTS and isinstance(args[0], Tensor):
            return self._parts(frame, overload, name, args, where)
        if name in ("stack", "cat", "concat") and (stacked := stack_of(frame, args[0])) is not None:
            return frame.tensor(_from_stack(frame, name, stacked, args[1]))
        made = self._made(frame, overload, self._plain(frame, overload, args), where)
        if name in SAME_IF_FITTING and made is frame.read(args[0]) and not _is_copy(overload, args):
            return args[0]
        return _wrapped(frame, overload, made)

    # -- memory -----------------------------------------------------------------------------------

    def _in_place(self, frame: Frame, overload: Any, args: Sequence[Any], where: str) -> Any:
        written = [a for a in overload._schema.arguments if a.alias_info is not None and a.alias_info.is_write]
        target = args[0]
        if len(written) != 1 or written[0].name != overload._schema.arguments[0].name or not isinstance(target, Tensor):
            raise UnsupportedModel(f"{overload} writes into more than its first argument")
        _check_writable(target)
        if overload._schema.name.partition("::")[2].removesuffix("_") in VIEWS:
            raise UnsupportedModel(
                f"{overload} gives a tensor another shape in place", hint="assign its result instead"
            )
        before = frame.read(target)
        plain = self._plain(frame, overload, args)
        made = self._made(frame, _functional(overload), plain, where)
        frame.write(target, expanded(frame.b, cast(frame.b, made, before.dtype), before.shape))
        return target

    def _view(self, frame: Frame, overload: Any, name: str, args: Sequence[Any], where: str) -> Any:
        plain = self._plain(frame, overload, args)
        back = VIEWS[name]

        def read(inside: Frame, base: Value) -> Value:
            made: Value = self._made(inside, overload, [base, *inside.lift(plain[1:])], where)
            return made

        def write(inside: Frame, base: Value, new: Value) -> Value:
            assert back is not None, "checked by whoever writes"
            return back(inside.b, base, new, *inside.lift(plain[1:]))

        is_dense = _is_dense(args[0]) and stays_dense(name, plain[1:])
        view = frame.view(args[0], read, write if back is not None else None, is_dense)
        frame.read(view)
        return view

    def _parts(self, frame: Frame, overload: Any, name: str, args: Sequence[Any], where: str) -> Any:
        plain = self._plain(frame, overload, args)
        names = [a.name for a in overload._schema.arguments]
        dim = plain[names.index("dim")] if "dim" in names else 0
        is_dense = _is_dense(args[0]) and dim == 0
        made: dict[tuple[Frame, Value], list[Value]] = {}

        def all_of(inside: Frame, base: Value) -> list[Value]:
            if (inside, base) not in made:
                pieces = self._made(inside, overload, [base, *inside.lift(plain[1:])], where)
                made[inside, base] = list(pieces)
            return made[inside, base]

        def piece(index: int) -> Tensor:
            def write(inside: Frame, base: Value, new: Value) -> Value:
                return part_written(inside.b, name, base, all_of(inside, base), index, new, dim)

            return frame.view(args[0], lambda inside, base: all_of(inside, base)[index], write, is_dense)

        return frame.items([piece(i) for i in range(len(all_of(frame, frame.read(args[0]))))])

    # -- calling ----------------------------------------------------------------------------------

    def _plain(self, frame: Frame, overload: Any, args: Sequence[Any]) -> list[Any]:
        """Arguments as lowerings take them: values, dimensions, Python things."""
        name = overload._schema.name.partition("::")[2]
        keeps = name in _TAKE_COMPUTED
        specs = overload._schema.arguments
        return [_read(frame, arg, _takes(spec), keeps) for arg, spec in zip(args, specs, strict=False)]

    def _made(self, frame: Frame, overload: Any, plain: list[Any], where: str) -> Any:
        b = frame.b
        lowering = self.walk.table.find(overload)
        if lowering is None:
            return self._decomposed(frame, overload, plain, where)
        b.ask(overload, _Fakes(b, overload, plain))
        positional, named = lowering.bind(overload, plain, {})
        return lowering.function(b, *positional, **named)

    def _decomposed(self, frame: Frame, overload: Any, plain: list[Any], where: str) -> Any:
        b = frame.b
        fakes = list(_Fakes(b, overload, plain))
        try:
            results = decomposed(b, self.walk, overload, plain, fakes)
        except UnsupportedOps:
            self.note(str(overload), where)
            b.ask(overload, fakes)
            results = _placeholders(b)
        return results[0] if len(overload._schema.returns) == 1 and not _returns_list(overload) else results

    def note(self, op: str, where: str) -> None:
        """Remember an op that nothing can lower: lowering goes on, to find them all."""
        places = self.refused.setdefault(described(op), [])
        if where not in places:
            places.append(where)


class _Fakes(Sequence[Any]):
    """What torch is given in place of arguments, made when somebody looks."""

    def __init__(self, b: ScriptBuilder, overload: Any, plain: list[Any]) -> None:
        self._b, self._plain = b, plain
        self._specs = overload._schema.arguments

    def __getitem__(self, index: Any) -> Any:
        return _faked(self._b, self._plain[index], _takes(self._specs[index]) == "tensor")

    def __len__(self) -> int:
        return len(self._plain)


def _placeholders(b: ScriptBuilder) -> list[Any]:
    """Zeros for each result of the op at hand, as torch says its type."""
    found = b.fake if isinstance(b.fake, list | tuple) else [b.fake]
    types = [TensorType(dtype_from(each.dtype, "the result"), b.torch_sizes.shape(each)) for each in found]
    return [b.full(b.const(0, type.dtype), shape=type.shape) for type in types]


def _is_dense(thing: Any) -> bool:
    return thing.is_dense if isinstance(thing, View) else True


def _is_copy(overload: Any, args: Sequence[Any]) -> bool:
    """Whether `copy=True` is asked for."""
    return any(spec.name == "copy" and arg is True for spec, arg in zip(overload._schema.arguments, args, strict=False))


def _takes(spec: Any) -> str:
    """What an argument is: "tensor", "int" or "other"."""
    text = str(spec.type)
    return "tensor" if "Tensor" in text else "int" if "int" in text.lower() else "other"


def _read(frame: Frame, arg: Any, kind: str, keeps: bool) -> Any:
    if isinstance(arg, Tensor):
        return frame.read(arg)
    if isinstance(arg, Items | tuple):
        return [_read(frame, each, kind, keeps) for each in listed(frame, arg)]
    if isinstance(arg, Quotient):
        return frame.b.div(tensor(frame.b, arg.numerator, F32), float(arg.denominator))
    if isinstance(arg, Value) and kind == "int" and not keeps:
        return size_from(frame.b, arg)
    return arg


def _faked(b: ScriptBuilder, thing: Any, is_tensor: bool) -> Any:
    if isinstance(thing, list):
        return [_faked(b, each, is_tensor) for each in thing]
    if isinstance(thing, Value):
        return b.fakes.tensor(thing.type) if is_tensor else 2.0 if thing.dtype.is_float else 2  # any number of its kind
    return b.fakes.size(thing) if isinstance(thing, DimExpr) else thing


def _wrapped(frame: Frame, overload: Any, made: Any) -> Any:
    """Results as the script holds them: one, a list, or several as a tuple."""
    if isinstance(made, Value):
        return frame.tensor(made)
    if isinstance(made, list | tuple):
        parts = [frame.tensor(each) if isinstance(each, Value) else frame.gap() for each in made]
        return frame.items(parts) if _returns_list(overload) else tuple(parts)
    return made


def _returns_list(overload: Any) -> bool:
    returns = overload._schema.returns
    return len(returns) == 1 and str(returns[0].type).startswith("List")


def _functional(overload: Any) -> Any:
    """The op that makes what an in-place op writes: `add.Tensor` for `add_.Tensor`."""
    namespace, _, name = overload._schema.name.partition("::")
    packet = getattr(getattr(torch.ops, namespace), name.removesuffix("_"), None)
    found = None if packet is None else getattr(packet, overload._overloadname or "default", None)
    if found is None:
        raise UnsupportedModel(f"{overload} has no form that writes into no tensor")
    return found


def _check_writable(target: Tensor) -> None:
    each: Any = target
    while hasattr(each, "base"):
        if each.write is None:
            raise UnsupportedModel(
                "a tensor is written through a view that shows its memory in parts or several times",
                hint="write into a clone(), or by index_put",
            )
        each = each.base


def _from_stack(frame: Frame, name: str, stacked: Value, dim: Any) -> Value:
    """`stack` or `cat` of a list that is kept stacked on axis 0."""
    b = frame.b
    rank = stacked.rank if name == "stack" else stacked.rank - 1
    axis = int(dim) % max(rank, 1)
    if name == "stack":
        order = [*range(1, axis + 1), 0, *range(axis + 1, rank)]
        return b.transpose(stacked, perm=tuple(order)) if axis else stacked
    count, *each = stacked.shape
    order = [*range(1, axis + 1), 0, *range(axis + 1, rank + 1)]
    moved = b.transpose(stacked, perm=tuple(order)) if axis else stacked
    return b.reshape(moved, shape=(*each[:axis], count * each[axis], *each[axis + 1 :]))
