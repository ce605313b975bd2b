"""Calling engines: binding, shapes, profiles, outputs of unknown size, DLPack and threads, on a device for tests."""

from __future__ import annotations

import gc
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import isthmus
from isthmus.backends.store import Entry, Store
from isthmus.backends.tensorrt.device import gpu, gpu_arch
from isthmus.backends.tensorrt.dlpack import DeviceArray, take
from isthmus.backends.tensorrt.profiles import ShapeProfile, ShapeRange
from isthmus.backends.tensorrt.runtime import Execution
from isthmus.backends.tensorrt.session import Binding
from isthmus.compiler.artifact import Recipe
from isthmus.compiler.report import Report
from isthmus.compiler.target import parse_target
from isthmus.ir.dim import symbol
from isthmus.ir.errors import BackendFailed, BadArgument, BadInput, DeviceUnavailable
from isthmus.ir.types import BF16, F32, I64, Array, TensorType
from tests.support.tensorrt_fake import FakeDevice, FakeEngine, fake_library

N, M = symbol("N", 0, 64), symbol("M", 0)
ROWS = TensorType(F32, (N, 4))


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice()


def execution(engine: FakeEngine | None, folder: Path, device: FakeDevice, like: FakeEngine | None = None) -> Execution:
    file = folder / "some.engine"
    file.write_bytes(b"engine")
    spec = engine or like
    assert spec is not None
    profiles: list[ShapeProfile] = [
        {name: ShapeRange(tuple(low), tuple(high), tuple(high)) for name, (low, high) in profile.items()}
        for profile in spec.profiles
    ]
    inputs, outputs = ([Binding(n, t) for n, t in side.items()] for side in (spec.inputs, spec.outputs))
    entry = Entry("some", file, {})
    return Execution(fake_library(engine), entry, inputs, outputs, profiles, "sm89", {}, Store(folder), lambda: device)


def doubling(device: FakeDevice, **more: Any) -> FakeEngine:
    return FakeEngine(device, {"x": ROWS}, {"y": ROWS}, lambda x: [x + x], **more)


def rows(count: int) -> Array:
    return np.arange(count * 4, dtype=np.float32).reshape(count, 4)


@pytest.mark.parametrize("count", [3, 1, 0, 64])
def test_arrays_go_in_and_come_out(device: FakeDevice, tmp_path: Path, count: int) -> None:
    run = execution(doubling(device), tmp_path, device)
    for _ in range(2):
        (y,) = run([rows(count)])
        np.testing.assert_array_equal(y, rows(count) * 2)
    assert y.shape == (count, 4)


def test_results_belong_to_the_caller(device: FakeDevice, tmp_path: Path) -> None:
    run = execution(doubling(device), tmp_path, device)
    (first,) = run([rows(2)])
    run([rows(2) + 1])
    np.testing.assert_array_equal(first, rows(2) * 2)


def test_strided_arrays_and_scalars(device: FakeDevice, tmp_path: Path) -> None:
    types = {"x": ROWS, "s": TensorType(F32, ())}
    engine = FakeEngine(device, types, {"y": ROWS}, lambda x, s: [x * s])
    run = execution(engine, tmp_path, device)
    (y,) = run([np.asfortranarray(rows(3)), np.array(3, np.float32)])
    np.testing.assert_array_equal(y, rows(3) * 3)


def test_device_memory_is_reused_and_given_back(device: FakeDevice, tmp_path: Path) -> None:
    run = execution(doubling(device), tmp_path, device)
    for count in (8, 2, 8, 5):
        run([rows(count)])
    assert len(device.live) == 2
    run([rows(16)])
    assert len(device.live) == 2
    del run
    gc.collect()
    assert not device.live


def test_the_tightest_profile_is_chosen(device: FakeDevice, tmp_path: Path) -> None:
    profiles = [{"x": ((1, 4), (64, 4))}, {"x": ((1, 4), (2, 4))}, {"x": ((4, 4), (8, 4))}]
    engine = doubling(device, profiles=profiles)
    run = execution(engine, tmp_path, device)
    for count in (1, 2, 5, 9, 3):
        np.testing.assert_array_equal(run([rows(count)])[0], rows(count) * 2)
    assert engine.log == ["profile 1", "run", "run", "profile 2", "run", "profile 0", "run", "run"]
    with pytest.raises(BadInput, match=r"not built for the shapes x \[65, 4\], but for\n  x \[1, 4\] to \[64, 4\]"):
        run([rows(65)])


def nonzero(x: Array) -> list[Array]:
    return [np.stack(np.nonzero(x)).astype(np.int64)]


def test_outputs_of_unknown_size(device: FakeDevice, tmp_path: Path) -> None:
    out = {"i": TensorType(I64, (2, M))}
    engine = FakeEngine(device, {"x": ROWS}, out, nonzero, data_dependent=frozenset({"i"}))
    run = execution(engine, tmp_path, device)
    for x in (rows(2), np.zeros((2, 4), np.float32), rows(9), rows(1)):
        (found,) = run([x])
        np.testing.assert_array_equal(found, np.stack(np.nonzero(x)))
    (kept,) = run.on_device([rows(9)])
    run.on_device([rows(2)])
    np.testing.assert_array_equal(kept.numpy(), np.stack(np.nonzero(rows(9))))


def test_inputs_and_outputs_on_the_host(device: FakeDevice, tmp_path: Path) -> None:
    """What the engine reads and writes while it infers shapes."""
    types = {"x": ROWS, "n": TensorType(I64, (1,))}
    outputs = {"y": ROWS, "m": TensorType(I64, (1,))}
    engine = FakeEngine(device, types, outputs, lambda x, n: [x[: int(n[0])], n + 1], on_host=frozenset({"n", "m"}))
    run = execution(engine, tmp_path, device)
    y, m = run([rows(5), np.array([2])])
    np.testing.assert_array_equal(y, rows(2))
    np.testing.assert_array_equal(m, [3])
    y_there, m_there = run.on_device([rows(5), run.take(np.array([4]), "n")])
    np.testing.assert_array_equal(y_there.numpy(), rows(4))
    np.testing.assert_array_equal(m_there.numpy(), [5])


def aligned(device: FakeDevice, array: Array) -> DeviceArray:
    with device.current():
        address = device.allocate(array.nbytes)
        device.upload(address, array)
    device.uploads.clear()
    return DeviceArray(device, address, array.shape, F32, None)


def test_device_arrays_are_not_copied(device: FakeDevice, tmp_path: Path) -> None:
    run = execution(doubling(device), tmp_path, device)
    x = aligned(device, rows(3))
    (y,) = run.on_device([run.take(x, "x")])
    (z,) = run.on_device([run.take(y, "x")])
    assert not device.uploads
    assert not device.copies
    assert (z.shape, z.dtype, z.__dlpack_device__()) == ((3, 4), np.dtype(np.float32), device.dlpack)
    np.testing.assert_array_equal(z.numpy(), rows(3) * 4)
    np.testing.assert_array_equal(np.from_dlpack(z), rows(3) * 4)
    assert np.from_dlpack(z).ctypes.data == z.address


def test_memory_lives_as_long_as_somebody_uses_it(device: FakeDevice, tmp_path: Path) -> None:
    run = execution(doubling(device), tmp_path, device)
    (y,) = run.on_device([rows(3)])
    address = y.address
    shared = np.from_dlpack(y)
    unused = y.__dlpack__()
    del y, unused
    gc.collect()
    assert address in device.live
    np.testing.assert_array_equal(shared, rows(3) * 2)
    del shared
    gc.collect()
    assert address not in device.live


class Foreign:
    """Another library's array: all that is known of it is DLPack. Says when its memory is handed back."""

    def __init__(self, array: Any, place: tuple[int, int] = (1, 0)) -> None:
        self.array, self.place = array, place

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.place


def test_arrays_of_other_libraries(device: FakeDevice, tmp_path: Path) -> None:
    run = execution(doubling(device), tmp_path, device)
    x = aligned(device, rows(3))
    taken = run.take(Foreign(x), "x")
    assert isinstance(taken, DeviceArray)
    assert taken.address == x.address
    (y,) = run.on_device([taken])
    np.testing.assert_array_equal(y.numpy(), rows(3) * 2)
    assert not device.copies
    odd = run.take(Foreign(np.arange(14, dtype=np.float32)[2:].reshape(3, 4)), "x")
    (y,) = run.on_device([odd])
    np.testing.assert_array_equal(y.numpy(), np.arange(2, 14).reshape(3, 4) * 2)
    assert device.copies in ([], [48])


def test_what_is_no_input_is_told(device: FakeDevice) -> None:
    with pytest.raises(BadInput, match="input 'x' is a list"):
        take([1.0], device, "input 'x'")
    with pytest.raises(BadInput, match=r"lies on DLPack device \(2, 1\)"):
        take(Foreign(rows(1), (2, 1)), device, "input 'x'")
    with pytest.raises(BadInput, match="not contiguous"):
        take(Foreign(rows(3).T), device, "input 'x'")
    with pytest.raises(BadInput, match="element type that is none here"):
        take(Foreign(np.zeros(2, np.complex64)), device, "input 'x'")


def test_borrowed_memory_is_handed_back(device: FakeDevice) -> None:
    owner = rows(3)
    watched = DeviceArray(device, owner.ctypes.data, (3, 4), F32, owner)
    before = sys.getrefcount(watched)
    taken = take(Foreign(watched), device, "x")
    assert sys.getrefcount(watched) > before
    del taken
    gc.collect()
    assert sys.getrefcount(watched) == before


def test_owners_that_do_not_hand_memory_over_are_told(device: FakeDevice) -> None:
    class Refuses(Foreign):
        def __dlpack__(self, **options: Any) -> Any:
            raise BufferError("Can't export tensors that require gradient")

    with pytest.raises(BadInput, match=r"input 'x' is not handed over by its Refuses: .* require gradient"):
        take(Refuses(rows(1)), device, "input 'x'")


def test_a_call_takes_its_place_in_a_stream(device: FakeDevice, tmp_path: Path) -> None:
    """Nobody waits: until something does, nothing has been computed."""
    engine = doubling(device)
    run = execution(engine, tmp_path, device)
    (y,) = run.on_device([rows(3)], stream=9)
    assert not engine.log
    shared = np.from_dlpack(y)
    with device.current():
        device.synchronize()
    np.testing.assert_array_equal(shared, rows(3) * 2)
    assert device.order == ["after 9", "before 9", "before 1"]
    assert run.on_device([rows(3)])[0].is_complete


def test_a_program_takes_the_stream_of_other_libraries(device: FakeDevice, tmp_path: Path) -> None:
    class Torch:
        cuda_stream = 5

    class Cuda:
        def __cuda_stream__(self) -> tuple[int, int]:
            return 0, 6

    double = program(device, tmp_path)
    for stream in (Torch(), Cuda(), 7):
        np.testing.assert_array_equal(double.run_on_device(rows(1), stream=stream)["y"].numpy(), rows(1) * 2)
    assert device.order == [f"{side} {stream}" for stream in (5, 6, 7) for side in ("after", "before")]
    with pytest.raises(BadArgument, match="stream is 'fast'"):
        double.run_on_device(rows(1), stream="fast")


def test_bf16_travels(device: FakeDevice, tmp_path: Path) -> None:
    type = TensorType(BF16, (N, 4))
    engine = FakeEngine(device, {"x": type}, {"y": type}, lambda x: [x + x])
    run = execution(engine, tmp_path, device)
    x = rows(2).astype(ml_dtypes.bfloat16)
    (y,) = run.on_device([run.take(x, "x")])
    assert y.numpy().dtype == ml_dtypes.bfloat16
    (again,) = run.on_device([run.take(Foreign(y), "x")])
    np.testing.assert_array_equal(again.numpy(), x * 4)


def test_threads_take_turns(device: FakeDevice, tmp_path: Path) -> None:
    run = execution(doubling(device), tmp_path, device)
    wrong: list[int] = []

    def work(seed: int) -> None:
        for count in range(1, 30):
            x = rows(count) + seed
            if not np.array_equal(run([x])[0], x * 2):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not wrong


def test_an_engine_for_another_gpu_is_not_opened(tmp_path: Path) -> None:
    other = FakeDevice("sm120")
    run = execution(doubling(other), tmp_path, other)
    with pytest.raises(DeviceUnavailable, match="built for sm89, and a device for tests is sm120") as caught:
        run([rows(1)])
    assert "cuda-sm120-" in caught.value.hint


def test_a_gpu_that_the_library_does_not_serve(tmp_path: Path) -> None:
    """There is no target to hint at."""
    other = FakeDevice("sm90")
    run = execution(doubling(other), tmp_path, other)
    vars(run.lib.module)["ComputeCapability"] = SimpleNamespace(__members__={"SM80": 0, "SM89": 1, "CURRENT": 2})
    with pytest.raises(DeviceUnavailable, match="runs on sm80, sm89, and a device for tests is sm90") as caught:
        run([rows(1)])
    assert "NVIDIA's tensorrt package" in caught.value.hint


def test_an_engine_that_does_not_load(device: FakeDevice, tmp_path: Path) -> None:
    run = execution(None, tmp_path, device, like=doubling(device))
    with pytest.raises(DeviceUnavailable, match="another kind") as caught:
        run([rows(1)])
    assert "rebuild=True" in caught.value.hint


def test_an_engine_that_fails(device: FakeDevice, tmp_path: Path) -> None:
    engine = doubling(device, fails=True)
    run = execution(engine, tmp_path, device)
    with pytest.raises(BackendFailed, match="did not run"):
        run([rows(1)])
    engine.fails = False
    np.testing.assert_array_equal(run([rows(1)])[0], rows(1) * 2)


def test_no_room_on_the_device(tmp_path: Path) -> None:
    small = FakeDevice(room=100)
    with pytest.raises(BackendFailed, match="out of memory"):
        execution(doubling(small), tmp_path, small)([rows(60)])


@pytest.mark.skipif(bool(gpu_arch()), reason="there is a GPU here")
def test_without_a_gpu_the_error_says_what_to_do() -> None:
    with pytest.raises(DeviceUnavailable) as caught:
        gpu()
    assert caught.value.code == "E504"
    assert "load it on a machine with one" in caught.value.hint


def program(device: FakeDevice, folder: Path) -> isthmus.Program:
    """A program whose engine doubles, on the device for tests."""
    graph = isthmus.parse("graph @g(%x: f32[N, 4]) where N: 0..64 {\n  %y: f32[N, 4] = add(%x, %x)\n  return %y\n}")
    run = execution(doubling(device), folder, device)
    recipe = Recipe(parse_target("cuda-sm89-fp32"))
    return isthmus.Program(graph, recipe, run, Store(folder), Report("g", "cuda-sm89-fp32"))


def test_programs_run_on_the_device(device: FakeDevice, tmp_path: Path) -> None:
    double = program(device, tmp_path)
    y = double.run_on_device({"x": rows(3)})["y"]
    z = double.run_on_device(Foreign(y))["y"]
    np.testing.assert_array_equal(z.numpy(), rows(3) * 4)
    np.testing.assert_array_equal(double(rows(3))["y"], rows(3) * 2)
    assert device.uploads == [48, 48]
    with pytest.raises(BadInput, match=r"input 'x' is float64\[3, 4\], expected f32"):
        double.run_on_device(rows(3).astype(np.float64))
    with pytest.raises(BadInput, match="outside its bounds"):
        double.run_on_device(rows(65))
    with pytest.raises(BadInput, match="missing x"):
        double.run_on_device({"z": rows(1)})


def test_a_program_for_the_host_has_no_device() -> None:
    text = "graph @g(%x: f32[2]) {\n  %y: f32[2] = relu(%x)\n  return %y\n}"
    with pytest.raises(BadArgument, match="no one device to run on"):
        isthmus.compile(isthmus.parse(text), "reference").run_on_device(np.zeros(2, np.float32))
