"""One attempt to match a pattern: what it has captured and met so far, and why it failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from isthmus.ir.graph import Node, Value

if TYPE_CHECKING:
    from isthmus.passes.pattern import OpPattern

Then: TypeAlias = Callable[[], bool]
"""What is left to match; a pattern that admits a value calls it, and takes its captures back where it fails."""


class Matching:
    """One attempt to match: what is captured so far, the nodes matched so far, and the best failure if asked for."""

    def __init__(self, explaining: bool = False) -> None:
        self.captured: dict[str, Any] = {}
        self.nodes: list[Node] = []
        self.explaining = explaining
        self.reason = "nothing matches"
        self._same: dict[OpPattern, Node] = {}
        self._depth = (-1, 0)

    def capture(self, name: str, found: Any, then: Then) -> bool:
        """Continue with `found` under `name`; where the name is taken, both must be the same."""
        if name in self.captured:
            known = self.captured[name]
            agree = known is found if isinstance(known, Value) or isinstance(found, Value) else known == found
            return then() if agree else self.no(lambda: f"{name} is {known!r} in one place and {found!r} in another")
        self.captured[name] = found
        if then():
            return True
        del self.captured[name]
        return False

    def enter(self, pattern: OpPattern, node: Node, then: Then) -> bool:
        """Continue with `node` among the matched ones; a pattern met again must meet the same node."""
        self.nodes.append(node)
        self._same[pattern] = node
        if then():
            return True
        self.nodes.pop()
        del self._same[pattern]
        return False

    def met(self, pattern: OpPattern) -> Node | None:
        """The node an operation pattern already stands for."""
        return self._same.get(pattern)

    def no(self, reason: Callable[[], str]) -> bool:
        """Fail here. The reason of the deepest failure is kept where somebody asked for it."""
        if self.explaining and (depth := (len(self.nodes), len(self.captured))) > self._depth:
            self._depth = depth
            self.reason = reason()
        return False
