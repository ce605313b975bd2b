"""TVM's modules, imported when first used: `import isthmus` must not load an engine."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class _Later:
    """A module that is imported when something of it is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(import_module(self._name), attribute)
        setattr(self, attribute, found)
        return found


tirx: Any = _Later("tvm.tirx")
"""Expressions of TIR."""

ir: Any = _Later("tvm.ir")
"""Modules, and expressions that all of the engine's languages share."""

sym: Any = _Later("tvm.sym")
"""What can be proven of integers."""

script: Any = _Later("tvm.tirx.script.builder")
"""Statements of TIR, written into the innermost open frame."""

ir_builder: Any = _Later("tvm.script.ir_builder")
"""What frames are opened in."""

relax: Any = _Later("tvm.relax")
"""Graphs of kernels, and what runs them."""

ffi: Any = _Later("tvm_ffi")
"""Tensors and functions as the engine passes them."""

functions: Any = _Later("isthmus.backends.tvm.schedules.mathfunctions")
"""exp, erf and the like in f32, for vector registers."""

turning: Any = _Later("isthmus.backends.tvm.schedules.transposing")
"""Copies into another order of axes, for vector registers."""


def kind(x: Any) -> str:
    """The element type (lanes included) of an expression."""
    return str(x.ty.dtype)
