"""Lookup tables from integers, whose contents stand in the file."""

from __future__ import annotations

from collections.abc import Iterator

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow.frame import Frame, Link, TfBuilder
from isthmus.compiler.importers.tensorflow.operands import Operand, Table, Text
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import I64

_IMPORTS = ("LookupTableImportV2", "LookupTableImport", "InitializeTableV2", "InitializeTable")
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_MOST_ENTRIES = 1 << 16


@lowers("HashTableV2", "HashTable")
def hash_table(b: TfBuilder) -> Table:
    """The table as the file's own initialisers fill it."""
    for frame, keys, values in _imports(b):
        found = [b.frame.scope.admit(b.walk.ask(frame, text)) for text in (keys, values)]
        return _table(*found)
    raise UnsupportedModel(f"nothing in the file fills lookup table {b.node.name!r}")


@lowers("LookupTableFindV2", "LookupTableFind")
def find(b: TfBuilder, table: Table, keys: Value, default: Value) -> Value:
    """The value beside the key, or the default."""
    axis = keys.rank
    same = b.equal(b.reshape(keys, shape=(*keys.shape, 1)), table.keys)
    place = b.argmax(b.cast(same, dtype=I64), axis=axis)
    return b.where(b.reduce_any(same, axes=(axis,)), b.gather(table.values, place, axis=0), default)


@lowers("LookupTableSizeV2", "LookupTableSize")
def size(b: TfBuilder, table: Table) -> Value:
    return b.reshape(b.dims(table.keys.shape), shape=())


def _imports(b: TfBuilder) -> Iterator[tuple[Frame, str, str]]:
    """Frame, keys and values of each op that fills the table: in the main graph, or in functions it is given to."""
    main = b.walk.main
    for node in main.body.nodes.values():
        inputs = [text for text in node.input if not text.startswith("^")]
        if node.op in _IMPORTS and len(inputs) == 3 and _is(b, main, inputs[0]):
            yield main, inputs[1], inputs[2]
        elif node.op in _CALLS and any(_is(b, main, text) for text in inputs):
            frame = b.walk.called_by(main, node)
            for inner in frame.body.nodes.values():
                texts = [text for text in inner.input if not text.startswith("^")]
                if inner.op in _IMPORTS and len(texts) == 3 and _is(b, frame, texts[0]):
                    yield frame, texts[1], texts[2]


def _is(b: TfBuilder, frame: Frame, text: str) -> bool:
    found = b.walk.locate(frame, text)
    return isinstance(found, tuple) and not isinstance(found, Link) and found.node == b.node.name


def _table(keys: Operand, values: Operand) -> Table:
    if isinstance(keys, Text) or isinstance(values, Text):
        raise UnsupportedModel("a lookup table of strings", hint="look strings up before the model")
    if not isinstance(keys, Value) or not isinstance(values, Value) or keys.constant is None:
        raise UnsupportedModel("a lookup table whose contents are computed")
    count = keys.type.numel()
    if keys.rank != 1 or not isinstance(count, int) or count > _MOST_ENTRIES or not keys.dtype.is_integer:
        raise UnsupportedModel(f"a lookup table with keys {keys.type}", hint="use a gather")
    return Table(keys, values)
