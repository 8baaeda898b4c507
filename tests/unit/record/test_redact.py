"""Secrets are kept out of what is written, in every form they may take."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.record.redact import REDACTED, Redactor

if TYPE_CHECKING:
    from claude_run.scenario.model import JsonObject

SECRET = "canary/0123+456 789"  # noqa: S105 - a canary, not a secret
KEY = "sk-ant-api03-AbCd_efgh"


def test_the_environment_names_the_secrets() -> None:
    """Keys, tokens and custom headers whose name speaks of them; other headers are no secret."""
    redactor = Redactor.from_environment(
        {
            "ANTHROPIC_API_KEY": "first-secret",
            "ANTHROPIC_AUTH_TOKEN": "second-secret",
            "ANTHROPIC_CUSTOM_HEADERS": "x-gateway-token: third-secret\nx-tenant: acme-corporation",
            "HOME": "/home/somebody",
        }
    )
    text = "first-secret second-secret x-gateway-token third-secret acme-corporation /home/somebody"
    assert (
        redactor.text(text)
        == f"{REDACTED} {REDACTED} x-gateway-token {REDACTED} acme-corporation /home/somebody"
    )


def test_keys_and_numbers_of_json_are_never_changed() -> None:
    """A secret that is also a number or a key must not break the line that it stands in."""
    redactor = Redactor(["12345678", "request_id"])
    value: JsonObject = {"request_id": "12345678", "n": 12345678, "deep": [{"text": "a 12345678 b"}]}
    assert redactor.json(value) == {
        "request_id": REDACTED,
        "n": 12345678,
        "deep": [{"text": f"a {REDACTED} b"}],
    }


def test_what_looks_like_a_key_is_redacted_without_being_known() -> None:
    """In text and in bytes; the prefix alone is not a key."""
    assert Redactor().text(f"key={KEY}.") == f"key={REDACTED}."
    assert Redactor().data(f'"{KEY}"'.encode()) == f'"{REDACTED}"'.encode()
    assert Redactor().text("sk-ant- is the prefix") == "sk-ant- is the prefix"


def test_a_secret_that_is_too_short_would_redact_everything() -> None:
    """Words of fewer than eight characters are left alone, and so is all text without a secret."""
    assert Redactor(["", "a", "1234567"]).text("a 1234567") == "a 1234567"


@settings(deadline=None, max_examples=50)
@given(st.text("ab", max_size=4), st.text("ab", max_size=4))
def test_base64_and_url_forms_are_found_wherever_the_secret_stands(before: str, after: str) -> None:
    """An authorization header encodes the secret at any offset."""
    redactor = Redactor([SECRET])
    encoded = base64.b64encode(f"{before}{SECRET}{after}".encode()).decode()
    assert REDACTED in redactor.text(encoded)
    assert REDACTED in redactor.text(quote(f"{before}{SECRET}{after}", safe=""))
    assert redactor.text(f"{before}{SECRET}{after}") == f"{before}{REDACTED}{after}"


@pytest.mark.parametrize("longer_first", [True, False])
def test_a_secret_within_a_secret_leaves_no_rest(*, longer_first: bool) -> None:
    """The longer one is looked for first, in whichever order they are given."""
    secrets = ["secret-of-all", "secret-of-all-and-more"]
    redactor = Redactor(secrets[::-1] if longer_first else secrets)
    assert redactor.text("secret-of-all-and-more") == REDACTED
