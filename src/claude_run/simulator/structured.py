"""The simplest JSON value that fits a schema, for requests that ask for structured output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from claude_run.scenario.model import Json, JsonObject

_PLAIN: Mapping[str, Json] = {"integer": 0, "number": 0, "boolean": False, "null": None}


def asked_schema(body: JsonObject) -> JsonObject | None:
    """Return the schema that a request's `output_config.format` asks for, or None."""
    config = body.get("output_config")
    wanted = config.get("format") if isinstance(config, Mapping) else None
    schema = wanted.get("schema") if isinstance(wanted, Mapping) else None
    return schema if isinstance(schema, Mapping) else None


def simplest(schema: JsonObject, text: str) -> Json:
    """Return the first value that the schema allows, with `text` for every free string."""
    return _simplest(schema, text, schema)


def _simplest(schema: Any, text: str, root: JsonObject) -> Json:  # noqa: ANN401 - a part of any schema
    if not isinstance(schema, Mapping):
        return text  # `true` allows anything
    if "const" in schema or schema.get("enum"):
        return cast("Json", schema["const"] if "const" in schema else schema["enum"][0])
    if "$ref" in schema:
        return _simplest(_resolved(str(schema["$ref"]), root), text, root)
    choice = next((name for name in ("anyOf", "oneOf", "allOf") if schema.get(name)), None)
    return _typed(schema, text, root) if choice is None else _simplest(schema[choice][0], text, root)


def _typed(schema: Any, text: str, root: JsonObject) -> Json:  # noqa: ANN401 - a part of any schema
    kind = schema.get("type") or "string"
    kind = kind if isinstance(kind, str) else kind[0]
    if kind == "object":
        wanted = schema.get("properties", {})
        return {name: _simplest(wanted[name], text, root) for name in wanted}
    if kind == "array":
        return [_simplest(schema["items"], text, root)] if "items" in schema else []
    return _PLAIN.get(kind, text)


def _resolved(reference: str, root: JsonObject) -> Json:
    """Return the part of the schema that a reference names; true, which allows anything, where none is."""
    found: Any = root
    for part in filter(None, reference.removeprefix("#").split("/")):
        found = found.get(part, True) if isinstance(found, Mapping) else True
    return cast("Json", found)
