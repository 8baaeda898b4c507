"""Request parameters: known by name, checked by type, and passed on as written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.scenario import keys
from claude_run.scenario.fields import conforms
from claude_run.scenario.yaml_nodes import ListNode, MappingNode, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from claude_run.scenario.fields import Reporter
    from claude_run.scenario.model import JsonObject
    from claude_run.scenario.yaml_nodes import Entry, Node


def params(report: Reporter, entries: Mapping[str, Entry]) -> JsonObject:
    """Return the request parameters among the entries; those with problems are left out."""
    found = {key: entry for key, entry in entries.items() if key in keys.PARAMS}
    if "tools" in found:
        _check_tools(report, found["tools"].value)
    return {
        key: to_json(entry.value)
        for key, entry in found.items()
        if conforms(report, entry.value, keys.PARAMS[key].schema, what=f"`{key}`")
    }


def _check_tools(report: Reporter, node: Node) -> None:
    for tool in node.items if isinstance(node, ListNode) else ():
        results = tool.get("results") if isinstance(tool, MappingNode) else None
        if results is not None:
            message = "this version does not know the `results` of tools"
            report.key(results, message, hint="remove it; a turn that calls a tool ends its conversation")
