"""Strict JSON out of a reply's text, and the place inside it that a JSON Pointer (RFC 6901) names."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, cast

from claude_run.checks.arguments import describe, is_list, is_object
from claude_run.checks.excerpt import quote
from claude_run.text.strict_json import DeepJsonError, DuplicateKeyError, HugeNumberError, read_json

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from claude_run.scenario.json_values import Json

MAX_DEPTH = 100
"""How deeply objects and lists may lie in one another; the JSON of people's replies stays far below."""

_MAX_DIGITS = 300
_BAD_ESCAPE = re.compile(r"~(?![01])")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_SHOWN = 8


class NotJsonError(ValueError):
    """The text is not valid JSON; the message says why and where."""


class TooDeepError(ValueError):
    """The text may be JSON, but it is nested too deeply to be looked at."""


class PointerError(ValueError):
    """A text that is not a JSON Pointer."""


class NothingThereError(LookupError):
    """The pointer leads to no value; the message says where it stopped and what there is."""


def parse_json(text: str, *, fenced: bool = True) -> Json:
    """Read one JSON value from the text, or from the only thing in it, a fence of three backticks.

    Without `fenced` such a fence is as wrong as any other text around it.

    Refused with NotJsonError are, beyond what RFC 8259 refuses: NaN and Infinity, a key twice in one object,
    and numbers that no computer number holds. TooDeepError is for more than MAX_DEPTH levels.
    """
    body = _without_fence(text.strip()) if fenced else text.strip()
    if not body:
        raise NotJsonError("there is no text")
    # Nesting is counted afterwards: the reader itself gives up only where Python's stack ends.
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


def parse_pointer(pointer: str) -> tuple[str, ...]:
    """Return the keys and indexes of a pointer, unescaped; PointerError where it is none."""
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        raise PointerError(f"{quote(pointer)} is not a JSON Pointer: it must begin with /")
    if _BAD_ESCAPE.search(pointer):
        raise PointerError(f"{quote(pointer)} is not a JSON Pointer: ~ must be written ~0")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/"))


def write_pointer(tokens: Sequence[str | int]) -> str:
    """Return the pointer of these keys and indexes, escaped."""
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in tokens)


def lookup(value: Json, tokens: Sequence[str]) -> Json:
    """Return the value at a place; NothingThereError where there is none."""
    for depth, token in enumerate(tokens):
        if is_object(value) and token in value:
            value = value[token]
        elif is_list(value) and _INDEX.fullmatch(token) and int(token) < len(value):
            value = value[int(token)]
        else:
            raise NothingThereError(_nothing(value, tokens[:depth], token=token))
    return value


def _without_fence(text: str) -> str:
    first, line_break, rest = text.partition("\n")
    if not line_break or first.strip().lower() not in {"```json", "```"} or not rest.endswith("```"):
        return text
    return rest.removesuffix("```").strip()


def _nothing(value: Json, before: Sequence[str], *, token: str) -> str:
    place = quote(write_pointer(before)) if before else "the top"
    if is_object(value):
        keys = ", ".join(quote(key, 40) for key in list(value)[:_SHOWN])
        more = ", …" if len(value) > _SHOWN else ""
        return f"there is no {quote(token)} at {place}, only {keys}{more}" if value else f"{place} is empty"
    if is_list(value):
        return f"there is no item {quote(token)} at {place}, which has {len(value)}"
    return f"there is no {quote(token)} at {place}, which is {describe(value)}"
