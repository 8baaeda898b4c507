"""The SDK's client, set up so that retries, deadlines and redirects are ours to decide."""

from __future__ import annotations

import logging
import warnings
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import anthropic
import httpx2

from claude_run.api.environment import address_problem, check_environment
from claude_run.api.errors import TRANSPORT_ERRORS
from claude_run.api.transport import Transport
from claude_run.errors import CredentialsError, SetupError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CONNECT_S = 30.0
"""A burst of cold connections can take longer than the SDK's 5 s."""

_NO_CREDENTIALS = (
    "no API credentials were found: set ANTHROPIC_API_KEY (or log in with a profile of the SDK);"
    " --simulate needs none"
)
MAX_ERROR_BODY = 32 * 1024
"""Bytes of an error's body, before decompression, that are read: the SDK would take it all into memory."""

_SIMULATOR_KEY = "simulated"


@asynccontextmanager
async def open_client(
    *, attempt_s: float, simulator_url: str | None = None
) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """Yield a client for the API, or for the simulator at `simulator_url`.

    Credentials and base URL are the SDK's own business: environment, profile, login. CredentialsError, before
    anything is sent, when it finds none or one that cannot be sent; SetupError when the address, the proxy or
    the certificates cannot be used. A client for the simulator reads nothing of that and uses no proxy.
    """
    # Below warnings the SDK's loggers print prompts, and ANTHROPIC_LOG may ask them to. Its deprecation
    # warnings are silenced because `claude-run check` reports them at the scenario's line.
    for name in ("anthropic", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", category=DeprecationWarning, message="The model .* is deprecated")

    if simulator_url is None:
        check_environment()
    client = _build(attempt_s, simulator_url)
    try:
        # A key or token, a profile of the SDK, or a gateway's header: each is enough.
        named = {name.lower() for name in client.default_headers} & {"authorization", "x-api-key"}
        if not (client.auth_headers or client.credentials is not None or named):
            raise CredentialsError(_NO_CREDENTIALS)
        yield client
    finally:
        await client.close()


def secrets_of(client: anthropic.AsyncAnthropic) -> tuple[str, ...]:
    """Return the credentials that must never be written anywhere."""
    return tuple(secret for secret in (client.api_key, client.auth_token) if secret)


class _Beginning(httpx2.AsyncByteStream):
    """The first bytes of an error's body, as far as they come: its status has said already what it is."""

    def __init__(self, whole: httpx2.AsyncByteStream) -> None:
        self._whole = whole

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MAX_ERROR_BODY
        with suppress(*TRANSPORT_ERRORS):
            async for chunk in self._whole:
                yield chunk[:left]
                left -= len(chunk)
                if left <= 0:
                    return

    async def aclose(self) -> None:
        await self._whole.aclose()


async def _cut_error_body(response: httpx2.Response) -> None:
    if response.status_code >= httpx2.codes.MULTIPLE_CHOICES and isinstance(
        response.stream, httpx2.AsyncByteStream
    ):
        response.stream = _Beginning(response.stream)


def _build(attempt_s: float, simulator_url: str | None) -> anthropic.AsyncAnthropic:
    try:
        client = anthropic.AsyncAnthropic(
            api_key=_SIMULATOR_KEY if simulator_url else None,
            base_url=simulator_url,
            max_retries=0,
            timeout=anthropic.Timeout(attempt_s, connect=min(CONNECT_S, attempt_s)),
            http_client=httpx2.AsyncClient(
                transport=Transport(trust_environment=simulator_url is None),
                follow_redirects=False,
                event_hooks={"response": [_cut_error_body]},
            ),
        )
    except anthropic.AnthropicError as error:
        raise CredentialsError(f"the API credentials cannot be used: {error}") from error
    except (ValueError, OSError, httpx2.InvalidURL) as error:
        # What `check_environment` knows of has been named; an address may stand in a profile of the SDK too.
        message = "the address, the proxies or the certificates of the environment cannot be used"
        raise SetupError(f"{message} ({type(error).__name__})") from error
    if problem := address_problem(str(client.base_url)):
        raise SetupError(f"the base URL of the API {problem}")
    return client
