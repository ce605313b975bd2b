"""Profiles from the bounds of symbols and from options, and what is said where a range is missing."""

from __future__ import annotations

import re
from typing import Any

import pytest

import isthmus
from isthmus.backends.tensorrt.options import TensorRTOptions
from isthmus.backends.tensorrt.profiles import ShapeRange, check_inputs, shape_profiles
from isthmus.ir.errors import BadArgument
from isthmus.ir.graph import Graph


def graph(inputs: str, where: str = "") -> Graph:
    bounds = f" where {where}" if where else ""
    first = inputs.partition(",  ")[0].partition(": ")[2]
    return isthmus.parse(f"graph @g({inputs}){bounds} {{\n  %y: {first} = relu(%x)\n  return %y\n}}\n")


def test_bounds_become_one_profile() -> None:
    (profile,) = shape_profiles(graph("%x: f32[N, 3, S],  %k: f32[4]", "N: 1..32, S: 16..64"), TensorRTOptions())
    assert profile == {"x": ShapeRange((1, 3, 16), (32, 3, 64), (32, 3, 64))}


def test_a_static_graph_needs_none() -> None:
    assert shape_profiles(graph("%x: f32[2, 3]"), TensorRTOptions()) == []


def test_a_size_may_be_0_where_its_symbol_may() -> None:
    (profile,) = shape_profiles(graph("%x: f32[N]", "N: 0..8"), TensorRTOptions())
    assert profile["x"].least == (0,)


def test_expressions_follow_their_symbols() -> None:
    g = graph("%x: f32[N, 2*N + 1],  %z: f32[floordiv(N, 2), 40 - N]", "N: 1..32")
    (profile,) = shape_profiles(g, TensorRTOptions(profiles=({"N": (2, 5, 8)},)))
    assert profile["x"] == ShapeRange((2, 5), (5, 11), (8, 17))
    assert profile["z"] == ShapeRange((1, 32), (2, 35), (4, 38))


def test_several_profiles_and_symbols_left_out() -> None:
    g = graph("%x: f32[N, S]", "N: 1..32, S: 4..8")
    options = TensorRTOptions(profiles=({"N": (1, 1, 1)}, {"N": (2, 8, 32), "S": (8, 8, 8)}))
    first, second = shape_profiles(g, options)
    assert first["x"] == ShapeRange((1, 4), (1, 8), (1, 8))
    assert second["x"] == ShapeRange((2, 8), (8, 8), (32, 8))


def test_missing_ranges_are_told_at_once_with_the_argument_to_give() -> None:
    g = graph("%x: f32[N, 3, S, S],  %m: f32[S, N],  %k: f32[4],  %z: f32[2*S, 3]")
    with pytest.raises(BadArgument) as caught:
        check_inputs(g, TensorRTOptions())
    error = caught.value
    for text in ("known for N, S", "%x: f32[N, 3, S, S]", "%m: f32[S, N]", "%z: f32[2*S, 3]"):
        assert text in error.reason
    assert "%k" not in error.reason
    argument = 'inputs={"x": ("N:1..32", 3, "S:1..512", "S"), "m": ("S", "N"), "z": (None, 3)}'
    assert argument in error.hint
    assert 'options=TensorRTOptions(profiles=[{"N": (1, 8, 32), "S": (1, 8, 32)}])' in error.hint


def test_the_argument_in_the_hint_is_what_it_takes() -> None:
    """Pasted, the first of the two hints parses as shapes, and the second gives profiles."""
    from isthmus.compiler.importers.shapes import parse_shapes
    from isthmus.compiler.options import parse_shapes as parse_command_line

    with pytest.raises(BadArgument) as caught:
        check_inputs(graph("%x: f32[N, 3],  %m: f32[S]"), TensorRTOptions())
    hint = caught.value.hint
    given: dict[str, Any] = {}
    exec(hint[hint.index("inputs=") : hint.index(" with largest")], given)
    shapes = parse_shapes(given["inputs"])
    assert [str(d) for d in shapes["x"]] == ["N", "3"]
    text = hint[hint.index("TensorRTOptions(") : hint.index(", the least")]
    options = eval(text, {"TensorRTOptions": TensorRTOptions})
    assert TensorRTOptions.parse([re.findall(r"--option (\S+)\)", hint)[0]]) == options
    assert parse_command_line(re.findall(r"--shape (\S+?)[ ;]", hint)) == given["inputs"]
    assert len(shape_profiles(graph("%x: f32[N, 3],  %m: f32[S]"), options)) == 1


def test_one_missing_symbol_of_a_profile() -> None:
    g = graph("%x: f32[N, S]", "N: 1..32")
    with pytest.raises(BadArgument, match="known for S in"):
        check_inputs(g, TensorRTOptions(profiles=({"N": (1, 2, 3)},)))
    check_inputs(g, TensorRTOptions(profiles=({"S": (1, 2, 3)},)))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"profiles": [{"NN": (1, 2, 3)}]}, "sizes for 'NN'"),
        ({"profiles": [{"N": (0, 2, 3)}]}, "lets N be 0..3, and it is declared 1..32"),
        ({"profiles": [{"N": (1, 2, 33)}]}, "declared 1..32"),
        ({"values": {"z": (1, 2, 3)}}, "names 'z'"),
        ({"values": {"x": (1, 2, 3)}}, "gives 1 elements for %x"),
        ({"values": {"k": ((1, 1), (2, 2), (3, 3))}}, "gives 2 elements for %k"),
    ],
)
def test_options_that_do_not_fit_the_inputs(options: dict[str, Any], complaint: str) -> None:
    g = graph("%x: f32[N],  %k: i64[3]", "N: 1..32")
    with pytest.raises(BadArgument) as caught:
        check_inputs(g, TensorRTOptions(**options))
    assert complaint in caught.value.reason


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"workspace": 0}, "workspace is 0"),
        ({"workspace": True}, "workspace is True"),
        ({"optimization_level": 6}, "optimization_level is 6"),
        ({"tf32": 1}, "tf32 is 1"),
        ({"profiles": {"N": (1, 2, 3)}}, "profiles is {"),
        ({"profiles": [3]}, "profile 3 names no symbol"),
        ({"profiles": [{"N": (1, 2)}]}, "gives N as (1, 2)"),
        ({"profiles": [{"N": (3, 2, 1)}]}, "gives N as (3, 2, 1)"),
        ({"values": [1]}, "values is [1]"),
        ({"values": {"k": ((1, 2), (1,), (3, 4))}}, "values gives k"),
        ({"values": {"k": ((2,), (1,), (3,))}}, "values gives k"),
        ({"workspace": 1 << 70}, "workspace is"),
        ({"profiles": [{"N": (1, 2, 10**30)}]}, "gives N as"),
        ({"worksapce": 1}, "no option 'worksapce'"),
        ({1: 2}, "no option 1"),
    ],
)
def test_options_are_checked(options: dict[Any, Any], complaint: str) -> None:
    with pytest.raises(BadArgument) as caught:
        TensorRTOptions.of(options)
    assert complaint in caught.value.reason


def test_options_as_text() -> None:
    options = TensorRTOptions.parse(
        [
            "workspace=2GiB",
            "optimization_level=5",
            "tf32=true",
            "profiles=N:1..1..1",
            "profiles=N:2..8..32,S:1..2..3",
            "values=s:1x-3..4x3..8x3,k:1..5..9",
        ]
    )
    assert options == TensorRTOptions(
        workspace=2 << 30,
        optimization_level=5,
        tf32=True,
        profiles=({"N": (1, 1, 1)}, {"N": (2, 8, 32), "S": (1, 2, 3)}),
        values={"s": ((1, -3), (4, 3), (8, 3)), "k": ((1,), (5,), (9,))},
    )
    again = TensorRTOptions.of(options.as_dict())
    assert again == options
    assert hash(again) == hash(options) != hash(TensorRTOptions())


@pytest.mark.parametrize("text", ["profiles=N:1..2..3,N:1..2..8", "values=s:1..2..3,s:1..2..8"])
def test_what_is_said_twice_in_one_text_is_refused(text: str) -> None:
    with pytest.raises(BadArgument) as caught:
        TensorRTOptions.parse([text])
    assert "each once" in caught.value.hint
    assert TensorRTOptions().as_dict() == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("workspace", "has no value"),
        ("workspace=2 GB", "workspace is '2 GB'"),
        ("optimization_level=high", "expected a number from 0 to 5"),
        ("tf32=yes", "expected true or false"),
        ("profiles=N:1..8", "such as N:1..8..32"),
        ("values=s:1..2", "such as s:1x3..4x3..8x3"),
        ("work=1", "did you mean 'workspace'?"),
    ],
)
def test_text_that_is_no_option(text: str, complaint: str) -> None:
    with pytest.raises(BadArgument) as caught:
        TensorRTOptions.parse([text])
    assert complaint in str(caught.value)
    with pytest.raises(BadArgument, match="given twice"):
        TensorRTOptions.parse(["tf32=true", "tf32=false"])
