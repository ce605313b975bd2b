"""Passes that are no rule lists: dce, cse, fold, resolve-shapes; and the default pipeline as a whole."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from isthmus.ir.builder import Builder
from isthmus.ir.compare import difference
from isthmus.ir.constant import Constant
from isthmus.ir.graph import Graph
from isthmus.ir.parser import parse
from isthmus.ir.types import F32, TensorType
from isthmus.passes.manager import PassManager
from isthmus.passes.numerics import close, relative_error, samples, seeded_inputs, sizes, worst_output
from isthmus.passes.pipelines import default
from isthmus.passes.spec import parse_pipeline


def _run(pipeline: str, graph: Graph) -> bool:
    before = graph.copy()
    records = PassManager(parse_pipeline(pipeline), check="full").run(graph)
    for inputs in samples(before):
        assert worst_output(before, graph, inputs) is None
    return any(record.changed for record in records)


def _ops(graph: Graph) -> Counter[str]:
    return Counter(node.op.name for node in graph.walk())


def test_dce_removes_chains_nobody_uses() -> None:
    graph = parse("graph @g(%x: f32[N]) {\n %a: f32[N] = neg(%x)\n %b: f32[N] = exp(%a)\n return %x\n}")
    assert _run("dce", graph)
    assert len(graph) == 0
    assert not _run("dce", graph)


def test_dce_keeps_what_tells_a_size_somebody_needs() -> None:
    text = """graph @g(%x: f32[N]) where u0: 0.. {{
      %a: i64[1, u0] = non_zero(%x)
      %b: i64[N] = iota() {{dtype = i64, shape = [N], axis = 0}}
      %c: i64[1] = dims() {{dims = [{size}]}}
      return %c
    }}"""
    needed, idle = parse(text.format(size="u0")), parse(text.format(size="N"))
    assert _run("dce", needed)
    assert _run("dce", idle)
    assert _ops(needed) == {"non_zero": 1, "dims": 1}
    assert _ops(idle) == {"dims": 1}


def test_cse_merges_equal_nodes_in_either_operand_order() -> None:
    graph = parse(
        "graph @g(%x: f32[N], %y: f32[N]) {\n %a: f32[N] = add(%x, %y)\n %b: f32[N] = add(%y, %x)\n"
        " %c: f32[N] = sub(%x, %y)\n %d: f32[N] = sub(%y, %x)\n return %a, %b, %c, %d\n}"
    )
    assert _run("cse", graph)
    assert _ops(graph) == {"add": 1, "sub": 2}


def test_cse_tells_zeros_apart() -> None:
    graph = parse(
        "graph @g() {\n %a = const f32[2] [0.0, 1.0]\n %b = const f32[2] [-0.0, 1.0]\n %c = const f32[2] [0.0, 1.0]\n"
        " return %a, %b, %c\n}"
    )
    assert _run("cse", graph)
    assert _ops(graph) == {"const": 2}


def test_cse_hashes_large_constants_only_when_samples_agree() -> None:
    rng = np.random.default_rng(0)
    graph = Graph()
    b = Builder(graph)
    values = [b.const(rng.standard_normal(1000).astype(np.float32)) for _ in range(3)]
    graph.set_outputs(values, ["a", "b", "c"])
    assert not _run("cse", graph)
    assert all("digest" not in vars(v.constant) for v in values)


def test_cse_reads_no_constant_whose_type_is_its_own() -> None:
    graph, read = Graph(), Counter[int]()
    b = Builder(graph)

    def constant(size: int) -> Constant:
        def load() -> np.ndarray[tuple[int], np.dtype[np.float32]]:
            read[size] += 1
            return np.ones(size, np.float32)

        return Constant(TensorType(F32, (size,)), load)

    constants = [constant(size) for size in (1000, 1001, 1002, 1002)]
    graph.set_outputs([b.const(each) for each in constants], ["a", "b", "c", "d"])
    PassManager(parse_pipeline("cse"), check="none").run(graph)
    assert read == {1002: 2}
    assert len(graph) == 3


def test_cse_keeps_sizes_known_only_when_running_apart() -> None:
    graph = parse(
        "graph @g(%x: f32[N]) where u0: 0.., u1: 0.. {\n %a: i64[1, u0] = non_zero(%x)\n"
        " %b: i64[1, u1] = non_zero(%x)\n return %a, %b\n}"
    )
    assert not _run("cse", graph)


def test_fold_evaluates_chains_without_copying_views() -> None:
    graph = Graph()
    b = Builder(graph)
    weight = np.arange(12, dtype=np.float32).reshape(3, 4)
    flat = b.reshape(b.transpose(b.const(weight), perm=(1, 0)), shape=(4, 3, 1))
    graph.set_outputs([b.transpose(b.const(weight), perm=(1, 0)), b.neg(flat)], ["t", "n"])
    assert _run("fold", graph)
    assert _ops(graph) == {"const": 2}
    transposed = graph.outputs[0].array
    assert transposed is not None
    assert np.shares_memory(transposed, weight)


@pytest.mark.parametrize(
    "body",
    [
        "%c = const f32[] 1.0\n %y: f32[1000, 1000] = expand(%c) {shape = [1000, 1000]}",
        "%c = const f32[] 1.0\n %y: f32[N, 3] = expand(%c) {shape = [N, 3]}",
        "%c = const f32[2] [0.0, 1.0]\n %y: i64[1, u0] = non_zero(%c)",
    ],
)
def test_fold_refuses_bloat_and_sizes_known_only_when_running(body: str) -> None:
    graph = parse(f"graph @g(%x: f32[N]) where u0: 0.. {{\n {body}\n return %y\n}}")
    assert not _run("fold", graph)


def test_fold_evaluates_what_is_large_only_in_between() -> None:
    graph = Graph()
    b = Builder(graph)
    x = graph.add_input(TensorType(F32, (2, 225)), "x")
    table, widening, narrowing = (np.ones(shape, np.float32) for shape in ((225, 2), (2, 512), (512, 4)))
    hidden = b.relu(b.matmul(b.const(table), b.const(widening)))
    kept = b.relu(b.matmul(b.const(table), b.const(widening)))
    graph.set_outputs([b.matmul(hidden, b.const(narrowing)), b.matmul(x, kept)], ["small", "large"])
    assert hidden.type.nbytes() == 225 * 512 * 4
    assert _run("fold", graph)
    assert _ops(graph) == {"const": 3, "matmul": 2, "relu": 1}


def test_fold_loads_no_constant_it_does_not_use() -> None:
    def load() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        raise AssertionError("loaded")

    graph = Graph()
    b = Builder(graph)
    x = graph.add_input(TensorType(F32, (8, 8)), "x")
    weight = b.const(Constant(TensorType(F32, (8, 8)), load))
    graph.set_outputs([b.relu(b.matmul(x, weight))], ["y"])
    PassManager(parse_pipeline("resolve-shapes,dce,fold,canonicalize,fuse")).run(graph)


def test_shape_chains_vanish_and_types_learn_what_becomes_known() -> None:
    graph = parse(
        """graph @g(%x: f32[N, 4, 6]) where u0: 0.., u1: 0.., u2: 0.., u3: 0.. {
          %s: i64[3] = shape_of(%x)
          %zero = const i64[1] [0]
          %minus = const i64[1] [-1]
          %far = const i64[1] [-9223372036854775807]
          %twos = const i64[2] [1, 2]
          %n: i64[1] = gather(%s, %zero) {axis = 0}
          %target: i64[2] = concat(%n, %minus) {axis = 0}
          %flat: f32[u0, u1] = dynamic_reshape(%x, %target)
          %r: f32[u0, u1] = relu(%flat)
          %back: f32[u2, u1] = dynamic_slice(%r, %minus, %far) {axes = [0], steps = [-1]}
          %wide: f32[u0, u3] = dynamic_tile(%r, %twos)
          return %r, %back, %wide, %target
        }"""
    )
    assert _run("resolve-shapes,dce,canonicalize", graph)
    expected = parse(
        """graph @g(%x: f32[N, 4, 6]) {
          %target: i64[2] = dims() {dims = [N, -1]}
          %flat: f32[N, 24] = reshape(%x) {shape = [N, 24]}
          %r: f32[N, 24] = relu(%flat)
          %back: f32[N, 24] = reverse(%r) {axes = [0]}
          %wide: f32[N, 48] = tile(%r) {repeats = [1, 2]}
          return %r, %back, %wide, %target
        }"""
    )
    assert difference(graph, expected) is None, str(graph)


def test_unknown_sizes_stay_unknown() -> None:
    graph = parse(
        "graph @g(%x: f32[N], %s: i64[1]) where u0: 0.. {\n %y: f32[u0] = dynamic_reshape(%x, %s)\n return %y\n}"
    )
    PassManager(parse_pipeline("resolve-shapes")).run(graph)
    assert _ops(graph) == {"dynamic_reshape": 1}


def test_sizes_learned_reach_into_regions() -> None:
    graph = parse(
        "graph @g(%c: bool[], %x: f32[N, 2]) where u0: 0.. {\n %s = const i64[1] [-1]\n"
        " %f: f32[u0] = dynamic_reshape(%x, %s)\n"
        " %y: f32[u0] = if(%c, %f) then (%a: f32[u0]) {\n  %b: f32[u0] = neg(%a)\n  return %b\n }"
        " else (%a: f32[u0]) {\n  return %a\n }\n return %y\n}"
    )
    assert _run("resolve-shapes", graph)
    assert str(graph.outputs[0].type) == "f32[2*N]"


def test_sizes_learned_inside_regions_reach_out() -> None:
    graph = parse(
        "graph @g(%c: bool[], %x: f32[N, 2]) where u0: 0.., u1: 0.. {\n"
        " %y: f32[u1] = if(%c, %x) then (%a: f32[N, 2]) {\n  %s = const i64[1] [-1]\n"
        "  %b: f32[u0] = dynamic_reshape(%a, %s)\n  return %b\n }"
        " else (%a: f32[N, 2]) {\n  %b: f32[2*N] = reshape(%a) {shape = [2*N]}\n  return %b\n }\n"
        " %z: f32[u1] = neg(%y)\n return %z\n}"
    )
    assert _run("resolve-shapes", graph)
    assert str(graph.outputs[0].type) == "f32[2*N]"


def test_the_default_pipeline_comes_to_rest() -> None:
    graph = parse(
        "graph @g(%x: f32[N, 2, 4]) {\n %w = const f32[4, 2] [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]\n"
        " %c = const f32[2] [1.0, 2.0]\n %h = const f32[] 0.5\n"
        " %one = const f32[] 1.0\n %r = const f32[] 1.4142135\n"
        " %m: f32[N, 2, 2] = matmul(%x, %w)\n %a: f32[N, 2, 2] = add(%c, %m)\n %d: f32[N, 2, 2] = div(%a, %r)\n"
        " %e: f32[N, 2, 2] = erf(%d)\n %f: f32[N, 2, 2] = add(%one, %e)\n %g: f32[N, 2, 2] = mul(%a, %f)\n"
        " %y: f32[N, 2, 2] = mul(%h, %g)\n return %y\n}"
    )
    assert _run(default(), graph)
    assert _ops(graph) == {"const": 2, "linear": 1, "gelu": 1}
    assert not _run(default(), graph)


def test_measures_of_error() -> None:
    a = np.array([1.0, np.inf, np.nan], np.float32)
    assert relative_error(a, a) == 0.0
    assert relative_error(a, np.array([1.0, -np.inf, np.nan], np.float32)) == np.inf
    assert close(np.array([1.000001], np.float32), np.array([1.0], np.float32))
    assert not close(np.array([1]), np.array([2]))
    assert relative_error(np.array([1e300]), np.array([2e300])) == 0.5


def test_inputs_are_seeded_and_within_bounds() -> None:
    graph = parse(
        "graph @g(%t: f32[3, 2], %i: i64[N, M]) where N: 4..5 {\n"
        " %y: f32[N, M, 2] = gather(%t, %i) {axis = 0}\n return %y\n}"
    )
    assert sizes(graph) == {"M": 2, "N": 4}
    first, again = seeded_inputs(graph, 3), seeded_inputs(graph, 3)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert first["i"].max() < 3


def test_integers_that_may_become_indices_stay_small() -> None:
    graph = parse(
        "graph @g(%t: f32[9, 2], %i: i64[N], %j: i64[N]) {\n %k: i64[N] = abs(%i)\n"
        " %y: f32[N, 2] = gather(%t, %k) {axis = 0}\n %z: i64[N] = neg(%j)\n return %y, %z\n}"
    )
    drawn = seeded_inputs(graph, 3, {"N": 50}, "integers")
    assert (drawn["i"].min(), drawn["i"].max()) == (0, 3)
    assert drawn["j"].min() < -50 < 50 < drawn["j"].max()
