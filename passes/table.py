"""Every pass that pipeline text can name: ours, and those that installed packages offer as `isthmus.passes`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType

from isthmus.ir.errors import PipelineError
from isthmus.passes.base import Pass
from isthmus.passes.canonicalize import Canonicalize
from isthmus.passes.cse import Cse
from isthmus.passes.dce import Dce
from isthmus.passes.fold import Fold
from isthmus.passes.fuse import Fuse
from isthmus.passes.layout import Layout
from isthmus.passes.precision.lower import LowerPrecision
from isthmus.passes.relax import Relax
from isthmus.passes.rewrite_pass import Rewrite
from isthmus.passes.shapes import ResolveShapes

OURS: tuple[type[Pass], ...] = (
    ResolveShapes,
    Canonicalize,
    Fuse,
    Layout,
    Fold,
    Cse,
    Dce,
    Relax,
    LowerPrecision,
    Rewrite,
)
"""The passes isthmus ships, in the order documentation lists them."""


@cache
def known_passes() -> Mapping[str, type[Pass]]:
    """Pass name -> class. PipelineError for an installed package whose offer is broken, or no pass, or not new."""
    found: dict[str, type[Pass]] = {each.name: each for each in OURS}
    for point in entry_points(group="isthmus.passes"):
        try:
            offered = point.load()
        except Exception as error:
            reason = f"entry point {point.name!r} cannot be loaded: {type(error).__name__}: {error}"
            raise PipelineError(reason, where=point.value, hint="repair or uninstall that package") from error
        if not (isinstance(offered, type) and issubclass(offered, Pass)):
            raise PipelineError(f"entry point {point.name!r} is {offered!r}, which is no Pass", where=point.value)
        if offered.name in found:
            reason = f"entry point {point.name!r} offers a pass called {offered.name!r}, which there is already"
            raise PipelineError(reason, where=point.value)
        found[offered.name] = offered
    return MappingProxyType(found)
