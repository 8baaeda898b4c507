"""Replies that come one after the other, whatever is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.simulator.replies import Scripted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from claude_run.scenario.json_values import JsonObject


class InOrder:
    """A book that gives its replies one after the other; then the placeholder.

    A reply that a fault breaks on its way is used up; a fault that comes instead of a reply uses none.
    """

    def __init__(self, replies: Iterable[Scripted | str]) -> None:
        self._rest = iter(replies)

    def reply(self, body: JsonObject) -> Scripted | None:  # noqa: ARG002 - the Protocol's signature
        found = next(self._rest, None)
        return Scripted(content=found) if isinstance(found, str) else found
