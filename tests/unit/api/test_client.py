"""The client: its credentials, and what it keeps to itself."""

from __future__ import annotations

import asyncio
import logging
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from anthropic._data import DEPRECATED_MODELS

from claude_run.api.client import open_client, secrets_of
from claude_run.api.messages import AnthropicMessages
from claude_run.conversation.exchange import Request
from claude_run.errors import CredentialsError, InputError
from claude_run.plan.model_rules import retirement
from tests.support.scripted_server import RawServer, in_turn, json_answer, message
from tests.unit.api.scripted_client import BODY, KEY, send

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.api.scripted_client import ScriptedClient


@pytest.fixture
def server() -> Iterator[RawServer]:
    """Serve a message to every request."""
    with RawServer(respond=in_turn(json_answer(message()))) as running:
        yield running


def test_no_credentials(clean_environment: pytest.MonkeyPatch, server: RawServer) -> None:
    """Without a key the error says how to set one and what needs none, and nothing is sent."""
    clean_environment.setenv("ANTHROPIC_BASE_URL", server.base_url)
    with pytest.raises(CredentialsError, match=r"set ANTHROPIC_API_KEY .*; --simulate needs none"):
        send(BODY)
    assert server.ledger == []


def test_an_empty_key_is_none(clean_environment: pytest.MonkeyPatch, server: RawServer) -> None:
    """A key that is set to nothing, as CI does for an absent secret, is an absent key."""
    clean_environment.setenv("ANTHROPIC_BASE_URL", server.base_url)
    clean_environment.setenv("ANTHROPIC_API_KEY", "")
    with pytest.raises(CredentialsError):
        send(BODY)
    assert server.ledger == []


def test_a_profile_that_is_not_there(clean_environment: pytest.MonkeyPatch) -> None:
    """A mistyped profile is a matter of credentials, in the SDK's words."""
    clean_environment.setenv("ANTHROPIC_PROFILE", "nope")
    with pytest.raises(CredentialsError, match=r"cannot be used: .*nope"):
        send(BODY)


@pytest.mark.parametrize("url", ["", "api.example", "ftp://api.example", "http://[::1", "http://"])
def test_an_address_that_is_none(clean_environment: pytest.MonkeyPatch, url: str) -> None:
    """An address that cannot be sent to is found at once, not retried."""
    clean_environment.setenv("ANTHROPIC_API_KEY", KEY)
    clean_environment.setenv("ANTHROPIC_BASE_URL", url)
    with pytest.raises(InputError, match="ANTHROPIC_BASE_URL"):
        send(BODY)


def test_a_proxy_that_is_none(clean_environment: pytest.MonkeyPatch) -> None:
    """A proxy of an unknown kind is named, and no bug."""
    clean_environment.setenv("ANTHROPIC_API_KEY", KEY)
    clean_environment.setenv("HTTPS_PROXY", "nonsense://proxy")
    with pytest.raises(InputError, match="nonsense"):
        send(BODY)


@pytest.mark.parametrize(
    ("assignment", "sent"),
    [
        ("ANTHROPIC_API_KEY=key", ("authorization", "Bearer key")),
        ("ANTHROPIC_AUTH_TOKEN=token", ("authorization", "Bearer token")),
        ("ANTHROPIC_CUSTOM_HEADERS=x-api-key: gateway", ("x-api-key", "gateway")),
    ],
)
def test_each_way_to_authenticate(
    clean_environment: pytest.MonkeyPatch, server: RawServer, assignment: str, sent: tuple[str, str]
) -> None:
    """The SDK's own ways to name credentials all work."""
    clean_environment.setenv("ANTHROPIC_BASE_URL", server.base_url)
    clean_environment.setenv(*assignment.split("=", 1))
    send(BODY)
    assert sent in server.ledger[0].headers.items()


def test_a_simulator_gets_no_credentials(client: ScriptedClient, server: RawServer) -> None:
    """A simulated run takes neither key nor address from the environment, and says nothing of the key."""
    assert client.requests == []

    async def talk() -> None:
        async with open_client(attempt_s=5, simulator_url=server.base_url) as opened:
            await AnthropicMessages(opened).send(Request(body=BODY))

    asyncio.run(talk())
    assert server.ledger[0].headers["authorization"] == "Bearer simulated"
    assert KEY not in repr(server.ledger)


def test_secrets_are_known(clean_environment: pytest.MonkeyPatch) -> None:
    """Whoever writes files can ask what must not stand in them."""
    clean_environment.setenv("ANTHROPIC_API_KEY", KEY)

    async def ask() -> tuple[str, ...]:
        async with open_client(attempt_s=5) as client:
            return secrets_of(client)

    assert asyncio.run(ask()) == (KEY,)


def test_the_sdks_log_shows_no_prompt(client: ScriptedClient, caplog: pytest.LogCaptureFixture) -> None:
    """What ANTHROPIC_LOG=debug switches on is switched off again, because it prints whole requests."""
    for name in ("anthropic", "httpx2"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    client.ask(json_answer(message({"type": "text", "text": "my secret answer"})))
    assert "secret" not in caplog.text
    assert logging.getLogger("anthropic").getEffectiveLevel() == logging.WARNING


def test_deprecated_models_do_not_warn(client: ScriptedClient, recwarn: pytest.WarningsRecorder) -> None:
    """The SDK's own warning is held back: `check` gives it with the line of the scenario."""
    client.ask(json_answer(message()), model="claude-sonnet-4-5")
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize("model", DEPRECATED_MODELS)
def test_the_sdk_retires_no_model_that_the_table_keeps(model: str) -> None:
    """A new SDK that knows of another end of life fails here: `plan/models.toml` has to say it too."""
    day = re.sub(r"(?<=\d)(st|nd|rd|th)", "", DEPRECATED_MODELS[model])
    assert retirement(model) == datetime.strptime(day, "%B %d, %Y").replace(tzinfo=UTC).date()
