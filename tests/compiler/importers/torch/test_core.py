"""The Core ATen IR (docs.pytorch.org/docs/stable/torch.compiler_ir.html), to which torch reduces every model: what
becomes of each op.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch

from isthmus.compiler.importers.torch.export import decompositions
from isthmus.compiler.importers.torch.importer import Walk
from isthmus.compiler.importers.torch.refused import reason_for
from isthmus.compiler.importers.torch.state import State
from isthmus.compiler.importers.torch.table import CONTROL, TABLE


def core_ops() -> list[Any]:
    """Every overload that torch's own definitions (native_functions.yaml) mark as core."""
    packets = [getattr(torch.ops.aten, name) for name in dir(torch.ops.aten) if not name.startswith("__")]
    overloads = [getattr(p, name) for p in packets if hasattr(p, "overloads") for name in p.overloads()]
    return [each for each in overloads if torch.Tag.core in each.tags]


def fates() -> dict[str, set[str]]:
    """What becomes of core ops -> their names."""
    walk, table = Walk(TABLE, CONTROL, State()), decompositions()
    found: dict[str, set[str]] = defaultdict(set)
    for each in core_ops():
        op = each._schema.name.removeprefix("aten::")
        if not walk.lacks(each):
            fate = "lowered"
        elif reason_for(op) is not None:
            fate = "refused"
        else:
            fate = "decomposed" if each in table else "forgotten"
        found[fate].add(str(each))
    return found


def test_no_core_op_is_forgotten() -> None:
    found = fates()
    assert not found["forgotten"]
    assert found["decomposed"] == {"aten.col2im.default", "aten.empty_strided.default"}
    assert len(found["lowered"]) > 10 * len(found["refused"])
