"""The Markdown files of a run, `transcripts.md` and `summary.md`, from the templates of this room.

Every value that a template prints must come out of an escaping filter; printing any other is an error, so
that no untrusted text can reach a file unescaped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from claude_run.conversation.results import Outcome, Status
from claude_run.report.run import reasons
from claude_run.report.run.facts import RunFacts, rate_sentence, usage_sentence
from claude_run.report.run.gate import gate_report
from claude_run.report.text import blocks, numbers, safe
from claude_run.report.text.tables import without_zeros
from claude_run.text.strict_json import read_json
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from jinja2 import Environment

    from claude_run.conversation.results import CheckResult
    from claude_run.conversation.transcript import Transcript, TurnRecord
    from claude_run.record.derive import Played
    from claude_run.record.records import Record
    from claude_run.record.summary import Totals
    from claude_run.report.run.gate import ShownCase

SHOWN = 20
"""How many conversations or cases `summary.md` lists before it points to the rest."""

IN_FULL = 10
"""How many of these conversations are shown with what was asked, expected and got."""

INDEXED = 200
"""How many conversations the index of `transcripts.md` names, those that went wrong first."""

MARKS = {
    Outcome.PASSED: "✓ PASSED",
    Outcome.FAILED: "✗ FAILED",
    Outcome.ERRORED: "! ERRORED",
    Outcome.SKIPPED: "○ SKIPPED",
}
"""The outcome of a conversation as Markdown that a reader of a page searches for."""

_SENTENCE = 1_000
_MORE = "1,000,000 more cases: see `transcripts.md`\n\n\n\n"
_QUESTION, _QUESTION_LINES = 400, 6
_REPLY, _REPLY_LINES = 800, 12
_TURNS = 3
_MOST_PRETTY = 8_000
_MOST_LONGER = 4  # times: a list of digits, a line each, is longer by less
_JSON_BEGINS = ("{", "[")
_TOKENS = ("uncached in", "cache read", "cache write", "out")
_ORDER = (Outcome.ERRORED, Outcome.FAILED, Outcome.SKIPPED, Outcome.PASSED)
_TICKS = {Status.PASSED: "✓", Status.FAILED: "✗", Status.ERRORED: "!"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """Turns of a conversation, each as its number, what was asked and what came; `more` are not shown."""

    turns: tuple[tuple[int, str, str], ...]
    more: int


def transcripts_markdown(played: Played, facts: RunFacts) -> Iterator[bytes]:
    """Yield the content of `transcripts.md`, in UTF-8, piece by piece: one section per conversation.

    Before them stands an index of the first ones, with what went wrong, and a link to each.
    """
    # Those that went wrong first, each under its number in the plan.
    ranks = [_ORDER.index(record.outcome) for record in played.records]
    places = sorted(range(len(ranks)), key=ranks.__getitem__)
    index = [(place + 1, played.records[place]) for place in places[:INDEXED]]
    template = _environment().get_template("transcripts.md.j2")
    left = len(places) - len(index)
    yield template.render(played=played, facts=facts, index=index, left=left).encode()

    # What a link leads to is a number of ours: GitHub makes its own anchors of headings, which others wrote.
    reason = played.summary.exit_reason
    pieces = played.pieces("transcripts.md", lambda record: conversation_markdown(record, reason))
    for number, piece in enumerate(pieces, start=1):
        yield f'---\n\n<a id="c{number}"></a>\n\n'.encode()
        yield piece


def conversation_markdown(record: Record, exit_reason: str = "") -> bytes:
    """Return the section of a conversation; `exit_reason` says why it was never started, if it was not."""
    template = _environment().get_template("conversation.md.j2")
    text = template.render(record=record, transcript=record.transcript, exit_reason=exit_reason)
    return text.encode()


def get_ready() -> None:
    """Compile the template of a conversation."""
    _environment().get_template("conversation.md.j2")


def summary_markdown(played: Played, facts: RunFacts) -> Iterator[bytes]:
    """Yield the content of `summary.md`, in UTF-8.

    The verdict comes first, then numbers by model, then what went wrong.
    """
    # What failed a gated run is shown with its verdict, and what did not is no news.
    listed = {Outcome.ERRORED} if played.summary.gate is not None else {Outcome.FAILED, Outcome.ERRORED}
    wrong = [each for each in enumerate(played.records, start=1) if each[1].outcome in listed]
    wrong.sort(key=lambda each: each[1].outcome is Outcome.FAILED)
    template = _environment().get_template("summary.md.j2")
    yield template.render(played=played, facts=facts, wrong=wrong, shown=SHOWN, in_full=IN_FULL).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePart:
    """What a gate came to, as Markdown, and the names of the cases that it shows with their replies."""

    text: str = ""
    shown: frozenset[str] = frozenset()


def gate_part(played: Played, limit: int | None = None, *, linked: bool = False) -> GatePart:
    """Return what holding the run against its baseline came to; nothing where it was not.

    Of the cases that are shown with their replies as many are there as fit into `limit` bytes of UTF-8. Where
    it is `linked` each case that failed the run leads to its conversation in `transcripts.md`.
    """
    report = gate_report(played)
    if report is None:
        return GatePart()
    headline = blocks.truncate(report.headline, _SENTENCE)
    top = [f"## {safe.md_inline(f'{report.word}: {headline}')}"]
    if report.advice is not None:
        top.append(safe.md_inline(report.advice))
    bottom = []
    if report.lines:
        bottom.append("\n".join(f"- {safe.md_inline(line)}" for line in report.lines))
    numbers = "\n".join(f"- {safe.md_inline(line)}" for line in report.numbers)
    bottom.append(f"<details><summary>Numbers and tests</summary>\n\n{numbers}\n\n</details>")

    # The cases between them, up to the limit; the rest is counted.
    left = None if limit is None else limit - len("\n\n".join([*top, *bottom, _MORE]).encode())
    named = {case.conversation for case in report.cases} if linked else ()
    ids = (record.planned.id for record in played.records) if linked else ()
    numbers_of = {name: number for number, name in enumerate(ids, start=1) if name in named}
    shown: list[str] = []
    for case in report.cases:
        text = _gated_case(case, numbers_of.get(case.conversation or ""))
        if left is not None and (left := left - len(text.encode()) - 2) < 0:
            break
        shown.append(text)
    names = frozenset(case.name for case in report.cases[: len(shown)] if case.facts)
    if more := report.more + len(report.cases) - len(shown):
        shown.append(f"{count(more, 'more case')}: see `transcripts.md`")
    return GatePart(text="\n\n".join([*top, *shown, *bottom]) + "\n\n", shown=names)


def _gated_case(case: ShownCase, number: int | None) -> str:
    name = safe.md_code(blocks.truncate(case.name)) if number is None else _link(case.name, number)
    lines = [f"### {name}", safe.md_inline(case.history)]
    for fact in case.facts:
        asked = fact.title.startswith("asked")
        characters, most = (_QUESTION, _QUESTION_LINES) if asked else (_REPLY, _REPLY_LINES)
        text = said_in_short(fact.text, characters=characters, lines=most)
        lines.append(f"**{safe.md_inline(fact.title)}**\n\n{text}")
    return "\n\n".join(lines)


def said(text: str) -> str:
    """Return what somebody wrote as a quote; JSON that is all of it, on one line, is laid out to be read."""
    laid_out = _laid_out(text)
    return safe.md_quote(text) if laid_out is None else safe.md_quote(laid_out, "json")


def said_in_short(text: str, *, characters: int, lines: int) -> str:
    """Return the beginning of that: so many characters and lines, laid out where all of it fits."""
    laid_out = _laid_out(text) if len(text) <= characters else None
    if laid_out is not None and laid_out.count("\n") < lines:
        return safe.md_quote(laid_out, "json")
    return safe.md_quote(blocks.excerpt(text, characters=characters, lines=lines))


def _laid_out(text: str) -> str | None:
    """Return a text that is JSON as it can be read; None for any other text."""
    if not text.startswith(_JSON_BEGINS):
        return None
    try:
        # As it is written: a number that would look another way, or a key that is there twice, stays.
        value = read_json(text, unique_keys=True, as_written=True)
    except ValueError:
        return None
    if "\n" in text or len(text) > _MOST_PRETTY:
        return text
    # What is nested deep would be mostly indentation.
    pretty = json.dumps(value, ensure_ascii=False, indent=2)
    return pretty if len(pretty) <= _MOST_LONGER * len(text) else text


def question_and_reply(
    turn: TurnRecord, files: Mapping[str, str] | None = None, *, share: int = 1
) -> tuple[str, str]:
    """Return what was asked and what came at a turn, as quotes that are cut to a part of a screen.

    The part is one of `share` alike, for as many turns.
    """
    asked = blocks.one_text(turn.content, files)
    return (
        said_in_short(asked, characters=_QUESTION // share, lines=_QUESTION_LINES // share),
        said_in_short(turn.text or "(no text)", characters=_REPLY // share, lines=_REPLY_LINES // share),
    )


def talk_that_went_wrong(transcript: Transcript) -> Talk:
    """Return each turn at which it went wrong as far as they all fit on one screen, in their order."""
    turns = reasons.turns_that_went_wrong(transcript)
    shown = turns[:_TURNS]
    files = transcript.started.files
    return Talk(
        turns=tuple((turn.number, *question_and_reply(turn, files, share=len(shown))) for turn in shown),
        more=len(turns) - len(shown),
    )


@cache
def _environment() -> Environment:
    # Every filter makes text of a value that can do nothing in Markdown, because it is escaped or ours.
    filters: dict[str, Callable[..., str]] = {
        "inline": safe.md_inline,
        "cell": safe.md_cell,
        "code": safe.md_code,
        "code_cell": safe.md_code_cell,
        # Each once, in the order of their first appearance.
        "code_list": lambda values: ", ".join(map(safe.md_code, dict.fromkeys(values))) or numbers.ABSENT,
        "short": lambda value: safe.md_code(blocks.truncate(blocks.value_text(value))),
        "link": lambda name, number: _link(name, number, file=""),
        "link_from_outside": _link,
        "said": said,
        "asked": lambda turn: turn[1],
        "got": lambda turn: turn[2],
        "text_fence": safe.fence,
        "json_fence": lambda value: safe.fence(value, "json"),
        "usd": numbers.usd,
        "tokens": numbers.tokens,
        "used": numbers.used,
        "seconds": numbers.seconds,
        "count": count,
        "gate": lambda played: gate_part(played, linked=True).text,
        "turns": lambda turns: count(len(turns), "turn"),
        "indent": lambda depth: "  " * depth,
        "why": lambda reason: safe.md_inline(f"{reason.where}: {blocks.truncate(reason.message)}"),
        "turn_row": _turn_row,
        "model_table": _model_table,
        "fold": lambda part: f"{part.fold} ({len(part.body):,} characters)",
        "mark": MARKS.__getitem__,
        "tick": _TICKS.__getitem__,
    }
    # What templates call; a filter must make text of what these return.
    helpers: dict[str, Any] = {
        "usage_sentence": usage_sentence,
        "rate_sentence": rate_sentence,
        "content_parts": blocks.content_parts,
        "reasons": reasons.reasons,
        "foremost": reasons.foremost,
        "check_rows": reasons.check_rows,
        "turn_states": lambda turns: [reasons.turn_state(turns, turn) for turn in turns],
        "EXPECTED_STOPS": ("end_turn", "tool_use"),
        "expected_and_actual": reasons.expected_and_actual,
        "talk_that_went_wrong": talk_that_went_wrong,
        "request_ids": lambda transcript: [
            exchange.request_id for exchange in transcript.exchanges if exchange.request_id is not None
        ],
    }
    return safe.escaping_environment(filters, helpers)


def _link(name: str, number: int, *, file: str = "transcripts.md") -> str:
    return f"[{safe.md_code(blocks.truncate(name))}]({file}#c{number})"


def _model_table(by_model: Mapping[str, Totals]) -> str:
    """Return the table of the models, without columns that are zero for all of them."""
    rows = [
        [
            safe.md_code_cell(model),
            numbers.tokens(totals.conversations),
            *(numbers.tokens(number) for number in totals.outcomes.values()),
            numbers.used(totals.usage.input_tokens),
            numbers.tokens(totals.usage.cache_read_input_tokens),
            numbers.tokens(totals.usage.cache_creation_input_tokens),
            numbers.used(totals.usage.output_tokens),
            numbers.usd(totals.cost_usd),
        ]
        for model, totals in by_model.items()
    ]
    columns = ["model", "conversations", *Outcome, *_TOKENS, "cost"]
    head, *shown = without_zeros([columns, *rows], kept={"conversations", Outcome.PASSED, "cost"})
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *shown]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _turn_row(turn: TurnRecord, state: str) -> str:
    """Return the row of a turn in the table of its conversation, made in one go: it is on the hot path."""
    cells = [numbers.tokens(turn.number), safe.md_cell(turn.role)]
    reply = turn.reply
    if reply is None:
        cells += [f"*{state}*", *[""] * 7]
    else:
        usage = turn.usage
        cells += [
            safe.md_code_cell(reply.stop_reason),
            numbers.used(usage.input_tokens),
            numbers.tokens(usage.cache_read_input_tokens),
            numbers.tokens(usage.cache_creation_input_tokens),
            numbers.used(usage.output_tokens),
            numbers.seconds(turn.latency_s),
            numbers.usd(turn.cost_usd),
            numbers.tokens(turn.attempts),
        ]
    return f"| {' | '.join([*cells, _passed(turn.checks)])} |"


def _passed(checks: tuple[CheckResult, ...]) -> str:
    """Return how many of the checks passed: `2/3`; a dash where there are none."""
    passed = sum(check.status is Status.PASSED for check in checks)
    return f"{passed}/{len(checks)}" if checks else numbers.ABSENT
