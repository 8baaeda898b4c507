"""What a run comes to: counts, tokens, money, rates per case, and the exit code that follows from them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from claude_run.conversation.results import Outcome
from claude_run.conversation.transcript import total_cost
from claude_run.conversation.usage import Usage, total
from claude_run.errors import PRECEDENCE, ExitCode
from claude_run.record.caching import caching_of
from claude_run.record.codec import money
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from claude_run.record.caching import Caching
    from claude_run.record.gated import Gate
    from claude_run.record.records import Record
    from claude_run.record.run import Run
    from claude_run.scenario.json_values import JsonObject

_count = partial(count, grouped=False)
SCHEMA_VERSION = 1
_STOPPED = "the run was stopped"
_NOT_GATED = "it was not held against its baseline yet: `claude-run resume` does it"
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
            "cases": [_rate_json(rate) for rate in self.rates],
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


def summarize(run: Run, records: Sequence[Record], ending: Ending) -> RunSummary:
    """Add a run up and derive its exit code."""
    # Each once: a record is made when it is asked for.
    records = list(records)
    rates = _rates(run, records)
    must_failed = tuple(record.planned.id for record in records if record.figures and record.figures.broke)
    # A run that was to be held against a baseline and was not has no verdict, whatever its checks said.
    if ending.gate is None and ending.stop is None and run.options.get("baseline") is not None:
        ending = replace(ending, stop=ExitCode.NOT_MEASURED, reason=_NOT_GATED)
    exit_code, reason = _verdict(records, rates, ending, must_failed)
    # The same totals once more for each model, in the order in which the plan names them.
    by_model: dict[str, list[Record]] = {}
    for record in records:
        by_model.setdefault(record.planned.model_label, []).append(record)
    return RunSummary(
        run=run,
        totals=_totals(records),
        by_model={label: _totals(rows) for label, rows in by_model.items()},
        rates=rates,
        unpriced=tuple(sorted({name for each in records if each.figures for name in each.figures.unpriced})),
        simulated=any(record.figures.simulated for record in records if record.figures),
        replayed=any(record.figures.replayed for record in records if record.figures),
        ended_at=ending.at,
        duration_s=ending.duration_s,
        exit_code=exit_code,
        exit_reason=reason,
        stopped=None if ending.stop is None else ending.reason or _STOPPED,
        gate=ending.gate,
        must_failed=must_failed,
        caching=caching_of(records, in_batches=run.options.get("batch") is True),
    )


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """Return the code that takes precedence."""
    return min(codes, key=PRECEDENCE.index)


def _totals(records: Sequence[Record]) -> Totals:
    counts = Counter(record.outcome for record in records)
    figures = [record.figures for record in records if record.figures]
    return Totals(
        outcomes={outcome: counts[outcome] for outcome in Outcome},
        replies=sum(each.replies for each in figures),
        usage=total(each.usage for each in figures),
        cost_usd=total_cost(each.cost_usd for each in figures),
        uncertain_usd=sum((each.uncertain_usd for each in figures), Decimal(0)),
        judge_replies=sum(each.judge_replies for each in figures),
        judge_usage=total(each.judge_usage for each in figures),
        judge_cost_usd=total_cost(each.judge_cost_usd for each in figures),
    )


def _rates(run: Run, records: Sequence[Record]) -> tuple[CaseRate, ...]:
    # Fresh attempts are made of cases that failed, and only of those: no rate may count them.
    groups: dict[str, list[Record]] = {}
    for record in records:
        if record.planned.confirm is None:
            groups.setdefault(record.planned.case_name, []).append(record)
    rates = []
    for name, rows in groups.items():
        outcomes = Counter(row.outcome for row in rows)
        rate = CaseRate(
            name=name,
            passed=outcomes[Outcome.PASSED],
            measured=outcomes[Outcome.PASSED] + outcomes[Outcome.FAILED],
            repeats=len(rows),
            required=run.pass_rates.get(rows[0].planned.scenario, 1.0),
        )
        rates.append(rate)
    return tuple(rates)


def _verdict(
    records: Sequence[Record], rates: Sequence[CaseRate], ending: Ending, must_failed: Sequence[str]
) -> tuple[ExitCode, str]:
    reasons: dict[ExitCode, str] = {ExitCode.PASSED: "all conversations passed"}
    # What became of fresh attempts is for the gate to say, once it has decided.
    gated = ending.gate is not None
    outcomes = Counter(
        record.outcome for record in records if not (gated and record.planned.confirm is not None)
    )
    failed, errored, skipped = (outcomes[o] for o in (Outcome.FAILED, Outcome.ERRORED, Outcome.SKIPPED))
    missed = [rate for rate in rates if rate.measured and not rate.met]
    # What was checked: by the gate where there is one, and otherwise by the pass rate of each case.
    if ending.gate is not None:
        reasons[ending.gate.code] = ending.gate.reason
    elif failed:
        reasons[ExitCode.PASSED] = (
            f"every case reached its pass rate, though {_count(failed, 'conversation')} failed"
        )
    if missed and ending.gate is None:
        reasons[ExitCode.FAILED] = f"{_count(failed, 'conversation')} failed"
        if below := sum(rate.repeats > 1 for rate in missed):
            reasons[ExitCode.FAILED] += f", {_count(below, 'case')} below the pass rate"
    # What could not be measured, and what was not even tried; a reason to stop says more than a count.
    if errored:
        reasons[ExitCode.NOT_MEASURED] = f"{_count(errored, 'conversation')} could not be measured"
    if ending.stop is not None:
        reasons[ending.stop] = ending.reason or _STOPPED
    elif skipped and not errored:
        reasons[ExitCode.NOT_MEASURED] = f"{_count(skipped, 'conversation')} not played"
    # Each code has one reason, and the code that takes precedence decides. What must hold is outside of all
    # rates and tests: one reply that breaks it is enough, and it is told whatever else there is to tell.
    if not must_failed:
        code = worst(reasons)
        # What a gate found in what was measured is told all the same.
        found = ending.gate if ending.gate is not None and ending.gate.code is ExitCode.FAILED else None
        besides = f"; besides, {found.reason}" if found and code is ExitCode.NOT_MEASURED else ""
        return code, f"{reasons[code]}{besides}"
    some = ", ".join(must_failed[:_NAMED]) + (", ..." if len(must_failed) > _NAMED else "")
    broke = f"{_count(len(must_failed), 'conversation')} broke a rule that must hold: {some}"
    before = reasons.get(ExitCode.FAILED)
    code = worst([*reasons, ExitCode.FAILED])
    if code is ExitCode.FAILED:
        return code, f"{broke}; {before}" if before else broke
    return code, f"{reasons[code]}; {broke}"


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
