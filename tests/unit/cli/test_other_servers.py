"""Any server that speaks the Messages API: what arrives there, and what is kept of what it says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.command import CommandResult, claude_run
from tests.support.scripted_server import (
    Answer,
    RawServer,
    ReceivedRequest,
    error_answer,
    in_turn,
    json_answer,
    message,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.harness.fork_server import ForkServer

MODEL = "from-the-future"
CANARY = "sk-ant-canary-7f3a9c51e0b24d68"
SCENARIO = """\
model: from-the-future
max_tokens: 100
system: Be kind.
turns:
  - user: first question, prompt-canary
  - user: second question
  - user: third question
"""
REPLIES: list[list[dict[str, Any]]] = [
    [
        {"signature": "c2ln", "type": "thinking", "odd": {"z": 1, "a": [None, 1.50]}, "thinking": ""},
        {"type": "redacted_thinking", "data": "b3Bh"},
        {"text": "first answer\u2028, \x1b[31mred", "type": "text", "citations": None},
    ],
    [
        {"type": "from_the_future", "z": 0, "a": {"y": True, "b": 12345678901234567890}},
        {"type": "text", "text": "second answer"},
    ],
    [{"type": "text", "text": "third answer"}],
]
ODD_USAGE = {"output_tokens": 7, "input_tokens": 3, "odd_tokens": 9, "cache_read_input_tokens": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """A run against the server, and the requests that came there."""

    ended: CommandResult
    requests: tuple[ReceivedRequest, ...]
    folder: Path


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Talk:
    """Play three turns, with the SDK's log switched on."""
    home = tmp_path_factory.mktemp("talk")

    def respond(request: ReceivedRequest) -> Answer:
        number = len(request.body["messages"]) // 2
        return json_answer(
            message(*REPLIES[number], usage=ODD_USAGE, id=f"msg_{number}", model="from-the-future-20270101"),
            headers=[f"request-id: req_{number}"],
        )

    (home / "talk.yaml").write_text(SCENARIO)
    with RawServer(respond=respond) as server:
        env = {
            "ANTHROPIC_BASE_URL": server.base_url,
            "ANTHROPIC_API_KEY": CANARY,
            "ANTHROPIC_LOG": "debug",
        }
        ended = claude_run("talk.yaml", "-o", "out", cwd=home, env=env)
        return Talk(ended=ended, requests=tuple(server.ledger), folder=home / "out")


def test_history_is_whole_and_alternates(talk: Talk) -> None:
    """Each request carries everything said so far, the server's own blocks exactly as it wrote them."""
    assert talk.ended.code == 0
    questions = ["first question, prompt-canary", "second question", "third question"]
    history: list[dict[str, Any]] = []
    for number, request in enumerate(talk.requests):
        history.append({"role": "user", "content": questions[number]})
        assert json.dumps(request.body["messages"]) == json.dumps(history)
        history.append({"role": "assistant", "content": REPLIES[number]})
    assert len(talk.requests) == 3


def test_what_every_request_carries(talk: Talk) -> None:
    """Address, key, version and parameters are the same each time."""
    for request in talk.requests:
        assert (request.method, request.path.partition("?")[0]) == ("POST", "/v1/messages")
        assert request.headers["authorization"] == f"Bearer {CANARY}"
        assert request.headers["anthropic-version"] == "2026-10-21"
        assert (request.body["model"], request.body["max_tokens"]) == ("from-the-future", 100)
        assert [block["text"] for block in request.body["system"]] == ["Be kind."]


def test_the_transcript_holds_the_servers_words(talk: Talk) -> None:
    """Blocks, ids, model and usage stand in the transcript as they came, odd fields and order included."""
    (line,) = (talk.folder / "transcripts.jsonl").read_text("ascii").splitlines()
    transcript = json.loads(line)
    replies = [turn["reply"] for turn in transcript["turns"]]
    assert [json.dumps(reply["content"]) for reply in replies] == [json.dumps(blocks) for blocks in REPLIES]
    assert [reply["id"] for reply in replies] == ["msg_0", "msg_1", "msg_2"]
    assert [reply["request_id"] for reply in replies] == ["req_0", "req_1", "req_2"]
    assert {reply["model"] for reply in replies} == {"from-the-future-20270101"}
    assert (transcript["usage"]["input_tokens"], transcript["usage"]["output_tokens"]) == (9, 21)
    assert transcript["cost_usd"] is None
    assert transcript["simulated"] is False


def test_the_terminal_is_safe_and_discreet(talk: Talk) -> None:
    """Neither the prompt nor the server's escape codes show, whatever ANTHROPIC_LOG says."""
    assert "prompt-canary" not in talk.ended.stderr + talk.ended.stdout
    assert "\x1b" not in talk.ended.stdout + talk.ended.stderr + (talk.folder / "transcripts.md").read_text()
    assert "unpriced" in talk.ended.stdout


def test_the_key_is_nowhere(talk: Talk) -> None:
    """A run that went well leaves no trace of its key."""
    assert _finds(CANARY, talk.folder) == []
    assert CANARY not in talk.ended.stderr + talk.ended.stdout


@pytest.mark.parametrize("kind", ["error", "html", "reply"])
def test_an_echoed_key_is_nowhere(tmp_path: Path, kind: str, fork_server: ForkServer) -> None:
    """A server that says the request's headers back does not get the key into files or onto the screen."""

    def respond(request: ReceivedRequest) -> Answer:
        echo = json.dumps(dict(request.headers))
        if kind == "reply":
            return json_answer(message({"type": "text", "text": echo}, odd={"headers": echo}, model=MODEL))
        if kind == "html":
            return json_answer(echo, status=502, headers=["x-should-retry: false", f"request-id: {CANARY}"])
        return error_answer("invalid_request_error", echo, status=400)

    (tmp_path / "talk.yaml").write_text(SCENARIO)
    with RawServer(respond=respond) as server:
        env = {"ANTHROPIC_BASE_URL": server.base_url, "ANTHROPIC_API_KEY": CANARY}
        ended = fork_server.claude_run("talk.yaml", "-o", "out", "--json", "-vv", cwd=tmp_path, env=env)
    assert ended.code == (0 if kind == "reply" else 3)
    assert server.ledger
    assert _finds(CANARY, tmp_path / "out") == []
    assert CANARY not in ended.stdout + ended.stderr


def test_replies_that_cannot_be_kept_or_sent_back(tmp_path: Path, fork_server: ForkServer) -> None:
    """What no journal or request can hold ends a conversation as not measured; it is not a bug of ours."""
    endless, surrogate = (
        json_answer(message(odd=9e99, model=MODEL)),
        json_answer(message({"type": "text", "text": "\ud800"}, model=MODEL)),
    )
    endless = Answer(data=endless.data.replace(b"9e+99", b"1e999"))
    (tmp_path / "talk.yaml").write_text(SCENARIO)
    with RawServer(respond=in_turn(endless, surrogate)) as server:
        env = {"ANTHROPIC_BASE_URL": server.base_url, "ANTHROPIC_API_KEY": CANARY}
        ended = fork_server.claude_run("talk.yaml", "-o", "out", cwd=tmp_path, env=env)
    assert (ended.code, len(server.ledger)) == (3, 2)
    assert "what UTF-8 cannot carry" in ended.stdout
    assert "invalid reply: the body is not valid JSON" in (tmp_path / "out/journal.jsonl").read_text()


def _finds(secret: str, folder: Path) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 4
    return [path.name for path in files if secret.encode() in path.read_bytes()]
