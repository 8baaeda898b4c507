"""JSON as RFC 8259 has it: no NaN and no number beyond a float, which a journal could not hold."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from claude_run.conversation.exchange import InvalidReplyError


def parse(data: bytes | str, what: str) -> Any:  # noqa: ANN401 - JSON of any shape
    """Return the value; InvalidReplyError, which names `what` it should have been, when it is no JSON."""
    try:
        return json.loads(data, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise InvalidReplyError(f"{what} is no JSON: {error}") from error


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")
