"""Pipelines as data: the passes in order, each with the reason it stands where it does."""

from __future__ import annotations

from typing import TypeAlias

Pipeline: TypeAlias = tuple[tuple[str, str], ...]

DEFAULT: Pipeline = (
    ("resolve-shapes", "while the source's shape arithmetic is whole: sizes that become known help every later pass"),
    ("dce", "importers leave unused weights and the remains of shape chains; do not spend time on them"),
    ("fold", "laws that want constant operands find them, where the source computes weights"),
    ("cse", "patterns in which a value occurs twice match only when it is one value"),
    ("canonicalize", "fusions are written for canonical forms only"),
    ("fuse", "larger ops are what backends are fast at"),
    ("fold", "what fusions compute from weights, and what has become constant since"),
    ("canonicalize", "fusions leave reshapes and casts side by side"),
    ("cse", "rewriting may make the same value or constant twice"),
    ("dce", "nothing unused reaches a backend"),
)


def as_text(pipeline: Pipeline) -> str:
    """The pipeline as `parse_pipeline` reads it."""
    return ",".join(step for step, _ in pipeline)


def default() -> str:
    """The text of the default pipeline: exact rules only."""
    return as_text(DEFAULT)
