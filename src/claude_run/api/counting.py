"""How many tokens a prompt has: `POST /v1/messages/count_tokens`, which is free and plays nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from claude_run.api.calls import Calls
from claude_run.api.errors import quoted, request_id_of
from claude_run.api.messages import as_json, parameters
from claude_run.conversation.exchange import Failure
from claude_run.plan.providers import ANTHROPIC
from claude_run.play.ports import RequestFailedError
from claude_run.record.redact import Redactor
from claude_run.text.strict_json import read_json

if TYPE_CHECKING:
    from anthropic import AsyncAPIResponse

    from claude_run.api.providers import Client
    from claude_run.conversation.exchange import Request
    from claude_run.plan.providers import Provider

_COUNTED = frozenset(
    {
        "cache_control",
        "messages",
        "model",
        "output_config",
        "speed",
        "system",
        "thinking",
        "tool_choice",
        "tools",
    }
)
"""The parameters that the endpoint takes (messages-api reference, section 8.1)."""

_OF_BETAS = frozenset({"context_management", "mcp_servers"})
_MAX_BODY = 64 * 1024


class TokenCounter:
    """Counts the prompts of requests with one client. `provider` is the one that it is for."""

    def __init__(
        self, client: Client, redactor: Redactor | None = None, *, provider: Provider = ANTHROPIC
    ) -> None:
        self._calls = Calls(client, redactor or Redactor(), provider)
        self._provider = provider

    async def count(self, request: Request) -> int:
        """Return the tokens of a prompt, asked for once; RequestFailedError where the API does not say."""
        body, headers = parameters(request, provider=self._provider)
        is_beta = "betas" in request.body
        known = _COUNTED | _OF_BETAS if is_beta else _COUNTED
        sent = as_json({name: value for name, value in body.items() if name in known})
        path = f"/v1/messages/count_tokens{'?beta=true' if is_beta else ''}"
        async with self._calls.response(path, body={"content": sent}, headers=headers) as response:
            raw = await _read(response)
            counted = _input_tokens(raw)
            if counted is None:
                # A page of a gateway, perhaps, under status 200.
                message = f"invalid reply: it counts no tokens, it says: {quoted(raw, self._calls.redact)}"
                request_id = request_id_of(response.headers)
                failure = Failure(kind="invalid_reply", message=message, request_id=request_id, paid="no")
                raise RequestFailedError(failure)
            return counted


async def _read(response: AsyncAPIResponse[Any]) -> bytes:
    """Read the body, or as much of it as an answer could have."""
    body = bytearray()
    async for chunk in response.iter_bytes():
        body += chunk
        if len(body) > _MAX_BODY:
            break
    return bytes(body[:_MAX_BODY])


_MOST = 100_000_000
"""No prompt has more tokens: a number above it, or none at all, counts nothing."""


def _input_tokens(raw: bytes) -> int | None:
    try:
        body = read_json(raw)
    except ValueError:
        return None
    found = body.get("input_tokens") if isinstance(body, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 < found <= _MOST else None
