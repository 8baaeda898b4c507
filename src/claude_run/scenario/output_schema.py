"""What the API takes of a JSON Schema that a reply must have the form of: less than JSON Schema allows.

The rules are those of the API's page on structured outputs, as of 2026-08, and of its SDK, which moves what
is not taken into the description of a schema (`anthropic.transform_schema`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.vocabulary import ValuePath

MAX_OPTIONAL, MAX_UNIONS = 24, 16
"""How many properties that are not `required`, and how many choices between types, a request may have."""

FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
"""The values of `format` that are taken."""

_TAKEN = frozenset(
    {
        "type",
        "enum",
        "const",
        "anyOf",
        "allOf",
        "$ref",
        "$defs",
        "definitions",
        "default",
        "format",
        "pattern",
    }
    | {"properties", "required", "additionalProperties", "items", "minItems"}
    | {"$schema", "$id", "$comment", "title", "description", "examples"}
)
_SAYS_WHAT = ("type", "anyOf", "oneOf", "allOf", "$ref", "enum", "const")
_NAMED = ("properties", "$defs", "definitions")
_LISTED = ("anyOf", "allOf")
_BOUNDARY = re.compile(r"(?<!\\)(?:\\\\)*\\[bB]")
_ELSEWHERE = "leave it out, and expect it of the reply: `json: {schema: ...}` may say all of JSON Schema"
_HINTS = {"oneOf": "write `anyOf`", "not": _ELSEWHERE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Untaken:
    """Something in a schema that the API refuses: its place in it, the API's words for it, and ours."""

    path: ValuePath
    api: str
    message: str
    hint: str


def untaken(schema: JsonObject) -> Iterator[Untaken]:
    """Yield what the API refuses of a schema that is one; nothing is said of what it calls too complex."""
    optional = unions = 0
    for path, part in _parts(schema, ()):
        if not isinstance(part, Mapping):
            yield Untaken(
                path=path,
                api="Schema must be an object",
                message="the API takes no schema that allows anything, or nothing",
                hint="write what the value is: {type: string}",
            )
            continue
        yield from _keywords(part, path)
        properties = part.get("properties")
        names = properties if isinstance(properties, Mapping) else {}
        required = part.get("required")
        optional += len(set(names) - set(map(str, required if isinstance(required, Sequence) else ())))
        unions += "anyOf" in part or not isinstance(part.get("type", ""), str)
    yield from _recursion(schema)
    for count, most, what in (
        (optional, MAX_OPTIONAL, "optional parameters"),
        (unions, MAX_UNIONS, "parameters with union types"),
    ):
        if count > most:
            yield Untaken(
                path=(),
                api=f"Schemas contains too many {what} ({count}), the limit is {most}",
                message=f"this schema has {count} {what}; the API takes {most} in a request",
                hint="make properties `required`, ask for less at once, or split the question",
            )


def _keywords(part: JsonObject, path: ValuePath) -> Iterator[Untaken]:
    kind = part.get("type")
    of = f"For '{kind}' type, " if isinstance(kind, str) else ""
    if kind == "object" and part.get("additionalProperties") is not False:
        yield Untaken(
            path=(*path, "additionalProperties"),
            api=f"{of}'additionalProperties' must be explicitly set to false",
            message="the API takes an object only with `additionalProperties: false`",
            hint="write `additionalProperties: false` beside `properties`",
        )
    if not any(name in part for name in _SAYS_WHAT):
        yield Untaken(
            path=path,
            api="Schema must have a 'type', 'anyOf', 'allOf', '$ref', 'enum' or 'const' field",
            message="this part of the schema does not say what the value is",
            hint="write what it is: {type: string}",
        )
    for name, value in part.items():
        if name not in _TAKEN and not name.startswith("x-"):
            api, message = f"{of}property '{name}' is not supported", f"the API takes no `{name}` in a schema"
        elif (wrong := _value(name, value)) is not None:
            api, message = f"{of}{wrong}", f"the API refuses this `{name}`: {wrong}"
        else:
            continue
        yield Untaken(path=(*path, name), api=api, message=message, hint=_HINTS.get(name, _ELSEWHERE))


def _value(name: str, value: Json) -> str | None:
    """Return what is wrong with the value of a keyword that is taken with some values only."""
    if name == "minItems" and value not in (0, 1):
        return "'minItems' values other than 0 or 1 are not supported"
    if name == "format" and str(value) not in FORMATS:
        return f"string format '{value}' is not supported"
    if name == "pattern" and isinstance(value, str) and _BOUNDARY.search(value):
        return "regex word boundaries are not supported"
    values = value if name == "enum" and isinstance(value, Sequence) else [value] if name == "const" else ()
    if any(isinstance(each, Mapping | list) for each in values):
        return f"'{name}' values that are objects or arrays are not supported"
    return None


def _parts(schema: Json, path: ValuePath) -> Iterator[tuple[ValuePath, Json]]:
    """Yield every schema inside a schema by its place, itself first."""
    yield path, schema
    if not isinstance(schema, Mapping):
        return
    for keyword in _NAMED:
        named = schema.get(keyword)
        for name, part in named.items() if isinstance(named, Mapping) else ():
            yield from _parts(part, (*path, keyword, name))
    for keyword in _LISTED:
        listed = schema.get(keyword)
        for index, part in enumerate(listed if isinstance(listed, list | tuple) else ()):
            yield from _parts(part, (*path, keyword, index))
    if "items" in schema:
        yield from _parts(schema["items"], (*path, "items"))


def _recursion(schema: JsonObject) -> Iterator[Untaken]:
    """Yield a reference by which a schema holds itself, where there is one."""
    parts = {tuple(map(str, path)): (path, part) for path, part in _parts(schema, ())}
    # Each schema leads to those inside it, and to the one that it refers to.
    following: dict[tuple[str, ...], list[tuple[str, ...]]] = {place: [] for place in parts}
    for place, (_, part) in parts.items():
        above = next((place[:end] for end in range(len(place) - 1, -1, -1) if place[:end] in parts), None)
        if above is not None:
            following[above].append(place)
        if (target := _target(part)) in parts and target is not None:
            following[place].append(target)
    try:
        TopologicalSorter(following).prepare()
    except CycleError as error:
        place = min(each for each in error.args[1] if _target(parts[each][1]) is not None)
        yield Untaken(
            path=(*parts[place][0], "$ref"),
            api="Recursive schemas are not supported",
            message="the API takes no schema that refers to itself",
            hint="write the levels out, as many as a reply may need",
        )


def _target(part: Json) -> tuple[str, ...] | None:
    """Return the place that a schema refers to, as keys and indexes; None where it refers to none."""
    reference = part.get("$ref") if isinstance(part, Mapping) else None
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    steps = reference[1:].split("/")[1:]
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in steps)
