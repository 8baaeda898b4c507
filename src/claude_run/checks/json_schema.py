"""JSON Schema in a scenario: what a schema may say, and JSON judged by it with bounded work.

A schema is the user's, the JSON that it judges is a model's. So nothing is fetched (`$ref` stays inside the
schema), no pattern can backtrack (RE2), no reference goes round in circles, and a misspelt keyword, which
JSON Schema would ignore and which would therefore never fail, is an error before anything is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from claude_run.checks.arguments import is_list, is_number, is_object
from claude_run.checks.excerpt import cut, quote
from claude_run.checks.json_values import PointerError, canonical, parse_pointer, write_pointer
from claude_run.scenario.diagnostics import did_you_mean
from claude_run.scenario.patterns import PatternError, check_pattern, search
from claude_run.scenario.vocabulary import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.vocabulary import ValuePath

MAX_STEPS = 100_000
"""How many keywords are applied to one reply before it is given up; about a second of work."""

MAX_PARTS = 2000
"""How many schemas may stand inside a schema: the draft's own schema is asked about each."""

DIALECTS = {
    "http://json-schema.org/draft-07/schema": "Draft7Validator",
    "https://json-schema.org/draft/2019-09/schema": "Draft201909Validator",
    "https://json-schema.org/draft/2020-12/schema": "Draft202012Validator",
}
"""The drafts that are understood, by their `$schema`; 2020-12 where a schema names none."""

_ANNOTATIONS = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"}
)
_ANNOTATIONS |= {"$comment", "contentMediaType", "contentEncoding"}
# The library reads these where it judges `if`, `contains` and `$ref`, and has no function for them.
_HELPERS = frozenset({"then", "else", "minContains", "maxContains", "$defs", "definitions"})
# These look at what other keywords have seen, by code that we cannot bound or keep from backtracking.
_REFUSED = frozenset({"unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef"})
_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies")
_SINGLE = ("additionalProperties", "additionalItems", "contains", "propertyNames", "items")
_IN_PLACE = ("not", "if", "then", "else")
_LISTED_IN_PLACE = ("allOf", "anyOf", "oneOf")
_LISTED = (*_LISTED_IN_PLACE, "prefixItems", "items")
_SHOWN = 3


class TooMuchWorkError(Exception):
    """The schema and the JSON together ask for more work than a check may do."""


def schema_problems(schema: JsonObject) -> Sequence[Problem]:
    """Find everything that is wrong with a schema; paths lead from its root."""
    from jsonschema import validators  # noqa: PLC0415 - costs 0.1 s, and most scenarios check no schema

    dialect = _dialect_of(schema)
    if dialect is None:
        known = ", ".join(DIALECTS)
        return (Problem(path=("$schema",), message="unknown draft of JSON Schema", hint=f"known: {known}"),)
    known_here = frozenset(getattr(validators, dialect).VALIDATORS) | _ANNOTATIONS | _HELPERS
    keywords = dict.fromkeys(sorted(known_here - _REFUSED))
    # Every schema inside this one by its place, since a `$ref` may lead to any of them.
    found = islice(_parts(schema, ()), MAX_PARTS + 1)
    parts = {tuple(map(str, part.path)): part for part in found}
    if len(parts) > MAX_PARTS:
        message = f"this schema holds more than {MAX_PARTS:,} schemas"
        return (
            Problem(path=(), message=message, hint="check less of the reply, or by several expectations"),
        )
    problems = [problem for part in parts.values() for problem in _part_problems(part, parts, keywords)]
    problems.extend(_cycle_problems(parts))
    # What the draft itself says explains less, so it is asked only where nothing else was found.
    if problems or all(_is_plain(part.schema) for part in parts.values()):
        return tuple(problems)
    return tuple(_meta_problems(schema, dialect))


def schema_errors(
    schema: JsonObject, value: Json, *, overlook: Callable[[Json], bool] = lambda _: False
) -> tuple[str, ...]:
    """Return the first few reasons why a JSON value does not fit a schema without problems; none if it fits.

    `overlook` tells which parts of the value nothing is said about, because they are not final yet. Raises
    TooMuchWorkError after MAX_STEPS keywords, or where both are nested too deeply.
    """
    from jsonschema import exceptions  # noqa: PLC0415 - see schema_problems

    bare = {key: part for key, part in schema.items() if key not in {"$schema", "$id"}}
    validator, budget = _counting_validator(_dialect_of(schema) or "")
    budget.left = MAX_STEPS
    reasons = []
    try:
        found = (error for error in validator(bare).iter_errors(value) if not overlook(error.instance))
        for error in islice(found, _SHOWN):
            # Of an error with others below it, such as that of an `anyOf`, the one that says most.
            best: Any = exceptions.best_match([error])
            place = write_pointer(tuple(best.absolute_path))
            where = f"at {quote(place)}" if place else "at the top"
            reasons.append(f"{where}: {cut(best.message, 160)}")
    except RecursionError as error:
        raise TooMuchWorkError("the schema and the JSON are nested too deeply") from error
    return tuple(reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A schema inside the schema, and where it stands."""

    path: ValuePath
    schema: JsonObject


def _dialect_of(schema: JsonObject) -> str | None:
    """Return the name of the validator class for a schema's `$schema`, or None where it is unknown."""
    name = schema.get("$schema", "https://json-schema.org/draft/2020-12/schema")
    return DIALECTS.get(name.removesuffix("#")) if isinstance(name, str) else None


def _parts(schema: Json, path: ValuePath) -> Iterator[_Part]:
    """Yield every schema inside a schema, itself first; what stands in `const`, `enum` and such is data."""
    if not is_object(schema):
        return
    yield _Part(path=path, schema=schema)
    for keyword in _NAMED:
        named = schema.get(keyword)
        if is_object(named):
            for name, part in named.items():
                yield from _parts(part, (*path, keyword, name))
    for keyword in (*_SINGLE, *_IN_PLACE):
        if keyword in schema:
            yield from _parts(schema[keyword], (*path, keyword))
    for keyword in _LISTED:
        listed = schema.get(keyword)
        if is_list(listed):
            for index, part in enumerate(listed):
                yield from _parts(part, (*path, keyword, index))


def _part_problems(
    part: _Part, parts: Mapping[tuple[str, ...], _Part], keywords: Collection[str]
) -> Iterator[Problem]:
    for keyword, value in part.schema.items():
        path = (*part.path, keyword)
        if keyword == "$ref":
            yield from _reference_problems(value, path, parts=parts)
        elif keyword in {"$schema", "$id"}:
            if part.path:
                hint = "put it at the top of the schema, or leave it out"
                yield Problem(path=path, message=f"`{keyword}` may not stand inside a schema", hint=hint)
        elif keyword not in keywords and not keyword.startswith("x-"):
            yield _unknown_keyword(keyword, path, keywords=keywords)
        elif keyword == "pattern":
            yield from _pattern_problems(value, path)
        elif keyword == "patternProperties" and is_object(value):
            for pattern in value:
                yield from _pattern_problems(pattern, (*path, pattern))


def _unknown_keyword(keyword: str, path: ValuePath, *, keywords: Collection[str]) -> Problem:
    if keyword in _REFUSED:
        hint = "use `additionalProperties` or `$ref`, which can be checked in bounded time"
        return Problem(path=path, message=f"the keyword `{keyword}` is not supported here", hint=hint)
    meant = did_you_mean(keyword, keywords)
    hint = f"did you mean `{meant}`?" if meant else "JSON Schema would ignore it; x-... keys are your own"
    return Problem(path=path, message=f"unknown keyword `{keyword}` of JSON Schema", hint=hint)


def _pattern_problems(pattern: Json, path: ValuePath) -> Iterator[Problem]:
    if not isinstance(pattern, str):
        yield Problem(path=path, message="a pattern must be text", hint="put it in quotes")
        return
    try:
        check_pattern(pattern)
    except PatternError as error:
        hint = "patterns are RE2: https://github.com/google/re2/wiki/Syntax"
        yield Problem(path=path, message=f"the pattern is not valid: {error}", hint=hint)


def _reference_problems(
    reference: Json, path: ValuePath, *, parts: Mapping[tuple[str, ...], _Part]
) -> Iterator[Problem]:
    target = _target(reference)
    if target is None:
        hint = "copy that schema under $defs and write #/$defs/<name>"
        message = "`$ref` may lead only to a place inside this schema, as in #/$defs/item"
        yield Problem(path=path, message=message, hint=hint)
    elif target not in parts:
        message = f"`$ref` leads nowhere: there is no schema at {quote(str(reference))}"
        yield Problem(path=path, message=message, hint="shared schemas stand under $defs")


def _target(reference: Json) -> tuple[str, ...] | None:
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    try:
        return parse_pointer(unquote(reference[1:]))
    except PointerError:
        return None


def _cycle_problems(parts: Mapping[tuple[str, ...], _Part]) -> Iterator[Problem]:
    """Find a schema that refers to itself about the same value: it would never come to an end."""
    following = {
        place: [other for other in _in_place(part.schema, place) if other in parts]
        for place, part in parts.items()
    }
    try:
        TopologicalSorter(following).prepare()
    except CycleError as error:
        place = min(error.args[1])
        message = "this schema refers to itself about the same value, without an end"
        yield Problem(path=parts[place].path, message=message, hint="remove one of the `$ref`s")


def _in_place(schema: JsonObject, place: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the places of the schemas that judge the same value as this one does."""
    target = _target(schema.get("$ref"))
    if target is not None:
        yield target
    for keyword in _IN_PLACE:
        yield (*place, keyword)
    for keyword in _LISTED_IN_PLACE:
        listed = schema.get(keyword)
        for index in range(len(listed) if is_list(listed) else 0):
            yield (*place, keyword, str(index))
    for keyword in ("dependentSchemas", "dependencies"):
        named = schema.get(keyword)
        for name in named if is_object(named) else ():
            yield (*place, keyword, name)


def _meta_problems(schema: JsonObject, dialect: str) -> Iterator[Problem]:
    """Find what the draft's own schema of schemas says against this one."""
    from jsonschema import exceptions, validators  # noqa: PLC0415 - see schema_problems

    validator: Any = getattr(validators, dialect)
    # Without format checks: `format: regex` would try Python's patterns, and ours are RE2.
    for error in validator(validator.META_SCHEMA).iter_errors(schema):
        best: Any = exceptions.best_match([error])
        path = tuple(best.absolute_path)
        if path[-1:] == ("type",) and isinstance(best.instance, str):
            message = f"unknown type {quote(best.instance)} of JSON Schema"
            yield Problem(path=path, message=message, hint=f"the types are {', '.join(_TYPES)}")
        else:
            yield Problem(path=path, message=f"this is not a valid JSON Schema: {cut(best.message)}")


def _is_plain(schema: JsonObject) -> bool:
    """Return whether a schema is one to the draft for sure: it says nothing but the most usual, rightly."""
    return all(keyword in _PLAIN and _PLAIN[keyword](value) for keyword, value in schema.items())


def _is_schema(value: Json) -> bool:
    return isinstance(value, bool) or is_object(value)


def _are_named(value: Json) -> bool:
    return is_object(value) and all(map(_is_schema, value.values()))


def _is_type(value: Json) -> bool:
    if is_list(value):
        return 0 < len(value) == len(set(map(str, value))) and all(each in _TYPES for each in value)
    return value in _TYPES


def _are_names(value: Json) -> bool:
    return is_list(value) and len(set(map(str, value))) == len(value) and _are_texts(value)


def _are_texts(value: Sequence[Json]) -> bool:
    return all(isinstance(each, str) for each in value)


def _is_count(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(value: Json) -> bool:
    return isinstance(value, str)


_PLAIN: Mapping[str, Callable[[Json], bool]] = {
    "type": _is_type,
    "properties": _are_named,
    "items": _is_schema,
    "additionalProperties": _is_schema,
    "required": _are_names,
    "enum": lambda value: is_list(value) and len(value) > 0,
    "const": lambda _: True,
    "minimum": is_number,
    "maximum": is_number,
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), _is_count),
    **dict.fromkeys(("title", "description", "pattern", "format", "$ref"), _is_text),
    **dict.fromkeys(("$defs", "definitions"), _are_named),
}
"""The usual keywords, and whether a value of theirs is right in every draft."""


@dataclass(slots=True, kw_only=True)
class _Budget:
    """The steps that are left; the one thing in this room that changes, set anew by each evaluation."""

    left: int = 0

    def spend(self, steps: int = 1) -> None:
        self.left -= steps
        if self.left < 0:
            raise TooMuchWorkError("the schema asks for too much work on this JSON")


@cache
def _counting_validator(dialect: str) -> tuple[Any, _Budget]:
    """Return the validator of a draft, and the steps that it counts; making one costs more than its use."""
    from jsonschema import validators  # noqa: PLC0415 - see schema_problems

    base: Any = getattr(validators, dialect)
    extend: Any = validators.extend
    keywords, budget = {**base.VALIDATORS, **_SAFE}, _Budget()
    return extend(base, {name: _counted(judge, budget) for name, judge in keywords.items()}), budget


def _counted(judge: Callable[..., Any], budget: _Budget) -> Callable[..., Any]:
    def counted(*arguments: Any) -> Any:  # noqa: ANN401 - passes on what the library hands over
        budget.spend()
        return judge(*arguments)

    return counted


def _pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[Any]:  # noqa: ANN401, ARG001 - the library's calling convention
    if isinstance(value, str) and search(pattern, value) is None:
        yield _error(f"{quote(value)} does not match the pattern {quote(pattern)}")


def _pattern_properties(validator: Any, patterns: Any, value: Any, schema: Any) -> Iterator[Any]:  # noqa: ANN401, ARG001 - the library's calling convention
    for pattern, part in patterns.items() if isinstance(value, dict) else ():
        for key, item in value.items():
            if search(pattern, key):
                yield from validator.descend(item, part, path=key, schema_path=pattern)


def _additional_properties(validator: Any, part: Any, value: Any, schema: Any) -> Iterator[Any]:  # noqa: ANN401 - the library's calling convention
    for key in value if isinstance(value, dict) else ():
        patterns = schema.get("patternProperties", {})
        if key in schema.get("properties", {}) or any(search(pattern, key) for pattern in patterns):
            continue
        if part is False:
            yield _error(f"the key {quote(key)} is not allowed")
        else:
            yield from validator.descend(value[key], part, path=key)


def _unique_items(validator: Any, unique: Any, value: Any, schema: Any) -> Iterator[Any]:  # noqa: ANN401, ARG001 - the library's calling convention
    """Judge in linear time; the library compares every item with every other."""
    if unique and isinstance(value, list) and len(set(map(canonical, value))) < len(value):
        yield _error("it has the same item twice")


def _multiple_of(validator: Any, step: Any, value: Any, schema: Any) -> Iterator[Any]:  # noqa: ANN401, ARG001 - the library's calling convention
    """Compare decimal values: 19.99 is a multiple of 0.01, whatever binary fractions make of the two."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and Fraction(str(value)) % Fraction(str(step)) != 0:
        yield _error(f"{value} is not a multiple of {step}")


def _error(message: str) -> Any:  # noqa: ANN401 - the library's error, whose parts are untyped
    from jsonschema import exceptions  # noqa: PLC0415 - see schema_problems

    return exceptions.ValidationError(message)


_SAFE: dict[str, Callable[..., Iterator[Any]]] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
    "multipleOf": _multiple_of,
}
