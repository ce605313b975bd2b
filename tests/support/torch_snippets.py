"""What scripts are made of, one function each: x is f32[N, 4]. Importing this imports torch.

`torch.jit.script` reads the source of this file, and its annotations as they are when it runs.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor


def ternary(x: Tensor) -> Tensor:
    """A branch as an expression."""
    y = x if bool(x.sum() > 0) else -x
    return y + 1


def left_and_skipped(x: Tensor) -> tuple[Tensor, int]:
    """break and continue."""
    n = x.size(0)
    out = torch.zeros(4)
    i = 0
    while True:
        if i >= n:
            break
        i += 1
        if i % 2 == 0:
            continue
        out = out + x[i - 1]
    return out, i


def over_rows(x: Tensor) -> Tensor:
    """A loop over a tensor, written into in both branches."""
    total = torch.zeros(4)
    for row in x:
        if bool(row.sum() > 0):
            total += row
        else:
            total -= row
    return total


def comprehensions(x: Tensor) -> dict[str, Tensor]:
    """Lists, zip, enumerate and dicts of known length: no loop is left."""
    parts = [x * float(i) for i in range(3)]
    names = ["a", "b", "c"]
    table: dict[str, Tensor] = {}
    for name, part in zip(names, parts):  # noqa: B905 - torch.jit.script has no strict=
        table[name] = part
    for i, (key, value) in enumerate(table.items()):
        table[key] = value + i
    return table


def growing_tensor(x: Tensor) -> Tensor:
    """A tensor that becomes longer in a loop."""
    out = x[:1]
    for i in range(x.size(0)):
        if bool(x[i, 0] > 0):
            out = torch.cat([out, x[i : i + 1]], 0)
    return out


def written_in_branches(x: Tensor) -> Tensor:
    """A view from outside is written inside a branch."""
    y = x.clone()
    column = y[:, 0]
    if bool(x.sum() > 0):
        column.add_(1)
        y[0] = 5.0
    else:
        y.mul_(2)
    return y + column.sum()


def nested_loops(x: Tensor) -> tuple[Tensor, int]:
    """A loop on data inside one on sizes; a list that grows on both paths."""
    found: list[Tensor] = []
    for i in range(x.size(0)):
        j = 0
        while bool(x[i].sum() > float(j)):
            j += 1
            if j > 3:
                break
        if j > 0:
            found.append(x[i] * j)
        else:
            found.append(x[i])
    return torch.stack(found, 1), len(found)


def computed_slices(x: Tensor) -> tuple[Tensor, Tensor]:
    """Bounds that data decide."""
    n = int((x > 0).sum())
    flat = x.view(-1)
    return flat[:n], flat[n:].sum()


def computed_size(x: Tensor) -> Tensor:
    """A shape that data decide."""
    n = int((x > 0).sum())
    return torch.zeros(n, 3) + torch.arange(3)


def written_by_index(x: Tensor) -> Tensor:
    """Slices, index tensors and masks on the left of an assignment."""
    y = torch.zeros(x.size(0), 6)
    y[:, 1:5] = x
    y[:, torch.tensor([0, 2])] += 1.0
    y[y > 2] = 0.5
    y[-1, ::2] = 7.0
    return y


def arithmetic(x: Tensor) -> Tensor:
    """Numbers known, symbolic, and from data."""
    rows = math.ceil(x.size(0) / 2) + int(x.size(1) ** 2) // 3
    mean = float(x.mean())
    return x * math.sqrt(4.0) + rows + mean * 2 - (mean if mean > 0 else -mean)


class Pair(NamedTuple):
    """Two tensors."""

    a: Tensor
    b: Tensor


def named_tuple(x: Tensor) -> tuple[Tensor, Pair]:
    """A structure of one's own."""
    pair = Pair(x, x * 2)
    return pair.a + pair.b, pair


def best_so_far(x: Tensor) -> tuple[int, float]:
    """Numbers that are carried through an unrolled loop."""
    at, best = 0, -1.0
    for i in range(10):
        score = float(x.sum()) * (i - 4) / 10.0
        if score > best:
            best = score
            at = i
    return at, best


def optional(x: Tensor, y: Tensor | None = None) -> Tensor:
    """None is known."""
    if y is None:
        y = torch.ones_like(x)
    assert y is not None
    return x * y


def numbers_in_lists(x: Tensor) -> tuple[Tensor, float]:
    """A list of numbers that grows, and a loop over it."""
    tops: list[float] = []
    for i in range(x.size(0)):
        tops.append(float(x[i].max()))
    most = 0.0
    for each in tops:
        most = max(most, each)
    return torch.tensor(tops), most


def written_lists(x: Tensor) -> Tensor:
    """A list whose elements are replaced at computed places."""
    sums = [x[0], x[0], x[0]]
    for i in range(x.size(0)):
        sums[i % 3] = sums[i % 3] + x[i]
    return torch.stack(sums)


def work_list(x: Tensor) -> int:
    """A list that grows and shrinks as data say."""
    waiting: list[Tensor] = [x]
    turns = 0
    while len(waiting) > 0 and turns < 4:
        each = waiting.pop()
        turns += 1
        if bool(each.sum() > 0):
            waiting.append(each - 1)
    return turns


def return_from_loop(x: Tensor) -> Tensor:
    """The first row that fits."""
    for i in range(x.size(0)):
        if bool(x[i].sum() > 0):
            return x[i]
    return torch.zeros(4)


def forked(x: Tensor) -> Tensor:
    """Tasks run one after the other."""
    return torch.jit.wait(torch.jit.fork(ternary, x)) + 1


def reshaped(x: Tensor) -> Tensor:
    """Sizes into shapes and paddings."""
    rows, columns = x.shape
    y = x.view(rows, 2, columns // 2).permute(1, 0, 2).reshape(-1, columns // 2)
    z = y.expand(3, y.size(0), y.size(1))
    return torch.nn.functional.pad(z, [0, 0, 0, (4 - rows % 4) % 4])


def texts(x: Tensor, mode: str = "sum") -> Tensor:
    """Options as text."""
    if mode == "sum":
        return x.sum()
    if mode == "mean":
        return x.mean()
    raise ValueError(f"no mode {mode}")


def parts_of_memory(x: Tensor) -> tuple[Tensor, Tensor]:
    """Chunks and splits share memory with the whole."""
    y = x * 1
    left, right = y.chunk(2, 1)
    left += 1
    for part in y.split(1, 1):
        part.mul_(2)
    return y, right


def copies_and_views(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Another shape of a tensor is a view or a copy, by how its elements lie."""
    y = x * 1
    y[0].reshape(2, 2).add_(1)
    y.t().reshape(-1).add_(10)
    y.t().contiguous().mul_(3)
    y.contiguous().sub_(2)
    z = y.to(torch.float32)
    z += 1
    w = y.clone()
    w.mul_(0)
    return y, z, w


def tensor_condition(x: Tensor) -> Tensor:
    """A counter that is a tensor."""
    i = torch.zeros((), dtype=torch.int64)
    while bool(i < 5):
        x = x + i
        i = i + 1
    return x


def items(x: Tensor) -> tuple[Tensor, Tensor, int]:
    """Elements at computed places."""
    i = int(x.sum(1).argmax())
    return x[i], x[:, i % 4], i


def chosen_rows(x: Tensor) -> Tensor:
    """How many rows are left depends on data, and the branch on that."""
    y = x[(x > 0).all(1)]
    if y.size(0) == 0:
        return torch.zeros(1, 4)
    return y


def best_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """min() of a size and a number."""
    values, indices = x.topk(min(x.size(0), 3), 0)
    return values, indices


def lists_of_numbers(x: Tensor) -> Tensor:
    """sum, sorted and `in` of lists of sizes."""
    sizes = [x.size(1), 2, 3]
    if 3 in sizes and sum(sizes) == 9:
        return x * sorted(sizes)[0]
    return x


def order_statistics(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What stands in the middle, also of what may be nothing, and what stands at a computed place."""
    middle, at = x.median(0)
    third = torch.kthvalue(x, x.size(0) // 2 + 1, 0)
    return middle + x.gather(0, at.unsqueeze(0)), third[0], x[x > 0].median(), x.nanmedian()


def running(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scans along a free size."""
    tops, places = x.cummax(0)
    return tops * places, x.cumprod(0), x.logcumsumexp(0)


def bags(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows by bags of known and of computed length."""
    words = (x.abs() * 2).long().clamp(max=5)
    table = torch.arange(18.0).view(6, 3)
    begins = torch.arange(0, words.numel(), 3)
    ragged = torch.embedding_bag(table, words.view(-1), begins, False, 2)
    rows = torch.nn.functional.embedding_bag(words, table, mode="mean", padding_idx=1)
    return ragged[0], rows


def counted(x: Tensor) -> tuple[Tensor, Tensor]:
    """How many elements are alike, and rows several times over."""
    kinds = (x.abs() * 2).long().view(-1)
    different, counts = torch._unique2(kinds, True, False, True)[::2]
    return torch.stack([different, counts]), x.repeat_interleave(kinds[: x.size(0)], 0)


def of_a_kind(x: Tensor | list[Tensor]) -> Tensor:
    """isinstance decides where both kinds may come."""
    if isinstance(x, Tensor):
        return x + 1
    return x[0]


SNIPPETS: list[Any] = [
    ternary,
    left_and_skipped,
    over_rows,
    comprehensions,
    growing_tensor,
    written_in_branches,
    nested_loops,
    computed_slices,
    computed_size,
    written_by_index,
    arithmetic,
    named_tuple,
    best_so_far,
    optional,
    numbers_in_lists,
    written_lists,
    work_list,
    return_from_loop,
    reshaped,
    texts,
    parts_of_memory,
    copies_and_views,
    tensor_condition,
    items,
    chosen_rows,
    best_rows,
    lists_of_numbers,
    order_statistics,
    running,
    bags,
    counted,
    of_a_kind,
]
"""In the order above."""

ON_ENGINE = (
    *(left_and_skipped, written_in_branches, nested_loops, return_from_loop, work_list, chosen_rows),
    *(order_statistics, running, bags, computed_size),
)
"""Those that are also run on the CPU."""
