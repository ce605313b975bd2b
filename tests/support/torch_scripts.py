"""Scripted modules whose control flow depends on data, or that keep state. Importing this imports torch.

Each is written as people write them; `torch.jit.script` reads the source of this file, and its annotations as they are
when it runs.
"""

from typing import Any

import torch
from torch import nn

from tests.support.torch_modules import Module


class Halving(Module):
    """A branch and a loop that data decide; the loop is left early."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, int]:
        """x halved until its sum is small, and how often."""
        y = x * 2 if bool(x.sum() > 0) else x - 1
        turns = 0
        while bool(y.abs().sum() > 1.0):
            y = y / 2
            turns += 1
            if bool(y.max() < 0.01):
                break
        return y, turns


class EarlyReturn(Module):
    """Returns from inside branches, and raises on a path that is not taken."""

    def forward(self, x: torch.Tensor, scale: float = 2.0) -> torch.Tensor:
        """x changed in one of three ways."""
        if x.dim() != 2:
            raise ValueError("x has two dimensions")
        if bool(x.mean() > 1):
            return x * scale
        if bool(x.mean() < -1):
            return x - scale
        return torch.zeros_like(x)


class Sizes(Module):
    """Conditions and loops on sizes, None, dtypes and options: nothing of them is left where they are known."""

    def forward(self, x: torch.Tensor, bias: torch.Tensor | None = None, twice: bool = False) -> torch.Tensor:
        """The running sum over axis 0, with some arithmetic on the number of rows."""
        rows, columns = x.shape
        half = int(rows / 2) + rows % 2
        assert columns == 4, "four columns"
        if bias is not None:
            x = x + bias
        if x.dtype == torch.float32 and twice and not self.training:
            x = x * 2
        total = torch.zeros(columns)
        for row in range(rows):
            total = total + x[row] * float(row + 1)
        return total.view(2, 2) + x[:half].sum()


class Writing(Module):
    """Writes into slices, rows and views of tensors, in a loop whose length the input gives."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Rows in reverse, some of them changed."""
        out = torch.zeros_like(x)
        n = x.size(0)
        for i in range(n):
            out[i] = x[n - 1 - i]
            out[i, 0] += 1
        out[:, 1:3] *= 2
        column = out.t()[3]
        column.add_(5.0)
        out[out > 4] = 4.0
        return out


class Collecting(Module):
    """Lists that grow in loops: of tensors, of numbers, and of pairs."""

    def forward(self, x: torch.Tensor, limit: float) -> tuple[torch.Tensor, torch.Tensor, int, dict[str, torch.Tensor]]:
        """The rows whose sum is above the limit, their numbers, how many, and sums by name."""
        rows: list[torch.Tensor] = []
        numbers: list[int] = []
        sums: dict[str, torch.Tensor] = {"kept": torch.zeros(()), "dropped": torch.zeros(())}
        for i in range(x.size(0)):
            total = x[i].sum()
            if bool(total > limit):
                rows.append(x[i] * 2)
                numbers.append(i)
                sums["kept"] = sums["kept"] + total
            else:
                sums["dropped"] += total
        rows.append(x[0])
        return torch.stack(rows), torch.tensor(numbers), len(numbers), sums


class StreamingLSTM(Module):
    """An LSTM cell whose hidden state lies in attributes."""

    hidden: torch.Tensor
    cell: torch.Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTMCell(size, width)
        self.head = nn.Linear(width, size)
        self.hidden = torch.full((1, width), 0.1)
        self.cell = torch.zeros(1, width)
        self.steps = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One step of time; x [1, size]."""
        self.hidden, self.cell = self.lstm(x, (self.hidden, self.cell))
        self.steps += 1
        y = self.head(self.hidden)
        if self.steps % 2 == 0:
            y = -y
        return y


class StatefulGRU(Module):
    """A GRU cell that keeps its hidden state in a buffer."""

    hidden: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(3, 5)
        self.register_buffer("hidden", torch.zeros(1, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [1, 3]."""
        self.hidden = self.cell(x, self.hidden)
        return self.hidden * 2


class Remembering(Module):
    """Keeps a list that grows from call to call, a dict of tensors, and a flag."""

    seen: list[torch.Tensor]
    best: dict[str, torch.Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.seen = []
        self.best = {"score": torch.tensor(-1.0), "row": torch.zeros(4)}
        self.started = False

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """x [4]: the mean of all that was seen, and the best row."""
        self.seen.append(x)
        score = x.sum()
        if not self.started or bool(score > self.best["score"]):
            self.best["score"] = score
            self.best["row"] = x
        self.started = True
        total = torch.zeros(4)
        for each in self.seen:
            total = total + each
        return total / len(self.seen), self.best["row"]


class Detection(Module):
    """Post-processing of a detector: decodes boxes, drops weak ones, and suppresses overlaps in a loop."""

    def __init__(self, overlap: float = 0.5, score: float = 0.3, most: int = 20) -> None:
        super().__init__()
        self.overlap = overlap
        self.score = score
        self.most = most

    def forward(self, deltas: torch.Tensor, logits: torch.Tensor) -> dict[str, torch.Tensor]:
        """deltas [A, 4] as centre and size, logits [A, C]: the kept boxes, their scores and labels."""
        half = deltas[:, 2:] / 2
        boxes = torch.cat([deltas[:, :2] - half, deltas[:, :2] + half], dim=1)
        scores, labels = logits.softmax(-1).max(-1)
        strong = scores > self.score
        boxes, scores, labels = boxes[strong], scores[strong], labels[strong]
        order = torch.argsort(scores, descending=True)
        keep: list[torch.Tensor] = []
        while order.numel() > 0 and len(keep) < self.most:
            first = order[0]
            keep.append(first)
            order = order[1:]
            order = order[self.overlaps(boxes[first], boxes[order]) <= self.overlap]
        kept = torch.stack(keep) if len(keep) > 0 else torch.zeros(0, dtype=torch.int64)
        return {"boxes": boxes[kept], "scores": scores[kept], "labels": labels[kept]}

    def overlaps(self, box: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """box [4] with others [K, 4]: intersection over union."""
        low = torch.max(box[:2], others[:, :2])
        high = torch.min(box[2:], others[:, 2:])
        inside = (high - low).clamp(min=0).prod(dim=1)
        area = (box[2] - box[0]) * (box[3] - box[1])
        areas = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
        return inside / (area + areas - inside)


class Greedy(Module):
    """A decoder that emits tokens until it meets the end, or has emitted enough."""

    def __init__(self, words: int = 12, width: int = 16) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        self.cell = nn.GRUCell(width, width)
        self.head = nn.Linear(width, words)

    def forward(self, state: torch.Tensor, most: int = 9) -> torch.Tensor:
        """state [1, width] to tokens [K]."""
        token = torch.zeros(1, dtype=torch.int64)
        tokens: list[torch.Tensor] = []
        while len(tokens) < most:
            state = self.cell(self.embedding(token), state)
            token = self.head(state).argmax(-1)
            if int(token) == 3:
                break
            tokens.append(token)
        return torch.cat(tokens) if len(tokens) > 0 else torch.zeros(0, dtype=torch.int64)


class Lazy(Module):
    """Remembers its last input and how often it was called, and before the first call nothing."""

    last: torch.Tensor | None
    calls: int | None

    def __init__(self) -> None:
        super().__init__()
        self.last = None
        self.calls = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The difference to the last input, if there is one, and the number of calls before."""
        last, calls = self.last, self.calls
        y = x - last if last is not None else x * 10
        self.last = x
        self.calls = calls + 1 if calls is not None else 0
        return y if calls is None else y + calls


class Caching(Module):
    """A dict that calls fill."""

    table: dict[str, torch.Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.table = {}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x of the first call."""
        if "x" not in self.table:
            self.table["x"] = x
        return self.table["x"]


class Scaled(Module):
    """Reads a list and a dict, and changes neither."""

    scales: list[torch.Tensor]
    table: dict[str, int]

    def __init__(self) -> None:
        super().__init__()
        self.scales = [torch.ones(4), torch.full((4,), 2.0)]
        self.table = {"a": 3}
        self.norm = nn.LayerNorm(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [N, 4]."""
        return self.norm(x) * self.scales[1] + self.table["a"]


def scripted(module: Any) -> Any:
    """The module in eval mode as torch.jit.script makes it, without the warning that it is old."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(module.eval())
