"""JSON against a JSON Schema, with bounded work: the schema is trusted to be checked, the JSON is not."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Any

from claude_run.checks.excerpt import cut, quote
from claude_run.checks.json_pointer import write_pointer
from claude_run.checks.json_schema_rules import dialect_of
from claude_run.checks.json_text import canonical
from claude_run.scenario.patterns import search

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from claude_run.scenario.model import Json, JsonObject

MAX_STEPS = 100_000
"""How many keywords are applied to one reply before it is given up; about a second of work."""

_SHOWN = 3


class TooMuchWorkError(Exception):
    """The schema and the JSON together ask for more work than a check may do."""


def schema_errors(
    schema: JsonObject,
    value: Json,
    *,
    max_steps: int = MAX_STEPS,
    overlook: Callable[[Json], bool] = lambda _: False,
) -> tuple[str, ...]:
    """Return the first few reasons why a JSON value does not fit a schema without problems; none if it fits.

    `overlook` tells which parts of the value nothing is said about, because they are not final yet. Raises
    TooMuchWorkError after `max_steps` keywords, or where both are nested too deeply.
    """
    from jsonschema import exceptions  # noqa: PLC0415 - costs 0.1 s, and most scenarios check no schema

    bare = {key: part for key, part in schema.items() if key not in {"$schema", "$id"}}
    validator = _validator_class(dialect_of(schema) or "", _Budget(left=max_steps))
    try:
        found = (error for error in validator(bare).iter_errors(value) if not overlook(error.instance))
        errors = islice(found, _SHOWN)
        return tuple(_sentence(exceptions.best_match([error])) for error in errors)
    except RecursionError as error:
        raise TooMuchWorkError("the schema and the JSON are nested too deeply") from error


@dataclass(slots=True, kw_only=True)
class _Budget:
    """The steps that are left; the one thing in this room that changes, and it lives for one evaluation."""

    left: int

    def spend(self, steps: int = 1) -> None:
        self.left -= steps
        if self.left < 0:
            raise TooMuchWorkError("the schema asks for too much work on this JSON")


def _sentence(error: Any) -> str:  # noqa: ANN401 - the library's error, whose parts are untyped
    place = write_pointer(tuple(error.absolute_path))
    return f"{f'at {quote(place)}' if place else 'at the top'}: {cut(error.message, 160)}"


def _validator_class(dialect: str, budget: _Budget) -> Any:  # noqa: ANN401 - the library makes its classes at run time
    from jsonschema import validators  # noqa: PLC0415 - see schema_errors

    base: Any = getattr(validators, dialect)
    extend: Any = validators.extend
    keywords = {**base.VALIDATORS, **_SAFE}
    return extend(base, {name: _counted(judge, budget) for name, judge in keywords.items()})


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
    """Judge by decimal digits: 19.99 is a multiple of 0.01, whatever binary fractions make of the two."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and Fraction(str(value)) % Fraction(str(step)) != 0:
        yield _error(f"{value} is not a multiple of {step}")


def _error(message: str) -> Any:  # noqa: ANN401 - the library's error, whose parts are untyped
    from jsonschema import exceptions  # noqa: PLC0415 - see schema_errors

    return exceptions.ValidationError(message)


_SAFE: dict[str, Callable[..., Iterator[Any]]] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
    "multipleOf": _multiple_of,
}
