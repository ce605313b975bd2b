"""Engines built by the real builder, in its child process: no GPU is needed for that."""

from __future__ import annotations

import json
import sys
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import isthmus
from isthmus.backends.child import Crashed, Tell
from isthmus.backends.sources import files
from isthmus.backends.store import Store
from isthmus.backends.tensorrt import builder as building
from isthmus.backends.tensorrt import worker
from isthmus.backends.tensorrt.arch import choose, warning
from isthmus.backends.tensorrt.attribution import last_named, layers_in
from isthmus.backends.tensorrt.device import gpu_arch
from isthmus.backends.tensorrt.library import library
from isthmus.backends.tensorrt.messages import Messages
from isthmus.backends.tensorrt.monitor import PARTS, Phases
from isthmus.backends.tensorrt.options import TensorRTOptions
from isthmus.backends.tensorrt.profiles import ShapeRange
from isthmus.backends.tensorrt.worker import Request
from isthmus.ir.errors import BackendFailed, BackendMissing, BadArgument, DeviceUnavailable
from isthmus.ir.types import F32, TensorType

TEXT = """
graph @net(%x: f32[N, 4]) where N: 1..8 {
  %w = const f32[1, 4] [1, 2, 3, 4]
  %a: f32[N, 4] = mul(%x, %w)  @onnx("scale")
  %y: f32[N, 4] = relu(%a)  @onnx("body/Relu")
  return %y
}
"""
TARGET = "cuda-sm89-fp32"

without_gpu = pytest.mark.skipif(bool(gpu_arch()), reason="there is a GPU here")


def compiled(text: str = TEXT, target: str = TARGET, **options: Any) -> isthmus.Program:
    return isthmus.compile(isthmus.parse(text), target, **options)


def engine(program: isthmus.Program) -> bytes:
    """The bytes of a program's only engine."""
    (key,) = program._executable.engines  # type: ignore[attr-defined]
    entry = program._store.find(key)
    assert entry is not None
    return entry.file.read_bytes()


def is_found(program: isthmus.Program) -> bool:
    return program.report.engine["built"].startswith("found")


def test_builds_have_the_same_bytes() -> None:
    first, second = compiled(), compiled()
    assert not is_found(second)
    assert engine(first) == engine(second)


@pytest.mark.parametrize(
    "more", [{"target": "cuda-sm120-fp32"}, {"options": {"tf32": True}}, {"options": {"profiles": [{"N": (1, 2, 8)}]}}]
)
def test_what_decides_the_engine_decides_its_key(more: dict[str, Any], tmp_path: Path) -> None:
    compiled(cache_dir=tmp_path)
    other = compiled(cache_dir=tmp_path, **more)
    assert not is_found(other)
    assert is_found(compiled(cache_dir=tmp_path))


def test_the_report_says_what_was_built() -> None:
    program = compiled(options={"profiles": [{"N": (1, 2, 4)}, {"N": (4, 8, 8)}]})
    info = program.report.engine
    assert info["engine"] == f"{library()} for sm89"
    assert info["layers"].startswith("3, ") or info["layers"].startswith("2, ")
    assert info["profiles"] == "x [1, 4] / [2, 4] / [4, 4]\nx [4, 4] / [8, 4] / [8, 4]"
    assert "x [4, 4] / [8, 4] / [8, 4]" in str(program.report)
    assert json.loads(json.dumps(program.report.as_dict()))["engine"] == info


def test_unnamed_nodes_are_counted_too() -> None:
    b = isthmus.Builder(isthmus.Graph("g"))
    x = b.graph.add_input(TensorType(F32, (3, 8)), "x")
    w = b.const(np.eye(8, dtype=np.float32) / 2)
    b.graph.set_outputs([b.matmul(b.expm1(b.matmul(x, w)), w)], ["y"])
    program = isthmus.compile(b.graph, "cuda-sm89-fp16")
    assert "1 x expm1" in program.report.engine["computed in f32"]


@without_gpu
def test_calls_say_what_is_missing() -> None:
    program = compiled()
    x = np.zeros((2, 4), np.float32)
    for call in (program, program.run_on_device):
        with pytest.raises(DeviceUnavailable, match=r"no NVIDIA driver|no GPU") as caught:
            call(x)
        assert "cpu-fp32" in caught.value.hint


@without_gpu
def test_without_an_architecture_an_engine_for_all_of_them_is_built() -> None:
    """TensorRT-RTX's default, where no GPU is there to build for."""
    program = compiled(target="cuda-fp16")
    assert program.report.engine["engine"].endswith("for any RTX GPU from Ampere on")
    assert engine(program) != engine(compiled(target="cuda-sm89-fp16"))


def test_a_missing_range_is_told_before_work_begins() -> None:
    text = TEXT.replace(" where N: 1..8", "")
    with pytest.raises(BadArgument, match="no largest one is known for N") as caught:
        compiled(text)
    assert 'inputs={"x": ("N:1..32", 4)}' in caught.value.hint


SHAPED = """
graph @shaped(%x: f32[N, 4], %s: i64[2]) where N: 1..8 {
  %y: f32[u0, u1] = dynamic_reshape(%x, %s)  @onnx("head/Reshape")
  return %y
}
"""


def test_inputs_that_decide_shapes_need_ranges_of_elements() -> None:
    with pytest.raises(BadArgument, match="elements of input 's' decide the shape") as caught:
        compiled(SHAPED)
    assert "--option values=s:1x1..8x8..32x32" in caught.value.hint
    assert 'TensorRTOptions(values={"s": ((1, 1), (8, 8), (32, 32))})' in caught.value.hint
    options = {"values": {"s": ((1, 4), (4, 8), (4, 8))}}
    assert compiled(SHAPED, options=options).report.engine["engine"]


def test_ranges_for_elements_that_decide_nothing_are_refused() -> None:
    text = "graph @g(%x: i64[4]) {\n  %y: i64[4] = neg(%x)\n  return %y\n}"
    with pytest.raises(BadArgument, match="values gives ranges for x, whose elements decide no shape"):
        compiled(text, options={"values": {"x": ((1,) * 4, (2,) * 4, (3,) * 4)}})


def test_ranges_of_elements_go_to_the_part_that_has_the_input() -> None:
    text = """
graph @parts(%x: f32[4, 4], %s: i64[2], %i: i64[3], %t: f32[3]) {
  %u: f32[u0, u1] = dynamic_reshape(%x, %s)
  %q: f32[] = reduce_sum(%u) {axes = [0, 1], keepdims = false}
  %e: f32[3] = scatter_elements(%t, %i, %t) {reduction = "add", axis = 0}
  %w: f32[3] = add(%e, %q)
  return %w
}"""
    program = compiled(text, fallback="reference", options={"values": {"s": ((1, 1), (4, 4), (8, 8))}})
    assert program.report.placement is not None
    assert [backend for backend, _ in program.report.placement.parts] == ["tensorrt", "reference", "tensorrt"]


def test_what_the_builder_refuses_names_the_source_layer() -> None:
    with pytest.raises(BackendFailed, match="did not build") as caught:
        compiled(SHAPED, options={"values": {"s": ((1, 1), (3, 3), (4, 4))}})
    assert "onnx:head/Reshape" in caught.value.where


def test_warnings_reach_the_report() -> None:
    text = "graph @g(%x: f32[4], %unused: f32[4]) {\n  %y: f32[4] = relu(%x)\n  return %y\n}"
    assert "unused" in compiled(text).report.engine["builder warnings"]


@pytest.fixture
def crashing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An abort in the middle of the builder; what is kept of it lies in the test's folder."""
    monkeypatch.setattr(building.build, "__defaults__", ("tests.support.tensorrt_crash:build",))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.mark.usefixtures("crashing")
def test_an_abort_of_the_builder_costs_the_child_only(tmp_path: Path) -> None:
    with pytest.raises(Crashed, match="SIGABRT") as caught:
        compiled()
    error = caught.value
    assert error.where in ("onnx:scale", "onnx:body/Relu")
    assert "verbose: " in error.reason
    assert error.folder.parent == tmp_path
    assert isthmus.parse((error.folder / "graph.isth").read_text()).op_count() == 2
    assert "tests.support.tensorrt_crash:build" in error.hint
    assert str(error.folder) in error.hint


def test_progress_goes_forward() -> None:
    class Heard:
        def __init__(self) -> None:
            self.stages: list[str] = []
            self.done: list[int] = []

        def stage(self, name: str) -> None:
            self.stages.append(name)

        def step(self, name: str, done: int, total: int) -> None:
            assert self.stages[-1] == "build"
            assert 0 <= done <= total
            self.done.append(done)

    heard = Heard()
    compiled(progress=heard)
    assert heard.stages == ["import", "optimize", "legalize", "build"]
    assert heard.done
    assert heard.done == sorted(heard.done)


def test_phases_nest() -> None:
    told: list[tuple[str, int]] = []
    phases = Phases(lambda name, done, total: told.append((name, done)))
    phases.start("all", None, 2)
    phases.start("first half", "all", 4)
    phases.complete("first half")
    assert told[-1] == ("first half", PARTS // 8)
    phases.finish("first half")
    phases.complete("all")
    assert told[-1] == ("all", PARTS // 2)
    phases.complete("all")
    phases.complete("all")
    phases.finish("all")
    assert told[-1] == ("", PARTS)
    assert [done for _, done in told] == sorted(done for _, done in told)


def test_messages_are_attributed_to_the_longest_names() -> None:
    layers = ["onnx:conv/1 conv", "onnx:conv/10 conv", "onnx:relu relu", ""]
    assert layers_in("{ForeignNode[onnx:conv/10 conv...onnx:relu relu]}", layers) == [
        "onnx:conv/10 conv",
        "onnx:relu relu",
    ]
    assert layers_in("nothing of theirs", layers) == []
    assert last_named("a onnx:relu\nb onnx:conv/1 c\nnothing", ["onnx:relu", "onnx:conv/1"]) == "onnx:conv/1"
    assert last_named("nothing", ["onnx:relu"]) == ""


@pytest.fixture(scope="module")
def trt_builder() -> Any:
    return library().module.Builder(library().logger(lambda severity, text: None))


def test_options_reach_the_builder(trt_builder: Any) -> None:
    trt = library().module
    plain = worker.configuration(library(), trt_builder, Request("sm89", TensorRTOptions(), [], None))
    assert not plain.get_flag(trt.BuilderFlag.TF32)
    assert plain.get_flag(trt.BuilderFlag.STRICT_NANS)
    assert plain.get_compute_capability(0) == trt.ComputeCapability.SM89
    given = TensorRTOptions(workspace=1 << 20, optimization_level=1, tf32=True)
    told = worker.configuration(library(), trt_builder, Request("", given, [], None))
    assert told.get_flag(trt.BuilderFlag.TF32)
    assert told.builder_optimization_level == 1
    assert told.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE) == 1 << 20
    assert told.num_compute_capabilities == 0


def test_threads_reach_the_builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def write(lib: Any, builder: Any, graph: Any, messages: Any) -> Any:
        seen.append(builder.max_threads)
        raise BackendFailed("far enough")

    monkeypatch.setattr(worker, "write_network", write)
    (tmp_path / "graph.isth").write_text(TEXT)
    Request("sm89", TensorRTOptions(), [], 3).write(tmp_path / "request.json")
    with pytest.raises(BackendFailed, match="far enough"):
        worker.build(tmp_path, Tell(StringIO()))
    assert seen == [3]


def test_requests_travel_as_json(tmp_path: Path) -> None:
    options = TensorRTOptions(tf32=True, profiles=({"N": (1, 2, 3)},), values={"s": ((1,), (2,), (3,))})
    request = Request("current", options, [{"x": ShapeRange((1, 4), (2, 4), (3, 4))}], 2)
    request.write(tmp_path / "request.json")
    assert Request.read(tmp_path / "request.json") == request


def test_an_architecture_the_library_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(library()), "archs", property(lambda self: ("sm89",)))
    with pytest.raises(DeviceUnavailable, match="does not build for sm120") as caught:
        compiled(target="cuda-sm120-fp16")
    assert "sm89" in caught.value.hint


@without_gpu
def test_the_full_library_builds_on_a_gpu_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(library()), "archs", property(lambda self: ()))
    with pytest.raises(DeviceUnavailable, match="on a machine with a GPU only") as caught:
        compiled(target="cuda-fp16")
    assert "tensorrt-rtx" in caught.value.hint


def test_a_gpu_takes_a_portable_engine_that_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Built on a machine without a GPU, loaded on one with: the engine runs there, and is not built again."""
    monkeypatch.setattr("isthmus.backends.tensorrt.arch.gpu_arch", lambda: "")
    compiled(target="cuda-fp32", cache_dir=tmp_path)
    monkeypatch.setattr("isthmus.backends.tensorrt.arch.gpu_arch", lambda: "sm89")
    assert is_found(compiled(target="cuda-fp32", cache_dir=tmp_path))


def test_engines_without_their_facts_are_built_again(tmp_path: Path) -> None:
    program = compiled(cache_dir=tmp_path)
    (key,) = program._executable.engines  # type: ignore[attr-defined]
    store = Store(tmp_path)
    entry = store.find(key)
    assert entry is not None
    store.keep(key, entry.file, {"inputs": 3})
    assert not is_found(compiled(cache_dir=tmp_path))


def test_the_key_covers_all_code_that_computes_weights() -> None:
    names = {file.name for source in building._sources() for file in files(source)}
    assert {"sampling.py", "window.py", "pool.py", "worker.py", "emitter.py"} <= names


def test_a_tuned_engine_is_for_one_kind_of_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The full library times kernels on the GPU at hand: another of the same architecture gets another engine."""
    monkeypatch.setattr(type(library()), "archs", property(lambda self: ()))
    monkeypatch.setattr("isthmus.backends.tensorrt.arch.gpu_arch", lambda: "sm89")
    keys = []
    for name in ("NVIDIA L4", "NVIDIA L40S"):
        monkeypatch.setattr("isthmus.backends.tensorrt.arch.gpu_name", lambda name=name: name)
        keys.append([building._key({}, each) for each in choose(library(), "")])
    assert keys[0] != keys[1]


def test_a_gpu_that_is_not_served_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isthmus.backends.tensorrt.arch.gpu_arch", lambda: "sm90")
    assert f"the GPU here is sm90, for which {library()} does not build" in warning(library(), "")
    assert not warning(library(), "sm89")


def test_noise_is_left_out_only_without_a_gpu() -> None:
    text = "CUDA driver version is insufficient for CUDA runtime version"
    for messages, said in ((Messages(without_gpu=True), "no reason"), (Messages(), text)):
        messages("error", text)
        assert messages.failure("no reason").reason == said


def test_a_package_that_does_not_load_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tensorrt_of_somebody.py").write_text("raise OSError('libnvinfer.so.10: cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("isthmus.backends.tensorrt.library.MODULES", ("tensorrt_of_somebody",))
    library.cache_clear()
    try:
        with pytest.raises(BackendMissing, match=r"does not load: libnvinfer.so.10"):
            compiled()
    finally:
        library.cache_clear()


@without_gpu
def test_without_a_gpu_the_package_that_builds_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(__version__="10.9"))
    library.cache_clear()
    try:
        assert library().name == "tensorrt_rtx"
    finally:
        library.cache_clear()


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from isthmus.backends.tensorrt import library as libraries

    monkeypatch.setattr(libraries, "MODULES", ("tensorrt_of_nobody",))
    library.cache_clear()
    try:
        with pytest.raises(BackendMissing, match="installed") as caught:
            compiled()
        assert "pip install" in caught.value.hint
    finally:
        library.cache_clear()
