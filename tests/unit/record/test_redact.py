"""The credentials in use are kept out of what is written, in every form they may take; nothing else is."""

from __future__ import annotations

import base64
import html
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.plan.providers import SECRET_VARIABLES
from claude_run.record.redact import REDACTED, Redactor, is_secret_variable

if TYPE_CHECKING:
    from collections.abc import Callable

    from claude_run.scenario.json_values import JsonObject

SECRET = 'canary/0123+456 "789"&<!\\~'  # noqa: S105 - a canary, not a secret
KEY = "sk-ant-api03-AbCd_efgh"
EMPTY = Redactor()


def test_the_environment_names_the_secrets() -> None:
    """Keys, tokens and custom headers whose name speaks of them; other headers and variables are none."""
    redactor = Redactor.from_environment(
        {
            "ANTHROPIC_API_KEY": "first-secret-0123456789",
            "ANTHROPIC_AUTH_TOKEN": "second-secret-0123456789",
            "ANTHROPIC_CUSTOM_HEADERS": (
                "x-gateway-token: Bearer third-secret-0123456789\nx-tenant: acme-corporation"
            ),
            "ANTHROPIC_WEBHOOK_SIGNING_KEY": "no-credential-of-requests",
            "HOME": "/home/somebody/somewhere",
        }
    )
    assert redactor.text("first-secret-0123456789 second-secret-0123456789") == f"{REDACTED} {REDACTED}"
    assert redactor.text("it was third-secret-0123456789") == f"it was {REDACTED}"
    plain = "x-gateway-token acme-corporation no-credential-of-requests /home/somebody/somewhere"
    assert redactor.text(plain) == plain


def test_what_only_looks_like_a_key_is_ordinary_text() -> None:
    """A reply may explain how a key is set."""
    text = f"export ANTHROPIC_API_KEY={KEY}"
    assert EMPTY.text(text) == text
    assert Redactor(["another-key-0123456789"]).json([text]) == [text]


def test_a_short_key_is_a_placeholder_and_not_searched_for() -> None:
    """From sixteen characters on it is searched for; shorter ones may be words of every reply."""
    assert Redactor(["", "a", "placeholder", "x" * 15]).text(f"a placeholder {'x' * 15}").endswith("x")
    assert Redactor(["x" * 16]).text(f"a {'x' * 16}") == f"a {REDACTED}"


@pytest.mark.parametrize("password", ["pw", "p4ss://w", "a-long-password-0123456789"])
def test_the_password_of_an_address_counts_where_it_stands_as_in_one(password: str) -> None:
    """However short it is, and whether the address is valid or not; the word alone is no secret."""
    redactor = Redactor.from_environment({"ANTHROPIC_BASE_URL": f"https://me:{password}@[::1:99999/x"})
    shown = redactor.text(f"cannot reach https://me:{password}@[::1:99999/x")
    assert password not in shown
    assert EMPTY.text("the pw") == redactor.text("the pw")


def test_numbers_of_json_are_never_changed() -> None:
    """A secret that is also a number must not break the line that it stands in."""
    redactor = Redactor(["1234567890123456"])
    value: JsonObject = {"n": 1234567890123456, "1234567890123456": [{"text": "a 1234567890123456 b"}]}
    assert redactor.json(value) == {"n": 1234567890123456, REDACTED: [{"text": f"a {REDACTED} b"}]}


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: quote(text, safe=""),
        quote,
        quote_plus,
        lambda text: re.sub("%[0-9A-F]{2}", lambda found: found.group().lower(), quote(text, safe="")),
        lambda text: quote(text, safe="!*'()~"),
        json.dumps,
        lambda text: json.dumps(text).replace("/", "\\/"),
        html.escape,
        lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
        lambda text: "".join(
            f"%{byte:02x}" if at % 2 else chr(byte) for at, byte in enumerate(text.encode())
        ),
        lambda text: "".join(f"\\u{ord(character):04x}" for character in text),
        lambda text: "".join(f"\\u{ord(character):04X}" for character in text),
        lambda text: "".join(f"&#{ord(character)};" for character in text),
        lambda text: "".join(f"&#x{ord(character):04X};" for character in text),
        lambda text: text.replace("c", "%63").replace("n", "\\u006E").replace("y", "&#121;"),
    ],
    ids=[
        "url",
        "url with /",
        "form",
        "url in lower case",
        "url of a browser",
        "json",
        "json with \\/",
        "html",
        "url, all of it",
        "url, half of it",
        "json, all of it",
        "json, all of it in upper case",
        "html, all of it",
        "html, all of it in hexadecimal",
        "a mixture",
    ],
)
def test_an_encoded_secret_is_found(encode: Callable[[str], str]) -> None:
    """In every spelling that programs give it in addresses, in JSON and in pages."""
    redactor = Redactor([SECRET])
    encoded = encode(f"<a {SECRET} b>")
    assert redactor.finds(encoded)
    assert "0123" not in redactor.text(encoded).replace(REDACTED, "")


@pytest.mark.parametrize(
    "secret",
    [
        "100%25-of-a-token",
        "\\\\\\n-is-no-line-break",
        "p\u00e4ssw\u00f6rter-\U0001f511-0123",
        "a b+c d&amp;e 0123",
    ],
)
def test_what_looks_like_an_escape_itself_is_found(secret: str) -> None:
    """As it stands, and escaped once more."""
    for encoded in (
        secret,
        quote(secret),
        quote_plus(secret),
        json.dumps(secret),
        html.escape(secret),
        "".join(f"%{byte:02x}" for byte in secret.encode()),
    ):
        assert secret[-6:] not in Redactor([secret]).text(encoded), encoded


def test_other_escapes_are_ordinary_text() -> None:
    """A text full of them is no secret, however many of its characters a key has too."""
    text = "%73%6b \\u0073\\u006b &#115;&#107; sk-ant-api03-%zz" * 1000
    assert not Redactor([KEY]).finds(text)
    assert Redactor([KEY]).text(text) == text


@settings(deadline=None, max_examples=50)
@given(st.text("ab", max_size=4), st.text("ab", max_size=4))
def test_base64_is_found_wherever_the_secret_stands(before: str, after: str) -> None:
    """An authorization header encodes the secret at any offset."""
    redactor = Redactor([SECRET])
    data = f"{before}{SECRET}{after}".encode()
    assert REDACTED in redactor.text(base64.b64encode(data).decode())
    assert REDACTED in redactor.text(base64.urlsafe_b64encode(data).decode())
    assert redactor.text(f"{before}{SECRET}{after}") == f"{before}{REDACTED}{after}"


@pytest.mark.parametrize("longer_first", [True, False])
def test_a_secret_within_a_secret_leaves_no_rest(*, longer_first: bool) -> None:
    """The longer one is looked for first, in whichever order they are given."""
    secrets = ["the-secret-of-all-0", "the-secret-of-all-0-and-more"]
    redactor = Redactor(secrets[::-1] if longer_first else secrets)
    assert redactor.text("the-secret-of-all-0-and-more") == REDACTED


@given(st.lists(st.text("k-", max_size=5), max_size=6), st.data())
def test_a_secret_across_the_parts_of_a_text_is_found(parts: list[str], data: st.DataObject) -> None:
    """What the parts join to holds no secret, and is what the whole would have become."""
    secret = "0123456789abcdef"  # noqa: S105 - a canary
    whole = "".join(parts) + secret + "".join(parts[::-1]) + secret
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    redactor = Redactor([secret])
    cleaned = redactor.texts(pieces)
    assert len(cleaned) == len(pieces)
    assert "".join(cleaned) == redactor.text(whole)


def test_whoever_holds_a_redactor_learns_with_it() -> None:
    """A token that is got while a run goes on is known everywhere from then on."""
    redactor = Redactor(["a-secret-that-is-long"])
    write = redactor.text
    redactor.learn(["another-secret-of-ours", "short"])
    redactor.learn_environment(
        {"AWS_SESSION_TOKEN": " session-token-of-ours\n", "ANTHROPIC_AWS_BASE_URL": ""}
    )
    said = "a-secret-that-is-long another-secret-of-ours short session-token-of-ours"
    assert write(said) == "[redacted] [redacted] short [redacted]"
    assert write(quote("another-secret-of-ours")) == "[redacted]"


@pytest.mark.parametrize("name", SECRET_VARIABLES)
def test_every_credential_of_a_provider_is_known(name: str) -> None:
    """By the variable that the SDK reads it from."""
    secret = "canary-of-a-credential-0123456789"  # noqa: S105 - a canary
    assert Redactor.from_environment({name: secret}).text(f"it is {secret}") == "it is [redacted]"


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("DB_PASSWORD", True),
        ("github_token", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("MY_API_KEY", True),
        ("AWS_ACCESS_KEY_ID", False),
        ("ANTHROPIC_IDENTITY_TOKEN_FILE", False),
        ("KEY_PATH", False),
        ("ANTHROPIC_BASE_URL", False),
        ("AWS_REGION", False),
    ],
)
def test_variables_that_are_called_like_a_secret(name: str, *, is_secret: bool) -> None:
    """And not those that only say where one is."""
    assert is_secret_variable(name) is is_secret
