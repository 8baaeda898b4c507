"""One played conversation in the numbers and texts that a comparison needs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from sys import intern
from typing import TYPE_CHECKING, Protocol

from claude_run.conversation.content import spoken
from claude_run.conversation.results import Outcome, Status
from claude_run.scenario.json_values import EMPTY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from decimal import Decimal

    from claude_run.conversation.identity import Identity
    from claude_run.conversation.results import CheckResult
    from claude_run.conversation.transcript import Transcript
    from claude_run.scenario.json_values import Json, JsonObject


_MOST_ASKED = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a conversation was played with, whatever was answered: what two sides should have in common.

    `system` and `opening` are digests: of the system prompt, and of the roles of all turns with what was said
    before the first reply. What follows may hold parts of replies.
    """

    params: JsonObject
    system: str
    opening: str

    @classmethod
    def of(cls, params: JsonObject, system: Json, turns: Iterable[tuple[str, Json, bool]]) -> Setup:
        """Return the setup of a conversation; a turn is its role, its content, and if it was answered."""
        listed = list(turns)
        first = next((place for place, (*_, answered) in enumerate(listed) if answered), len(listed))
        said: list[Json] = [content for _, content, _ in listed[: first + 1]]
        roles: list[Json] = [role for role, *_ in listed]
        # Of a hundred thousand samples most have the same: then it is the same object.
        text = json.dumps(dict(params), sort_keys=True)
        return cls(params=_params(text), system=intern(_digest(system)), opening=_digest([roles, said]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One repeat of one case, variant and model.

    `passed` is None where it could not be measured. `cost_usd` is in US dollars, `latency_s` in seconds over
    all replies. Cost and tokens are None where they are unknown. `replies` are the texts of the generated
    turns, empty where one was left out, and `asked` what was said before each, at most 1,000 characters;
    none where that is not known, as in a baseline. `failures` are what the failed checks said. `expectations`
    is the digest of what it was held against, None where it is not known; `models` are those that answered,
    each once. `setup` is None where it is not known, as in a baseline.
    """

    identity: Identity
    passed: bool | None
    cost_usd: Decimal | None
    latency_s: float | None
    input_tokens: int | None
    output_tokens: int | None
    output_chars: int
    replies: Sequence[str]
    asked: Sequence[str] = ()
    failures: Sequence[str] = ()
    vars: JsonObject = EMPTY
    expectations: str | None = None
    models: tuple[str, ...] = ()
    setup: Setup | None = None

    @classmethod
    def of(cls, transcript: Transcript) -> Sample:
        """Take from a transcript what comparisons need."""
        usage = transcript.usage
        answered = [turn for turn in transcript.turns if turn.exchanges]
        return cls(
            identity=transcript.started.identity,
            passed=_passed(transcript.outcome),
            cost_usd=transcript.cost_usd,
            latency_s=sum(turn.latency_s for turn in answered) if answered else None,
            input_tokens=usage.input_total,
            output_tokens=usage.output_tokens,
            output_chars=sum(len(turn.text) for turn in answered),
            replies=tuple(turn.text for turn in transcript.reply_turns),
            asked=asked_at(turn.content for turn in transcript.reply_turns),
            failures=tuple(_failures(transcript)),
            vars=transcript.started.vars,
            expectations=transcript.started.expectations,
            models=tuple(dict.fromkeys(exchange.reply.model for exchange in transcript.exchanges)),
            setup=Setup.of(
                transcript.started.params,
                transcript.started.system,
                ((turn.role, turn.content, bool(turn.exchanges)) for turn in transcript.turns),
            ),
        )


@lru_cache(maxsize=256)
def _params(text: str) -> JsonObject:
    params: JsonObject = json.loads(text)
    return params


def asked_at(contents: Iterable[Json]) -> tuple[str, ...]:
    """Return what was asked at each turn that has a reply, of its content."""
    return tuple(spoken(content, most=_MOST_ASKED) for content in contents)


def _digest(value: Json) -> str:
    # Half of the usual length tells a hundred thousand of them apart as well.
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).hexdigest()


class Held(Protocol):
    """What was asked and held against what: a sample, or a case that was accepted."""

    @property
    def identity(self) -> Identity: ...
    @property
    def vars(self) -> JsonObject: ...
    @property
    def expectations(self) -> str | None: ...


def edited(before: Held, after: Held) -> tuple[str, ...]:
    """Return what of `expectations` and `variables` was edited in between, as far as that is known."""
    known = None not in {before.expectations, after.expectations}
    # A case without an id is found by its variables, by those that the scenario uses.
    named = None in {before.identity.case_digest, after.identity.case_digest}
    changes = {
        "expectations": known and before.expectations != after.expectations,
        "variables": named and dict(before.vars) != dict(after.vars),
    }
    return tuple(name for name, is_edited in changes.items() if is_edited)


def _passed(outcome: Outcome) -> bool | None:
    if outcome in {Outcome.PASSED, Outcome.FAILED}:
        return outcome is Outcome.PASSED
    return None


def _failures(transcript: Transcript) -> Iterator[str]:
    for turn in transcript.turns:
        yield from (f"turn {turn.number}: {message}" for message in _failed(turn.checks))
    yield from _failed(transcript.checks)


def _failed(checks: tuple[CheckResult, ...]) -> Iterator[str]:
    return (check.message for check in checks if check.status is Status.FAILED)
