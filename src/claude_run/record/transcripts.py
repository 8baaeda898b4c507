"""Transcripts as JSON Lines, one planned conversation a line, and samples read back from such lines.

The schema is documented in docs/reference/transcripts.md; `SCHEMA_VERSION` grows when a field changes its
meaning or goes away, never for a new field.
"""

from __future__ import annotations

import marshal
from array import array
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from sys import intern
from typing import TYPE_CHECKING, Any, cast, overload

from claude_run.conversation.content import file_names
from claude_run.conversation.identity import Identity
from claude_run.conversation.lazy import LazySequence
from claude_run.conversation.results import Outcome, Status
from claude_run.conversation.sample import Sample, Setup, asked_at
from claude_run.conversation.usage import Usage
from claude_run.errors import StorageError
from claude_run.record.codec import check_to_json, money
from claude_run.record.disk import open_file
from claude_run.scenario.model import turn_number
from claude_run.text.strict_json import plain_json, read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from claude_run.conversation.exchange import Exchange
    from claude_run.conversation.transcript import Transcript, TurnRecord
    from claude_run.record.records import Record
    from claude_run.scenario.json_values import Json, JsonObject

SCHEMA_VERSION = 1


def line(record: Record) -> bytes:
    """Return the line of a conversation: ASCII JSON, numbers as numbers, null for what is absent."""
    return plain_json(to_json(record.planned, record.transcript)).encode() + b"\n"


def to_json(planned: Identity, transcript: Transcript | None) -> JsonObject:
    """Return the documented JSON object of a conversation."""
    return {
        "schema_version": SCHEMA_VERSION,
        "conversation_id": planned.id,
        **planned.parts(),
        "confirm": planned.confirm,
        **(_played(transcript) if transcript else _SKIPPED),
    }


class SavedLines:
    """The lines of a `transcripts.jsonl`: figures packed in memory, what was said left in the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Of a hundred thousand samples most have the same model and parameters: those stand there once.
        self._shared: dict[bytes, int] = {}
        self._kinds: list[Any] = []
        self._packed = bytearray()
        self._begins = array("Q")

    def samples(self, lines: Iterable[bytes]) -> Sequence[Sample]:
        """Return the samples of all lines, without those never started and fresh attempts.

        Each is made when it is asked for.
        """
        at = 0
        for raw in lines:
            line = read_json(raw)
            if line["confirm"] is None and line["outcome"] != Outcome.SKIPPED:
                self._begins.append(len(self._packed))
                self._packed += self._pack(sample_from_json(line, said=partial(_Said, self, at)), at)
            at += len(raw)
        return LazySequence(self._sample, self._begins)

    def line(self, at: int) -> Mapping[str, Any]:
        """Read a line again; StorageError where there is none any more."""
        try:
            with open_file(self._path) as file:
                file.seek(at)
                line: Mapping[str, Any] = read_json(file.readline())
        except (OSError, ValueError) as error:
            raise StorageError(
                f"{self._path} was changed while it was read;"
                f" `claude-run report {self._path.parent}` makes it anew"
            ) from error
        return line

    def _pack(self, sample: Sample, at: int) -> bytes:
        """Return a sample without what was said in its line, as bytes that this process can read again."""
        who, setup = sample.identity, cast("Setup", sample.setup)  # every line tells it
        kind: Any = (
            (who.scenario, who.path, who.variant, who.model, who.model_label),
            (sample.expectations, sample.models),
            (setup.params, setup.system),
        )
        number = self._shared.setdefault(marshal.dumps(kind, _WITHOUT_REFERENCES), len(self._kinds))
        if number == len(self._kinds):
            self._kinds.append(kind)
        own: Any = (
            number,
            at,
            (who.id, who.case, who.repeat, who.case_digest),
            sample.passed,
            None if sample.cost_usd is None else str(sample.cost_usd),
            (sample.latency_s, sample.input_tokens, sample.output_tokens, sample.output_chars),
            sample.vars,
            setup.opening,
        )
        return marshal.dumps(own, _WITHOUT_REFERENCES)

    def _sample(self, begin: int) -> Sample:
        with memoryview(self._packed) as packed, packed[begin:] as found:
            own = marshal.loads(found)  # noqa: S302 - we packed it
        number, at, who, passed, cost, counts, variables, opening = own
        (scenario, path, variant, model, label), (expectations, models), (params, system) = self._kinds[
            number
        ]
        name, case, repeat, digest = who
        latency_s, input_tokens, output_tokens, output_chars = counts
        return Sample(
            identity=Identity(
                id=name,
                scenario=scenario,
                path=path,
                case=case,
                variant=variant,
                model=model,
                model_label=label,
                repeat=repeat,
                case_digest=digest,
            ),
            passed=passed,
            cost_usd=None if cost is None else Decimal(cost),
            latency_s=latency_s,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            output_chars=output_chars,
            replies=_Said(self, at, _replies),
            asked=_Said(self, at, _asked),
            failures=() if passed else _Said(self, at, _failures),
            vars=variables,
            expectations=expectations,
            models=models,
            setup=Setup(params=params, system=system, opening=opening),
        )


_WITHOUT_REFERENCES = 2  # the version of `marshal` that writes what is the same always the same


class _Said(Sequence[str]):
    """Texts of a line, read when they are asked for."""

    __slots__ = ("_at", "_lines", "_of")

    def __init__(self, lines: SavedLines, at: int, of: Callable[[Mapping[str, Any]], Sequence[str]]) -> None:
        self._lines, self._at, self._of = lines, at, of

    def _texts(self) -> Sequence[str]:
        return self._of(self._lines.line(self._at))

    def __len__(self) -> int:
        return len(self._texts())

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[str]: ...
    def __getitem__(self, at: int | slice) -> str | Sequence[str]:
        return self._texts()[at]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts())

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))


def sample_from_json(
    line: Mapping[str, Any],
    *,
    said: Callable[[Callable[[Mapping[str, Any]], Sequence[str]]], Sequence[str]] | None = None,
) -> Sample:
    """Return the sample of a played conversation, as `Sample.of` takes it from its transcript.

    `said` holds what a function takes of the line, where that is not kept in memory.
    """
    # What was said and used; the counts of cached tokens may be null, and any other that is unknown.
    answered = [turn for turn in line["turns"] if turn["reply"] is not None]
    usage, outcome = Usage.from_api(line["usage"]), line["outcome"]
    replies, asked, failures = _replies(line), _asked(line), _failures(line)
    if said is not None:
        replies, asked, failures = said(_replies), said(_asked), said(_failures) if failures else ()
    return Sample(
        identity=Identity.from_parts(line, name=line["conversation_id"]),
        passed={Outcome.PASSED: True, Outcome.FAILED: False}.get(outcome),
        cost_usd=None if line["cost_usd"] is None else Decimal(str(line["cost_usd"])),
        latency_s=sum(turn["latency_s"] for turn in answered) if answered else None,
        input_tokens=usage.input_total,
        output_tokens=usage.output_tokens,
        output_chars=sum(len(turn["reply"]["text"]) for turn in answered),
        replies=replies,
        asked=asked,
        failures=failures,
        vars=line["vars"],
        expectations=_shared(line["expectations"]),
        models=tuple(dict.fromkeys(map(intern, _models(answered)))),
        setup=Setup.of(
            line["params"],
            line["system"],
            ((turn["role"], turn["content"], turn["reply"] is not None) for turn in line["turns"]),
        ),
    )


def _replies(line: Mapping[str, Any]) -> Sequence[str]:
    """Return the texts of the generated turns of a line."""
    turns = (turn for turn in line["turns"] if _has_reply(turn))
    return tuple(turn["reply"]["text"] if turn["reply"] else "" for turn in turns)


def _asked(line: Mapping[str, Any]) -> Sequence[str]:
    """Return what was asked at each of these turns."""
    return asked_at(turn["content"] for turn in line["turns"] if _has_reply(turn))


def _failures(line: Mapping[str, Any]) -> Sequence[str]:
    """Return what the failed checks of a line said, those on turns with the number of the turn."""
    checks = [(f"turn {turn['index']}: ", check) for turn in line["turns"] for check in turn["checks"]]
    checks += [("", check) for check in line["checks"]]
    return tuple(f"{place}{check['message']}" for place, check in checks if check["status"] == Status.FAILED)


def _shared(text: str | None) -> str | None:
    """Return a text that most samples of a run have, as one object."""
    return None if text is None else intern(text)


def _has_reply(turn: Mapping[str, Any]) -> bool:
    """Return whether a turn as it stands in a line is one of `Transcript.reply_turns`."""
    return turn["reply"] is not None or (turn.get("left_out", False) and turn["role"] == "user")


def _models(answered: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the model of each reply in turns as they stand in a line, which says one reply only once."""
    for turn in answered:
        yield from (each["reply"]["model"] for each in turn["exchanges"] or [turn])


def _played(transcript: Transcript) -> dict[str, Json]:
    started = transcript.started
    return {
        "vars": dict(started.vars),
        "tags": list(started.tags),
        "system": started.system,
        "params": dict(started.params),
        "expectations": started.expectations,
        "turns": [_turn(turn, started.files or {}) for turn in transcript.turns],
        "checks": [check_to_json(check) for check in transcript.checks],
        "outcome": str(transcript.outcome),
        "error": transcript.error,
        "error_turn": None if transcript.error_turn is None else turn_number(transcript.error_turn),
        "warnings": list(transcript.warnings),
        "usage": transcript.usage.to_json(),
        "cost_usd": money(transcript.cost_usd),
        "judge": _judge(transcript) if transcript.judge_exchanges else None,
        "set_aside": [_set_aside(exchange) for exchange in transcript.set_aside],
        "uncertain_cost_usd": money(transcript.uncertain_usd),
        "started_at": started.at,
        "duration_s": transcript.duration_s,
        "simulated": transcript.simulated,
        "replayed": transcript.replayed,
    }


_SKIPPED: dict[str, Json] = {
    "vars": None,
    "tags": None,
    "system": None,
    "params": None,
    "expectations": None,
    "turns": [],
    "checks": [],
    "outcome": str(Outcome.SKIPPED),
    "error": None,
    "error_turn": None,
    "warnings": [],
    "usage": None,
    "cost_usd": None,
    "judge": None,
    "set_aside": [],
    "uncertain_cost_usd": None,
    "started_at": None,
    "duration_s": None,
    "simulated": None,
    "replayed": None,
}


def _judge(transcript: Transcript) -> JsonObject:
    return {
        "usage": transcript.judge_usage.to_json(),
        "cost_usd": money(transcript.judge_cost_usd),
        "replies": [_exchange(exchange) for exchange in transcript.judge_exchanges],
    }


def _turn(turn: TurnRecord, files: Mapping[str, str]) -> JsonObject:
    answered = bool(turn.exchanges)
    names = list(file_names(turn.content, files))
    return {
        "index": turn.number,
        "role": turn.role,
        "content": turn.content,
        "files": names if any(names) else None,
        "skipped": not turn.sent and not turn.left_out,
        "left_out": turn.left_out,
        "reply": {**_message(turn.exchanges[-1]), "text": turn.text} if answered else None,
        "usage": turn.usage.to_json() if answered else None,
        "cost_usd": money(turn.cost_usd) if answered else None,
        "latency_s": turn.latency_s if answered else None,
        "attempts": turn.attempts if answered else None,
        "exchanges": [_exchange(exchange) for exchange in turn.exchanges]
        if len(turn.exchanges) > 1
        else None,
        "checks": [check_to_json(check) for check in turn.checks],
    }


def _set_aside(exchange: Exchange) -> JsonObject:
    return {"turn": turn_number(exchange.turn), **_exchange(exchange)}


def _exchange(exchange: Exchange) -> dict[str, Json]:
    return {
        "tool_results": exchange.tool_results,
        "reply": _message(exchange),
        "usage": exchange.reply.usage.to_json(),
        "cost_usd": money(exchange.cost_usd),
        "latency_s": exchange.latency_s,
        "attempts": exchange.attempts,
    }


def _message(exchange: Exchange) -> dict[str, Json]:
    reply = exchange.reply
    return {
        "text": reply.text,
        "content": reply.content,
        "stop_reason": reply.stop_reason,
        "stop_sequence": reply.body.get("stop_sequence"),
        "stop_details": reply.body.get("stop_details"),
        "model": reply.model,
        "id": reply.id,
        "request_id": exchange.request_id,
        "received_at": exchange.received_at,
        "simulated": exchange.simulated,
        "replayed": exchange.replayed,
    }
