"""How what is not stored becomes memory: one kernel for formulas alone, or for pending work and what finishes it."""

from __future__ import annotations

from isthmus.backends.tvm import carriers
from isthmus.backends.tvm import schedule_default as loops
from isthmus.backends.tvm.api import turning
from isthmus.backends.tvm.bindings import Bindings
from isthmus.backends.tvm.fusion import coalesced, preferred_perm
from isthmus.backends.tvm.groups import Operand, generated
from isthmus.backends.tvm.kernels import Expr, Perm
from isthmus.backends.tvm.orders import logical, stored
from isthmus.backends.tvm.scope import KernelScope
from isthmus.backends.tvm.tensors import Formula, Index, Pending, Stored, leaves, root_of


def written(b: Bindings, tensor: Formula | Pending, perm: Perm | None, operand: Operand) -> Stored:
    """The tensor in memory; in the order `perm`, if that is given, where the kernel has no mind of its own.

    A kernel of the library has its operands stored first, through `operand`.
    """
    root = root_of(tensor)
    if root is None:
        assert isinstance(tensor, Formula)
        return _pointwise(b, tensor, perm or preferred_perm(tensor))
    made = generated(b, root, tensor, operand)
    return made if made is not None else _finished(b, root, tensor)


def relaid(b: Bindings, source: Stored, perm: Perm) -> Stored:
    """The same elements in another order of axes."""
    if source.constant is not None:
        return Stored(source.type, None, perm, source.constant)
    machine, extents = b.module.machine, stored(source.type.shape, perm)
    order, dtype = [source.perm.index(axis) for axis in perm], carriers.carrier(source.type.dtype)
    is_vector = b.module.generator is not None and machine.registers > 0
    if not is_vector or not turning.fits(extents, order, dtype, machine.lanes):
        return copied(b, source, perm)

    def turn(scope: KernelScope) -> None:
        sizes = [scope.size(d) for d in extents]
        turning.copy_transposed(scope.memory(source), scope.results[0], sizes, order, machine.lanes)

    return b.kernel([source], [(source.type, perm)], source.symbols, turn)[0]


def copied(b: Bindings, source: Stored, perm: Perm) -> Stored:
    """Other memory with the same elements."""
    copy = Formula(source.type, lambda scope, at: scope.read(source, at), (source,), source.symbols)
    return _pointwise(b, copy, perm)


def _pointwise(b: Bindings, formula: Formula, perm: Perm) -> Stored:
    operands = leaves(formula)
    shape = formula.type.shape
    merged = coalesced(formula, operands, perm)

    def body(scope: KernelScope) -> None:
        extents = [scope.size(shape[axis]) for axis in perm]
        kept = len(extents) - merged
        joined = [*extents[:kept], loops.volume(extents[kept:])] if merged else extents
        # along an axis of size 1, whatever stands in the index is read as 0
        walked = max((i for i in range(merged) if shape[perm[kept + i]] != 1), default=0)

        def element(place: list[Expr]) -> None:
            inside = [loops.int64(0)] * merged
            inside[walked : walked + 1] = place[kept:]
            at = logical([*place[:kept], *inside], perm)
            scope.store(0, formula.type, perm, at, scope.load(formula, at))

        loops.pointwise(joined, element, not formula.uses_libm)

    return b.kernel(operands, [(formula.type, perm)], formula.symbols, body)[0]


def _finished(b: Bindings, root: Pending, tensor: Formula | Pending) -> Stored:
    """By the default kernel of pending work."""
    perm = root.perm
    write, reads = root.prepare()
    operands = dict.fromkeys(leaf for each in (*reads, tensor) for leaf in leaves(each))
    used = tensor.symbols.union(root.symbols, *(each.symbols for each in operands))

    def body(scope: KernelScope) -> None:
        def deliver(at: Index, value: Expr) -> None:
            place = list(at)
            scope.give(root, place, value)
            scope.store(0, tensor.type, perm, place, scope.load(tensor, place))

        write(scope, deliver)

    return b.kernel(list(operands), [(tensor.type, perm)], used, body)[0]
