"""Token counts under exactly the API's field names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from claude_run.scenario.model import JsonObject


_MOST = 10**12
"""No reply has more tokens than this, and all sums of such counts stay exact in JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The `usage` of a reply, or a sum of several; None where the API said nothing.

    `input_tokens` counts only what lies after the last cache breakpoint: the whole prompt is `input_total`.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None
    thinking_tokens: int | None = None
    web_search_requests: int | None = None
    web_fetch_requests: int | None = None

    @classmethod
    def from_api(cls, usage: object) -> Usage:
        """Read the API's `usage` object; ValueError where a count is missing or is not a whole number."""
        if not isinstance(usage, Mapping):
            raise ValueError("usage is missing")  # noqa: TRY004 - one error type for every bad reply
        return cls(
            input_tokens=_required(usage, "input_tokens"),
            output_tokens=_required(usage, "output_tokens"),
            cache_creation_input_tokens=_optional(usage, "cache_creation_input_tokens"),
            cache_read_input_tokens=_optional(usage, "cache_read_input_tokens"),
            ephemeral_5m_input_tokens=_optional(_part(usage, "cache_creation"), "ephemeral_5m_input_tokens"),
            ephemeral_1h_input_tokens=_optional(_part(usage, "cache_creation"), "ephemeral_1h_input_tokens"),
            thinking_tokens=_optional(_part(usage, "output_tokens_details"), "thinking_tokens"),
            web_search_requests=_optional(_part(usage, "server_tool_use"), "web_search_requests"),
            web_fetch_requests=_optional(_part(usage, "server_tool_use"), "web_fetch_requests"),
        )

    @property
    def input_total(self) -> int:
        """Every token of the prompt: fresh, written to the cache, and read from it."""
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


_COUNTS = tuple(field.name for field in fields(Usage))


def total(usages: Iterable[Usage]) -> Usage:
    """Sum usages, count by count; what none of them says stays None, and the sum of none is zero."""
    sums: dict[str, int] = {}
    for usage in usages:
        for name in _COUNTS:
            count = getattr(usage, name)
            if count is not None:
                sums[name] = sums.get(name, 0) + count
    return Usage(**sums)


def _part(usage: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = usage.get(name)
    return part if isinstance(part, Mapping) else {}


def _required(usage: Mapping[str, object], name: str) -> int:
    count = _optional(usage, name)
    if count is None:
        raise ValueError(f"usage.{name} is missing")
    return count


def _optional(usage: Mapping[str, object], name: str) -> int | None:
    count = usage.get(name)
    if count is None:
        return None
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= _MOST:
        raise ValueError(f"usage.{name} is not a token count")
    return count
