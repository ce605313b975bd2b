"""Attributes of nodes as lowerings want them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from isthmus.compiler.importers.tensorflow.frame import Frame, Function, Functions
from isthmus.compiler.importers.tensorflow.operands import PartialShape, Text
from isthmus.compiler.importers.tensorflow.protos import Message
from isthmus.compiler.importers.tensorflow.tensors import complex_constant, constant, texts
from isthmus.compiler.importers.tensorflow.types import COMPLEX64, COMPLEX128, STRING, complex_from, dtype_from, normal
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.op import Attribute

if TYPE_CHECKING:
    from isthmus.compiler.importers.tensorflow.importer import Walk

_WITHOUT_MEANING = {
    "allowed_devices",
    "colocate_with",
    "config",
    "config_proto",
    "container",
    "cudnn_enable",
    "debug_name",
    "executor_type",
    "grad_a",
    "grad_b",
    "grad_x",
    "grad_y",
    "identical_element_shapes",
    "lower_using_switch_merge",
    "message",
    "output_shapes",
    "parallel_iterations",
    "shared_name",
    "swap_memory",
    "tensor_array_name",
    "use_cudnn_on_gpu",
    "use_inter_op_parallelism",
    "use_node_name_sharing",
    "validate_indices",
    "validate_shape",
    "clear_after_read",
}
"""Attributes that change where or how fast something runs, not what it computes."""
_TYPES = ("type", "placeholder")


def attributes_of(node: Message, frame: Frame, walk: Walk, wanted: Mapping[str, Attribute]) -> dict[str, Any]:
    """The node's attributes by the names lowerings use: `DstT` is `dst_t`.

    Element types are left out unless wanted, for operands tell them.
    """
    found = {}
    for name, value in node.attr.items():
        key = snake(name)
        if key not in wanted and (name.startswith("_") or name in _WITHOUT_MEANING or _only_types(value)):
            continue
        if name == "bad_indices_policy" and not value.s:
            continue
        # Lowerings that know complex numbers take any object for a type; all others shall hear that there is none.
        complex_type = complex_from(value.type) if key in wanted and wanted[key].annotation is object else None
        found[key] = decoded(value, frame, walk) if complex_type is None else complex_type
    return found


@lru_cache(1024)
def snake(name: str) -> str:
    """`DstT` as `dst_t`, `N` as `n`, `Tidx` as `tidx`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def decoded(value: Message, frame: Frame, walk: Walk) -> Any:
    """An attribute's value in Python's types and the IR's."""
    kind = value.WhichOneof("value")
    match kind:
        case "s":
            return _text(value.s)
        case "i" | "f" | "b":
            return getattr(value, kind)
        case "type":
            return dtype_from(value.type, "an attribute")
        case "shape":
            return partial_shape(value.shape)
        case "tensor":
            return tensor(value.tensor)
        case "func":
            given = {name: decoded(each, frame, walk) for name, each in value.func.attr.items()}
            return Function(walk, frame, value.func.name, given)
        case "placeholder":
            if value.placeholder not in frame.attributes:
                raise MalformedModel(f"attribute {value.placeholder!r} of the call is missing")
            return frame.attributes[value.placeholder]
        case "list":
            return _list(value.list, frame, walk)
    raise MalformedModel("an attribute has no value")


def tensor(proto: Message) -> Any:
    """A tensor attribute: a Constant, Text, or a pair of arrays for complex numbers."""
    if normal(proto.dtype) == STRING:
        return Text(*texts(proto, "a constant"))
    if normal(proto.dtype) in (COMPLEX64, COMPLEX128):
        return complex_constant(proto, "a constant")
    return constant(proto, "a constant")


def partial_shape(shape: Message) -> PartialShape:
    """A TensorShapeProto whose sizes may be unknown."""
    return None if shape.unknown_rank else tuple(None if d.size < 0 else d.size for d in shape.dim)


def _list(value: Message, frame: Frame, walk: Walk) -> Any:
    if value.s:
        return tuple(map(_text, value.s))
    if value.shape:
        return tuple(map(partial_shape, value.shape))
    if value.func:
        return Functions(Function(walk, frame, f.name, {}) for f in value.func)
    if value.tensor or value.type:
        raise UnsupportedModel("an attribute lists types or tensors")
    return tuple(value.i) or tuple(value.f) or tuple(value.b)


def _only_types(value: Message) -> bool:
    kind = value.WhichOneof("value")
    return kind in _TYPES or (kind == "list" and bool(value.list.type))


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise MalformedModel(f"attribute {data[:40]!r} is no text") from None
