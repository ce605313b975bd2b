"""What a program is: types, ops, graphs, their text and their meaning."""

from isthmus.ir.builder import Builder
from isthmus.ir.compare import difference
from isthmus.ir.constant import Constant
from isthmus.ir.contents import Contents
from isthmus.ir.dim import Dim, DimExpr, Shape, Symbol, symbol
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph, Loc, Node, Use, Value
from isthmus.ir.op import Op
from isthmus.ir.parser import parse
from isthmus.ir.printer import print_graph
from isthmus.ir.textfile import dump, load
from isthmus.ir.types import (
    BF16,
    BOOL,
    F8E4M3,
    F8E5M2,
    F16,
    F32,
    F64,
    I4,
    I8,
    I16,
    I32,
    I64,
    U4,
    U8,
    U16,
    U32,
    U64,
    DType,
    TensorType,
)
from isthmus.ir.verify import verify

__all__ = [
    "BF16",
    "BOOL",
    "F8E4M3",
    "F8E5M2",
    "F16",
    "F32",
    "F64",
    "I4",
    "I8",
    "I16",
    "I32",
    "I64",
    "U4",
    "U8",
    "U16",
    "U32",
    "U64",
    "Builder",
    "Constant",
    "Contents",
    "DType",
    "Dim",
    "DimExpr",
    "Graph",
    "Loc",
    "Node",
    "Op",
    "Shape",
    "Symbol",
    "TensorType",
    "Use",
    "Value",
    "difference",
    "dump",
    "evaluate",
    "load",
    "parse",
    "print_graph",
    "symbol",
    "verify",
]
