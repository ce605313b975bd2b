"""What is found out about the processor at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from isthmus.backends.tvm.schedules import machine


def test_nothing_is_written_for_avx512_where_a_virtual_machine_withholds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tvm.target.codegen.llvm_get_system_cpu", lambda: "znver4")
    monkeypatch.setattr(machine, "_CPU", tmp_path / "cpuinfo")
    for flags, name, lanes in (("avx2 fma f16c", "x86-64-v3", 8), ("sse4_2", "x86-64-v2", 4)):
        (tmp_path / "cpuinfo").write_text(f"processor: 0\nflags\t\t: fpu {flags}\n")
        assert machine.processor() == name
        assert machine.detect(threads=1).lanes == lanes
        assert not any(feature.startswith("avx512") for feature in machine.features())
