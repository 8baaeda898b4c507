"""Spans of time as people write them: `20s`, `500ms`, `2m`, or a number of seconds."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from claude_run.checks.arguments import describe, is_number
from claude_run.checks.excerpt import quote

if TYPE_CHECKING:
    from claude_run.scenario.model import Json

DURATION = r"^[0-9]{1,9}(\.[0-9]{1,9})? ?(ms|s|m|h)$"
"""What a duration with a unit looks like, for RE2, Python and JSON Schema alike."""

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(DURATION.replace("^", "").replace("$", ""))


def parse_duration(value: Json) -> float:
    """Return seconds; ValueError says what is wrong with the value."""
    if is_number(value):
        if not math.isfinite(value):
            raise ValueError(f"this must be a length of time, not {value}")
        return float(value)
    if not isinstance(value, str):
        raise ValueError(f"this must be a length of time, not {describe(value)}")  # noqa: TRY004 - one error for every bad value
    found = _DURATION.fullmatch(value)
    if found is None:
        raise ValueError(f"{quote(value)} is no length of time")
    unit = found[2]
    return float(value.removesuffix(unit)) * _SECONDS[unit]
