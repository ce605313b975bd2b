"""Pixel shuffling and sampling at computed places."""

from __future__ import annotations

from isthmus.backends.emitter import emits, lacks
from isthmus.backends.tensorrt.network import Handle, Network
from isthmus.ir.graph import Node

MODES = {"nearest": "NEAREST", "linear": "LINEAR", "cubic": "CUBIC"}
OUTSIDE = {"zeros": "FILL", "border": "CLAMP", "reflection": "REFLECT"}
"""Padding -> `SampleMode`."""

MISSING = lacks(
    depth_to_space="the engine has none of its own; two reshapes and a transpose are the same",
    space_to_depth="the engine has none of its own; two reshapes and a transpose are the same",
)


def _beyond_sampling(node: Node) -> str | None:
    spatial = node.inputs[0].rank - 2
    if spatial > 3 or (spatial == 3 and node.attrs["mode"] == "cubic"):
        return f"the engine has no {node.attrs['mode']} sampling of {spatial} spatial dimensions"
    return "the engine samples no empty tensor" if 0 in (*node.inputs[0].shape, *node.inputs[1].shape) else None


@emits("grid_sample", unless=_beyond_sampling)
def grid_sample(n: Network, x: Handle, grid: Handle, *, mode: str, padding: str, align_corners: bool) -> Handle:
    """The engine's own. One spatial dimension is the width of an image of height 1, sampled in the middle."""
    alone = n.x.rank == 3
    if alone:
        batch, count, _ = n.node.inputs[1].shape
        middle = n.broadcast(n.scalar(0, n.x.dtype), (batch, 1, count, 1))
        grid = n.concat([n.unsqueeze(grid, (1,)), middle], 3)
        x = n.unsqueeze(x, (2,))
    layer = n.layer(n.definition.add_grid_sample(x, grid))
    layer.interpolation_mode = getattr(n.trt.InterpolationMode, MODES[mode])
    layer.sample_mode = getattr(n.trt.SampleMode, OUTSIDE[padding])
    layer.align_corners = align_corners
    result = n.of(layer)
    return n.squeeze(result, (2,)) if alone else result
