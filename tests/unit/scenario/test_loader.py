"""Loading: which files, all problems in one go, and what a whole scenario becomes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.scenario.loader import is_meant, load, looked_at
from claude_run.scenario.model import (
    Case,
    Expectation,
    JsonBlock,
    ModelChoice,
    Position,
    Save,
    Scenario,
    Text,
    TextBlock,
    UserTurn,
    Variant,
)
from tests.unit.scenario.loading import (
    ONE_TURN,
    PNG,
    FakeVocabulary,
    complaints,
    load_files,
    load_text,
    refused,
)

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

TEN_MISTAKES = """\
naem: refunds
max_tokens: "many"
system: You help {{ company }}.
vars: {company: Acme, colour: red}
api_key: not-a-real-key
turns:
  - user: |
      I bought {{ item }}
      for {{ saved.price }}.
    expect:
      - contians: 30 days
      - matches: '(unclosed'
  - user:
      - image: photos/none.png
    exampel: yes
"""

WHOLE = """\
name: refunds
description: Quotes the rule.
tags: [support, smoke]
models: [claude-haiku-5-5, {model: claude-opus-5-5, label: big, max_tokens: 512}]
max_tokens: 1024
thinking: {type: adaptive}
cache: 1h
system: Help {{ company }}.
vars: {company: Acme}
cases:
  - {id: phone, vars: {item: a phone}}
  - {id: sofa, vars: {item: a sofa, company: Sofas}}
variants:
  - {id: v1}
  - {id: v2, system: {file: prompts/v2.md}, max_tokens: 9}
  - {id: bare, system: null}
repeat: 3
pass_rate: 1
turns:
  - user: I bought {{ item }}.
    expect:
      - not: {contains: guarantee}
        label: no promise
    example: Sure.
    save: {state: '(yes|no)'}
  - user:
      - text: You said {{ saved.state }}.
        cache_control: {type: ephemeral}
      - image: photos/a.png
expect:
  - any_of: [{contains: "{{ item }}"}, {matches: x}]
x-owner: support
"""


def test_ten_planted_mistakes_bring_ten_diagnostics(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    """Every mistake is reported in one go, at its line and column, with a hint."""
    assert len(complaints(tmp_path, TEN_MISTAKES)) == 10
    assert refused(tmp_path, TEN_MISTAKES) == snapshot


def test_a_whole_scenario_becomes_its_model(tmp_path: Path) -> None:
    """Every part of the file is in the model, in the API's own spelling."""
    scenario = load_text(tmp_path, WHOLE, **{"prompts/v2_md": b"Be {{ company }}.\n", "photos/a_png": PNG})
    path = str(tmp_path / "a.yaml")

    def at(line: int, column: int) -> Position:
        return Position(path=path, line=line, column=column)

    first, second = scenario.turns
    assert first == UserTurn(
        content=Text(source="I bought {{ item }}.", position=at(20, 11)),
        expect=(
            Expectation(
                kind="not",
                children=(Expectation(kind="contains", value="guarantee", position=at(22, 15)),),
                label="no promise",
                position=at(22, 9),
            ),
        ),
        example=Text(source="Sure.", position=at(24, 14)),
        save=(Save(name="state", pattern="(yes|no)", position=at(25, 12)),),
        position=at(20, 5),
    )
    assert isinstance(second.content, tuple)
    assert second.content[0] == TextBlock(
        text=Text(source="You said {{ saved.state }}.", position=at(27, 15)),
        extra={"cache_control": {"type": "ephemeral"}},
    )
    assert isinstance(second.content[1], JsonBlock)
    assert second.content[1].value["type"] == "image"
    assert (scenario.name, scenario.description, scenario.tags) == (
        "refunds",
        "Quotes the rule.",
        ("support", "smoke"),
    )
    assert scenario.models == (
        ModelChoice(id="claude-haiku-5-5", label="claude-haiku-5-5", position=at(4, 10)),
        ModelChoice(
            id="claude-opus-5-5",
            label="big",
            params={"max_tokens": 512},
            param_positions={"max_tokens": at(4, 65)},
            position=at(4, 28),
        ),
    )
    assert scenario.params == {"max_tokens": 1024, "thinking": {"type": "adaptive"}}
    assert scenario.param_positions["thinking"] == at(6, 1)
    assert scenario.system == Text(source="Help {{ company }}.", position=at(8, 9))
    assert (scenario.cache, scenario.repeat, scenario.pass_rate) == ("1h", 3, 1.0)
    assert scenario.vars == {"company": "Acme"}
    assert scenario.cases[1] == Case(
        id="sofa", vars={"item": "a sofa", "company": "Sofas"}, position=at(12, 5)
    )
    prompt = Text(
        source="Be {{ company }}.\n",
        position=Position(path=str(tmp_path / "prompts/v2.md"), line=1, column=1),
    )
    assert scenario.variants[1:] == (
        Variant(
            id="v2",
            system=prompt,
            overrides_system=True,
            params={"max_tokens": 9},
            param_positions={"max_tokens": at(15, 45)},
            position=at(15, 5),
        ),
        Variant(id="bare", system=None, overrides_system=True, position=at(16, 5)),
    )
    assert [child.kind for child in scenario.expect[0].children] == ["contains", "matches"]


def test_a_short_scenario_has_defaults(tmp_path: Path) -> None:
    """Only turns are needed: the name is the file's stem, and there is one case and one variant."""
    scenario = load_text(tmp_path, ONE_TURN)
    assert scenario == Scenario(
        name="a",
        path=str(tmp_path / "a.yaml"),
        sha256=scenario.sha256,
        position=Position(path=str(tmp_path / "a.yaml"), line=1, column=1),
        turns=scenario.turns,
    )


def test_the_hash_covers_every_file_that_is_named(tmp_path: Path) -> None:
    """The hash changes with the bytes of the scenario and of its files, and with nothing else."""
    text = "system: {file: b.md}\n" + ONE_TURN
    first = load_text(tmp_path, text, b_md="one").sha256
    assert load_text(tmp_path, text, b_md="one", c_md="unrelated").sha256 == first
    assert load_text(tmp_path, text, b_md="two").sha256 != first
    assert load_text(tmp_path, text + "# more\n", b_md="one").sha256 != first
    assert len(bytes.fromhex(first)) == hashlib.sha256().digest_size


def test_the_files_that_a_scenario_names_are_known(tmp_path: Path) -> None:
    """Sound or not, and also those that are not there: one of them may mend it."""
    text = "system: {file: b.md}\n" + ONE_TURN
    scenario = load_text(tmp_path, text, b_md="one")
    assert scenario.files == {(tmp_path / "b.md").resolve()}
    (tmp_path / "a.yaml").write_text("system: {file: c.md}\n" + ONE_TURN)
    with pytest.raises(InvalidScenarioError) as caught:
        load([str(tmp_path / "a.yaml")], vocabulary=FakeVocabulary())
    assert caught.value.files == {(tmp_path / "c.md").resolve()}


@pytest.mark.parametrize(
    ("path", "places"),
    [
        (".", [".", "a.yaml", "sub", "sub/b.yaml", "sub/deep"]),
        ("a.yaml", [".", "a.yaml"]),
        ("a.yaml:2", [".", "a.yaml"]),
        ("sub/*.yaml", ["sub", "sub/b.yaml", "sub/deep"]),
        ("gone/c.yaml", ["gone"]),
        ("**/b.yaml", [".", "sub", "sub/b.yaml", "sub/deep"]),
    ],
)
def test_where_scenarios_may_turn_up_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, places: list[str]
) -> None:
    """The files that a path means, and all folders that it would find others in, hidden ones apart."""
    monkeypatch.chdir(tmp_path)
    for folder in ("sub/deep", ".git"):
        Path(folder).mkdir(parents=True)
    for file in ("a.yaml", "sub/b.yaml"):
        Path(file).write_text(ONE_TURN)
    assert {*looked_at([path])} == {*map(Path, places)}


def test_the_problems_of_all_files_come_together(tmp_path: Path) -> None:
    """One error lists the problems of every file, syntax errors and missing files included."""
    files: dict[str, str | bytes] = {
        "a.yaml": "trns: []\n",
        "b.yaml": "a: [",
        "c.yaml": b"\xff",
        "d.yaml": ONE_TURN,
    }
    assert complaints(tmp_path, files, "a.yaml", "b.yaml", "c.yaml", "d.yaml", "e.yaml") == [
        "a.yaml:1:1 this scenario has no `turns`",
        "a.yaml:1:1 unknown key `trns` in a scenario",
        "b.yaml:1:5 this is not valid YAML: did not find expected node content",
        "c.yaml:1:1 the file is not UTF-8",
        "e.yaml:1:1 no such file or folder",
    ]


def test_folders_are_searched_in_order(tmp_path: Path) -> None:
    """A folder gives its scenarios sorted by path; hidden and unrelated folders are passed over."""
    files = dict.fromkeys(
        [
            "z.yaml",
            "b/y.yml",
            ".hidden.yaml",
            ".git/g.yaml",
            "node_modules/n.yaml",
            "outputs/o.yaml",
            "b/t.txt",
        ],
        ONE_TURN,
    )
    names = [scenario.name for scenario in load_files(tmp_path, files, ".")]
    assert names == ["z", "y"]


def test_patterns_find_files_and_folders(tmp_path: Path) -> None:
    """A pattern may match files and folders, and each file is read once."""
    files = dict.fromkeys(["one.yaml", "two.yaml", "sub/three.yaml", "sub/deep/four.yaml"], ONE_TURN)
    assert [s.name for s in load_files(tmp_path, files, "*.yaml", "one.yaml")] == ["one", "two"]
    assert [s.name for s in load_files(tmp_path, files, "s*")] == ["three", "four"]
    assert [s.name for s in load_files(tmp_path, files, "**/*.yaml")] == ["one", "four", "three", "two"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nothing.yaml", "no such file or folder"),
        ("*.nothing", "no file matches this pattern"),
        ("empty", "no scenario in this folder"),
        ("nul\0.yaml", "no such file or folder"),
        ("no/folder/x.yaml", "no such file or folder"),
    ],
)
def test_a_path_that_means_nothing_is_a_problem(tmp_path: Path, path: str, message: str) -> None:
    """Neither a file, nor a folder with scenarios, nor a pattern that matches: each is said."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidScenarioError, match=message):
        load([str(tmp_path / path)], vocabulary=FakeVocabulary())


def test_a_slip_in_a_path_is_recognised(tmp_path: Path) -> None:
    """A file with nearly the same name is suggested."""
    assert "did you mean `refunds.yaml`" in refused(tmp_path, {"refunds.yaml": ONE_TURN}, "refund.yaml")


def test_yaml_that_is_no_scenario_is_passed_over_unless_named(tmp_path: Path) -> None:
    """In a folder, data and foreign YAML are skipped; named, they are problems."""
    files = {
        "a.yaml": "cases: {file: cases.yaml}\nturns: [{user: '{{ x }}'}]\n",
        "cases.yaml": "- {id: one, x: 1}\n",
        "foreign.yaml": "services: {web: {image: x}}\n",
        "list.yml": "- 1\n",
    }
    assert [scenario.name for scenario in load_files(tmp_path, files, ".")] == ["a"]
    assert complaints(tmp_path, files, "list.yml") == [
        "list.yml:1:1 a scenario must be a mapping, not a list"
    ]
    assert complaints(tmp_path, files, "foreign.yaml")[0].endswith("this scenario has no `turns`")


def test_a_file_that_is_named_beside_its_folder_counts_as_named(tmp_path: Path) -> None:
    """Naming a file asks for it, even where its folder is given as well; other kinds of file stay outside."""
    files: dict[str, str | bytes] = {"a.yaml": ONE_TURN, "foreign.yaml": "b: 1\n", "c.txt": "c"}
    assert [scenario.name for scenario in load_files(tmp_path, files, "*")] == ["a"]
    found = complaints(tmp_path, files, ".", "foreign.yaml")
    assert "foreign.yaml:1:1 this scenario has no `turns`" in found


def test_a_scenario_without_turns_is_found_in_a_folder(tmp_path: Path) -> None:
    """What looks like a scenario is one, even where `turns` is misspelt or missing."""
    files = {"a.yaml": ONE_TURN, "b.yaml": "turn: []\n", "c.yaml": "system: Hi\n"}
    assert [line.split()[0] for line in complaints(tmp_path, files, ".")] == [
        "b.yaml:1:1",
        "b.yaml:1:1",
        "c.yaml:1:1",
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("a/a.yaml", True),
        ("a/typo.yaml", True),
        ("a/forgotten.yml", True),
        ("a/broken.yaml", True),
        ("a/utf16.yaml", True),
        ("a/foreign.yaml", False),
        ("a/cases.yaml", False),
        ("a/b/odd.yaml", False),
        ("c/odd.yaml", True),
    ],
)
def test_what_a_folder_would_have_for_a_scenario(tmp_path: Path, name: str, meant: bool) -> None:
    """File by file as all together: sound or not, and no data of another one."""
    files: dict[str, str | bytes] = {
        "a/a.yaml": f"{ONE_TURN}system: {{file: b/odd.yaml}}\ncases: {{file: cases.yaml}}\n",
        "a/cases.yaml": "a: [\n",
        "a/b/odd.yaml": "system: Hi\n",
        "a/typo.yaml": "turn: []\n",
        "a/forgotten.yml": "model: x\n",
        "a/broken.yaml": "b: [\n",
        "a/utf16.yaml": ONE_TURN.encode("utf-16"),
        "a/foreign.yaml": "b: 1\n",
        "c/odd.yaml": "system: Hi\n",
    }
    for each, content in files.items():
        path = tmp_path / each
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert is_meant(str(tmp_path / name), vocabulary=FakeVocabulary(), top=tmp_path) is meant


def test_a_folder_with_foreign_yaml_only_is_a_problem(tmp_path: Path) -> None:
    """Selecting nothing by mistake does not look like success."""
    message = "none of the YAML files found here is a scenario"
    assert message in refused(tmp_path, {"foreign.yaml": "a: 1\n"}, ".")


def test_broken_yaml_in_a_folder_is_reported_once(tmp_path: Path) -> None:
    """A file of cases that cannot be read is reported by its scenario, not twice."""
    files = {
        "a.yaml": "cases: {file: cases.yaml}\nturns: [{user: '{{ x }}'}]\n",
        "cases.yaml": "- [",
        "b.yaml": "x: [",
    }
    assert [line.split()[0] for line in complaints(tmp_path, files, ".")] == ["b.yaml:1:5", "cases.yaml:1:4"]


def test_names_are_unique_in_a_run(tmp_path: Path) -> None:
    """Two scenarios of one name cannot be told apart in a report."""
    files = {"a.yaml": ONE_TURN, "b.yaml": "name: a\n" + ONE_TURN}
    (found,) = complaints(tmp_path, files, ".")
    assert found == "b.yaml:1:7 duplicate scenario name `a`: a.yaml:1:1 has it already"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ('"a/b"', "`name` holds a `/`"),
        ('"a\\tb"', "cannot be printed"),
        ("x" * 101, "longer than 100 characters"),
        ('" a"', "begins or ends with a space"),
        ('""', "`name` is empty"),
        ("12", "`name` must be a string, not a number"),
    ],
)
def test_names_are_short_plain_words(tmp_path: Path, name: str, problem: str) -> None:
    """Names become parts of ids and of tables, so that not every text can be one."""
    assert problem in refused(tmp_path, f"name: {name}\n" + ONE_TURN)


def test_the_stem_of_a_file_must_be_a_name_too(tmp_path: Path) -> None:
    """Where the file gives the name, the file is what the problem speaks of."""
    (found,) = complaints(tmp_path, {"a\u202e.yaml": ONE_TURN}, "a\u202e.yaml")
    assert "the file's stem is the name of this scenario, but it holds a character" in found


def test_a_fifo_and_a_device_are_no_scenarios(tmp_path: Path) -> None:
    """Opening something that is not a file neither waits nor reads without end."""
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "broken.yaml").symlink_to(tmp_path / "nowhere")
    found = complaints(tmp_path, {}, "pipe.yaml", "zero.yaml", "broken.yaml")
    assert found == [
        "broken.yaml:1:1 the file cannot be read: No such file or directory",
        "pipe.yaml:1:1 pipe.yaml is not a regular file",
        "zero.yaml:1:1 zero.yaml is not a regular file",
    ]


def test_set_names_a_variable_that_some_scenario_knows(tmp_path: Path) -> None:
    """A variable from the command line counts as defined; one that nothing knows is a slip."""
    text = "turns: [{user: 'Hi {{ who }}'}]\n"
    with pytest.raises(InvalidScenarioError, match="undefined variable `who`"):
        load_files(tmp_path, {"a.yaml": text})
    assert len(load_files(tmp_path, {"a.yaml": text}, overrides={"who": "Ada"})) == 1
    with pytest.raises(InvalidScenarioError, match="no scenario has a variable `woh`") as caught:
        load_files(tmp_path, {"a.yaml": text}, overrides={"who": "Ada", "woh": "Eve"})
    assert "did you mean `who`?" in str(caught.value)


def test_unknown_overrides_wait_for_the_files_to_be_right(tmp_path: Path) -> None:
    """While a file has problems, its variables are not known for sure."""
    with pytest.raises(InvalidScenarioError) as caught:
        load_files(tmp_path, {"a.yaml": "turns: []\n"}, overrides={"who": "Ada"})
    assert len(caught.value.diagnostics) == 1


def test_a_lone_relative_path_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are shown as the user gave them."""
    (tmp_path / "a.yaml").write_text("system: {file: s.md}\n" + ONE_TURN)
    (tmp_path / "s.md").write_text("Hi")
    monkeypatch.chdir(tmp_path)
    (scenario,) = load(["a.yaml"], vocabulary=FakeVocabulary())
    assert str(scenario.position) == "a.yaml:1:1"
    assert isinstance(scenario.system, Text)
    assert scenario.system.position.path == str(Path("s.md"))
