"""Options: what a slip costs, and what can be asked without playing anything."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import pytest

from claude_run.cli.app import run_command_line
from tests.support.command import QUICKSTART, SCENARIOS, claude_run

if TYPE_CHECKING:
    from pathlib import Path

FILE = str(QUICKSTART)


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bogus"], "No such option: --bogus"),
        ([FILE, "--modle", "x"], "No such option: --modle"),
        ([FILE, "-n", "0"], "-n"),
        ([FILE, "-n", "many"], "-n many: write a whole number from 1"),
        ([FILE, "--confirm", "nan"], "--confirm nan: write a whole number from 0 to 10"),
        ([FILE, "--no-confirm"], "--no-confirm is for a gate: add --baseline"),
        ([FILE, "--confirm", "11"], "--confirm 11: write a whole number from 0 to 10"),
        ([FILE, "--on-unclear", "fail", "--on-unclear=warn"], "--on-unclear was given twice"),
        ([FILE, "--alpha", "0.1"], "--alpha is set for all runs alike, under [gate] of the project file"),
        ([FILE, "-oa", "--out", "b"], "-o was given twice, as a and b"),
        ([FILE, "-j4", "-j", "8", "--concurrency=9"], "-j was given 3 times, as 4, 8 and 9"),
        ([FILE, "-k", "a", "-k", "b"], "-k was given twice, as a and b"),
        ([FILE, "--baseline", "--baseline", "x.baseline.json"], "--baseline was given twice"),
        ([FILE, "--color", "never", "--color", "always"], "--color was given twice, as never and always"),
        ([FILE, "--shard", " 1/2"], "write it as i/n"),
        (["resume", "--max-cost", "1", "--max-cost", "2"], "--max-cost was given twice, as 1 and 2"),
        (["judge-eval", "labels.jsonl", "-j", "0x10"], "-j 0x10: write a whole number from 1 to 100000"),
        (["compare", "a", "b", "--margin", "inf"], "--margin inf: write a plain decimal number"),
        (["compare", "a", "b", "--margin", "2"], "--margin must be above 0 and at most 1"),
        ([FILE, "-j", "0"], "-j"),
        ([FILE, "-m"], "-m"),
        ([FILE, "--simulate", "-m", ""], "model"),
        ([FILE, "--color", "pink"], "--color pink: choose auto, always or never"),
        ([FILE, "--faults", "429"], "add --simulate"),
        ([FILE, "--simulate", "--faults", "nonsense"], "nonsense"),
        ([FILE, "--shard", "3/2"], "3/2"),
        ([FILE, "--shard", "half"], "half"),
        ([FILE, "-k", "refund and ("], "refund and ("),
        ([FILE, "--set", "x"], "--set x: write --set name=value"),
        ([FILE, "--set", "x=1", "--set", "x=2"], "set twice"),
        ([FILE, "--set", "nobody=1"], "nobody"),
        (["nowhere.yaml"], "nowhere.yaml"),
        (["run"], "PATH"),
        (["check"], "PATH"),
        (["check", FILE, "--simulate"], "No such option: --simulate"),
        (["report", "nowhere"], "nowhere holds no run"),
        (["report"], "outputs/latest holds no run: no run was made yet"),
        (["simulate", "--port", "99999"], "--port"),
        (["simulate", "--faults", "nonsense"], "nonsense"),
        (["simulate", "--port", "1", "--port", "2"], "--port was given twice, as 1 and 2"),
        (["schema", "extra"], "extra"),
    ],
)
def test_a_slip_is_usage(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong option ends with code 2 and words that name it; nothing is written."""
    assert run_command_line(arguments) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert said.err.startswith("error: ")
    assert ".;" not in said.err
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []


def test_no_command_means_run(capsys: pytest.CaptureFixture[str]) -> None:
    """A path, or an option of run, may stand where the command would."""
    told = set()
    for arguments in (["run", FILE, "--list"], [FILE, "--list"], ["--list", FILE], ["--list", "--", FILE]):
        assert run_command_line(arguments) == 0
        told.add(capsys.readouterr().out)
    assert told == {"quickstart/claude-haiku-5-5\n"}


def test_a_file_named_like_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is called like a command can be played with `run`, or as a path."""
    folder = tmp_path / "check"
    folder.mkdir()
    (folder / "quickstart.yaml").write_bytes(QUICKSTART.read_bytes())
    assert run_command_line(["run", "check", "--list"]) == 0
    assert run_command_line(["./check", "--list"]) == 0
    assert capsys.readouterr().out == "quickstart/claude-haiku-5-5\n" * 2


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["-k", "sofa and short"], ["refund-policy/sofa/short/claude-haiku-5-5"]),
        (
            ["-k", "quickstart", "-n", "2", "-m", "small=claude-haiku-5-5", "-m", "claude-opus-5-5"],
            [
                "quickstart/small/1",
                "quickstart/small/2",
                "quickstart/claude-opus-5-5/1",
                "quickstart/claude-opus-5-5/2",
            ],
        ),
        (["--tag", "smoke", "-k", "not (refund or invoice or tuple)"], ["quickstart/claude-haiku-5-5"]),
    ],
)
def test_list(options: list[str], ids: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The ids of what would be played are printed on stdout, one a line, and nothing else."""
    assert run_command_line([str(SCENARIOS), "--list", *options]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == ids
    assert said.err == ""


def test_shards_share_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    """Every conversation is in exactly one shard."""
    listed = []
    for part in ("1/1", "1/3", "2/3", "3/3"):
        assert run_command_line([str(SCENARIOS), "--list", "--shard", part]) == 0
        listed.append(capsys.readouterr().out.splitlines())
    whole, *parts = listed
    assert sorted(chain.from_iterable(parts)) == sorted(whole)
    assert all(parts)


def test_nothing_selected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Options that leave nothing to play have a code of their own, and nothing is written."""
    for options in (["-k", "nobody"], ["--tag", "nothing"]):
        assert run_command_line([FILE, "--simulate", *options]) == 5
        said = capsys.readouterr()
        assert said.err.startswith("error: ")
        assert options[1] in said.err
    assert list(tmp_path.iterdir()) == []


def test_dry_run(tmp_path: Path) -> None:
    """It counts conversations and requests, bounds the cost, and needs no key and leaves no trace."""
    ended = claude_run(QUICKSTART, "--dry-run", "-n", "2", "-m", "claude-opus-5-5", cwd=tmp_path)
    assert ended.code == 0
    names, (first, *_, last) = ended.stdout.splitlines()[:2], ended.stdout.splitlines()[2:]
    assert names == ["quickstart/claude-opus-5-5/1", "quickstart/claude-opus-5-5/2"]
    assert first.startswith("claude-opus-5-5: 2 conversations, 6 requests, at most $0.")
    assert last.startswith("2 conversations, 6 requests, at most $0.")
    assert last.endswith("; nothing was sent")
    bound = float(last.partition("at most $")[2].split()[0])
    output = 2 * 3 * 2048 * 20 / 1e6  # $20 for a million tokens
    assert output < bound < 2 * output
    assert list(tmp_path.iterdir()) == []


TOOLS = """\
model: claude-haiku-5-5
max_tokens: 300
tools: [{name: look, input_schema: {type: object}}]
tool_results: {look: {return: found}}
turns:
- {user: Hi, expect: [{calls_tool: look}, {contains: Done}], example: Done.}
- {user: Bye, expect: [no_tool_calls], example: Bye.}
"""


def test_dry_run_of_a_scenario_with_tools(tmp_path: Path) -> None:
    """Rounds of tools are counted, and what they are likely to come to stands beside what they may."""
    (tmp_path / "tools.yaml").write_text(TOOLS, encoding="utf-8")
    ended = claude_run("tools.yaml", "--dry-run", "-n", "2", cwd=tmp_path)
    assert ended.code == 0
    _, _, model, expected, *prices, last = ended.stdout.splitlines()
    requests = "2 conversations, 4 requests (at most 44 with rounds of tools), at most $"
    assert model.startswith(f"claude-haiku-5-5: {requests}")
    assert expected == "as the examples play, by the simulator: 6 requests, <$0.0001"
    assert "  replies: 4 as long as their example; without thinking and rounds of tools" in prices
    assert last.startswith(requests)


def test_what_examples_do_not_try_is_said(tmp_path: Path) -> None:
    """An example calls no tool: what plays the calls is named."""
    (tmp_path / "tools.yaml").write_text(TOOLS, encoding="utf-8")
    ended = claude_run("check", "tools.yaml", "--examples", cwd=tmp_path)
    assert ended.code == 0
    assert ended.stdout.splitlines()[-1] == (
        "1 expectation tried on examples; not tried: calls_tool, no_tool_calls, which look at more than a"
        " text; calls of tools are played by `run --simulate`"
    )


def test_dry_run_of_an_unknown_model(tmp_path: Path) -> None:
    """A model without a price is said to be unbounded, not free."""
    ended = claude_run(QUICKSTART, "--dry-run", "-m", "from-the-future", cwd=tmp_path)
    assert ended.code == 0
    assert "from-the-future has no known price: its cost is not bounded" in ended.stdout
