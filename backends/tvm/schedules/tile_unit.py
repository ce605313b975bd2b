"""The processor's tile unit (AMX): eight registers of 16 rows of 64 bytes, and a product of two of them.

A dot takes a tile of 16 rows of 32 bf16 numbers and one of 16 rows of 16 pairs, and adds 16 x 16 sums of 32 products to
a tile of f32. Instructions name their tiles by constants. A thread configures the unit before use and releases it
after, and Linux lets a process use it only once it has asked.

Definition: Intel Architecture Instruction Set Extensions Programming Reference, chapter "Intel AMX instruction set".
"""

from __future__ import annotations

from isthmus.backends.tvm.kernels import Buffer, Expr
from isthmus.backends.tvm.schedules.write import scratch, store
from tvm import tirx
from tvm.tirx.script import builder as tir

FEATURES = frozenset(("amx-tile", "amx-bf16"))
"""What LLVM calls the unit and its bf16 product."""

SIDE = 16
"""Rows of a tile; elements of a row of f32 or of pairs."""

PERMISSION = (158, 0x1023, 18)
"""arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) on x86-64 Linux: 0 where the unit may be used."""

_TILES = 8


class TileUnit:
    """Writes the unit's instructions. Memory is flat: an offset and the distance of rows are counted in elements."""

    def configure(self) -> None:
        """All tiles have their full size from here on, in this thread."""
        tir.evaluate(tir.call_extern("int64", "syscall", *(tir.int64(number) for number in PERMISSION)))
        layout = scratch((64,), "uint8")
        store(layout, tirx.const(0, "uint8x64"), [0], 64)
        layout_of = [1, 0], [64, 0] * _TILES, [SIDE] * _TILES
        for start, numbers in zip((0, 16, 48), layout_of, strict=True):
            for i, number in enumerate(numbers):
                tir.buffer_store(layout, tir.uint8(number), [start + i])
        _call("ldtilecfg", tir.address_of(layout[0]))

    def release(self) -> None:
        """Give the unit back: a thread that holds it is slower to switch to and from."""
        _call("tilerelease")

    def zero(self, tile: int) -> None:
        """A tile of zeros."""
        _call("tilezero", tir.int8(tile))

    def load(self, tile: int, memory: Buffer, offset: Expr, stride: int) -> None:
        """A tile's rows from memory."""
        _call("tileloadd64", tir.int8(tile), tir.address_of(memory[offset]), _bytes(memory, stride))

    def dot(self, total: int, left: int, right: int) -> None:
        """total[m, n] += left[m, 2k] * right[k, 2n] + left[m, 2k + 1] * right[k, 2n + 1], over all k."""
        _call("tdpbf16ps", *(tir.int8(tile) for tile in (total, left, right)))

    def store(self, tile: int, memory: Buffer, offset: int, stride: int) -> None:
        """A tile's rows to memory."""
        _call("tilestored64", tir.int8(tile), tir.address_of(memory[offset]), _bytes(memory, stride))


def _bytes(memory: Buffer, elements: int) -> Expr:
    bits = int("".join(c for c in str(memory.ty.dtype) if c.isdigit()))
    return tir.int64(elements * bits // 8)


def _call(name: str, *arguments: Expr) -> None:
    tir.evaluate(tir.call_llvm_intrin("void", f"llvm.x86.{name}", *arguments))
