"""The Markdown files of a run, `transcripts.md` and `summary.md`, from the templates of this room.

Every value that a template prints must come out of an escaping filter; printing any other is an error, so
that no untrusted text can reach a file unescaped.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from claude_run.conversation.results import Outcome, Status
from claude_run.report.run import reasons
from claude_run.report.run.facts import RunFacts, rate_sentence, usage_sentence
from claude_run.report.run.gate import gate_report
from claude_run.report.text import blocks, numbers, safe
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jinja2 import Environment

    from claude_run.conversation.results import CheckResult
    from claude_run.record.derive import Played
    from claude_run.record.records import Record
    from claude_run.report.run.gate import ShownCase

SHOWN = 20
"""How many conversations or cases `summary.md` lists before it points to the rest."""

MARKS = {
    Outcome.PASSED: "✓ PASSED",
    Outcome.FAILED: "✗ FAILED",
    Outcome.ERRORED: "! ERRORED",
    Outcome.SKIPPED: "○ SKIPPED",
}
"""The outcome of a conversation as Markdown that a reader of a page searches for."""

_SENTENCE = 1_000
_FACT = 1_000
_MORE = "1,000,000 more cases: see `transcripts.md`\n\n\n\n"
_TICKS = {Status.PASSED: "✓", Status.FAILED: "✗", Status.ERRORED: "!"}


def transcripts_markdown(played: Played, facts: RunFacts) -> Iterator[bytes]:
    """Yield the content of `transcripts.md`, in UTF-8, piece by piece: one section per conversation."""
    template = _environment().get_template("transcripts.md.j2")
    yield template.render(played=played, facts=facts).encode()
    reason = played.summary.exit_reason
    yield from played.pieces("transcripts.md", lambda record: conversation_markdown(record, reason))


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
    wrong = [record for record in played.records if record.outcome in listed]
    wrong.sort(key=lambda record: record.outcome is Outcome.FAILED)
    template = _environment().get_template("summary.md.j2")
    yield template.render(played=played, facts=facts, wrong=wrong, shown=SHOWN).encode()


def gate_markdown(played: Played, limit: int | None = None) -> str:
    """Return what holding the run against its baseline came to, as Markdown; nothing where it was not.

    Of the cases that are shown with their replies as many are there as fit into `limit` bytes of UTF-8.
    """
    report = gate_report(played)
    if report is None:
        return ""
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
    shown: list[str] = []
    for case in report.cases:
        text = _gated_case(case)
        if left is not None and (left := left - len(text.encode()) - 2) < 0:
            break
        shown.append(text)
    if more := report.more + len(report.cases) - len(shown):
        shown.append(f"{count(more, 'more case')}: see `transcripts.md`")
    return "\n\n".join([*top, *shown, *bottom]) + "\n\n"


def _gated_case(case: ShownCase) -> str:
    lines = [f"### {safe.md_code(blocks.truncate(case.name))}", safe.md_inline(case.history)]
    for fact in case.facts:
        text = safe.fence(blocks.truncate(fact.text, _FACT))
        lines.append(f"**{safe.md_inline(fact.title)}**\n\n{text}")
    return "\n\n".join(lines)


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
        "text_fence": safe.fence,
        "json_fence": lambda value: safe.fence(value, "json"),
        "usd": numbers.usd,
        "tokens": numbers.tokens,
        "used": numbers.used,
        "seconds": numbers.seconds,
        "count": count,
        "gate": gate_markdown,
        "indent": lambda depth: "  " * depth,
        "passed": _passed,
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
        "check_rows": reasons.check_rows,
        "turn_state": reasons.turn_state,
        "request_ids": lambda transcript: [
            exchange.request_id for exchange in transcript.exchanges if exchange.request_id is not None
        ],
    }
    return safe.escaping_environment(filters, helpers)


def _passed(checks: tuple[CheckResult, ...]) -> str:
    """Return how many of the checks passed: `2/3`; a dash where there are none."""
    passed = sum(check.status is Status.PASSED for check in checks)
    return f"{passed}/{len(checks)}" if checks else numbers.ABSENT
