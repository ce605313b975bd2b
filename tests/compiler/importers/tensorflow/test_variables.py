"""Variables and the checkpoint: which tensor is whose, slices, parts, and what is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import isthmus
from isthmus.compiler.importers.tensorflow.bundle import Bundle
from isthmus.compiler.importers.tensorflow.protos import Message, parse
from isthmus.ir import evaluate
from isthmus.ir.errors import ExternalDataMissing, MalformedModel
from tests.compiler.importers.tensorflow.build import BOOL, FLOAT, Shape, Type, node
from tests.support.tensorflow_models import FOLDER, calls


def edited(name: str, target: Path) -> tuple[Path, Message]:
    """A copy of a fixture's folder, and its model message, which `store` writes back."""
    shutil.copytree(FOLDER / name / "model", target)
    return target, parse("SavedModel", (target / "saved_model.pb").read_bytes(), name)


def store(folder: Path, model: Message) -> Path:
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    return folder


def test_variables_of_tensorflow_0(tmp_path: Path) -> None:
    """`Variable` became `VariableV2`."""
    folder, model = edited("reference_variables", tmp_path / "m")
    for each in model.meta_graphs[0].graph_def.node:
        each.op = "Variable" if each.op == "VariableV2" else each.op
    (call,) = calls("reference_variables")
    found = evaluate(isthmus.import_model(store(folder, model)), call.inputs)
    assert np.allclose(found["y"], call.outputs["y"], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "op", "variable"),
    [
        ("resource_variables", "VarIsInitializedOp", "VarHandleOp"),
        ("reference_variables", "IsVariableInitialized", "VariableV2"),
    ],
)
def test_stored_variables_are_initialized(name: str, op: str, variable: str, tmp_path: Path) -> None:
    folder, model = edited(name, tmp_path / "m")
    meta = model.meta_graphs[0]
    source = next(each.name for each in meta.graph_def.node if each.op == variable)
    more = {} if op == "VarIsInitializedOp" else {"dtype": Type(FLOAT)}
    meta.graph_def.node.append(node("known", op, source, **more))
    output = meta.signature_def["serving_default"].outputs["known"]
    output.name, output.dtype = "known:0", BOOL
    imported = isthmus.import_model(store(folder, model), outputs=["known"])
    assert evaluate(imported, {v.name: np.zeros((1, 5), np.float32) for v in imported.inputs})["known"].item() is True


def test_partitions_are_parts_of_one_tensor() -> None:
    bundle = Bundle.open(FOLDER / "partitioned_variables" / "model" / "variables" / "variables")
    whole = bundle.constant("e/e").array
    assert whole.shape == (10, 4)
    assert np.array_equal(bundle.constant("e/e", ((10, 4), ((3, 5), (1, 2)))).array, whole[3:8, 1:3])


def test_a_variable_the_checkpoint_lacks_is_named(tmp_path: Path) -> None:
    folder, model = edited("reference_variables", tmp_path / "m")
    graph = model.meta_graphs[0].graph_def
    graph.node.append(node("extra", "VariableV2", dtype=Type(FLOAT), shape=Shape((4,))))
    product = next(each for each in graph.node if each.op == "BiasAdd")
    product.input[1] = "extra"
    with pytest.raises(MalformedModel, match="the checkpoint holds nothing for variable 'extra'"):
        isthmus.import_model(store(folder, model))


@pytest.mark.parametrize("gone", ["variables.index", "variables.data-00000-of-00001"])
def test_a_part_of_the_folder_is_missing(gone: str, tmp_path: Path) -> None:
    folder, _ = edited("reference_variables", tmp_path / "m")
    (folder / "variables" / gone).unlink()
    with pytest.raises(ExternalDataMissing, match=gone.replace(".", r"\.")):
        isthmus.import_model(folder)
