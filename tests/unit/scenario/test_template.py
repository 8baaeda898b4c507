"""Templates: rendered once, bounded, with values that stay data; what is wrong is found without that."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.errors import ClaudeRunError
from claude_run.scenario.model import Position, Save, Text
from claude_run.scenario.template import Renderer, RenderError
from claude_run.scenario.template_inspection import variables_in
from claude_run.scenario.template_language import environment, literal

if TYPE_CHECKING:
    from claude_run.scenario.json_values import Json

HERE = Position(path="a.yaml", line=3, column=9)
VALUES: dict[str, Json] = {
    "x": "Ada",
    "n": 3,
    "f": 0.5,
    "yes": True,
    "nothing": None,
    "long": "a" * 1000,
    "items": ["b", 1, {"c": None}],
    "order": {"items": "two", "id": "A-1", "keys": [1, 2]},
}
# Nearly all that one text may have, under the name `m`.
MEBIBYTE = "{% set m = long | replace('a', long) %}"
# A list that holds one list many times: small in memory, endless when it is written.
DOUBLED = "{% set l = [long, long] %}" + "{% set l = [l, l] %}" * 40


def render(source: str, **saved: str) -> str:
    """Render a template with the values of this module."""
    return Renderer(VALUES).render(Text(source=source, position=HERE), saved)


def reason(source: str) -> str:
    """Return why a template cannot be rendered."""
    with pytest.raises(RenderError) as caught:
        render(source)
    assert caught.value.position == HERE
    return caught.value.reason


@settings(max_examples=300, deadline=None)
@given(
    st.text(
        st.sampled_from("{{{%%}}#-'\"\\ \n\rx")
        | st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    )
)
def test_a_literal_becomes_the_text_itself(text: str) -> None:
    """Braces, tags, line ends and quotes of a text that nobody wrote as a template stand as they are."""
    assert render(literal(text)) == text
    assert not variables_in(literal(text)).problems


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain { text }\n", "plain { text }\n"),
        ("Hi {{ x }}!\n", "Hi Ada!\n"),
        ("{{ n }} {{ f }} {{ yes }} {{ nothing }}", "3 0.5 true null"),
        ("{{ items }}", '["b", 1, {"c": null}]'),
        ("{{ order.items }} {{ order['id'] }} {{ items[0] }} {{ items[-1].c }}", "two A-1 b null"),
        ("{{ x[0] }}{{ x[1] }}{{ x[-1] }}", "Ada"),
        ("{{ saved.state }}", "shipped"),
        ("{{ saved['state'] | upper }}", "SHIPPED"),
        ("{{ [x, n, yes] | join }}", "Ada3true"),
        ("{{ n > 2 and f < 1 }} {{ n is divisibleby(3) }} {{ -n }} {{ 'a' in 'ab' and not -1 > n }}",
         "true true -3 true"),
        ("{% for i in items %}{{ loop.index }}:{{ i }}{% if not loop.last %}, {% endif %}{% endfor %}",
         '1:b, 2:1, 3:{"c": null}'),
        ("{% set greeting = ['Hi', x] | join(' ') -%}   {{ greeting }}", "Hi Ada"),
        ("{{ 'yes' if n > 2 else 'no' }}{# no comment #}", "yes{# no comment #}"),
        ("{{ missing | default('none') }} {{ nothing | default('x') }}", "none null"),
        ("{{ '' | d('y', true) }}", "y"),
        ("{{ missing is defined }} {{ n is odd }} {{ 'd' in x }}", "false true true"),
        ("{{ x|lower }} {{ x|title }} {{ ' a '|trim }} {{ 'ab'|capitalize }}", "ada Ada a Ab"),
        ("{{ items|length }} {{ items|first }} {{ [1, 2]|last }} {{ '7'|int }} {{ '1.5'|float }}",
         "3 b 2 7 1.5"),
        ("{{ items|join('-') }} {{ [1, 2]|join }}", 'b-1-{"c": null} 12'),
        ("{{ 'a\nb'|indent(2) }}|{{ 'a\nb'|indent(2, true) }}", "a\n  b|  a\n  b"),
        ("{{ x|replace('A', 'I') }} {{ -3|abs }} {{ 2.567|round(1) }} {{ n|string|length }}", "Ida 3 2.6 1"),
        ("{{ '<&é'|tojson }} {{ [1]|tojson(1) }}", '"<&é" [\n 1\n]'),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("{% for k, v in order|items %}{{ k }} {% endfor %}", "items id keys "),
        ("{{ [1]|tojson(indent=1) }}{{ z|default(default_value=2) }}", "[\n 1\n]2"),
        ("{{ {'a': x}.a }} {{ (1, 2) }}", "Ada [1, 2]"),
    ],
)  # fmt: skip
def test_templates_render(source: str, expected: str) -> None:
    """Variables, filters, conditions and loops do what a user of Jinja2 expects; other values are JSON."""
    assert render(source, state="shipped") == expected


@given(st.text())
@settings(max_examples=100, deadline=None)
def test_values_are_never_rendered(value: str) -> None:
    """Whatever a variable or a saved text holds comes out as it is, template syntax included."""
    for hostile in (value, "{{ x }}" + value, "{% for i in x %}" + value):
        renderer = Renderer({"value": hostile})
        out = renderer.fill("{{ value }}|{{ saved.s }}|{{ [value]|join }}", {"s": hostile})
        assert out == f"{hostile}|{hostile}|{hostile}"


@given(st.text(st.characters() | st.sampled_from("{}%# |~*+.()[]'\"xn1"), max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_template_renders_or_fails_in_words(source: str) -> None:
    """No text of the user brings any other exception."""
    with contextlib.suppress(RenderError):
        assert render("{{ x }}" + source).startswith("Ada")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ q }}", "'q' is undefined"),
        ("{{ q.a.b }}", "'q' is undefined"),
        ("{{ [q, x] | join }}", "'q' is undefined"),
        ("{{ [q] }}", "'q' is undefined"),
        ("{{ {'a': q} | tojson }}", "'q' is undefined"),
        ("{{ saved.state }}", "has no attribute 'state'"),
        ("{{ items[9] }}", "has no element 9"),
        ("{{ order[0] }}", "has no element 0|has no attribute 0"),
        ("{{ [1]|tojson(width=1) }}", "unexpected keyword argument"),
        ("{{ x.__class__ }}", "has no attribute '__class__'"),
        ("{{ x.upper }}", "has no attribute 'upper'"),
        ("{{ ''.__class__.__mro__ }}", "has no attribute '__class__'"),
        ("{% for i in items %}{{ loop._iterator }}{% endfor %}", "_iterator"),
        ("{{ x.upper() }}", "nothing can be called"),
        ("{{ range(9) }}", "nothing can be called"),
        ("{% include 'x' %}", "templates include no files"),
        ("{% macro f() %}{% endmacro %}", "may not use macro"),
        ("{% for i in items recursive %}{% endfor %}", "may not use for"),
        ("{{ x|attr('upper') }}", "unknown filter `attr`"),
        ("{{ []|first }}", "index out of range"),
        ("{{ 'ab' * 10**8 }}", "a template cannot use `*`"),
        ("{{ 9 ** 9999 }}", "a template cannot use `**`"),
        ("{{ '%999999999d' % 3 }}", "a template cannot use `%`"),
        ("{{ long ~ long }}", "a template cannot use `~`"),
        ("{{ long[1:] }}", "a template cannot use slices"),
        (MEBIBYTE + "{{ [m, m] | join }}", "longer than 1,048,576 characters"),
        (MEBIBYTE + "{{ m | replace('a', long) }}", "longer than 1,048,576 characters"),
        (MEBIBYTE + "{{ [1, 2, 3] | join(m) }}", "longer than 1,048,576 characters"),
        (MEBIBYTE + "{{ m }}{{ m }}", "longer than 1,048,576 characters"),
        (MEBIBYTE + "{{ {'a': [m, m]} }}", "longer than 1,048,576 characters"),
        (DOUBLED + "{{ l }}", "longer than 1,048,576 characters"),
        (DOUBLED + "{{ l | join }}", "longer than 1,048,576 characters"),
        ("{{ long | join(long) | join(long) }}", "longer than 1,048,576 characters"),
        ("{{ x | indent(999999999) }}", "between 0 and 40"),
        (MEBIBYTE + "{{ m | replace('a', '\n') | indent(40) }}", "longer than 1,048,576 characters"),
        ("{{ [1] | tojson(99) }}", "between 0 and 40"),
        ("{% for i in long %}{{ long }}{{ long }}{% endfor %}", "longer than 1,048,576 characters"),
        ("{% for i in long %}{% for j in long %}{% for k in long %}{% endfor %}{% endfor %}{% endfor %}",
         "more than 20,000 steps"),
        ("{{ " + "(" * 2000 + "1" + ")" * 2000 + " }}", "nests too deeply"),
        ("{% for i in x %}" * 30 + "{% endfor %}" * 30, "nests too deeply"),
    ],
)  # fmt: skip
def test_what_cannot_be_rendered_is_refused_quickly(source: str, expected: str) -> None:
    """Unknown names, escapes from the sandbox and texts that grow without bounds are errors with a place."""
    start = time.process_time()
    found = reason(source)
    assert any(part in found for part in expected.split("|"))
    assert time.process_time() - start < 2


@given(st.lists(st.sampled_from(["{{ a }}", "{{b}}", "{{ saved.c }}", "{{ a.b }}", "{", "}", " x\n", "é"])))
@settings(max_examples=100, deadline=None)
def test_names_alone_are_found_as_among_other_tags(pieces: list[str]) -> None:
    """A text with nothing but names says the same as one that has to be taken apart word by word."""
    source = "".join(pieces)
    apart = variables_in(source + " {{ 1 }}")
    assert (variables_in(source).uses, bool(variables_in(source).problems)) == (
        apart.uses,
        bool(apart.problems),
    )


@pytest.mark.parametrize(
    ("opening", "inside", "middle", "closing"),
    [
        ("{{ x", " | trim", " }}", ""),
        ("{{ x", " and x", " }}", ""),
        ("{{ x", ".x", " }}", ""),
        ("{{ x", "[0]", " }}", ""),
        ("{{ ", "not ", "x }}", ""),
        ("{{ x", " if x else x", " }}", ""),
        ("", "{% if x %}", "", "{% endif %}"),
        ("", "{% if x %}a{% else %}", "", "{% endif %}"),
    ],
)
def test_what_is_let_through_can_be_compiled(opening: str, inside: str, middle: str, closing: str) -> None:
    """Whatever nests below the limit is below Python's limits too, which only playing would show."""
    flat, deep = (opening + inside * n + middle + closing * n for n in (40, 80))
    assert not variables_in(flat).problems
    environment().from_string(flat)
    assert [problem.message for problem in variables_in(deep).problems] == ["the template nests too deeply"]


def test_loops_nest_as_deep_as_python_lets_them() -> None:
    """Fifteen loops inside each other are played, one more is refused before anything is sent."""
    loop, end = "{% for i in [] %}", "{% endfor %}"
    assert not variables_in(loop * 15 + end * 15).problems
    assert render(loop * 15 + end * 15) == ""
    assert variables_in(loop * 16 + end * 16).problems


def test_code_is_looked_at_up_to_a_limit() -> None:
    """A template with tens of thousands of tags is refused unread; plain names are not counted as code."""
    assert not variables_in("{{ x }}" * 20_000).problems
    (found,) = variables_in("{{ x | trim }}" * 20_000).problems
    assert "more than 50,000 names, words and signs" in found.message


def test_the_error_says_where() -> None:
    """The text of the error begins with the place of the template."""
    with pytest.raises(ClaudeRunError, match=r"^a\.yaml:3:9: the text cannot be rendered: 'q' is undefined$"):
        render("{{ q }}")
    with pytest.raises(RenderError, match=r"^the text cannot be rendered"):
        Renderer().fill("{{ q }}", {})


def test_any_mapping_and_sequence_is_written_as_json() -> None:
    """Values need not be of the built-in types."""
    values = Renderer({"m": MappingProxyType({"a": (1, MappingProxyType({}))})})
    assert values.fill("{{ m }} {{ m.a[0] }}", {}) == '{"a": [1, {}]} 1'


def test_the_environment_of_the_process_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """Templates know their variables and nothing else."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary")
    for name in ("environ", "env", "os", "range", "lipsum", "cycler", "namespace", "dict", "__builtins__"):
        assert "undefined" in reason("{{ " + name + " }}")
    assert "`self` cannot be read" in reason("{{ self }}")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("(?i)(shipped|pending)", "Shipped"), ("S.*d", "Shipped"), ("lost", None), ("x(y)?|S(z)?", None)],
)
def test_extract_takes_the_first_group_or_the_whole_match(pattern: str, expected: str | None) -> None:
    """A save takes its group; a group that took no part saves nothing."""
    save = Save(name="state", pattern=pattern, position=HERE)
    assert Renderer().extract(save, "It is Shipped", {}) == expected


def test_plain_text_does_not_load_jinja2() -> None:
    """A text without markers costs no import."""
    program = (
        "import sys\n"
        "from claude_run.scenario.template import Renderer\n"
        "from claude_run.scenario.template_inspection import variables_in\n"
        "assert Renderer().fill('a { b }', {}) == 'a { b }'\n"
        "assert variables_in('a { b }').uses == ()\n"
        "assert 'jinja2' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


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
        ("{% print -1 %}{{ a - 1 }}", "- 1", "give the result a name of its own"),
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
