"""What is installed, imported and shipped."""

from __future__ import annotations

import ast
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("ir", "passes", "backends", "compiler")
FRAMEWORKS = {"onnx", "openvino", "torch", "tensorflow", "tvm", "tensorrt", "tensorrt_rtx", "onnxruntime"}


def imports(path: Path) -> set[str]:
    """Every module a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("layer", LAYERS)
def test_nothing_imports_upward(layer: str) -> None:
    """ir <- passes <- backends <- compiler."""
    above = LAYERS[LAYERS.index(layer) + 1 :]
    for path in (ROOT / layer).rglob("*.py"):
        upward = {name for name in imports(path) if name.startswith(tuple(f"isthmus.{each}" for each in above))}
        assert not upward, f"{path.relative_to(ROOT)} imports {upward}"


def test_frameworks_are_imported_in_importers_and_backends_only() -> None:
    """Everywhere else works without any of them."""
    for layer in LAYERS:
        for path in (ROOT / layer).rglob("*.py"):
            if path.is_relative_to(ROOT / "compiler" / "importers") or path.is_relative_to(ROOT / "backends"):
                continue
            used = {name.partition(".")[0] for name in imports(path)} & FRAMEWORKS
            assert not used, f"{path.relative_to(ROOT)} imports {used}"


def test_import_loads_no_framework() -> None:
    """`import isthmus`, and asking every target's backend for its name, load none of them."""
    code = (
        "import sys, isthmus\n"
        "from isthmus.backends.table import backend_called\n"
        "from isthmus.compiler.target import all_targets\n"
        "[backend_called(t.backend).name for t in all_targets()]\n"
        "print(' '.join({m.partition('.')[0] for m in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not set(loaded.split()) & (FRAMEWORKS | {"pandas", "scipy", "networkx", "rich", "typer"})


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_wheel_works_elsewhere(distributions: Path, tmp_path: Path) -> None:
    """The wheel holds real files, and compiles a graph from another folder than the checkout."""
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert all((entry.external_attr >> 16) & 0o170000 != 0o120000 for entry in archive.infolist())
    for expected in ("py.typed", "ir/grammar.lark", "ir/op_methods.pyi", "compiler/cli.py"):
        assert f"isthmus/{expected}" in names
    assert all(name.startswith(("isthmus/", "isthmus-")) for name in names)
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    (packages,) = (tmp_path / "env").glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    # Dependencies are those of the running environment; its own isthmus is not among them.
    (packages / "dependencies.pth").write_text("\n".join(p for p in sys.path if p.endswith("-packages")))
    code = (
        "import isthmus, numpy as np\n"
        "g = isthmus.parse('graph @g(%x: f32[2]) {\\n %y: f32[2] = relu(%x)\\n return %y\\n}')\n"
        "print(isthmus.__file__, isthmus.compile(g, target='reference')(np.array([-1, 1], np.float32))['y'])"
    )
    command = [str(tmp_path / "env" / "bin" / "python"), "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert str(packages) in done.stdout
    assert "[0. 1.]" in done.stdout


def test_sdist_holds_real_files(distributions: Path) -> None:
    """No links in the source distribution, so it unpacks anywhere."""
    import tarfile

    (sdist,) = distributions.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    assert not [m.name for m in members if m.issym() or m.islnk()]
    assert any(m.name.endswith("isthmus/ir/grammar.lark") for m in members)
