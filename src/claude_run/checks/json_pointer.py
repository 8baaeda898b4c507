"""JSON Pointer (RFC 6901): a place inside a JSON value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from claude_run.checks.arguments import describe, is_list, is_object
from claude_run.checks.excerpt import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.scenario.model import Json

_BAD_ESCAPE = re.compile(r"~(?![01])")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_SHOWN = 8


class PointerError(ValueError):
    """A text that is no JSON Pointer."""


class NothingThereError(LookupError):
    """The pointer leads to no value; the message says where it stopped and what there is."""


def parse_pointer(pointer: str) -> tuple[str, ...]:
    """Return the keys and indexes of a pointer, unescaped; PointerError where it is none."""
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        raise PointerError(f"{quote(pointer)} is no JSON Pointer: it must begin with /")
    if _BAD_ESCAPE.search(pointer):
        raise PointerError(f"{quote(pointer)} is no JSON Pointer: ~ must be written ~0")
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


def _nothing(value: Json, before: Sequence[str], *, token: str) -> str:
    place = quote(write_pointer(before)) if before else "the top"
    if is_object(value):
        keys = ", ".join(quote(key, 40) for key in list(value)[:_SHOWN])
        more = ", …" if len(value) > _SHOWN else ""
        return f"there is no {quote(token)} at {place}, only {keys}{more}" if value else f"{place} is empty"
    if is_list(value):
        return f"there is no item {quote(token)} at {place}, which has {len(value)}"
    return f"there is no {quote(token)} at {place}, which is {describe(value)}"
