"""What a reader of a verdict must be told, in plain sentences that hold numbers only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.text.visible import count
from claude_run.verdict.rules import Verdict

if TYPE_CHECKING:
    from claude_run.verdict.effect import Effect
    from claude_run.verdict.outlook import Outlook
    from claude_run.verdict.pairing import Pairing


def write_notes(
    pairing: Pairing, effect: Effect | None, *, outlook: Outlook | None, verdict: Verdict, sure: bool
) -> tuple[str, ...]:
    """Return the notes, the gravest first. `sure`: the test alone is sure that the candidate is worse."""
    left_out = _left_out(pairing)
    if effect is None or outlook is None:
        return ("No case was measured in both runs: there is nothing to compare.", *left_out)
    notes = [
        _too_little(pairing, effect, outlook=outlook),
        _small_drop(verdict, sure=sure),
        _one_attempt(pairing, verdict),
    ]
    return (*(note for note in notes if note), *left_out)


def _left_out(pairing: Pairing) -> list[str]:
    counts = [
        (len(pairing.baseline_only), "only in the baseline"),
        (len(pairing.candidate_only), "only in the candidate"),
        (len(pairing.unmeasured), "without a measured attempt in one of the runs"),
    ]
    notes = [f"Left out: {count(number, 'case')} {where}." for number, where in counts if number]
    if pairing.lost_attempts:
        lost = count(pairing.lost_attempts, "attempt")
        notes.append(f"{lost} could not be measured and count neither as passed nor as failed.")
    return notes


def _too_little(pairing: Pairing, effect: Effect, *, outlook: Outlook) -> str | None:
    fewest, unit = outlook.fewest_changes, "case" if effect.units == effect.cases else "group"
    if effect.units < fewest:
        verb = "was" if effect.units == 1 else "were"
        return (
            f"This comparison cannot fail the gate: at least {count(fewest, unit)} must get worse together, "
            f"and only {count(effect.units, unit)} {verb} compared. Add cases."
        )
    changed = len({pair.cluster for pair in pairing.pairs if pair.difference})
    if effect.worse and changed < fewest:
        return (
            f"Only {count(changed, unit)} changed: the least that the test can call a regression is "
            f"{fewest} changes in one direction."
        )
    return None


def _small_drop(verdict: Verdict, *, sure: bool) -> str | None:
    if sure and verdict is not Verdict.REGRESSED:
        return (
            "The candidate is worse beyond chance, but by less than the drop that the gate was told to mind."
        )
    return None


def _one_attempt(pairing: Pairing, verdict: Verdict) -> str | None:
    once = all(max(pair.baseline.total, pair.candidate.total) == 1 for pair in pairing.pairs)
    if once and verdict is Verdict.INCONCLUSIVE:
        return (
            "Every case was tried once: how much repeats would help is unknown until there are at least two."
        )
    return None
