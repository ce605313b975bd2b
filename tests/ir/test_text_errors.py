"""Bad text is refused with its place, a reason and a hint, however hostile it is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.ir import parse, print_graph, verify
from isthmus.ir.errors import TextError
from tests.support.sample_graphs import attributes_of_every_kind, loops, regions_in_regions


def refusal(text: str) -> TextError:
    with pytest.raises(TextError) as caught:
        parse(text, filename="m.isth")
    return caught.value


def in_graph(statements: str) -> str:
    return f"graph @g(%x: f32[N, 4], %c: bool[]) {{\n{statements}\n}}"


def test_an_error_shows_the_line_and_a_caret() -> None:
    error = refusal("graph @g(%x: f32[4]) {\n  %y: f32[4] = rellu(%x)\n  return %y\n}")
    assert str(error) == (
        "[E201] no op is called 'rellu'\n"
        "  at m.isth:2:16\n"
        "      %y: f32[4] = rellu(%x)\n"
        "                   ^\n"
        "  hint: did you mean relu or prelu or elu?"
    )


@pytest.mark.parametrize(
    ("statements", "place", "reason", "hint"),
    [
        ("  return %z", "2:10", "no value is called %z", "defined before"),
        ("  %yy: f32[N, 4] = relu(%x)\n  return %yyy", "3:10", "no value is called %yyy", "did you mean %yy?"),
        ("  %x: f32[N, 4] = relu(%x)\n  return %x", "2:3", "%x is defined already", ""),
        ("  %y: f32[N, 5] = relu(%x)\n  return %y", "2:7", "declared f32[N, 5], but relu yields f32[N, 4]", ""),
        ("  %y: f33[N] = relu(%x)\n  return %y", "2:7", "no element type is called 'f33'", "f32"),
        ("  %y: f32[N] = relu(%x, %x)\n  return %y", "2:16", "takes 1 operands, got 2", ""),
        ("  %y: f32[N] = relu()\n  return %y", "2:16", "operand x is missing", ""),
        ("  %y: f32[N, 4] = relu(none)\n  return %y", "2:19", "operand x is missing", ""),
        ("  %y: f32[N, 4], %z: f32[1] = relu(%x)\n  return %y", "2:3", "yields 1 results, not 2", ""),
        ("  %y: f32[N, 4] = softmax(%x)\n  return %y", "2:19", "attribute axis is missing", ""),
        ("  %y: f32[N, 4] = softmax(%x) {axs = 1}\n  return %y", "2:19", "attribute axis is missing", ""),
        ("  %y: f32[N, 4] = relu(%x) {axs = 1}\n  return %y", "2:29", "no attribute 'axs'", "it has: none"),
        ("  %y: f32[N, 4] = softmax(%x) {axis = true}\n  return %y", "2:32", "must be int", ""),
        ("  %y: f32[N, 4] = softmax(%x) {axis = 1, axis = 1}\n  return %y", "2:42", "given twice", ""),
        ("  %y: f16[N, 4] = cast(%x) {dtype = f17}\n  return %y", "2:37", "no element type is called 'f17'", "f16"),
        ('  %y: f32[N, 4] = softmax(%x) {axis = "\\q"}\n  return %y', "2:39", "broken escape", ""),
        ("  %y: f32[N, 4] = relu(%x)\n", "4:1", "unexpected '}'", "'return'"),
        ("  %y: f32[N, 4] = relu(%x\n  return %x", "3:3", "unexpected 'return'", "')'"),
        ("  %y: f32[N, ] = relu(%x)\n  return %y", "2:14", "unexpected ']'", "a number"),
        ("  %y: f32[N, 4] ? relu(%x)\n  return %y", "2:17", "unexpected '?'", "'='"),
        ("  return a: %x, a: %c", "2:17", "two outputs are called 'a'", ""),
        ("  %y: f32[pow(N, 2)] = relu(%x)\n  return %y", "2:11", "no function is called 'pow'", "floordiv"),
        ("  %y: f32[mod(N)] = relu(%x)\n  return %y", "2:11", "mod takes 2 arguments, not 1", ""),
        ("  %y: f32[floordiv(N, 0)] = relu(%x)\n  return %y", "2:11", "by zero", ""),
        ("  %y: f32[-1] = relu(%x)\n  return %y", "2:11", "size -1 is negative", ""),
        ("  %y: f32[1.5] = relu(%x)\n  return %y", "2:11", "'1.5' is no dimension", ""),
        ("  %w = const f32[2] #12ab\n  return %w", "2:21", "no constant #12ab is given", "load"),
        ("  %w = const f32[2] [1.0]\n  return %w", "2:21", "has 2 elements, not 1", ""),
        ("  %w = const f32[2] [1.0, x]\n  return %w", "2:21", "'x' is no number", ""),
        ("  %w = const f32[1] 1.0\n  return %w", "2:21", "without brackets", ""),
        ("  %w = const i8[1] [128]\n  return %w", "2:20", "does not fit i8", ""),
        ("  %w = const i4[1] [1.5]\n  return %w", "2:20", "is no integer", ""),
        ("  %w = const f16[1] [1e9]\n  return %w", "2:21", "does not fit f16", ""),
        ("  %w = const bool[1] [1]\n  return %w", "2:22", "neither true nor false", ""),
        ("  %w = const f32[N] [1.0]\n  return %w", "2:14", "sizes are numbers", ""),
        ("  %y: f32[N] = if(%c, %x) then (%a: f32[N, 4]) { return %a }\n  return %y", "2:16", "else is missing", ""),
        ("  %y: f32[N] = relu(%x) body () { return }\n  return %y", "2:25", "unexpected region body", "none"),
        (
            "  %y: f32[N, 4] = if(%c) then () { return %x } else () { return %x }\n  return %y",
            "2:43",
            "no value is called %x",
            "pass it as an operand",
        ),
    ],
)
def test_errors_point_at_their_place(statements: str, place: str, reason: str, hint: str) -> None:
    error = refusal(in_graph(statements))
    assert reason in error.reason
    assert hint in error.hint
    assert error.where.startswith(f"m.isth:{place}\n")
    caret = error.where.splitlines()[2].index("^") - 4
    assert caret == int(place.partition(":")[2]) - 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "graph",
        "garbage " * 1000,
        "graph @g() where N: 5..1 { return }",
        "graph @g() where N: 1.., N: 2.. { return }",
        "graph @g() { return } graph @h() { return }",
        "graph @g(%x: f32[1], %x: f32[1]) { return }",
        in_graph("%y: f32[" + "(" * 50_000 + "N" + ")" * 50_000 + "] = relu(%x) return %y"),
        in_graph("%y: f32[1] = softmax(%x) {axis = " + "[" * 50_000 + "]" * 50_000 + "} return %y"),
        in_graph("() = if(%c) then () {" * 5_000 + "return" + "}" * 5_000 + " return"),
        in_graph("%y: f32[" + "floordiv(" * 40 + "N" + ", 2)" * 40 + "] = relu(%x) return %y"),
        in_graph("%y: f32[" + "9" * 100_000 + "] = relu(%x) return %y"),
        in_graph("%y: f32[" + "*".join(["9" * 19] * 200) + "] = relu(%x) return %y"),
        in_graph("%y: f32[" + "*".join(["N"] * 10_000) + "] = relu(%x) return %y"),
        in_graph("%y: f32[" + "+".join(f"s{i}" for i in range(10_000)) + "] = relu(%x) return %y"),
        in_graph("%y: f32[1] = softmax(%x) {axis = 123456789012345678901234567890} return %y"),
        in_graph("%w = const f32[1000000000000] [1.0, 2.0] return %w"),
        in_graph("%w = const f32[1000000000000, 0] #00 return %w"),
        in_graph("%w = const i64[1] [" + "9" * 5_000 + "] return %w"),
        in_graph("%w = const f32[1] [" + "9" * 5_000 + "] return %w"),
        in_graph("%y: f32[" + "[" * 30 + "] = relu(%x) return %y"),
        'graph @"\\ud8"() { return }',
        "graph @g() { return \x00 }",
        "(" * 100_000,
        '"' * 100_000,
        "%" * 100_000,
    ],
)
def test_hostile_text_is_refused(text: str) -> None:
    error = refusal(text)
    assert error.where.startswith("m.isth:")
    assert len(str(error)) < 2_000


def test_megabytes_of_garbage_are_refused_at_once() -> None:
    assert "unexpected" in refusal("\x01\x02" * 5_000_000).reason


@settings(max_examples=150, deadline=None, database=None)
@given(st.data())
def test_mangled_text_parses_or_is_refused(data: st.DataObject) -> None:
    text = print_graph(data.draw(st.sampled_from([attributes_of_every_kind, loops, regions_in_regions]))())
    at = data.draw(st.integers(0, len(text) - 1))
    length = data.draw(st.integers(0, 6))
    new = data.draw(st.text("%@[](){}=,:N019-.*\"' \nfe", max_size=4))
    try:
        graph = parse(text[:at] + new + text[at + length :])
    except TextError:
        return
    verify(graph)
