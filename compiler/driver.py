"""The whole life of a model in one screen: import, optimize, legalize, build."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from isthmus.backends.base import BuildOptions
from isthmus.backends.table import backend_called
from isthmus.compiler import artifact, placement
from isthmus.compiler.accuracy import measured, require
from isthmus.compiler.arguments import as_passes, check_accuracy, check_choice, check_threads
from isthmus.compiler.importers.dispatch import import_model
from isthmus.compiler.importers.shapes import InputShapes
from isthmus.compiler.placement import Fallback
from isthmus.compiler.program import Program
from isthmus.compiler.report import Report
from isthmus.compiler.target import Target, parse_target
from isthmus.ir.graph import Graph
from isthmus.passes import pipelines
from isthmus.passes.base import Pass
from isthmus.passes.manager import Check, PassManager, PassRecord
from isthmus.passes.precision.profile import Sample
from isthmus.passes.spec import parse_pipeline

Progress: TypeAlias = Callable[[str], None]
"""Told the name of each stage as it begins."""

MEASURED_SAMPLES = 8
"""How many calibration samples are run: the evaluator, which is the oracle, is slow."""


def compile(
    model: Any,
    target: str = "cpu-fp32",
    *,
    inputs: InputShapes | None = None,
    passes: str | Sequence[Pass | str] = (),
    fallback: Fallback = "error",
    calibration: Iterable[Sample] = (),
    accuracy: float | None = None,
    check: Check = "structure",
    dump_dir: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Program:
    """A program that runs `model` on `target`.

    `model` is what `import_model` takes; `inputs` gives shapes it leaves open. `passes` run after the target's own.
    A narrow target measures ranges and errors on the first few inputs of `calibration`, else on drawn ones; `accuracy`
    bounds the relative L2 error of the outputs against f32 on them, AccuracyError if it is exceeded.
    Nodes the backend refuses are an error that lists them all, or run on the evaluator with fallback="reference".
    `check` says how closely passes are watched, `dump_dir` receives the IR after each pass that changed it, `threads`
    bounds the CPU threads (all cores if None). Raises IsthmusError in one of its kinds.
    """
    check_choice("fallback", fallback, Fallback)
    check_threads(threads)
    check_accuracy(accuracy)
    chosen = parse_target(target)
    backend_called(chosen.backend).require_precision(chosen.build_precision)
    tell = progress or (lambda stage: None)
    report = Report(_title(model), str(chosen))
    tell("import")
    with report.stage("import"):
        graph = import_model(model, inputs=inputs)
    report.nodes_imported = graph.op_count()
    tell("optimize")
    samples = tuple(islice(calibration, MEASURED_SAMPLES))
    imported = graph.copy()
    with report.stage("optimize"):
        pipeline = pipelines.for_precision(chosen.precision)
        report.passes = _run_passes(graph, passes, check, dump_dir, pipeline, samples)
    if accuracy is not None:
        tell("measure")
        with report.stage("measure"):
            report.accuracy = measured(report.passes, imported, graph, samples)
        require(report.accuracy, accuracy)
    return _build(graph, chosen, report, threads, fallback, tell)


def optimize(
    graph: Graph,
    pipeline: str | None = None,
    *,
    passes: str | Sequence[Pass | str] = (),
    check: Check = "structure",
    dump_dir: str | os.PathLike[str] | None = None,
) -> Graph:
    """A better graph with the same meaning; `graph` itself stays as it is.

    `pipeline` replaces the default pipeline, `passes` run after it. Raises PassError, or PipelineError for bad text.
    """
    better = graph.copy()
    _run_passes(better, passes, check, dump_dir, pipeline)
    return better


def load(path: str | os.PathLike[str], *, threads: int | None = None) -> Program:
    """The program that `Program.save` wrote, built again for the target, and with the fallback, that it names."""
    check_threads(threads)
    graph, target, fallback = artifact.load(Path(path))
    report = Report(graph.name, str(target), nodes_imported=graph.op_count())
    return _build(graph, target, report, threads, fallback, lambda stage: None)


def _run_passes(
    graph: Graph,
    passes: str | Sequence[Pass | str],
    check: Check,
    dump_dir: str | os.PathLike[str] | None,
    pipeline: str | None = None,
    samples: Sequence[Sample] = (),
) -> list[PassRecord]:
    check_choice("check", check, Check)
    chosen = [*parse_pipeline(pipelines.default() if pipeline is None else pipeline), *as_passes(passes)]
    folder = None if dump_dir is None else Path(dump_dir)
    return PassManager(chosen, check, folder, samples=samples).run(graph)


def _build(
    graph: Graph, target: Target, report: Report, threads: int | None, fallback: Fallback, tell: Progress
) -> Program:
    backend = backend_called(target.backend)
    tell("legalize")
    with report.stage("legalize"):
        legal = graph.copy()
        backend.legalize(legal)
    report.describe(legal)
    tell("build")
    with report.stage("build"):
        options = BuildOptions(target.build_precision, threads)
        executable, report.placement = placement.build(legal, backend, options, fallback)
    report.engine = executable.info
    return Program(graph, target, fallback, executable, report)


def _title(model: Any) -> str:
    if isinstance(model, str | os.PathLike):
        return Path(model).name
    return str(getattr(model, "name", "") or getattr(getattr(model, "graph", None), "name", "") or "model")
