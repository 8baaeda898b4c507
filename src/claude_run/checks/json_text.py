"""Strict JSON out of a reply's text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from claude_run.checks.excerpt import quote
from claude_run.text.strict_json import DeepJsonError, DuplicateKeyError, HugeNumberError, read_json

if TYPE_CHECKING:
    from collections.abc import Hashable

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
        return cast("Json", read_json(body, deepest=MAX_DEPTH, unique_keys=True, most_digits=_MAX_DIGITS))
    except DeepJsonError as error:
        raise TooDeepError(f"the JSON is nested more than {MAX_DEPTH} levels deep") from error
    except json.JSONDecodeError as error:
        raise NotJsonError(f"{error.msg} at line {error.lineno}, column {error.colno}") from error
    except DuplicateKeyError as error:
        raise NotJsonError(f"the key {quote(error.key, 40)} stands twice in one object") from error
    except HugeNumberError as error:
        digits, is_whole = error.digits, error.digits.lstrip("-").isdecimal()
        size = f"… has {len(digits)} digits" if is_whole else " is too large"
        raise NotJsonError(f"the number {digits[:20]}{size}") from error
    except ValueError as error:
        raise NotJsonError(str(error)) from error


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
