"""A run against its baseline: which case is which, what is still to be confirmed, and what it all comes to.

The statistics are those of `verdict.gate`. Here conversations become its cases, and its judgement becomes
what the journal keeps and the reports show.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import zip_longest
from typing import TYPE_CHECKING

from claude_run.conversation.results import Outcome
from claude_run.conversation.sample import Sample, edited
from claude_run.errors import ExitCode
from claude_run.plan.prices import cost
from claude_run.record.gated import CostChange, Gate, GatedCase, GatedModel, Score
from claude_run.record.summary import CaseRate
from claude_run.session.options import saved_options
from claude_run.session.request import selects
from claude_run.text.strict_json import plain_json
from claude_run.text.visible import count
from claude_run.verdict.basics import Rate
from claude_run.verdict.comparison import typical
from claude_run.verdict.gate import PairedCase, Standing, fresh_wanted, judge_run
from claude_run.verdict.regression import CaseAttempts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from claude_run.conversation.identity import Identity
    from claude_run.conversation.script import Conversation
    from claude_run.record.derive import Played
    from claude_run.scenario.json_values import Json
    from claude_run.session.request import GateRequest, RunRequest
    from claude_run.verdict.comparison import Arm
    from claude_run.verdict.gate import CaseJudgement, GateRules, Judgement

NEW, EDITED, UNMEASURED = "new", "edited", "unmeasured"
"""The standing of cases that are not compared: they must reach the pass rate of their scenario themselves."""

_NAMED = 3  # cases that a sentence names
_REPEATED = 1  # how often an attempt that could not be measured is played again
_NOTHING = Score(passed=0, measured=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case of the run: its samples, its fresh attempts, and what was accepted of it, which may be nothing.

    `edited` says what was changed of the case itself since it was accepted; None for nothing.
    """

    identity: Identity
    now: tuple[Sample, ...]
    fresh: tuple[Sample, ...] = ()
    accepted: tuple[Sample, ...] = ()

    @property
    def name(self) -> str:
        return self.identity.case_name

    @property
    def edited(self) -> str | None:
        """What of the case itself was edited: `expectations`, `variables`, or both; None for nothing."""
        found = edited(self.accepted[0], self.now[0]) if self.accepted else ()
        return " and ".join(found) or None

    @property
    def paired(self) -> PairedCase | None:
        """The case as the gate judges it; None where it is new, edited, or was not measured."""
        accepted, now = _rate(self.accepted), _rate(self.now)
        if accepted is None or now is None or self.edited is not None:
            return None
        return PairedCase(
            name=self.name,
            model=self.identity.model_label,
            attempts=CaseAttempts(accepted=accepted, now=now),
            fresh=_rate(self.fresh),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """The cases of a run, and the names of those that stand only in the baseline."""

    cases: tuple[Case, ...]
    gone: tuple[str, ...]


def match(accepted: Arm, samples: Sequence[Sample]) -> Matched:
    """Find for each case of a run what was accepted of it.

    A case is scenario, case, variant and model. The model, or the variant, does not tell cases apart where
    both sides have one only for their scenario: so a prompt that was accepted of one model may be tried on
    another.
    """
    models: dict[str, list[set[str | None]]] = {}
    variants: dict[str, list[set[str | None]]] = {}
    for side, found in enumerate((accepted.samples, samples)):
        for identity in (sample.identity for sample in found):
            models.setdefault(identity.scenario, [set(), set()])[side].add(identity.model_label)
            variants.setdefault(identity.scenario, [set(), set()])[side].add(identity.variant)

    def key(sample: Sample) -> str:
        scenario = sample.identity.scenario
        return sample.identity.compared_name(
            with_variant=any(len(labels) > 1 for labels in variants[scenario]),
            with_model=any(len(labels) > 1 for labels in models[scenario]),
        )

    before: dict[str, list[Sample]] = {}
    for sample in accepted.samples:
        before.setdefault(key(sample), []).append(sample)
    after: dict[str, list[Sample]] = {}
    for sample in samples:
        after.setdefault(key(sample), []).append(sample)
    cases = []
    for name, found in after.items():
        now = tuple(sample for sample in found if sample.identity.confirm is None)
        if now:
            case = Case(
                identity=now[0].identity,
                now=now,
                fresh=tuple(sample for sample in found if sample.identity.confirm is not None),
                accepted=tuple(before.get(name, ())),
            )
            cases.append(case)
    gone = (found[0].identity.case_name for name, found in before.items() if name not in after)
    return Matched(cases=tuple(cases), gone=tuple(gone))


def fresh_attempts(
    matched: Matched,
    conversations: Sequence[Conversation],
    rules: GateRules,
    *,
    can_be_had: Callable[[str], bool] = lambda _id: True,
) -> Sequence[Conversation]:
    """Return the next fresh attempt of each case that looks broken and is not told apart from chance yet.

    They are the conversations of its first repeat, played anew. An attempt that could not be measured is
    played once more, under the next number. `can_be_had` says of an id whether it can be played at all.
    """
    judged = judge_run([case.paired for case in matched.cases if case.paired is not None], rules)
    wanted = fresh_wanted(judged, rules)
    first: dict[str, Conversation] = {}
    for conversation in conversations:
        first.setdefault(conversation.identity.case_name, conversation)
    found = []
    for case in matched.cases:
        made = {sample.identity.confirm for sample in case.fresh}
        unmeasured = sum(sample.passed is None for sample in case.fresh)
        if case.name not in wanted or unmeasured > _REPEATED:
            continue
        number = next(each for each in range(1, len(made) + 2) if each not in made)
        conversation = first[case.name]
        again = replace(conversation, identity=conversation.identity.confirming(number))
        if can_be_had(again.id):
            found.append(again)
    return found


def gate(played: Played, baseline: Arm, *, request: RunRequest, rules: GateRules) -> Gate:
    """Hold a run against its baseline, and put into words what that comes to."""
    matched = match(baseline, samples_of(played))
    judged = judge_run([case.paired for case in matched.cases if case.paired is not None], rules)
    cases = _gated(matched, judged, played.summary.run.pass_rates)
    change = _cost_change([case for case in matched.cases if case.paired is not None], request.gate)
    code, reason = _decide(judged, cases, matched, request=request.gate, change=change)
    tests = (
        GatedModel(
            model=test.model,
            cases=sum(each.case.model == test.model for each in judged.cases),
            p_value=test.p_value,
            p_adjusted=test.p_adjusted,
            p_better=test.p_better,
            level=test.level,
            rejected=test.rejected,
            spread=test.spread,
            failing=test.failing,
        )
        for test in judged.tests
    )
    return Gate(
        code=code,
        verdict=str(judged.verdict),
        reason=reason,
        against=baseline.name,
        alpha=rules.alpha,
        most_fresh=rules.most_fresh,
        models=tuple(tests),
        cases=cases,
        # Of what a selection has left out nobody can say that it is gone.
        gone=() if selects(saved_options(request), request.paths, played.summary.run.files) else matched.gone,
        cost=change,
        unclear_fails=request.gate.on_unclear == "fail",
    )


def digest_of(baseline: Arm) -> str:
    """Return what tells one baseline from another: all that a verdict may rest on."""
    found: dict[str, list[Sample]] = {}
    for sample in baseline.samples:
        found.setdefault(sample.identity.case_name, []).append(sample)
    rows: list[Json] = [
        [name, dict(each[0].vars), each[0].expectations]
        + [[sample.passed, sample.input_tokens, sample.output_tokens] for sample in each]
        for name, each in sorted(found.items())
    ]
    return hashlib.sha256(plain_json(rows).encode()).hexdigest()


def samples_of(played: Played, *, only: Callable[[str], bool] = lambda _id: True) -> tuple[Sample, ...]:
    """Return the samples of a run, its fresh attempts too, that have come to their end; `only` those ids."""
    transcripts = (record.transcript for record in played.records if only(record.planned.id))
    return tuple(
        Sample.of(each) for each in transcripts if each is not None and each.outcome is not Outcome.SKIPPED
    )


def _gated(matched: Matched, judged: Judgement, pass_rates: Mapping[str, float]) -> tuple[GatedCase, ...]:
    """Return what the journal keeps of each case; of those that were accepted their replies too."""
    judgements = {each.case.name: each for each in judged.cases}
    found = []
    for case in matched.cases:
        if (judgement := judgements.get(case.name)) is not None:
            gated = _compared(case, judgement)
        else:
            gated = _decided_by_itself(case, pass_rates.get(case.identity.scenario, 1.0))
        shown = typical(case.accepted, passed=True)
        found.append(replace(gated, before=tuple(shown.replies)) if shown else gated)
    return tuple(found)


def _compared(case: Case, judgement: CaseJudgement) -> GatedCase:
    return GatedCase(
        name=case.name,
        scenario=case.identity.scenario,
        model=case.identity.model_label,
        standing=str(judgement.standing),
        now=_score(case.now) or _NOTHING,
        accepted=_score(case.accepted),
        fresh=_score(case.fresh),
        needed=judgement.needed,
        covered=judgement.case.covered,
        reworded=_reworded(case),
    )


def _decided_by_itself(case: Case, required: float) -> GatedCase:
    """Return a case that is compared with nothing: whether it reached the pass rate of its scenario."""
    now, accepted = _score(case.now), _score(case.accepted)
    score = now or _NOTHING
    rate = CaseRate(
        name=case.name,
        passed=score.passed,
        measured=score.measured,
        repeats=len(case.now),
        required=required,
    )
    return GatedCase(
        name=case.name,
        scenario=case.identity.scenario,
        model=case.identity.model_label,
        standing=UNMEASURED if now is None else NEW if accepted is None else EDITED,
        now=score,
        accepted=accepted,
        met=rate.met or now is None,
        edited=case.edited,
    )


def _decide(
    judged: Judgement,
    cases: Sequence[GatedCase],
    matched: Matched,
    *,
    request: GateRequest,
    change: CostChange | None,
) -> tuple[ExitCode, str]:
    """Return the exit code and all that is a reason for it; without any, the verdict."""
    spread = {test.model for test in judged.tests if test.spread}

    def named(standing: str) -> list[str]:
        return [case.name for case in cases if case.standing == standing and _is_blamed(case, spread)]

    of = count(len(cases), "case")
    unclear = named(Standing.UNCLEAR)
    told = f"{len(unclear):,} of {of} failed that passed before, perhaps by chance: {_names(unclear)}"
    found = {
        Standing.BROKE: "broke",
        Standing.WORSE: "passed less often",
        NEW: "failed, which the baseline does not have",
        EDITED: "failed, edited since they were accepted",
    }
    failures = [
        f"{len(names):,} of {of} {sentence}: {_names(names)}"
        for standing, sentence in found.items()
        if (names := named(standing))
    ]
    if unclear and request.on_unclear == "fail":
        failures.append(told)
    if change is not None and change.is_too_much:
        failures.append(
            f"it costs {100 * change.increase:.1f} % more, and {100 * (change.allowed or 0):g} % are allowed"
        )
    # A case whose fresh attempts could not be measured is neither red nor green.
    lost = [
        case.name
        for case in matched.cases
        if case.name in unclear and sum(each.passed is None for each in case.fresh) > _REPEATED
    ]
    if lost:
        told = f"fresh attempts could not be measured: {_names(lost)}"
        return ExitCode.NOT_MEASURED, "; ".join([told, *failures])
    if request.max_cost_increase is not None and change is None and judged.cases:
        unknown = "not all prices or tokens of both sides are known, so max_cost_increase cannot be held"
        return ExitCode.FAILED if failures else ExitCode.NOT_MEASURED, "; ".join([*failures, unknown])
    if failures:
        return ExitCode.FAILED, "; ".join(failures)
    if unclear:
        return ExitCode.PASSED, f"{told}; let pass by --on-unclear warn"
    return ExitCode.PASSED, str(judged.verdict) if judged.cases else "nothing could be compared"


def _is_blamed(case: GatedCase, spread: Collection[str]) -> bool:
    """Return whether a case of its standing fails the run; `spread` are the models whose drop is spread."""
    if case.standing == Standing.WORSE:
        return case.model in spread
    return case.standing not in {NEW, EDITED} or not case.met


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


def _reworded(case: Case) -> int:
    before, after = typical(case.accepted, passed=True), typical(case.now, passed=True)
    if before is None or after is None:
        return 0
    return sum(left != right for left, right in zip_longest(before.replies, after.replies))


def _cost_change(cases: Sequence[Case], request: GateRequest) -> CostChange | None:
    """Compare what the cases cost; None where a price or a count of tokens is unknown.

    The price of all tokens without the prompt cache, today's: what the cache saved depends on what was played
    before, and a new price list is no change of a prompt.
    """
    before, after = Decimal(0), Decimal(0)
    for case in cases:
        accepted, now = _price(case.accepted), _price(case.now)
        if accepted is None or now is None:
            return None
        before, after = before + accepted, after + now
    if not cases:
        return None
    return CostChange(
        accepted_usd=float(round(before / len(cases), 12)),
        now_usd=float(round(after / len(cases), 12)),
        allowed=request.max_cost_increase,
    )


def _price(samples: Iterable[Sample]) -> Decimal | None:
    """Return the mean price of the measured samples that know their tokens; None where none does."""
    prices = []
    for (model, tokens_in, tokens_out), number in Counter(
        (each.identity.model, each.input_tokens, each.output_tokens)
        for each in samples
        if each.passed is not None and each.input_tokens is not None and each.output_tokens is not None
    ).items():
        usage = {"input_tokens": tokens_in, "output_tokens": tokens_out}
        price = cost({"model": model, "usage": usage})
        if price is None:
            return None
        prices += [price] * number
    return sum(prices, Decimal(0)) / len(prices) if prices else None


def _rate(samples: Sequence[Sample]) -> Rate | None:
    score = _score(samples)
    return None if score is None else Rate(passed=score.passed, total=score.measured)


def _score(samples: Sequence[Sample]) -> Score | None:
    measured = [sample for sample in samples if sample.passed is not None]
    passed = sum(sample.passed is True for sample in measured)
    return Score(passed=passed, measured=len(measured)) if measured else None
