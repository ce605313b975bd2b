"""The command line: `isthmus compile | run | inspect | opt | ops | passes | targets`. `--json` works on all of them."""

from __future__ import annotations

import inspect as python_inspect
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, NoReturn

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from isthmus.backends.table import backend_called
from isthmus.compiler import driver, options
from isthmus.compiler.bar import Bar
from isthmus.compiler.importers.dispatch import import_model
from isthmus.compiler.target import FAMILIES, REFERENCE, all_targets
from isthmus.ir import ops as op_table
from isthmus.ir import textfile
from isthmus.ir.errors import AccuracyError, BadArgument, FileFailed, IsthmusError
from isthmus.ir.graph import Graph
from isthmus.passes import pipelines
from isthmus.passes.explain import Explanation, find_rule
from isthmus.passes.explain import explain as explanations
from isthmus.passes.numerics import seeded_inputs
from isthmus.passes.reproducer import Reproducer, is_reproducer, read_reproducer
from isthmus.passes.spec import parse_pipeline
from isthmus.passes.table import known_passes

app = typer.Typer(
    help="Compile deep-learning models through an IR you can read.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
out, err = Console(), Console(stderr=True)

Model = Annotated[
    Path, typer.Argument(help="An .onnx, .pt2 or TorchScript file, a SavedModel folder, a frozen .pb or .isth text.")
]
Shapes = Annotated[
    list[str] | None,
    typer.Option("--shape", "-s", help="An input's shape, e.g. x:N:1..32x3x224x224. May be given for several inputs."),
]
Signature = Annotated[str | None, typer.Option("--signature", help="Which signature of a SavedModel is meant.")]
Fetches = Annotated[
    list[str] | None,
    typer.Option("--fetch", help="A tensor of a TensorFlow model to yield, in place of all outputs. May be repeated."),
]
TargetName = Annotated[str, typer.Option("--target", "-t", help="Where to run; `isthmus targets` lists them.")]
Passes = Annotated[
    list[str] | None, typer.Option("--passes", "-p", help="Pipeline text to run after the target's own passes.")
]
CheckLevel = Annotated[
    options.CheckLevel, typer.Option("--check", help="How closely to watch passes; numerics evaluates around each.")
]
FallbackChoice = Annotated[
    options.FallbackChoice, typer.Option("--fallback", help="What becomes of nodes the target's backend cannot run.")
]
DumpDir = Annotated[
    Path | None, typer.Option("--dump-dir", help="Write the IR after each pass that changed it, and diffs.")
]
CacheDir = Annotated[
    Path | None, typer.Option("--cache-dir", help="Keep built engines here, and look here before building one.")
]
EngineOption = Annotated[
    list[str] | None,
    typer.Option("--option", help="NAME=VALUE for the target's engine, e.g. optimization_level=5. May be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of tables for people.")]


@app.command()
def compile(
    model: Model,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Save the program here (.isth).")] = None,
    target: TargetName = "cpu-fp32",
    shape: Shapes = None,
    signature: Signature = None,
    fetch: Fetches = None,
    passes: Passes = None,
    calibration: Annotated[
        list[Path] | None,
        typer.Option("--calibration", help="An .npz file of inputs by name. May be repeated."),
    ] = None,
    fallback: FallbackChoice = options.FallbackChoice.error,
    accuracy: Annotated[
        float | None, typer.Option("--accuracy", help="Largest relative L2 error against f32; exit code 2 beyond it.")
    ] = None,
    check: CheckLevel = options.CheckLevel.structure,
    dump_dir: DumpDir = None,
    cache_dir: CacheDir = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads the engine may use; default: all.")] = None,
    option: EngineOption = None,
    as_json: AsJson = False,
) -> None:
    """Compile a model for a target, report what happened, and save the program if asked to."""
    with _errors(as_json), Bar(err, model.name) as bar:
        program = driver.compile(
            model,
            target,
            inputs=options.parse_shapes(shape or ()),
            outputs=fetch or None,
            signature=signature,
            passes=passes or (),
            fallback=fallback.value,
            calibration=options.load_samples(calibration or ()),
            accuracy=accuracy,
            check=check.value,
            dump_dir=dump_dir,
            cache_dir=cache_dir,
            threads=threads,
            options=options.parse_engine_options(target, option or ()),
            progress=bar,
        )
        if output is not None:
            program.save(output)
    _show(as_json, program.report.as_dict(), *program.report.__rich__())


@app.command()
def run(
    model: Annotated[Path, typer.Argument(help="A saved program or IR text (.isth), or a model.")],
    data: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", help="An input from a file, e.g. x=image.npy. Others are drawn from --seed."),
    ] = None,
    save: Annotated[Path | None, typer.Option("--save", help="Write the outputs to this .npz file.")] = None,
    target: Annotated[str | None, typer.Option("--target", "-t", help="Default: the saved one, or cpu-fp32.")] = None,
    shape: Shapes = None,
    signature: Signature = None,
    fetch: Fetches = None,
    seed: Annotated[int, typer.Option(help="For inputs that are not given.")] = 0,
    cache_dir: CacheDir = None,
    option: EngineOption = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Take no engine that was saved with the program.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a model once and describe its outputs."""
    with _errors(as_json), Bar(err, model.name) as bar:
        if model.suffix == ".isth" and target is None:
            _refuse(shape, "--shape", "a saved program has its input shapes already")
            _refuse(signature or fetch, "--signature and --fetch", "a saved program has its outputs already")
            _refuse(option, "--option", "a saved program has its options already")
            program = driver.load(model, cache_dir=cache_dir, rebuild=rebuild, progress=bar)
        else:
            _refuse(rebuild, "--rebuild", "only a saved program has engines")
            program = driver.compile(
                model,
                target or "cpu-fp32",
                inputs=options.parse_shapes(shape or ()),
                outputs=fetch or None,
                signature=signature,
                cache_dir=cache_dir,
                options=options.parse_engine_options(target or "cpu-fp32", option or ()),
                progress=bar,
            )
        results = program(seeded_inputs(program.graph, seed) | options.load_arrays(data or ()))
        if save is not None:
            np.savez(save, **results)  # type: ignore[arg-type]
    table = Table("output", "type", "mean", "std", "min", "max")
    rows = []
    for name, array in results.items():
        kind, stats = f"{array.dtype}{list(array.shape)}", options.statistics(array)
        table.add_row(name, kind, *(f"{x:.6g}" for x in stats.values()))
        rows.append({"name": name, "dtype": str(array.dtype), "shape": list(array.shape), **stats})
    _show(as_json, {"outputs": rows}, table)


@app.command()
def inspect(
    model: Model,
    shape: Shapes = None,
    signature: Signature = None,
    fetch: Fetches = None,
    ir: Annotated[bool, typer.Option("--ir", help="Print the whole IR as text.")] = False,
    as_json: AsJson = False,
) -> None:
    """Describe a model: inputs, outputs, ops, parameters; or print its IR."""
    with _errors(as_json):
        graph = _imported(model, shape, signature, fetch)
        if ir:
            _print_ir(graph, as_json)
            return
    ops = Counter(n.op.name for n in graph.walk() if n.op.name != "const")
    parameters = sum(int(n.attrs["data"].type.numel()) for n in graph.walk() if n.op.name == "const")
    facts = {
        "name": graph.name,
        "inputs": {v.name: str(v.type) for v in graph.inputs},
        "outputs": {n: str(v.type) for n, v in zip(graph.output_names, graph.outputs, strict=True)},
        "nodes": graph.op_count(),
        "parameters": parameters,
        "ops": dict(ops.most_common()),
    }
    table = Table(show_header=False)
    table.add_row("inputs", escape("\n".join(map(str, graph.inputs))))
    table.add_row("outputs", escape("\n".join(f"%{n}: {t}" for n, t in facts["outputs"].items())))  # type: ignore[attr-defined]
    table.add_row("nodes", f"{graph.op_count()}: " + ", ".join(f"{n} x{c}" for n, c in ops.most_common()))
    table.add_row("parameters", f"{parameters:,}")
    _show(as_json, facts, table)


@app.command()
def opt(
    model: Annotated[Path, typer.Argument(help="A model, IR text (.isth), or a reproducer a pass has left.")],
    pipeline: Annotated[
        str | None, typer.Option("--pipeline", "-p", help="Pipeline text; default: the reproducer's own, or ours.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the IR here, print nothing.")] = None,
    explain: Annotated[
        str | None, typer.Option(help="A rule by name: say for each node it could start at why it does not fire.")
    ] = None,
    shape: Shapes = None,
    signature: Signature = None,
    fetch: Fetches = None,
    check: Annotated[
        options.CheckLevel | None,
        typer.Option("--check", help="As for compile; default: the reproducer's own, or full."),
    ] = None,
    dump_dir: DumpDir = None,
    as_json: AsJson = False,
) -> None:
    """Run passes over a model and print the IR that comes out, or why a rule does not fire in it."""
    with _errors(as_json):
        _refuse(explain and output, "--output", "--explain writes no IR")
        read = _read(model, shape, signature, fetch)
        text = read.pipeline if pipeline is None else pipeline
        level = options.CheckLevel(read.check) if check is None else check
        better = driver.optimize(read.graph, text, check=level.value, dump_dir=dump_dir)
        if explain is not None:
            rule = find_rule(explain, parse_pipeline(text))
            _explain(explanations(rule, better), as_json)
            return
        if read.then and pipeline is None:
            err.print(f"what failed came before: {read.then}", markup=False, highlight=False)
        if output is None:
            _print_ir(better, as_json)
            return
        textfile.dump(better, output)
    nodes = {"before": read.graph.op_count(), "after": better.op_count()}
    _show(as_json, {"nodes": nodes, "output": str(output)}, f"{output}: {nodes['after']} nodes")


@app.command()
def ops(
    name: Annotated[str | None, typer.Argument(help="Show this op whole.")] = None, as_json: AsJson = False
) -> None:
    """List the op table, or show one op."""
    with _errors(as_json):
        rows = list(op_table.TABLE.values()) if name is None else [op_table.find(name)]
    table = Table("op", "family", "operands", "attributes", "meaning")
    for op in rows:
        text = op.doc if name is not None else op.doc.partition("\n")[0]
        table.add_row(op.name, op.family, " ".join(o.name for o in op.operands), " ".join(op.attributes), text)
    listed = [{"name": o.name, "family": o.family, "doc": o.doc, "attributes": list(o.attributes)} for o in rows]
    _show(as_json, {"ops": listed}, table)


@app.command()
def passes(as_json: AsJson = False) -> None:
    """List the passes that pipeline text can name, and the default pipeline with its reasons."""
    with _errors(as_json):
        known = known_passes()
    table = Table("pass", "options", "what it does")
    listed = []
    for name, each in sorted(known.items()):
        given = {f.name: repr(f.default) for f in fields(each)}
        doc = python_inspect.cleandoc(each.__doc__ or "")
        table.add_row(name, ", ".join(f"{k}={v}" for k, v in given.items()), doc)
        listed.append({"name": name, "options": given, "doc": doc})
    steps = Table("default pipeline", "why here")
    for step, reason in pipelines.DEFAULT:
        steps.add_row(step, reason)
    _show(as_json, {"passes": listed, "default": pipelines.default()}, table, steps)


@app.command()
def targets(as_json: AsJson = False) -> None:
    """List the targets and the backends that serve them."""
    table = Table(Column("targets", overflow="fold"), "backend", "options")
    for family in FAMILIES:
        table.add_row(str(family), family.backend, ", ".join(_option_names(family.backend)))
    table.add_row(str(REFERENCE), REFERENCE.backend, "")
    names = ("device", "arch", "precision", "backend")
    rows = [
        {"target": str(each), **{name: getattr(each, name) for name in names}, "options": _option_names(each.backend)}
        for each in all_targets()
    ]
    _show(as_json, {"targets": rows}, table)


def _option_names(backend: str) -> list[str]:
    kind = backend_called(backend).options
    return [] if kind is None else list(kind.readers)


def _read(model: Path, shape: list[str] | None, signature: str | None, fetch: list[str] | None) -> Reproducer:
    if is_reproducer(model):
        _refuse(shape, "--shape", "a reproducer has its input shapes already")
        _refuse(signature or fetch, "--signature and --fetch", "a reproducer has its outputs already")
        return read_reproducer(model)
    return Reproducer(pipelines.default(), _imported(model, shape, signature, fetch))


def _imported(model: Path, shape: list[str] | None, signature: str | None, fetch: list[str] | None) -> Graph:
    shapes = options.parse_shapes(shape or ())
    return import_model(model, inputs=shapes, outputs=fetch or None, signature=signature)


def _refuse(given: object, option: str, reason: str) -> None:
    if given:
        raise BadArgument(f"{option} cannot be given here: {reason}")


def _explain(found: Sequence[Explanation], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"nodes": [each.as_dict() for each in found]}, indent=2))
        return
    for each in found:
        print(each)
    if not found:
        print("no node has an op that the rule starts at")


def _print_ir(graph: Graph, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"ir": str(graph)}))
    else:
        print(graph)


def _show(as_json: bool, facts: Any, *renderables: Any) -> None:
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    for each in renderables:
        out.print(each)


@contextmanager
def _errors(as_json: bool) -> Iterator[None]:
    """Print what isthmus refuses as an error, not as a traceback."""
    try:
        yield
    except IsthmusError as error:
        _fail(error, as_json)
    except OSError as error:
        _fail(FileFailed(f"{error.filename or 'a file'}: {error.strerror or error}"), as_json)


def _fail(error: IsthmusError, as_json: bool) -> NoReturn:
    if as_json:
        facts = {"code": error.code, "reason": error.reason, "where": error.where, "hint": error.hint}
        print(json.dumps({"error": facts}))
    else:
        err.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(2 if isinstance(error, AccuracyError) else 1)


def main() -> None:
    """Entry point of the `isthmus` command."""
    app()
