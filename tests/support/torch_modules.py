"""Small modules written for the tests of the torch importer. Importing this imports torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Module(nn.Module):  # type: ignore[misc]  # torch has no types here
    """What the modules of tests derive from."""


class UNet(Module):
    """Two levels down and up again, with skip connections (arXiv:1505.04597)."""

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        self.down1, self.down2 = self._block(channels, width), self._block(width, 2 * width)
        self.middle = self._block(2 * width, 4 * width)
        self.lift2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.lift1 = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.up2, self.up1 = self._block(4 * width, 2 * width), self._block(2 * width, width)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [N, channels, H, W] to [N, classes, H, W]."""
        first = self.down1(x)
        second = self.down2(nn.functional.max_pool2d(first, 2))
        deep = self.middle(nn.functional.max_pool2d(second, 2))
        second = self.up2(torch.cat([self.lift2(deep), second], 1))
        return self.head(self.up1(torch.cat([self.lift1(second), first], 1)))

    @staticmethod
    def _block(before: int, after: int) -> Any:
        return nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU())


class RecurrentLanguageModel(Module):
    """Embedding, two recurrent layers in both directions, and logits."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.embedding = nn.Embedding(100, 16)
        self.layers = getattr(nn, kind)(16, 24, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(48, 100)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """ids [N, T] to logits [N, T, 100]."""
        return self.head(self.layers(self.embedding(ids))[0])


class ConvLSTM(Module):
    """A convolutional LSTM cell over the frames of a clip (arXiv:1506.04214)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.gates = nn.Conv2d(channels + width, 4 * width, 3, padding=1)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """frames [N, T, C, H, W] to the last hidden state [N, width, H, W]."""
        hidden = torch.zeros(frames.shape[0], self.width, frames.shape[3], frames.shape[4])
        cell = torch.zeros_like(hidden)
        for frame in frames.unbind(1):
            i, f, g, o = self.gates(torch.cat([frame, hidden], 1)).chunk(4, 1)
            cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
            hidden = o.sigmoid() * cell.tanh()
        return hidden
