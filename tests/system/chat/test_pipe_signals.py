"""Signals at a pipe: nobody is there to say anything else, so each of them ends the talk."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.command import COMMAND, PATIENCE_S, environment
from tests.support.scripted_server import RawServer, in_turn
from tests.system.chat.talks import begun, reply
from tests.system.harness.workspace import KEY, until

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("at", ["reply", "line"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it(tmp_path: Path, number: signal.Signals, code: int, at: str) -> None:
    """While a line is waited for, or a reply: what was said before is kept and counted."""
    answers = in_turn(reply("First."), begun("Half a sentence, "))
    with RawServer(respond=answers) as api:
        process = subprocess.Popen(
            [str(COMMAND), "chat", "--save", "t.yaml"],
            cwd=tmp_path,
            env=environment(tmp_path, {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.base_url}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with process:
            assert process.stdin is not None
            process.stdin.write(b"one\n" if at == "line" else b"one\ntwo\n")
            process.stdin.flush()
            until(lambda: len(api.ledger) == (1 if at == "line" else 2))
            until((tmp_path / "t.yaml").exists)
            process.send_signal(number)
            _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, said
    assert b"Traceback" not in said
    assert b"1 reply, 10 tokens in, 5 out" in said
    assert b"saved t.yaml" in said
    assert "one" in (tmp_path / "t.yaml").read_text(encoding="utf-8")
