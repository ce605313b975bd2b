"""What a script's values are while it is lowered.

A tensor, list, dict or attribute can be written to, so it is a reference: an identity, whose content a frame holds.
Numbers, texts, tuples and None are themselves; a number that only running can tell is a 0-d Value of the IR.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from isthmus.ir.graph import Value

if TYPE_CHECKING:
    from isthmus.compiler.importers.torch.scripted.frame import Frame
    from isthmus.compiler.importers.torch.scripted.structure import Structure


class Ref:
    """Something that can be written to; `home` is the frame that made it."""

    def __init__(self, home: Frame) -> None:
        self.home = home


class Tensor(Ref):
    """Holds a Value."""


class View(Tensor):
    """A tensor that lies in another one's memory: read from it, and written back to it."""

    def __init__(
        self,
        home: Frame,
        base: Tensor,
        read: Callable[[Frame, Value], Value],
        write: Callable[[Frame, Value, Value], Value] | None,
        is_dense: bool,
    ) -> None:
        super().__init__(home)
        self.base = base
        self.read = read
        """(frame, what the base holds) -> what the view holds."""
        self.write = write
        """(frame, what the base holds, what the view shall hold) -> what the base shall hold; None: read only."""
        self.is_dense = is_dense
        """Whether its elements lie side by side, so that another shape of it is a view, too, and no copy."""


def root_of(tensor: Tensor) -> Tensor:
    """The tensor in whose memory this one lies; itself if it is no view."""
    while isinstance(tensor, View):
        tensor = tensor.base
    return tensor


class Items(Ref):
    """Holds a Python list, or a Stacked where running tells the length."""


class Table(Ref):
    """Holds a Python dict, whose keys are known."""


class Slot(Ref):
    """An attribute of a scripted module; holds whatever it was given."""

    def __init__(self, home: Frame, path: str) -> None:
        super().__init__(home)
        self.path = path


@dataclass(frozen=True)
class Stacked:
    """The content of a list whose length only running can tell: its elements' tensors, stacked on a new axis 0."""

    element: Structure
    leaves: tuple[Value, ...]


@dataclass(frozen=True)
class Maybe:
    """None, or something: which of them only running can tell."""

    present: Value
    inner: Any
    """What it is where it is not None."""


@dataclass(frozen=True)
class Module:
    """A scripted module, and its path from the outermost one."""

    script: Any
    path: str


class Unset:
    """What a variable holds on a path that never reads it."""

    def __repr__(self) -> str:
        return "nothing"


@dataclass(frozen=True)
class Spoilt:
    """What a tensor holds that must not be used."""

    reason: str
    hint: str = ""


WRITTEN_ELSEWHERE = Spoilt(
    "a tensor is used that may have been written under another name, as data decide", "write into a clone()"
)
NOT_MADE = Spoilt("a result is used that only training has, or that is not supported")

UNSET = Unset()
