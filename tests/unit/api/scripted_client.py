"""One request through the real client to a scripted server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.api.client import open_client
from claude_run.api.messages import AnthropicMessages
from claude_run.conversation.exchange import Request
from claude_run.play.ports import RequestFailedError
from tests.support.scripted_server import Answer, RawServer, ReceivedRequest, in_turn

if TYPE_CHECKING:
    from claude_run.conversation.exchange import Failure
    from claude_run.play.ports import Received

KEY = "sk-ant-canary-0123456789"
BODY: dict[str, Any] = {
    "model": "claude-haiku-5-5",
    "max_tokens": 1024,
    "messages": [{"role": "user", "content": "my secret prompt"}],
}


def send(body: dict[str, Any], *, attempt_s: float = 10.0) -> Received:
    """Send one request to the server that the environment names."""

    async def talk() -> Received:
        async with open_client(attempt_s=attempt_s) as client:
            return await AnthropicMessages(client).send(Request(body=body))

    return asyncio.run(talk())


class ScriptedClient:
    """The real client before a scripted server; `requests` are those that arrived there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._environment = monkeypatch
        self.requests: list[ReceivedRequest] = []

    def ask(self, *answers: Answer, attempt_s: float = 10.0, **changes: Any) -> Received:
        """Return what the client makes of these answers to one request."""
        with RawServer(respond=in_turn(*answers)) as server:
            self._environment.setenv("ANTHROPIC_BASE_URL", server.base_url)
            try:
                return send({**BODY, **changes}, attempt_s=attempt_s)
            finally:
                self.requests += server.ledger

    def fail(self, *answers: Answer, attempt_s: float = 10.0, **changes: Any) -> Failure:
        """Return the failure that these answers are."""
        with pytest.raises(RequestFailedError) as caught:
            self.ask(*answers, attempt_s=attempt_s, **changes)
        return caught.value.failure
