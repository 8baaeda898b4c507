"""Expectations that can fail: what passes on every reply is named, and so is what its own example fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.command import SCENARIOS
from tests.system.input.checking import HEAD, check

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = 'passes on every reply: an empty one, "I don\'t know.", a refusal'
VACUOUS = [
    "{max_words: 500}",
    "{max_chars: 100000}",
    "{matches: '.*'}",
    "{matches: '(?s)^.*$'}",
    "{matches: 'y?'}",
    "{any_of: [{contains: yes}, {matches: 'x*'}]}",
    "{all_of: [{matches: '.*'}, {max_words: 900}]}",
    "{any_of: [{max_words: 900}, {max_chars: 3}]}",
    "{matches: '{{ v }}*'}",
    "{not: {min_words: 900}}, {matches: '.*'}",
]
SOUND = [
    "{max_words: 500}, {contains: yes}",
    "{max_words: 500}, {not: {contains: secret}}",
    "{max_words: 5}",
    "{not: {contains: guarantee}}",
    "{not: {matches: '.'}}",
    "{equals: ''}",
    "{min_words: 1}",
    "{contains: {any: [sorry, know]}}",
    "{max_latency: 20s}",
    "{refusal: false}",
    "{judge: {rubric: It is kind., by: claude-opus-5-5}}",
    "{max_words: 500}, {judge: {rubric: It is kind., by: claude-opus-5-5}}",
    "{json: true}",
    "{contains: yes}, {any_of: [{not: {contains: refund}}, {contains: receipt}]}",
    "{contains: yes}, {any_of: [{max_words: 300}, {contains: 'Summary:'}]}",
    "{contains: yes}, {all_of: [{not: {contains: guarantee}}, {max_words: 300}]}",
    "{contains: yes}, {matches: '^[^#*]*$'}",
    "{matches: '^[^0-9]*$'}",
]


@pytest.mark.parametrize("expected", VACUOUS)
def test_what_is_certain_is_warned_of_without_examples(tmp_path: Path, expected: str) -> None:
    """With the line of the expectation, under `check` as before a run; `--examples` makes an error of it."""
    turns = f"vars: {{v: y}}\nturns:\n  - user: Hi {{{{ v }}}}\n    example: yes\n    expect: [{expected}]\n"
    code, said = check(tmp_path, HEAD + turns)
    assert (code, said.count("warning: "), said.count(NOTHING)) == (0, 1, 1), said
    assert "--> a.yaml:8:" in said
    code, said = check(tmp_path, HEAD + turns, "--examples")
    assert (code, said.count("error: "), said.count(NOTHING)) == (2, 1, 1), said


@pytest.mark.parametrize("expected", SOUND)
def test_what_can_fail_is_left_in_peace(tmp_path: Path, expected: str) -> None:
    """A bound beside something else, a negation, what looks at more than a text."""
    code, said = check(tmp_path, f"{HEAD}turns: [{{user: Hi, expect: [{expected}]}}]\n")
    assert (code, "warning" in said) == (0, False), said


def test_ten_planted_ones_among_twenty_scenarios_are_all_named(tmp_path: Path) -> None:
    """And nothing else is."""
    for number in range(20):
        expected = VACUOUS[number // 2] if number % 2 else "{contains: yes}"
        text = f"{HEAD.replace('name: s', f'name: s{number}')}vars: {{v: y}}\nturns:\n"
        text += f"  - {{user: 'Hi {{{{ v }}}}', example: yes, expect: [{expected}]}}\n"
        (tmp_path / f"s{number}.yaml").write_text(text)
    code, said = check(tmp_path, f"{HEAD}turns: [{{user: Hi}}]\n", str(tmp_path), "--examples")
    named = {number for number in range(20) if f"s{number}.yaml:6:" in said}
    assert (code, named) == (2, set(range(1, 20, 2)))


def test_the_shipped_scenarios_have_none(tmp_path: Path) -> None:
    """And every example of theirs is a good reply."""
    code, said = check(tmp_path, f"{HEAD}turns: [{{user: Hi}}]\n", str(SCENARIOS), "--examples")
    assert (code, "warning" in said) == (0, False), said
    assert "expectations tried on examples; not tried: " in said


@pytest.mark.parametrize(
    ("turns", "problem", "at"),
    [
        (
            "{user: a, example: x, expect: [{contains: other}]}",
            "`contains` fails on the example of",
            "contains",
        ),
        ("{user: a, example: in, expect: [{not: {contains: in}}]}", "`not` fails on the example of", "not"),
        ("{user: a, example: x, save: {n: '(7)'}}", "`save` finds nothing for `n` in the example", "n: "),
        (
            "{user: a, example: '7', save: {n: .}}, {user: b, example: '{{ saved.n }}', expect: [equals: x]}",
            "`equals` fails on the example of its own turn",
            "equals",
        ),
        (
            "{user: a, example: x, expect: [{contains: x}, {starts_with: y, label: has y}]}",
            "`has y` fails on the example of its own turn",
            "starts_with",
        ),
    ],
)
def test_an_example_that_fails_is_wrong(tmp_path: Path, turns: str, problem: str, at: str) -> None:
    """Either the example is no good reply, or too much is expected of one."""
    line = f"turns: [{turns}]"
    code, said = check(tmp_path, f"{HEAD}{line}\n", "--examples")
    assert (code, said.count("error: ")) == (2, 1), said
    assert f"error: {problem}" in said
    assert f"--> a.yaml:4:{line.index(at) + 1}\n" in said
    # Without it nobody looks at examples.
    assert check(tmp_path, f"{HEAD}{line}\n")[0] == 0


def test_an_example_must_fit_the_schema_that_is_asked_for(tmp_path: Path) -> None:
    """Where every variant and model asks for one; one that fits any of them is a good reply to it."""
    form = "output_config: {format: {type: json_schema, schema: {type: %s}}}"
    turns = "turns: [{user: a, example: '5'}]\n"
    code, said = check(tmp_path, f"{HEAD}{form % 'boolean'}\n{turns}", "--examples")
    assert (code, said.count("error: ")) == (2, 1), said
    assert "the example is not what `output_config` asks for: the reply does not fit the schema" in said
    assert "--> a.yaml:5:28\n" in said
    assert check(tmp_path, f"{HEAD}{form % 'integer'}\n{turns}", "--examples")[0] == 0
    variants = f"variants: [{{id: a, {form % 'boolean'}}}, {{id: b, {form % 'number'}}}]\n"
    assert check(tmp_path, f"{HEAD}{variants}{turns}", "--examples")[0] == 0
    some = f"variants: [{{id: a, {form % 'boolean'}}}, {{id: b}}]\n"
    assert check(tmp_path, f"{HEAD}{some}{turns}", "--examples")[0] == 0


def test_the_question_and_the_answer_to_another_case_say_nothing(tmp_path: Path) -> None:
    """What passes on these too is not about the case; what one of them fails is."""
    cases = "cases: [{id: a, vars: {r: red}}, {id: b, vars: {r: blue}}]\n"
    turn = "turns: [{{user: 'Say red or blue, {{{{ r }}}}.', example: 'It is {{{{ r }}}}.', expect: [{}]}}]\n"
    code, said = check(tmp_path, HEAD + cases + turn.format("{contains: '{{ r }}'}"), "--examples")
    assert code == 0, said
    code, said = check(tmp_path, HEAD + cases + turn.format("{contains: red}"), "--examples")
    assert (code, "`contains` fails on the example of its own turn" in said) == (2, True)


def test_a_bound_of_the_whole_stands_beside_what_turns_expect(tmp_path: Path) -> None:
    """It is alone only where no turn expects anything."""
    turns = "turns: [{user: a, expect: [{contains: yes}]}, {user: b}]\nexpect: [{max_words: 500}]\n"
    assert "warning" not in check(tmp_path, HEAD + turns)[1]
    assert (
        "`max_words` alone passes"
        in check(tmp_path, HEAD + turns.replace(", expect: [{contains: yes}]", ""))[1]
    )


def test_what_can_fail_in_one_case_can_fail(tmp_path: Path) -> None:
    """The first case alone says nothing of the others, and a failing one is named."""
    cases = "cases: [{id: a, vars: {n: 1000}}, {id: b, vars: {n: 1}}]\n"
    turn = "turns: [{user: 'Hi {{ n }}', example: two words, expect: [{max_words: '{{ n }}'}]}]\n"
    assert "warning" not in check(tmp_path, HEAD + cases + turn)[1]
    code, said = check(tmp_path, HEAD + cases + turn, "--examples")
    assert (code, "fails on the example of its own turn in case `b`: " in said) == (2, True)


def test_what_is_expected_of_the_conversation_is_tried_on_all_examples(tmp_path: Path) -> None:
    """Only where each turn has one."""
    turns = "turns: [{user: a, example: one}, {user: b, example: two}]\nexpect: [{contains: three}]\n"
    code, said = check(tmp_path, HEAD + turns, "--examples")
    assert (code, "`contains` fails on the examples of all turns" in said) == (2, True)
    assert check(tmp_path, HEAD + turns.replace(", example: two", ""), "--examples")[0] == 0


def test_a_script_that_may_leave_everything_out_is_warned_of(tmp_path: Path) -> None:
    """Where every expectation is on a turn with an `if`, a conversation may pass unchecked."""
    turns = (
        "turns:\n  - {user: a, example: no}\n"
        "  - {user: b, if: {contains: number}, example: yes, expect: [contains: yes]}\n"
    )
    code, said = check(tmp_path, HEAD + turns)
    assert (code, said.count("warning: ")) == (0, 1), said
    assert "the conversation passes unchecked" in said
    always = turns + "  - {user: c, example: yes, expect: [contains: yes]}\n"
    for sound in (always, turns + "expect: [contains: no]\n"):
        code, said = check(tmp_path, HEAD + sound)
        assert (code, said.count("warning: ")) == (0, 0), said


def test_a_turn_that_the_examples_leave_out_is_no_part_of_the_whole(tmp_path: Path) -> None:
    """What is expected of the conversation is tried on the examples of the turns that would be sent."""
    turns = (
        "turns:\n  - {user: a, example: no}\n"
        "  - {user: b, if: {contains: number}, example: SECRET}\n"
        "  - {user: c, example: bye, expect: [contains: bye]}\n"
        "expect: [{not: {contains: SECRET}}, {contains: no}]\n"
    )
    code, said = check(tmp_path, HEAD + turns, "--examples")
    assert (code, said.count("error: ")) == (0, 0), said
    code, said = check(tmp_path, HEAD + turns.replace("number", "no"), "--examples")
    assert (code, said.count("error: ")) == (2, 1), said
