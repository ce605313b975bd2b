"""What goes wrong in a network that is read back."""

from __future__ import annotations


class NetworkError(Exception):
    """A network that cannot be run, declares other tensors than it computes, or does what TensorRT leaves undefined."""
