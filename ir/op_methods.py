"""The builder's op methods at run time; type checkers and editors read the generated `op_methods.pyi`."""

from __future__ import annotations

from functools import partial
from typing import Any

from isthmus.ir import ops


class OpMethods:
    """One method for each op of the table: operands positionally, attributes and regions by keyword."""

    def __getattr__(self, name: str) -> Any:
        """A function that builds the op called `name` (a trailing underscore avoids Python's keywords)."""
        op = ops.TABLE.get(name.removesuffix("_"))
        if op is None:
            raise AttributeError(f"the op table has no {name!r}")
        return partial(self._build, op)

    def _build(self, op: Any, *operands: Any, name: str = "", **keywords: Any) -> Any:
        regions = {
            key.removesuffix("_"): value for key, value in keywords.items() if key.removesuffix("_") in op.regions
        }
        attrs = {key: value for key, value in keywords.items() if key.removesuffix("_") not in op.regions}
        node = self.create(op, operands, attrs, regions, (name,) if name else ())
        return node.results if op.several else node.results[0]
