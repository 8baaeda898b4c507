"""What is asked of `count_tokens`, and what counts as an answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.api.client import open_client
from claude_run.api.counting import TokenCounter
from claude_run.conversation.exchange import Request
from claude_run.play.ports import RequestFailedError
from tests.support.scripted_server import (
    Answer,
    RawServer,
    ReceivedRequest,
    error_answer,
    http,
    in_turn,
    json_answer,
)
from tests.unit.api.scripted_client import BODY, KEY

if TYPE_CHECKING:
    from claude_run.conversation.exchange import Failure


@pytest.fixture
def asked(clean_environment: pytest.MonkeyPatch) -> Asked:
    """Return who asks, with a key."""
    clean_environment.setenv("ANTHROPIC_API_KEY", KEY)
    return Asked(clean_environment)


class Asked:
    """The real client before a scripted server; `requests` are those that arrived there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._environment = monkeypatch
        self.requests: list[ReceivedRequest] = []

    def count(self, answer: Answer, **changes: Any) -> int:
        """Return what is counted where this is the answer."""

        async def talk() -> int:
            async with open_client(attempt_s=10) as client:
                return await TokenCounter(client).count(Request(body={**BODY, **changes}))

        with RawServer(respond=in_turn(answer)) as server:
            self._environment.setenv("ANTHROPIC_BASE_URL", server.base_url)
            try:
                return asyncio.run(talk())
            finally:
                self.requests += server.ledger

    def fail(self, answer: Answer) -> Failure:
        """Return why nothing is counted."""
        with pytest.raises(RequestFailedError) as caught:
            self.count(answer)
        return caught.value.failure


def test_only_what_the_endpoint_takes_is_sent(asked: Asked) -> None:
    """It knows neither how long a reply may be nor how it is billed."""
    more = {"stop_sequences": ["x"], "metadata": {"user_id": "u"}, "temperature": 1, "inference_geo": "us"}
    kept = {"system": "Be kind.", "tools": [], "cache_control": {"type": "ephemeral"}, "speed": "standard"}
    assert asked.count(json_answer({"input_tokens": 12}), **more, **kept) == 12
    (request,) = asked.requests
    assert (request.method, request.path) == ("POST", "/v1/messages/count_tokens")
    assert request.body == {"model": BODY["model"], "messages": BODY["messages"], **kept}
    assert request.headers["authorization"] == f"Bearer {KEY}"


def test_betas_are_a_header(asked: Asked) -> None:
    """And what they bring is counted."""
    extra = {"betas": ["a", "b"], "mcp_servers": [{"type": "url", "url": "https://a.example", "name": "m"}]}
    assert asked.count(json_answer({"input_tokens": 1}), **extra) == 1
    (request,) = asked.requests
    assert (request.path, request.headers["anthropic-beta"]) == ("/v1/messages/count_tokens?beta=true", "a,b")
    assert request.body["mcp_servers"] == extra["mcp_servers"]
    assert "betas" not in request.body


@pytest.mark.parametrize(
    "answer",
    [
        http(b"<html>Log in first</html>", kind="text/html"),
        json_answer({"input_tokens": "12"}),
        json_answer({"input_tokens": True}),
        json_answer({"input_tokens": -1}),
        json_answer({"input_tokens": 0}),
        json_answer({"input_tokens": 10**30}),
        json_answer([12]),
        http(b"{"),
        http(b" " * 10**6),
    ],
    ids=["page", "text", "bool", "negative", "nothing", "too many", "list", "no JSON", "endless"],
)
def test_what_is_no_count_is_a_failure(asked: Asked, answer: Answer) -> None:
    """A gateway may answer anything under status 200."""
    failure = asked.fail(answer)
    assert (failure.kind, failure.paid) == ("invalid_reply", "no")
    assert failure.message.startswith("invalid reply: it counts no tokens, it says: ")
    assert len(failure.message) < 1000


def test_an_error_is_told_without_the_key(asked: Asked) -> None:
    """As of any other request."""
    failure = asked.fail(error_answer("authentication_error", f"unknown key {KEY}", status=401))
    assert failure.status == 401
    assert KEY not in failure.message
