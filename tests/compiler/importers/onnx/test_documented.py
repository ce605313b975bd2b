"""What docs/import-onnx.md says of ops is true."""

from __future__ import annotations

import re
from pathlib import Path

import onnx

from isthmus.compiler.importers.onnx.loader import NEWEST_OPSET
from isthmus.compiler.importers.onnx.survey import Survey
from isthmus.compiler.importers.onnx.table import TABLE

PAGE = Path(__file__).parents[4] / "docs" / "import-onnx.md"


def test_the_page_names_exactly_the_ops_that_are_not_supported() -> None:
    survey = Survey(TABLE, {})
    schemas = {schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == ""}
    current = {name for name in schemas if not onnx.defs.get_schema(name, NEWEST_OPSET, "").deprecated}
    (listed,) = re.findall(r"^```text\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert listed.split() == sorted(name for name in current if not survey.can_lower(name, NEWEST_OPSET))
