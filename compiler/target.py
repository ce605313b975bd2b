"""Targets: where a program runs and in which precision, written `device[-arch]-precision[@backend]`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from isthmus.backends.base import Precision
from isthmus.ir.errors import UnknownTarget

ANY_ARCH = ""
"""No architecture named: the processor at hand, whatever it is."""


@dataclass(frozen=True)
class Family:
    """The targets of one backend on one device: every architecture in every precision."""

    device: str
    backend: str
    archs: tuple[str, ...]
    precisions: tuple[str, ...]

    def __str__(self) -> str:
        named = [arch for arch in self.archs if arch != ANY_ARCH]
        arch = f"-{'|'.join(named)}" if named else ""
        if len(named) < len(self.archs):
            arch = arch and f"[{arch}]"
        backend = "" if _default_backend(self.device) == self.backend else f"@{self.backend}"
        return f"{self.device}{arch}-{'|'.join(self.precisions)}{backend}"


FAMILIES = (
    Family("cpu", "openvino", (ANY_ARCH,), ("fp32", "bf16", "fp16")),
    Family("cpu", "tvm", (ANY_ARCH,), ("fp32", "bf16")),
    Family("cuda", "tensorrt", (ANY_ARCH, "sm80", "sm86", "sm89", "sm120", "sm121"), ("fp32", "bf16", "fp16")),
    Family("cuda", "tensorrt", ("sm75",), ("fp32", "fp16")),  # Turing has no bf16
    Family("cuda", "tvm", ("sm80", "sm86", "sm89", "sm90"), ("fp32", "fp16")),
)
"""The first family of a device is what its targets mean where they name no backend.

That is fixed and does not look at what is installed: a target's name means the same on every machine, and a saved
program is rebuilt by the engine it was built by. Where that engine is missing, BackendMissing says which others serve.
"""

_ELEMENT_TYPES: Mapping[str, Precision] = {"bf16": "bf16", "fp16": "f16"}
"""Precision in a target's name -> the type matrix work is lowered to; none for the others."""


@dataclass(frozen=True)
class Target:
    """A parsed target. `reference` is the numpy evaluator: no device, the IR's own precisions."""

    device: str
    precision: str
    backend: str
    arch: str = ANY_ARCH
    """Such as `sm89`; ANY_ARCH is the processor at hand."""

    @property
    def build_precision(self) -> Precision:
        """What matrix work is computed in."""
        return _ELEMENT_TYPES.get(self.precision, "f32")

    def __str__(self) -> str:
        if self == REFERENCE:
            return self.device
        backend = "" if _default_backend(self.device) == self.backend else f"@{self.backend}"
        return "-".join(part for part in (self.device, self.arch, self.precision) if part) + backend


REFERENCE = Target("reference", "as written", "reference")


def parse_target(text: str) -> Target:
    """The target `text` names; UnknownTarget with the nearest known ones if there is none."""
    known = {str(t): t for t in all_targets()}
    spelled = known | {f"{name}@{t.backend}": t for name, t in known.items() if "@" not in name}
    if text in spelled:
        return spelled[text]
    elsewhere = [name for name in known if name.partition("@")[0] == text]
    near = elsewhere or get_close_matches(text, known, n=1) or get_close_matches(text, spelled, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    raise UnknownTarget(
        f"no target is called {text!r}",
        hint=f"{guess}known targets: {', '.join(map(str, (*FAMILIES, REFERENCE)))}",
    )


def all_targets() -> Iterator[Target]:
    """Every target that can be compiled for."""
    for family in FAMILIES:
        for arch in family.archs:
            for precision in family.precisions:
                yield Target(family.device, precision, family.backend, arch)
    yield REFERENCE


def _default_backend(device: str) -> str:
    return next(family.backend for family in FAMILIES if family.device == device)
