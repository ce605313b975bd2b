"""Programs for TVM from `compile` on: calls, memory, threads, sizes, regions, saving, and what goes wrong."""

from __future__ import annotations

import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

import isthmus
from isthmus.backends import child
from isthmus.backends.base import BuildOptions
from isthmus.backends.child import Tell
from isthmus.backends.progress import Silent
from isthmus.backends.tvm import TVMBackend, compilation, library
from isthmus.backends.tvm.runtime import Execution
from isthmus.compiler import artifact
from isthmus.ir.builder import Builder
from isthmus.ir.constant import Constant
from isthmus.ir.dim import symbol
from isthmus.ir.errors import BackendFailed, BackendMissing, UnsupportedByBackend
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph, Loc
from isthmus.ir.types import F8E4M3, F32, Array, TensorType

QUICK = TVMBackend(is_isolated=False, is_optimized=False)
"""Compiles in this process and without LLVM's optimizations, which saves seconds."""


def inputs(rows: int) -> dict[str, Array]:
    random = np.random.default_rng(rows)
    return {"x": random.standard_normal((rows, 64), np.float32), "c": random.standard_normal(64, np.float32)}


def small() -> Graph:
    graph = Graph("small")
    x = graph.add_input(TensorType(F32, (N, 64)), "x")
    c = graph.add_input(TensorType(F32, (64,)), "c")
    b = Builder(graph)
    weight = np.random.default_rng(0).standard_normal((64, 32), np.float32)
    graph.set_outputs([b.relu(b.matmul(b.mul(x, c), b.const(weight)))], ["y"])
    return graph


N = symbol("N", 1, 64)
M = symbol("M", 1, 64)


class Heard(Silent):
    """What progress says."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def step(self, name: str, done: int, total: int) -> None:
        self.steps.append(name)


def test_a_program_is_compiled_saved_and_loaded(tmp_path: Path) -> None:
    heard, path = Heard(), tmp_path / "m.isth"
    program = isthmus.compile(small(), "cpu-fp32@tvm", threads=2, progress=heard)
    assert heard.steps[0] == "read"
    assert program.report.engine["built"] == "now"
    assert "matmul" in program.report.engine["kernels"]
    for rows in (1, 5, 32):
        want = evaluate(small(), inputs(rows))["y"]
        np.testing.assert_allclose(program(inputs(rows))["y"], want, rtol=1e-5, atol=1e-5)
    program.save(path)
    assert len(list(artifact.engines(path).glob("*.so"))) == 1
    again = isthmus.load(path, threads=2)
    assert again.report.engine["built"].startswith("found")
    np.testing.assert_array_equal(again(inputs(5))["y"], program(inputs(5))["y"])


def test_inputs_and_constants_are_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "w.bin"
    np.arange(1 << 16, dtype=np.float32).tofile(path)
    weights = np.memmap(path, np.float32, mode="r")
    graph = Graph()
    x = graph.add_input(TensorType(F32, (1 << 16,)), "x")
    b = Builder(graph)
    graph.set_outputs([b.add(x, b.const(Constant.of(np.asarray(weights))))], ["y"])
    executable = QUICK.build(graph, BuildOptions())
    assert isinstance(executable, Execution)
    assert any(np.shares_memory(array, weights) for array in executable.constants)
    (y,) = executable([np.ones(1 << 16, np.float32)])
    np.testing.assert_array_equal(y, weights + 1)


def test_equal_kernels_are_one() -> None:
    graph = Graph()
    x = graph.add_input(TensorType(F32, (8, 64)), "x")
    b, random = Builder(graph), np.random.default_rng(0)
    for _ in range(3):
        weight, bias = random.standard_normal((64, 64), np.float32), random.standard_normal(64, np.float32)
        x = b.relu(b.linear(x, b.const(weight), b.const(bias)))
    graph.set_outputs([x], ["y"])
    arrays = [random.standard_normal((8, 64), np.float32)]
    executable = QUICK.build(graph, BuildOptions(threads=1))
    assert executable.info["kernels"].endswith("x3")
    np.testing.assert_allclose(executable(arrays)[0], evaluate(graph, arrays)["y"], rtol=1e-5, atol=1e-4)


def test_long_chains_of_narrow_elements_compile_quickly() -> None:
    """The engine's analysis would substitute each link by all before it."""
    graph = Graph()
    x = graph.add_input(TensorType(F32, (64,)), "x")
    b = Builder(graph)
    y = b.cast(x, dtype=isthmus.ir.BF16)
    for _ in range(4):
        y = b.mul(b.softplus(y), b.sigmoid(y))
    graph.set_outputs([y], ["y"])
    arrays = [np.linspace(-2, 2, 64, dtype=np.float32)]
    (got,) = QUICK.build(graph, BuildOptions())(arrays)
    want = evaluate(graph, arrays)["y"]
    np.testing.assert_allclose(got.astype(np.float32), want.astype(np.float32), rtol=2**-6)


def test_refusals_come_with_reasons_and_places() -> None:
    graph = Graph()
    x = graph.add_input(TensorType(F8E4M3, (2,)), "x")
    b = Builder(graph, loc=Loc("onnx", ("block/cast",)))
    graph.set_outputs([b.cast(x, dtype=F32)], ["a"])
    with pytest.raises(UnsupportedByBackend, match=r"onnx:block/cast.*8-bit floats"):
        QUICK.build(graph, BuildOptions())


def test_without_tvm_there_is_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    library.engine.cache_clear()
    monkeypatch.setitem(sys.modules, "tvm", None)
    with pytest.raises(BackendMissing, match="cannot be imported") as caught:
        library.engine()
    assert "pip install" in caught.value.hint


def test_without_a_compiler_to_link_with_there_is_a_hint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CXX", "CC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendMissing, match="PATH has none") as caught:
        isthmus.compile(small(), "cpu-fp32@tvm")
    assert "g++" in caught.value.hint


def test_what_the_linker_says_is_in_the_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    linker = tmp_path / "linker"
    linker.write_text("#!/bin/sh\necho no space left >&2; exit 1\n")
    linker.chmod(0o755)
    monkeypatch.setenv("CXX", str(linker))
    tell = Tell(StringIO())
    monkeypatch.setattr(child, "run", lambda _, folder, progress: compilation.work(folder, tell))
    with pytest.raises(BackendFailed, match=r"TVM did not compile.*no space left") as caught:
        isthmus.compile(small(), "cpu-fp32@tvm")
    assert caught.value.where == "@small"


def test_a_broken_release_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    library.engine.cache_clear()
    monkeypatch.setattr(library, "version", lambda name: "0.1.15" if name.endswith("ffi") else "0.27.0")
    with pytest.raises(BackendMissing, match=r"crashes with apache-tvm-ffi 0\.1\.15"):
        library.engine()
