"""Samples of each format: what is said of the losses, what is written, and that it plays as it is."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from claude_run.cli.app import run_command_line
from tests.docs.page_examples import blocks
from tests.docs.pages import ROOT
from tests.support.command import HEAVY, loaded_by
from tests.unit.imports.importing import SAMPLES

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

ALL = {
    "promptfoo": (["promptfoo"], 32, "failed"),
    "threads": (["threads"], 2, "failed"),
    "pipecat": (["pipecat/booking.yaml"], 1, "failed"),
    "messages": (["chats.jsonl"], 3, "passed"),
    "mt-bench": (["questions.jsonl"], 2, "passed"),
}
"""The files of a sample, how many conversations they are on all models, and how a run on the simulator ends.

Nobody has written examples for the first three: what the simulator makes up for them satisfies no text.
"""


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Work in a folder with the samples, without a key."""
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copytree(SAMPLES, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ALL)
def test_what_is_said_and_what_is_written(
    name: str, here: Path, capsys: pytest.CaptureFixture[str], snapshot: SnapshotAssertion
) -> None:
    """The loss report with the line of each loss, the lines on stdout, and the scenarios."""
    files, *_ = ALL[name]
    assert run_command_line(["import", *files]) == 0
    printed = capsys.readouterr()
    written = {path.name: path.read_text(encoding="utf-8") for path in sorted((here / "scenarios").iterdir())}

    assert printed.err == snapshot(name="losses")
    assert printed.out == snapshot(name="written")
    assert written == snapshot(name="scenarios")


@pytest.mark.parametrize("name", ALL)
def test_what_is_written_is_checked_and_played_with_no_hand_edit(
    name: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`check` finds nothing, and every conversation is played to its end: none is errored or skipped."""
    files, number, outcome = ALL[name]
    run_command_line(["import", *files, "-q"])
    assert run_command_line(["check", "scenarios"]) == 0
    capsys.readouterr()

    code = run_command_line(["run", "scenarios", "--simulate", "-q", "-o", "played"])
    lines = (here / "played" / "transcripts.jsonl").read_text(encoding="utf-8").splitlines()
    outcomes = [json.loads(line)["outcome"] for line in lines]
    assert code == (0 if outcome == "passed" else 1)
    assert len(outcomes) == number
    assert set(outcomes) <= {"passed", outcome}
    assert outcome in outcomes


def test_losses_as_data(here: Path, capsys: pytest.CaptureFixture[str], snapshot: SnapshotAssertion) -> None:
    """With --json stdout holds one document, and stderr the same report for people."""
    assert run_command_line(["import", "chats.jsonl", "--json"]) == 0
    printed = capsys.readouterr()

    assert json.loads(printed.out) == snapshot
    assert "warning: `split` of a conversation is not carried over (dropped)" in printed.err
    assert (here / "scenarios" / "chats.yaml").exists()


def test_a_strict_import_writes_nothing_where_anything_is_lost(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, the losses as errors, no file; without a loss it writes."""
    assert run_command_line(["import", "chats.jsonl", "--strict"]) == 2
    assert "error: `split` of a conversation is not carried over (dropped)" in capsys.readouterr().err
    assert not (here / "scenarios").exists()

    whole = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    (here / "whole.jsonl").write_text(json.dumps(whole))
    assert run_command_line(["import", "whole.jsonl", "--strict"]) == 0
    assert "1 scenario, 1 conversation: all was carried over" in capsys.readouterr().out


def test_nothing_is_overwritten(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where one of the files is there already, none is written."""
    (here / "scenarios").mkdir()
    there = here / "scenarios" / "promptfoo-plain-words.yaml"
    there.symlink_to("nowhere.yaml")

    assert run_command_line(["import", "promptfoo", "-q"]) == 2
    message = "error: scenarios/promptfoo-plain-words.yaml is there already, and nothing is overwritten"
    assert message in capsys.readouterr().err
    assert list((here / "scenarios").iterdir()) == [there]


def test_one_scenario_goes_into_a_file_that_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Several need a folder."""
    assert run_command_line(["import", "questions.jsonl", "-q", "-o", "new/mine.yaml"]) == 0
    assert (here / "new" / "mine.yaml").exists()
    assert run_command_line(["import", "promptfoo", "-q", "-o", "two.yaml"]) == 2
    assert "-o two.yaml: this makes 2 scenarios: name a folder for them" in capsys.readouterr().err
    assert not (here / "two.yaml").exists()


def test_an_empty_place_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A variable in a command may be empty; what is there already is not mixed with."""
    before = sorted(here.iterdir())
    assert run_command_line(["import", "chats.jsonl", "-o", ""]) == 2
    assert "-o '': an empty path: is the variable in your command empty?" in capsys.readouterr().err
    assert sorted(here.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gone.yaml"], "error: gone.yaml: No such file or directory"),
        (["pipecat"], "error: pipecat: this folder holds no promptfooconfig.yaml; name the files"),
        (["pipecat/judge.yaml"], "does not tell its format: add --from promptfoo|pipecat|messages|mt-bench"),
        (["questions.jsonl", "--from", "messages"], "error: nothing in these files could be made a scenario"),
        (
            ["chats.jsonl", "--from", "openai"],
            "--from openai: choose promptfoo, pipecat, messages or mt-bench",
        ),
        (["/dev/null"], "is not a regular file"),
    ],
)
def test_what_cannot_be_imported(
    arguments: list[str], said: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, a line that says why, and nothing written."""
    assert run_command_line(["import", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not (here / "scenarios").exists()


def test_what_yaml_has_that_no_scenario_may_have_is_told_at_its_place(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anchors and aliases are refused as in a scenario: a small file could become a huge one."""
    text = "prompts: [&p '{{ q }}', *p]\nproviders: [x]\n"
    (here / "anchors.yaml").write_text(text)
    assert run_command_line(["import", "anchors.yaml"]) == 2
    said = capsys.readouterr().err
    assert "error: anchors are not allowed\n  --> anchors.yaml:1:11" in said
    assert "error: aliases are not allowed\n  --> anchors.yaml:1:25" in said


def test_the_page_shows_the_scenario_that_is_written(here: Path) -> None:
    """Line by line, of the files that stand above it."""
    page = (ROOT / "docs" / "how-to" / "migrate-from-promptfoo.md").read_text(encoding="utf-8")
    found = blocks(page)
    for block in found[:2]:
        assert block.name
        (here / block.name).parent.mkdir(exist_ok=True)
        (here / block.name).write_text(block.body, encoding="utf-8")
    shown = next(block.body for block in found if block.language == "yaml" and not block.name)

    assert run_command_line(["import", "shop", "-q"]) == 0
    assert shown.strip() == (here / "scenarios" / "shop.yaml").read_text(encoding="utf-8").strip()


def test_an_import_loads_nothing_that_a_run_needs(here: Path) -> None:
    """Neither the SDK nor the price table nor a server."""
    assert not HEAVY & loaded_by("import", "promptfoo", "-q", cwd=here)
