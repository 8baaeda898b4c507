"""Strict JSON out of a reply's text."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, cast

from claude_run.checks.excerpt import quote

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from claude_run.scenario.model import Json

MAX_DEPTH = 100
"""How deeply objects and lists may lie in one another; the JSON of people's replies stays far below."""

_MAX_DIGITS = 300


class NotJsonError(ValueError):
    """The text is no JSON; the message says why and where."""


class TooDeepError(ValueError):
    """The text may be JSON, but it is nested too deeply to be looked at."""


def parse_json(text: str) -> Json:
    """Read one JSON value from the text, or from the only thing in it, a fence of three backticks.

    Refused with NotJsonError are, beyond what RFC 8259 refuses: NaN and Infinity, a key twice in one object,
    and numbers that no computer number holds. TooDeepError is for more than MAX_DEPTH levels.
    """
    body = _without_fence(text.strip())
    if not body:
        raise NotJsonError("there is no text")
    try:
        value = json.loads(
            body,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_int,
        )
    except json.JSONDecodeError as error:
        raise NotJsonError(f"{error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise TooDeepError(f"the JSON is nested more than {MAX_DEPTH} levels deep") from error
    if _deeper_than(value, MAX_DEPTH):
        raise TooDeepError(f"the JSON is nested more than {MAX_DEPTH} levels deep")
    return cast("Json", value)


def canonical(value: object) -> Hashable:
    """Return a value that is equal for equal JSON: 1 and 1.0 are equal, 1 and true are not."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, dict):
        return ("object", frozenset((key, canonical(part)) for key, part in value.items()))
    if isinstance(value, list):
        return ("list", tuple(map(canonical, value)))
    return value


def _without_fence(text: str) -> str:
    first, line_break, rest = text.partition("\n")
    if not line_break or first.strip().lower() not in {"```json", "```"} or not rest.endswith("```"):
        return text
    return rest.removesuffix("```").strip()


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result: dict[str, object] = {}
    for key, value in pairs:
        if key in result:
            raise NotJsonError(f"the key {quote(key, 40)} stands twice in one object")
        result[key] = value
    return result


def _constant(name: str) -> object:
    raise NotJsonError(f"{name} is no JSON number")


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise NotJsonError(f"the number {digits[:20]} is too large")
    return number


def _int(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise NotJsonError(f"the number {digits[:20]}… has {len(digits)} digits")
    return int(digits)


def _deeper_than(value: object, limit: int) -> bool:
    level = _containers([value])
    for _ in range(limit):
        level = _containers(part for outer in level for part in _parts(outer))
    return bool(level)


def _containers(values: Iterable[object]) -> list[dict[str, object] | list[object]]:
    return [value for value in values if isinstance(value, dict | list)]


def _parts(container: dict[str, object] | list[object]) -> Iterable[object]:
    return container.values() if isinstance(container, dict) else container
