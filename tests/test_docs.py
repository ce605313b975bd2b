"""The documents' code runs, its IR parses, and what is generated is current."""

from __future__ import annotations

import re
import runpy
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest

from isthmus.ir import parse
from isthmus.ir.constant import Constant
from isthmus.ir.printer import constant_key
from tests.support import exported

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
SHOWN = Constant.of(np.ones((8, 4), np.float32))
"""The constant that pages name by hash."""
TENSORFLOW = ROOT / "tests" / "data" / "tensorflow"
GIVEN = {
    "import-tensorflow": {
        "folder": TENSORFLOW / "several_signatures" / "model",
        "recurrent": TENSORFLOW / "lstm" / "model",
        "frozen.pb": TENSORFLOW / "frozen" / "model.pb",
    }
}
"""Models that a page's code finds beside it, by page."""
_BLOCK = re.compile(r"^```(\S+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """The page's code blocks in a language, but for those marked `no-run`, or `needs-torch` where there is no torch."""
    left_out = "no-run" if find_spec("torch") else "no-run|needs-torch"
    found = _BLOCK.findall(page.read_text())
    return [code for name, mark, code in found if name == language and not re.search(left_out, mark)]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks of a page run one after another, beside the models they speak of."""
    if page.name == "README.md":
        onnx.save(exported.filled("mobilenet_v3_large"), tmp_path / "model.onnx")
    for name, source in GIVEN.get(page.stem, {}).items():
        (tmp_path / name).symlink_to(source)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page.py").write_text("\n\n".join(blocks(page, "python")))
    runpy.run_path(str(tmp_path / "page.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_ir_blocks_parse(page: Path) -> None:
    """IR shown to readers is IR."""
    for text in blocks(page, "isth"):
        graph = parse(text, constants={constant_key(SHOWN): SHOWN})
        assert str(graph).splitlines() == text.splitlines()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_links_lead_somewhere(page: Path) -> None:
    """Relative links name files that exist."""
    for link in re.findall(r"\]\(([\w./-]+\.\w+)\)", page.read_text()):
        assert (page.parent / link).exists(), link


def test_generated_files_are_current() -> None:
    """`make docs` was run after the op table last changed."""
    generate = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    for path, make in generate["FILES"].items():
        assert path.read_text() == make(), f"{path.name} is out of date: run `make docs`"
