"""TorchScript: its graphs lowered straight to the IR, or interpreted under torch.export.

Both end in the same table of ATen ops. Lowering follows branches and loops on data, and takes seconds where an export
takes a minute; interpreting is there for what lowering refuses, because torch.export settles more about sizes.
"""

from __future__ import annotations

from isthmus.compiler.importers.torch.scripted.entry import first_of, is_script, lower_script, plain_script
from isthmus.compiler.importers.torch.scripted.vetting import vet_code

__all__ = ["first_of", "is_script", "lower_script", "plain_script", "vet_code"]
