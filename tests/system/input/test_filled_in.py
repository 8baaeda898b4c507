"""Expectations are filled in everywhere, so that no check is silently another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.system.input.checking import HEAD, check, play, sent

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.harness.workspace import Workspace


PATTERNS = {
    "a value in a pattern": ("not: {matches: '(?i)\\b{{ agent }}\\b'}", "agent: Robin", "I am ROBIN.", False),
    "a value of signs": ("matches: '^{{ agent }}$'", "agent: 'a.(b|c)*'", "a.(b|c)*", True),
    "a value that is no pattern": ("not: {matches: '{{ agent }}!'}", "agent: 'a.c'", "abc!", True),
    "a loop": ("matches: '^({% for a in agent %}{{ a }}{% if not loop.last %}|{% endif %}{% endfor %})$'",
               "agent: [x+, y]", "x+", True),
    "a schema": ("not: {json: {schema: {properties: {a: {const: '{{ agent }}'}}, required: [a]}}}",
                 "agent: 7", '{"a": 7}', False),
    "a pattern in a schema": ("json: {properties: {a: {pattern: '^{{ agent }}$'}}}",
                              "agent: 'a.c'", '{"a": "abc"}', False),
    "a number": ("json: {pointer: /total, equals: '{{ agent }}'}", "agent: 338", '{"total": 338}', True),
    "a boolean": ("json: {pointer: /paid, equals: '{{ agent }}'}", "agent: false", '{"paid": false}', True),
    "a list": ("json: {pointer: /t, equals: '{{ agent }}'}", "agent: [x, y]", '{"t": ["x", "y"]}', True),
    "a part": ("json: {pointer: /a, equals: '{{ agent.n[1] }}'}", "agent: {n: [1, 2]}", '{"a": 2}', True),
    "a number in a text": ("json: {pointer: /a, equals: 'n {{ agent }}'}", "agent: 3", '{"a": "n 3"}', True),
    "a whole object": ("json: {equals: {a: '{{ agent }}', b: '{{ agent | string }}'}}", "agent: 3",
                       '{"a": 3, "b": "3"}', True),
    "a list of texts": ("contains: {all: '{{ agent }}'}", "agent: [x, 12]", "x and 12", True),
    "a list in which one is missing": ("contains: {all: '{{ agent }}'}", "agent: [x, 12]", "x", False),
    "a number as a text": ("contains: '{{ agent }}'", "agent: 12", "12", True),
    "a limit": ("max_words: '{{ agent }}'", "agent: 2", "one two three", False),
    "a length of time": ("max_latency: '{{ agent }}s'", "agent: 20", "x", True),
    "joined parts": ("matches: '^({{ agent | join(\"|\") }})$'", "agent: [x+, y]", "x+", True),
    "a step of a pointer": ("not: {json: {pointer: '/{{ agent }}'}}", "agent: a/b", '{"a/b": 1}', False),
    "a whole pointer": ("json: {pointer: '{{ agent }}', equals: 1}", "agent: /a/b", '{"a": {"b": 1}}', True),
    "a property called default": (
        "json: {properties: {default: {pattern: '^{{ agent }}$'}}}",
        "agent: 'a.b'",
        '{"default": "acb"}',
        False,
    ),
    "a switch": ("contains: {text: YES, ignore_case: '{{ agent }}'}", "agent: true", "yes", True),
    "a reason": ("stop_reason: '{{ agent }}'", "agent: end_turn", "x", True),
    "a block": ("not:\n          contains: |\n            guarantee", "agent: a", "a guarantee", False),
    "a pattern in a block": ("matches: |\n          a$", "agent: a", "bla", True),
    "an empty text": ("equals: ''", "agent: a", " \n", True),
}  # fmt: skip


@pytest.mark.parametrize("name", PATTERNS)
def test_an_expectation_is_filled_in_everywhere(workspace: Workspace, name: str) -> None:
    """Patterns with escaped values, schemas, limits and lists; one whole expression keeps its type."""
    expected, variable, reply, holds = PATTERNS[name]
    result, _ = play(
        workspace,
        f"{HEAD}cases: [{{id: a, vars: {{{variable}}}}}]\n"
        f"turns:\n  - user: '{{{{ agent }}}}'\n    expect:\n      - {expected}\n",
        reply,
    )
    assert result.code == (0 if holds else 1), result.stdout + result.stderr


def test_a_pattern_that_is_one_value_is_a_warning(tmp_path: Path) -> None:
    """It is taken literally, which whoever has a pattern in a table should know before it finds nothing."""
    text = f"{HEAD}vars: {{p: 'a|b'}}\nturns:\n  - user: x\n    expect:\n"
    code, said = check(tmp_path, f"{text}      - not: {{matches: '{{{{ p }}}}'}}\n")
    assert (code, said.count("warning: this pattern is one value")) == (0, 1)
    assert "--> a.yaml:8:24" in said
    code, said = check(tmp_path, f"{text}      - not: {{matches: '^{{{{ p }}}}'}}\n")
    assert (code, said.split("\n")[0]) == (0, "1 scenario: no problems found")


def test_a_save_is_filled_in(workspace: Workspace) -> None:
    """A pattern that is kept from a reply names the case's variable, whose signs stand for themselves."""
    text = (
        f"{HEAD}cases: [{{id: a, vars: {{item: 'a+b'}}}}]\nturns:\n"
        "  - user: '{{ item }}'\n    save: {price: '{{ item }} costs (\\d+)'}\n"
        "  - user: '{{ saved.price }}'\n    save: {again: '{{ saved.price }} and .*'}\n"
        "  - user: '{{ saved.again }}'\n"
    )
    result, bodies = play(workspace, text, "aab costs 1, a+b costs 12 and more")
    assert result.code == 0, result.stdout
    assert sent(bodies) == ["a+b", "12", "12 and more"]


@pytest.mark.parametrize("value", ["[Bob, Eve]", "{a: b}", "null", "true"])
@pytest.mark.parametrize(
    "expected",
    [
        "contains: '{{ v }}'",
        "not: {matches: 'x{{ v }}'}",
        "equals: '{{ v }}'",
        "contains: {any: ['{{ v }}']}",
    ],
)
def test_what_is_no_text_is_not_made_one(tmp_path: Path, value: str, expected: str) -> None:
    """A list would be looked for as JSON, which no reply holds: it is refused, as where it is written."""
    text = f"{HEAD}cases: [{{id: a, vars: {{v: {value}}}}}]\nturns: [{{user: x, expect: [{expected}]}}]\n"
    code, said = check(tmp_path, text)
    assert (code, "error: `contains`" in said or "error: `equals`" in said or "error: `matches`" in said) == (
        2,
        True,
    ), said


def test_a_value_inside_quoted_signs_is_refused(tmp_path: Path) -> None:
    r"""Between `\Q` and `\E` an escaped value would never be found."""
    text = f"{HEAD}vars: {{v: a.b}}\nturns: [{{user: x, expect: [not: {{matches: '\\Q{{{{ v }}}}\\E'}}]}}]\n"
    code, said = check(tmp_path, text)
    assert (code, "would be escaped twice" in said) == (2, True)


@pytest.mark.parametrize(
    "second",
    [
        "It costs {{ prices[saved.color] }}.",
        "{% if saved.color == 'red' %}Red.{% elif saved.color == 'blue' %}Blue.{% endif %}",
        "{{ items[saved.n | int] }}",
        "{{ saved.color | upper }}",
    ],
)
def test_what_hangs_on_a_reply_is_not_refused(tmp_path: Path, second: str) -> None:
    """Nobody knows beforehand what will be saved."""
    variables = "vars: {prices: {red: 1, blue: 2}, items: [a, b, c]}\n"
    used = "{{ prices.red }}{{ items[0] }}"
    code, said = check(
        tmp_path,
        f'{HEAD}{variables}turns:\n  - user: "{used}"\n    save: {{color: "(red|blue)", n: "([0-2])"}}\n'
        f'  - user: "{second}"\n',
    )
    assert (code, said.split("\n")[0]) == (0, "1 scenario: no problems found")


def test_a_saved_text_where_a_number_is_wanted_is_refused(tmp_path: Path) -> None:
    """What is saved is a text, whatever the reply says."""
    head = f"{HEAD}turns:\n  - user: x\n    save: {{n: '(x)'}}\n  - user: y\n    expect: "
    code, said = check(tmp_path, head + "[{max_words: '{{ saved.n }}'}]\n")
    assert (code, "this must be a whole number, not text" in said) == (2, True)
    code, said = check(tmp_path, head + "[{max_words: '{{ saved.n | int }}'}]\n")
    assert code == 0, said


def test_a_key_of_a_schema_is_not_filled_in(tmp_path: Path) -> None:
    """What cannot be done is said, instead of looking for a key of this name."""
    expected = "json: {properties: {'{{ v }}': {type: string}}}"
    code, output = check(
        tmp_path, f"{HEAD}vars: {{v: a}}\nturns: [{{user: '{{{{ v }}}}', expect: [{{{expected}}}]}}]\n"
    )
    assert code == 2
    assert "a key is not filled in" in output


def test_more_than_can_be_filled_in_beforehand_is_refused_at_once(tmp_path: Path) -> None:
    """Nobody could say of the last cases whether they can be played; the count says why."""
    cases = "".join(f"{{n: {number}}}\n" for number in range(50_000)).replace("{n: ", '{"n": ')
    (tmp_path / "c.jsonl").write_text(cases)
    text = "{{ n }} and " * 60
    code, output = check(tmp_path, f"{HEAD}cases: c.jsonl\nturns: [{{user: '{text}'}}]\n")
    assert code == 2
    assert "the texts of this scenario have 6,000,000 pieces to fill in over all of its cases" in output
    assert "divide the cases among several scenarios" in output


LITERALS = """\
stop_sequences: ["END {{ item }}"]
description: about {{ item }}
vars: {company: "We sell {{ item }}"}
cases: [{id: a, vars: {item: phone}}, {id: b, vars: {item: "{{ saved.s }}"}}]
tools: [{name: t, description: "for {{- item }}", input_schema: {type: object}}]
x-note: "{{ item }}"
turns:
  - user:
      - text: "hi {{ item }} {{ company }}, {{ nobody | default('x') }}"
      - {type: search_result, source: "{{ nobody }}", title: "{{ item }}", content: []}
    save: {s: '({{ item }})'}
    expect: [{contains: "{{ item }}", label: "names {{ item }}"}, {json: {schema: {const: "{{ item }}"}}}]
  - user: 'ok {{ saved.s }}'
"""


def test_a_variable_where_nothing_is_filled_in_is_warned_of(tmp_path: Path) -> None:
    """In blocks and parameters that are the API's own, in labels, and in the values of variables."""
    code, said = check(tmp_path, HEAD + LITERALS)
    places = [line.strip() for line in said.split("\n") if "-->" in line or "also at" in line]
    assert code == 0
    assert places == [
        "--> a.yaml:4:23",
        "= also at 8:37, 13:63, 15:53",
        "--> a.yaml:6:26",
        "= also at 7:61",
    ]
    assert "warning: a variable stays as it is written here: nothing is filled in" in said
    assert "warning: a variable in the value of a variable stays as it is written: values are data" in said


def test_a_variable_in_a_table_is_warned_of_where_it_would_be_sent(tmp_path: Path) -> None:
    """Cells are data; a column without a use, and braces around what is no variable, hold anything."""
    (tmp_path / "c.csv").write_text(
        'id,item,note\na,"Say {{ company }}",x\nb,"{{ other }}",x\nc,d,"{{ company }}"\n'
    )
    text = "vars: {company: x}\ncases: c.csv\nturns: [{user: '{{ item }} {{ company }}'}]\n"
    code, said = check(tmp_path, HEAD + text)
    assert code == 0
    assert [line for line in said.split("\n") if "-->" in line] == ["  --> c.csv:2:1"]
    assert "also at" not in said


@pytest.mark.parametrize(
    "pattern", ["(?i)^{{ label }}", "^(yes|{{ label }})", "x{{ label | trim }}", "{{ labels | join('|') }}"]
)
def test_an_empty_value_in_a_pattern_is_refused(tmp_path: Path, pattern: str) -> None:
    """What is left of the pattern would match every reply; the case is named."""
    cases = "cases: [{id: a, vars: {label: b, labels: [c]}}, {id: n, vars: {label: '', labels: ['']}}]\n"
    expected = f"expect: [{{matches: \"{pattern}\"}}, {{contains: '{{{{ label }}}}{{{{ labels[0] }}}}x'}}]"
    code, said = check(tmp_path, f"{HEAD}{cases}turns: [{{user: x, {expected}}}]\n")
    assert (
        code,
        "`matches` at a.yaml:5:29 cannot be filled in: a value in this pattern is empty" in said,
    ) == (
        2,
        True,
    ), said
    assert "a.yaml:4:" in said


@pytest.mark.parametrize("kind", ["contains", "equals", "starts_with", "ends_with"])
def test_a_list_in_the_middle_of_a_text_that_is_looked_for_is_refused(tmp_path: Path, kind: str) -> None:
    """No reply holds its brackets, so that a negation of it would pass on every one."""
    expected = f"expect: [not: {{{kind}: 'we {{{{ bad }}}}'}}]"
    text = f"vars: {{bad: [guarantee, promise]}}\nturns: [{{user: x, {expected}}}]\n"
    code, said = check(tmp_path, HEAD + text)
    assert (code, 'a list stands in the middle of a text: ["guarantee", "promise"]' in said) == (2, True), (
        said
    )


def test_what_is_set_has_the_type_of_what_it_replaces(tmp_path: Path) -> None:
    """A number stays a number; a text stays one, whatever it looks like."""
    text = "vars: {n: 50, t: '5'}\nturns: [{user: 'x {{ t }}', expect: [{max_words: '{{ n }}'}]}]\n"
    code, said = check(tmp_path, HEAD + text, "--set", "n=3", "--set", "t=7")
    assert code == 0, said
    code, said = check(tmp_path, HEAD + text, "--set", "n=three")
    assert (code, "this must be a whole number, not text" in said) == (2, True)
