"""What every report says of a run: facts that are computed once from all its records, and their sentences."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from claude_run.conversation.results import Outcome
from claude_run.errors import ExitCode
from claude_run.report.run.gate import tolerance as gate_tolerance
from claude_run.report.text.numbers import tokens, usd, used
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from claude_run.conversation.usage import Usage
    from claude_run.record.derive import Played
    from claude_run.record.records import Figures
    from claude_run.record.summary import CaseRate, RunSummary

_VERDICTS = {
    ExitCode.PASSED: "PASSED",
    ExitCode.FAILED: "FAILED",
    ExitCode.USAGE: "NOT STARTED",
    ExitCode.NOT_MEASURED: "NOT MEASURED",
    ExitCode.CAPPED: "STOPPED BY A CAP",
    ExitCode.NOTHING_SELECTED: "NOTHING SELECTED",
    ExitCode.BUG: "BROKEN BY A BUG",
    ExitCode.HUNG_UP: "HUNG UP",
    ExitCode.INTERRUPTED: "INTERRUPTED",
    ExitCode.TERMINATED: "TERMINATED",
}
_LATER = "the gate decides once all shards are merged"
_MADE_UP = "made up by the local simulator of claude-run"


class _Sums:
    """What the facts of a run add up of its conversations."""

    def __init__(self) -> None:
        self.exchanges = self.made_up = self.recorded = 0
        self.with_simulated = self.with_replayed = 0
        self.uncounted = self.warned = 0
        self.known_usd = Decimal(0)

    def add(self, figures: Figures) -> None:
        self.exchanges += figures.exchanges
        self.made_up += figures.made_up
        self.recorded += figures.recorded
        self.with_simulated += figures.simulated
        self.with_replayed += figures.replayed
        self.uncounted += figures.uncounted
        self.warned += figures.warnings
        self.known_usd += figures.known_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """A run in facts and in the sentences that its reports share.

    `conversations` are those of the plan, and `with_simulated` and `with_replayed` how many of them hold such
    replies. `known_usd` is what the replies with a price cost, `uncounted` how many came without a usable
    count of their tokens. `tolerance` tells why the failure of a conversation, by its id, does not fail the
    run; its words may hold names, which are untrusted.
    """

    summary: RunSummary
    conversations: int
    only_simulated: bool
    only_replayed: bool
    with_simulated: int
    with_replayed: int
    known_usd: Decimal
    uncounted: int
    warned: int
    tolerance: Mapping[str, str]

    @classmethod
    def of(cls, played: Played) -> RunFacts:
        """Compute the facts of a run, each once for all reports."""
        summary = played.summary
        sums = _Sums()
        # The gate, where there is one, decides in place of the pass rates of the cases.
        met = {case.name: case for case in summary.rates if case.met} if summary.gate is None else {}
        excused = {} if summary.gate is None else gate_tolerance(summary.gate)
        must_failed = frozenset(summary.must_failed)
        tolerance: dict[str, str] = {}
        for record in played.records:
            if (figures := record.figures) is None:
                continue
            sums.add(figures)
            if figures.outcome is Outcome.FAILED and record.planned.id not in must_failed:
                name = record.planned.case_name
                if summary.run.gates_later:
                    tolerance[record.planned.id] = _LATER
                elif name in met:
                    tolerance[record.planned.id] = rate_sentence(met[name])
                elif name in excused:
                    tolerance[record.planned.id] = excused[name]

        return cls(
            summary=summary,
            conversations=len(played.records),
            # A simulated run that brought no reply is simulated all the same.
            only_simulated=sums.made_up == sums.exchanges if sums.exchanges else summary.run.simulated,
            only_replayed=bool(sums.exchanges) and sums.recorded == sums.exchanges,
            with_simulated=sums.with_simulated,
            with_replayed=sums.with_replayed,
            known_usd=sums.known_usd,
            uncounted=sums.uncounted,
            warned=sums.warned,
            tolerance=tolerance,
        )

    @property
    def verdict(self) -> str:
        """The result of the run as one word or few, and its exit code."""
        return verdict_of(self.summary.exit_code)

    @property
    def outcomes(self) -> str:
        """How many conversations came to what: `3 conversations: 2 passed, 1 failed, ...`."""
        totals = self.summary.totals
        counts = ", ".join(f"{totals.outcomes[outcome]:,} {outcome}" for outcome in Outcome)
        return f"{count(totals.conversations, 'conversation')}: {counts}"

    @property
    def usage(self) -> str:
        """What all replies used, in tokens."""
        return usage_sentence(self.summary.totals.usage)

    @property
    def cost(self) -> str:
        """What the replies cost, or the least that they cost where some have no price, and what was paid."""
        amount = usd(self.summary.totals.cost_usd)
        if self.summary.totals.cost_usd is None and self.known_usd:
            amount = f"at least {usd(self.known_usd)}, some replies are unpriced"
        if self.only_simulated:
            return f"{amount}, simulated: nothing was paid"
        if self.only_replayed:
            return f"{amount}, replayed: nothing was paid again"
        if self.with_simulated or self.with_replayed:
            return f"{amount}, of which simulated and replayed replies were not paid"
        return amount

    @property
    def caching(self) -> str | None:
        """What the prompt cache did, and what the replies would cost otherwise; None where it did nothing."""
        caching = self.summary.caching
        if caching is None:
            return None
        parts = ["written, and nothing to read"]
        if caching.rate is not None:
            parts = [f"{caching.rate:.0%} of {tokens(caching.readable)} readable tokens read"]
        if caching.missed or caching.reasons:
            reasons = ", ".join(f"{kind} {number:,}" for kind, number in caching.reasons.items())
            parts.append(
                count(caching.missed, "miss", plural="misses") + (f" ({reasons})" if reasons else "")
            )
        if (costs := caching.costs()) is not None:
            parts.append(
                f"saved {usd(costs.saved_usd)}"
                if costs.saved_usd >= 0
                else f"cost {usd(-costs.saved_usd)} more than it saved"
            )
            parts.append(
                f"without it {usd(costs.uncached_usd)}, as a batch {usd(costs.batch_usd)},"
                f" at best {usd(costs.best_usd)}"
            )
        return "; ".join(parts)

    @property
    def judges(self) -> str | None:
        """What judges cost, which is not part of the cost of the replies; None where none was asked."""
        totals = self.summary.totals
        if not totals.judge_replies:
            return None
        answers = count(totals.judge_replies, "answer of judges", plural="answers of judges")
        return f"{usd(totals.judge_cost_usd)} on top for {answers}"

    @property
    def uncertain(self) -> str | None:
        """What attempts that brought no reply may have cost at worst; None where there is nothing."""
        if not self.summary.totals.uncertain_usd:
            return None
        amount = usd(self.summary.totals.uncertain_usd)
        return f"up to {amount} more may have been billed for attempts that brought no reply"

    @property
    def unpriced(self) -> str | None:
        """What has no known cost: models, by their untrusted names, and replies. None where all is known."""
        parts = []
        if self.summary.unpriced:
            parts.append(f"no known price, so not in any cost: {', '.join(self.summary.unpriced)}")
        if self.uncounted:
            replies = count(self.uncounted, "reply", plural="replies")
            parts.append(f"not in any cost: {replies} whose tokens the API did not count")
        return "; ".join(parts) or None

    @property
    def warnings(self) -> str | None:
        """How many warnings there are and where to read them; None for none."""
        return (
            f"{count(self.warned, 'warning')}, in transcripts.md beside the conversation"
            if self.warned
            else None
        )

    @property
    def tolerated(self) -> str | None:
        """How many failures the pass rates of their cases, or the gate, let pass; None for none."""
        if not self.tolerance:
            return None
        by = "within the pass rate of the case" if self.summary.gate is None else "tolerated by the gate"
        if self.summary.run.gates_later:
            by = f"not decided yet: {_LATER}"
        return f"{count(len(self.tolerance), 'failed conversation')} {by}"

    @property
    def simulated(self) -> str | None:
        """Which replies were made up; None where none was."""
        if self.only_simulated:
            return f"These replies were {_MADE_UP}; nothing was sent to Anthropic and nothing was paid."
        if not self.with_simulated:
            return None
        some = f"{self.with_simulated:,} of {count(self.conversations, 'conversation')}"
        return f"{some} hold replies that were {_MADE_UP}; nothing was paid for those."

    @property
    def replayed(self) -> str | None:
        """Which replies came from a recording; None where none did."""
        if self.only_replayed:
            return "These replies were taken from a recording; nothing was sent in this run."
        if not self.with_replayed:
            return None
        some = f"{self.with_replayed:,} of {count(self.conversations, 'conversation')}"
        return f"{some} hold replies taken from a recording."

    @property
    def missed(self) -> tuple[CaseRate, ...]:
        """The repeated cases that were measured and fell short of their pass rate, where that decides."""
        if self.summary.gate is not None or self.summary.run.gates_later:
            return ()
        return tuple(
            case for case in self.summary.rates if case.repeats > 1 and case.measured and not case.met
        )

    def notices(self) -> Iterator[tuple[str, str]]:
        """Yield what must be read before anything else, each with its title: what is not a real reply."""
        for title, text in (("Simulated", self.simulated), ("Replayed", self.replayed)):
            if text:
                yield title, text

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield the numbers of the run as a summary lists them, each with its title."""
        rows = (
            ("Outcomes", self.outcomes),
            ("Tokens", self.usage),
            ("Cost", self.cost),
            ("Cache", self.caching),
            ("Judges", self.judges),
            ("Uncertain cost", self.uncertain),
            ("Unpriced", self.unpriced),
            ("Warnings", self.warnings),
            ("Tolerated", self.tolerated),
        )
        for title, text in rows:
            if text:
                yield title, text


def verdict_of(code: ExitCode) -> str:
    """Return what an exit code says of a run, as one word or few, and the code itself."""
    return f"{_VERDICTS[code]} (exit code {int(code)})"


def usage_sentence(usage: Usage) -> str:
    """Return the whole prompt, what of it the cache served and took, and the output, in tokens."""
    cached = f"{tokens(usage.cache_read_input_tokens or 0)} read from the cache"
    written = f"{tokens(usage.cache_creation_input_tokens or 0)} written to it"
    return f"{used(usage.input_total)} tokens in ({cached}, {written}), {used(usage.output_tokens)} out"


def rate_sentence(case: CaseRate) -> str:
    """Return how a case that was repeated did, and what was asked of it."""
    return f"{case.passed} of {case.measured} measured passed, {case.required * 100:g}% required"
