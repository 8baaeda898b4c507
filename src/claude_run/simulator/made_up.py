"""JSON made up to fit a schema: the simplest value, where no example is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from claude_run.scenario.patterns import PatternError, search

if TYPE_CHECKING:
    from claude_run.scenario.json_values import Json, JsonObject

_PLAIN_VALUES: Mapping[str, Json] = {"boolean": False, "null": None}
"""The simplest value of each JSON type that is neither text, nor a number, nor made of others."""

_FORMATS: Mapping[str, str] = {
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "date": "2026-01-01",
    "duration": "P1D",
    "email": "simulated@example.com",
    "hostname": "example.com",
    "uri": "https://example.com/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
}

_CLASSES = {"d": "0", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a", "n": "\n", "t": "\t"}
_MOST_REPEATS = 100


def simplest(schema: Any, text: str, *, root: JsonObject | None = None) -> Json:  # noqa: ANN401 - any part of a schema
    """Return the first value that the schema allows, with `text` for every free string.

    What the schema itself gives as an example comes before anything that is made up. `root` is the schema
    that references are followed in: the whole one, where `schema` is a part of it. A pattern that is too
    clever to be followed gets `text`, and so does a schema within itself: neither fits.
    """
    whole = root if root is not None else schema if isinstance(schema, Mapping) else {}
    return _Maker(whole, text).value(schema, frozenset())


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes values of one schema; `within` are the references that lead to where it is."""

    root: JsonObject
    text: str

    def value(self, schema: Any, within: frozenset[str]) -> Json:  # noqa: ANN401 - any part of a schema
        if not isinstance(schema, Mapping):
            return self.text  # `true` allows anything
        if written := _written(schema):
            return written[0]
        if "$ref" in schema:
            reference = str(schema["$ref"])
            if reference in within:
                return self.text
            return self.value(_resolved(reference, self.root), within | {reference})
        choice = next((name for name in ("anyOf", "oneOf") if schema.get(name)), None)
        if choice is not None:
            # What stands beside the choice holds for each of its members.
            first = schema[choice][0]
            beside = {name: value for name, value in schema.items() if name != choice}
            return self.value({**beside, **first} if isinstance(first, Mapping) else beside, within)
        return self._typed(_joined(schema, self.root) if schema.get("allOf") else schema, within)

    def _typed(self, schema: Any, within: frozenset[str]) -> Json:  # noqa: ANN401 - a part of any schema
        kind = schema.get("type") or ("array" if "contains" in schema else "string")
        kind = kind if isinstance(kind, str) else kind[0]
        if kind == "object":
            wanted = schema.get("properties", {})
            return {name: self.value(wanted[name], within) for name in wanted}
        if kind == "array":
            item = schema.get("contains", schema.get("items"))
            if item is None:
                return []
            most = min(schema.get("maxItems", _MOST_REPEATS), max(1, schema.get("minItems", 1)))
            return [self.value(item, within)] * most
        if kind in {"integer", "number"}:
            return _number(schema)
        return _PLAIN_VALUES[kind] if kind in _PLAIN_VALUES else _string(schema, self.text)


def _written(schema: Mapping[str, Any]) -> Sequence[Json]:
    """Return the values that a schema names: its examples, else the one or those that alone it allows."""
    examples = schema.get("examples")
    if isinstance(examples, list) and examples:
        return examples
    return [schema["const"]] if "const" in schema else schema.get("enum") or ()


def _joined(schema: Mapping[str, Any], root: JsonObject) -> JsonObject:
    """Return a schema with the members of its `allOf` put into it, properties beside properties."""
    joined = {name: value for name, value in schema.items() if name != "allOf"}
    for member in schema["allOf"]:
        part: Any = _resolved(str(member["$ref"]), root) if "$ref" in member else member
        for name, value in part.items() if isinstance(part, Mapping) else ():
            known = joined.get(name)
            both = isinstance(known, Mapping) and isinstance(value, Mapping)
            joined[name] = {**known, **value} if both else value  # type: ignore[dict-item] # both are mappings
    return joined


def _number(schema: Any) -> Json:  # noqa: ANN401 - a part of any schema
    least, above = schema.get("minimum", 0), schema.get("exclusiveMinimum")
    most, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    value = max(0, least, above + 1 if above is not None else 0)
    if most is not None and value > most:
        return cast("Json", most)
    return cast("Json", below - 1 if below is not None and value >= below else value)


def _string(schema: Any, text: str) -> str:  # noqa: ANN401 - a part of any schema
    pattern = schema.get("pattern")
    if isinstance(pattern, str):
        try:
            made = _Pattern(pattern).made()
            return made if search(pattern, made) is not None else text
        except (PatternError, ValueError, IndexError):
            return text
    said = _FORMATS.get(str(schema.get("format")), text)
    return said.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength", None)]


def _resolved(reference: str, root: JsonObject) -> Json:
    """Return the part of the schema that a reference names; true, which allows anything, where none is."""
    found: Any = root
    for part in filter(None, reference.removeprefix("#").split("/")):
        found = found.get(part, True) if isinstance(found, Mapping) else True
    return cast("Json", found)


class _Pattern:
    """Reads a pattern from left to right, and makes a text of the first that each part of it allows.

    ValueError or IndexError where it is no pattern, or one of more than groups, choices, classes and counts.
    """

    def __init__(self, pattern: str) -> None:
        self._left = pattern
        self._at = 0

    def made(self) -> str:
        """Return the text."""
        text = self._choices()
        if self._at < len(self._left):
            raise ValueError(self._left[self._at])
        return text

    def _choices(self) -> str:
        first = self._sequence()
        while self._take("|"):
            self._sequence()
        return first

    def _sequence(self) -> str:
        pieces: list[str] = []
        while self._at < len(self._left) and self._left[self._at] not in "|)":
            pieces.append(self._atom() * self._count())
        return "".join(pieces)

    def _atom(self) -> str:
        sign = self._next()
        if sign in "^$":
            return ""
        if sign == "\\":
            return self._escaped()
        if sign == "[":
            return self._class()
        if sign == "(":
            if self._take("?") and not self._take(":"):
                raise ValueError("a flag or a name")
            text = self._choices()
            if not self._take(")"):
                raise ValueError("an open group")
            return text
        return "a" if sign == "." else sign

    def _escaped(self) -> str:
        sign = self._next()
        if sign in _CLASSES or not sign.isalnum():
            return _CLASSES.get(sign, sign)
        raise ValueError(sign)

    def _class(self) -> str:
        denied = self._take("^")
        members = "]" if self._take("]") else ""
        while not self._take("]"):
            sign = self._next()
            members += self._escaped() if sign == "\\" else sign
        if not denied:
            return members[0]
        return next(sign for sign in "a0-_ \n" if sign not in members)

    def _count(self) -> int:
        least = 1
        while self._at < len(self._left) and self._left[self._at] in "*+?{":
            sign = self._next()
            if sign == "{":
                written, _, rest = self._left[self._at :].partition("}")
                least = int(written.partition(",")[0])
                self._at = len(self._left) - len(rest)
            elif sign == "*" or (sign == "?" and self._left[self._at - 2] not in "*+?}"):
                least = 0
        if least > _MOST_REPEATS:
            raise ValueError("too many repeats")
        return least

    def _next(self) -> str:
        self._at += 1
        return self._left[self._at - 1]

    def _take(self, sign: str) -> bool:
        taken = self._left.startswith(sign, self._at)
        self._at += len(sign) if taken else 0
        return taken
