"""`output_config` with a JSON Schema, written out or in a file, in a scenario, a model or a variant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.checks.registry import default_registry
from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.scenario.loader import load
from tests.unit.scenario.loading import ONE_TURN

if TYPE_CHECKING:
    from pathlib import Path

    from claude_run.scenario.model import Scenario

SCHEMA = {"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": False}
OF_FILE = "{format: {type: json_schema, schema: {file: a.json}}}"


def _load(folder: Path, text: str, **files: str) -> Scenario:
    (folder / "s.yaml").write_text(f"model: m\n{text}\n{ONE_TURN}")
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_text(content)
    (scenario,) = load([str(folder / "s.yaml")], vocabulary=default_registry())
    return scenario


def _problems(folder: Path, text: str, **files: str) -> list[str]:
    try:
        scenario = _load(folder, text, **files)
    except InvalidScenarioError as error:
        found = error.diagnostics
    else:
        found = scenario.refusals
    return [f"{each.position} {each.message}".replace(f"{folder}/", "") for each in found]


def _asked(params: Any) -> Any:
    return params["output_config"]["format"]["schema"]


def test_a_schema_may_stand_in_a_file(tmp_path: Path) -> None:
    """At the top, in a model and in a variant: what is sent is the schema, in its own order of keys."""
    text = f"""\
output_config: {OF_FILE}
models: [{{model: m-1, output_config: {OF_FILE}}}]
variants: [{{id: v, output_config: {{effort: low, format: {{type: json_schema, schema: {{file: a.json}}}}}}}}]
"""
    (tmp_path / "s.yaml").write_text(f"{text}{ONE_TURN}")
    (tmp_path / "a.json").write_text(json.dumps(SCHEMA))
    (scenario,) = load([str(tmp_path / "s.yaml")], vocabulary=default_registry())
    assert _asked(scenario.params) == _asked(scenario.models[0].params) == SCHEMA
    assert scenario.variants[0].params["output_config"] == {
        "effort": "low",
        "format": {"type": "json_schema", "schema": SCHEMA},
    }
    assert list(_asked(scenario.params)) == list(SCHEMA)
    before = scenario.sha256
    (tmp_path / "a.json").write_text(json.dumps(SCHEMA) + "\n")
    (again,) = load([str(tmp_path / "s.yaml")], vocabulary=default_registry())
    assert again.sha256 != before


def test_a_schema_may_be_written_out(tmp_path: Path) -> None:
    """It may even have a property that is called `file`; without a format nothing is asked for."""
    text = "output_config: {format: {type: json_schema, schema: {type: array, items: {const: file}}}}"
    assert _asked(_load(tmp_path, text).params) == {"type": "array", "items": {"const": "file"}}
    for nothing in ("{effort: low}", "{effort: low, format: null}"):
        params = _load(tmp_path, f"output_config: {nothing}").params
        assert params["output_config"] == {"effort": "low", **({"format": None} if "null" in nothing else {})}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("5", "s.yaml:2:16 `output_config` must be a mapping, not a number"),
        ("{format: 5}", "s.yaml:2:25 `format` must be a mapping, not a number"),
        ("{format: {type: json_schema}}", "s.yaml:2:25 `format` has no `schema`"),
        ("{format: {schema: 5}}", "s.yaml:2:34 `schema` must be a mapping, not a number"),
        ("{format: {schema: {file: 5}}}", "s.yaml:2:41 `file` must be a string, not a number"),
        ("{format: {schema: {file: b.json}}}", "s.yaml:2:41 no such file: b.json"),
        (
            "{format: {schema: {file: ../b.json}}}",
            "s.yaml:2:41 ../b.json lies outside of",
        ),
        ("{format: {schema: {type: strin}}}", 's.yaml:2:41 unknown type "strin" of JSON Schema'),
        ("{format: {schema: {type: integer, minimum: 1}}}", "s.yaml:2:59 the API takes no `minimum`"),
        ("{format: {schema: {properties: {}, type: object}}}", "s.yaml:2:34 the API takes an object only"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(tmp_path: Path, config: str, expected: str) -> None:
    """In the scenario: one problem each."""
    found = _problems(tmp_path, f"output_config: {config}")
    assert len(found) == 1
    assert found[0].startswith(expected)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[1]", "s.yaml:2:60 a.json is not a JSON Schema: it is no object"),
        ('{"a": 1, "a": 2}', "a.json:1:1 this is not valid JSON: duplicate key `a`"),
        ("{", "a.json:1:2 this is not valid JSON: Expecting property name"),
        (" \n", "a.json:2:1 this file is empty"),
        ('{\n  "type": "strin"\n}', 'a.json:2:11 unknown type "strin" of JSON Schema'),
        ('{"type": "array",\n "items": {"typ": "null"}}', "a.json:2:19 unknown keyword `typ`"),
        ('{"type": "number",\n "maximum": 5}', "a.json:2:13 the API takes no `maximum` in a schema"),
        (
            '{"title": "\\ud83d\\ude00", "type": "number", "maximum": 5}',
            "a.json:1:1 the API takes no",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_the_file(tmp_path: Path, content: str, expected: str) -> None:
    """With line and column, where its JSON can be read as YAML; else at its beginning."""
    found = _problems(tmp_path, f"output_config: {OF_FILE}", a_json=content)
    assert len(found) == 1
    assert found[0].startswith(expected)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """As every text file: it must be UTF-8."""
    (tmp_path / "a.json").write_bytes(b"\xff\xfe")
    found = _problems(tmp_path, f"output_config: {OF_FILE}")
    assert found == ["a.json:1:1 the file is not UTF-8, but UTF-16"]
