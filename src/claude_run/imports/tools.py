"""Tools as the Messages API declares them, of the forms in which other APIs do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from claude_run.scenario.json_values import Json, JsonObject

_OWN_KIND = re.compile(r"[a-z_]+_20[0-9]{6}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")


def claude_tools(listed: Json) -> tuple[tuple[JsonObject, ...], tuple[str, ...]]:
    """Return the tools of a list, and what to say of each entry that is none.

    Those of OpenAI (`type: function`, and the older bare function with `parameters`) become the API's own;
    those that have an `input_schema`, or are the API's own kinds, stay as they are.
    """
    if listed is None:
        return (), ()
    if not isinstance(listed, list):
        return (), ("`tools` is not a list",)
    tools: list[JsonObject] = []
    refused: list[str] = []
    for entry in listed:
        tool = _tool(entry) if isinstance(entry, Mapping) else None
        if tool is None:
            name = entry.get("type") if isinstance(entry, Mapping) else None
            refused.append(f"a tool of type `{name}` has no form that Claude takes")
        elif any(other.get("name") == tool.get("name") for other in tools):
            refused.append(f"the tool `{tool.get('name')}` is declared twice")
        else:
            tools.append(tool)
    return tuple(tools), tuple(refused)


def _tool(entry: Mapping[str, Json]) -> JsonObject | None:
    kind, name = entry.get("type"), entry.get("name")
    if "input_schema" in entry:
        schema = entry["input_schema"]
        named = isinstance(name, str) and _NAME.fullmatch(name)
        return (
            dict(entry) if named and isinstance(schema, Mapping) and schema.get("type") == "object" else None
        )
    function = entry.get("function", entry)
    if not isinstance(function, Mapping) or (kind is not None and kind != "function"):
        # Kinds of the API's own carry the date of their version: web_search_20250305.
        own = isinstance(kind, str) and isinstance(name, str) and _OWN_KIND.fullmatch(kind)
        return dict(entry) if own else None
    name = function.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return None
    description, schema = function.get("description"), function.get("parameters")
    tool: dict[str, Json] = {"name": name}
    if isinstance(description, str) and description:
        tool["description"] = description
    tool["input_schema"] = {"type": "object", **schema} if isinstance(schema, Mapping) else {"type": "object"}
    return tool
