"""What tests and benchmarks run on the GPU at hand."""

from __future__ import annotations

from pathlib import Path

from isthmus.backends.store import Entry, Store
from isthmus.backends.tensorrt.arch import choose
from isthmus.backends.tensorrt.device import Device, gpu
from isthmus.backends.tensorrt.dlpack import DeviceArray
from isthmus.backends.tensorrt.library import library
from isthmus.backends.tensorrt.runtime import Execution
from isthmus.backends.tensorrt.session import Binding
from isthmus.ir.types import Array, dtype_of
from tests.support.tensorrt.bench import Bench
from tests.support.tensorrt.rows import Group


def is_served(arch: str) -> bool:
    """Whether the installed library builds for a GPU of this architecture."""
    return arch != "" and (not library().archs or arch in library().archs)


def call(bench: Bench, group: Group, folder: Path) -> list[Array]:
    """The group's network, built for the GPU at hand and run on it."""
    n = bench.write(group.graph)
    (arch, *_) = choose(library(), "")
    file = folder / "group.engine"
    file.write_bytes(bench.build(n, group.graph, group.arrays, exact=group.exact, arch=arch.request))
    definition = n.definition
    names = [definition.get_input(i).name for i in range(definition.num_inputs)]
    made = [definition.get_output(i).name for i in range(definition.num_outputs)]
    inputs = [Binding(name, value.type) for name, value in zip(names, group.graph.inputs, strict=True)]
    outputs = [Binding(name, value.type) for name, value in zip(made, group.graph.outputs, strict=True)]
    run = Execution(library(), Entry("group", file, {}), inputs, outputs, [], arch.name, {}, Store(folder), gpu)
    return run(group.arrays)


def uploaded(array: Array, device: Device) -> DeviceArray:
    """An array in the GPU's memory, as long as the process runs."""
    with device.current():
        address = device.allocate(array.nbytes)
        device.upload(address, array)
    return DeviceArray(device, address, array.shape, dtype_of(array), None)
