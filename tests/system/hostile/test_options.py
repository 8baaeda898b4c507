"""Hostile text in arguments and in scenarios, through the commands that send nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from claude_run.cli.app import run_command_line
from tests.support.hostile_corpus import CORPUS
from tests.unit.report.safe_output import assert_safe

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# As long as a name may be, though not longer.
PRINTABLE = [
    name for text in CORPUS if (name := text[:90].strip()).isprintable() and name and "/" not in name
]
# The sinks have seen the whole corpus; here each way to them is tried, with one text of each sort.
SORTS = [
    *("\x1b[31m\n::error::a", "\r::warning::b", "##[error]c", "\x9b31m \x7f \0", "\u202e\u2066\u200b\u2028"),
    *(
        "lone \ud800",
        "`<b>@team #1 [x](y)|",
        "{{ 7 * 7 }}[/]",
        "../../etc/passwd",
        "-1",
        "",
        "   ",
        "=1",
        "\t",
    ),
    "a" * 5000,
]
SCENARIO = "model: claude-haiku-5-5\nturns: [{user: Hi}]\n"


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(SCENARIO, encoding="utf-8")


def said(capsys: pytest.CaptureFixture[str], arguments: Iterable[str]) -> tuple[int, str]:
    """Run a command and return its code and all that it said, which could do nothing but be read."""
    code = run_command_line(list(arguments))
    shown = capsys.readouterr()
    assert_safe("log", shown.out)
    assert_safe("log", shown.err)
    return code, shown.out + shown.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "{}"],
        ["run", "{}", "--list"],
        ["report", "{}"],
        ["verify", "{}"],
        ["init", "{}/x"],
        ["a.yaml", "--list", "-m", "{}"],
        ["a.yaml", "--list", "-k", "{}"],
        ["a.yaml", "--list", "--tag", "{}"],
        ["a.yaml", "--list", "--shard", "{}"],
        ["a.yaml", "--list", "--set", "{}"],
        ["a.yaml", "--list", "--set", "unknown={}"],
        ["a.yaml", "--list", "--color", "{}"],
        ["a.yaml", "--list", "--max-cost", "{}"],
        ["a.yaml", "--list", "--timeout", "{}"],
        ["a.yaml", "--list", "--max-requests", "{}"],
        ["a.yaml", "--list", "--{}"],
        ["a.yaml", "--simulate", "--faults", "{}"],
        ["a.yaml", "--replay", "{}"],
        ["resume", "{}"],
    ],
    ids=lambda arguments: " ".join(arguments).replace("{}", "X"),
)
def test_no_argument_acts_on_a_terminal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever stands in an argument, the answer is lines of ours, and never a bug of ours."""
    for text in SORTS:
        code, shown = said(capsys, [argument.replace("{}", text) for argument in arguments])
        assert code in {0, 2, 3, 5}, text
        if code:
            first, *more = shown.splitlines()
            assert first.startswith(("error: ", "a.yaml")), text
            assert all(line.startswith((" ", "error: ")) or not line for line in more), text


def test_names_of_every_kind_are_listed_as_they_are(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Printable names may hold markup and commands; a list of ids shows one line for each, unharmed."""
    for number, text in enumerate(PRINTABLE):
        scenario = {"name": text, "tags": [text], "cases": [{"id": text}]}
        head = json.dumps(scenario)[1:-1]
        body = '"model": "claude-haiku-5-5", "turns": [{"user": "Hi"}]'
        (tmp_path / f"s{number}.yaml").write_text(f"{{{head}, {body}}}", encoding="utf-8")
    for flag in ("--list", "--dry-run"):
        code, shown = said(capsys, ["run", *(f"s{number}.yaml" for number in range(len(PRINTABLE))), flag])
        assert code == 0, shown
        assert sum(line.endswith("/claude-haiku-5-5") for line in shown.splitlines()) == len(PRINTABLE)


@pytest.mark.parametrize(
    "place", ["name: {}", "tags: [{}]", "{}: 1", "cases: [{{id: {}}}]", "expect: [{{{}: 1}}]"]
)
def test_no_mistake_in_a_scenario_acts_on_a_terminal(
    place: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A name or a key that is refused is quoted in lines of ours."""
    for text in SORTS:
        (tmp_path / "b.yaml").write_text(SCENARIO + place.format(json.dumps(text)), encoding="utf-8")
        code, _ = said(capsys, ["check", "b.yaml"])
        assert code in {0, 2}
