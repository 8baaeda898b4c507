"""The SDK's client, set up so that retries, deadlines and redirects are ours to decide."""

from __future__ import annotations

import logging
import warnings
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import anthropic
import httpx2

from claude_run.api.environment import address_problem, check_environment, check_way
from claude_run.api.errors import TRANSPORT_ERRORS
from claude_run.api.providers import Common, open_provider
from claude_run.api.transport import Client as HttpClient
from claude_run.api.transport import Transport
from claude_run.errors import CredentialsError, SetupError
from claude_run.plan.providers import ANTHROPIC

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from claude_run.api.providers import Client
    from claude_run.plan.providers import Provider
    from claude_run.record.redact import Redactor

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
    *,
    attempt_s: float,
    simulator_url: str | None = None,
    provider: Provider = ANTHROPIC,
    redactor: Redactor | None = None,
) -> AsyncIterator[Client]:
    """Yield a client for the API of a provider, or for the simulator at `simulator_url`.

    Credentials and base URL are the SDK's own business: environment, profile, login. CredentialsError, before
    anything is sent, when it finds none or one that cannot be sent; SetupError when the address, the proxy or
    the certificates cannot be used; InputError for a setting or an extra that the provider lacks. `redactor`
    learns of the credentials that were found. A client for the simulator reads nothing of that and uses no
    proxy.
    """
    # Below warnings the SDK's loggers print prompts, and ANTHROPIC_LOG may ask them to. Its deprecation
    # warnings are silenced because `claude-run check` reports them at the scenario's line.
    for name in ("anthropic", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", category=DeprecationWarning, message="The model .* is deprecated")

    if simulator_url is not None:
        client: Client = anthropic.AsyncAnthropic(
            api_key=_SIMULATOR_KEY, base_url=simulator_url, **_common(attempt_s, trust_environment=False)
        )
    else:
        check_environment(provider)
        client = await _of_provider(attempt_s, provider, redactor)
    try:
        if provider.is_default and not _is_logged_in(client):
            raise CredentialsError(_NO_CREDENTIALS)
        yield client
    finally:
        await client.close()


def secrets_of(client: Client) -> tuple[str, ...]:
    """Return the credentials that must never be written anywhere."""
    named = (getattr(client, name, None) for name in ("api_key", "auth_token"))
    return tuple(secret for secret in named if isinstance(secret, str) and secret)


def _is_logged_in(client: Client) -> bool:
    """Return whether there is a key or token, a profile of the SDK, or a gateway's header: each is enough."""
    named = {name.lower() for name in client.default_headers} & {"authorization", "x-api-key"}
    return bool(client.auth_headers or getattr(client, "credentials", None) is not None or named)


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


def _cut_error_body(response: httpx2.Response) -> None:
    if response.status_code >= httpx2.codes.MULTIPLE_CHOICES and isinstance(
        response.stream, httpx2.AsyncByteStream
    ):
        response.stream = _Beginning(response.stream)


def _common(attempt_s: float, *, trust_environment: bool) -> Common:
    return {
        "max_retries": 0,
        "timeout": anthropic.Timeout(attempt_s, connect=min(CONNECT_S, attempt_s)),
        "http_client": HttpClient(Transport(trust_environment=trust_environment), _cut_error_body),
    }


async def _of_provider(attempt_s: float, provider: Provider, redactor: Redactor | None) -> Client:
    try:
        opened = await open_provider(provider, _common(attempt_s, trust_environment=True))
    except anthropic.AnthropicError as error:
        raise CredentialsError(f"the API credentials cannot be used: {error}") from error
    except (ValueError, OSError, httpx2.InvalidURL) as error:
        # What `check_environment` knows of has been named; an address may stand in a profile of the SDK too.
        message = "the address, the proxies or the certificates of the environment cannot be used"
        raise SetupError(f"{message} ({type(error).__name__})") from error
    if redactor is not None:
        redactor.learn([*opened.secrets, *secrets_of(opened.client)])
    url = str(opened.client.base_url)
    if problem := address_problem(url):
        raise SetupError(f"the base URL of the API {problem}")
    if not provider.is_default:
        check_way(url, provider)
    return opened.client
