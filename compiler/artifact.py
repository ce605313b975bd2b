"""Programs on disk: the optimized IR as text that says what it was built for, and beside it weights and engines.

`m.isth` starts with a line of JSON, `m.isth.safetensors` holds the weights, the folder `m.isth.engines` what was built
for the target. The first two are the program; engines are there so that they need not be built again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from isthmus.backends.options import EngineOptions
from isthmus.compiler.arguments import as_engine_options
from isthmus.compiler.placement import Fallback
from isthmus.compiler.target import REFERENCE, Target, parse_target
from isthmus.ir import textfile
from isthmus.ir.errors import BadArgument, UnknownFormat
from isthmus.ir.graph import Graph

_MARK = "isthmus program"


@dataclass(frozen=True)
class Recipe:
    """What a program is built from, besides its graph."""

    target: Target
    fallback: Fallback = "error"
    engine: EngineOptions | None = None

    def as_dict(self) -> dict[str, Any]:
        """In plain dicts, lists, strings and numbers."""
        engine = None if self.engine is None else self.engine.as_dict()
        return {"target": str(self.target), "fallback": self.fallback, "options": engine}

    @staticmethod
    def of(facts: Mapping[str, Any]) -> Recipe:
        """From what `as_dict` returned. BadArgument, UnknownTarget for anything else."""
        if facts["fallback"] not in get_args(Fallback):
            raise BadArgument(f"fallback is {facts['fallback']!r}")
        target = parse_target(facts["target"])
        return Recipe(target, facts["fallback"], as_engine_options(facts["options"], target))


def save(graph: Graph, recipe: Recipe, path: Path) -> None:
    """Write `path` and, where there are large constants, `path`.safetensors."""
    textfile.dump(graph, path, comment=f"{_MARK} {json.dumps(recipe.as_dict())}")


def engines(path: Path) -> Path:
    """The folder beside the text in `path` that holds its engines."""
    return Path(f"{path}.engines")


def load(path: Path) -> tuple[Graph, Recipe]:
    """The graph and the recipe that were saved; IR text that has none is meant for `reference`.

    Raises UnknownFormat where there is no such file, or a program that another version of isthmus has saved.
    """
    if not path.is_file():
        raise UnknownFormat(f"there is no file {path}")
    comment = textfile.read_comment(path)
    if not comment.startswith(_MARK):
        return textfile.load(path), Recipe(REFERENCE)
    try:
        recipe = Recipe.of(json.loads(comment.removeprefix(_MARK)))
    except (ValueError, KeyError, TypeError, AttributeError, BadArgument) as error:
        raise UnknownFormat(
            f"{path} says in a form unknown here what it was built for: {error}",
            hint="save it with this version, or remove its first line and compile it as IR text",
        ) from None
    return textfile.load(path), recipe
