"""The key is written nowhere, whoever echoes it; each workspace is searched for it after its test."""

from __future__ import annotations

import base64
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.support.command import COMMAND
from tests.support.scripted_server import Answer, error_answer, http, json_answer, message, stream_answer
from tests.system.faults.api import Api, ok, scenario
from tests.system.harness.workspace import KEY, ROOT, assert_nowhere, until

if TYPE_CHECKING:
    from tests.system.harness.workspace import Workspace

TOKEN = "canary~~~+token/with=odd.chars"  # noqa: S105 - a canary
CRASH = r"""
import os, sys
from claude_run.cli.app import run_command_line
from claude_run.session.world import SystemClock, World

class Broken(SystemClock):
    def now(self):
        raise RuntimeError("the key is " + os.environ["ANTHROPIC_API_KEY"] + " \ud800")

sys.exit(run_command_line(sys.argv[1:], World(clock=Broken())))
"""


def echoes(secret: str) -> dict[str, Answer]:
    """Return answers that hold the secret in every part of a reply that is written down."""
    basic = base64.b64encode(f"user:{secret}".encode()).decode()
    plain, safe = (
        encode(secret.encode()).decode() for encode in (base64.b64encode, base64.urlsafe_b64encode)
    )
    every = "".join(f"%{byte:02x}" for byte in secret.encode())
    units = "".join(f"\\u{byte:04x}" for byte in secret.encode())
    forms = f"{secret} {quote(secret, safe='')} {basic} {plain} {safe} {every} {units}"
    padded = "x" * 150 + forms
    bad = "invalid_request_error"
    return {
        "error": error_answer(bad, f"bad key {forms}", status=400),
        "padded": error_answer(bad, padded, status=400),
        "type": error_answer(f"error {secret}", "no", status=400),
        "header": error_answer(bad, "no", status=400, headers=(f"request-id: {secret}",)),
        "page": http(f"<html>{forms}</html>".encode(), status=400, kind="text/html"),
        "kind": http(b"?", kind=f"text/{secret}", headers=("x-should-retry: false",)),
        "wait": error_answer("rate_limit_error", forms, status=429, headers=("retry-after: 1",)),
        "broken": http(forms.encode()),
        "stream": stream_answer(forms.encode()),
        "reply": ok(f"Your key is {forms}."),
        "block": json_answer(message({"type": "new", secret: {"deep": [forms]}}, id=secret, model=secret)),
        "stop": ok(stop_reason=forms),
        "location": http(b"", status=307, headers=(f"location: http://127.0.0.1:9/{secret}",)),
    }


@pytest.mark.parametrize(
    ("secret", "variable"), [(KEY, "ANTHROPIC_API_KEY"), (TOKEN, "ANTHROPIC_AUTH_TOKEN")]
)
def test_a_server_that_echoes_the_key_gets_it_into_no_file(
    workspace: Workspace, secret: str, variable: str
) -> None:
    """Bodies, headers, names of blocks, pages and replies are redacted before anything is written."""
    workspace.secrets.append(secret)
    answers = echoes(secret)
    workspace.write("s.yaml", scenario(*answers))
    env = {"ANTHROPIC_API_KEY": "", variable: secret, "ANTHROPIC_LOG": "debug"}
    with Api(answer=lambda asked: answers[asked.case]) as api:
        result = workspace.run("s.yaml", "-o", "out", "-vv", "--json", url=api.url, speed=200, env=env)
        sent = {value for asked in api.ledger for value in asked.http.headers.values()}
        assert any(secret in value for value in sent)
    assert result.code == 3
    assert "[redacted]" in result.stderr
    # What was asked stands beside the replies that `-vv` shows, and nowhere else.
    asked = [line for line in result.stderr.split("\n") if "question 1" in line]
    assert asked
    assert all(line.startswith("         asked 1  | ") for line in asked), "the SDK logs prompts"
    shown = workspace.transcripts()
    assert shown["error"]["error"].startswith("400 invalid_request_error: bad key [redacted] ")
    assert shown["reply"]["turns"][0]["reply"]["text"].startswith("Your key is [redacted] ")
    assert "[redacted]" in (workspace.folder / "out" / "transcripts.md").read_text()


def test_a_run_keeps_its_files_and_its_key_to_itself(workspace: Workspace) -> None:
    """No argument of the process holds the key, and only the owner can read what it writes, umask or not."""
    workspace.write("s.yaml", scenario("a"))
    before = os.umask(0)
    try:
        with Api(answer=lambda _: ok(delay_s=0.2)) as api:
            running = workspace.spawn(
                [str(COMMAND), "s.yaml"], env={"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url}
            )
            until(lambda: bool(api.ledger))
            arguments = Path(f"/proc/{running.process.pid}/cmdline").read_bytes()
            result = running.wait()
    finally:
        os.umask(before)
    assert result.code == 0, result.stderr
    assert b"s.yaml" in arguments
    assert KEY.encode() not in arguments
    outputs = workspace.folder / "outputs"
    written = [outputs, *outputs.rglob("*")]
    assert len(written) > 6
    for path in written:
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            assert mode == (0o700 if path.is_dir() else 0o600), path


def test_a_bug_report_does_not_hold_the_key(workspace: Workspace) -> None:
    """The details of a bug of ours are written where stderr says, and redacted."""
    workspace.write("s.yaml", scenario("a"))
    env = {"ANTHROPIC_API_KEY": KEY, "PYTHONPATH": str(ROOT)}
    result = workspace.spawn([sys.executable, "-c", CRASH, "s.yaml", "-o", "out"], env=env).wait()
    assert result.code == 70
    (report,) = (workspace.folder / "tmp").glob("claude-run-bug-*.txt")
    assert str(report) in result.stderr
    assert "RuntimeError: the key is [redacted]" in report.read_text()
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    # Where no such file can be written, stderr says what there is to say, in one line.
    nowhere = CRASH.replace("import os, sys", "import os, sys, tempfile; tempfile.tempdir = '/dev/null'")
    result = workspace.spawn([sys.executable, "-c", nowhere, "s.yaml", "-o", "again"], env=env).wait()
    assert result.code == 70
    assert "its details cannot be written (Not a directory), please report it" in result.stderr
    assert "RuntimeError('the key is [redacted]" in result.stderr


def test_there_is_no_option_for_the_key(workspace: Workspace) -> None:
    """A key on the command line would be in the shell's history and in the list of processes."""
    workspace.write("s.yaml", scenario("a"))
    result = workspace.run("s.yaml", "--api-key", KEY)
    assert result.code == 2
    assert "--api-key" in result.stderr
    help_text = workspace.run("run", "--help").stdout
    assert "--max-cost" in help_text
    assert "key" not in help_text.lower()


@pytest.mark.parametrize("form", [KEY, quote(TOKEN, safe=""), base64.b64encode(f"u:{KEY}".encode()).decode()])
def test_the_search_finds_a_key(tmp_path: Path, form: str) -> None:
    """The search that guards every test here is not a blind one."""
    (tmp_path / "clean.txt").write_text("nothing here")
    assert_nowhere([KEY, TOKEN], tmp_path)
    (tmp_path / "dirty.txt").write_text(f"and {form} there")
    with pytest.raises(AssertionError):
        assert_nowhere([KEY, TOKEN], tmp_path)
