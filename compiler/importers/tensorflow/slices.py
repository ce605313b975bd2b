"""Variables saved in slices: what a slice is, how text spells it, and under which key a checkpoint stores it.

Source: tensorflow/core/framework/tensor_slice.h, tensorflow/core/util/saved_tensor_slice_util.cc and
tensorflow/core/lib/strings/ordered_code.cc.
"""

from __future__ import annotations

from typing import TypeAlias

from isthmus.ir.errors import MalformedModel

Slice: TypeAlias = tuple[tuple[int, int], ...]
"""Start and length along each axis."""
_WHOLE = -1
"""A length that means: all from the start on."""


def parse_spec(text: str) -> tuple[tuple[int, ...], Slice] | None:
    """`"10 4 0,5:-"`: the whole variable's shape and the slice; None for "", which means all of it."""
    if not text:
        return None
    *sizes, spec = text.split(" ")
    extents = spec.split(":")
    try:
        shape = tuple(int(size) for size in sizes)
        pairs = [(0, size) if e == "-" else _pair(e) for e, size in zip(extents, shape, strict=True)]
    except ValueError:
        raise MalformedModel(f"{text[:80]!r} names no slice of a variable") from None
    return shape, within(shape, tuple(pairs))


def within(shape: tuple[int, ...], extents: Slice) -> Slice:
    """The extents in numbers; MalformedModel where they leave the shape."""
    found = tuple((a, n - a if length == _WHOLE else length) for (a, length), n in zip(extents, shape, strict=False))
    if len(extents) != len(shape) or any(a < 0 or c < 0 or a + c > n for (a, c), n in zip(found, shape, strict=True)):
        raise MalformedModel(f"slice {list(extents)} does not lie in {list(shape)}")
    return found


def stored_key(name: str, extents: Slice) -> bytes:
    """The key of one slice: an empty mark, the name and the extents in an encoding that sorts. -1 is a full axis."""
    parts = [_unsigned(0), name.encode().replace(b"\xff", b"\xff\x00").replace(b"\x00", b"\x00\xff"), b"\x00\x01"]
    parts.append(_unsigned(len(extents)))
    for start, length in extents:
        parts += [_signed(start), _signed(length)]
    return b"".join(parts)


def _pair(text: str) -> tuple[int, int]:
    start, length = text.split(",")
    return int(start), int(length)


def _unsigned(number: int) -> bytes:
    payload = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([len(payload)]) + payload


def _signed(number: int) -> bytes:
    """OrderedCode's signed numbers: as many leading ones (zeros if negative) as bytes, then the number."""
    size = 1
    while not -(1 << (7 * size - 1)) <= number < 1 << (7 * size - 1):
        size += 1
    bits = 8 * size
    value = number & ((1 << bits) - 1)
    header = ((1 << size) - 1) << (bits - size)
    return (value ^ header).to_bytes(size, "big")
