"""What a run comes to: counts, tokens, money, rates per case, and the exit code that follows from them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from claude_run.conversation.lazy import LazySequence
from claude_run.conversation.results import Outcome
from claude_run.conversation.transcript import total_cost
from claude_run.conversation.usage import Usage, UsageSum
from claude_run.errors import PRECEDENCE, ExitCode
from claude_run.record.caching import CachingSum
from claude_run.record.codec import money
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from claude_run.conversation.identity import Identity
    from claude_run.record.caching import Caching
    from claude_run.record.gated import Gate
    from claude_run.record.records import Figures, Record
    from claude_run.record.run import Run
    from claude_run.scenario.json_values import JsonObject

SCHEMA_VERSION = 1
_STOPPED = "the run was stopped"
_NOT_GATED = "it was not held against its baseline yet: `claude-run resume` does it"
_LATER = "played; `claude-run merge` holds all shards together against the baseline"
_NAMED = 3  # conversations that a reason names


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Conversations by outcome, and what their replies used and cost.

    `cost_usd` is None where a reply has no known price, and tokens are where one does not say them;
    `uncertain_usd` is the worst case of attempts that may have been billed without bringing a reply. What
    judges used and cost stands apart.
    """

    outcomes: Mapping[Outcome, int]
    replies: int
    usage: Usage
    cost_usd: Decimal | None
    uncertain_usd: Decimal
    judge_replies: int
    judge_usage: Usage
    judge_cost_usd: Decimal | None

    @property
    def conversations(self) -> int:
        return sum(self.outcomes.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRate:
    """How many of the repeats of one case, variant and model passed, and whether that is enough."""

    name: str
    passed: int
    measured: int
    repeats: int
    required: float

    @property
    def met(self) -> bool:
        # In decimals, because 0.55 * 20 is more than 11 in binary.
        return self.measured > 0 and self.passed >= Decimal(str(self.required)) * self.measured

    @property
    def settled(self) -> bool:
        """Whether all repeats were measured, and enough of them passed."""
        return self.measured == self.repeats and self.met


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A run in numbers.

    `stopped` says in words why it ended early; None when it did not. `must_failed` are the conversations that
    broke a rule that must hold, by id.
    """

    run: Run
    totals: Totals
    by_model: Mapping[str, Totals]
    rates: tuple[CaseRate, ...]
    unpriced: tuple[str, ...]
    simulated: bool
    replayed: bool
    ended_at: str | None
    duration_s: float | None
    exit_code: ExitCode
    exit_reason: str
    stopped: str | None = None
    gate: Gate | None = None
    must_failed: tuple[str, ...] = ()
    caching: Caching | None = None

    def to_json(self) -> JsonObject:
        """Return the content of `summary.json`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "name": self.run.name,
            "claude_run": self.run.claude_run,
            "started_at": self.run.created_at,
            "ended_at": self.ended_at,
            "duration_s": self.duration_s,
            "exit_code": int(self.exit_code),
            "exit_reason": self.exit_reason,
            "gate": None if self.gate is None else self.gate.to_json(),
            "simulated": self.simulated,
            "replayed": self.replayed,
            "totals": _totals_json(self.totals),
            "models": {label: _totals_json(totals) for label, totals in self.by_model.items()},
            "caching": None if self.caching is None else _caching_json(self.caching),
            "must_failed": list(self.must_failed),
            "cases": LazySequence.over(self.rates, _rate_json),
            "unpriced_models": list(self.unpriced),
            "prices": self.run.prices,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the process that played the run ended it; `stop` is None when everything was played."""

    stop: ExitCode | None = None
    reason: str | None = None
    at: str | None = None
    duration_s: float | None = None
    gate: Gate | None = None


def summarize(run: Run, records: Iterable[Record], ending: Ending) -> RunSummary:
    """Add a run up and derive its exit code; each record is looked at once."""
    tally = _Tally(run)
    for record in records:
        tally.add(record)
    rates = tuple(tally.rates.values())
    # A run that was to be held against a baseline and was not has no verdict, whatever its checks said.
    # A shard has its own when it is merged.
    held = run.options.get("baseline") is not None and not run.gates_later
    if ending.gate is None and ending.stop is None and held:
        ending = replace(ending, stop=ExitCode.NOT_MEASURED, reason=_NOT_GATED)
    exit_code, reason = _verdict(tally, rates, ending, run)
    return RunSummary(
        run=run,
        totals=tally.all.totals,
        by_model={label: found.totals for label, found in tally.by_model.items()},
        rates=rates,
        unpriced=tuple(sorted(tally.unpriced)),
        simulated=tally.simulated,
        replayed=tally.replayed,
        ended_at=ending.at,
        duration_s=ending.duration_s,
        exit_code=exit_code,
        exit_reason=reason,
        stopped=None if ending.stop is None else ending.reason or _STOPPED,
        gate=ending.gate,
        must_failed=tuple(tally.must_failed),
        caching=tally.caching.caching(in_batches=run.options.get("batch") is True),
    )


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """Return the code that takes precedence."""
    return min(codes, key=PRECEDENCE.index)


class _Sum:
    """Sums conversations up into `Totals`, one by one."""

    def __init__(self) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self._replies = self._judge_replies = 0
        self._usage, self._judge_usage = UsageSum(), UsageSum()
        self._cost_usd: Decimal | None = Decimal(0)
        self._judge_cost_usd: Decimal | None = Decimal(0)
        self._uncertain_usd = Decimal(0)

    def add(self, figures: Figures | None) -> None:
        if figures is None:
            self.outcomes[Outcome.SKIPPED] += 1
            return
        self.outcomes[figures.outcome] += 1
        self._replies += figures.replies
        self._usage.add(figures.usage)
        self._cost_usd = total_cost((self._cost_usd, figures.cost_usd))
        self._uncertain_usd += figures.uncertain_usd
        self._judge_replies += figures.judge_replies
        self._judge_usage.add(figures.judge_usage)
        self._judge_cost_usd = total_cost((self._judge_cost_usd, figures.judge_cost_usd))

    @property
    def totals(self) -> Totals:
        return Totals(
            outcomes={outcome: self.outcomes[outcome] for outcome in Outcome},
            replies=self._replies,
            usage=self._usage.total,
            cost_usd=self._cost_usd,
            uncertain_usd=self._uncertain_usd,
            judge_replies=self._judge_replies,
            judge_usage=self._judge_usage.total,
            judge_cost_usd=self._judge_cost_usd,
        )


class _Tally:
    """All that a summary says of the conversations of a run, added up in one go through them.

    `by_model` is in the order in which the plan names the models, `rates` in that of its cases. What was
    `planned` at first counts in each; fresh attempts are made of cases that failed, and only of those: no
    rate may count them.
    """

    def __init__(self, run: Run) -> None:
        self.all = _Sum()
        self.planned: Counter[Outcome] = Counter()
        self.by_model: dict[str, _Sum] = {}
        self.rates: dict[str, CaseRate] = {}
        self.unpriced: set[str] = set()
        self.simulated = self.replayed = False
        self.must_failed: list[str] = []
        self.caching = CachingSum()
        self._pass_rates = run.pass_rates

    def add(self, record: Record) -> None:
        planned, figures = record.planned, record.figures
        self.all.add(figures)
        self.by_model.setdefault(planned.model_label, _Sum()).add(figures)
        if planned.confirm is None:
            outcome = Outcome.SKIPPED if figures is None else figures.outcome
            self.planned[outcome] += 1
            self._rate(planned, outcome)
        if figures is None:
            return
        self.caching.add(planned.model, figures)
        self.unpriced.update(figures.unpriced)
        self.simulated |= figures.simulated
        self.replayed |= figures.replayed
        if figures.broke:
            self.must_failed.append(planned.id)

    def _rate(self, planned: Identity, outcome: Outcome) -> None:
        name = planned.case_name
        before = self.rates.get(name)
        self.rates[name] = CaseRate(
            name=name if before is None else before.name,
            passed=(before.passed if before else 0) + (outcome is Outcome.PASSED),
            measured=(before.measured if before else 0) + (outcome in {Outcome.PASSED, Outcome.FAILED}),
            repeats=(before.repeats if before else 0) + 1,
            required=self._pass_rates.get(planned.scenario, 1.0) if before is None else before.required,
        )


def _verdict(tally: _Tally, rates: Sequence[CaseRate], ending: Ending, run: Run) -> tuple[ExitCode, str]:
    # What became of fresh attempts is for the gate to say, once it has decided.
    outcomes = tally.all.outcomes if ending.gate is None else tally.planned
    must_failed = tally.must_failed
    failed, errored, skipped = (outcomes[o] for o in (Outcome.FAILED, Outcome.ERRORED, Outcome.SKIPPED))
    reasons = {ExitCode.PASSED: _passed(run, failed)}
    # What was checked: by the gate where there is one, and otherwise by the pass rate of each case.
    if ending.gate is not None:
        reasons[ending.gate.code] = ending.gate.reason
    elif not run.gates_later and (missed := [rate for rate in rates if rate.measured and not rate.met]):
        reasons[ExitCode.FAILED] = f"{count(failed, 'conversation')} failed"
        if below := sum(rate.repeats > 1 for rate in missed):
            reasons[ExitCode.FAILED] += f", {count(below, 'case')} below the pass rate"
    # What could not be measured, and what was not even tried; a reason to stop says more than a count.
    if errored:
        reasons[ExitCode.NOT_MEASURED] = f"{count(errored, 'conversation')} could not be measured"
    if ending.stop is not None:
        reasons[ending.stop] = ending.reason or _STOPPED
    elif skipped and not errored:
        reasons[ExitCode.NOT_MEASURED] = f"{count(skipped, 'conversation')} not played"
    # Each code has one reason, and the code that takes precedence decides. What must hold is outside of all
    # rates and tests: one reply that breaks it is enough, and it is told whatever else there is to tell.
    if not must_failed:
        code = worst(reasons)
        # What a gate found in what was measured is told all the same.
        found = ending.gate if ending.gate is not None and ending.gate.code is ExitCode.FAILED else None
        besides = f"; besides, {found.reason}" if found and code is ExitCode.NOT_MEASURED else ""
        return code, f"{reasons[code]}{besides}"
    some = ", ".join(must_failed[:_NAMED]) + (", ..." if len(must_failed) > _NAMED else "")
    broke = f"{count(len(must_failed), 'conversation')} broke a rule that must hold: {some}"
    before = reasons.get(ExitCode.FAILED)
    code = worst([*reasons, ExitCode.FAILED])
    if code is ExitCode.FAILED:
        return code, f"{broke}; {before}" if before else broke
    return code, f"{reasons[code]}; {broke}"


def _passed(run: Run, failed: int) -> str:
    """Return what is said of a run without a gate that passes, though some of it `failed`."""
    told = "every case reached its pass rate"
    if run.gates_later:
        told = _LATER
    elif run.shard is not None and not run.conversations:
        return f"shard {run.shard.name} is empty: there are fewer cases than shards"
    elif not failed:
        return "all conversations passed"
    return f"{told}, though {count(failed, 'conversation')} failed" if failed else told


def _totals_json(totals: Totals) -> JsonObject:
    return {
        "conversations": totals.conversations,
        **{str(outcome): count for outcome, count in totals.outcomes.items()},
        "replies": totals.replies,
        "usage": totals.usage.to_json(),
        "cost_usd": money(totals.cost_usd),
        "uncertain_cost_usd": money(totals.uncertain_usd),
        "judge": {
            "replies": totals.judge_replies,
            "usage": totals.judge_usage.to_json(),
            "cost_usd": money(totals.judge_cost_usd),
        },
    }


def _caching_json(caching: Caching) -> JsonObject:
    costs = caching.costs()
    return {
        "read_tokens": caching.read,
        "readable_tokens": caching.readable,
        "hit_rate": None if caching.rate is None else round(caching.rate, 4),
        "missed_requests": caching.missed,
        "miss_reasons": dict(caching.reasons),
        "paid_usd": None if costs is None else money(costs.paid_usd),
        "uncached_usd": None if costs is None else money(costs.uncached_usd),
        "saved_usd": None if costs is None else money(costs.saved_usd),
        "batch_usd": None if costs is None else money(costs.batch_usd),
        "best_usd": None if costs is None else money(costs.best_usd),
    }


def _rate_json(rate: CaseRate) -> JsonObject:
    return {
        "name": rate.name,
        "passed": rate.passed,
        "measured": rate.measured,
        "repeats": rate.repeats,
        "required": rate.required,
        "met": rate.met,
    }
