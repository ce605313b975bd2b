"""What goes into an exported program and what comes out: names, symbols, weights and state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from isthmus.compiler.importers.shapes import Symbols, merge_shape
from isthmus.compiler.importers.torch.sizes import Sizes
from isthmus.ir.dim import Dim, as_symbol, bounds, floordiv, symbol
from isthmus.ir.errors import BadInput, UnsupportedModel

Asked = Mapping[str, tuple[Dim | None, ...]]
"""Dimensions a user wants, by the name of a placeholder."""


def user_inputs(program: Any) -> list[Any]:
    """The placeholders that callers give, in order."""
    names = {spec.arg.name for spec in program.graph_signature.input_specs if spec.kind.name == "USER_INPUT"}
    return [node for node in program.graph.nodes if node.op == "placeholder" and node.name in names]


def symbols_of(program: Any, asked: Asked) -> Sizes:
    """A dimension for each of torch's symbols: what the user asks for, else what the exporter called it.

    BadInput where the user asks for what the program does not allow.
    """
    taken = Symbols()
    for dims in asked.values():
        for dim in dims:
            if dim is not None and (named := as_symbol(dim)) is not None:
                taken.reserve(named.name)
    sizes = Sizes()
    names = _names_of_symbols(program)
    tensors = [node for node in user_inputs(program) if isinstance(node.meta["val"], torch.Tensor)]
    for plain in (True, False):  # s before 8 * s
        for node in tensors:
            shape = tuple(node.meta["val"].shape)
            wanted = asked.get(node.name, (None,) * len(shape))
            if len(wanted) != len(shape):
                raise BadInput(f"input {node.name!r} has rank {len(shape)} in the model, not {len(wanted)}")
            for axis, (have, want) in enumerate(zip(shape, wanted, strict=True)):
                place = f"dimension {axis} of input {node.name!r}"
                if isinstance(have, int):
                    _check_fixed(have, want, place)
                elif bool(have.node.expr.is_Symbol) == plain:
                    _define(sizes, have.node.expr, want, program, names, taken, place)
    return sizes


def input_dims(node: Any, sizes: Sizes, asked: Asked) -> tuple[Dim, ...]:
    """The shape of a user's tensor input: what was asked for, else what torch says."""
    shape = sizes.shape(node.meta["val"])
    wanted = asked.get(node.name)
    return shape if wanted is None else merge_shape(node.name, wanted, shape, Symbols())


def output_names(program: Any) -> list[str]:
    """Names for what a caller gets, in order: keys and positions within the structure that forward returns."""
    spec = program.call_spec.out_spec
    count = spec.num_leaves
    tree = torch.utils._pytree.tree_unflatten(range(count), spec)
    if isinstance(tree, int):
        return ["output"]
    paths, _ = torch.utils._pytree.tree_flatten_with_path(tree)
    found = ["_".join(_key_text(key) for key in path) for path, _ in paths]
    return [f"output_{name}" if name[:1].isdigit() else name for name in found]


def _key_text(key: Any) -> str:
    for attribute in ("key", "idx", "name"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


def _check_fixed(have: int, want: Dim | None, place: str) -> None:
    if want is not None and want != have:
        raise BadInput(
            f"{place} is {have} in the exported program, not {want}",
            hint="export it with dynamic_shapes, or give the module itself",
        )


def _define(
    sizes: Sizes, expr: Any, want: Dim | None, program: Any, names: Mapping[Any, str], taken: Symbols, place: str
) -> None:
    roots = sorted(expr.free_symbols, key=str)
    if expr.is_Symbol:
        if sizes.knows(expr):
            return
        sizes.define(expr, _fresh(expr, program, names, taken) if want is None else _within(expr, want, program, place))
        return
    unknown = [each for each in roots if not sizes.knows(each)]
    if want is not None and len(unknown) == 1 and (solved := _solved(expr, unknown[0], want)) is not None:
        sizes.define(unknown[0], solved)
    for each in unknown:
        if not sizes.knows(each):
            sizes.define(each, _fresh(each, program, names, taken))


def _solved(expr: Any, root: Any, size: Dim) -> Dim | None:
    """`root` where expr = a * root + c is `size`."""
    coefficients = expr.as_poly(root)
    if coefficients is None or coefficients.degree() != 1:
        return None
    factor, offset = coefficients.all_coeffs()
    return floordiv(size - int(offset), int(factor)) if factor.is_Integer and offset.is_Integer else None


def _fresh(expr: Any, program: Any, names: Mapping[Any, str], taken: Symbols) -> Dim:
    made = as_symbol(taken.fresh(names.get(expr, str(expr))))
    assert made is not None
    low, high = _range(expr, program)
    return symbol(made.name, max(low, 1), high)


def _within(expr: Any, want: Dim, program: Any, place: str) -> Dim:
    low, high = _range(expr, program)
    least, most = bounds(want)
    too_small = least is not None and least < low and (low > 2 or isinstance(want, int))  # torch says 2 for "any"
    if too_small or (high is not None and (most is None or most > high)):
        raise BadInput(
            f"{place} may be {low}..{'' if high is None else high} in the exported program, not {want}",
            hint="ask for less, or export the program for more",
        )
    return want


def _range(expr: Any, program: Any) -> tuple[int, int | None]:
    found = program.range_constraints.get(expr)
    if found is None:
        return 1, None
    low = int(found.lower) if found.lower.is_Integer else 1
    high = int(found.upper) if found.upper.is_Integer and found.upper < 1 << 40 else None
    return low, high


def _names_of_symbols(program: Any) -> dict[Any, str]:
    """What the exporting user called each symbol, where the program still knows."""
    found: dict[Any, str] = {}
    for node in user_inputs(program):
        value = node.meta["val"]
        for size in value.shape if isinstance(value, torch.Tensor) else ():
            if not isinstance(size, int):
                environment = size.node.shape_env
                sources = getattr(environment, "source_to_var", {})
                called = getattr(environment, "source_name_to_debug_name", {})
                for source, expr in sources.items():
                    if str(source) in called:
                        found.setdefault(expr, called[str(source)])
    return found


def constant_argument(spec: Any) -> Any:
    """The value of an input that is fixed in the program. UnsupportedModel for sizes given as numbers."""
    if type(spec.arg).__name__ != "ConstantArgument":
        raise UnsupportedModel(
            f"input {spec.arg.name!r} is a number that varies", hint="pass it as a tensor, or fix it while exporting"
        )
    return spec.arg.value


def check_names(asked: Sequence[str], program: Any) -> None:
    """BadInput where `inputs=` names an input the program does not have."""
    names = [node.name for node in user_inputs(program)]
    if unknown := [name for name in asked if name not in names]:
        raise BadInput(f"the program has no input {unknown[0]!r}", hint=f"its inputs are: {', '.join(names)}")
