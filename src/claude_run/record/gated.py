"""What holding a run against its baseline came to, as the journal and `summary.json` keep it.

It holds all that a report says of the verdict, so that every report can be made anew of the journal alone.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from claude_run.errors import ExitCode
from claude_run.record.codec import checked_types

if TYPE_CHECKING:
    from collections.abc import Mapping

    from claude_run.scenario.json_values import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How many attempts passed, of those that were measured."""

    passed: int
    measured: int

    def to_json(self) -> JsonObject:
        return {"passed": self.passed, "measured": self.measured}


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedCase:
    """One case of the run, and what became of it since it was accepted.

    `standing` is a word of `verdict.gate.Standing` for a case that was compared; `new` for one that was never
    accepted, and `edited` for one whose expectations or variables (`edited` says which) are not those that
    were accepted: these two are decided by their own pass rate, which they have `met` or not. `fresh` are its
    confirming attempts, of which `needed` must all fail before it is called broken; None where no number
    would tell. `covered`: enough attempts were accepted for the promise on false alarms to hold.
    `before` are the accepted replies of the case, and `reworded` is how many replies differ from them.
    """

    name: str
    scenario: str
    model: str
    standing: str
    now: Score
    accepted: Score | None = None
    fresh: Score | None = None
    needed: int | None = 0
    covered: bool = True
    met: bool = True
    edited: str | None = None
    before: tuple[str, ...] = ()
    reworded: int = 0

    def to_json(self) -> JsonObject:
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedModel:
    """The test over all cases of one model.

    `p_adjusted` is the p-value after Holm over the models of the run. Where it is at most `level` the test
    has `rejected` that nothing has changed; `spread` says that it would have without the cases that broke,
    and then every case that got worse is blamed. `p_better` is that of the same test of the gains. `failing`
    cases failed always now and did not before.
    """

    model: str
    cases: int
    p_value: float
    p_adjusted: float
    p_better: float
    level: float
    rejected: bool
    spread: bool
    failing: int

    def to_json(self) -> JsonObject:
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CostChange:
    """What a conversation costs on average without the prompt cache, in US dollars, then and now.

    `allowed` is the increase that does not fail the run, as a share; None for any.
    """

    accepted_usd: float
    now_usd: float
    allowed: float | None = None

    @property
    def increase(self) -> float:
        """The increase as a share of what was accepted: 0.2 for a fifth more."""
        return self.now_usd / self.accepted_usd - 1 if self.accepted_usd else 0.0

    @property
    def is_too_much(self) -> bool:
        return self.allowed is not None and self.increase > self.allowed

    def to_json(self) -> JsonObject:
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What holding the run against its baseline came to; it decides in place of the single checks.

    `verdict` is a word of `verdict.gate.GateVerdict`, `reason` says in words why `code` is what it is.
    `against` names the baseline, `gone` the cases that stand only in it. `alpha` is how often the gate may be
    wrong, `most_fresh` how many fresh attempts a case might have. `unclear_fails`: what nobody can tell fails
    the run.
    """

    code: ExitCode
    verdict: str
    reason: str
    against: str = ""
    alpha: float = 0.05
    most_fresh: int = 0
    models: tuple[GatedModel, ...] = ()
    cases: tuple[GatedCase, ...] = ()
    gone: tuple[str, ...] = ()
    cost: CostChange | None = None
    unclear_fails: bool = True

    def to_json(self) -> JsonObject:
        """Return the gate as it stands in the journal and in `summary.json`."""
        return {
            "code": int(self.code),
            "verdict": self.verdict,
            "reason": self.reason,
            "against": self.against,
            "alpha": self.alpha,
            "most_fresh": self.most_fresh,
            "unclear_fails": self.unclear_fails,
            "models": [each.to_json() for each in self.models],
            "cases": [each.to_json() for each in self.cases],
            "gone": list(self.gone),
            "cost": None if self.cost is None else self.cost.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Gate:
        """Read it back; KeyError, TypeError or ValueError for what does not fit.

        What an earlier version wrote has no more than the code, the verdict and the reason.
        """
        gate = cls(
            code=ExitCode(value["code"]),
            verdict=value["verdict"],
            reason=value["reason"],
            against=value.get("against", ""),
            alpha=value.get("alpha", 0.05),
            most_fresh=value.get("most_fresh", 0),
            unclear_fails=value.get("unclear_fails", True),
            models=tuple(checked_types(GatedModel(**each)) for each in value.get("models", ())),
            cases=tuple(map(_case, value.get("cases", ()))),
            gone=tuple(value.get("gone", ())),
            cost=None if (cost := value.get("cost")) is None else checked_types(CostChange(**cost)),
        )
        return checked_types(gate)


def _case(value: Mapping[str, Any]) -> GatedCase:
    scores = {name: _score(value[name]) for name in ("now", "accepted", "fresh")}
    if scores["now"] is None:
        raise TypeError(f"the case {value.get('name')!r:.40} has no score")
    return checked_types(GatedCase(**{**value, **scores, "before": tuple(value.get("before", ()))}))


def _score(value: Any) -> Score | None:  # noqa: ANN401 - whatever the file holds
    if value is None:
        return None
    score = checked_types(Score(**value))
    if not 0 <= score.passed <= score.measured:
        raise ValueError(f"{score.passed} of {score.measured} attempts cannot have passed")
    return score


def _plain(value: Any) -> Any:  # noqa: ANN401 - any field of a case
    if isinstance(value, Score):
        return value.to_json()
    return list(value) if isinstance(value, tuple) else value
