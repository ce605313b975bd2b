"""A module as an ExportedProgram: traced at inference by torch.export, with the dynamic sizes asked for."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from isthmus.compiler.importers.torch.examples import Examples
from isthmus.compiler.importers.torch.functional import aliasing, is_plain, leave_out_dropout
from isthmus.compiler.importers.torch.ones import watched
from isthmus.ir.dim import Dim, Symbol, as_symbol
from isthmus.ir.errors import BadInput, IsthmusError, UnsupportedModel

_LINES_SHOWN = 12
_TRIES = 4
_ASSIGNED = re.compile(r"The tensor attributes? (.+?) (?:was|were) assigned during export")
_BOUNDED = re.compile(r"(\w+) = Dim\('\w+'(?:, min=(\d+))?(?:, max=(\d+))?\)")


def export(module: Any, examples: Examples) -> Any:
    """The ExportedProgram of `module` for `examples`.

    Sizes tied to each other by the model (H is 32 times something) are refined as torch suggests. BadInput where the
    model fixes or bounds a size that should be free, UnsupportedModel where torch.export cannot trace it.
    """
    with _inference(module), watched(examples), _attributes_kept(module):
        try:
            return _traced(module, examples)
        except (UnsupportedModel, _Narrowed) as error:
            if "Constraints violated" not in str(error.__cause__):
                raise
        # An image is one pixel after five halvings, where torch would trace another program: let it not ask.
        with torch.fx.experimental._config.patch(backed_size_oblivious=True):
            return _traced(module, examples)


class _Narrowed(BadInput):
    """The model works for fewer sizes than were asked for."""


def _traced(module: Any, examples: Examples) -> Any:
    program = _settled(module, examples)
    leave_out_dropout(program.graph_module)
    return program


def _settled(module: Any, examples: Examples) -> Any:
    """The program with sizes that depend on each other as the model has it."""
    dynamic = examples.dynamic
    for _ in range(_TRIES):
        try:
            return torch.export.export(module, examples.args, examples.kwargs, dynamic_shapes=dynamic, strict=False)
        except IsthmusError:
            raise
        except Exception as error:
            if dynamic is None or "Suggested fixes:" not in str(error):
                raise _failure("torch.export cannot trace the module", error) from error
            fixes = _fixes(str(error))
            _check_bounds(fixes, examples, error)
            dynamic = _refined(fixes, dynamic)
    raise UnsupportedModel("torch.export does not settle on sizes", hint="give fixed sizes with inputs=")


def decomposed(program: Any, lacking: Callable[[Any], bool]) -> Any:
    """The program in functional form, and of its ops only those decomposed that are `lacking`.

    UnsupportedModel where torch fails to bring it there.
    """
    module = program.graph_module
    with _quietly():
        if is_plain(module) and not any(map(lacking, targets(module))):
            return program
        try:
            return _decomposed(program, lacking)
        except Exception as error:
            raise _failure("torch cannot decompose the exported program", error) from error


def _decomposed(program: Any, lacking: Callable[[Any], bool]) -> Any:
    table = decompositions()
    program = program.run_decompositions({op: table[op] for op in aliasing(program.graph_module) if op in table})
    known: set[Any] = set()
    while new := {op for op in targets(program.graph_module) if lacking(op)} - known:
        known |= new
        chosen = {op: table[op] for op in known if op in table}
        if not chosen:
            break
        program = program.run_decompositions(chosen)
    return program


def targets(module: Any) -> Iterator[Any]:
    """Every op that is called in a graph module or in the bodies inside it."""
    for each in module.modules():
        if isinstance(each, torch.fx.GraphModule):
            yield from (node.target for node in each.graph.nodes if node.op == "call_function")


def decompositions() -> Any:
    table = dict(torch._decomp.decomposition_table)
    table.update(torch.export.default_decompositions())
    return table


@contextmanager
def _inference(module: Any) -> Iterator[None]:
    """The module in eval mode and without gradients; its own modes come back afterwards."""
    modes = [(each, each.training) for each in module.modules()]
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # fused encoder kernels have no place in a graph
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for each, training in modes:
            each.training = training


@contextmanager
def _attributes_kept(module: Any) -> Iterator[None]:
    """UnsupportedModel where the module changes a tensor that an attribute holds: torch only warns, and forgets it.

    An attribute that is new says nothing to the next call.
    """
    before = {f"{path}.{name}".lstrip(".") for path, each in module.named_modules() for name in vars(each)}
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        yield
    for each in seen:
        told = _ASSIGNED.match(str(each.message))
        names = [name.removeprefix("self.") for name in told[1].split(", ")] if told is not None else []
        if changed := [name for name in names if name in before]:
            raise UnsupportedModel(
                f"a call changes what the module keeps in {', '.join(changed)}",
                hint="keep it in a buffer (register_buffer), and change that in place",
            )


@contextmanager
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _fixes(message: str) -> list[str]:
    """torch's suggestions, each `NAME = SIZE`."""
    lines = [line.strip() for line in message.partition("Suggested fixes:")[2].splitlines()]
    return [line for line in lines if re.match(r"\w+ = ", line)]


def _check_bounds(fixes: list[str], examples: Examples, error: Exception) -> None:
    asked = {each.name: each for leaf in examples.leaves for dim in leaf.dims if (each := _symbol(dim)) is not None}
    for line in fixes:
        found = _BOUNDED.match(line)
        if found is None or found[1] not in asked:
            continue
        low, high = asked[found[1]].low, asked[found[1]].high
        too_low = found[2] is not None and int(found[2]) > max(low, 2)  # torch says 2 where it means any
        if too_low or (found[3] is not None and (high is None or int(found[3]) < high)):
            raise _Narrowed(
                f"the model does not work for all sizes that inputs= asks for: {line}", hint="ask for these bounds"
            ) from error


def _symbol(dim: Dim | None) -> Symbol | None:
    return None if dim is None else as_symbol(dim)


def _refined(fixes: list[str], dynamic: Any) -> Any:
    """torch's description of dynamic shapes after its own suggestions."""
    try:
        refined = torch.export.dynamic_shapes.refine_dynamic_shapes_from_suggested_fixes(
            "\n".join(("Suggested fixes:", *fixes)), dynamic
        )
    except Exception as error:
        raise BadInput(f"the model ties its sizes in a way that has no name: {', '.join(fixes)}") from error
    if fixed := [line for line in fixes if line.rpartition(" = ")[2].isdigit()]:
        raise BadInput(
            f"the model fixes sizes that inputs= leaves free: {', '.join(fixed)}", hint="give these sizes as numbers"
        )
    return refined


def _failure(what: str, error: Exception) -> UnsupportedModel:
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    shown = "\n".join(f"  {line}" for line in lines[:_LINES_SHOWN])
    return UnsupportedModel(
        f"{what}: {type(error).__name__}\n{shown}",
        hint="torch.export.export(module, args) shows the whole of it; docs/import-torch.md lists what helps",
    )
