"""The errors that `schedules/mathfunctions.py` states, measured, and its behaviour at the ends."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from isthmus.backends.tvm.kernels import Expr, Machine, declare
from isthmus.backends.tvm.schedules import mathfunctions
from isthmus.backends.tvm.schedules.machine import target
from isthmus.ir.types import Array
from tests.backends.tvm.schedules.running import MACHINES

COUNT = 1 << 16
widths = pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m.lanes} lanes")
_erf = np.vectorize(math.erf)

Reference = Callable[[Array], Array]


@cache
def compiled(name: str, machine: Machine) -> Callable[[Array], Array]:
    """The function over COUNT elements, in vectors."""
    import tvm
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as tir

    function: Callable[[Expr], Expr] = getattr(mathfunctions, name)
    with IRBuilder() as written, tir.prim_func(s_tir=True):
        tir.func_attr({"global_symbol": "f", "tirx.noalias": True})
        x, y = (declare(each, [COUNT], "float32") for each in "xy")
        with (
            tir.sblock("root"),
            tir.serial(0, COUNT // machine.lanes) as i,
            tir.vectorized(0, machine.lanes) as lane,
        ):
            tir.buffer_store(y, function(x[i * machine.lanes + lane]), [i * machine.lanes + lane])
    built = tvm.compile(tvm.IRModule({"f": written.get()}), target=target(machine))["f"]

    def call(values: Array) -> Array:
        given = np.zeros(COUNT, np.float32)
        given[: len(values)] = values
        made = tvm.runtime.tensor(np.zeros(COUNT, np.float32))
        built(tvm.runtime.tensor(given), made)
        found: Array = made.numpy()[: len(values)]
        return found

    return call


def spread(low: float, high: float) -> Array:
    """Points over a range, half of them evenly, half crowding towards zero."""
    random = np.random.default_rng(0)
    even, near = random.uniform(low, high, COUNT // 2), random.uniform(low, high, COUNT // 2)
    return np.concatenate([even, near * 10.0 ** random.uniform(-7, 0, COUNT // 2)]).astype(np.float32)


@widths
@pytest.mark.parametrize(
    ("name", "reference", "values", "bound"),
    [
        ("exp", np.exp, spread(-87.3, 88.7), 1.0e-7),
        ("exp_of_negative", np.exp, spread(-87.3, 0), 1.0e-7),
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x)), spread(-87, 87), 2.0e-7),
        ("log", np.log, np.exp(spread(-87, 88)), 1.3e-7),
        ("erf", _erf, spread(-6, 6), 3.0e-7),
        ("tanh", np.tanh, spread(-12, 12), 3.0e-7),
    ],
)
def test_relative_errors(machine: Machine, name: str, reference: Reference, values: Array, bound: float) -> None:
    """No more than stated, wherever the result is a normal number."""
    want = reference(values.astype(np.float64))
    normal = np.abs(want) > 1.2e-38
    got = compiled(name, machine)(values).astype(np.float64)
    assert np.max(np.abs(got - want)[normal] / np.abs(want)[normal]) < bound


@widths
def test_ends(machine: Machine) -> None:
    """Infinities, zeros, subnormal numbers and NaN."""
    ends = np.array([np.inf, -np.inf, np.nan, 0.0, -100.0], np.float32)
    np.testing.assert_allclose(compiled("exp", machine)(ends), np.exp(ends), rtol=1e-6)
    np.testing.assert_allclose(compiled("sigmoid", machine)(ends), [1, 0, np.nan, 0.5, 0], atol=2e-38)
    np.testing.assert_allclose(compiled("erf", machine)(ends[:4]), [1, -1, np.nan, 0], rtol=3e-7)
    np.testing.assert_allclose(compiled("tanh", machine)(ends[:4]), [1, -1, np.nan, 0], rtol=3e-7)
    logarithms = compiled("log", machine)(np.array([np.inf, 0, -1, np.nan, 1, 1e-40], np.float32))
    np.testing.assert_allclose(logarithms, [np.inf, -np.inf, np.nan, np.nan, 0, np.log(1e-40)], rtol=1e-5)
