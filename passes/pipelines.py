"""Pipelines as data: the passes in order, each with the reason it stands where it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

Pipeline: TypeAlias = tuple[tuple[str, str], ...]

DEFAULT: Pipeline = (
    ("resolve-shapes", "while the source's shape arithmetic is whole: sizes that become known help every later pass"),
    ("dce", "importers leave unused weights and the remains of shape chains; do not spend time on them"),
    ("fold", "laws that want constant operands find them, where the source computes weights"),
    ("cse", "patterns in which a value occurs twice match only when it is one value"),
    ("canonicalize", "fusions are written for canonical forms only"),
    ("fuse{only=[norm]}", "norms are along channels last where the source has images so, and are found there"),
    ("layout", "the rest follows convolutions to channels first: what stands behind them can be worked into them"),
    ("fuse", "larger ops are what backends are fast at"),
    ("fold", "what fusions compute from weights, and what has become constant since"),
    ("canonicalize", "fusions leave reshapes and casts side by side"),
    ("cse", "rewriting may make the same value or constant twice"),
    ("dce", "nothing unused reaches a backend"),
)

PRECISION: Mapping[str, Pipeline] = {
    name: (
        (f"lower-precision{{dtype={dtype},seeded=1}}", "after fusion: larger ops are computed in f32 inside"),
        ("canonicalize", "casts that meet cancel"),
        ("cse", "the same constant may have been converted twice"),
        ("dce", "f32 constants nobody uses any more"),
    )
    for name, dtype in (("fp16", "f16"), ("bf16", "bf16"))
}
"""Precision in a target's name -> what runs after the default pipeline."""


def as_text(pipeline: Pipeline) -> str:
    """The pipeline as `parse_pipeline` reads it."""
    return ",".join(step for step, _ in pipeline)


def default() -> str:
    """The text of the default pipeline: exact rules only."""
    return as_text(DEFAULT)


def for_precision(name: str) -> str:
    """The text of the pipeline for a target's precision: the default one, and what lowers precision where it is."""
    return as_text(DEFAULT + PRECISION.get(name, ()))
