"""The gate's judgement: two stages, one promise, and what becomes of each case."""

from __future__ import annotations

import pytest

from claude_run.verdict.basics import Rate
from claude_run.verdict.gate import (
    GateRules,
    GateVerdict,
    Judgement,
    PairedCase,
    Standing,
    fresh_wanted,
    judge_run,
)
from claude_run.verdict.regression import CaseAttempts

RULES = GateRules()


def case(
    name: str,
    accepted: tuple[int, int],
    now: tuple[int, int],
    *,
    fresh: tuple[int, int] | None = None,
    model: str = "haiku",
) -> PairedCase:
    """Return a case whose counts are given as (passed, of)."""
    return PairedCase(
        name=name,
        model=model,
        attempts=CaseAttempts(
            accepted=Rate(passed=accepted[0], total=accepted[1]), now=Rate(passed=now[0], total=now[1])
        ),
        fresh=None if fresh is None else Rate(passed=fresh[0], total=fresh[1]),
    )


def steady(number: int, attempts: int = 3, *, model: str = "haiku") -> list[PairedCase]:
    """Return cases that pass always."""
    every = (attempts, attempts)
    return [case(f"{model}-{index}", every, every, model=model) for index in range(number)]


def standing(judgement: Judgement, name: str) -> Standing:
    """Return what became of the case of that name."""
    return next(each.standing for each in judgement.cases if each.case.name == name)


def test_perfect_cases_show_no_regression() -> None:
    """Nothing moved, so nothing is found, and nothing more is wanted."""
    judgement = judge_run(steady(20), RULES)
    assert judgement.verdict is GateVerdict.NO_REGRESSION
    assert {each.standing for each in judgement.cases} == {Standing.SAME}
    assert not fresh_wanted(judgement, RULES)


def test_one_broken_case_is_confirmed_by_fresh_attempts() -> None:
    """The test alone cannot tell 3 of 3 that become 0 of 3; five fresh attempts that all fail can."""
    judgement = judge_run([*steady(19), case("c", (3, 3), (0, 3))], RULES)
    assert judgement.verdict is GateVerdict.UNCLEAR
    assert fresh_wanted(judgement, RULES) == {"c": 5}
    again = judge_run([*steady(19), case("c", (3, 3), (0, 3), fresh=(0, 3))], RULES)
    assert fresh_wanted(again, RULES) == {"c": 2}
    broken = judge_run([*steady(19), case("c", (3, 3), (0, 3), fresh=(0, 5))], RULES)
    assert (broken.verdict, standing(broken, "c")) == (GateVerdict.REGRESSED, Standing.BROKE)
    assert not fresh_wanted(broken, RULES)


def test_the_first_fresh_pass_shows_a_flaky_case() -> None:
    """One pass is enough to close a case, and the run is not red for it."""
    judgement = judge_run([*steady(19), case("c", (3, 3), (0, 3), fresh=(1, 2))], RULES)
    assert (judgement.verdict, standing(judgement, "c")) == (GateVerdict.NO_REGRESSION, Standing.FLAKY)
    assert not fresh_wanted(judgement, RULES)


def test_without_fresh_attempts_the_test_has_the_whole_level() -> None:
    """3 of 3 that become 0 of 3 have a p-value of exactly 5 %: enough where nothing can be confirmed."""
    alone = GateRules(most_fresh=0)
    judgement = judge_run([*steady(19), case("c", (3, 3), (0, 3))], alone)
    assert (judgement.verdict, standing(judgement, "c")) == (GateVerdict.REGRESSED, Standing.BROKE)
    flaky = [case(f"f{index}", (2, 3), (2, 3)) for index in range(10)]
    unclear = judge_run([*flaky, case("c", (3, 3), (0, 3))], alone)
    assert (unclear.verdict, standing(unclear, "c")) == (GateVerdict.UNCLEAR, Standing.UNCLEAR)
    assert not fresh_wanted(unclear, alone)


def test_a_cap_on_fresh_attempts_can_clear_a_case_and_not_confirm_it() -> None:
    """Two of five needed ones are played: a pass shows a flaky case, two failures leave it unclear."""
    capped = GateRules(most_fresh=2)
    assert fresh_wanted(judge_run([*steady(19), case("c", (3, 3), (0, 3))], capped), capped) == {"c": 2}
    left = judge_run([*steady(19), case("c", (3, 3), (0, 3), fresh=(0, 2))], capped)
    assert left.verdict is GateVerdict.UNCLEAR
    assert not fresh_wanted(left, capped)


def test_too_many_failing_cases_can_be_cleared_and_not_confirmed() -> None:
    """Six of many flaky cases fail at 3 against 1: ten fresh failures prove nothing, one pass clears."""
    flaky = [case(f"f{index}", (1, 3), (int(index > 4), 1)) for index in range(30)]
    others = [*flaky, *steady(60, 3)]
    judgement = judge_run([*others, case("c", (3, 3), (0, 1))], RULES)
    assert not judgement.tests[0].rejected
    assert judgement.tests[0].failing == 6
    assert standing(judgement, "c") is Standing.UNCLEAR
    assert judgement.cases[-1].needed is None
    assert fresh_wanted(judgement, RULES) == {"c": 10}
    failed = judge_run([*others, case("c", (3, 3), (0, 1), fresh=(0, 10))], RULES)
    assert (failed.verdict, standing(failed, "c")) == (GateVerdict.UNCLEAR, Standing.UNCLEAR)
    assert not fresh_wanted(failed, RULES)
    cleared = judge_run([*others, case("c", (3, 3), (0, 1), fresh=(1, 2))], RULES)
    assert standing(cleared, "c") is Standing.FLAKY
    assert cleared.verdict is not GateVerdict.UNCLEAR


def test_known_failures_count_for_nothing() -> None:
    """What never passed is neither worse nor one of those that fail now."""
    known = [case(f"k{index}", (0, 3), (0, 3)) for index in range(30)]
    judgement = judge_run([*known, *steady(10), case("c", (3, 3), (0, 3))], RULES)
    assert judgement.tests[0].failing == 1
    assert fresh_wanted(judgement, RULES) == {"c": 5}
    assert standing(judgement, "k0") is Standing.SAME


def test_an_improvement_pays_for_no_breakage() -> None:
    """One case breaks and two get better: it still looks broken, and the verdict is not `improved`."""
    better = [case(f"b{index}", (0, 5), (5, 5)) for index in range(2)]
    judgement = judge_run([*better, *steady(17, 5), case("c", (5, 5), (0, 5), fresh=(0, 5))], RULES)
    assert judgement.verdict is GateVerdict.REGRESSED
    assert standing(judgement, "b0") is Standing.BETTER


def test_gains_beyond_chance_are_improved() -> None:
    """Nothing got worse, and what got better is no chance."""
    better = [case(f"b{index}", (0, 5), (5, 5)) for index in range(2)]
    assert judge_run([*better, *steady(10, 5)], RULES).verdict is GateVerdict.IMPROVED
    little = [case("b", (2, 3), (3, 3))]
    assert judge_run([*little, *steady(10)], RULES).verdict is GateVerdict.NO_REGRESSION


def test_several_models_share_the_false_alarms() -> None:
    """Holm over the models in the test, and 1 % divided by their number where it is confirmed."""
    broken = [case(f"c{index}", (5, 5), (0, 5), model="opus") for index in range(2)]
    judgement = judge_run([*steady(18, 5), *broken, *steady(18, 5, model="opus")], RULES)
    opus, haiku = (next(t for t in judgement.tests if t.model == name) for name in ("opus", "haiku"))
    assert opus.p_adjusted == pytest.approx(2 * opus.p_value)
    assert opus.rejected
    assert not haiku.rejected
    one = [*steady(19), case("c", (3, 3), (0, 3), model="haiku")]
    both = judge_run([*one, *steady(20, model="opus")], RULES)
    assert fresh_wanted(both, RULES) == {"c": 6}


def test_one_that_broke_leaves_the_others_open() -> None:
    """Each case gets as many fresh attempts as it needs, whatever another one's have shown already."""
    first = case("a", (4, 4), (0, 1), fresh=(0, 4))
    second = case("b", (3, 3), (0, 1), fresh=(0, 4))
    judgement = judge_run([first, second, *steady(4)], RULES)
    assert (judgement.verdict, standing(judgement, "a")) == (GateVerdict.REGRESSED, Standing.BROKE)
    assert standing(judgement, "b") is Standing.UNCLEAR
    assert fresh_wanted(judgement, RULES) == {"b": 2}


def test_nothing_is_confirmed_once_the_test_has_decided() -> None:
    """The run is red already: fresh attempts would cost and change nothing."""
    many = [case(f"c{index}", (10, 10), (0, 10)) for index in range(4)]
    judgement = judge_run([*many, *steady(16, 10)], RULES)
    assert judgement.verdict is GateVerdict.REGRESSED
    assert [standing(judgement, f"c{index}") for index in range(4)] == [Standing.BROKE] * 4
    assert not fresh_wanted(judgement, RULES)


@pytest.mark.parametrize(("accepted", "covered"), [(1, False), (2, False), (3, True)])
def test_one_or_two_accepted_attempts_are_not_covered(accepted: int, covered: bool) -> None:
    """Six fresh attempts are played for them, and the case says that no promise holds for it."""
    judgement = judge_run([case("c", (accepted, accepted), (0, 1)), *steady(5)], RULES)
    assert judgement.cases[0].case.covered is covered
    assert fresh_wanted(judgement, RULES)["c"] == (5 if covered else 6)


@pytest.mark.parametrize("wrong", [{"alpha": 0.0}, {"alpha": 0.5}, {"most_fresh": -1}, {"most_fresh": 11}])
def test_rules_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    """By their name and their range."""
    with pytest.raises(ValueError, match="must be"):
        GateRules(**wrong)  # type: ignore[arg-type] # wrong on purpose
