"""Regular expressions: RE2, which is linear in the text and therefore safe with any pattern and any reply."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MAX_PATTERN = 10_000
"""How many characters a pattern may have: RE2 writes repetitions out before it knows how many they are."""

_UNSUPPORTED = ("(?=", "(?!", "(?<=", "(?<!", "(?>")
_BACKREFERENCES = tuple(f"\\{digit}" for digit in range(1, 10))


class PatternError(ValueError):
    """A pattern that RE2 does not take; the text says why, in words for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The first place where a pattern matches.

    `first_group` is None where the pattern has no group or the group took no part in the match; `has_group`
    tells the two apart. `start` and `end` are indexes into the text that was searched.
    """

    whole: str
    first_group: str | None
    has_group: bool
    start: int
    end: int


def check_pattern(pattern: str) -> None:
    """Raise PatternError where the pattern does not compile."""
    _compile(pattern)


def escape(text: str) -> str:
    """Return the pattern that matches this text alone."""
    import re2  # noqa: PLC0415 - costs start-up time, and most commands match nothing

    return str(re2.escape(_storable(text)))


def search(pattern: str, text: str) -> Match | None:
    """Return the first match anywhere in the text, or None; PatternError for a pattern that is none."""
    found = _compile(pattern).search(_storable(text))
    if found is None:
        return None
    has_group = found.re.groups > 0
    return Match(
        whole=found.group(0),
        first_group=found.group(1) if has_group else None,
        has_group=has_group,
        start=found.start(),
        end=found.end(),
    )


def _storable(text: str) -> str:
    # RE2 works on UTF-8, which has no lone surrogates: one stands for all of them, in text and in values.
    return text.encode("utf-8", "replace").decode("utf-8")


@lru_cache(maxsize=512)
def _compile(pattern: str) -> Any:  # noqa: ANN401 - google-re2 ships no types
    import re2  # noqa: PLC0415 - costs start-up time, and most commands match nothing

    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"the pattern is longer than {MAX_PATTERN:,} characters")
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except UnicodeEncodeError as error:
        raise PatternError("the pattern holds half of a surrogate pair, which is not a character") from error
    except re2.error as error:
        raise PatternError(_explain(pattern, error)) from error


def _explain(pattern: str, error: Exception) -> str:
    detail = error.args[0] if error.args else str(error)
    text = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
    if "invalid perl operator" in text and any(mark in pattern for mark in _UNSUPPORTED):
        return f"{text}: RE2 has no lookahead, no lookbehind and no atomic groups"
    if "invalid escape sequence" in text and any(mark in pattern for mark in _BACKREFERENCES):
        return f"{text}: RE2 has no backreferences"
    return text
