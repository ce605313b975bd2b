"""The read-back evaluator's loops and conditionals, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.support.tensorrt.errors import NetworkError
from tests.support.tensorrt.library import library
from tests.support.tensorrt.sketch import Sketch

TRT = library()


def add(sketch: Sketch, a: Any, b: Any, op: str = "SUM") -> Any:
    return sketch.network.add_elementwise(a, b, getattr(TRT.ElementWiseOperation, op)).get_output(0)


def counted(sketch: Sketch, trips: int) -> Any:
    loop = sketch.network.add_loop()
    loop.add_trip_limit(sketch.constant(trips, np.int32), TRT.TripLimit.COUNT)
    return loop


ROWS = np.array([[1, 2], [10, 20], [100, 200]], np.float32)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("kind", "axis"), [("CONCATENATE", 0), ("REVERSE", 0), ("CONCATENATE", 1)])
def test_a_counted_loop_over_rows(reverse: bool, kind: str, axis: int) -> None:
    sketch = Sketch()
    loop = counted(sketch, 3)
    row = loop.add_iterator(sketch.input(ROWS), 0, reverse).get_output(0)
    total = loop.add_recurrence(sketch.constant(np.zeros(2, np.float32)))
    summed = add(sketch, total.get_output(0), row)
    total.set_input(1, summed)
    last = loop.add_loop_output(total.get_output(0), TRT.LoopOutput.LAST_VALUE)
    every = loop.add_loop_output(summed, getattr(TRT.LoopOutput, kind), axis)
    every.set_input(1, sketch.constant(3, np.int32))
    got, sums = sketch.run(last, every)
    want = np.cumsum(ROWS[::-1] if reverse else ROWS, 0)
    np.testing.assert_array_equal(got, want[-1])
    np.testing.assert_array_equal(sums, np.moveaxis(want[::-1] if kind == "REVERSE" else want, 0, axis))


def test_a_loop_that_never_runs_gives_the_initial_value() -> None:
    sketch = Sketch()
    loop = counted(sketch, 0)
    state = loop.add_recurrence(sketch.input(np.array([5], np.float32)))
    state.set_input(1, add(sketch, state.get_output(0), state.get_output(0)))
    last = loop.add_loop_output(state.get_output(0), TRT.LoopOutput.LAST_VALUE)
    np.testing.assert_array_equal(sketch.run(last)[0], [5])


@pytest.mark.parametrize(("bound", "trips", "want"), [(100, 10, 128), (100, 3, 8), (0, 10, 1)])
def test_a_loop_runs_while_its_condition_and_its_count_last(bound: int, trips: int, want: int) -> None:
    sketch = Sketch()
    loop = counted(sketch, trips)
    state = loop.add_recurrence(sketch.input(np.array(1, np.float32)))
    doubled = add(sketch, state.get_output(0), state.get_output(0))
    state.set_input(1, doubled)
    going = add(sketch, state.get_output(0), sketch.constant(np.float32(bound)), "LESS")
    loop.add_trip_limit(going, TRT.TripLimit.WHILE)
    last = loop.add_loop_output(state.get_output(0), TRT.LoopOutput.LAST_VALUE)
    assert sketch.run(last)[0] == want


def test_two_states_step_together() -> None:
    """Fibonacci: each next value is computed from the states of the iteration before."""
    sketch = Sketch()
    loop = counted(sketch, 6)
    a, b = (loop.add_recurrence(sketch.input(np.array(v, np.int64))) for v in (0, 1))
    a.set_input(1, b.get_output(0))
    b.set_input(1, add(sketch, a.get_output(0), b.get_output(0)))
    outputs = [loop.add_loop_output(s.get_output(0), TRT.LoopOutput.LAST_VALUE) for s in (a, b)]
    assert [int(y) for y in sketch.run(*outputs)] == [8, 13]


def test_a_loop_inside_a_loop() -> None:
    """Sum over rows of the running sums of each row's elements times the row's number."""
    sketch = Sketch()
    outer = counted(sketch, 3)
    row = outer.add_iterator(sketch.input(ROWS), 0).get_output(0)
    total = outer.add_recurrence(sketch.constant(np.float32(0)))
    inner = counted(sketch, 2)
    element = inner.add_iterator(row, 0).get_output(0)
    part = inner.add_recurrence(sketch.constant(np.float32(0)))
    part.set_input(1, add(sketch, part.get_output(0), element))
    summed = inner.add_loop_output(part.get_output(0), TRT.LoopOutput.LAST_VALUE).get_output(0)
    total.set_input(1, add(sketch, add(sketch, total.get_output(0), total.get_output(0)), summed))
    last = outer.add_loop_output(total.get_output(0), TRT.LoopOutput.LAST_VALUE)
    assert sketch.run(last)[0] == (3 * 2 + 30) * 2 + 300


def test_what_does_not_change_in_a_loop_is_computed_once_and_kept() -> None:
    sketch = Sketch()
    x = sketch.input(np.array([2], np.float32))
    loop = counted(sketch, 4)
    state = loop.add_recurrence(x)
    step = add(sketch, x, x)
    halfway = add(sketch, state.get_output(0), step)
    state.set_input(1, add(sketch, halfway, step))
    last = loop.add_loop_output(state.get_output(0), TRT.LoopOutput.LAST_VALUE)
    np.testing.assert_array_equal(sketch.run(last)[0], [2 + 4 * 8])


def test_a_length_that_is_not_the_number_of_iterations_is_undefined() -> None:
    sketch = Sketch()
    loop = counted(sketch, 3)
    row = loop.add_iterator(sketch.input(ROWS), 0).get_output(0)
    every = loop.add_loop_output(add(sketch, row, row), TRT.LoopOutput.CONCATENATE, 0)
    every.set_input(1, sketch.constant(5, np.int32))
    with pytest.raises(NetworkError, match="has length 5, but its loop ran 3 times"):
        sketch.run(every)


@pytest.mark.parametrize(("condition", "want"), [(True, 16), (False, 3)])
def test_a_conditional_computes_one_branch(condition: bool, want: float) -> None:
    sketch = Sketch()
    choice = sketch.network.add_if_conditional()
    choice.set_condition(sketch.input(np.array(condition)))
    x = choice.add_input(sketch.input(np.array([4], np.float32))).get_output(0)
    then = add(sketch, x, x, "PROD")
    one = sketch.constant(np.ones(1, np.float32))
    otherwise = add(sketch, x, one, "SUB")
    output = choice.add_output(then, otherwise)
    np.testing.assert_array_equal(sketch.run(output)[0], [want])


def test_the_other_branch_is_not_run() -> None:
    """It would slice beyond the bounds, which is an error."""
    sketch = Sketch()
    choice = sketch.network.add_if_conditional()
    choice.set_condition(sketch.input(np.array(True)))
    x = choice.add_input(sketch.input(np.array([1, 2], np.float32), (-1,))).get_output(0)
    then = sketch.network.add_identity(x).get_output(0)
    beyond = sketch.network.add_slice(x, (1,), (2,), (1,)).get_output(0)
    output = choice.add_output(then, beyond)
    np.testing.assert_array_equal(sketch.run(output)[0], [1, 2])


def test_a_conditional_inside_a_loop_chooses_each_time() -> None:
    """The Collatz steps of 6: 3, 10, 5, 16."""
    sketch = Sketch()
    loop = counted(sketch, 4)
    state = loop.add_recurrence(sketch.input(np.array(6, np.int32)))
    n, two = state.get_output(0), sketch.constant(np.int32(2))
    half = add(sketch, n, two, "FLOOR_DIV")
    even = add(sketch, add(sketch, half, two, "PROD"), n, "EQUAL")
    choice = sketch.network.add_if_conditional()
    choice.set_condition(even)
    inside = choice.add_input(n).get_output(0)
    then = add(sketch, inside, sketch.constant(np.int32(2)), "FLOOR_DIV")
    triple = add(sketch, inside, sketch.constant(np.int32(3)), "PROD")
    otherwise = add(sketch, triple, sketch.constant(np.int32(1)))
    state.set_input(1, choice.add_output(then, otherwise).get_output(0))
    every = loop.add_loop_output(state.get_output(0), TRT.LoopOutput.CONCATENATE, 0)
    every.set_input(1, sketch.constant(4, np.int32))
    last = loop.add_loop_output(state.get_output(0), TRT.LoopOutput.LAST_VALUE)
    steps, final = sketch.run(every, last)
    np.testing.assert_array_equal(steps, [6, 3, 10, 5])
    assert final == 16
