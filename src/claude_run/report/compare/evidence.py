"""What a verdict rests on: its numbers, line by line, and samples of the cases that changed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from claude_run.report.compare.words import is_flaky, p_value, percent, points, rates_of, span
from claude_run.report.text.blocks import truncate
from claude_run.report.text.diff import diff_words
from claude_run.text.visible import count
from claude_run.verdict.basics import PValue
from claude_run.verdict.comparison import typical
from claude_run.verdict.reliability import reliability

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from claude_run.conversation.sample import Sample
    from claude_run.report.text.diff import Piece
    from claude_run.verdict.changes import CaseChange
    from claude_run.verdict.comparison import CandidateResult
    from claude_run.verdict.difference import ComparisonResult
    from claude_run.verdict.effect import Effect
    from claude_run.verdict.pairing import Pair

_FAILURES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class BasisLine:
    """One line of what a verdict rests on."""

    label: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyDiff:
    """A reply that is not the same on both sides; `number` counts the replies of a conversation from 1.

    `asked` is the beginning of what was said before it, on one line; empty where that is not known.
    """

    number: int
    note: str
    asked: str
    pieces: tuple[Piece, ...]

    @property
    def title(self) -> str:
        return f"reply {self.number}{self.note}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A changed case: the baseline's sample, the candidate's, and the replies that differ between them."""

    change: CaseChange
    baseline: Sample
    candidate: Sample
    replies: tuple[ReplyDiff, ...]

    @property
    def title(self) -> str:
        """Which samples are compared: `baseline passed (repeat 1), candidate failed (repeat 2)`."""
        sides = []
        for side, sample in (("baseline", self.baseline), ("candidate", self.candidate)):
            repeat = "" if sample.identity.repeat is None else f" (repeat {sample.identity.repeat})"
            sides.append(f"{side} {'passed' if sample.passed else 'failed'}{repeat}")
        return ", ".join(sides)

    @property
    def failures(self) -> tuple[str, ...]:
        """What the failed checks said, of the side that failed; cut to a few."""
        failed = self.candidate if self.candidate.passed is False else self.baseline
        found = [truncate(failure) for failure in failed.failures[:_FAILURES]]
        left = len(failed.failures) - len(found)
        return (*found, *([f"and {left:,} more"] if left else []))


def verdict_basis(candidate: CandidateResult, *, family: int) -> tuple[BasisLine, ...]:
    """Return what the verdict rests on, line by line; none where nothing was compared.

    `family` is how many candidates were judged together.
    """
    result = candidate.result
    effect = result.effect
    if effect is None:
        return ()

    groups = f" in {effect.units:,} groups that rise and fall together" if effect.units < effect.cases else ""
    related = "" if effect.correlation is None else f"; correlation {effect.correlation:.2f}"
    cases = (
        f"{effect.cases:,} compared{groups}: {effect.worse:,} worse, {effect.better:,} better, "
        f"{effect.same:,} the same{related}"
    )

    lines = [
        BasisLine(label="pass rate", text=_rate_words(result, effect)),
        BasisLine(label="cases", text=cases),
    ]
    # Where nothing moved both are 1, which tells nobody anything.
    if min(result.p_worse, result.p_better) < 1:
        lines.append(BasisLine(label="p-value", text=_p_words(result, family)))
    return (*lines, *_reliability_lines(result.pairing.pairs))


def evidence(candidate: CandidateResult, *, most: int) -> tuple[Evidence, ...]:
    """Return evidence of at most that many changed cases, the largest drop first."""
    found: list[Evidence] = []
    for change in candidate.result.changes:
        if len(found) == most:
            break
        # Of a case that got worse a sample that passed and one that failed, of one that got better the
        # other way round.
        worse = change.difference < 0
        before = typical(candidate.baseline_samples[change.case], passed=worse)
        after = typical(candidate.samples[change.case], passed=not worse)
        if before is None or after is None:
            continue
        replies = tuple(_differences(before, after))
        found.append(Evidence(change=change, baseline=before, candidate=after, replies=replies))
    return tuple(found)


def _differences(before: Sample, after: Sample) -> Iterator[ReplyDiff]:
    asked = dict(enumerate(before.asked, start=1)) | dict(enumerate(after.asked, start=1))
    for number, (old, new) in enumerate(zip_longest(before.replies, after.replies), start=1):
        if old != new:
            words = " ".join(asked[number].split()) or "(no text)" if number in asked else ""
            only = "baseline" if new is None else "candidate" if old is None else None
            note = f" (only in the {only})" if only else ""
            yield ReplyDiff(
                number=number,
                note=note,
                asked=truncate(words),
                pieces=diff_words(old or "", new or ""),
            )


def _rate_words(result: ComparisonResult, effect: Effect) -> str:
    interval, margin = effect.interval, result.rules.margin
    excluded = "is excluded" if interval.lower > -margin else "is not excluded"
    moved = f"{percent(effect.baseline_rate)} became {percent(effect.candidate_rate)}"
    return (
        f"{moved}, {points(effect.difference)}; "
        f"{percent(interval.confidence, digits=3)} interval {span(interval)} points ({interval.method}); "
        f"a drop of {100 * margin:g} points {excluded}"
    )


def _p_words(result: ComparisonResult, family: int) -> str:
    rules = result.rules
    test = "mid-p sign-flip" if rules.p_value is PValue.MID else "exact sign-flip"
    adjusted = (
        f"; adjusted over {family:,} candidates: {p_value(result.p_worse_adjusted)} for worse, "
        f"{p_value(result.p_better_adjusted)} for better"
        if family > 1
        else ""
    )
    return (
        f"{p_value(result.p_worse)} for worse, {p_value(result.p_better)} for better "
        f"(one-sided {test} test){adjusted}; regressed means at most {float(rules.level):.3g}"
    )


def _reliability_lines(pairs: Iterable[Pair]) -> Iterator[BasisLine]:
    """Yield pass^k and pass@k over the cases that have k samples on both sides, k the commonest number."""
    sizes = [(min(pair.baseline.total, pair.candidate.total), pair) for pair in pairs]
    k = Counter(size for size, _ in sizes).most_common(1)[0][0]
    if k == 1:
        return
    before, after = (reliability(rates, k) for rates in rates_of([pair for size, pair in sizes if size >= k]))
    if before and after:
        yield BasisLine(
            label=f"pass^{k}",
            text=f"{percent(before.all_pass)} became {percent(after.all_pass)}: all {k} pass",
        )
        yield BasisLine(
            label=f"pass@{k}",
            text=f"{percent(before.any_passes)} became {percent(after.any_passes)}: one of {k} passes",
        )
    flaky = count(sum(is_flaky(pair) for _, pair in sizes), "case")
    yield BasisLine(label="flaky", text=f"{flaky} passed in some samples and failed in others")
