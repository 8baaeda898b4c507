"""JSON in printable ASCII: it can be shown anywhere, whatever the values in it hold."""

from __future__ import annotations

import json
import re

# What `json` leaves as it is: DEL, and the old commands of CI logs, which are obeyed anywhere in a line.
# Outside of its strings JSON has neither, so that an escape can stand for each.
_OBEYED = re.compile(r"\x7f|#(?=#\w*\[)")


def plain_json(value: object, *, indent: int | None = None) -> str:
    """Return JSON in which nothing acts on a terminal or a CI log, and which reads back as the same value.

    Without `indent` it is one line without spaces. ValueError for a number that is not finite.
    """
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, indent=indent, separators=separators)
    return _OBEYED.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"
