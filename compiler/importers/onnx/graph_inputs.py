"""The inputs of a model's graph: declared types, symbols for open sizes, and what the user asks for instead."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from onnx import GraphProto, ValueInfoProto

from isthmus.compiler.importers.onnx.loader import text
from isthmus.compiler.importers.onnx.tensors import MAX_RANK
from isthmus.compiler.importers.onnx.types import dtype_from
from isthmus.compiler.importers.shapes import InputShapes, Symbols, merge_shape, parse_shapes
from isthmus.ir.dim import Dim, Shape, symbols
from isthmus.ir.errors import BadInput, MalformedModel, UnsupportedModel
from isthmus.ir.types import TensorType


def input_types(graph: GraphProto, asked: InputShapes) -> Iterator[tuple[str, TensorType]]:
    """Name and type of each input. Those with an initializer are constants, unless asked for.

    A size the user fixes holds wherever the model uses the same name for it.
    """
    constants = {t.name for t in graph.initializer} | {t.values.name for t in graph.sparse_initializer}
    declared = {text(v.name, "an input's name"): v for v in graph.input if v.name in asked or v.name not in constants}
    if unknown := [name for name in asked if name not in declared]:
        near = get_close_matches(unknown[0], declared, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"inputs are: {', '.join(declared)}"
        raise BadInput(f"the model has no input {unknown[0]!r}", hint=hint)
    wanted = parse_shapes(asked)
    names = Symbols()
    for each in (d for shape in wanted.values() for d in shape if d is not None):
        for symbol in symbols(each):
            names.reserve(symbol.name)
    for name, shape in wanted.items():
        _adopt(declared[name], shape, names)
    for name, info in declared.items():
        dtype = dtype_from(_tensor_type(info).elem_type, f"input {name!r}")
        yield name, TensorType(dtype, _shape(info, wanted.get(name), names))


def _adopt(info: ValueInfoProto, wanted: tuple[Dim | None, ...], names: Symbols) -> None:
    for dim, want in zip(_tensor_type(info).shape.dim, wanted, strict=False):
        if text(dim.dim_param, "a size's name") and want is not None:
            names.assign(dim.dim_param, want)


def _shape(info: ValueInfoProto, wanted: tuple[Dim | None, ...] | None, names: Symbols) -> Shape:
    type = _tensor_type(info)
    if not type.HasField("shape"):
        if wanted is None:
            raise UnsupportedModel(
                f"input {info.name!r} has no declared rank",
                where=f"onnx:{info.name}",
                hint=f'give its shape: inputs={{"{info.name}": ("N", 3, 224, 224)}}',
            )
        return merge_shape(info.name, wanted, None, names)
    if len(type.shape.dim) > MAX_RANK:
        raise UnsupportedModel(f"input {info.name!r} has more than {MAX_RANK} dimensions")
    known: dict[int, Dim] = {}
    for i, dim in enumerate(type.shape.dim):
        if dim.HasField("dim_value"):
            if dim.dim_value < 0:
                raise MalformedModel(f"input {info.name!r} has a negative size: {dim.dim_value}")
            known[i] = dim.dim_value
        elif wanted is not None and i < len(wanted) and (want := wanted[i]) is not None:
            known[i] = want
        elif label := text(dim.dim_param, "a size's name"):
            known[i] = names.named(label)
        else:
            known[i] = names.fresh(f"{info.name}_{i}")
    shape = tuple(known.values())
    return shape if wanted is None else merge_shape(info.name, wanted, shape, names)


def _tensor_type(info: ValueInfoProto):  # type: ignore[no-untyped-def]  # the stubs do not export the nested class
    kind = info.type.WhichOneof("value")
    if kind is None:
        raise MalformedModel(f"input {info.name!r} has no type")
    if kind != "tensor_type":
        raise UnsupportedModel(f"input {info.name!r} is a {kind.removesuffix('_type')}, not a tensor")
    return info.type.tensor_type
