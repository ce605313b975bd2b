"""The errors a user can meet. One class a kind, each with a code that never changes.

The first digit of a code says who speaks: 1 importers, 2 the text parser, 3 the IR, 4 passes, 5 backends,
6 targets and programs.
"""

from __future__ import annotations

from typing import ClassVar


class IsthmusError(Exception):
    """Anything isthmus refuses to do: what happened, where, and what to do about it."""

    code: ClassVar[str] = "E000"

    def __init__(self, reason: str, *, where: str = "", hint: str = "") -> None:
        self.reason, self.where, self.hint = reason, where, hint
        super().__init__(reason)

    def __str__(self) -> str:
        lines = [f"[{self.code}] {self.reason}"]
        if self.where:
            lines.append(f"  at {self.where}")
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


class ImportFailed(IsthmusError):
    """A source model cannot be read."""

    code = "E100"


class MalformedModel(ImportFailed):
    """The file is not a well-formed model of its format."""

    code = "E101"


class UnsupportedOps(ImportFailed):
    """The model uses ops the importer does not know. Lists all of them, with the nodes that use them."""

    code = "E102"


class ExternalDataMissing(ImportFailed):
    """Weights stored beside the model are absent or too short."""

    code = "E103"


class ExternalDataOutside(ImportFailed):
    """Weights are said to lie outside the model's own folder, where a model may not reach."""

    code = "E104"


class UnsupportedModel(ImportFailed):
    """A known op in a form that cannot be imported; the message names the node and the form."""

    code = "E105"


class UnknownFormat(ImportFailed):
    """Neither the path nor the object is of a kind `import_model` takes."""

    code = "E106"


class TextError(IsthmusError):
    """IR text that does not parse: file, line, column, the line itself and a caret."""

    code = "E201"


class IRError(IsthmusError):
    """The IR itself is used wrongly."""

    code = "E300"


class TypeRuleError(IRError):
    """Operands or attributes an op does not admit."""

    code = "E301"


class VerifyError(IRError):
    """A graph that breaks an invariant; shows the node with its neighbourhood."""

    code = "E302"


class DimensionError(IRError):
    """A dimension expression that has no meaning, or a binding outside a symbol's bounds."""

    code = "E303"


class EvaluationError(IRError):
    """An op's numpy meaning failed on given arrays."""

    code = "E304"


class PassError(IsthmusError):
    """A pass failed or broke the graph; names the pass, and the reproducer if one was written."""

    code = "E401"


class PipelineError(IsthmusError):
    """A pipeline with an unknown pass or option, or with something that is no pass."""

    code = "E402"


class RewriteLoop(PassError):
    """A set of rules does not come to rest; names the rule that keeps firing."""

    code = "E403"


class NumbersMoved(PassError):
    """`check="numerics"` found a pass that changes results beyond the dtype's tolerance."""

    code = "E404"


class RuleError(IsthmusError):
    """A rewrite rule that is written wrongly: its pattern says too little, or it names what does not exist."""

    code = "E405"


class UnsupportedByBackend(IsthmusError):
    """Nodes a backend cannot take: all of them, each with its reason and source location."""

    code = "E501"


class BackendFailed(IsthmusError):
    """The engine itself refused a network that the emitter built."""

    code = "E502"


class BackendMissing(IsthmusError):
    """The engine's Python package is not installed."""

    code = "E503"


class DeviceUnavailable(IsthmusError):
    """This machine cannot run in the precision asked for, and another one in its place would be a silent lie."""

    code = "E504"


class UnknownTarget(IsthmusError):
    """A target string that names no device, precision or backend."""

    code = "E601"


class BadArgument(IsthmusError):
    """An argument to an isthmus function that is not of an admitted kind."""

    code = "E604"


class FileFailed(IsthmusError):
    """A file or folder that cannot be read or written; the message says why."""

    code = "E605"


class BadInput(IsthmusError):
    """A program was called with missing, unknown or ill-typed inputs."""

    code = "E602"


class AccuracyError(IsthmusError):
    """Results are further from f32 than `accuracy=` allows; names the outputs and the layers where error grows."""

    code = "E603"
