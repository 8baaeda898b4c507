"""What holding a run against its baseline says to a reader: which cases broke, then all else, numbers last.

The headline goes with the exit code of the run, and a case that broke is shown with what was asked, what was
expected, what came, and how it was before.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from claude_run.conversation.results import Outcome
from claude_run.errors import ExitCode
from claude_run.report.run.reasons import check_name, reasons, turns_that_went_wrong
from claude_run.report.text.blocks import one_text
from claude_run.report.text.numbers import usd
from claude_run.text.visible import count
from claude_run.verdict.regression import LEAST_COVERED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from claude_run.conversation.transcript import Transcript
    from claude_run.record.derive import Played
    from claude_run.record.gated import Gate, GatedCase, Score
    from claude_run.record.records import Record
    from claude_run.record.summary import RunSummary
    from claude_run.report.run.reasons import Reason

SHOWN = 10
"""How many cases are shown with their replies, and named in a line, before the rest is only counted."""

_NAMED = 3
_PERCENT = 100
_OWN = frozenset({"new", "edited", "unmeasured"})
_WORTH_SAYING = 0.05  # a change of the cost that is smaller is nothing that anybody would act on


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing to know of a case that did not hold: its `title`, and a text that others wrote."""

    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCase:
    """A case that fails the run: its history in words, and the facts. Name and facts are untrusted.

    `conversation` is the id of the one that the facts are of, None where none failed.
    """

    name: str
    conversation: str | None
    history: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """The verdict of a gate, from the top: read what comes first, and no more than you need.

    `word` stands for the whole run and never contradicts its exit code; `headline` says why and `advice` what
    to do, None where nothing is. `cases` failed the run, and `more` of them are not shown. `lines` say what
    became of all the others, `numbers` what the verdict rests on.
    """

    word: str
    headline: str
    advice: str | None
    cases: tuple[ShownCase, ...]
    more: int
    lines: tuple[str, ...]
    numbers: tuple[str, ...]


def gate_report(played: Played) -> GateReport | None:
    """Return what there is to say; None where the run was not held against a baseline."""
    summary = played.summary
    gate = summary.gate
    if gate is None or not gate.cases:
        return None
    records: dict[str, list[Record]] = {}
    for record in played.records:
        records.setdefault(record.planned.case_name, []).append(record)

    # Broken rules first: nothing excuses them. Then what else fails the run, the gravest first.
    broken_rules = [each for each in gate.cases if _broke_a_rule(records.get(each.name, ()))]
    unclear = [each for each in gate.cases if each.standing == "unclear"]
    shown = list(dict.fromkeys([*broken_rules, *_failing(gate), *unclear]))
    return GateReport(
        word=_word(summary, gate),
        headline=_headline(summary, gate),
        advice=_advice(summary, gate),
        cases=tuple(_shown(each, records.get(each.name, ())) for each in shown[:SHOWN]),
        more=max(0, len(shown) - SHOWN),
        lines=tuple(_lines(gate, {each.name for each in shown})),
        numbers=tuple(_numbers(gate)),
    )


def history(case: GatedCase) -> str:
    """Return how a case was and is, in words: `passed 3 of 3, now 0 of 3 and 0 of 5 fresh`."""
    if case.standing == "unmeasured":
        return "no attempt could be measured"
    if case.accepted is None:
        return f"not in the baseline, passed {_of(case.now)}"
    if case.standing == "edited":
        return f"its {case.edited} were edited since it was accepted, passed {_of(case.now)}"
    fresh = "" if case.fresh is None else f" and {_of(case.fresh)} fresh"
    return f"passed {_of(case.accepted)}, now {_of(case.now)}{fresh}"


def tolerance(gate: Gate) -> Mapping[str, str]:
    """Return why the failures of a case do not fail the run, by the name of the case."""
    failing = {each.name for each in _failing(gate)}
    why = {
        "broke": "",
        "unclear": ", which nobody can tell from chance; let pass by --on-unclear warn",
        "flaky": ": flaky",
        "worse": ", which may be chance",
        "better": ", better than it was",
        "same": ", as it was",
        "new": ", which is enough",
        "edited": ", which is enough",
    }
    return {
        each.name: f"{history(each)}{why.get(each.standing, '')}"
        for each in gate.cases
        if each.name not in failing
    }


def _failing(gate: Gate) -> list[GatedCase]:
    """Return the cases that fail the run, the gravest first."""
    order = ["broke", "unclear", "worse", "new", "edited"]
    blamed = {each.model for each in gate.models if each.spread}
    found = [
        each
        for each in gate.cases
        if each.standing == "broke"
        or (each.standing == "unclear" and gate.unclear_fails)
        or (each.standing == "worse" and each.model in blamed)
        or (each.standing in _OWN and not each.met)
    ]
    return sorted(found, key=lambda each: (order.index(each.standing), -_drop(each)))


def _word(summary: RunSummary, gate: Gate) -> str:
    """Return the verdict in capitals where the exit code is its own, and else what the code stands for."""
    if summary.exit_code is ExitCode.PASSED:
        return gate.verdict.upper() if _compared(gate) else "NOTHING COMPARED"
    if summary.exit_code is not ExitCode.FAILED:
        return "NOT MEASURED"
    if summary.must_failed:
        return "BROKEN RULE"
    fails = gate.verdict == "regressed" or (gate.verdict == "unclear" and gate.unclear_fails)
    return gate.verdict.upper() if fails else "FAILED"


def _headline(summary: RunSummary, gate: Gate) -> str:
    if summary.exit_code is not ExitCode.PASSED:
        return summary.exit_reason
    compared = _compared(gate)
    if not compared:
        return (
            f"{count(len(gate.cases), 'case')} passed by themselves: new, or edited since they were accepted"
        )
    standings = Counter(each.standing for each in compared)
    if gate.verdict == "unclear":
        return gate.reason
    passed, measured = (sum(getattr(each.now, name) for each in compared) for name in ("passed", "measured"))
    text = f"{standings['same']:,} of {count(len(compared), 'case')} as before"
    text += "".join(f", {standings[each]:,} {said}" for each, said in _ASIDE.items() if standings[each])
    return f"{text} ({passed:,} of {count(measured, 'attempt')} passed)"


_ASIDE = {"better": "better", "flaky": "flaky", "worse": "worse, which may be chance"}


def _compared(gate: Gate) -> list[GatedCase]:
    return [each for each in gate.cases if each.standing not in _OWN]


def _advice(summary: RunSummary, gate: Gate) -> str | None:
    """Return what to do about it; None where there is nothing to be done."""
    if summary.must_failed:
        return "no baseline excuses it: mend the prompt, or the rule itself"
    if summary.exit_code is ExitCode.PASSED and gate.verdict == "unclear":
        return _way_to_tell(summary, gate)
    if summary.exit_code is not ExitCode.FAILED:
        return None
    standings = {each.standing for each in _failing(gate)}
    if "unclear" in standings and not standings & {"broke", "worse"}:
        return _way_to_tell(summary, gate)
    if not standings:
        return "allowed is what `max_cost_increase` says in the project file"
    command = "review" if standings & {"broke", "worse"} else "accept"
    return f"meant so? `claude-run {command}`; if not, mend the prompt and play it again"


def _way_to_tell(summary: RunSummary, gate: Gate) -> str:
    """Return what would tell a case that looks broken from an unlucky one."""
    unclear = [each for each in gate.cases if each.standing == "unclear"]
    if not gate.most_fresh:
        return "fresh attempts would tell: play it without --no-confirm or --replay"
    if summary.run.options.get("replay") is None and any(each.fresh is None for each in unclear):
        return "merging has played none: `claude-run resume` plays the fresh attempts that would tell"
    needed = [each.needed for each in unclear if each.needed is not None]
    if needed and max(needed) > gate.most_fresh:
        return f"{max(needed)} fresh attempts would tell: --confirm {max(needed)}"
    if any(each.needed is not None and _made(each) < each.needed for each in unclear):
        return "the recording holds too few fresh attempts: play it without --replay"
    return "too many cases fail to tell them apart: accept a run of -n 10, and play this one again"


def _shown(case: GatedCase, records: Sequence[Record]) -> ShownCase:
    """Show a case by its first conversation that failed."""
    broke = (each for each in records if each.figures and each.figures.broke)
    plain = (each for each in records if each.outcome is Outcome.FAILED)
    record = next(broke, None) or next(plain, None)
    failed = record.transcript if record else None
    return ShownCase(
        name=case.name,
        conversation=record.planned.id if record else None,
        history=history(case),
        facts=tuple(_facts(case, failed)) if failed is not None else (),
    )


def _facts(case: GatedCase, failed: Transcript) -> Iterator[Fact]:
    found = reasons(failed)
    reason = found[0] if found else None
    answered = [turn for turn in failed.turns if turn.exchanges]
    turn = next((each for each in answered if reason and each.index == reason.turn), None)
    turn = turn or (answered[-1] if answered else None)
    if turn is not None:
        asked = "asked" if len(answered) == 1 else f"asked {turn.number}"
        yield Fact(title=asked, text=one_text(turn.content, failed.started.files))
    if reason is not None:
        text = f"{reason.place}: {_named(reason)}{reason.message.removeprefix('expected ')}"
        yield Fact(title="expected", text=text)
    if turn is not None:
        yield Fact(title="got", text=turn.text or "(no text)")
        position = failed.reply_turns.index(turn)
        if position < len(case.before):
            yield Fact(title="before", text=case.before[position])
    if turn is not None and (more := sum(each is not turn for each in turns_that_went_wrong(failed))):
        were = "turn was" if more == 1 else "turns were"
        yield Fact(title="besides", text=f"{more} more {were} not as expected: see transcripts.md")
    if case.accepted is not None and not case.covered:
        few = count(case.accepted.measured, "accepted attempt")
        text = f"{few}: not covered by the promise on false alarms; accept a run of -n 10"
        yield Fact(title="note", text=text)


def _named(reason: Reason) -> str:
    """Return the name of an expectation that has one, or that is a rule."""
    if reason.check is None or not (reason.check.label or reason.breaks_a_rule):
        return ""
    return f"{check_name(reason.check)}{' (must)' if reason.breaks_a_rule else ''}: "


def _lines(gate: Gate, shown: set[str]) -> Iterator[str]:
    """Yield a line for each scenario, and one for each thing that is no reason to fail the run."""
    by_scenario: dict[str, list[GatedCase]] = {}
    for case in gate.cases:
        by_scenario.setdefault(case.scenario, []).append(case)
    rows = [(name, Counter(_class(each) for each in cases)) for name, cases in by_scenario.items()]
    changed = [row for row in rows if set(row[1]) - {"as before"}]
    for name, classes in changed[:SHOWN]:
        parts = (f"{classes[each]:,} {each}" for each in _CLASSES if classes[each])
        yield f"{name}: {', '.join(parts)}"
    if len(changed) > SHOWN:
        yield f"{count(len(changed) - SHOWN, 'more scenario')} with changes: see summary.json"
    if len(rows) > 1 and (steady := len(rows) - len(changed)):
        yield f"{count(steady, 'scenario')} with all cases as before"

    for standing, title in _TITLES.items():
        if found := [each for each in gate.cases if each.standing == standing and each.name not in shown]:
            yield f"{title}: {_some([f'{each.name} ({history(each)})' for each in found])}"
    if gate.gone:
        yield f"no longer there, and not compared: {_some(gate.gone)}"
    if reworded := sum(each.reworded for each in gate.cases if each.name not in shown):
        replies = count(reworded, "reply", plural="replies")
        yield f"{replies} worded differently: `claude-run review`"
    if gate.cost is not None and abs(gate.cost.increase) >= _WORTH_SAYING:
        before, now = (usd(Decimal(str(each))) for each in (gate.cost.accepted_usd, gate.cost.now_usd))
        more = "more" if gate.cost.increase > 0 else "less"
        yield f"costs {_PERCENT * abs(gate.cost.increase):.1f} % {more}: {now} a conversation, was {before}"


_CLASSES = (
    "broke",
    "unclear",
    "worse",
    "failed",
    "as before",
    "better",
    "flaky",
    "new",
    "edited",
    "unmeasured",
)
_TITLES = {
    "flaky": "flaky, not broken",
    "worse": "worse, which may be chance",
    "better": "better",
    "edited": "edited, so not compared",
    "new": "new",
    "unmeasured": "not measured",
}


def _class(case: GatedCase) -> str:
    if case.standing in _OWN and not case.met:
        return "failed"
    return "as before" if case.standing == "same" else case.standing


def _numbers(gate: Gate) -> Iterator[str]:
    """Yield what the verdict rests on, for whoever wants to check it."""
    for each in gate.models:
        adjusted = f", {each.p_adjusted:.3g} after Holm" if len(gate.models) > 1 else ""
        yield (
            f"{each.model}: {count(each.cases, 'case')} compared; p = {each.p_value:.3g}{adjusted} for such"
            f" drops where nothing has changed (exact test, red at {each.level:.3g} or less);"
            f" {each.p_better:.3g} for such gains; {each.failing:,} of them failed always and did not before"
        )
    confirm = (
        f"then up to {gate.most_fresh} fresh attempts of each case that looks broken"
        if gate.most_fresh
        else "no fresh attempts"
    )
    yield (
        f"against {gate.against}: red in at most {_PERCENT * gate.alpha:g} % of runs without a change, where"
        f" {LEAST_COVERED} attempts or more were accepted; the test first, {confirm}"
    )


def _broke_a_rule(records: Sequence[Record]) -> bool:
    return any(each.figures is not None and each.figures.broke for each in records)


def _made(case: GatedCase) -> int:
    return case.fresh.measured if case.fresh else 0


def _drop(case: GatedCase) -> float:
    if case.accepted is None or not case.now.measured:
        return 0.0
    return case.accepted.passed / case.accepted.measured - case.now.passed / case.now.measured


def _of(score: Score) -> str:
    return f"{score.passed:,} of {score.measured:,}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
