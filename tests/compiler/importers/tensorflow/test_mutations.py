"""Damaged copies of SavedModels: bytes of any file, and messages that parse but do not fit together."""

from __future__ import annotations

import random
import resource
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import isthmus
from isthmus.compiler.importers.tensorflow import import_tensorflow
from isthmus.compiler.importers.tensorflow.protos import Message, parse
from isthmus.ir.errors import ImportFailed, MalformedModel
from tests.compiler.importers.tensorflow.build import Function, Type, function, graph, node, placeholder
from tests.support.tensorflow_models import model

_MODELS = (
    *("cnn", "loops_v1", "lstm", "masked", "mixed_precision", "mlp", "partitioned_variables", "reference_variables"),
    *("saved_by_tf", "simple_rnn", "tensor_array_lstm_v1", "transformer_dynamic"),
)
_COPIES = 260
"""Of each of the two kinds."""
_SECONDS = 10.0
_MEGABYTES = 256
_NUMBERS = (0, 1, -1, 2, 7, 1 << 20, 1 << 31, 1 << 40, (1 << 63) - 1, -(1 << 63))


def _damaged(data: bytes, rng: random.Random) -> bytes:
    """Bits flipped; bytes set, cut out, repeated, overwritten; numbers without end put in."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at, other = rng.randrange(len(found) + 1), rng.randrange(len(found) + 1)
        size = rng.choice((1, 4, 32, 256))
        match rng.randrange(6):
            case 0:
                found[at : at + 1] = bytes(byte ^ 1 << rng.randrange(8) for byte in found[at : at + 1])
            case 1:
                found[at : at + 1] = bytes([rng.choice((0, 1, 127, 128, 255))])
            case 2:
                del found[at : at + rng.choice((1, 8, 64, len(found)))]
            case 3:
                found[at:at] = found[other : other + size]
            case 4:
                found[at : at + size] = found[other : other + size]
            case _:
                found[at : at + 9] = b"\xff" * 8 + b"\x01"
    return bytes(found)


def _misfit(data: bytes, rng: random.Random) -> bytes:
    """Nodes that take other inputs, are other ops, or whose attributes say something else."""
    found = parse("SavedModel", data, "a fixture")
    library = found.meta_graphs[0].graph_def.library.function
    bodies = [body for body in (found.meta_graphs[0].graph_def.node, *(f.node_def for f in library)) if len(body)]
    names = [f.signature.name for f in library]
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        body = rng.choices(bodies, [len(body) for body in bodies])[0]
        each, other = rng.choice(body), rng.choice(body)
        inputs, attributes = len(each.input), sorted(each.attr)
        match rng.randrange(8):
            case 0 if inputs:
                ending = rng.choice(("", ":0", ":1", ":output:0", ":y:0"))
                each.input[rng.randrange(inputs)] = rng.choice(("", "^")) + other.name + ending
            case 1:
                each.op = other.op
            case 2 if inputs:
                del each.input[rng.randrange(inputs)]
            case 3:
                each.input.append(other.name)
            case 4 if attributes:
                del each.attr[rng.choice(attributes)]
            case 5 if library and (function := rng.choice(library)).ret:
                function.ret[rng.choice(sorted(function.ret))] = f"{other.name}:output:0"
            case _ if attributes:
                _misstate(each.attr[rng.choice(attributes)], names, rng)
    return bytes(found.SerializeToString())


def _misstate(attribute: Message, functions: list[str], rng: random.Random) -> None:
    number = rng.choice(_NUMBERS)
    match attribute.WhichOneof("value"):
        case "i":
            attribute.i = number
        case "f":
            attribute.f = rng.choice((0.0, -1.0, float("nan"), float("inf")))
        case "b":
            attribute.b = not attribute.b
        case "s":
            attribute.s = rng.choice((b"", b"SAME", b"VALID", b"EXPLICIT", b"NCHW", b"\xff\xfe"))
        case "type":
            attribute.type = rng.choice((*range(27), 999))
        case "shape":
            (rng.choice(attribute.shape.dim) if attribute.shape.dim else attribute.shape.dim.add()).size = number
        case "list" if attribute.list.i:
            attribute.list.i[rng.randrange(len(attribute.list.i))] = number
        case "list":
            attribute.list.i.append(number)
        case "tensor":
            sizes = attribute.tensor.tensor_shape.dim
            (rng.choice(sizes) if sizes else sizes.add()).size = number
        case "func" if functions:
            attribute.func.name = rng.choice(functions)


def _copies(folder: Path, damage: str) -> Iterator[tuple[str, Path]]:
    """Copies of the fixtures, each with one file damaged, one after another in the same folder."""
    rng = random.Random(damage)
    for i in range(_COPIES):
        name = _MODELS[i % len(_MODELS)]
        stored = model(name, folder.parent / "stored")
        files = {
            path.relative_to(stored): path.read_bytes()
            for path in sorted(stored.rglob("*"))
            if path.is_file() and path.suffix != ".xz"
        }
        graph_file = Path("saved_model.pb")
        chosen = graph_file if damage == "misfit" else rng.choice([p for p in files if p.suffix != ".pb" or i % 3])
        files[chosen] = (_misfit if damage == "misfit" else _damaged)(files[chosen], rng)
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        yield f"copy {i}: {chosen} of {name}", folder


@pytest.mark.parametrize("damage", ["bytes", "misfit"])
def test_damaged_models_end_in_ordinary_errors(damage: str, tmp_path: Path) -> None:
    ended = Counter[str]()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for what, folder in _copies(tmp_path / "m", damage):
        start = time.process_time()
        try:
            found = isthmus.import_model(folder)
            for each in found.walk():
                assert all(v.constant is None or v.array is not None for v in each.results)
            ended["read"] += 1
        except ImportFailed:
            ended["refused"] += 1
        except Exception as error:
            raise AssertionError(f"{what}: {type(error).__name__} is no ordinary error") from error
        assert time.process_time() - start < _SECONDS, what
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    assert grown < _MEGABYTES
    assert min(ended["read"], ended["refused"]) > _COPIES // 10


# -- functions that never end ----------------------------------------------------------------------------------------


def _call(name: str, target: str, *inputs: str) -> Message:
    return node(name, "PartitionedCall", *inputs, f=Function(target))


@pytest.mark.parametrize("length", [1, 2, 3])
def test_functions_that_call_each_other_in_a_circle(length: int) -> None:
    library = tuple(
        function(f"f{i}", ["x"], {"y": "call:output:0"}, _call("call", f"f{(i + 1) % length}", "x"))
        for i in range(length)
    )
    with pytest.raises(MalformedModel, match="function 'f0' calls itself"):
        import_tensorflow(graph(placeholder("x", 2), _call("y", "f0", "x"), functions=library))


def test_a_loop_whose_body_is_the_function_it_stands_in() -> None:
    body = function(
        "body",
        ["x"],
        {"y": "loop:output:0"},
        node("loop", "While", "x", cond=Function("cond"), body=Function("body"), T=[1]),
    )
    cond = function("cond", ["x"], {"y": "c:output:0"}, node("c", "Const", dtype=Type(10)))
    loop = node("y", "While", "x", cond=Function("cond"), body=Function("body"), T=[1])
    with pytest.raises(ImportFailed):
        import_tensorflow(graph(placeholder("x"), loop, functions=(body, cond)))


def test_functions_that_double_at_each_step_are_bounded() -> None:
    """Forty small functions, each of which calls the next one twice."""

    def twice(i: int) -> tuple[Message, ...]:
        if i == 40:
            return (node("s", "Neg", "x", T=Type(1)),)
        first, second = _call("a", f"f{i + 1}", "x"), _call("b", f"f{i + 1}", "x")
        return first, second, node("s", "Add", "a:output:0", "b:output:0", T=Type(1))

    library = tuple(function(f"f{i}", ["x"], {"y": f"s:{'y' if i == 40 else 'z'}:0"}, *twice(i)) for i in range(41))
    start = time.process_time()
    with pytest.raises(ImportFailed):
        import_tensorflow(graph(placeholder("x", 2), _call("y", "f0", "x"), functions=library))
    assert time.process_time() - start < _SECONDS


@pytest.mark.parametrize("length", [1, 2, 50])
def test_nodes_that_depend_on_themselves(length: int) -> None:
    nodes = [node(f"n{i}", "Relu", f"n{(i + 1) % length}", T=Type(1)) for i in range(length)]
    with pytest.raises(MalformedModel, match="depends on itself"):
        import_tensorflow(graph(*nodes), outputs=["n0"])
