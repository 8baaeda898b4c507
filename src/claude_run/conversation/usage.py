"""Token counts under exactly the API's field names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from claude_run.scenario.json_values import JsonObject


_MOST = 10**12
"""No reply has more tokens than this, and all sums of such counts stay exact in JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The `usage` of a reply, or a sum of several; None where the API said nothing.

    `input_tokens` counts only what lies after the last cache breakpoint: the whole prompt is `input_total`.
    It and `output_tokens` stand in every reply of the API: None means that they are unknown, which makes
    every sum with them unknown.
    """

    input_tokens: int | None = 0
    output_tokens: int | None = 0
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None
    thinking_tokens: int | None = None
    web_search_requests: int | None = None
    web_fetch_requests: int | None = None

    @classmethod
    def from_api(cls, usage: object) -> Usage:
        """Read the `usage` of a reply, whatever it holds: a reply that was paid for is kept all the same.

        What is missing is None. One count that is no number of tokens makes all of them unknown, because
        nobody can say what else is wrong.
        """
        try:
            return cls._from_counts(usage if isinstance(usage, Mapping) else {})
        except ValueError:
            return UNKNOWN

    @classmethod
    def _from_counts(cls, usage: Mapping[str, object]) -> Usage:
        written, details = _part(usage, "cache_creation"), _part(usage, "output_tokens_details")
        server_tools = _part(usage, "server_tool_use")
        return cls(
            input_tokens=_count(usage, "input_tokens"),
            output_tokens=_count(usage, "output_tokens"),
            cache_creation_input_tokens=_count(usage, "cache_creation_input_tokens"),
            cache_read_input_tokens=_count(usage, "cache_read_input_tokens"),
            ephemeral_5m_input_tokens=_count(written, "ephemeral_5m_input_tokens"),
            ephemeral_1h_input_tokens=_count(written, "ephemeral_1h_input_tokens"),
            thinking_tokens=_count(details, "thinking_tokens"),
            web_search_requests=_count(server_tools, "web_search_requests"),
            web_fetch_requests=_count(server_tools, "web_fetch_requests"),
        )

    @property
    def known(self) -> bool:
        """Whether it says what was read and written, so that it can be priced."""
        return self.input_tokens is not None and self.output_tokens is not None

    @property
    def input_total(self) -> int | None:
        """Every token of the prompt: fresh, written to the cache, and read from it; None where unknown."""
        if self.input_tokens is None:
            return None
        return (
            self.input_tokens + (self.cache_creation_input_tokens or 0) + (self.cache_read_input_tokens or 0)
        )

    def to_json(self) -> JsonObject:
        """Return the counts nested as the API nests them, with every field present."""
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cache_creation_input_tokens": self.cache_creation_input_tokens,
            "cache_read_input_tokens": self.cache_read_input_tokens,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.ephemeral_5m_input_tokens,
                "ephemeral_1h_input_tokens": self.ephemeral_1h_input_tokens,
            },
            "output_tokens_details": {"thinking_tokens": self.thinking_tokens},
            "server_tool_use": {
                "web_search_requests": self.web_search_requests,
                "web_fetch_requests": self.web_fetch_requests,
            },
        }


UNKNOWN = Usage(input_tokens=None, output_tokens=None)
"""The usage of a reply that says nothing usable of it."""

_COUNTS = tuple(field.name for field in fields(Usage))
_EVERYWHERE = ("input_tokens", "output_tokens")


class UsageSum:
    """Sums usages one by one, count by count; what none of them says stays None, and the sum of none is zero.

    The sum of input or output tokens is None as soon as one of them is unknown: it would be too low.
    """

    def __init__(self) -> None:
        self._sums: dict[str, int] = {}
        self._unknown: dict[str, None] = {}

    def add(self, usage: Usage) -> None:
        """Take one more in."""
        for name in _COUNTS:
            count = getattr(usage, name)
            if count is not None:
                self._sums[name] = self._sums.get(name, 0) + count
            elif name in _EVERYWHERE:
                self._unknown[name] = None

    @property
    def total(self) -> Usage:
        """What all that was added comes to."""
        return Usage(**{**self._sums, **self._unknown})


def total(usages: Iterable[Usage]) -> Usage:
    """Return the sum of usages, as `UsageSum` makes it."""
    found = UsageSum()
    for usage in usages:
        found.add(usage)
    return found.total


def _part(usage: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = usage.get(name)
    return part if isinstance(part, Mapping) else {}


def _count(usage: Mapping[str, object], name: str) -> int | None:
    count = usage.get(name)
    if count is None:
        return None
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= _MOST:
        raise ValueError(f"usage.{name} is not a token count")
    return count
