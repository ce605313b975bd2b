"""Matrix products."""

from __future__ import annotations

from isthmus.backends.emitter import emits
from isthmus.backends.tensorrt.limits import MAX_RANK
from isthmus.backends.tensorrt.network import Handle, Network, rank_of
from isthmus.ir.dim import Shape, product
from isthmus.ir.graph import Node


def _no_product(node: Node) -> str | None:
    dtype = node.inputs[0].dtype
    if dtype.is_float:
        return None
    if dtype.bits < 32:
        return f"the engine multiplies no matrices of {dtype}, and adds none up"
    if min(x.rank for x in node.inputs) > 1 and max(x.rank for x in node.inputs) >= MAX_RANK:
        return f"the engine multiplies matrices of {dtype} along one more axis, and takes {MAX_RANK} at most"
    return None


@emits("matmul", unless=_no_product)
def matmul(n: Network, x: Handle, y: Handle) -> Handle:
    """As numpy's, vectors and broadcasting included. Integers, which have no matrix units, as sums of products."""
    return multiply(n, x, y) if n.x.dtype.is_float else _summed(n, x, y)


def multiply(n: Network, x: Handle, y: Handle) -> Handle:
    """The matrix product of two floats: vectors are the engine's own, batches are brought to one rank."""
    kinds = [n.trt.MatrixOperation.VECTOR if rank_of(each) == 1 else n.trt.MatrixOperation.NONE for each in (x, y)]
    sizes = [1 if rank_of(each) == 1 else 2 for each in (x, y)]
    batch = max(rank_of(each) - size for each, size in zip((x, y), sizes, strict=True))
    x, y = (n.raise_rank(each, batch + size) for each, size in zip((x, y), sizes, strict=True))
    return n.of(n.definition.add_matrix_multiply(x, kinds[0], y, kinds[1]))


def _summed(n: Network, x: Handle, y: Handle) -> Handle:
    """x [..., M, K, 1] times y [..., 1, K, N], summed over K; a vector lacks M or N."""
    ranks = rank_of(x), rank_of(y)
    left = x if ranks[1] == 1 else n.unsqueeze(x, (ranks[0],))
    right = y if ranks[0] == 1 or ranks[1] == 1 else n.unsqueeze(y, (ranks[1] - 2,))
    products = n.elementwise("PROD", left, right)
    inner = rank_of(products) - (1 if ranks[1] == 1 else 2)
    return n.reduce("SUM", products, (inner,), keepdims=False)


@emits("linear")
def linear(n: Network, x: Handle, weight: Handle, bias: Handle | None = None) -> Handle:
    """A product and a sum, which the engine fuses."""
    result = multiply(n, x, weight)
    return result if bias is None else n.elementwise("SUM", result, bias)


def _unlabelled(node: Node) -> str | None:
    letters = {c for c in node.attrs["equation"].partition("->")[0] if c.isalpha()}
    most = max(x.rank for x in node.inputs)
    return (
        None if len(letters) + most <= 26 else "the engine labels dimensions by lower-case letters, and 26 are too few"
    )


@emits("einsum", unless=_unlabelled)
def einsum(n: Network, *xs: Handle, equation: str) -> Handle:
    """The engine's, which has neither "..." nor a letter twice in a term: letters stand for them, diagonals are cut."""
    terms, result = _spelled(equation, [x.rank for x in n.node.inputs])
    operands, shapes = list(xs), [x.shape for x in n.node.inputs]
    for i, term in enumerate(terms):
        while twice := next((c for c in term if term.count(c) > 1), None):
            operands[i], shapes[i], term = _diagonal(n, operands[i], shapes[i], term, twice)
        terms[i] = term
    return n.of(n.definition.add_einsum(operands, f"{','.join(terms)}->{result}"))


def _spelled(equation: str, ranks: list[int]) -> tuple[list[str], str]:
    """The terms and the result in lower-case letters, with letters of their own for what "..." stands for."""
    left, _, right = equation.replace(" ", "").partition("->")
    used = sorted({c for c in left if c.isalpha()})
    names = {letter: chr(ord("a") + i) for i, letter in enumerate(used)}
    extra = [rank - len(term.replace("...", "")) for term, rank in zip(left.split(","), ranks, strict=True)]
    batch = "".join(chr(ord("a") + len(used) + i) for i in range(max(extra)))

    def spell(term: str, count: int) -> str:
        before, _, after = term.partition("...")
        plain = batch[len(batch) - count :] if "..." in term else ""
        return "".join(names[c] for c in before) + plain + "".join(names[c] for c in after)

    return [spell(t, e) for t, e in zip(left.split(","), extra, strict=True)], spell(right, len(batch))


def _diagonal(n: Network, x: Handle, shape: Shape, term: str, letter: str) -> tuple[Handle, Shape, str]:
    """x without the second axis of a letter: of both axes, put last and read as one, every (size + 1)-th element."""
    first, second = [i for i, c in enumerate(term) if c == letter][:2]
    others = [i for i in range(len(term)) if i not in (first, second)]
    batch, size = tuple(shape[i] for i in others), shape[first]
    axis = len(others)
    flat = n.reshape(n.transpose(x, (*others, first, second)), (*batch, product((size, size))))
    layer = n.layer(n.definition.add_slice(flat, (0,), (1,), (1,)))
    layer.axes = n.trt.Dims([axis])
    layer.set_input(2, n.dims((size,)))
    layer.set_input(3, n.dims((size + 1,)))
    return n.of(layer), (*batch, size), "".join(term[i] for i in others) + letter
