"""Runs built by hand for the tests of report: small builders, and one rich run with a bit of everything."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_run.conversation.content import file_digest
from claude_run.conversation.events import Started
from claude_run.conversation.exchange import Exchange, Reply
from claude_run.conversation.identity import PARTS, Identity
from claude_run.conversation.results import CheckResult, Outcome, Status
from claude_run.conversation.transcript import Transcript, TurnRecord
from claude_run.errors import ExitCode
from claude_run.record.derive import Played
from claude_run.record.gated import Gate, GatedCase, GatedModel, Score
from claude_run.record.journal import Extent
from claude_run.record.records import Record
from claude_run.record.run import Run
from claude_run.record.summary import Ending, summarize
from claude_run.report.run.facts import RunFacts
from claude_run.scenario.model import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from claude_run.scenario.json_values import Json

HAIKU = "claude-haiku-5-5"
MYSTERY = "mystery-9"
AT = "2026-11-23T07:00:00Z"
HOSTILE = "\x1b[31mred\u202e @team #123 ![x](https://evil.example/b.png) <script>\n::error::x\n```\n# no"


class Tty(io.StringIO):
    """A stream that says that a person looks at it."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a run has cost so far."""

    cap_usd: Decimal | None = None
    paid_usd: Decimal = Decimal(0)
    spent_usd: Decimal = Decimal(0)


def check(
    status: str = "passed", message: str = "the reply contains '30 days'", **fields: Any
) -> CheckResult:
    """Build a check result on line 12 of the refund scenario."""
    position = Position(path=fields.pop("path", "scenarios/refund.yaml"), line=12, column=9)
    kind = fields.pop("kind", "contains")
    return CheckResult(kind=kind, status=Status(status), message=message, position=position, **fields)


def exchange(text: str = "You can return it within 30 days.", **fields: Any) -> Exchange:
    """Build an answered request; `content`, `stop_reason`, `model` and why it missed go into the reply."""
    body: dict[str, Json] = {
        "type": "message",
        "role": "assistant",
        "id": "msg_1",
        "model": fields.pop("model", HAIKU),
        "content": fields.pop("content", [{"type": "text", "text": text}]),
        "stop_reason": fields.pop("stop_reason", "end_turn"),
        "usage": {
            "input_tokens": 204,
            "output_tokens": 31,
            "cache_read_input_tokens": 1000,
            "cache_creation_input_tokens": 12,
        },
    }
    if "missed" in fields:
        body["diagnostics"] = {"cache_miss_reason": {"type": fields.pop("missed")}}
    defaults: dict[str, Any] = {
        "turn": 0,
        "key": "k",
        "sent": (),
        "request_id": "req_1",
        "latency_s": 0.84,
        "cost_usd": Decimal("0.00084"),
    }
    return Exchange(reply=Reply.from_body(body), **{**defaults, **fields})


def turn(number: int, content: Json = "I want my money back.", **fields: Any) -> TurnRecord:
    """Build a user turn that was sent; `exchanges` and `checks` as they are given."""
    defaults: dict[str, Any] = {"role": "user", "sent": True}
    return TurnRecord(index=number - 1, content=content, **{**defaults, **fields})


def unsent(number: int, role: str = "user") -> TurnRecord:
    """Build a turn that was never sent."""
    return TurnRecord(index=number - 1, role=role, content=None, sent=False)


def transcript(*turns: TurnRecord, **fields: Any) -> Transcript:
    """Build a passed transcript; fields of `Started` and of `Transcript` are told apart by their names."""
    identity: dict[str, Any] = {
        "scenario": "refund",
        "path": "scenarios/refund.yaml",
        "case": "phone",
        "model": HAIKU,
        "model_label": HAIKU,
    }
    identity.update({name: fields.pop(name) for name in PARTS if name in fields})
    who = Identity.of(**identity)
    who = replace(who, id=fields.pop("conversation_id", f"refund/phone/{HAIKU}"))
    started: dict[str, Any] = {
        "identity": who,
        "vars": {},
        "tags": (),
        "system": None,
        "params": {},
        "roles": tuple(record.role for record in turns),
        "files": None,
        "at": AT,
    }
    started.update({name: fields.pop(name) for name in tuple(fields) if name in started})
    defaults: dict[str, Any] = {"outcome": Outcome.PASSED, "duration_s": 1.2}
    return Transcript(started=Started(**started), turns=turns, **{**defaults, **fields})


def record(played: Transcript) -> Record:
    """Build the record of a transcript, planned as it was started."""
    return Record.of(played.started.identity, played)


def never_started(name: str) -> Record:
    """Build the record of a conversation that was planned and never started."""
    planned = replace(record(transcript()).planned, id=name, case="never")
    return Record.of(planned, None)


def play(
    records: Sequence[Record], *, ending: Ending | None = None, pass_rate: float = 1.0, **fields: Any
) -> Played:
    """Build a played run of the records, summed up by the real code."""
    defaults: dict[str, Any] = {"name": "refund", "simulated": False}
    run = Run(
        claude_run="0.1.0",
        created_at=AT,
        paths=("scenarios/",),
        options={},
        files={},
        pass_rates={"refund": pass_rate},
        prices="genai-prices 0.2.3",
        conversations=tuple(row.planned for row in records),
        **{**defaults, **fields},
    )
    ending = ending or Ending(at=AT, duration_s=65.2)
    return Played(
        summary=summarize(run, records, ending),
        records=tuple(records),
        ending=ending,
        journal=Extent(lines=0, sha256=None),
    )


def gated(code: ExitCode = ExitCode.FAILED, **fields: Any) -> Gate:
    """Build what a gate found of the one case that `failed` plays; `fields` are those of the case."""
    case: dict[str, Any] = {
        "name": f"refund/sofa/{HAIKU}",
        "scenario": "refund",
        "model": HAIKU,
        "standing": "broke",
        "accepted": Score(passed=3, measured=3),
        "now": Score(passed=0, measured=1),
        "fresh": Score(passed=0, measured=5),
        "needed": 5,
        "before": ("You have 30 days.",),
    }
    found = GatedCase(**{**case, **fields})
    verdict = {"broke": "regressed", "unclear": "unclear"}.get(found.standing, "no regression found")
    said = {"broke": "broke", "unclear": "failed that passed before, perhaps by chance"}
    said["edited"] = "failed, edited since they were accepted"
    words = said.get(found.standing)
    model = GatedModel(
        model=found.model,
        cases=1,
        p_value=0.25,
        p_adjusted=0.25,
        p_better=1.0,
        level=0.04,
        rejected=False,
        spread=False,
        failing=1,
    )
    return Gate(
        code=code,
        verdict=verdict,
        reason=f"1 of 1 case {words}: {found.name}" if words else verdict,
        against="refund.baseline.json",
        most_fresh=10,
        models=(model,),
        cases=(found,),
    )


def as_text(make: Callable[..., Iterable[bytes]], played: Played, **facts: Any) -> str:
    """Return a run as a format shows it, told from the facts that the real code computes."""
    return b"".join(make(played, RunFacts.of(played, **facts))).decode()


def passed(**fields: Any) -> Transcript:
    """Build a conversation that passed: system prompt, scripted history, an image, a tool call, thinking."""
    image = {"type": "base64", "media_type": "image/png", "data": "aGVsbG8gd29ybGQ="}
    blocks: list[Json] = [{"type": "text", "text": "See the photo."}, {"type": "image", "source": image}]
    reply: list[Json] = [
        {"type": "thinking", "thinking": "", "signature": "c2ln" * 100},
        {"type": "text", "text": "It is damaged.\nI look the order up."},
        {"type": "tool_use", "id": "toolu_1", "name": "get_order", "input": {"id": "A-1"}},
    ]
    return transcript(
        turn(1, "Hello."),
        turn(2, "Hello, how can I help?", role="assistant"),
        turn(3, exchanges=(exchange(),), checks=(check(),)),
        turn(4, blocks, exchanges=(exchange(content=reply, stop_reason="tool_use", request_id="req_2"),)),
        **{
            "system": [{"type": "text", "text": "You are a support agent.", "cache_control": {"type": "x"}}],
            "params": {"max_tokens": 1024},
            "vars": {"item": "a phone", "days": 30},
            "tags": ("support", "smoke"),
            "checks": (check(kind="max_cost_usd", message="cost $0.0017, at most $0.0100"),),
            **fields,
        },
    )


def failed(**fields: Any) -> Transcript:
    """Build a conversation with a failed check on a turn, a failed group, and one that was not measured."""
    child = check("failed", "the reply does not contain 'refund'", expected="refund", actual="No.")
    checks = (
        check("failed", "the reply does not contain '30 days'", expected="30 days", actual="No.\nNever."),
        check("failed", "none of 2 passed", kind="any_of", label="promises", children=(child, child)),
        check("passed", "fine", kind="not", children=(child,)),
    )
    cost = check("errored", "the cost is unknown", kind="max_cost_usd", expected=0.01)
    return transcript(
        turn(1, exchanges=(exchange("No.\nNever."),), checks=checks),
        **{
            "conversation_id": f"refund/sofa/{HAIKU}",
            "case": "sofa",
            "outcome": Outcome.FAILED,
            "checks": (cost,),
            "warnings": ("turn 1 was cut off at max_tokens",),
            **fields,
        },
    )


def errored() -> Transcript:
    """Build a conversation whose second turn brought no reply."""
    return transcript(
        turn(1, exchanges=(exchange(attempts=3),)),
        turn(2, "Still there?"),
        unsent(3),
        conversation_id=f"refund/train/{HAIKU}",
        case="train",
        outcome=Outcome.ERRORED,
        error="529 overloaded_error: the API is overloaded\nafter 5 attempts; try again later",
        error_turn=1,
        uncertain_usd=Decimal("0.0123"),
    )


def refused() -> Transcript:
    """Build a conversation that the model refused at its first turn, with later turns left unsent."""
    return transcript(
        turn(1, exchanges=(exchange(content=[], stop_reason="refusal"),)),
        unsent(2, "system"),
        unsent(3),
        conversation_id=f"refund/weapon/{HAIKU}",
        case="weapon",
        outcome=Outcome.ERRORED,
        error="the model refused to answer (category: cyber)",
        error_turn=0,
    )


def unpriced() -> Transcript:
    """Build a conversation of a model without a price, in two exchanges for one turn."""
    pair = (
        exchange("Let me search.", model=MYSTERY, stop_reason="pause_turn", cost_usd=None),
        exchange("Found it.", model=MYSTERY, cost_usd=None, request_id=None),
    )
    return transcript(
        turn(1, exchanges=pair, checks=(check(),)),
        turn(2, "Be brief.", role="system"),
        conversation_id=f"refund/phone/{MYSTERY}",
        model=MYSTERY,
        model_label=MYSTERY,
    )


def hostile(text: str = HOSTILE) -> Transcript:
    """Build a failed conversation in which the text stands wherever others can write."""
    bad = check("failed", text, label=text, expected=text, actual={text: text}, path=text)
    blocks: list[Json] = [{"type": "text", "text": text}, {"type": "x", "y": text}]
    blocks.append({"type": "thinking", "thinking": text})
    blocks += _blocks_of_tools(text)
    source: Json = {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}
    photo: dict[str, Json] = {"type": "image", "source": source}
    blocks.append(photo)
    reply = exchange(
        text, content=blocks, stop_reason=text, model=text, missed=text, request_id=text, cost_usd=None
    )
    return transcript(
        turn(1, text, exchanges=(reply,), checks=(bad,)),
        turn(2, blocks, role="system"),
        conversation_id=text,
        path=text,
        case=text,
        model=text,
        model_label=text,
        vars={text: text},
        tags=(text,),
        system=text,
        params={text: text},
        files={str(file_digest(photo)): text},
        at=text,
        outcome=Outcome.FAILED,
        error=text,
        warnings=(text,),
        checks=(bad,),
    )


def _blocks_of_tools(text: str) -> list[Json]:
    """Build what the API's own tools, cited texts and files are said with, the text wherever it may stand."""
    cited: Json = {"type": "web_search_result_location", "cited_text": text, "title": text, "url": text}
    ran: Json = {
        "type": "code_execution_result",
        "stdout": text,
        "stderr": text,
        "return_code": 0,
        "content": [],
    }
    found: Json = [{"type": "web_search_result", "title": text, "url": text, "encrypted_content": text}]
    failed: Json = {"type": "web_search_tool_result_error", "error_code": text}
    said: Json = [{"type": "text", "text": text}]
    return [
        {"type": "server_tool_use", "id": "1", "name": text, "input": {text: text}},
        {"type": "web_search_tool_result", "tool_use_id": "1", "content": found},
        {"type": "web_search_tool_result", "tool_use_id": "1", "content": failed},
        {"type": "code_execution_tool_result", "tool_use_id": "1", "content": ran},
        {"type": "mcp_tool_result", "tool_use_id": "1", "is_error": True, "content": said},
        {"type": "text", "text": text, "citations": [cited]},
        {"type": "search_result", "title": text, "source": text, "content": said},
        {"type": "document", "title": text, "source": {"type": "url", "url": text}},
    ]


def repeats() -> list[Record]:
    """Build three repeats of one case, one of which passed."""
    return [
        record(
            (passed if number == 1 else failed)(
                conversation_id=f"refund/desk/{HAIKU}/{number}", case="desk", repeat=number
            )
        )
        for number in (1, 2, 3)
    ]


def rich_run() -> Played:
    """Build a run with a bit of everything."""
    transcripts = [passed(), failed(), errored(), refused(), unpriced(), hostile()]
    rows = [*map(record, transcripts), *repeats(), never_started(f"refund/late/{HAIKU}")]
    return play(rows, pass_rate=0.66)


def green_run() -> Played:
    """Build a run in which everything passed, simulated from first to last."""
    simulated = passed()
    turns = tuple(
        replace(row, exchanges=tuple(replace(item, simulated=True) for item in row.exchanges))
        for row in simulated.turns
    )
    return play([record(replace(simulated, turns=turns))], name="green", simulated=True)
