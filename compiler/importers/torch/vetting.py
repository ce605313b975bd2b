"""What a serialized graph may say: checked before torch's deserializer, which would evaluate or call it, sees it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

from isthmus.compiler.importers.base import unsupported_ops
from isthmus.ir.errors import MalformedModel, UnsupportedModel

_OPS = re.compile(r"torch\.ops\.(aten|higher_order|prims|quantized_decomposed|torchvision)\.\w+(\.\w+)?")
_SCALAR_NAMES = (
    "_operator.getitem _operator.add _operator.sub _operator.mul _operator.floordiv _operator.truediv _operator.mod"
    " _operator.neg _operator.pos _operator.pow _operator.eq _operator.ne _operator.lt _operator.le _operator.gt"
    " _operator.ge _operator.and_ _operator.or_ _operator.not_ _operator.is_ _operator.is_not _operator.lshift"
    " _operator.rshift math.ceil math.floor math.trunc math.sqrt torch.sym_int torch.sym_float torch.sym_max"
    " torch.sym_min torch.sym_not torch.sym_ite torch.sym_sum torch.sym_sqrt torch._sym_sqrt"
)
_SCALAR_CODE = frozenset(_SCALAR_NAMES.split())
_FUNCTION_NAMES = (
    "FloorDiv ModularIndexing Where PythonMod Mod CleanDiv CeilToInt FloorToInt CeilDiv LShift RShift PowByNatural"
    " FloatPow FloatTrueDiv IntTrueDiv TruncToFloat TruncToInt RoundToInt RoundDecimal ToFloat Identity"
    " Min Max Eq Ne Lt Le Gt Ge And Or Not Add Mul Pow Integer Float Rational floor ceiling"
    " Equality Unequality StrictLessThan LessThan StrictGreaterThan GreaterThan"
)
_FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
_SYMBOL = re.compile(r"[a-z]{1,3}\d{1,6}")
_KEPT_METADATA = ("nn_module_stack", "stack_trace")
_MAX_TEXT = 4096
_LARGEST = 1 << 63
_LARGEST_POWER = 64


def vet_graph(program: Any) -> bool:
    """Check a serialized program in place, and take out of it what importing does not need.

    Whether it calls torchvision's ops. UnsupportedOps lists every target that is no op of torch or torchvision;
    MalformedModel for sizes that are no arithmetic.
    """
    _check_targets(program)
    for text in _texts(program):
        _check_size(text)
    for name in program.get("range_constraints", {}):
        if not _SYMBOL.fullmatch(name):
            _check_size(name)
    program["guards_code"] = []
    module = program["graph_module"]
    module["module_call_graph"] = [entry for entry in module["module_call_graph"] if entry["fqn"] == ""]
    for entry in module["module_call_graph"]:
        signature = entry["signature"]
        for key in ("in_spec", "out_spec"):
            signature[key] = _plain_structure(signature[key])
    return any(node["target"].startswith("torch.ops.torchvision.") for node in _nodes(program))


def _check_targets(program: Any) -> None:
    unknown: dict[str, list[str]] = {}
    for node in _nodes(program):
        target = node["target"]
        if not isinstance(target, str) or not (_OPS.fullmatch(target) or target in _SCALAR_CODE):
            unknown.setdefault(str(target)[:80], []).append(str(node.get("name") or "a node"))
        metadata = node.get("metadata") or {}
        node["metadata"] = {key: metadata[key] for key in _KEPT_METADATA if key in metadata}
    if unknown:
        raise unsupported_ops(unknown)


def _nodes(part: Any) -> Iterator[Any]:
    for each in _dicts(part):
        if "target" in each and "inputs" in each and "outputs" in each:
            yield each


def _texts(part: Any) -> Iterator[Any]:
    for each in _dicts(part):
        if "expr_str" in each:
            yield each["expr_str"]


def _dicts(part: Any) -> Iterator[Any]:
    pending = [part]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            yield each
            pending.extend(each.values())
        elif isinstance(each, list):
            pending.extend(each)


def _check_size(text: Any) -> None:
    """A size is arithmetic over symbols, numbers and known functions; anything else would be run by Python."""
    if not isinstance(text, str) or len(text) > _MAX_TEXT:
        raise MalformedModel("a symbolic size that is no text, or too long")
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise MalformedModel(f"a symbolic size is no expression: {text[:80]!r}") from None
    if not _is_arithmetic(tree):
        raise MalformedModel(f"a symbolic size is more than arithmetic: {text[:80]!r}")


def _is_arithmetic(node: ast.AST) -> bool:
    match node:
        case ast.Name(id=name):
            return _SYMBOL.fullmatch(name) is not None or name in ("True", "False", "int_oo", "oo")
        case ast.Constant(value=bool()):
            return True
        case ast.Constant(value=int() | float() as number):
            return abs(number) <= _LARGEST
        case ast.BinOp(left=base, op=ast.Pow(), right=ast.Constant(value=int() as power)):
            return 0 <= power <= _LARGEST_POWER and _is_arithmetic(base)
        case ast.BinOp(
            left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.FloorDiv() | ast.Mod(), right=right
        ):
            return _is_arithmetic(left) and _is_arithmetic(right)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Invert(), operand=operand):
            return _is_arithmetic(operand)
        case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr(), right=right):
            return _is_arithmetic(left) and _is_arithmetic(right)
        case ast.Compare(left=left, comparators=others):
            return all(map(_is_arithmetic, (left, *others)))
        case ast.Call(func=ast.Name(id="Symbol"), args=[ast.Constant(value=str() as name)], keywords=assumed):
            flags = all(isinstance(k.value, ast.Constant) and isinstance(k.value.value, bool) for k in assumed)
            return flags and _SYMBOL.fullmatch(name) is not None
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            powers = name not in ("Pow", "PowByNatural", "FloatPow") or _is_small_power(args)
            return name in _FUNCTIONS and powers and all(map(_is_arithmetic, args))
    return False


def _is_small_power(args: list[ast.expr]) -> bool:
    power = args[-1] if args else None
    if isinstance(power, ast.Call) and isinstance(power.func, ast.Name) and power.func.id == "Integer" and power.args:
        power = power.args[0]
    return isinstance(power, ast.Constant) and isinstance(power.value, int) and 0 <= power.value <= _LARGEST_POWER


def _plain_structure(text: Any) -> str:
    """A structure of inputs or outputs by tuples, lists and dicts only: other types name modules to import."""
    protocol, tree = json.loads(text)
    return json.dumps([protocol, _plain(tree, 0)])


def _plain(node: Any, depth: int) -> Any:
    if depth > 64:
        raise UnsupportedModel("inputs or outputs nest too deeply")
    children = [_plain(child, depth + 1) for child in node["children_spec"]]
    kind, context = node["type"], node["context"]
    if kind is None:
        return {"type": None, "context": None, "children_spec": []}
    keys = json.loads(context) if isinstance(context, str) else context
    named = isinstance(keys, list) and len(keys) == len(children) and all(isinstance(key, str) for key in keys)
    if kind in ("builtins.tuple", "builtins.list"):
        return {"type": kind, "context": "null", "children_spec": children}
    if named:
        return {"type": "builtins.dict", "context": json.dumps(keys), "children_spec": children}
    return {"type": "builtins.list", "context": "null", "children_spec": children}
