"""Placeholders for structured output: the simplest value that a schema allows, whatever the schema is."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from claude_run.simulator.replies import asked_schema, simplest

TEXT = "[simulated]"
NESTED = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "size": {"type": ["integer", "null"]},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/part"}},
        "kind": {"anyOf": [{"const": "a"}, {"type": "null"}]},
    },
    "$defs": {"part": {"type": "object", "properties": {"ok": {"type": "boolean"}}}},
}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "object", "properties": {"verdict": {"enum": ["pass", "fail"]}}}, {"verdict": "pass"}),
        (NESTED, {"name": TEXT, "size": 0, "parts": [{"ok": False}], "kind": "a"}),
        ({"type": "array"}, []),
        ({"type": "null"}, None),
        ({"properties": {}}, TEXT),
        ({}, TEXT),
        ({"type": "object", "properties": {"any": True}}, {"any": TEXT}),
        ({"type": [], "anyOf": []}, TEXT),
    ],
)
def test_the_simplest_value_fits_its_schema(schema: dict[str, Any], value: Any) -> None:
    """Free strings say what they are; everything else is the first that is allowed."""
    assert simplest(schema, TEXT) == value
    if schema.get("type") != []:
        jsonschema.validate(value, schema)


@pytest.mark.parametrize("reference", ["#/$defs/none", "#/$defs/none/deeper", "elsewhere.json", ""])
def test_a_reference_that_leads_nowhere_allows_anything(reference: str) -> None:
    """The simulator answers; the real API may refuse."""
    schema: Any = {"type": "object", "properties": {"a": {"$ref": reference}}, "$defs": {"x": True}}
    if reference:
        assert simplest(schema, TEXT) == {"a": TEXT}
    else:
        with pytest.raises(RecursionError):  # the schema within itself, which the server reports as such
            simplest(schema, TEXT)


def test_only_a_schema_in_the_request_counts() -> None:
    """Anything else asks for text."""
    schema = {"type": "object"}
    assert asked_schema({"output_config": {"format": {"type": "json_schema", "schema": schema}}}) == schema
    for config in (None, {}, {"format": None}, {"format": {"schema": 5}}, "low"):
        assert asked_schema({"output_config": config}) is None
    assert asked_schema({}) is None
