"""Keeping secrets out of everything that is written: one redactor in front of every sink."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from claude_run.scenario.model import Json

REDACTED = "[redacted]"
_SHORTEST = 8
_LONG = 20
_CREDENTIAL_HEADER = re.compile(r"auth|key|token|secret|cookie", re.IGNORECASE)
_VARIABLES = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_WEBHOOK_SIGNING_KEY")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_ADDRESSES = ("ANTHROPIC_BASE_URL", *_PROXIES, *map(str.upper, _PROXIES))
_URL_SAFE = str.maketrans("+/", "-_")
_KEY_LIKE = r"sk-ant-[A-Za-z0-9_-]{4,}"


class Redactor:
    """Replaces secrets, their base64 and URL forms, and whatever looks like an Anthropic key."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        pattern = "|".join([*map(re.escape, longest_first), _KEY_LIKE])
        self._text = re.compile(pattern)
        # A key of JSON is changed only for what can be no field name: what is long, or looks like a secret.
        long = [form for form in longest_first if len(form) >= _LONG]
        self._names = re.compile("|".join([*map(re.escape, long), _KEY_LIKE]))
        self._data = re.compile(pattern.encode("utf-8", "surrogateescape"))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Redactor:
        """Return a redactor for the credentials that the SDK reads, custom headers among them."""
        # Without the white space around them, which is taken away before they are used.
        secrets = [environment.get(name, "").strip() for name in _VARIABLES]
        secrets += [password for name in _ADDRESSES for password in _passwords(environment.get(name, ""))]
        headers = environment.get("ANTHROPIC_CUSTOM_HEADERS", "").splitlines()
        pairs = (line.partition(":") for line in headers)
        secrets += [value.strip() for name, _, value in pairs if _CREDENTIAL_HEADER.search(name)]
        return cls(secrets)

    def json(self, value: Json) -> Json:
        """Return the value with the secrets gone from its strings; numbers stay, and keys unless long."""
        if isinstance(value, str):
            return self.text(value)
        # The concrete types come first: every value of every journal line passes here, and ABCs are slow.
        if value is None or isinstance(value, int | float):
            return value
        if isinstance(value, (dict, Mapping)):
            return {self._names.sub(REDACTED, key): self.json(item) for key, item in value.items()}
        if isinstance(value, (list, tuple, Sequence)):
            return [self.json(item) for item in value]
        return value

    def text(self, text: str) -> str:
        return self._text.sub(REDACTED, text)

    def data(self, data: bytes) -> bytes:
        return self._data.sub(REDACTED.encode(), data)


def _passwords(url: str) -> Iterable[str]:
    """Yield the password of an address as it stands there and as it is meant, valid or not."""
    user_info, at, _ = url.rpartition("@")
    password = user_info.rpartition("//")[2].partition(":")[2]
    if at and password:
        yield from {password, unquote(password)}


def _forms(secret: str) -> Iterable[str]:
    data = secret.encode("utf-8", "surrogateescape")
    yield secret
    yield quote(data, safe="")
    # Inside a longer text the base64 of the secret depends on where it begins; these characters never change.
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + data).decode().rstrip("=")
        part = encoded[-(-8 * offset // 6) : len(encoded) - 1]
        yield part
        yield part.translate(_URL_SAFE)
