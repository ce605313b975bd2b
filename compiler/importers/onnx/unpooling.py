"""Windows put back where they were taken from."""

from __future__ import annotations

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.compiler.importers.onnx.windows import Ints, ones_unless, pads_from
from isthmus.compiler.importers.values import in_dtype, number
from isthmus.ir.dim import Dim, Shape, equal, floordiv, less_equal, product
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import I64


@lowers("Col2Im")
def col2im(
    b: OnnxBuilder,
    x: Value,
    image_shape: Value,
    block_shape: Value,
    *,
    dilations: Ints | None = None,
    pads: Ints | None = None,
    strides: Ints | None = None,
) -> Value:
    """Blocks [N, C * elements of a block, blocks] as images [N, C, *image_shape]; where blocks overlap, their sum."""
    image, block = b.sizes(image_shape), b.sizes(block_shape)
    if image is None or block is None:
        raise UnsupportedModel("Col2Im: the shapes of image and block must depend on nothing but input shapes")
    count = len(image)
    if x.rank != 3 or len(block) != count or count < 1:
        raise MalformedModel(f"Col2Im: {x} of blocks {list(block)} does not fill an image {list(image)}")
    strides, dilations = ones_unless(strides, count, "strides"), ones_unless(dilations, count, "dilations")
    if min(strides) < 1 or min(dilations) < 1 or any(less_equal(1, k) is False for k in block):
        raise MalformedModel("Col2Im: blocks, strides and dilations must be 1 or more")
    padding = pads_from(pads, count)
    if any(side < 0 for pair in padding for side in pair):
        raise MalformedModel(f"Col2Im: pads {pads} must be 0 or more")
    padded = tuple(size + low + high for size, (low, high) in zip(image, padding, strict=True))
    spans = [(k - 1) * apart + 1 for k, apart in zip(block, dilations, strict=True)]
    steps = tuple(floordiv(size - s, stride) + 1 for size, s, stride in zip(padded, spans, strides, strict=True))
    elements, blocks = product(block), product(steps)
    if equal(x.shape[2], blocks) is False:
        raise MalformedModel(f"Col2Im: {x} has not the {blocks} blocks of an image {list(image)}")
    n, planes = x.shape[0], floordiv(x.shape[1], elements)
    flat = (n, planes, elements * blocks)
    places = b.reshape(_places(b, block, dilations, steps, strides, padded), shape=(1, 1, elements * blocks))
    empty = b.full(b.const(0, x.dtype), shape=(n, planes, product(padded)))
    summed = b.scatter_elements(empty, b.expand(places, shape=flat), b.reshape(x, shape=flat), axis=2, reduction="add")
    whole = b.reshape(summed, shape=(n, planes, *padded))
    if not any(low or high for low, high in padding):
        return whole
    starts = tuple(low for low, _ in padding)
    stops = tuple(low + size for low, size in zip(starts, image, strict=True))
    return b.slice(whole, axes=tuple(range(2, 2 + count)), starts=starts, stops=stops, steps=(1,) * count)


def _places(b: OnnxBuilder, block: Shape, dilations: Ints, steps: Shape, strides: Ints, image: Shape) -> Value:
    """Which element of the flattened image each element of each block lies on: i64 [*block, *steps]."""
    count = len(image)
    places = b.const(0)
    for axis in range(count):
        inside = b.mul(_counted(b, block[axis], axis, 2 * count), dilations[axis])
        moved = b.mul(_counted(b, steps[axis], count + axis, 2 * count), strides[axis])
        places = b.add(b.mul(places, number(b, image[axis])), b.add(inside, moved))
    return places


def _counted(b: OnnxBuilder, size: Dim, axis: int, rank: int) -> Value:
    return b.iota(dtype=I64, shape=tuple(size if i == axis else 1 for i in range(rank)), axis=axis)


@lowers("MaxUnpool", since=9)
def max_unpool(
    b: OnnxBuilder,
    x: Value,
    indices: Value,
    output_shape: Value | None = None,
    *,
    kernel_shape: Ints,
    pads: Ints | None = None,
    strides: Ints | None = None,
) -> Value:
    """Zeros but for the elements of x, which stand where `indices` (through the whole tensor) say.

    The indices count through the result that kernel, strides and pads make; zeros follow it along each axis where
    `output_shape` asks for more.
    """
    count = len(kernel_shape)
    if x.rank != count + 2 or indices.rank != x.rank:
        raise MalformedModel(f"MaxUnpool: {x} and {indices} do not have {count} spatial axes")
    strides, padding = ones_unless(strides, count, "strides"), pads_from(pads, count)
    spatial = [
        (size - 1) * stride + k - low - high
        for size, stride, k, (low, high) in zip(x.shape[2:], strides, kernel_shape, padding, strict=True)
    ]
    made: Shape = (*x.shape[:2], *spatial)
    total = product(x.shape)
    empty = b.full(b.const(0, x.dtype), shape=(product(made),))
    places = b.reshape(in_dtype(b, indices, I64), shape=(total,))
    filled = b.scatter_elements(empty, places, b.reshape(x, shape=(total,)), axis=0)
    unpooled = b.reshape(filled, shape=made)
    return unpooled if output_shape is None else _extended(b, unpooled, b.sizes(output_shape))


def _extended(b: OnnxBuilder, x: Value, wanted: Shape | None) -> Value:
    if wanted is None:
        raise UnsupportedModel("MaxUnpool: output_shape must depend on nothing but input shapes")
    if len(wanted) != x.rank or any(less_equal(d, w) is False for d, w in zip(x.shape, wanted, strict=True)):
        raise MalformedModel(f"MaxUnpool: output_shape {list(wanted)} does not hold {list(x.shape)}")
    more = tuple((0, w - d) for d, w in zip(x.shape, wanted, strict=True))
    return x if all(after == 0 for _, after in more) else b.pad(x, b.const(0, x.dtype), pads=more)
