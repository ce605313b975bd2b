"""The whole life of a model in one screen: import, optimize, legalize, build."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from isthmus.backends.base import BuildOptions
from isthmus.backends.options import EngineOptions
from isthmus.backends.progress import Progress
from isthmus.backends.store import Store
from isthmus.backends.table import backend_called
from isthmus.compiler import artifact, placement
from isthmus.compiler.accuracy import measured, require
from isthmus.compiler.arguments import (
    as_engine_options,
    as_passes,
    as_progress,
    check_accuracy,
    check_choice,
    check_threads,
)
from isthmus.compiler.artifact import Recipe
from isthmus.compiler.importers.dispatch import import_model
from isthmus.compiler.importers.shapes import ModelInputs
from isthmus.compiler.placement import Fallback
from isthmus.compiler.program import Program
from isthmus.compiler.report import Report
from isthmus.compiler.target import parse_target
from isthmus.ir.graph import Graph
from isthmus.passes import pipelines
from isthmus.passes.base import Pass
from isthmus.passes.manager import Check, PassManager, PassRecord
from isthmus.passes.precision.profile import Sample
from isthmus.passes.spec import parse_pipeline

MEASURED_SAMPLES = 8
"""How many calibration samples are run: the evaluator, which is the oracle, is slow."""


def compile(
    model: Any,
    target: str = "cpu-fp32",
    *,
    inputs: ModelInputs | None = None,
    outputs: Sequence[str] | None = None,
    signature: str | None = None,
    passes: str | Sequence[Pass | str] = (),
    fallback: Fallback = "error",
    calibration: Iterable[Sample] = (),
    accuracy: float | None = None,
    check: Check = "structure",
    dump_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    options: EngineOptions | Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Program:
    """A program that runs `model` on `target`.

    `model`, `inputs` (shapes that it leaves open, or what a module is called with), `outputs` and `signature` are what
    `import_model` takes. `passes` run after the target's own.
    A narrow target measures ranges and errors on the first few inputs of `calibration`, else on drawn ones; `accuracy`
    bounds the relative L2 error of the outputs against f32 on them, AccuracyError if it is exceeded.
    Nodes the backend refuses are an error that lists them all, or run on the evaluator with fallback="reference".
    `check` says how closely passes are watched, `dump_dir` receives the IR after each pass that changed it, `cache_dir`
    keeps engines that take long to build (TensorRT's), and is where they are looked for. `threads` bounds the CPU
    threads (all cores if None), `options` are of the engine's own kind (TensorRTOptions), or a dict of their fields.
    Raises IsthmusError in one of its kinds.
    """
    check_choice("fallback", fallback, Fallback)
    check_threads(threads)
    check_accuracy(accuracy)
    chosen = parse_target(target)
    recipe = Recipe(chosen, fallback, as_engine_options(options, chosen))
    backend = backend_called(chosen.backend)
    backend.require_precision(chosen.build_precision, chosen.arch)
    told = as_progress(progress)
    report = Report(_title(model), str(chosen))
    told.stage("import")
    with report.stage("import"):
        graph = import_model(model, inputs=inputs, outputs=outputs, signature=signature)
    report.nodes_imported = graph.op_count()
    backend.require_inputs(graph, recipe.engine)
    told.stage("optimize")
    samples = tuple(islice(calibration, MEASURED_SAMPLES))
    imported = graph.copy()
    with report.stage("optimize"):
        pipeline = pipelines.for_precision(chosen.precision)
        report.passes = _run_passes(graph, passes, check, dump_dir, pipeline, samples)
    if accuracy is not None:
        told.stage("measure")
        with report.stage("measure"):
            report.accuracy = measured(report.passes, imported, graph, samples)
        require(report.accuracy, accuracy)
    return _build(graph, recipe, report, threads, Store(cache_dir), told)


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


def load(
    path: str | os.PathLike[str],
    *,
    threads: int | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    rebuild: bool = False,
    progress: Progress | None = None,
) -> Program:
    """The program that `Program.save` wrote, for the target, and with the options and the fallback, that it names.

    Engines that were saved with it are taken as they are where they fit this machine and this version of everything;
    others are built again. An engine is native code: with `rebuild=True`, for a file of somebody you do not trust, none
    of those that came with it is taken.
    """
    check_threads(threads)
    told = as_progress(progress)
    graph, recipe = artifact.load(Path(path))
    report = Report(graph.name, str(recipe.target), nodes_imported=graph.op_count())
    saved = () if rebuild else (artifact.engines(Path(path)),)
    return _build(graph, recipe, report, threads, Store(cache_dir, also=saved), told)


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
    graph: Graph, recipe: Recipe, report: Report, threads: int | None, store: Store, progress: Progress
) -> Program:
    target = recipe.target
    backend = backend_called(target.backend)
    progress.stage("legalize")
    with report.stage("legalize"):
        legal = graph.copy()
        backend.legalize(legal)
    report.describe(legal)
    progress.stage("build")
    with report.stage("build"):
        options = BuildOptions(target.build_precision, threads, target.arch, recipe.engine, store, progress)
        executable, report.placement = placement.build(legal, backend, options, recipe.fallback)
    report.engine = executable.info
    return Program(graph, recipe, executable, store, report)


def _title(model: Any) -> str:
    if isinstance(model, str | os.PathLike):
        return Path(model).name
    return str(getattr(model, "name", "") or getattr(getattr(model, "graph", None), "name", "") or "model")
