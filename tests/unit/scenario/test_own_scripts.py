"""One agent, many scripts: cases with turns of their own, variants with variables, texts in files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from claude_run.plan.matrix import Selection, expand
from claude_run.scenario.loader import load
from claude_run.scenario.model import UserTurn
from claude_run.scenario.template import Renderer, RenderError
from tests.unit.scenario.loading import FakeVocabulary, complaints, load_files, load_text

if TYPE_CHECKING:
    from pathlib import Path

    from claude_run.scenario.loader import Noticed
    from claude_run.scenario.model import Scenario

HEAD = "model: m\n"
SAVED = "{{ saved.n }}"
SAVING = f"turns: [{{user: Hi, save: {{n: x}}}}, {{user: '{SAVED}'}}]\n"


def said(folder: Path, files: dict[str, str | bytes], **overrides: str) -> dict[str, list[str]]:
    """Return what the user says in each conversation, by its id."""
    scenarios = load_files(folder, files, overrides=overrides)
    return {
        each.id.removeprefix("a/").removesuffix("/m"): [
            Renderer(each.vars).render(turn.content, {})  # type: ignore[arg-type] # all contents here are texts
            for turn in each.turns
        ]
        for each in expand(scenarios, Selection(), overrides).conversations
    }


def test_a_case_has_turns_in_place_of_the_scenarios(tmp_path: Path) -> None:
    """What it expects and its tags are added; variables of the scenario hold for it too."""
    text = HEAD + (
        "tags: [all]\nvars: {who: Ada}\nexpect: [contains: x]\n"
        "cases:\n"
        "  - {id: plain, vars: {item: sofa}}\n"
        "  - {id: own, tags: [angry, all], turns: [{user: 'I am {{ who }}'}, {user: Bye}],\n"
        "     expect: [contains: y]}\n"
        "turns: [{user: 'A {{ item }}'}]\n"
    )
    scenario = load_text(tmp_path, text)
    plain, own = expand([scenario], Selection()).conversations
    assert said(tmp_path, {"a.yaml": text}) == {"plain": ["A sofa"], "own": ["I am Ada", "Bye"]}
    assert [[each.value for each in one.expect] for one in (plain, own)] == [["x"], ["x", "y"]]
    assert [one.tags for one in (plain, own)] == [("all",), ("all", "angry")]
    assert [one.id for one in expand([scenario], Selection(tags=("angry",))).conversations] == ["a/own/m"]


def test_a_scenario_whose_cases_all_have_turns_needs_none(tmp_path: Path) -> None:
    """Inline, and in a YAML file, whose problems are shown in it."""
    cases = "- {id: one, turns: [{user: Hi}]}\n- {id: two, vars: {a: 1}, turns: [{user: 'Ho {{ a }}'}]}\n"
    inline = HEAD + "cases:\n" + cases
    assert said(tmp_path, {"a.yaml": inline}) == {"one": ["Hi"], "two": ["Ho 1"]}
    beside: dict[str, str | bytes] = {"a.yaml": HEAD + "cases: {file: c.yaml}\n", "c.yaml": cases}
    assert said(tmp_path, beside) == {"one": ["Hi"], "two": ["Ho 1"]}
    assert complaints(tmp_path, {**beside, "c.yaml": cases + "- id: three\n"}) == [
        "c.yaml:3:3 case `three` has no turns, and this scenario has none"
    ]
    wrong = "- {id: one, turns: [{user: '{{ b }}'}, {usr: x}]}\n"
    assert complaints(tmp_path, {**beside, "c.yaml": wrong}) == [
        "c.yaml:1:32 undefined variable `b`",
        "c.yaml:1:41 unknown key `usr` in a turn",
    ]


def test_rows_of_texts_stay_data(tmp_path: Path) -> None:
    """A flat row may have a variable `turns`; CSV and JSONL hold nothing else."""
    turns = HEAD + "turns: [{user: '{{ turns[0] }}'}]\n"
    flat: dict[str, str | bytes] = {
        "a.yaml": turns + "cases: {file: c.yaml}\n",
        "c.yaml": "- {id: q, turns: [Why?, Really?]}\n- {id: r, kind: x, turns: [{user: How?}]}\n",
    }
    assert said(tmp_path, flat) == {"q": ["Why?"], "r": ['{"user": "How?"}']}
    lines: dict[str, str | bytes] = {
        "a.yaml": turns + "cases: {file: c.jsonl}\n",
        "c.jsonl": '{"id": "q", "turns": ["Why?"]}\n{"id": "r", "turns": [{"user": "How?"}]}\n',
    }
    assert said(tmp_path, lines) == {"q": ["Why?"], "r": ['{"user": "How?"}']}


@pytest.mark.parametrize(
    ("name", "rows", "expected"),
    [
        ("c.jsonl", '{"id": "q", "turns": [{"user": "x"}], "expect": []}\n', ["turns", "expect"]),
        ("c.csv", "id,tags\nq,smoke\n", ["tags"]),
        ("c.yaml", "- {id: q, item: sofa, turns: [{user: x}]}\n", ["turns"]),
        ("c.yaml", "- {id: q, tags: [smoke]}\n", ["tags"]),
        ("c.yaml", "- {id: q, vars: {}, tags: [smoke], turns: [{user: x}]}\n- {id: r}\n", []),
    ],
)
def test_data_with_the_name_of_what_is_a_cases_own(
    tmp_path: Path, name: str, rows: str, expected: list[str]
) -> None:
    """Whoever writes turns or expectations into a table would believe that they are played and checked."""
    (tmp_path / name).write_text(rows)
    (tmp_path / "a.yaml").write_text(f"{HEAD}cases: {{file: {name}}}\nturns: [{{user: Hi}}]\n")
    told: list[str] = []

    def inspect(_: Scenario, noticed: Noticed) -> tuple[()]:
        told.extend(each.message for each in noticed.problems.shown)
        return ()

    load([str(tmp_path / "a.yaml")], vocabulary=FakeVocabulary(), inspect=inspect)
    assert [one.split("`")[1] for one in told] == expected
    assert all("is a variable here, which no text uses" in one for one in told)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Variables: each script is held against the cases that are played with it.
        (
            "cases: [{vars: {x: 1}}, {id: b, turns: [{user: '{{ x }}'}]}]\nturns: [{user: '{{ x }}'}]\n",
            ["a.yaml:2:52 undefined variable `x`"],
        ),
        # What turns save is read in the same script alone.
        (
            f"cases: [{{id: a}}, {{id: b, turns: [{{user: '{SAVED}'}}]}}]\n{SAVING}",
            ["a.yaml:2:45 nothing is saved as `n`"],
        ),
        (
            f"cases: [{{id: a}}, {{id: b, turns: [{{user: Hi}}]}}]\n{SAVING}expect: [contains: '{SAVED}']\n",
            ["a.yaml:4:24 `saved.n` may be missing: case `b` does not save it"],
        ),
        (
            "cases: [{id: b, turns: [{user: Hi}]}]\nturns: [{user: Hi}]\n",
            ["a.yaml:3:1 no case is played with"],
        ),
        ("cases: [{id: a}, {id: b, turns: [{user: Hi}]}]\n", ["a.yaml:2:9 case `a` has no turns, and this"]),
        ("cases: [{id: a}]\n", ["a.yaml:1:1 this scenario has no `turns`"]),
        ("cases: [{id: a, turns: [{assistant: Hi}, {user: b}]}]\n", ["a.yaml:2:26 the first turn must be"]),
        ("cases: [{id: a, turns: []}]\n", ["a.yaml:2:24 `turns` must have at least one entry"]),
        ("cases: [{id: a, tags: [a/b], turns: [{user: b}]}]\n", ["a.yaml:2:24 this tag holds a `/`"]),
        ("cases: [{turn: [{user: b}]}]\nturns: [{user: x}]\n", ["a.yaml:2:10 unknown key `turn`"]),
        # Every case is filled in, also one with turns of its own.
        (
            "vars: {x: ''}\ncases: [{id: a, turns: [{user: '{{ x }}'}]}, {id: b, turns: [{user: Hi}]}]\n",
            ["a.yaml:3:32 the text is empty"],
        ),
    ],
)
def test_what_is_wrong_in_a_script_of_a_case_is_said_there(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    """Scripts know nothing of each other."""
    found = complaints(tmp_path, HEAD + text)
    assert [one[: len(wanted)] for one, wanted in zip(found, expected, strict=True)] == expected


def test_variants_set_variables(tmp_path: Path) -> None:
    """They take the place of the scenario's; the command line takes the place of both."""
    text = HEAD + (
        "vars: {company: Acme}\nvariants: [{id: v1}, {id: v2, vars: {company: Acme Ltd}}]\n"
        "turns: [{user: 'This is {{ company }}'}]\n"
    )
    assert said(tmp_path, {"a.yaml": text}) == {"v1": ["This is Acme"], "v2": ["This is Acme Ltd"]}
    assert said(tmp_path, {"a.yaml": text}, company="X") == {"v1": ["This is X"], "v2": ["This is X"]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "variants: [{id: v1, vars: {a: 1}}, {id: v2}]\nturns: [{user: '{{ a }}'}]\n",
            ["a.yaml:3:20 undefined variable `a` in variant `v2`"],
        ),
        (
            "variants: [{id: v, vars: {a: 1}}]\ncases: [{id: c, vars: {a: 2}}]\nturns: [{user: '{{ a }}'}]\n",
            ["a.yaml:2:27 `a` is set by a variant here and by a case (a.yaml:3:24): which one is meant?"],
        ),
        (
            "variants: [{id: v1, vars: {a: 1, b: 2}}]\nturns: [{user: '{{ a }}'}]\n",
            ["a.yaml:2:34 unused variable `b`: no text uses it"],
        ),
        (
            "variants: [{id: v1, vars: {a: ''}}, {id: v2, vars: {a: x}}]\nturns: [{user: '{{ a }}'}]\n",
            ["a.yaml:2:12 the text at a.yaml:3:16 is empty"],
        ),
        (
            "variants: [{id: v1, vars: {a-b: 1}}]\nturns: [{user: x}]\n",
            ["a.yaml:2:28 `a-b` is not a variable"],
        ),
    ],
)
def test_what_is_wrong_with_the_variables_of_a_variant(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    """Each variable is set in one place, and everywhere that it is used."""
    found = [one.replace(f"{tmp_path}/", "") for one in complaints(tmp_path, HEAD + text)]
    assert [one[: len(wanted)] for one, wanted in zip(found, expected, strict=True)] == expected


PROMPTS: dict[str, str | bytes] = {
    "p/basic.md": "Basic {{ item }}\r\n",
    "p/strict.md": "Strict {{ item }} {{ rule }}",
}


def test_a_turn_stands_in_a_file_whose_path_is_filled_in(tmp_path: Path) -> None:
    """What it holds is a template as any text; it counts as a part of the scenario."""
    text = HEAD + (
        "vars: {item: sofa}\n"
        "variants: [{id: v1, vars: {prompt: basic}}, {id: v2, vars: {prompt: strict, rule: now}}]\n"
        "system: {file: 'p/{{ prompt }}.md'}\n"
        "turns: [{user: {file: 'p/{{ prompt }}.md'}}, {user: {file: p/basic.md}}]\n"
    )
    files = {"a.yaml": text, **PROMPTS}
    assert said(tmp_path, files) == {
        "v1": ["Basic sofa\n", "Basic sofa\n"],
        "v2": ["Strict sofa now", "Basic sofa\n"],
    }
    (before,) = load_files(tmp_path, files)
    (after,) = load_files(tmp_path, {**files, "p/strict.md": "Stricter {{ rule }}"})
    assert before.sha256 != after.sha256
    turn: Any = before.turns[0]
    assert isinstance(turn, UserTurn)
    with pytest.raises(RenderError, match="no text was read from p/other"):
        Renderer({"prompt": "other", "item": "x"}).render(turn.content, {})  # type: ignore[arg-type] # a text


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "p/{{ prompt }}.txt",
            ["no such file: p/basic.txt, in case `a`", "no such file: p/strict.txt, in case `b`"],
        ),
        ("p/{{ promt }}.md", ["undefined variable `promt`"]),
        ("p/{{ prompt[9] }}.md", ["the path cannot be filled in: str object has no element 9, in case `a`"]),
        ("p/{{ prompt[5] }}.md", ["no such file: p/t.md, in case `b`", "the path cannot be filled in"]),
        ("../{{ prompt }}.md", ["../basic.md lies outside", "../strict.md lies outside"]),
        ("p/{{ saved.x }}.md", ["unused variable `prompt`", "nothing is saved as `x`"]),
        # Only those who choose a file must have its variables.
        ("p/{{ prompt }}.md", []),
        ("q/{{ prompt }}.md", ["q/basic.md is empty, in case `a`"]),
    ],
)
def test_what_is_wrong_with_a_file_of_a_case(tmp_path: Path, path: str, expected: list[str]) -> None:
    """The case is named, and a file that cannot be read does not hide what else is wrong."""
    text = HEAD + (
        "cases: [{id: a, vars: {prompt: basic, item: x}},\n"
        " {id: b, vars: {prompt: strict, item: y, rule: z}}]\n"
        f"turns: [{{user: {{file: '{path}'}}}}, {{user: '{{{{ item }}}} {{{{ rule | default(0) }}}}'}}]\n"
    )
    files = {"a.yaml": text, **PROMPTS, "q/basic.md": " ", "q/strict.md": "{{ rule }} {{ item }}"}
    found = [one.split(" ", 1)[1] for one in complaints(tmp_path, files)]
    assert [one[: len(wanted)] for one, wanted in zip(found, expected, strict=True)] == expected


def test_numbered_cases_are_known_by_their_turns(tmp_path: Path) -> None:
    """A case without an id is known by what it says, and not by its place in the list."""
    one = load_text(tmp_path, HEAD + "cases: [{turns: [{user: a}]}, {turns: [{user: b}]}]\n")
    other = load_text(tmp_path, HEAD + "cases: [{turns: [{user: b}]}, {turns: [{user: a}]}]\n")
    assert [case.digest for case in one.cases] == [case.digest for case in reversed(other.cases)]
    assert len({case.digest for case in one.cases}) == 2
