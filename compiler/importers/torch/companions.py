"""Packages whose import gives torch the ops that a file calls."""

from __future__ import annotations

from isthmus.ir.errors import UnsupportedModel


def load_torchvision() -> None:
    """Import torchvision. UnsupportedModel where it is missing, or was built for another torch."""
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError) as error:
        raise UnsupportedModel(
            f"the model calls ops of torchvision, which does not load: {error}",
            hint="pip install torchvision, built for the torch that is installed",
        ) from error
