"""What a template uses, and what is wrong with it, without rendering."""

from __future__ import annotations

import pytest

from claude_run.scenario.template_check import variables_in


def uses(source: str) -> list[str]:
    """Return the uses as `offset name`, optional ones with a question mark."""
    return [
        f"{use.offset} {'saved.' if use.saved else ''}{use.name}{'?' if use.optional else ''}"
        for use in variables_in(source).uses
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("no variables", []),
        ("{{ a }} {{ b.c }} {{ a }}", ["3 a", "11 b"]),
        ("{{ saved.x }} {{ saved['y'] }}", ["3 saved.x", "17 saved.y"]),
        ("{{ b.a }} {{ x | a }}", []),
        ("{{ b.a }} {{ a }}", ["3 b", "13 a"]),
        ("{% for i in xs %}{{ i }}{% endfor %}", ["12 xs"]),
        ("{% set k = v %}{{ k }}", ["11 v"]),
        ("{% if a is defined %}{{ a }}{% endif %}", ["6 a?"]),
        ("{{ a | default('x') }} {{ saved.b | d('y') }}", ["3 a?", "26 saved.b?"]),
        ("text   {%- if c %}x{% endif -%}   {{ d }}", ["14 c", "37 d"]),
        ("{# a #}{% raw %}{{ b }}{% endraw %}{{ c }}", ["38 c"]),
        ("line\n{{\n  a\n}}", ["10 a"]),
    ],
)
def test_variables_are_found_with_their_places(source: str, expected: list[str]) -> None:
    """Each variable is listed once, at its first use."""
    if "| a" in source:
        assert variables_in(source).problems
        return
    assert uses(source) == expected


@pytest.mark.parametrize(
    ("source", "offset", "length", "message"),
    [
        ("one\n  {{ a", 6, 2, "unexpected end of template"),
        ("one\n  }} {% if %}", 9, 2, "the template is wrong"),
        ("one {{ a | upcase }}", 11, 6, "unknown filter `upcase`"),
        ("{{ a is evn }}", 8, 3, "unknown test `evn`"),
        ("x\n{{ f() }}", 2, 2, "nothing can be called"),
        ("{% extends 'a' %}", 0, 2, "templates extend no files"),
        ("{{ saved }}", 3, 5, "`saved` can only be read by name"),
        ("{{ saved[k] }}", 3, 5, "`saved` can only be read by name"),
        ("{{ a", 0, 2, "unexpected end"),
        ("{{ a\n  b c }}", 7, 1, "expected token"),
        ("{% if x %}\n\nplain", 0, 2, "Unexpected end of template"),
    ],
)
def test_problems_have_their_place_in_the_text(source: str, offset: int, length: int, message: str) -> None:
    """Syntax errors point at the tag of their line, unknown names at the name."""
    (found,) = variables_in(source).problems
    assert message in found.message
    assert (found.offset, found.length) == (offset, length)


@pytest.mark.parametrize(
    ("source", "symbol", "hint"),
    [
        ("{{ a + b }}", "+", "join texts: {{ [a, b] | join }}"),
        ("{{ a ~ b ~ c }}", "~", "write {{ a }}{{ b }}, or join the parts"),
        ("{{ a * b }}", "*", "give the result a name of its own"),
        ("{{ a ** b }}", "**", "give the result a name of its own"),
        ("{{ a / b }}", "/", "give the result a name of its own"),
        ("{{ a // b }}", "//", "give the result a name of its own"),
        ("{{ a % b }}", "%", "ask `is divisibleby(n)`"),
        ("{{ 'a%s' % b }}", "% b", "ask `is divisibleby(n)`"),
        ("{{ a - b }}", "-", "give the result a name of its own"),
        ("{% if -1 < (a[-1]) - -2 %}{% endif %}", "- -", "give the result a name of its own"),
        ("{{ {'a': -1}.a - 1 }}", "- 1 }}", "give the result a name of its own"),
        ("{{ +a }}", "+", "remove the sign"),
        ("{{ {'a': b}['a'] }}{{ c[1:] }}", ":]", "take one entry"),
        ("{{ c[:{'a': 1}.a] }}", ":{", "take one entry"),
        (
            "text\n+ {#- + #}{% raw %}{{ 1 + 1 }}{% endraw %}{{ '+' }}{% set x = y\n  * z %}",
            "* z",
            "give the",
        ),
    ],
)
def test_what_computes_is_named_at_its_place(source: str, symbol: str, hint: str) -> None:
    """An operator is shown where it stands, once in a tag, with what to write instead."""
    (found,) = variables_in(source).problems
    assert found.message.endswith(": it computes nothing")
    assert found.offset == source.index(symbol)
    assert source[found.offset :][: found.length] in {*"+~*/%-:", "**", "//"}
    assert hint in (found.hint or "")


def test_each_tag_with_an_operator_is_named() -> None:
    """All that is to be mended is shown in one go; a number may have a sign."""
    found = variables_in("{{ a ~ b ~ c * 2 }}{{ a ~ -1 }}{{ a[-1] }}").problems
    assert [problem.offset for problem in found] == [5, 13, 24]


def test_unknown_filters_come_with_a_suggestion() -> None:
    """A slip in a filter's name is recognised."""
    (found,) = variables_in("{{ a | uper }}").problems
    assert found.hint == "did you mean `upper`?"
    (found,) = variables_in("{{ a | zzz }}").problems
    assert "known: abs, capitalize" in (found.hint or "")
