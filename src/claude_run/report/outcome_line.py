"""A finished conversation as one plain line, and the reason under it where it did not pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.conversation.results import Outcome
from claude_run.report.blocks import excerpt
from claude_run.report.numbers import seconds, tokens, usd
from claude_run.report.reasons import reasons
from claude_run.report.safe import safe_line
from claude_run.text.visible import count

if TYPE_CHECKING:
    from claude_run.conversation.transcript import Transcript

INDENT = " " * 7

_WORDS = {
    Outcome.PASSED: ("PASS", "green"),
    Outcome.FAILED: ("FAIL", "red"),
    Outcome.ERRORED: ("ERROR", "bold red"),
    Outcome.SKIPPED: ("SKIP", "yellow"),
}


def word_of(outcome: Outcome) -> tuple[str, str]:
    """Return the outcome as a word padded to seven columns, and the style that it is shown in."""
    word, style = _WORDS[outcome]
    return f"{word:<{len(INDENT)}}", style


def outcome_line(transcript: Transcript) -> str:
    """Return `<id>  3 turns  1.2 s  1,204 in / 310 out  $0.0008`; `in` counts the whole prompt.

    What was simulated or replayed says so at the end.
    """
    usage = transcript.usage
    notes = [note for note in ("simulated", "replayed") if getattr(transcript, note)]
    fields = [
        safe_line(transcript.started.conversation_id),
        count(sum(bool(turn.exchanges) for turn in transcript.turns), "turn"),
        seconds(transcript.duration_s),
        f"{tokens(usage.input_total)} in / {tokens(usage.output_tokens)} out",
        usd(transcript.cost_usd),
        *notes,
    ]
    return "  ".join(fields)


def reason_line(transcript: Transcript) -> str | None:
    """Return why the conversation did not pass: the first reason, and how many more; None for none."""
    found = reasons(transcript)
    if not found:
        return None
    first = found[0]
    more = f" (and {count(len(found) - 1, 'more reason')})" if len(found) > 1 else ""
    return f"{safe_line(first.where)}: {safe_line(excerpt(first.message))} ({safe_line(first.place)}){more}"
