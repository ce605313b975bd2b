"""Targets: where a program runs and in which precision, written `device[-arch]-precision[@backend]`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from isthmus.backends.base import Precision
from isthmus.ir.errors import UnknownTarget

_BACKENDS = {"cpu": {"openvino": ("fp32", "bf16", "fp16")}}
"""Device -> backend -> precisions it is built for. The first backend of a device is its default."""

_ELEMENT_TYPES: Mapping[str, Precision] = {"bf16": "bf16", "fp16": "f16"}
"""Precision in a target's name -> the type matrix work is lowered to; none for the others."""


@dataclass(frozen=True)
class Target:
    """A parsed target. `reference` is the numpy evaluator: no device, the IR's own precisions."""

    device: str
    precision: str
    backend: str

    @property
    def build_precision(self) -> Precision:
        """What matrix work is computed in."""
        return _ELEMENT_TYPES.get(self.precision, "f32")

    def __str__(self) -> str:
        if self.device == "reference":
            return "reference"
        default = next(iter(_BACKENDS[self.device]))
        return f"{self.device}-{self.precision}" + (f"@{self.backend}" if self.backend != default else "")


REFERENCE = Target("reference", "as written", "reference")


def parse_target(text: str) -> Target:
    """The target `text` names; UnknownTarget with the nearest known ones if there is none."""
    known = {str(t): t for t in all_targets()} | {f"{t}@{t.backend}": t for t in all_targets()}
    if text in known:
        return known[text]
    near = get_close_matches(text, known, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    raise UnknownTarget(
        f"no target is called {text!r}", hint=f"{guess}known targets: {', '.join(map(str, all_targets()))}"
    )


def all_targets() -> Iterator[Target]:
    """Every target that can be compiled for."""
    for device, backends in _BACKENDS.items():
        for backend, precisions in backends.items():
            for precision in precisions:
                yield Target(device, precision, backend)
    yield REFERENCE
