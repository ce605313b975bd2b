"""Writes what is derived: the op reference, support matrix, error codes, the builder's method stubs, TVM's kernels.

Run as `python docs/generate.py`; `python docs/generate.py --check` only says whether the files are current.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from docs.kernel_table import PAGE, kernel_page
from docs.support_matrix import support_matrix
from isthmus.ir import errors, ops
from isthmus.ir.constant import Constant
from isthmus.ir.dim import Dim
from isthmus.ir.op import Attribute, Op
from isthmus.ir.precision import Policy
from isthmus.ir.types import DType

ROOT = Path(__file__).resolve().parent.parent


def annotation_text(annotation: Any) -> str:
    """An attribute's annotation as one writes it."""
    if annotation == Dim:
        return "Dim"
    if annotation in (Constant, DType, int, float, bool, str):
        return str(annotation.__name__)
    parts = get_args(annotation)
    if get_origin(annotation) is tuple:
        return f"tuple[{', '.join('...' if part is Ellipsis else annotation_text(part) for part in parts)}]"
    if str(annotation).startswith("typing.Literal"):
        return f"Literal[{', '.join(map(_quoted, parts))}]"
    return " | ".join("None" if part is type(None) else annotation_text(part) for part in parts)


def signature(op: Op) -> str:
    """The op's schema in one line: operands, a star, attributes and regions."""
    operands = [_operand_text(op, i) for i in range(len(op.operands))]
    keywords = [_attribute_text(a) for a in op.attributes.values()] + [f"{r}: Region" for r in op.regions]
    return f"{op.name}({', '.join(operands + (['*', *keywords] if keywords else []))})"


def op_reference() -> str:
    """docs/ops.md: every op by family."""
    lines = ["# The op table", "", f"Generated from `ir/ops` by `make docs`: {len(ops.TABLE)} ops.", ""]
    lines += ["Where nothing else is said, an op's [precision](precision.md) follows that of its operands.", ""]
    for family in ops.FAMILIES:
        rows = [op for op in ops.TABLE.values() if op.family == family.__name__.rpartition(".")[2]]
        lines += [f"## {rows[0].family}", "", inspect.cleandoc(family.__doc__ or ""), ""]
        for op in rows:
            traits = ", ".join(sorted(t.name.lower() for t in op.traits))
            note = f" *{traits}*" if traits else ""
            lines += [f"### {op.name}", "", "```text", signature(op), "```", "", f"{op.doc}{note}", ""]
            if (precision := _precision_text(op)) is not None:
                lines += [precision, ""]
    return "\n".join(lines)


def _precision_text(op: Op) -> str | None:
    """The row's precision policy, unless it is the common one."""
    policy, reason = op.precision.policy, op.precision.reason
    if policy is Policy.FOLLOW:
        return None
    only = " (f16 only)" if op.precision.range_only else ""
    return f"Precision: {policy.value}{only}" + (f": {reason}." if reason else ".")


def method_stubs() -> str:
    """ir/op_methods.pyi: the builder's methods as type checkers and editors see them."""
    lines = [
        '"""Generated from the op table by `make docs`; do not edit."""',
        "",
        "from typing import Literal",
        "",
        "from isthmus.ir.builder import Liftable",
        "from isthmus.ir.dim import Dim",
        "from isthmus.ir.graph import Graph, Value",
        "from isthmus.ir.types import DType",
        "",
        "class OpMethods:",
    ]
    for op in ops.TABLE.values():
        if op.name != "const" and op.name != "dims":
            lines.append(_stub(op))
    return "\n".join(lines) + "\n"


def _stub(op: Op) -> str:
    parameters = ["self"]
    for operand in op.operands:
        optional = operand.optional
        kind = "Liftable | None" if optional else "Liftable"
        parameters.append(f"{'*' * operand.variadic}{operand.name}: {kind}{' = None' if optional else ''}")
    if not (op.operands and op.operands[-1].variadic):
        parameters.append("*")
    parameters += [_attribute_text(a) for a in op.attributes.values()]
    parameters += [f"{region}{'_' if region == 'else' else ''}: Graph" for region in op.regions]
    parameters.append('name: str = ""')
    method = f"{op.name}_" if op.name == "if" else op.name
    result = "tuple[Value, ...]" if op.several else "Value"
    return f"    def {method}({', '.join(parameters)}) -> {result}: ..."


def _operand_text(op: Op, index: int) -> str:
    operand = op.operands[index]
    star, default = "*" * operand.variadic, " = None" if operand.optional else ""
    return f"{star}{operand.name}: {operand.among.name.capitalize()}{default}"


def _attribute_text(attribute: Attribute) -> str:
    default = "" if attribute.required else f" = {_quoted(attribute.default)}"
    return f"{attribute.name}: {annotation_text(attribute.annotation)}{default}"


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def error_reference() -> str:
    """docs/errors.md: every error code."""
    told = (kind for kind in _kinds(errors.IsthmusError) if kind.__module__ == errors.__name__)
    kinds = sorted(told, key=lambda kind: kind.code)
    rows = [f"| {k.code} | `{k.__name__}` | {inspect.cleandoc(k.__doc__ or '').splitlines()[0]} |" for k in kinds]
    head = ["# Error codes", "", "Generated from `ir/errors.py` by `make docs`. Codes never change.", ""]
    return "\n".join([*head, "| code | class | meaning |", "|---|---|---|", *rows]) + "\n"


def _kinds(kind: type[errors.IsthmusError]) -> Iterator[type[errors.IsthmusError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _kinds(each)


FILES = {
    ROOT / "docs" / "ops.md": op_reference,
    ROOT / "docs" / "errors.md": error_reference,
    ROOT / "docs" / "support.md": support_matrix,
    PAGE: kernel_page,
    ROOT / "ir" / "op_methods.pyi": method_stubs,
}


def main() -> int:
    """Write the files, or with --check report those that are out of date."""
    stale = [path for path, make in FILES.items() if not path.exists() or path.read_text() != make()]
    for path in stale:
        print(f"{'out of date' if '--check' in sys.argv else 'wrote'}: {path.relative_to(ROOT)}")
        if "--check" not in sys.argv:
            path.write_text(FILES[path]())
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
