"""Regular expressions by RE2."""

from __future__ import annotations

import pytest

from claude_run.scenario.patterns import Match, PatternError, check_pattern, search


def test_a_match_tells_whole_and_first_group() -> None:
    """The first match gives its text, its first group and its place, counted in characters."""
    expected = Match(whole="order 12", first_group="12", has_group=True, start=2, end=10)
    assert search(r"order (\d+)", "é order 12, order 13") == expected


def test_a_pattern_without_group_has_none() -> None:
    """Without a group there is only the whole match."""
    found = search("(?i)SHIPPED", "it is shipped")
    assert found is not None
    assert (found.whole, found.first_group, found.has_group) == ("shipped", None, False)


def test_a_group_that_took_no_part_is_none() -> None:
    """An optional group that matched nothing differs from a pattern without one."""
    found = search("a(b)?", "ac")
    assert found is not None
    assert (found.first_group, found.has_group) == (None, True)


def test_no_match_is_none() -> None:
    """What is not there is not found."""
    assert search("x", "abc") is None


def test_lone_surrogates_in_the_text_do_no_harm() -> None:
    """A reply with half a surrogate pair is searched like any other, and indexes stay right."""
    found = search("b", "\ud800b")
    assert found is not None
    assert found.start == 1


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "missing"),
        ("(?=a)", "no lookahead"),
        ("(?<!a)b", "no lookbehind"),
        ("(?>a)", "no atomic groups"),
        (r"(a)\1", "no backreferences"),
        (r"\q", "invalid escape sequence"),
        ("((a{1000}){1000}){1000}", "repetition"),
        ("\ud800", "surrogate"),
    ],
)
def test_what_re2_refuses_is_explained(pattern: str, reason: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A bad pattern is an error in words, and RE2 itself prints nothing."""
    with pytest.raises(PatternError, match=reason):
        check_pattern(pattern)
    assert capfd.readouterr() == ("", "")


def test_nothing_backtracks() -> None:
    """The classic catastrophe of backtracking engines is answered at once."""
    assert search("^(a+)+$", "a" * 100_000 + "!") is None
