"""CUDA through TVM: kernels on threads, built by nvcc, and run on a stand-in for a GPU against the evaluator."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isthmus.backends import child
from isthmus.backends.base import BuildOptions
from isthmus.backends.progress import Progress
from isthmus.backends.store import Store
from isthmus.backends.tensorrt.device import Gpu, gpu_arch
from isthmus.backends.tvm import TVMBackend
from isthmus.backends.tvm.cuda import driver
from isthmus.backends.tvm.cuda.arch import arch_called
from isthmus.backends.tvm.cuda.arrays import DeviceArray, take
from isthmus.backends.tvm.cuda.backend import build, written
from isthmus.backends.tvm.cuda.build import LIBRARY, Built, on_threads
from isthmus.backends.tvm.cuda.checks import FATBIN, require_machine_code, require_threads
from isthmus.backends.tvm.cuda.effects import effects
from isthmus.backends.tvm.cuda.execution import Execution
from isthmus.backends.tvm.cuda.nvcc import find_nvcc
from isthmus.backends.tvm.cuda.threads import is_spread
from isthmus.backends.tvm.library import engine
from isthmus.ir.builder import Builder
from isthmus.ir.dim import symbol
from isthmus.ir.errors import BackendFailed, BackendMissing, BadInput, DeviceUnavailable, UnsupportedByBackend
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph, Value
from isthmus.ir.parser import parse
from isthmus.ir.types import F16, F32, I64, Array, DType, TensorType
from isthmus.passes.numerics import relative_error
from tests.support.cuda_emulated import emulate

needs_nvcc = pytest.mark.skipif(shutil.which("nvcc") is None, reason="there is no nvcc here")
TOLERANCE = {"float32": 1e-5, "float16": 2.0**-9}


def sample() -> Graph:
    """Kernels of every form, products and rows in f32 and f16, of known and of open sizes."""
    n = symbol("N", 0, 64)
    graph = Graph("sample")
    image = graph.add_input(TensorType(F32, (2, 16, 9, 9)), "image")
    rows = graph.add_input(TensorType(F32, (n, 40)), "rows")
    names = graph.add_input(TensorType(I64, (5,)), "names")
    rng = np.random.default_rng(7)

    def drawn(*shape: int, dtype: DType = F32) -> Array:
        return (rng.standard_normal(shape) / 4).astype(dtype.numpy)

    b = Builder(graph)
    found: dict[str, Value] = {}
    for dtype in (F32, F16):
        x, r = b.cast(image, dtype=dtype), b.cast(rows, dtype=dtype)
        weight, bias = drawn(48, 8, 3, 3, dtype=dtype), drawn(48, dtype=dtype)
        convolved = b.conv(x, weight, bias, strides=(2, 1), pads=((1, 1), (0, 2)), dilations=(1, 2), groups=2)
        projected = b.linear(r, drawn(40, 70, dtype=dtype), drawn(70, dtype=dtype))
        transposed = b.transpose(x, perm=(0, 1, 3, 2))
        for name, value in {
            "conv": b.add(b.relu(convolved), drawn(48, 1, 1, dtype=dtype)),
            "linear": b.tanh(projected),
            "matmul": b.matmul(b.reshape(x, shape=(2, 2, 72, 9)), b.reshape(transposed, shape=(2, 2, 9, 72))),
            "softmax": b.softmax(r, axis=1),
            "layer_norm": b.layer_norm(x, drawn(9, 9, dtype=dtype), drawn(9, 9, dtype=dtype), axis=2, epsilon=1e-5),
        }.items():
            found[f"{name}_{dtype.name}"] = value
    half = b.cast(image, dtype=F16)
    depthwise = drawn(16, 1, 3, 3, dtype=F16)
    values, places = b.topk(image, k=3, axis=1, largest=True)
    window: dict[str, Any] = {"strides": (2, 2), "pads": ((1, 1), (1, 1)), "dilations": (1, 1)}
    updated = b.const(np.array([[0, 1, 1, 5]]))
    found |= {
        "depthwise": b.conv(half, depthwise, groups=16, **window),
        "max_pool": b.max_pool(image, kernel=(3, 3), ceil_mode=False, **window),
        "positive": b.greater(image, b.const(np.array(0, np.float32))),
        "mean": b.reduce_mean(image, axes=(2, 3), keepdims=False),
        "largest": b.reduce_max(half, axes=(1,), keepdims=True),
        "gather": b.gather(b.const(drawn(30, 40)), names, axis=0),
        "gelu": b.mul(half, b.gelu(half, approximate="none")),
        "values": values,
        "places": places,
        "cumsum": b.cumsum(image, axis=2, exclusive=False, reverse=True),
        "first": b.argmax(image, axis=1, keepdims=False, last=False),
        "concat": b.concat(
            image, b.relu(image), b.slice(image, axes=(1,), starts=(2,), stops=(5,), steps=(1,)), axis=1
        ),
        "scattered": b.scatter_elements(b.const(drawn(6, 4)), updated, b.const(drawn(1, 4)), axis=0, reduction="add"),
    }
    graph.set_outputs(list(found.values()), list(found))
    return graph


def given(rows: int) -> list[Array]:
    """Inputs of the sample."""
    rng = np.random.default_rng(rows)
    image = rng.standard_normal((2, 16, 9, 9)).astype(np.float32)
    return [image, rng.standard_normal((rows, 40)).astype(np.float32), np.array([0, 29, -1, 7, 7])]


def legal(graph: Graph) -> Graph:
    TVMBackend().legalize(graph)
    return graph


@dataclass
class Kept:
    """The sample, built once."""

    library: Path
    """Beside all that was made on the way."""
    options: BuildOptions
    execution: Execution


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """The sample's library, built as any is, with what the child process worked on."""
    folder, options = (
        tmp_path_factory.mktemp("cuda"),
        BuildOptions(arch="sm89", store=Store(tmp_path_factory.mktemp("s"))),
    )
    run = child.run

    def watched(function: str, work: Path, progress: Progress) -> dict[str, Any]:
        found = run(function, work, progress)
        shutil.copytree(work, folder, dirs_exist_ok=True)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(child, "run", watched)
        return Kept(folder / LIBRARY, options, build(legal(sample()), options))


@needs_nvcc
def test_the_library_computes_what_the_graph_means(built: Kept) -> None:
    graph = legal(sample())
    calls = [given(37), given(5), given(0)]
    _, constants = written(graph)
    found = emulate(built.library, graph, calls, constants)
    wrong = [
        f"{name}: {difference}"
        for inputs, gots in zip(calls, found, strict=True)
        for got, (name, want) in zip(gots, evaluate(graph, inputs).items(), strict=True)
        if (difference := differs(got, want))
    ]
    assert not wrong, "\n".join(wrong)


def differs(got: Array, want: Array) -> str:
    """What is wrong with a result, if anything is."""
    if (got.dtype, got.shape) != (want.dtype, want.shape):
        return f"{got.dtype}{got.shape} instead of {want.dtype}{want.shape}"
    error = relative_error(got, want) if want.size else 0.0
    return "" if error <= TOLERANCE.get(want.dtype.name, 0) else f"relative error {error:.1e}"


@needs_nvcc
def test_the_library_holds_machine_code(built: Kept) -> None:
    library = built.library
    made = library.with_name("kernels.fatbin").read_bytes()
    assert made.startswith(FATBIN)
    require_machine_code(library, made)
    with pytest.raises(BackendFailed, match="no machine code"):
        require_machine_code(library, made[:-1] + bytes([made[-1] ^ 1]))
    with pytest.raises(BackendFailed, match="no machine code"):
        require_machine_code(library, b"")


def test_every_kernel_is_spread_over_threads() -> None:
    module, _ = written(legal(sample()))
    with pytest.raises(BackendFailed, match="kernel_gather"):
        require_threads(module)
    counted = Built(Path())
    made = on_threads(module, counted)
    assert 10 < counted.spread < counted.functions
    kernels = [function for _, function in made.functions_items() if isinstance(function, engine().tirx.PrimFunc)]
    assert all(map(is_spread, kernels))


def test_lanes_become_threads_where_they_keep_apart() -> None:
    graph = Graph("lanes")
    x = graph.add_input(TensorType(F32, (64, 200)), "x")
    b = Builder(graph)
    graph.set_outputs([b.einsum(x, x, equation="ki,kj->ij"), b.reduce_sum(x, axes=(1,), keepdims=False)])
    text = {name.name_hint: str(f) for name, f in on_threads(written(graph)[0], Built(Path())).functions_items()}
    assert "lane" in text["kernel_einsum"]
    assert "alloc_local((2,))" in text["kernel_einsum"], "two columns of each row belong to a lane"
    assert "lane" not in text["kernel_reduce_sum"], "the lanes of a sum are added up"


@pytest.mark.parametrize(("size", "launches"), [(40, 1), (symbol("N", 1, 64), 6)])
def test_loops_share_a_launch_where_they_are_seen_to_write_apart(size: Any, launches: int) -> None:
    graph = Graph("copies")
    values = [graph.add_input(TensorType(F32, (8, size)), name) for name in "xyz"]
    graph.set_outputs([Builder(graph).concat(*values, axis=1)])
    kernel = on_threads(written(legal(graph))[0], Built(Path()))["kernel_concat"]
    assert str(kernel).count('"blockIdx.x"') == launches, "each in whole vectors, and the rest where it is open"


@pytest.mark.parametrize(
    ("first", "second", "is_apart"),
    [
        (("y", 0, "x", 0), ("y", 8, "x", 0), True),
        (("y", 0, "x", 0), ("y", 7, "x", 0), False),
        (("y", 0, "x", 0), ("z", 0, "y", 0), False),
        (("y", 0, "z", 0), ("z", 0, "x", 0), False),
        (("y", 0, "x", 0), ("z", 0, "x", 4), True),
    ],
)
def test_loops_interfere_where_one_touches_what_the_other_writes(
    first: tuple[Any, ...], second: tuple[Any, ...], is_apart: bool
) -> None:
    tirx = engine().tirx
    buffers = {name: tirx.decl_buffer((16,), "float32", name) for name in "xyz"}

    def loop(to: str, start: int, source: str, begin: int) -> Any:
        i = tirx.Var("i", "int64")
        value = tirx.BufferLoad(buffers[source], [i + begin])
        body = tirx.BufferStore(buffers[to], value, [i + start])
        return tirx.For(i, tirx.const(0, "int64"), tirx.const(8, "int64"), tirx.ForKind.SERIAL, body)

    one, other = effects(loop(*first)), effects(loop(*second))
    assert (one.interferes(other), other.interferes(one)) == (not is_apart, not is_apart)


def test_control_flow_is_refused() -> None:
    graph = parse(
        "graph @g(%c: bool[], %x: f32[2]) {\n"
        "  %y: f32[2] = if(%c, %x) then (%a: f32[2]) { return %a } else (%a: f32[2]) { return %a }\n"
        "  return %y\n}"
    )
    with pytest.raises(UnsupportedByBackend, match="host"):
        build(graph, BuildOptions(arch="sm89"))


def test_inputs_on_the_gpu_are_taken_from_what_speaks_dlpack_there() -> None:
    rows = np.arange(6.0).reshape(2, 3)
    assert take(rows, "x") is rows
    taken = take(Foreign(rows), "x")
    np.testing.assert_array_equal(taken.numpy() if isinstance(taken, DeviceArray) else taken, rows)
    with pytest.raises(BadInput, match="x is a list"):
        take([1.0], "x")
    with pytest.raises(BadInput, match=r"x lies on DLPack device \(2, 1\)"):
        take(Foreign(rows, device=(2, 1)), "x")
    with pytest.raises(BadInput, match="not handed over"):
        take(Foreign(rows.T), "x")
    with pytest.raises(BadInput, match="unknown type_code"):
        take(Foreign(rows.astype(np.complex64)), "x")


class Foreign:
    """An array of another library."""

    def __init__(self, array: Array, device: tuple[int, int] = (1, 0)) -> None:
        self._array = array
        self._device = device

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device

    def __dlpack__(self, **asked: Any) -> Any:
        return self._array.__dlpack__(**asked)


def test_an_unknown_architecture_is_an_error() -> None:
    for name in ("sm75", ""):
        with pytest.raises(DeviceUnavailable, match="sm80, sm86, sm89, sm90"):
            arch_called(name)


def test_without_nvcc_the_error_says_where_it_was_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_HOME", raising=False)
    with pytest.raises(BackendMissing, match="CUDA_HOME is not set, and there is none on PATH"):
        find_nvcc()
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    with pytest.raises(BackendMissing, match="which has no bin/nvcc") as error:
        build(small(), BuildOptions(arch="sm89", store=Store(tmp_path)))
    assert "install the CUDA toolkit" in error.value.hint


@needs_nvcc
def test_what_nvcc_says_is_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(BackendFailed, match="undefined") as error:
        find_nvcc().fatbin("__global__ void f() { g(); }", "sm_89", tmp_path)
    assert error.value.where.endswith("kernels.cu")


def small() -> Graph:
    graph = Graph("small")
    x = graph.add_input(TensorType(F32, (4,)), "x")
    graph.set_outputs([Builder(graph).relu(x)], ["y"])
    return graph


@needs_nvcc
def test_a_build_is_kept_and_says_so_where_there_is_no_gpu(built: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    info, store = built.execution.info, built.options.store
    assert info["engine"] == "TVM for sm89"
    assert int(info["kernels"].split()[0]) > 20
    assert not driver.is_loaded() or gpu_arch(), "the stand-in for the driver stays in the process that builds"
    if not gpu_arch():
        for call in (built.execution, built.execution.on_device):
            with pytest.raises(DeviceUnavailable, match="NVIDIA GPU"):
                call(given(5))
    monkeypatch.setattr(child, "run", None)  # nothing is built again
    again = build(legal(sample()), built.options)
    assert again.engines == built.execution.engines
    assert store.find(*again.engines)


@needs_nvcc
def test_a_gpu_computes_what_the_graph_means(gpu: Gpu, tmp_path: Path) -> None:
    graph = legal(sample())
    inputs = given(5)
    gots = build(graph, BuildOptions(arch=gpu.arch, store=Store(tmp_path)))(inputs)
    for got, want in zip(gots, evaluate(graph, inputs).values(), strict=True):
        assert not differs(got, want)
