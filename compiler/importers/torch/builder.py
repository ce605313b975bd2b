"""What a lowering is given: a builder that also knows what torch says of the node at hand."""

from __future__ import annotations

from typing import Any, TypeAlias

from isthmus.compiler.importers.base import ImportBuilder
from isthmus.compiler.importers.torch.sizes import Sizes
from isthmus.compiler.importers.torch.types import dtype_from
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Graph, Value
from isthmus.ir.types import DType, TensorType

Number: TypeAlias = Dim | float | bool
"""A Python number, or a size."""
Scalar: TypeAlias = Value | Number
"""What ATen calls a Scalar or a Tensor: a number, or a tensor."""


class TorchBuilder(ImportBuilder):
    """Adds to a graph; `fake` is torch's own result of the node at hand, without data."""

    def __init__(self, graph: Graph, dims_of_torch: Sizes) -> None:
        super().__init__(graph)
        self.torch_sizes = dims_of_torch
        self.fake: Any = None

    def wanted(self, index: int = 0) -> TensorType:
        """The type of result number `index` as torch says. UnsupportedModel where sizes depend on data."""
        fake = self._fake(index)
        return TensorType(dtype_from(fake.dtype, "the result"), self.torch_sizes.shape(fake))

    def wanted_dtype(self, index: int = 0) -> DType:
        """The element type of result number `index` as torch says."""
        return dtype_from(self._fake(index).dtype, "the result")

    def _fake(self, index: int) -> Any:
        return self.fake[index] if isinstance(self.fake, list | tuple) else self.fake
