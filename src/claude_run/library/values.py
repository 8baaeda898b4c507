"""What the calls return: small values whose long parts are read when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypedDict, get_args, get_type_hints

from claude_run.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from claude_run.conversation.identity import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedScenario:
    """A scenario file that is sound. `models` are those that it names, `cases` and `turns` are counts."""

    name: str
    path: str
    description: str
    tags: tuple[str, ...]
    models: tuple[str, ...]
    cases: int
    turns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The scenarios that were read, and what was noticed in them, a line each."""

    scenarios: tuple[LoadedScenario, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedConversation:
    """A conversation that would be played: its `identity`, the scenario's tags, and the line it stands at.

    `pass_rate` is the share of the repeats of its case that must pass.
    """

    identity: Identity
    tags: tuple[str, ...]
    line: int
    pass_rate: float = 1.0

    @property
    def id(self) -> str:
        """The name that `run` takes in `ids`, and every file of a run has."""
        return self.identity.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What `run` would play with the same options, in order."""

    conversations: Sequence[PlannedConversation]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that was played or read: its folder holds the same files as one of the command line.

    `summary` is the content of `summary.json` but for `made_of`. Each of `conversations` is the object of a
    line of `transcripts.jsonl`, read from the journal when it is asked for. `tolerated` says of failed
    conversations, by id, why they do not fail the run, and `notices` which replies are not real. `warnings`
    is what the command line would have said while it was played, a line each.
    """

    folder: Path
    run_id: str
    summary: Mapping[str, Any]
    conversations: Sequence[Mapping[str, Any]]
    tolerated: Mapping[str, str]
    notices: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """What the command line would have ended with."""
        return ExitCode(self.summary["exit_code"])

    @property
    def passed(self) -> bool:
        """Whether that says that all is well; never of a run that played nothing, such as an empty shard."""
        return self.exit_code is ExitCode.PASSED and len(self.conversations) > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A comparison: `document` is what `claude-run compare --json` prints, `exit_code` what it ends with."""

    exit_code: ExitCode
    document: Mapping[str, Any]

    @property
    def verdict(self) -> str | None:
        """The gravest verdict of all candidates; None where there is none."""
        found: str | None = self.document["verdict"]
        return found


class _Of(TypedDict):
    run_id: Annotated[str, "The run, as in `run.json`."]


class _OfConversation(_Of):
    conversation_id: Annotated[str, "`scenario/case/variant/model/repeat`, parts that are not used left out."]


class _Used(TypedDict):
    input_tokens: Annotated[int | None, "What lies behind the last cache breakpoint only."]
    output_tokens: Annotated[int | None, "All that was billed as output, thinking included."]
    cache_creation_input_tokens: Annotated[int | None, "Written to the prompt cache."]
    cache_read_input_tokens: Annotated[int | None, "Read from the prompt cache."]
    cost_usd: Annotated[float | None, "What the replies cost; None where one is unpriced."]


class RunRow(_Of, _Used):
    """A run."""

    folder: Annotated[str, "Its folder."]
    name: Annotated[str, "The scenario's name, or how many there are."]
    claude_run: Annotated[str, "The version that played it."]
    started_at: Annotated[str, "ISO 8601, UTC."]
    ended_at: Annotated[str | None, "ISO 8601, UTC; None for a run that was cut off."]
    duration_s: Annotated[float | None, "From the start to the end."]
    exit_code: Annotated[int, "What the process ended with."]
    exit_reason: Annotated[str, "The same in words."]
    gate: Annotated[str | None, "The verdict of the gate; None where there is none."]
    conversations: Annotated[int, "How many were planned."]
    passed: Annotated[int, "How many of them passed."]
    failed: Annotated[int, "How many failed a check."]
    errored: Annotated[int, "How many could not be measured."]
    skipped: Annotated[int, "How many were not started, or cut off."]
    replies: Annotated[int, "How many requests were answered."]
    uncertain_cost_usd: Annotated[float, "The most that attempts without a reply may have cost on top."]
    judge_cost_usd: Annotated[float | None, "What the judges' answers cost, on top."]
    simulated: Annotated[bool, "Whether a reply was made up by the simulator."]
    replayed: Annotated[bool, "Whether a reply was taken from a recording."]


class ConversationRow(_OfConversation, _Used):
    """A planned conversation."""

    scenario: Annotated[str, "The scenario's name."]
    path: Annotated[str, "The scenario's file."]
    case: Annotated[str | None, "The case's id."]
    variant: Annotated[str | None, "The variant's id."]
    model: Annotated[str, "The model that was asked for."]
    model_label: Annotated[str, "The model's name in ids and tables."]
    repeat: Annotated[int | None, "Which of the repeats, from 1; None where each is played once."]
    confirm: Annotated[int | None, "Which of the fresh attempts of a gate, from 1; None for others."]
    tags: Annotated[str | None, "The scenario's tags: JSON, a list of texts."]
    vars: Annotated[str | None, "The variables: JSON, an object."]
    params: Annotated[str | None, "The request parameters: JSON, an object."]
    outcome: Annotated[str, "`passed`, `failed`, `errored` or `skipped`."]
    error: Annotated[str | None, "Why it was errored or cut off, in words."]
    error_turn: Annotated[int | None, "The turn that the error belongs to, from 1."]
    replies: Annotated[int, "How many of its turns were answered."]
    latency_s: Annotated[float | None, "The sum of its turns' latencies; None where none was answered."]
    uncertain_cost_usd: Annotated[float | None, "The most that attempts without a reply may have cost."]
    judge_cost_usd: Annotated[float | None, "What the judges' answers cost; None where none was asked."]
    started_at: Annotated[str | None, "ISO 8601, UTC."]
    duration_s: Annotated[float | None, "From the start to the end, waiting included."]
    simulated: Annotated[bool | None, "Whether a reply was made up by the simulator."]
    replayed: Annotated[bool | None, "Whether a reply was taken from a recording."]


class TurnRow(_OfConversation, _Used):
    """A turn of a script, sent or not."""

    turn: Annotated[int, "Its place in the script, from 1."]
    role: Annotated[str, "`user`, `assistant` (scripted history) or `system`."]
    content: Annotated[str | None, "As sent: text, or the list of blocks as JSON; None if never sent."]
    skipped: Annotated[bool, "Whether it was never sent, because the conversation ended before it."]
    left_out: Annotated[bool, "Whether it was not sent because of its `if`."]
    reply: Annotated[str | None, "The text of the answer; None where there is none."]
    stop_reason: Annotated[str | None, "As the API says it."]
    reply_model: Annotated[str | None, "The model that answered."]
    request_id: Annotated[str | None, "The `request-id` header, for questions to the vendor."]
    received_at: Annotated[str | None, "ISO 8601, UTC."]
    latency_s: Annotated[float | None, "Seconds from sending to the whole reply."]
    attempts: Annotated[int | None, "How often requests of this turn were sent."]


class CheckRow(_OfConversation):
    """An expectation and what was found. Those inside `not`, `any_of` and `all_of` have rows of their own."""

    check: Annotated[int, "Its number within the conversation, from 1, in the order of the transcript."]
    parent: Annotated[int | None, "The number of the check that it stands in; None for none."]
    turn: Annotated[int | None, "The turn that it judges; None for the conversation as a whole."]
    kind: Annotated[str, "The expectation, such as `contains`."]
    label: Annotated[str | None, "The label that the scenario gives it."]
    status: Annotated[str, "`passed`, `failed`, or `errored` where nobody can tell."]
    must: Annotated[bool, "Whether the scenario says that it must hold."]
    message: Annotated[str, "What was expected and what was found."]
    expected: Annotated[str | None, "JSON, short, for a person to compare; None where there is nothing."]
    actual: Annotated[str | None, "The same of what was found."]
    path: Annotated[str, "The file that it stands in."]
    line: Annotated[int, "Its line, from 1."]
    column: Annotated[int, "Its column, from 1."]


ROWS: Mapping[str, type] = {
    "runs": RunRow,
    "conversations": ConversationRow,
    "turns": TurnRow,
    "checks": CheckRow,
}
"""What a row of each table is, by the name of the table."""


def columns_of(row: type) -> dict[str, type]:
    """Return the columns of a table in order, each with the type that it has where it is not None."""
    hints = get_type_hints(row)
    return {name: (get_args(hint) or (hint,))[0] for name, hint in hints.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Runs as four tables of flat rows, for data frames: each value is a text, a number, a boolean or None.

    Every row of a table has the same keys in the same order. `columns` tells the type of each, by table:
    it is the same in every run, also where a column holds nothing but None. `run_id` and `conversation_id`
    join them.
    """

    runs: list[RunRow]
    conversations: list[ConversationRow]
    turns: list[TurnRow]
    checks: list[CheckRow]
    columns: ClassVar[Mapping[str, Mapping[str, type]]]


Tables.columns = {name: columns_of(row) for name, row in ROWS.items()}
