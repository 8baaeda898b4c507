"""JSON that a journal can hold and a request can carry: no NaN, no number beyond a float, no abyss."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NoReturn

from claude_run.conversation.exchange import InvalidReplyError

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_DEPTH = 100
"""Levels of nesting: whoever walks a reply later does so by recursion."""


def parse(data: bytes | str, what: str) -> Any:  # noqa: ANN401 - JSON of any shape
    """Return the value; InvalidReplyError, which names `what` it should have been, when it is no JSON."""
    try:
        value = json.loads(data, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise InvalidReplyError(f"{what} is no JSON: {error}") from error
    _check_depth(value, what)
    return value


def _check_depth(value: object, what: str) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise InvalidReplyError(f"{what} is nested deeper than {MAX_DEPTH} levels")


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")
