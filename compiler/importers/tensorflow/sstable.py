"""Sorted string tables: the file format of a checkpoint's index.

Source: leveldb's doc/table_format.md and tensorflow/core/lib/io/table_format.txt. A file is blocks of sorted entries,
a block that says where the blocks lie, and a footer of 48 bytes. TensorFlow has written index blocks uncompressed
since 1.2.
"""

from __future__ import annotations

from collections.abc import Iterator

from isthmus.ir.errors import MalformedModel, UnsupportedModel

_FOOTER = 48
_MAGIC = bytes.fromhex("57fb808b247547db")
_TRAILER = 5
"""After each block stand its compression (one byte) and a checksum."""
_LONGEST_KEYS = 64
"""All keys together are at most so many times as long as the file, which leaves out what a key shares with the last."""


def read_table(data: bytes) -> dict[bytes, bytes]:
    """Every key with its value. MalformedModel for what is no table, UnsupportedModel for compressed blocks."""
    if len(data) < _FOOTER or data[-8:] != _MAGIC:
        raise MalformedModel("no checkpoint index, or a truncated one")
    footer = data[-_FOOTER:]
    _, at = _handle(footer, 0)
    index, _ = _handle(footer, at)
    found: dict[bytes, bytes] = {}
    unread, room = len(data), _LONGEST_KEYS * len(data)
    for _, handle in _entries(_block(data, *index)):
        place, _ = _handle(handle, 0)
        block = _block(data, *place)
        unread -= len(block) + _TRAILER
        if unread < 0:
            raise MalformedModel("blocks of the checkpoint index lie on top of each other")
        for key, value in _entries(block):
            room -= len(key)
            if room < 0:
                raise MalformedModel("the checkpoint index names more than it holds")
            found[key] = value
    return found


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    offset, at = _varint(data, at)
    size, at = _varint(data, at)
    return (offset, size), at


def _block(data: bytes, offset: int, size: int) -> bytes:
    if offset + size + _TRAILER > len(data):
        raise MalformedModel("the checkpoint index points behind its own end")
    if data[offset + size] != 0:
        raise UnsupportedModel(
            "the checkpoint index is compressed, as before TensorFlow 1.2", hint="save the checkpoint again"
        )
    return data[offset : offset + size]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of each entry; a key is stored without the prefix it shares with the one before."""
    if len(block) < 4:
        raise MalformedModel("a block of the checkpoint index is too short")
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 - 4 * restarts
    if end < 0:
        raise MalformedModel("a block of the checkpoint index is too short")
    at, key = 0, b""
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        if shared > len(key) or at + own + length > end:
            raise MalformedModel("an entry of the checkpoint index does not fit its block")
        key = key[:shared] + block[at : at + own]
        at += own
        yield key, block[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64 and at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise MalformedModel("the checkpoint index holds a number that does not end")
