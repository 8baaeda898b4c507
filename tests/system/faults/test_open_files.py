"""A low limit of open files: fewer requests at a time, one warning, and nothing lost."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
import subprocess
import urllib.request
from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from claude_run.session.open_files import exhaustion_said_once
from tests.support.command import COMMAND, environment, execute

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command import CommandResult

SCENARIO = "model: claude-haiku-5-5\nmax_tokens: 50\nrepeat: 80\nturns: [{user: Hi}, {user: Go on}]\n"


def limited(limit: str, *arguments: str) -> list[str]:
    """Return the command under a limit of open files, such as `-n 64`, or `-Sn 64` for the soft one alone."""
    return ["/bin/sh", "-c", f'ulimit {limit} && exec "$@"', "sh", str(COMMAND), *arguments]


def play(folder: Path, limit: str) -> CommandResult:
    """Play eighty conversations, sixty at a time, against the simulator."""
    (folder / "a.yaml").write_text(SCENARIO, encoding="utf-8")
    arguments = ("run", "a.yaml", "--simulate", "-j", "60", "-o", "run")
    return execute(limited(limit, *arguments), cwd=folder)


@pytest.mark.parametrize("limit", [48, 64])
def test_a_low_limit_of_open_files_lets_fewer_requests_out(tmp_path: Path, limit: int) -> None:
    """One warning says the numbers and the way out; every request is answered at its first attempt."""
    result = play(tmp_path, f"-n {limit}")
    assert result.code == 0
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning")]
    assert len(warnings) == 1
    assert warnings[0].startswith(f"warning: {limit} open files allow only ")
    assert "requests at a time, not 60: raise the limit with `ulimit -n " in warnings[0]
    journal = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    events = [line["event"] for line in journal]
    assert (events.count("attempt"), events.count("reply"), events.count("failure")) == (160, 160, 0)


def test_a_soft_limit_is_raised_without_a_word(tmp_path: Path) -> None:
    """What the user may have is taken, as far as it is needed."""
    result = play(tmp_path, "-Sn 64")
    assert result.code == 0
    assert "open files" not in result.stderr


def test_a_simulator_without_free_files_says_so_once_and_goes_on(tmp_path: Path) -> None:
    """More clients than it can take at a time wait for their turn, and nobody reads tracebacks."""
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(
                limited("-n 32", "simulate"),
                cwd=tmp_path,
                env=environment(tmp_path),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        stack.callback(process.terminate)
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().strip()
        assert process.stderr.readline().startswith("simulating the Messages API")

        # More connections than there are files, until the server says that it can take no more.
        address = ("127.0.0.1", int(urlsplit(url).port or 0))
        connections = [socket.create_connection(address) for _ in range(60)]
        assert process.stderr.readline().startswith("warning: no further connection can be taken for now")
        for connection in connections:
            connection.close()

        # Once there is room it serves as before.
        body = {"model": "claude-haiku-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
        request = urllib.request.Request(  # noqa: S310 - the address is the simulator's
            f"{url}/v1/messages",
            data=json.dumps(body).encode(),
            headers={"x-api-key": "k", "anthropic-version": "2023-06-01", "content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - same
            assert response.status == 200
        process.terminate()
        assert process.stderr.read() == ""


def test_what_was_planned_before_the_end_is_not_told_behind_it() -> None:
    """A server that had no files tries again after it was closed, and everything else is still told."""
    told: list[str] = []
    notes: list[str] = []

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: told.append(str(context["message"])))
        with exhaustion_said_once(notes.append):
            loop.call_exception_handler({"message": "no room", "exception": OSError(errno.EMFILE, "full")})
        late = "Exception in callback BaseSelectorEventLoop._start_serving(...)"
        loop.call_exception_handler({"message": late, "exception": ValueError("-1")})
        loop.call_exception_handler({"message": "another", "exception": ValueError("x")})

    asyncio.run(serve())
    assert len(notes) == 1
    assert told == ["another"]
