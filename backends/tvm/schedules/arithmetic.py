"""What one step of a product multiplies and adds in each lane: two f32 numbers, or two pairs of bf16 ones.

AVX-512 BF16 multiplies 32 pairs of bf16 numbers at once and adds each lane's two products to its f32 sum, so a step
takes two elements of the inner size. Its sums are rounded to nearest like any f32 sum's; only numbers below 1.2e-38
count as zero. The code generator has no bf16 type: operands travel as int32 and meet the instruction in a function of
LLVM's own language, which is inlined wherever it is called.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from isthmus.backends.tvm.kernels import Expr, Machine
from isthmus.backends.tvm.schedules.write import fma, widened
from isthmus.ir.types import DType
from tvm import tirx
from tvm.tirx.script import builder as tir

_DOT = "isthmus_dot_bf16"
_DOT_SOURCE = f"""
declare <16 x float> @llvm.x86.avx512bf16.dpbf16ps.512(<16 x float>, <32 x bfloat>, <32 x bfloat>)

define linkonce_odr <16 x float> @{_DOT}(<16 x float> %sum, <16 x i32> %a, <16 x i32> %b) #0 {{
  %left = bitcast <16 x i32> %a to <32 x bfloat>
  %right = bitcast <16 x i32> %b to <32 x bfloat>
  %made = call <16 x float> @llvm.x86.avx512bf16.dpbf16ps.512(<16 x float> %sum, <32 x bfloat> %left, <32 x bfloat> %right)
  ret <16 x float> %made
}}

attributes #0 = {{ alwaysinline nounwind memory(none) "target-features"="+avx512f,+avx512bf16" }}
"""  # noqa: E501


@dataclass(frozen=True)
class Arithmetic:
    """How a product's operands lie in lanes, and what is done to them."""

    depth: int
    """Elements of the inner size that a step takes."""
    operand: str
    """The element type of a lane of either operand."""

    @property
    def label(self) -> str:
        """What titles say about it."""
        return " bf16" if self.depth == 2 else ""

    def lanes_of(self, stored: Expr, dtype: DType) -> Expr:
        """Stored elements, `depth` for each lane, as an operand."""
        if self.depth == 1:
            return widened(stored, dtype)
        count = int(str(stored.ty.dtype).partition("x")[2]) // self.depth
        return tir.reinterpret(self.operand if count == 1 else f"{self.operand}x{count}", stored)

    def multiply_add(self, a: Expr, b: Expr, total: Expr) -> Expr:
        """a * b + total in every lane of f32; stands only where `declared` does."""
        if self.depth == 1:
            return fma(a, b, total)
        return tir.call_pure_extern(str(total.ty.dtype), _DOT, total, a, b)

    @contextmanager
    def declared(self) -> Iterator[None]:
        """The body of a kernel that multiplies in this way."""
        if self.depth == 1:
            yield
            return
        with tir.attr(tirx.const(0, "int32"), "pragma_import_llvm", _DOT_SOURCE):
            yield


FLOAT = Arithmetic(1, "float32")
"""Narrow floats are widened as they are read."""

PAIRS = Arithmetic(2, "int32")
"""Two neighbouring bf16 elements a lane."""


def arithmetic(dtype: DType, run: int, machine: Machine) -> Arithmetic:
    """The fastest there is for elements that lie `run` in a row: pairs need an even number."""
    has_pairs = machine.lanes == 16 and "avx512bf16" in machine.features
    return PAIRS if has_pairs and dtype.name == "bf16" and run % 2 == 0 else FLOAT
