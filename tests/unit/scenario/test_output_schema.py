"""What the API takes of a JSON Schema that replies must fit."""

from __future__ import annotations

from typing import Any

import pytest

from claude_run.scenario.output_schema import FORMATS, untaken


def _closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "schema",
    [
        _closed(
            a={"type": "string", "pattern": "^[a-z]+\\\\b$", "default": "x"}, b={"type": ["null", "integer"]}
        ),
        _closed(a={"$ref": "#/$defs/a"}, b={"$ref": "#/$defs/a"}) | {"$defs": {"a": _closed()}},
        {"type": "array", "items": {"anyOf": [{"type": "null"}, {"enum": ["a", 1, None]}]}, "minItems": 1},
        {"allOf": [{"const": 1}, {"type": "integer", "description": "d", "title": "t"}], "x-own": 1},
        *({"type": "string", "format": name} for name in sorted(FORMATS)),
        _closed(minimum={"type": "null"}, **{f"p{n}": {"anyOf": [{"type": "null"}]} for n in range(15)}),
    ],
)
def test_what_is_taken(schema: dict[str, Any]) -> None:
    """Types, choices, references, formats; what stands under `properties` are names and no keywords."""
    assert list(untaken(schema)) == []


@pytest.mark.parametrize(
    ("schema", "path", "api"),
    [
        (
            {"type": "object"},
            ("additionalProperties",),
            "For 'object' type, 'additionalProperties' must be explicitly set to false",
        ),
        (
            _closed(a={"type": "integer", "minimum": 1}),
            ("properties", "a", "minimum"),
            "For 'integer' type, property 'minimum' is not supported",
        ),
        ({"oneOf": [{"type": "null"}]}, ("oneOf",), "property 'oneOf' is not supported"),
        (
            {"type": "array", "items": {"type": "null"}, "minItems": 2},
            ("minItems",),
            "For 'array' type, 'minItems' values other than 0 or 1 are not supported",
        ),
        (
            {"type": "string", "format": "regex"},
            ("format",),
            "For 'string' type, string format 'regex' is not supported",
        ),
        (
            {"type": "string", "pattern": "\\bword"},
            ("pattern",),
            "For 'string' type, regex word boundaries are not supported",
        ),
        ({"enum": [1, [2]]}, ("enum",), "'enum' values that are objects or arrays are not supported"),
        ({"const": {}}, ("const",), "'const' values that are objects or arrays are not supported"),
        (_closed(a=True), ("properties", "a"), "Schema must be an object"),
        (
            {"anyOf": [{"type": "null"}, {"title": "t"}]},
            ("anyOf", 1),
            "Schema must have a 'type', 'anyOf', 'allOf', '$ref', 'enum' or 'const' field",
        ),
        (
            _closed(a={"type": "array", "items": {"$ref": "#"}}),
            ("properties", "a", "items", "$ref"),
            "Recursive schemas are not supported",
        ),
        (
            {
                "$ref": "#/$defs/a~1b",
                "$defs": {"a/b": _closed(x={"$ref": "#/$defs/c"}), "c": _closed(y={"$ref": "#/$defs/a~1b"})},
            },
            ("$defs", "a/b", "properties", "x", "$ref"),
            "Recursive schemas are not supported",
        ),
        (
            _closed(**{f"p{n}": {"type": ["null", "string"]} for n in range(17)}),
            (),
            "Schemas contains too many parameters with union types (17), the limit is 16",
        ),
        (
            _closed(**{f"p{n}": {"type": "null"} for n in range(25)}) | {"required": []},
            (),
            "Schemas contains too many optional parameters (25), the limit is 24",
        ),
    ],
)
def test_what_is_refused(schema: dict[str, Any], path: tuple[Any, ...], api: str) -> None:
    """Each with its place and the words of the API, and only that."""
    (found,) = untaken(schema)
    assert (found.path, found.api) == (path, api)
    assert found.message
    assert found.hint


def test_values_of_any_type_are_survived() -> None:
    """The simulator is sent anything: what is no schema is at most refused."""
    odd: dict[str, Any] = {"type": "string", "minItems": {}, "format": [], "enum": 5, "pattern": 5, "$ref": 5}
    assert {each.path[-1] for each in untaken(odd)} == {"minItems", "format"}
    assert len(list(untaken({"type": [], "properties": 5, "required": 5, "anyOf": 5, "$defs": []}))) == 0
