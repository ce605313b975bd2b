"""What the engine says while networks are written and built."""

from __future__ import annotations

from dataclasses import dataclass, field

from isthmus.ir.errors import BackendFailed

_NOISE = (
    "CUDA driver version is insufficient",
    "catchCudaError",
    "CUDA initialization failure",
    "Unable to determine GPU",
)
"""Said on machines without a GPU whenever anything else is said."""


@dataclass
class Messages:
    """Errors and warnings in the order they came."""

    without_gpu: bool = False
    """Leave out what is always said where networks are built on a machine without a GPU."""
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def __call__(self, severity: str, text: str) -> None:
        """The sink of a logger."""
        kept = {"error": self.errors, "warning": self.warnings}.get(severity)
        if kept is not None and not (self.without_gpu and any(noise in text for noise in _NOISE)):
            kept.append(text)

    def failure(self, otherwise: str) -> BackendFailed:
        """The last error said, as an exception."""
        return BackendFailed(self.errors[-1] if self.errors else otherwise)
