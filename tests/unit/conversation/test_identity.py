"""Who a conversation is: its names, and numbered cases that are known by their variables."""

from __future__ import annotations

from typing import Any

from claude_run.conversation.identity import Identity, aligned_to


def identity(case: str | None, digest: str | None = None, **fields: Any) -> Identity:
    """Return the identity of a case; one with a digest has no id but its number."""
    parts = {"scenario": "s", "path": "s.yaml", "model": "m", "model_label": "m", **fields}
    return Identity.of(case=case, case_digest=digest, **parts)


def test_its_names_leave_out_what_is_not_used() -> None:
    """One value joins them all."""
    one = identity("a", variant="v", repeat=2)
    assert (one.id, one.case_name) == ("s/a/v/m/2", "s/a/v/m")
    assert (one.name_in_scenario, one.question_name, one.title) == ("a/v/m", "s/a/v", "s/a/v [m] #2")
    assert one.key_parts == ("s", "a", "v", "m", 2)
    assert one.compared_name(with_variant=False, with_model=True) == "s/a/m"
    assert (identity(None).id, identity(None).title) == ("s/m", "s [m]")


def test_it_reads_back_from_its_parts() -> None:
    """The digest only where there is one."""
    for one in (identity("a"), identity("1", "d1", repeat=3)):
        assert Identity.from_parts(one.parts(), name=one.id) == one
        assert ("case_digest" in one.parts()) == (one.case_digest is not None)


def test_numbered_cases_are_called_as_those_with_the_same_variables() -> None:
    """Wherever they stand now; one without a partner is paired with nothing."""
    before = [identity("1", "x"), identity("2", "y"), identity("3", "z")]
    now = [identity("1", "new"), identity("2", "x"), identity("3", "y")]
    called = aligned_to(before, now)
    assert [called(each).case for each in before] == ["2", "3", "3 (other variables)"]


def test_of_equal_cases_each_is_taken_once() -> None:
    """In order, so that two rows of the same variables stay two."""
    before, now = [identity("1", "x"), identity("2", "x")], [identity("5", "x"), identity("6", "x")]
    called = aligned_to(before, now)
    assert [called(each).case for each in before] == ["5", "6"]


def test_an_id_is_not_a_number() -> None:
    """What is called like a numbered case is another one; whatever has an id keeps it."""
    called = aligned_to([identity("1"), identity("a"), identity(None)], [identity("1", "x")])
    assert called(identity("1")).case == "1 (other variables)"
    assert called(identity("a")).case == "a"
    assert called(identity(None)).case is None
