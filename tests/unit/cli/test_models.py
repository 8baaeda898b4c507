"""`models`: what it says of the models, on a day that the test sets; and the date in the other commands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from claude_run.cli.app import run_command_line
from claude_run.session.world import SystemClock, World
from tests.support.command import loaded_by
from tests.support.scripted_server import RawServer, in_turn, json_answer

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

SONNET = "name: s\nmodel: claude-sonnet-4-5\nturns: [{user: Hi, example: Hello}]\n"


class OnTheDay(SystemClock):
    """A clock that shows one day for ever."""

    def __init__(self, day: str) -> None:
        self._day = day

    def now(self) -> str:
        return f"{self._day}T12:00:00.000Z"


def _run(*arguments: str, day: str = "2026-11-28") -> int:
    return run_command_line(arguments, World(clock=OnTheDay(day)))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Work in an empty folder, without a key."""
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "ids",
    [
        (),
        ("claude-fable-5-2",),
        ("claude-haiku-5-5", "claude-sonnet-4-5-20250929", "claude-mythos-5", "claude-2.1"),
    ],
    ids=["all", "one", "several"],
)
def test_what_is_said_of_models(
    ids: tuple[str, ...], capsys: pytest.CaptureFixture[str], snapshot: SnapshotAssertion
) -> None:
    """A table of all, or a block for each, on stdout alone; no line is longer than 80 columns."""
    assert _run("models", *ids) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert max(map(len, said.out.splitlines())) <= 80
    assert said.out == snapshot


@pytest.mark.usefixtures("here")
def test_what_is_said_for_programs(capsys: pytest.CaptureFixture[str], snapshot: SnapshotAssertion) -> None:
    """It is one JSON document, with prices as numbers."""
    assert _run("models", "claude-haiku-5-5", "claude-mythos-5", "claude-2.1", "--json") == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert json.loads(said.out) == snapshot
    assert _run("models", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert (len(listed["models"]), len(listed["retired"])) == (18, 26)


@pytest.mark.usefixtures("here")
def test_an_unknown_model_is_named_with_the_one_that_is_meant(capsys: pytest.CaptureFixture[str]) -> None:
    """All of them at once; nothing is said of the others."""
    assert _run("models", "claude-haiku-5-5", "claude-hiku-5-5", "gpt") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "error: claude-hiku-5-5 is not a model that this version knows: did you mean claude-haiku-5-5?;"
        " gpt is not a model that this version knows (`claude-run models` lists all)\n"
    )


def test_no_sdk_is_loaded(tmp_path: Path) -> None:
    """It would cost a second, and nothing is sent."""
    loaded = loaded_by("models", cwd=tmp_path)
    assert "genai_prices" in loaded
    assert loaded & {"anthropic", "aiohttp"} == set()


@pytest.mark.usefixtures("here")
def test_a_refresh_without_news(capsys: pytest.CaptureFixture[str]) -> None:
    """The simulator has the models that are known."""
    assert _run("models", "--refresh", "--simulate") == 0
    said = capsys.readouterr()
    assert said.out == ("the API lists 18 models: no difference from what is known here since 2026-11-28\n")
    assert said.err == ""


@pytest.mark.usefixtures("here")
def test_a_refresh_names_what_is_new(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion
) -> None:
    """Differences are no failure; what the API writes is shown so that it can only be read."""
    kinds = {"adaptive": {"supported": True}, "\x1b[31mloud": {"supported": True}}
    models = [
        {
            "id": "claude-opus-6\n::error::",
            "max_tokens": 256_000,
            "capabilities": {"thinking": {"types": kinds}},
        },
        {"id": "claude-opus-4-1", "lifecycle": "active"},
        {"id": "claude-opus-5", "lifecycle": "deprecated", "retires_at": "2027-03-01T00:00:00Z"},
        {"id": "claude-sonnet-5", "max_input_tokens": 500_000, "lifecycle": "retired"},
    ]
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-0123456789abcdef")
    with RawServer(respond=in_turn(json_answer({"data": models, "has_more": False}))) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.base_url)
        assert _run("models", "--refresh") == 0
        text = capsys.readouterr().out
        assert _run("models", "claude-opus-5", "claude-opus-4-1", "--refresh", "--json") == 0
        found = json.loads(capsys.readouterr().out)
        assert _run("models", "claude-opus-7", "--refresh") == 2
    assert text == snapshot
    assert found == snapshot(name="json")
    assert "did you mean claude-opus-" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--refresh"], 3, "error: no API credentials were found"),
        (["--simulate"], 2, "add --refresh"),
    ],
)
def test_what_cannot_be_asked(
    arguments: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says so."""
    assert _run("models", *arguments) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert told in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("command", [["check"], ["run", "--dry-run"], ["run", "--simulate"]])
def test_every_command_knows_the_day(
    command: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is said long before the end, then a warning with the days that are left, then it is refused."""
    (here / "s.yaml").write_text(SONNET, encoding="utf-8")
    near, over = "retires on 2026-11-30, in 20 days", "error: `claude-sonnet-4-5` was retired on 2026-11-30"
    for day, code, told in (
        ("2026-09-01", 0, ""),
        ("2026-11-10", 0, f"warning: `claude-sonnet-4-5` is deprecated and {near}\n  --> s.yaml:2:8"),
        ("2026-12-01", 2, f"{over}\n  --> s.yaml:2:8"),
    ):
        assert _run(*command, "s.yaml", day=day) == code
        said = capsys.readouterr().err
        assert told in said
        assert ("play a newer model, such as `claude-sonnet-5-5`" in said) == bool(told)


def test_what_is_sent_by_force_is_refused_by_the_api(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Over a real socket: the warning names what was overruled, the conversation what the API said to it."""
    text = SONNET.replace("claude-sonnet-4-5", "claude-opus-5-5").replace("turns", "temperature: 0.3\nturns")
    (here / "s.yaml").write_text(text, encoding="utf-8")
    assert _run("s.yaml", "--simulate") == 2
    assert "--> s.yaml:3:1" in capsys.readouterr().err
    assert _run("s.yaml", "--simulate", "--no-model-rules", "-o", "out") == 3
    said = capsys.readouterr()
    assert (
        "warning: `claude-opus-5-5` takes no `temperature`; it is sent all the same, by --no-model-rules\n"
        "  --> s.yaml:3:1" in said.err
    )
    assert (
        "400 invalid_request_error: temperature: only the default value is supported" in said.out + said.err
    )
    assert json.loads((here / "out" / "run.json").read_text())["options"]["no_model_rules"] is True
