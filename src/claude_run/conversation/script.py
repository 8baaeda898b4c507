"""The unit that is planned, played, journalled and counted: one scripted conversation."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Protocol

from claude_run.conversation.served import BY_NAME, ServedNames
from claude_run.scenario.model import EMPTY, AssistantTurn, UserTurn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from claude_run.conversation.identity import Identity
    from claude_run.scenario.model import (
        CacheMode,
        Content,
        Expectation,
        Graders,
        JsonObject,
        Position,
        Save,
        Text,
        Turn,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """scenario x case x variant x model x repeat, with everything that it needs to be played.

    `params` are all request parameters but `model`, `system` and `messages`; `served` says under which names
    its models may answer.
    """

    identity: Identity
    position: Position
    vars: JsonObject = EMPTY
    tags: tuple[str, ...] = ()
    system: Content | None = None
    params: JsonObject
    cache: CacheMode = "auto"
    turns: tuple[Turn, ...]
    expect: tuple[Expectation, ...] = ()
    judge: Graders | None = None
    served: ServedNames = BY_NAME

    @property
    def id(self) -> str:
        return self.identity.id

    @property
    def model(self) -> str:
        return self.identity.model


class TextRenderer(Protocol):
    """Text work that the pure rooms leave to others, bound to one conversation's variables."""

    def render(self, text: Text, saved: Mapping[str, str]) -> str:
        """Fill a template once with the variables and `saved`."""

    def extract(self, save: Save, text: str, saved: Mapping[str, str]) -> str | None:
        """Return what the pattern, filled in with the variables and `saved`, finds in the text, or None."""


def generated_turns(turns: Sequence[Turn]) -> tuple[int, ...]:
    """Return the indexes of the user turns that are sent and get a reply.

    A user turn followed by a scripted assistant turn is history; system turns in between do not matter.
    """
    spoken = [index for index, turn in enumerate(turns) if isinstance(turn, UserTurn | AssistantTurn)]
    return tuple(
        index
        for index, following in zip_longest(spoken, spoken[1:])
        if isinstance(turns[index], UserTurn)
        and (following is None or not isinstance(turns[following], AssistantTurn))
    )
