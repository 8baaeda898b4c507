"""The unit that is planned, played, journalled and counted: one scripted conversation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Protocol

from claude_run.conversation.served import BY_NAME, ServedNames
from claude_run.scenario.json_values import EMPTY
from claude_run.scenario.model import NO_RESULTS, AssistantTurn, Text, TextBlock, UserTurn, turn_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from claude_run.conversation.exchange import Exchange
    from claude_run.conversation.identity import Identity
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.model import (
        CacheMode,
        Content,
        Expectation,
        Graders,
        Position,
        Save,
        ToolResults,
        Turn,
    )

JUDGE = "judge"
"""The kind of the expectations that a model decides."""

_DIGITS = 16


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
    tool_results: ToolResults = NO_RESULTS
    served: ServedNames = BY_NAME

    @property
    def id(self) -> str:
        return self.identity.id

    @property
    def model(self) -> str:
        return self.identity.model

    @property
    def expectations_digest(self) -> str:
        """What stands for all that is expected, as 16 hexadecimal digits: equal where the same is measured.

        It holds kinds and arguments as the scenario says them, who judges, and how tools answer; neither the
        order nor the places of expectations, nor what they are called, nor whether they `must` hold.
        """
        of_turns: dict[str, Json] = {
            str(turn_number(index)): _measured(turn.expect, self.judge)
            for index in generated_turns(self.turns)
            if isinstance(turn := self.turns[index], UserTurn) and turn.expect
        }
        told: dict[str, Json] = {"turns": of_turns, "conversation": _measured(self.expect, self.judge)}
        # Which turns are sent is a part of what is measured.
        conditions: dict[str, Json] = {
            str(turn_number(index)): _measured(turn.condition, None)
            for index, turn in enumerate(self.turns)
            if isinstance(turn, UserTurn) and turn.condition
        }
        if conditions:
            told["conditions"] = conditions
        if self.tool_results.by_tool:
            told["tool_results"] = _answered(self.tool_results)
        return hashlib.sha256(_canonical(told).encode()).hexdigest()[:_DIGITS]


class TextRenderer(Protocol):
    """Text work that the pure rooms leave to others, bound to one conversation's variables."""

    def render(self, text: Text, saved: Mapping[str, str]) -> str:
        """Fill a template once with the variables and `saved`."""

    def fill_json(self, value: Json) -> Json:
        """Fill in the texts inside of JSON with the variables; one that is an expression keeps its type."""

    def fits(
        self, condition: Sequence[Expectation], replies: Sequence[Exchange], saved: Mapping[str, str]
    ) -> bool:
        """Return whether all of a condition holds of a turn's replies, its rounds in order."""

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


def _measured(expectations: Iterable[Expectation], graders: Graders | None) -> Sequence[Json]:
    """Return what expectations measure, in an order of its own: all of them are evaluated in any case."""
    rows: list[Json] = []
    for expectation in expectations:
        row: dict[str, Json] = {"kind": expectation.kind, "value": expectation.value}
        if expectation.children:
            row["children"] = _measured(expectation.children, graders)
        if expectation.kind == JUDGE and graders is not None:
            # The scenario's judges are not asked where an expectation names its own.
            named = isinstance(expectation.value, Mapping) and "by" in expectation.value
            row["judge"] = {"models": () if named else graders.models, "params": dict(graders.params)}
        rows.append(row)
    return sorted(rows, key=_canonical)


def _answered(results: ToolResults) -> Json:
    """Return how tools answer, as the scenario says it."""
    return {
        name: [
            {
                "when": dict(each.when),
                "content": None if each.content is None else _written(each.content),
                "json": each.json,
                "is_error": each.is_error,
                "times": each.times,
            }
            for each in found
        ]
        for name, found in results.by_tool.items()
    }


def _written(content: Content) -> Json:
    if isinstance(content, Text):
        return content.source
    return [
        {"text": block.text.source, **block.extra} if isinstance(block, TextBlock) else block.value
        for block in content
    ]


def _canonical(value: Json) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
