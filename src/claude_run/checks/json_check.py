"""`json`: the reply is JSON, fits a schema, or holds a value at a place."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from claude_run.checks.arguments import (
    describe,
    is_object,
    key_problems,
    key_template_problems,
    slots,
    strings,
)
from claude_run.checks.excerpt import as_json, quote, short, spell
from claude_run.checks.json_schema import TooMuchWorkError, schema_errors, schema_problems
from claude_run.checks.json_values import (
    NothingThereError,
    NotJsonError,
    PointerError,
    TooDeepError,
    canonical,
    lookup,
    parse_json,
    parse_pointer,
)
from claude_run.checks.kind import TURN_ONLY, Check, Finding, errored, failed, passed
from claude_run.checks.nearest import beginning
from claude_run.scenario.vocabulary import Fill, Problem, Slot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from claude_run.checks.subject import Subject
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.vocabulary import ValuePath

_KEYS = ("pointer", "equals", "schema")
_DATA = frozenset({"const", "enum", "default", "examples"})
_NAMING = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})


def _evaluate(value: Json, subject: Subject) -> Finding:
    expected = short(value)
    try:
        found = parse_json(subject.text)
        if value is True:
            return passed(f"{subject.name} is JSON", expected=expected, actual=short(found))
        return _judge(_arguments(value), found, subject=subject)
    except NotJsonError as error:
        start = beginning(subject.text)
        message = f"expected {subject.name} to be JSON: {error}; {start.clause}"
        return failed(message, expected=expected, actual=short(start.excerpt))
    except (TooDeepError, TooMuchWorkError, PointerError) as error:
        return errored(str(error), expected=expected, actual=short(subject.text))


def _judge(arguments: JsonObject, found: Json, *, subject: Subject) -> Finding:
    """Judge the value at the pointer, which must exist: by a value, by a schema, or by being there."""
    pointer = str(arguments.get("pointer", ""))
    where = f" at {quote(pointer)}" if pointer else ""
    try:
        found = lookup(found, parse_pointer(pointer))
    except NothingThereError as error:
        message = f"expected a value{where} in the JSON of {subject.name}; {error}"
        return failed(message, expected=short(arguments), actual=short(found))
    actual = short(found)
    # By a value: where both look alike in the message, their kinds tell them apart.
    if "equals" in arguments:
        plain = json.loads(as_json(arguments["equals"]))
        if canonical(plain) == canonical(found):
            return passed(f"the JSON{where} equals the value", expected=short(plain), actual=actual)
        message = f"expected the JSON{where} to be {spell(plain)}, found {spell(found)}"
        if spell(plain).strip('"') == spell(found).strip('"'):
            message += f": {describe(plain)} was expected, {describe(found)} was found"
        return failed(message, expected=short(plain), actual=actual)
    # By a schema.
    if "schema" in arguments:
        schema = cast("JsonObject", arguments["schema"])
        reasons = schema_errors(json.loads(as_json(schema)), found)
        if not reasons:
            return passed(f"the JSON{where} fits the schema", expected=short(schema), actual=actual)
        message = f"the JSON{where} does not fit the schema: {'; '.join(reasons)}"
        return failed(message, expected=short(schema), actual=actual)
    return passed(f"the JSON has a value{where}", expected=short(arguments), actual=actual)


def _arguments(value: Json) -> JsonObject:
    """Return the arguments; an object without any of their names is a schema by itself."""
    arguments = cast("JsonObject", value)
    return arguments if any(key in arguments for key in _KEYS) else {"schema": arguments}


def _problems(value: Json) -> Sequence[Problem]:
    if value is True:
        return ()
    if not is_object(value) or not value:
        hint = "write true, a JSON Schema, or {pointer: /a/b, equals: 1}"
        found = "an empty object" if is_object(value) else describe(value)
        if value is False:
            hint = "write not: {json: true}"
        message = f"this must be true, a JSON Schema, or an object with a pointer, not {found}"
        return (Problem(path=(), message=message, hint=hint),)
    if _arguments(value) is value:
        return tuple(_argument_problems(value))
    return (*key_template_problems(value), *nested_schema_problems(value, ()))


def _argument_problems(value: JsonObject) -> Iterator[Problem]:
    yield from key_problems(value, _KEYS)
    yield from key_template_problems(value)
    if "equals" in value and "schema" in value:
        message = "`equals` and `schema` exclude each other"
        yield Problem(path=("schema",), message=message, hint="write two expectations")
    if "pointer" in value:
        pointer, path = value["pointer"], ("pointer",)
        hint = "write /key/0/key; ~ is ~0 and / in a key is ~1"
        if not isinstance(pointer, str):
            message = f"a pointer must be text, not {describe(pointer)}"
            yield Problem(path=path, message=message, hint=hint)
        else:
            try:
                parse_pointer(pointer)
            except PointerError as error:
                yield Problem(path=path, message=str(error), hint=hint)
    if "schema" in value:
        yield from nested_schema_problems(value["schema"], ("schema",))


def nested_schema_problems(schema: Json, path: ValuePath) -> Sequence[Problem]:
    """Return what is wrong with a JSON Schema that stands at a place of a value."""
    if not is_object(schema):
        message = f"a JSON Schema must be an object, not {describe(schema)}"
        return (Problem(path=path, message=message, hint="write {type: object, required: [name]}"),)
    found = _cached_problems(as_json(schema))
    return tuple(Problem(path=(*path, *one.path), message=one.message, hint=one.hint) for one in found)


@lru_cache(maxsize=256)
def _cached_problems(schema: str) -> Sequence[Problem]:
    """Check each schema once: the same one judges every repeat of every case."""
    return schema_problems(json.loads(schema))


def _templates(value: Json) -> Sequence[Slot]:
    if not is_object(value):
        return slots(value, Fill.VALUE)
    in_schema: ValuePath = () if _arguments(value) is not value else ("schema",)
    return tuple(
        Slot(path=path, source=source, into=_into(path, in_schema=in_schema))
        for path, source in strings(value)
    )


def _into(path: ValuePath, *, in_schema: ValuePath) -> Fill:
    if path == ("pointer",) and in_schema:
        return Fill.POINTER
    # A pattern is one where it is a keyword: no name of a property, and no part of the data that is named.
    is_name = False
    for step in path[len(in_schema) :] if path[: len(in_schema)] == in_schema else ():
        if not is_name and step in _DATA:
            break
        if not is_name and step == "pattern":
            return Fill.PATTERN
        is_name = not is_name and step in _NAMING
    return Fill.VALUE


CHECKS = (
    Check(
        name="json",
        schema={
            "description": "The text of the reply is one JSON value (a fence of three backticks around it is "
            "accepted): `true` asks for no more; a JSON Schema (2020-12, draft 7 by `$schema`) must fit; "
            "{pointer: /a/b, equals: 1} looks at one place. `format` is not checked; patterns are RE2.",
            "anyOf": [
                {"const": True},
                {
                    "type": "object",
                    "properties": {
                        "pointer": {
                            "type": "string",
                            "description": "JSON Pointer (RFC 6901) of the place to look at; it must exist.",
                            "examples": ["/order/status"],
                        },
                        "equals": {
                            "description": "The JSON value that must stand there.",
                            "examples": ["shipped"],
                        },
                        "schema": {
                            "type": "object",
                            "description": "The JSON Schema that must fit there.",
                            "examples": [{"type": "string"}],
                        },
                    },
                    "additionalProperties": False,
                    "minProperties": 1,
                    "not": {"required": ["equals", "schema"]},
                },
                {
                    "type": "object",
                    "minProperties": 1,
                    "not": {"anyOf": [{"required": [key]} for key in _KEYS]},
                },
            ],
        },
        example={"pointer": "/order/status", "equals": "shipped"},
        problems=_problems,
        evaluate=_evaluate,
        templates=_templates,
        scopes=TURN_ONLY,
        reads="text",
    ),
)
