"""The seam to the kernel library: what one kernel's work is, and what a generator promises about the kernel it makes.

The emitter forms groups and asks `schedules.table.generator_for(group, machine)` for each. A `Kernel` is called by
`call_tir`; a `Refused` says why there is none, and the group takes the default path, with the reason in the report.

The function a kernel makes has these parameters, in order: a buffer for each operand of the anchor that is present,
stored as `Kernel.operands` says; the buffers of the tail (`Tail.buffers`); an int64 scalar for each of
`Sizes.parameters`; and last the result, stored as `Kernel.result` says, with elements of `Tail.dtype`. All functions
are private to the module: the emitter names them. Memory is promised to be aligned to its elements only: declare
buffers through `declare`, and tell LLVM nothing stronger.

Element types are carried as integers where TVM's own handling is not to be trusted: bf16 as "uint16", bool as "uint8"
(0 or 1). All others go by numpy's names. There are no 4-bit integers and 8-bit floats.

What else both sides rely on:
- Convolutions and pools say NHWC by `Kernel.result`; elementwise fusion and layouts are the emitter's.
- matmul and attention read what a `transpose` makes in the order of its operand (`Stored(perm)`): heads cost no copies.
- exp, log, erf, tanh and sigmoid in f32 are those of `schedules/mathfunctions.py`; `maths.py` forwards to them.
- `call_llvm_intrin` inside a vectorized loop is scalarized: a fused multiply-add is `schedules.write.fma`.
- A tail binds its values behind a `fence`: what compiles a kernel must end its passes with `fence.through_memory`.
- `schedules.ramps.bare_ramps` runs between FlattenBuffer and VectorizeLoop: without it every explicit vector is loaded
  and stored element by element.
- bf16 operands of linear, matmul and conv are multiplied in pairs (AVX-512 BF16) or tiles (AMX) where
  `Machine.features` has them. Constants are then `Packed` as int32; such kernels carry LLVM source in an attribute
  "pragma_import_llvm", and ask Linux for the tile unit themselves: loading them needs no preparation.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from isthmus.backends.base import Refused
from isthmus.backends.tvm.api import script
from isthmus.ir.dim import Dim, Symbol
from isthmus.ir.graph import Node, Value
from isthmus.ir.types import Array

Expr: TypeAlias = Any
"""A scalar TIR expression (`tvm.ir.Expr`); its dtype may have lanes."""

Buffer: TypeAlias = Any
"""A TIR buffer."""

PrimFunc: TypeAlias = Any
"""A `tvm.tirx.PrimFunc`."""

Perm: TypeAlias = tuple[int, ...]
"""How a tensor is stored: its logical axes from the outermost in memory to the innermost. Row-major is 0, 1, 2, ...;
a tensor [N, C, H, W] in NHWC is (0, 2, 3, 1)."""


@dataclass(frozen=True)
class Machine:
    """The processor that kernels are generated for."""

    lanes: int
    """f32 elements in a vector register: 16 with AVX-512, 8 with AVX2, 4 else."""
    registers: int
    """Vector registers."""
    threads: int
    """Threads that parallel loops are split over."""
    features: frozenset[str]
    """What LLVM calls the processor's features: "fma", "avx512bf16", "avx512vnni", "amx-bf16", ..."""
    caches: tuple[int, int, int] = (32 << 10, 1 << 20, 16 << 20)
    """Bytes of the first, second and third level, per core."""


@dataclass(frozen=True)
class Group:
    """What one kernel computes: an anchor, and elementwise nodes of one result each that follow it in a chain.

    Each node of the tail takes the result of the one before it (or of the anchor) and other values that broadcast to
    that result's shape; all results have the anchor's shape.
    """

    anchor: Node
    tail: tuple[Node, ...] = ()
    perm: Perm | None = None
    """How the result had best be stored; None is row-major. Kernels without a mind of their own (elementwise, pooling,
    reductions, layouts) follow it, and read operands of the result's rank in the same order, others row-major."""

    @property
    def result(self) -> Value:
        """What the group computes."""
        return (self.tail[-1] if self.tail else self.anchor).results[0]


class Tail(Protocol):
    """What becomes of each element of the anchor's result before it is stored."""

    @property
    def key(self) -> Hashable:
        """Equal for tails that do the same to equally stored operands."""

    @property
    def dtype(self) -> str:
        """The element type that is stored."""

    @property
    def buffers(self) -> Sequence[tuple[tuple[Dim, ...], str]]:
        """Shape and element type of each further operand to declare after the anchor's, in order."""

    def __call__(self, value: Expr, at: Sequence[Expr], buffers: Sequence[Buffer]) -> Expr:
        """What is stored at the logical index `at` of the anchor's result.

        `value` is the anchor's element in the type it is computed in (f32 for all narrow floats) and scalar: call this
        inside a vectorized loop. `buffers` are those declared for `Tail.buffers`. With no tail it only converts.
        """


class Sizes(Protocol):
    """The sizes of one kernel, where symbols stand for what a call brings."""

    @property
    def parameters(self) -> Sequence[Any]:
        """A TIR variable (int64) for each symbol of the group, to be declared before the result."""

    def __call__(self, dim: Dim) -> int | Expr:
        """A dimension: a number, or an int64 expression over the parameters."""


@dataclass(frozen=True)
class Stored:
    """An operand whose elements the kernel reads as they are, stored in this order of axes."""

    perm: Perm


@dataclass(frozen=True)
class Packed:
    """A constant operand in a form of the kernel's own: what is bound in its place, C-contiguous, of any shape."""

    make: Callable[[Array], Array]


@dataclass(frozen=True)
class Kernel:
    """What a generator offers for a group."""

    key: Hashable
    """Groups with equal keys, equal tails and equal symbols share one function."""
    function: Callable[[Tail, Sizes], PrimFunc]
    """Writes the function, by `tvm.script.ir_builder`. Called once for each key, tail and symbols."""
    operands: tuple[Stored | Packed, ...]
    """One for each operand of the anchor that is present."""
    result: Perm
    """How the result is stored."""
    title: str = ""
    """What it is, for the report: "conv2d 14x32"."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Further facts for the report and for tests."""


Offer: TypeAlias = Kernel | Refused
Generator: TypeAlias = Callable[[Group, Machine], Offer]
"""What `schedules.table.generator_for` is."""


def offered(table: Mapping[str, Sequence[Generator]], group: Group, machine: Machine) -> Offer:
    """What the first of an op's generators that does not refuse makes, or every reason why none does."""
    reasons: list[str] = []
    for generator in table.get(group.anchor.op.name, ()):
        offer = generator(group, machine)
        if not isinstance(offer, Refused):
            return offer
        reasons.append(offer.reason)
    return Refused("; ".join(dict.fromkeys(reasons)) or f"no generator writes {group.anchor.op.name}")


def symbols_of(group: Group) -> tuple[Symbol, ...]:
    """Every symbol in the types of what the group reads and makes, by name: the order of `Sizes.parameters`."""
    found: set[Symbol] = set()
    for node in (group.anchor, *group.tail):
        for value in (*node.inputs, *node.results):
            found |= value.type.symbols()
    return tuple(sorted(found, key=lambda s: s.name))


def declare(name: str, shape: Sequence[int | Expr], dtype: str) -> Buffer:
    """A buffer parameter of the function being written, aligned to its elements."""
    width = int("".join(c for c in dtype if c.isdigit())) // 8
    return script.match_buffer(script.arg(name, script.handle()), list(shape), dtype, align=width)
