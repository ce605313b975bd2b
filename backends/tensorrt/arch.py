"""For which processors an engine is built."""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.backends.base import Precision
from isthmus.backends.tensorrt.device import gpu_arch, gpu_name
from isthmus.backends.tensorrt.library import CURRENT, Library
from isthmus.ir.errors import DeviceUnavailable

_WITHOUT_BF16 = ("sm75",)
"""https://docs.nvidia.com/deeplearning/tensorrt-rtx/latest/getting-started/support-matrix.html"""


@dataclass(frozen=True)
class Arch:
    """What the builder is asked for, and where the engine then runs."""

    request: str
    """Such as `sm89`; CURRENT; or "" to name none."""
    name: str
    """Such as `sm89`; "" for all processors of Ampere's architecture and later ones that TensorRT-RTX supports."""
    device: str = ""
    """The GPU's own name where an engine is tuned for that one: TensorRT itself times kernels on it."""

    def __str__(self) -> str:
        return self.name or "any RTX GPU from Ampere on"


def choose(lib: Library, arch: str) -> list[Arch]:
    """What to build for, and after it what would do as well if it is there already.

    A target without architecture means the GPU at hand. Where there is none, TensorRT-RTX builds an engine that runs
    on every processor it supports from Ampere on: its documented default. So it does beside a GPU it does not serve:
    see `warning`. TensorRT itself builds on the GPU only.
    Raises DeviceUnavailable where it cannot be built here.
    """
    if not lib.archs:
        return [_at_hand(lib, arch, gpu_arch())]
    if arch and arch not in lib.archs:
        raise DeviceUnavailable(
            f"{lib} does not build for {arch}", hint=f"it builds for {', '.join(lib.archs)}; or name no architecture"
        )
    if arch:
        return [Arch(arch, arch)]
    here, portable = gpu_arch(), Arch("", "")
    return [Arch(CURRENT, here), portable] if here in lib.archs else [portable]


def warning(lib: Library, arch: str) -> str:
    """What a target without an architecture does not give on this machine; "" where it is what was meant."""
    here = gpu_arch()
    if arch or not lib.archs or here in ("", *lib.archs):
        return ""
    return f"the GPU here is {here}, for which {lib} does not build: the engine runs on other GPUs, not on this one"


def require_precision(lib: Library, precision: Precision, arch: str) -> None:
    """DeviceUnavailable where an engine cannot be built here, or the processor lacks the precision."""
    for each in choose(lib, arch)[:1]:
        if precision == "bf16" and each.name in _WITHOUT_BF16:
            raise DeviceUnavailable(f"{each} has no bf16 arithmetic", hint="compile for fp16 or fp32")


def _at_hand(lib: Library, arch: str, here: str) -> Arch:
    ahead = "tensorrt-rtx builds ahead of time for an architecture that the target names, such as cuda-sm89-fp16"
    if not here:
        raise DeviceUnavailable(f"{lib} builds on a machine with a GPU only", hint=f"{ahead}: install it too")
    if arch not in ("", here):
        hint = f"{ahead}: install it without tensorrt, which is taken where there is a GPU"
        raise DeviceUnavailable(f"{lib} builds for the GPU at hand, which is {here}, not {arch}", hint=hint)
    return Arch(CURRENT, here, gpu_name())
