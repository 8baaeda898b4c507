"""Reading typed values out of a tree, with every problem reported at its place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from claude_run.scenario.diagnostics import Diagnostic, did_you_mean
from claude_run.scenario.names import name_problem, variable_problem
from claude_run.scenario.yaml_nodes import (
    Entry,
    ListNode,
    MappingNode,
    ScalarNode,
    UnknownNode,
    describe,
    to_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from claude_run.scenario.model import JsonObject, Position
    from claude_run.scenario.refused import Refusal
    from claude_run.scenario.source import Source
    from claude_run.scenario.yaml_nodes import Node

_TYPES = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "object": "a mapping",
    "array": "a list",
}


class Reporter:
    """Collects the problems of one file."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Diagnostic] = []

    def at(self, position: Position, message: str, *, hint: str | None = None, length: int = 1) -> None:
        self.problems.append(self.source.problem(position, message, hint=hint, length=length))

    def node(self, node: Node, message: str, *, hint: str | None = None) -> None:
        length = node.end - node.start if isinstance(node, ScalarNode) else 1
        self.at(node.position, message, hint=hint, length=max(1, length))

    def key(self, entry: Entry, message: str, *, hint: str | None = None, secret: bool = False) -> None:
        """Report a problem at a key; where what follows it may be a secret, the line is not shown."""
        if secret:
            self.problems.append(Diagnostic(position=entry.position, message=message, hint=hint))
        else:
            self.at(entry.position, message, hint=hint, length=len(entry.key))


def is_own(key: str) -> bool:
    """Return whether a key is the user's own, which nothing reads."""
    return key.startswith("x-")


def mapping(report: Reporter, node: Node, *, what: str, hint: str | None = None) -> MappingNode | None:
    """Return the node where it is a mapping; anything else is a problem."""
    if isinstance(node, MappingNode):
        return node
    if not isinstance(node, UnknownNode):
        report.node(node, f"{what} must be a mapping, not {describe(node)}", hint=hint)
    return None


def sequence(report: Reporter, node: Node, *, what: str, hint: str | None = None) -> tuple[Node, ...] | None:
    """Return the items of a list with at least one; anything else is a problem."""
    if isinstance(node, ListNode):
        if not node.items:
            report.node(node, f"{what} must have at least one entry")
            return None
        return node.items
    if not isinstance(node, UnknownNode):
        report.node(node, f"{what} must be a list, not {describe(node)}", hint=hint)
    return None


def known(
    report: Reporter,
    node: MappingNode,
    *,
    keys: Iterable[str],
    what: str,
    refused: Callable[[str], Refusal | None] = lambda _: None,
) -> dict[str, Entry]:
    """Return the entries under known keys; unknown and refused keys are problems, `x-*` is passed over."""
    names = tuple(keys)
    found: dict[str, Entry] = {}
    for entry in node.entries:
        if entry.key in names:
            found[entry.key] = entry
        elif refusal := refused(entry.key):
            report.key(entry, refusal.message, hint=refusal.hint, secret=refusal.secret)
        elif not is_own(entry.key):
            unknown_key(report, entry, keys=names, what=what)
    return found


def unknown_key(report: Reporter, entry: Entry, *, keys: Iterable[str], what: str) -> None:
    """Report a key that nothing reads."""
    close = did_you_mean(entry.key, keys)
    hint = f"did you mean `{close}`?" if close else f"known keys: {', '.join(keys)}; your own begin with `x-`"
    report.key(entry, f"unknown key `{entry.key}` in {what}", hint=hint)


def conforms(report: Reporter, node: Node, schema: JsonObject, *, what: str) -> bool:
    """Return whether a value has the type and the bounds of its schema; each difference is a problem.

    Knows `type`, `enum`, `minimum`, `maximum`, `minLength`, `minItems` and `items` of JSON Schema.
    """
    if isinstance(node, UnknownNode):
        return False
    types = schema.get("type")
    wanted = [str(name) for name in types] if isinstance(types, list) else [str(types)] if types else []
    if wanted and not any(_has_type(node, name) for name in wanted):
        message = f"{what} must be {' or '.join(_TYPES[name] for name in wanted)}, not {describe(node)}"
        report.node(node, message, hint=_type_hint(node, wanted))
        return False
    if isinstance(node, ScalarNode):
        return _within(report, node, schema, what=what)
    items = schema.get("items")
    if isinstance(node, ListNode) and isinstance(items, dict):
        # A list, not a generator: every item is looked at, so that every problem is reported.
        results = [conforms(report, item, items, what=f"an entry of {what}") for item in node.items]
        return all(results)
    return True


def text(report: Reporter, entry: Entry) -> str | None:
    """Return a string that is not blank; anything else is a problem."""
    node = entry.value
    if not conforms(report, node, {"type": "string"}, what=f"`{entry.key}`"):
        return None
    value = to_json(node)
    if not isinstance(value, str) or not value.strip():
        report.node(node, f"`{entry.key}` is empty", hint="write a text, or remove the key")
        return None
    return value


def name(report: Reporter, entry: Entry) -> str | None:
    """Return a name; anything that cannot be one is a problem."""
    value = text(report, entry)
    problem = name_problem(value) if value is not None else None
    if problem is None:
        return value
    report.node(entry.value, f"`{entry.key}` {problem}", hint="choose a short, plain name")
    return None


def variables(report: Reporter, entry: Entry) -> dict[str, Entry]:
    """Return the entries of a mapping of variables; names that cannot be variables are problems."""
    node = mapping(report, entry.value, what=f"`{entry.key}`")
    found: dict[str, Entry] = {}
    for variable in node.entries if node else ():
        problem = variable_problem(variable.key)
        if problem is None:
            found[variable.key] = variable
        elif not is_own(variable.key):
            report.key(variable, f"`{variable.key}` {problem}")
    return found


def _has_type(node: Node, wanted: str) -> bool:
    if wanted == "object":
        return isinstance(node, MappingNode)
    if wanted == "array":
        return isinstance(node, ListNode)
    value = node.value if isinstance(node, ScalarNode) else None
    if isinstance(value, bool):
        return False
    if wanted == "integer":
        return isinstance(value, int)
    return isinstance(value, str) if wanted == "string" else isinstance(value, int | float)


def _type_hint(node: Node, wanted: list[str]) -> str | None:
    if not isinstance(node, ScalarNode) or node.value is None:
        return None
    if "string" in wanted and not isinstance(node.value, str):
        return "quote it"
    if isinstance(node.value, str) and {"integer", "number"} & set(wanted):
        digits = node.value.lstrip("-").replace(".", "", 1)
        return (
            "remove the quotes" if node.style and digits.isdecimal() else "write a number, such as 5 or 0.5"
        )
    return None


def _within(report: Reporter, node: ScalarNode, schema: JsonObject, *, what: str) -> bool:
    value = node.value
    allowed = schema.get("enum")
    if isinstance(allowed, list) and value not in allowed:
        close = did_you_mean(str(value), [str(choice) for choice in allowed])
        message = f"{what} must be one of {', '.join(json.dumps(choice) for choice in allowed)}"
        report.node(node, message, hint=f"did you mean `{close}`?" if close else None)
        return False
    problem = None
    if isinstance(value, str):
        problem = f"{what} is empty" if schema.get("minLength") and not value.strip() else None
    elif value is not None:
        problem = _outside(value, schema, what=what)
    if problem is not None:
        report.node(node, problem)
    return problem is None


def _outside(value: float, schema: JsonObject, *, what: str) -> str | None:
    lowest, highest = schema.get("minimum"), schema.get("maximum")
    if isinstance(lowest, int) and value < lowest:
        return f"{what} must be at least {lowest}"
    return f"{what} must be at most {highest}" if isinstance(highest, int) and value > highest else None
