"""What two arms were played with: one thing is compared, all others that differ are named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from claude_run.conversation.sample import Setup
from claude_run.verdict.basics import ComparisonRules
from claude_run.verdict.comparison import compare
from tests.unit.verdict.test_comparison import arm, sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.conversation.sample import Sample
    from claude_run.verdict.setups import Conditions

PLAIN: dict[str, Any] = {"max_tokens": 512}
TURNS = [("user", "Hello.", True)]


def played(
    case: str = "a",
    *,
    params: dict[str, Any] | None = None,
    system: str = "Be kind.",
    turns: Sequence[tuple[str, str, bool]] = TURNS,
    **fields: Any,
) -> Sample:
    """Return a sample that was played with these parameters and texts."""
    return sample(case, setup=Setup.of(params or PLAIN, system, turns), **fields)


def found(before: Sample, after: Sample) -> Conditions:
    """Return the conditions of a comparison of one sample with another."""
    (candidate,) = compare(arm([before]), [arm([after])], ComparisonRules()).candidates
    return candidate.conditions


def names(conditions: Conditions) -> list[str]:
    """Return the names of what differs besides."""
    return [str(unlike.name) for unlike in conditions.differs]


def test_a_prompt_that_changed_is_what_is_compared() -> None:
    """Where nothing else differs there is nothing to warn of."""
    conditions = found(played(), played(system="Be brief."))
    assert (conditions.under_test, conditions.differs) == ("system prompt", ())
    assert found(played(), played()).under_test is None


def test_parameters_beside_a_prompt_are_named() -> None:
    """With both values, absent ones too, whatever the order of their keys."""
    before = played(params={"max_tokens": 512, "thinking": {"type": "enabled", "budget_tokens": 1024}})
    after = played(params={"thinking": {"budget_tokens": 1024, "type": "enabled"}, "temperature": 0})
    conditions = found(before, after)
    assert conditions.under_test is None
    assert [(each.name, each.baseline, each.candidate) for each in conditions.differs] == [
        ("max_tokens", "512", "not set"),
        ("temperature", "not set", "0"),
    ]


def test_models_are_compared_under_the_same_conditions() -> None:
    """Another limit, another prompt or other turns make it unclear what the models are worth."""
    after = played(params={"max_tokens": 99}, system="Be brief.", turns=[("user", "Hi.", True)], model="opus")
    conditions = found(played(), after)
    assert conditions.under_test == "model"
    assert names(conditions) == ["system prompt", "turns", "max_tokens"]
    assert conditions.differs[0].baseline is None
    assert names(found(played(variant="v1"), played(variant="v2", model="opus"))) == ["variant"]


def test_a_variant_may_override_what_it_likes() -> None:
    """Its parameters and texts are the variant; so are those of one model under two labels."""
    after = played(params={"max_tokens": 99}, system="Be brief.", variant="v2")
    conditions = found(played(variant="v1"), after)
    assert (conditions.under_test, conditions.differs) == ("variant", ())
    labelled = played(params={"effort": "high"}, model_label="careful")
    assert found(played(), labelled).differs == ()


def test_turns_beside_a_prompt_are_named() -> None:
    """Another question, or one turn more; what follows a reply may hold parts of it and is not compared."""
    more = [*TURNS, ("user", "Thanks.", True)]
    assert found(played(), played(turns=more)).under_test == "turns"
    assert names(found(played(), played(turns=more, system="Be brief."))) == ["turns"]
    other = [*TURNS, ("user", "Thanks a lot.", True)]
    assert found(played(turns=more), played(turns=other)).under_test is None


def test_the_cases_that_differ_are_counted() -> None:
    """The values of most of them are shown."""
    before = [played(case) for case in "abcd"]
    after = [played("a"), *(played(case, params={"max_tokens": len(case)}) for case in "bcd")]
    (candidate,) = compare(arm(before), [arm(after)], ComparisonRules()).candidates
    (unlike,) = candidate.conditions.differs
    assert (unlike.baseline, unlike.candidate, unlike.cases) == ("512", "1", 3)


def test_what_is_not_known_is_not_compared() -> None:
    """A baseline file holds no parameters, and a sample that was not measured counts on neither side."""
    assert found(sample(), played()).differs == ()
    assert found(played(passed=None), played(params={"max_tokens": 99})).differs == ()
