"""The sentences that the Markdown files and the terminal share: outcome, cost, tokens, provenance."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from claude_run.conversation.results import Outcome
from claude_run.errors import ExitCode
from claude_run.report.numbers import tokens, usd
from claude_run.text.visible import count

if TYPE_CHECKING:
    from claude_run.conversation.usage import Usage
    from claude_run.record.derive import Played
    from claude_run.record.summary import CaseRate, RunSummary, Totals

_VERDICTS = {
    ExitCode.PASSED: "PASSED",
    ExitCode.FAILED: "FAILED",
    ExitCode.USAGE: "NOT STARTED",
    ExitCode.NOT_MEASURED: "NOT MEASURED",
    ExitCode.CAPPED: "STOPPED BY A CAP",
    ExitCode.NOTHING_SELECTED: "NOTHING SELECTED",
    ExitCode.BUG: "BROKEN BY A BUG",
    ExitCode.INTERRUPTED: "INTERRUPTED",
    ExitCode.TERMINATED: "TERMINATED",
}


def verdict(summary: RunSummary) -> str:
    """Return the run's result as one word or few, and its exit code."""
    return f"{_VERDICTS[summary.exit_code]} (exit code {int(summary.exit_code)})"


def outcomes(totals: Totals) -> str:
    """Return how many conversations came to what: `3 conversations: 2 passed, 1 failed, ...`."""
    counts = ", ".join(f"{totals.outcomes[outcome]:,} {outcome}" for outcome in Outcome)
    return f"{count(totals.conversations, 'conversation')}: {counts}"


def usage(used: Usage) -> str:
    """Return the whole prompt, what of it the cache served and took, and the output, in tokens."""
    cached = f"{tokens(used.cache_read_input_tokens or 0)} read from the cache"
    written = f"{tokens(used.cache_creation_input_tokens or 0)} written to it"
    return f"{tokens(used.input_total)} tokens in ({cached}, {written}), {tokens(used.output_tokens)} out"


def cost(played: Played) -> str:
    """Return what the run's replies cost, and what of that was really paid."""
    summary = played.summary
    amount = _amount(played)
    if _all(played, "simulated"):
        return f"{amount}, simulated: nothing was paid"
    if _all(played, "replayed"):
        return f"{amount}, replayed: nothing was paid again"
    if summary.simulated or summary.replayed:
        return f"{amount}, of which simulated and replayed replies were not paid"
    return amount


def uncertain(totals: Totals) -> str | None:
    """Return what attempts that brought no reply may have cost at worst; None where there is nothing."""
    if not totals.uncertain_usd:
        return None
    amount = usd(totals.uncertain_usd)
    return f"up to {amount} more may have been billed for attempts that brought no reply"


def judges(totals: Totals) -> str | None:
    """Return what the judges cost, which is no part of the cost of the replies; None where none was asked."""
    if not totals.judge_replies:
        return None
    answers = count(totals.judge_replies, "answer of judges", plural="answers of judges")
    return f"{usd(totals.judge_cost_usd)} on top for {answers}"


def simulated(played: Played) -> str | None:
    """Return the sentence that says which replies were made up; None where none was."""
    source = "made up by the local simulator of claude-run"
    if _all(played, "simulated"):
        return f"These replies were {source}; nothing was sent to Anthropic and nothing was paid."
    if played.summary.simulated:
        return f"{_some(played, 'simulated')} replies that were {source}; nothing was paid for those."
    return None


def replayed(played: Played) -> str | None:
    """Return the sentence that says which replies came from a recording; None where none did."""
    source = "taken from a recording"
    if _all(played, "replayed"):
        return f"These replies were {source}; nothing was sent in this run."
    return f"{_some(played, 'replayed')} replies {source}." if played.summary.replayed else None


def unpriced(summary: RunSummary) -> str | None:
    """Return the models whose cost is unknown; the names are untrusted. None where all have prices."""
    if not summary.unpriced:
        return None
    return f"no known price, so not in any cost: {', '.join(summary.unpriced)}"


def rate(case: CaseRate) -> str:
    """Return how a case that was repeated did, and what was asked of it."""
    return f"{case.passed} of {case.measured} measured passed, {case.required * 100:g}% required"


def missed(summary: RunSummary) -> tuple[CaseRate, ...]:
    """Return the repeated cases that were measured and fell short of their pass rate."""
    return tuple(case for case in summary.rates if case.repeats > 1 and case.measured and not case.met)


def tolerated(summary: RunSummary) -> str | None:
    """Return how many failed conversations do not fail the run; None for none."""
    number = sum(case.measured - case.passed for case in summary.rates if case.met)
    return f"{count(number, 'failed conversation')} within the pass rate of the case" if number else None


def warnings(played: Played) -> str | None:
    """Return how many warnings there are and where they stand; None for none."""
    number = sum(len(record.transcript.warnings) for record in played.records if record.transcript)
    return f"{count(number, 'warning')}, in transcripts.md beside the conversation" if number else None


def _amount(played: Played) -> str:
    """Return what the replies cost, or the least that they cost where some have no price."""
    if played.summary.totals.cost_usd is not None:
        return usd(played.summary.totals.cost_usd)
    transcripts = [record.transcript for record in played.records if record.transcript]
    known = sum(exchange.cost_usd or 0 for transcript in transcripts for exchange in transcript.exchanges)
    return f"at least {usd(Decimal(known))}, some replies are unpriced" if known else usd(None)


def _all(played: Played, what: str) -> bool:
    """Tell whether every reply was simulated or replayed; a simulated run without replies counts."""
    replies = [
        getattr(exchange, what)
        for record in played.records
        if record.transcript
        for exchange in record.transcript.exchanges
    ]
    return all(replies) if replies else what == "simulated" and played.summary.run.simulated


def _some(played: Played, what: str) -> str:
    number = sum(bool(record.transcript and getattr(record.transcript, what)) for record in played.records)
    return f"{number:,} of {count(len(played.records), 'conversation')} hold"
