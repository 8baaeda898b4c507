"""One conversation in a terminal, as a talk: what was asked, what came, checks at their turn, numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from claude_run.conversation.results import Status
from claude_run.report.run.facts import usage_sentence
from claude_run.report.run.progress import INDENT, outcome_word
from claude_run.report.run.reasons import check_rows, expected_and_actual, reasons, turn_state
from claude_run.report.text.blocks import content_parts, truncate
from claude_run.report.text.console import open_console, print_escaped, wrapped
from claude_run.report.text.numbers import seconds, tokens, usd, used
from claude_run.report.text.safe import safe_line, safe_terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rich.console import Console

    from claude_run.conversation.exchange import Exchange
    from claude_run.conversation.results import CheckResult
    from claude_run.conversation.transcript import Transcript, TurnRecord
    from claude_run.record.records import Record
    from claude_run.scenario.json_values import Json

_MARKS = {
    Status.PASSED: ("ok", "green"),
    Status.FAILED: ("FAIL", "red"),
    Status.ERRORED: ("ERROR", "bold red"),
}
_NAME = 10
_FOLDED = 2_000
_UNSENT = {
    "skipped": "skipped, because the conversation ended before it",
    "left out": "left out, because the reply before it does not fit its `if`",
    "no reply": "no reply: what happened stands at the top",
}


def print_conversation(
    record: Record, *, stream: TextIO, colour: bool = False, exit_reason: str, quiet: bool = False
) -> None:
    """Print a conversation, on a terminal wrapped at its width; `quiet` leaves out what was said.

    What others wrote stands behind a bar. Thinking, files and results of the API's own tools are cut after
    2,000 characters. `exit_reason` says why it was never started, if it was not.
    """
    console = open_console(stream, colour=colour)
    word, style = outcome_word(record.outcome)
    print_escaped(console, safe_line(record.planned.id), lead=word, style=style)
    transcript = record.transcript
    if transcript is None:
        print_escaped(console, f"{INDENT}never started: {safe_line(truncate(exit_reason))}")
        return
    if transcript.simulated:
        print_escaped(console, f"{INDENT}simulated: the replies were made up, nothing was paid")
    if transcript.replayed:
        print_escaped(
            console, f"{INDENT}replayed: replies were taken from a recording, with their cost of then"
        )
    for reason in reasons(transcript):
        _print_behind(console, f"{reason.where}: {reason.message} ({reason.place})")
    for warning in transcript.warnings:
        _print_behind(console, f"warning: {warning}")
    if not quiet:
        _print_talk(console, transcript)
    print_escaped(console, "")
    for line in _facts(transcript):
        print_escaped(console, safe_line(line))


def _print_talk(console: Console, transcript: Transcript) -> None:
    if transcript.started.system:
        print_escaped(console, "")
        _print_said(console, "system", transcript.started.system)
    for turn in transcript.turns:
        _print_turn(console, transcript, turn)
    if transcript.checks:
        print_escaped(console, "", lead="\nthe conversation as a whole", style="bold")
        _print_checks(console, transcript.checks)


def _print_turn(console: Console, transcript: Transcript, turn: TurnRecord) -> None:
    state = turn_state(transcript.turns, turn)
    files = transcript.started.files
    note = ", scripted" if state == "scripted" else ""
    print_escaped(console, note, lead=f"\nturn {turn.number}", style="bold")
    if turn.sent:
        _print_said(console, turn.role, turn.content, files)
    if state in _UNSENT:
        print_escaped(console, f"{INDENT}{_UNSENT[state]}")
    for place, exchange in enumerate(turn.exchanges):
        if place and exchange.tool_results:
            _print_said(console, "results", list(exchange.tool_results), files)
        _print_said(console, "reply", exchange.reply.content)
        print_escaped(console, f"{'':<{_NAME}}  {safe_line(_numbers(exchange))}")
    _print_checks(console, turn.checks)


def _print_said(console: Console, name: str, content: Json, files: Mapping[str, str] | None = None) -> None:
    """Print a message behind a bar, its parts below each other, whose `name` stands before the first."""
    for part in content_parts(content, files):
        body = truncate(part.body, _FOLDED) if part.folded else part.body
        lines = body.removesuffix("\n").split("\n")
        # What is no prose of its own is named before it.
        if part.title:
            lines = [f"{part.title}: {lines[0]}"] if len(lines) == 1 else [f"{part.title}:", *lines]
        for line in lines:
            _print_behind(console, line, lead=f"{safe_line(name):<{_NAME}}")
            name = ""


def _print_checks(console: Console, checks: Iterable[CheckResult]) -> None:
    for row in check_rows(checks):
        word, style = _MARKS[row.check.status]
        lead = f"{'  ' * row.depth}{word:<{len(INDENT) - 1}} "
        must = " (must)" if row.check.must else ""
        text = safe_line(f"{row.title}{must}: {row.check.message} ({row.place})")
        first, *rest = wrapped(console, text, less=len(lead))
        print_escaped(console, first, lead=lead, style=style)
        for line in rest:
            # What has become the beginning of a line may be a command only now.
            print_escaped(console, f"{'':<{len(lead)}}{safe_line(line)}")
        if row.check.status is not Status.PASSED:
            for name, value in expected_and_actual(row.check):
                _print_behind(console, safe_line(value), lead=f"{'':<{len(lead)}}{name:<{_NAME}}")


def _print_behind(console: Console, text: str, *, lead: str = INDENT) -> None:
    """Print a line that others wrote behind a bar: a CI runner trims spaces before it looks for commands."""
    for line in wrapped(console, safe_terminal(text.replace("\n", " ")), less=len(lead) + 2):
        print_escaped(console, f"{lead}| {line}".rstrip(" "))
        lead = " " * len(lead)


def _numbers(exchange: Exchange) -> str:
    usage = exchange.reply.usage
    read = usage.cache_read_input_tokens
    cached = f" ({tokens(read)} from the cache)" if read else ""
    fields = [
        exchange.reply.stop_reason,
        f"{used(usage.input_total)} in{cached} / {used(usage.output_tokens)} out",
        usd(exchange.cost_usd),
        seconds(exchange.latency_s),
        *([f"{exchange.attempts} attempts"] if exchange.attempts > 1 else []),
        *([exchange.request_id] if exchange.request_id is not None else []),
    ]
    return "  ".join(fields)


def _facts(transcript: Transcript) -> Iterator[str]:
    """Yield the lines below a talk, whose names are untrusted."""
    started = transcript.started
    answered = ", ".join(dict.fromkeys(each.reply.model for each in transcript.exchanges))
    other = f", answered by {answered}" if answered not in {"", started.identity.model} else ""
    yield f"{started.identity.model}{other}, {started.at}, took {seconds(transcript.duration_s)}"
    yield usage_sentence(transcript.usage)
    uncertain = transcript.uncertain_usd
    more = f", and up to {usd(uncertain)} more for attempts that brought no reply" if uncertain else ""
    yield f"cost {usd(transcript.cost_usd)}{more}"
    for name, value in started.vars.items():
        yield f"{name} = {truncate(str(value))}"
    yield f"scenario {started.identity.path}"
