"""`export`: what its programs look like, which conversation they play, and what is refused."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anthropic.resources.beta.messages import Messages as BetaMessages
from anthropic.resources.messages import Messages

from claude_run.cli.app import run_command_line
from claude_run.cli.options import ExportOptions
from claude_run.report.export.formats import LANGUAGES
from claude_run.report.export.python import BETA_PARAMS, PARAMS
from claude_run.session.options import options_of
from tests.docs.page_examples import blocks
from tests.docs.pages import ROOT
from tests.support.command import HEAVY, QUICKSTART, SCENARIOS, loaded_by

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

PAGE = ROOT / "docs" / "how-to" / "export-a-conversation.md"
CONDITIONS = """
name: talk
description: It has a condition, a pattern and a message of the system.
model: claude-haiku-5-5
max_tokens: 512
cases: [{id: one, vars: {item: order}}, {id: two, vars: {item: refund}}]
turns:
  - user: Where is my {{ item }}?
    expect: [{judge: It is polite.}, {not: {contains: sorry}}]
    save: {wanted: '(?i)(number|date)'}
  - user: |
      The {{ saved.wanted }} is 5.

      It costs ${5} in the `shop`.
    if: [{contains: {any: [number, date], ignore_case: true}}, {not: {max_words: 3}}]
  - system: Be brief.
  - user: Thank you.
judge: {model: claude-opus-5-5}
"""


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Work in an empty folder, without a key."""
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _export(text: str, *arguments: str) -> int:
    Path("s.yaml").write_text(text, encoding="utf-8")
    return run_command_line(["export", "s.yaml", *arguments])


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_program_looks_like(
    language: str, capsys: pytest.CaptureFixture[str], snapshot: SnapshotAssertion
) -> None:
    """A person could have written it; the choice of the conversation is told on stderr alone."""
    assert _export(CONDITIONS, "--to", language) == 0

    assert capsys.readouterr() == snapshot


@pytest.mark.parametrize(
    "description",
    [
        "About coding: answers of the agent",
        "coding=utf-16",
        # Each of these words is a line of its own.
        f"{'x' * 100} /// script dependencies=['{'x' * 100}'] /// {'x' * 100}",
    ],
)
def test_a_description_is_never_more_than_a_comment(description: str, here: Path) -> None:
    """Python takes no encoding from it, and whoever installs what a script asks for finds nothing."""
    text = json.dumps({"model": "claude-haiku-5-5", "description": description, "turns": [{"user": "é"}]})
    assert _export(text, "-o", "program.py") == 0

    program = (here / "program.py").read_bytes()
    compile(program, "program.py", "exec")
    assert not re.search(rb"(?m)^# /// [a-zA-Z0-9-]+$", program)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_program_with_tools_looks_like(
    language: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    snapshot: SnapshotAssertion,
) -> None:
    """Results of tools are data of the program, and what answers calls stands in it."""
    monkeypatch.chdir(ROOT)
    assert run_command_line(["export", "scenarios/order-support.yaml", "--to", language, "-q"]) == 0

    assert capsys.readouterr() == snapshot


@pytest.mark.usefixtures("here")
def test_another_conversation_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    """`-k` chooses the case, `-m` the model, `--set` a variable."""
    chosen = ("-k", "two", "-m", "claude-opus-5-5", "--set", "item=sofa", "--to", "json")
    assert _export(CONDITIONS, *chosen) == 0

    out, err = capsys.readouterr()
    written: dict[str, Any] = json.loads(out)
    assert err.endswith("exported talk/two/claude-opus-5-5\n")
    assert written["request"]["model"] == "claude-opus-5-5"
    assert written["request"]["messages"] == [{"role": "user", "content": "Where is my sofa?"}]


def test_a_file_is_written_and_never_written_over(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`-o` names a new file; one that exists is left alone, code 2; so is a folder that does not."""
    assert _export(CONDITIONS, "-o", "talk.py") == 0
    written = (here / "talk.py").read_text(encoding="utf-8")
    assert written.startswith("# talk/one/claude-haiku-5-5: It has a condition")
    assert capsys.readouterr().out == "wrote talk.py\n"

    assert _export(CONDITIONS, "-o", "talk.py", "-q") == 2
    assert capsys.readouterr().err == (
        "error: -o talk.py: it exists already: remove it, or name another file\n"
    )
    assert (here / "talk.py").read_text(encoding="utf-8") == written
    assert _export(CONDITIONS, "-o", "gone/talk.py", "-q") == 2
    assert capsys.readouterr().err == "error: -o gone/talk.py: there is no folder gone; make it first\n"


REFUSED = {
    "a filter": ("turns: [{user: a, save: {x: a}}, {user: '{{ saved.x | upper }}'}]", "python"),
    "a condition on it": (
        "turns: [{user: a, save: {x: a}}, {user: '{% if saved.x == 1 %}b{% endif %}'}]",
        "json",
    ),
    "a judge of tools": ("turns: [{user: a}, {user: b, if: [no_tool_calls, {json: true}]}]", "curl"),
    "an if that reads": (
        "turns: [{user: a, save: {x: a}}, {user: b, if: {contains: '{{ saved.x }}'}}]",
        "typescript",
    ),
    "a pattern that reads": (
        "turns: [{user: a, save: {x: a}}, {user: b, save: {y: '{{ saved.x }}'}}]",
        "python",
    ),
    "two defaults": (
        (
            "turns: [{user: a}, {user: b, if: {contains: b}, save: {x: a}},"
            " {user: '{{ saved.x | default(1) }}{{ saved.x | default(2) }}'}]"
        ),
        "python",
    ),
    "patterns": (
        r"turns: [{user: a, save: {x: 'a(?i)b', y: '\pL'}}, {user: b, if: {matches: '$+'}}]",
        "typescript",
    ),
    "letters of jq": ("turns: [{user: a}, {user: b, if: {contains: {text: É, ignore_case: true}}}]", "curl"),
    "a long number": ("turns: [{user: a}]\nmetadata: {user_id: 9007199254740993}", "typescript"),
    "a name": ("turns: [{user: a, save: {__proto__: a}}, {user: b}]", "typescript"),
}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_carried_is_refused(
    name: str, capsys: pytest.CaptureFixture[str], snapshot: SnapshotAssertion
) -> None:
    """Each is named with its place and what to do, with code 2, and nothing is written."""
    text, language = REFUSED[name]
    head = "name: s\nmodel: claude-haiku-5-5\nmax_tokens: 9\n"

    assert _export(head + text, "--to", language, "-q", "-o", "program") == 2

    assert capsys.readouterr() == snapshot
    assert not Path("program").exists()


@pytest.mark.usefixtures("here")
def test_no_credential_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A variable may hold the key in use: then there is no program."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-0123456789abcdefghij")
    assert _export(CONDITIONS, "--set", "item=sk-ant-0123456789abcdefghij") == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert "the credential in use stands in a variable" in err
    assert "0123456789abcdefghij" not in err


def test_letters_that_stdout_does_not_take_need_a_file(here: Path) -> None:
    """A program is never changed to fit an encoding: -o writes UTF-8."""
    (here / "s.yaml").write_text(CONDITIONS.replace("Thank you", "Dankeschön €"), encoding="utf-8")
    command = [sys.executable, "-m", "claude_run", "export", "s.yaml", "-q"]
    environment = {"PYTHONIOENCODING": "latin-1", "PYTHONPATH": str(ROOT / "src"), "HOME": str(here)}
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, check=False)

    assert (done.returncode, done.stdout) == (2, b"")
    assert b"add -o FILE" in done.stderr


@pytest.mark.usefixtures("here")
def test_the_page_shows_what_is_exported(capsys: pytest.CaptureFixture[str]) -> None:
    """The lines of Python on the page are the end of the program that its scenario becomes."""
    shown = blocks(PAGE.read_text(encoding="utf-8"))
    scenario = next(block for block in shown if block.name == "order.yaml")
    program = next(block for block in shown if block.language == "python")

    assert _export(scenario.body) == 0
    assert capsys.readouterr().out.endswith(f"\n{program.body}")


def test_the_languages_are_those_that_the_option_takes() -> None:
    """What `--to` takes is what can be written, and the help names all of it."""
    [option] = [each for each in options_of(ExportOptions) if each.name == "language"]
    assert set(option.kind.words) == set(LANGUAGES)


def test_the_parameters_are_those_of_the_sdk() -> None:
    """What is passed by name is what both methods of the SDK take by that name."""
    for known, cls in ((PARAMS, Messages), (BETA_PARAMS, BetaMessages)):
        for method in (cls.create, cls.stream):
            assert known <= set(inspect.signature(method).parameters), method


def test_nothing_heavy_is_loaded(here: Path) -> None:
    """To export imports neither the SDK nor the prices."""
    assert not loaded_by("export", str(QUICKSTART), cwd=here) & HEAVY


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_first_request_can_be_posted(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`request` of the JSON is a whole body: model, max_tokens, and messages that end with the user's."""
    assert run_command_line(["export", str(path), "--to", "json", "-q"]) == 0
    request = json.loads(capsys.readouterr().out)["request"]

    assert {"model", "max_tokens", "messages"} <= set(request)
    assert request["messages"][-1]["role"] == "user"
