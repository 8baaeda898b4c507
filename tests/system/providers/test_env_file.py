"""`--env-file`: read where it is asked for and nowhere else, strict, and none of its secrets is written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.scripted_server import RawServer, in_turn, json_answer, message
from tests.system.harness.workspace import KEY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.harness.workspace import Workspace

SECRET = "canary-of-a-file-7f3a9c51e0b2d"  # noqa: S105 - a canary
OTHER = "canary-of-a-database-0123456789"
SCENARIO = "model: claude-haiku-5-5\nmax_tokens: 100\nturns:\n  - user: one\n  - user: two\n"
UNSET = {"ANTHROPIC_API_KEY": "", "ANTHROPIC_BASE_URL": ""}
SAID = json_answer(message({"type": "text", "text": f"{SECRET} {OTHER}"}))


@pytest.fixture
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a `.env` file that lies outside of what is searched for secrets."""
    return tmp_path_factory.mktemp("elsewhere") / ".env"


def fill(file: Path, url: str) -> None:
    """Write a key, an address, and a secret that is nobody's business."""
    file.write_text(
        f"# for evals\nexport ANTHROPIC_API_KEY='{SECRET}'\nANTHROPIC_BASE_URL={url}\nDB_PASSWORD={OTHER}\n"
    )


def test_what_it_sets_is_used_and_written_nowhere(workspace: Workspace, file: Path) -> None:
    """Key and address are those of the file; what is called like a secret there is taken out of replies."""
    workspace.secrets += [SECRET, OTHER]
    workspace.write("s.yaml", SCENARIO)
    with RawServer(respond=in_turn(SAID)) as server:
        fill(file, server.base_url)
        result = workspace.run("s.yaml", "--env-file", str(file), "-o", "out", env=UNSET)
        assert result.code == 0, result.stderr
        assert [each.headers["authorization"] for each in server.ledger] == [f"Bearer {SECRET}"] * 2
    (row,) = workspace.transcripts().values()
    assert row["turns"][0]["reply"]["text"] == "[redacted] [redacted]"


def test_a_run_goes_on_with_it(workspace: Workspace, file: Path) -> None:
    """The path is kept, not what stands there; another may be given."""
    workspace.secrets.append(SECRET)
    workspace.write("s.yaml", SCENARIO)
    with RawServer(respond=in_turn(SAID)) as server:
        fill(file, server.base_url)
        capped = workspace.run(
            "s.yaml", "--env-file", str(file), "--max-requests", "1", "-o", "out", env=UNSET
        )
        assert capped.code == 4
        moved = file.rename(file.with_name("moved.env"))
        gone = workspace.run("resume", "out", env=UNSET)
        assert gone.code == 2
        assert f"--env-file {file} cannot be read: No such file or directory" in gone.stderr
        resumed = workspace.run("resume", "out", "--env-file", str(moved), "--max-requests", "9", env=UNSET)
        assert resumed.code == 0, resumed.stderr
        assert len(server.ledger) == 2


def test_the_environment_stands_before_it(workspace: Workspace, file: Path) -> None:
    """A variable that is set keeps its value; one that is set to nothing counts as not set."""
    workspace.write("s.yaml", SCENARIO)
    with RawServer(respond=in_turn(SAID)) as server:
        fill(file, "http://127.0.0.1:9")
        result = workspace.run("s.yaml", "--env-file", str(file), url=server.base_url)
        assert result.code == 0, result.stderr
        assert {each.headers["authorization"] for each in server.ledger} == {f"Bearer {KEY}"}


def test_none_is_read_unasked(workspace: Workspace, file: Path) -> None:
    """Not beside the scenario, and not by the project file."""
    workspace.write("s.yaml", SCENARIO)
    workspace.write(".env", "ANTHROPIC_BASE_URL=http://127.0.0.1:9\nANTHROPIC_API_KEY\n")
    result = workspace.run("s.yaml", "--env-file", ".env", env=UNSET)
    assert result.code == 2
    assert "error: --env-file .env:2: this is neither NAME=value nor a comment" in result.stderr
    with RawServer(respond=in_turn(SAID)) as server:
        assert workspace.run("s.yaml", url=server.base_url).code == 0
    workspace.write("claude-run.toml", f"env_file = '{file}'\n")
    result = workspace.run("s.yaml")
    assert result.code == 2
    assert "unknown key `env_file`" in result.stderr


def test_a_bad_file_is_told_before_anything_is_sent(workspace: Workspace, file: Path) -> None:
    """Absent, a folder, a pipe, no UTF-8, too long, no permission: one line, exit code 2."""
    workspace.write("s.yaml", SCENARIO)
    folder = file.parent
    (folder / "latin").write_bytes(b"A=\xe9")
    (folder / "long").write_bytes(b"A=" + b"x" * 2**20)
    (folder / "closed").write_text("A=1")
    (folder / "closed").chmod(0)
    os.mkfifo(folder / "pipe")
    cases = {
        "absent": "cannot be read: No such file or directory",
        ".": "",
        "latin": "is not UTF-8 text",
        "long": "",
        "pipe": "",
    }
    if os.geteuid() != 0:
        cases["closed"] = "cannot be read: Permission denied"
    for name, words in cases.items():
        result = workspace.run("s.yaml", "--env-file", str(folder / name), "-o", "out")
        assert (result.code, result.stdout) == (2, ""), name
        assert result.stderr.startswith(f"error: --env-file {folder / name}"), result.stderr
        assert words in result.stderr, result.stderr
        assert result.stderr.count("\n") == 1, result.stderr
    assert not (workspace.folder / "out").exists()


def test_its_key_in_a_scenario_is_found(workspace: Workspace, file: Path) -> None:
    """As that of the environment would be; the message does not hold it either."""
    fill(file, "http://127.0.0.1:9")
    (file.parent / "s.yaml").write_text(SCENARIO.replace("one", f"my key is {SECRET}"))
    result = workspace.run(str(file.parent / "s.yaml"), "--env-file", str(file), env=UNSET)
    assert result.code == 2
    assert "the credential in use stands here" in result.stderr
    assert SECRET not in result.stderr


def test_other_commands_take_it(workspace: Workspace, file: Path) -> None:
    """Those that ask the API; the others have no use for it."""
    page = json_answer({"data": [{"id": "claude-of-tomorrow"}], "has_more": False})
    with RawServer(respond=in_turn(page)) as server:
        fill(file, server.base_url)
        result = workspace.run("models", "--refresh", "--env-file", str(file), env=UNSET)
        assert result.code == 0, result.stderr
        assert server.ledger[0].headers["authorization"] == f"Bearer {SECRET}"
    result = workspace.run("models", "--env-file", str(file))
    assert result.code == 2
    assert "--env-file is for asking the API: add --refresh" in result.stderr
    workspace.write("s.yaml", SCENARIO)
    assert workspace.run("check", "s.yaml", "--env-file", str(file)).code == 2

    verdict = json_answer(message({"type": "text", "text": '{"reason": "ok", "passed": true}'}))
    workspace.write(
        "labels.jsonl", '{"reply": "Hi.", "rubric": "It greets.", "label": "pass", "prompt": "Greet."}\n'
    )
    with RawServer(respond=in_turn(verdict)) as server:
        fill(file, server.base_url)
        workspace.run(
            "judge-eval",
            "labels.jsonl",
            "--judge-model",
            "claude-haiku-5-5",
            "--env-file",
            str(file),
            env=UNSET,
        )
        assert server.ledger[0].headers["authorization"] == f"Bearer {SECRET}"
