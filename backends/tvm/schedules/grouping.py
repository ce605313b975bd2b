"""How the channels of a grouped convolution are multiplied: filters and bias packed in panels of output channels."""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.backends.tvm.kernels import Machine
from isthmus.backends.tvm.schedules import packing
from isthmus.backends.tvm.schedules.arithmetic import Arithmetic
from isthmus.backends.tvm.schedules.tiles import Plan, plan, window_plan
from isthmus.backends.tvm.schedules.windows import Windows
from isthmus.ir.types import Array


@dataclass(frozen=True)
class Channels:
    """How channels are grouped: as the convolution says, or `times` of its groups joined to one."""

    times: int
    groups: int
    inputs: int
    """Input channels of a group."""
    outputs: int
    plan: Plan

    def is_product(self, w: Windows) -> bool:
        """Whether the convolution is one matrix product."""
        return self.groups == 1 and _is_pixel(w)

    def filters(self, weight: Array, width: int, how: Arithmetic) -> Array:
        """Weights [M, C/groups, (KH,) KW] as [groups * panels, steps, width], the steps as `how` takes them."""
        if weight.ndim == 3:
            weight = weight[:, :, None]
        joined = packing.merged(weight, self.groups * self.times, self.times) if self.times > 1 else weight
        packed = packing.filters(joined, self.groups, width)
        panels = packed.reshape(packed.shape[0] * packed.shape[1], -1, width)
        return packing.pairs(panels) if how.depth == 2 else panels

    def bias(self, bias: Array, width: int) -> Array:
        """A bias [M] as [groups * panels * width]."""
        return packing.panels(bias.reshape(self.groups, -1), width).swapaxes(0, 1).reshape(-1).copy()


def grouped(machine: Machine, w: Windows, images: int, groups: int, inputs: int, outputs: int, depth: int) -> Channels:
    """The cheapest grouping: joining groups multiplies the work but fills vectors.

    `inputs` are those of one group, `outputs` all; `depth` is how many products a step adds up.
    """
    candidates = []
    each = outputs // groups
    for times in (t for t in range(1, groups + 1) if groups % t == 0 and (t == 1 or t * each <= 2 * machine.lanes)):
        inner = w.kernel[0] * w.kernel[1] * inputs * times // depth
        if groups == 1 and _is_pixel(w):
            chosen = plan(machine, images * w.result[0] * w.result[1], outputs, inner)
        else:
            chosen = window_plan(machine, images, *w.result, each * times, inner)
        candidates.append(Channels(times, groups // times, inputs * times, each * times, chosen))
    return min(candidates, key=lambda c: c.plan.cost * c.groups)


def _is_pixel(w: Windows) -> bool:
    """Whether each window is one pixel of the image."""
    return w.kernel == (1, 1) and not w.padded
