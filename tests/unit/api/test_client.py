"""The client: its credentials, and what it keeps to itself."""

from __future__ import annotations

import asyncio
import base64
import logging
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from anthropic._data import DEPRECATED_MODELS

from claude_run.api.client import open_client, secrets_of
from claude_run.api.messages import AnthropicMessages
from claude_run.conversation.exchange import Request
from claude_run.errors import CredentialsError, InputError, SetupError
from claude_run.plan.model_rules import retirement
from claude_run.play.ports import RequestFailedError
from claude_run.play.retry import is_fatal, is_transient
from tests.support.scripted_server import RawServer, http, in_turn, json_answer, message
from tests.unit.api.scripted_client import BODY, KEY, send

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


def test_white_space_around_a_key_is_not_meant(
    clean_environment: pytest.MonkeyPatch, server: RawServer
) -> None:
    """A line break at the end of a secret, and an address set to nothing, change nothing."""
    clean_environment.setenv("ANTHROPIC_BASE_URL", f" {server.base_url}\n")
    clean_environment.setenv("ANTHROPIC_API_KEY", f"  {KEY}\r\n")
    clean_environment.setenv("ANTHROPIC_AUTH_TOKEN", " \n")
    send(BODY)
    assert server.ledger[0].headers["authorization"] == f"Bearer {KEY}"


def test_an_empty_address_is_none(clean_environment: pytest.MonkeyPatch) -> None:
    """It counts as unset, so that requests go to the API."""
    clean_environment.setenv("ANTHROPIC_API_KEY", KEY)
    clean_environment.setenv("ANTHROPIC_BASE_URL", "")

    async def ask() -> str:
        async with open_client(attempt_s=5) as client:
            return str(client.base_url)

    assert asyncio.run(ask()) == "https://api.anthropic.com"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ANTHROPIC_API_KEY", "sk-ant\n-secret", "ANTHROPIC_API_KEY holds a line break"),
        ("ANTHROPIC_AUTH_TOKEN", "sk-ant\u2011secret", r"ANTHROPIC_AUTH_TOKEN holds the character U\+2011"),
        ("ANTHROPIC_AUTH_TOKEN", "sk-ant\x7fsecret", r"ANTHROPIC_AUTH_TOKEN holds the character U\+007F"),
        ("ANTHROPIC_API_KEY", "sk-ant se cret", "ANTHROPIC_API_KEY holds a blank, which no credential holds"),
        ("ANTHROPIC_AUTH_TOKEN", "sk-ant\tsecret", "ANTHROPIC_AUTH_TOKEN holds a tab"),
        ("ANTHROPIC_API_KEY", "bearer  sk-secret", "begins with the word Bearer, .*: set it without"),
        ("ANTHROPIC_API_KEY", "'sk-secret'", "ANTHROPIC_API_KEY stands in quotation marks"),
        ("ANTHROPIC_AUTH_TOKEN", '"sk-secret"', "ANTHROPIC_AUTH_TOKEN stands in quotation marks"),
    ],
)
def test_a_credential_that_no_header_can_carry(
    clean_environment: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    """It is named before anything is sent, and not shown."""
    clean_environment.setenv(name, value)
    with pytest.raises(CredentialsError, match=words) as caught:
        send(BODY)
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("X-Api-Key: se cret", "^'X-Api-Key' of ANTHROPIC_CUSTOM_HEADERS holds a blank"),
        ("x-team: secr\u00e9t", r"^'x-team' of ANTHROPIC_CUSTOM_HEADERS holds the character U\+00E9"),
        ("a: b\nx-team: se\rcret", "^'x-team' of ANTHROPIC_CUSTOM_HEADERS holds a line break"),
        ("a: b\n\nsecret", "^line 3 of ANTHROPIC_CUSTOM_HEADERS has no colon: write `Name: value`"),
        (
            "x team: secret",
            "^line 1 of ANTHROPIC_CUSTOM_HEADERS begins with what is not the name of a header",
        ),
        (": secret", "^line 1 of ANTHROPIC_CUSTOM_HEADERS begins with what is not"),
        ("a: secret\\nx-team: secret", "^'a' of ANTHROPIC_CUSTOM_HEADERS holds a backslash and an n"),
    ],
)
def test_a_custom_header_that_is_none(clean_environment: pytest.MonkeyPatch, value: str, words: str) -> None:
    """It is named by its line or its name before anything is sent; what it says is not shown."""
    clean_environment.setenv("ANTHROPIC_API_KEY", KEY)
    clean_environment.setenv("ANTHROPIC_CUSTOM_HEADERS", value)
    with pytest.raises(InputError, match=words) as caught:
        send(BODY)
    assert "cret" not in str(caught.value)
    assert "crét" not in str(caught.value)


def test_custom_headers_go_out_with_every_request(
    clean_environment: pytest.MonkeyPatch, server: RawServer
) -> None:
    """One a line, blank lines between or not; a value may hold colons, and be empty."""
    clean_environment.setenv("ANTHROPIC_BASE_URL", server.base_url)
    clean_environment.setenv("ANTHROPIC_API_KEY", KEY)
    headers = " x-team : evals \r\n\nX-Trace: a:b: c\nx-empty:"
    clean_environment.setenv("ANTHROPIC_CUSTOM_HEADERS", headers)
    send(BODY)
    sent = server.ledger[0].headers
    assert [sent[name] for name in ("x-team", "x-trace", "x-empty")] == ["evals", "a:b: c", ""]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("api.example", "has no scheme"),
        ("localhost:8080", "has no scheme"),
        ("ftp://api.example", "is not an http or https address: 'ftp://api.example'"),
        ("http://[::1", "is not a valid address"),
        ("http://", "names no host"),
        ("http://api.example:99999", "is not a valid address .*0-65535"),
        ("http://api.example:0", "port 0"),
        ("http://a..b", "names a host that cannot exist: 'http://a..b'"),
        ("http://.api.example", "names a host that cannot exist"),
        (f"http://{'x' * 80}.example", "names a host that cannot exist"),
        (f"http://{'x.' * 127}example", "names a host that cannot exist"),
        ("http://1.2.3.4.5:8080", "names a host that cannot exist"),
        ("http://10.0.0.256", "names a host that cannot exist"),
        ("http://host\\\\path", "names a host that cannot exist"),
        ("http://api.exam!ple", "names a host that cannot exist"),
        ("http://user:p4ss://word@host:99", "is not a valid address: 'http://host:99'$"),
        ("us:p4ss://word@host", "is not an http or https address: 'host'$"),
        ("http://api.example:port", "is not a valid address"),
        ("http://api.example/a b", "holds white space"),
        ("http://api.example/?team=a", "more than an address and a path"),
        ("https://me:pass-word@api.example", "holds a user name or a password"),
        ("me:pass-word@api.example", "holds a user name or a password"),
        ("https://me:pass-word/@[api.example", "is not a valid address: 'https://"),
        ("ftp://me:pass/word@api.example", "http or https address: 'ftp://api.example'"),
    ],
)
def test_an_address_that_is_none(clean_environment: pytest.MonkeyPatch, url: str, words: str) -> None:
    """An address that cannot be sent to is found at once, not retried; a password in it is not shown."""
    clean_environment.setenv("ANTHROPIC_API_KEY", KEY)
    clean_environment.setenv("ANTHROPIC_BASE_URL", url)
    with pytest.raises(SetupError, match=f"^ANTHROPIC_BASE_URL .*{words}") as caught:
        send(BODY)
    assert "word@" not in str(caught.value)
    assert "p4ss" not in str(caught.value)
    assert "pass-word" not in str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (
            "HTTPS_PROXY",
            "nonsense://me:pass-word@proxy",
            "HTTPS_PROXY is 'nonsense://proxy', which is no",
        ),
        ("all_proxy", "socks5://me:pass-word@proxy:1080", "all_proxy is 'socks5://proxy:1080', but socks5"),
        ("HTTPS_PROXY", "socks5h://proxy:1080", "socks5h proxies are not supported: set HTTPS_PROXY"),
        (
            "HTTPS_PROXY",
            "http://proxy:99999",
            "HTTPS_PROXY is 'http://proxy:99999', which is not",
        ),
        ("https_proxy", "http://", "https_proxy is 'http://', which is not the address"),
        ("HTTPS_PROXY", "http://a..b:80", "HTTPS_PROXY is 'http://a..b:80', which is not the address"),
        ("HTTPS_PROXY", "1.2.3.4.5:80", "HTTPS_PROXY is '1.2.3.4.5:80', which is not the address"),
        (
            "HTTPS_PROXY",
            "http://us:pass-word://z@10.0.0.1:99999",
            "HTTPS_PROXY is 'http://10.0.0.1:99999', ",
        ),
        ("HTTPS_PROXY", "http://me:80/pass-word@proxy:1", "HTTPS_PROXY is 'http://proxy:1', which is not"),
        ("all_proxy", "socks5:pass-word://z@proxy:1", "all_proxy is 'proxy:1', which is not the address"),
    ],
)
def test_a_proxy_that_is_none(
    clean_environment: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    """A proxy that cannot be used is named before anything is sent, and no bug."""
    clean_environment.setenv("ANTHROPIC_API_KEY", KEY)
    clean_environment.setenv(name, value)
    with pytest.raises(SetupError, match=words) as caught:
        send(BODY)
    assert "pass-word" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTPS_PROXY", "socks5://p:1"),
        ("HTTPS_PROXY", "nonsense"),
        ("NO_PROXY", "127.0.0.1"),
        ("NO_PROXY", "localhost, 127.0.0.0/8"),
    ],
)
def test_a_proxy_that_is_not_used_is_in_nobodys_way(
    clean_environment: pytest.MonkeyPatch, server: RawServer, name: str, value: str
) -> None:
    """The proxy of another scheme, or of other hosts, changes nothing."""
    clean_environment.setenv("ANTHROPIC_API_KEY", KEY)
    clean_environment.setenv("ANTHROPIC_BASE_URL", server.base_url)
    if name == "NO_PROXY":
        clean_environment.setenv("ALL_PROXY", "socks5://proxy:1")
    clean_environment.setenv(name, value)
    send(BODY)
    assert len(server.ledger) == 1


@pytest.mark.parametrize("user", ["", "me:pass-word@"])
def test_a_request_goes_through_the_proxy_that_is_named(
    clean_environment: pytest.MonkeyPatch, server: RawServer, user: str
) -> None:
    """The proxy gets the whole address, and the password that is meant for it."""
    clean_environment.setenv("ANTHROPIC_API_KEY", KEY)
    clean_environment.setenv("ANTHROPIC_BASE_URL", "http://api.example/gw")
    clean_environment.setenv("HTTP_PROXY", f"{user}{server.base_url.partition('//')[2]}")
    send(BODY)
    (request,) = server.ledger
    assert request.path == "http://api.example/gw/v1/messages"
    expected = f"Basic {base64.b64encode(b'me:pass-word').decode()}" if user else None
    assert request.headers.get("proxy-authorization") == expected


@pytest.mark.parametrize(("status", "fatal"), [(407, True), (502, False)])
def test_a_tunnel_that_a_proxy_refuses_was_never_there(
    clean_environment: pytest.MonkeyPatch, status: int, fatal: bool
) -> None:
    """Nothing left, so that it costs nothing; a proxy that wants a password wants it of every request."""
    clean_environment.setenv("ANTHROPIC_API_KEY", KEY)
    with RawServer(respond=in_turn(http(b"", status=status))) as proxy:
        clean_environment.setenv("HTTPS_PROXY", f"{proxy.base_url}")
        with pytest.raises(RequestFailedError) as caught:
            send(BODY)
        assert proxy.ledger[0].method == "CONNECT"
    failure = caught.value.failure
    assert (failure.kind, failure.status, failure.paid) == ("connection", status, "no")
    assert failure.message.startswith(
        "the API cannot be reached at https://api.anthropic.com through the pro"
    )
    assert is_fatal(failure) is fatal
    assert is_transient(failure)


def test_certificates_that_are_none(clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file or folder that is missing, or holds none, is named with its variable."""
    clean_environment.setenv("ANTHROPIC_API_KEY", KEY)
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate\n")
    for name, path, words in (
        ("SSL_CERT_FILE", tmp_path / "absent.pem", "No such file or directory"),
        ("SSL_CERT_FILE", empty, "holds no certificate that can be read"),
        ("SSL_CERT_DIR", tmp_path / "absent", "no certificate is found"),
        ("SSL_CERT_DIR", tmp_path, "no certificate is found"),
    ):
        with clean_environment.context() as environment:
            environment.setenv(name, str(path))
            with pytest.raises(SetupError, match=f"{name} names '{path}'.*{words}"):
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
