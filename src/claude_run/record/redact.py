"""Keeping the credentials in use out of everything that is written and shown, and nothing else.

A reply is a part of the conversation: it is changed once, where it enters the program, so that player,
journal, transcript and replay hold the same. What only looks like a key is ordinary text.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, unquote

from claude_run.plan.providers import ADDRESS_VARIABLES, SECRET_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from claude_run.scenario.json_values import Json

REDACTED = "[redacted]"
SHORTEST = 16
"""Characters from which on a credential is searched for: shorter ones are placeholders, or ordinary words."""

_CREDENTIAL_HEADER = re.compile(r"auth|key|token|secret|cookie|passw|credential", re.IGNORECASE)
_SECRET_NAME = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)
_NAMES_A_PLACE = re.compile(r"(?:file|path|dir|url|uri|host|endpoint|id|name)$", re.IGNORECASE)
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_ADDRESSES = (*ADDRESS_VARIABLES, *_PROXIES, *map(str.upper, _PROXIES))
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_URL_SAFE = str.maketrans("+/", "-_")


class Redactor:
    """Finds and replaces secrets, as they are and in their base64, URL, JSON and HTML forms.

    `secrets` of fewer than `SHORTEST` characters are left out; `passwords` of addresses count at any length,
    but only where they stand as in an address. It may learn of more while a program runs, such as of a token
    that was got with a login: all who hold it know them then.
    """

    def __init__(self, secrets: Iterable[str] = (), *, passwords: Iterable[str] = ()) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._passwords: frozenset[str] = frozenset()
        self._prepare(secrets, passwords)

    def _prepare(self, secrets: Iterable[str], passwords: Iterable[str]) -> None:
        self._secrets |= frozenset(filter(is_searched_for, secrets))
        self._passwords |= frozenset(passwords)
        forms = {form for secret in self._secrets for form in _forms(secret)}
        forms |= {f":{password}@" for password in self._passwords}
        # The longest first, so that a secret within a secret leaves no rest.
        self._needles = sorted(forms, key=len, reverse=True)
        spellings = map(_in_any_spelling, sorted(self._secrets, key=len, reverse=True))
        self._pattern = re.compile("|".join([*spellings, *map(re.escape, self._needles)]))
        escapes = {
            escape for secret in self._secrets for character in secret for escape in _escapes(character)
        }
        self._escapes = re.compile("|".join(sorted(escapes)) or "(?!)", re.IGNORECASE)
        # What an escape begins with: where none of it stands, none needs to be looked for.
        named = {form for secret in self._secrets for character in secret for form in _named(character)}
        begins = {form[:1] if form.startswith("&") else form[:2] for form in named}
        self._signs = sorted({"%", "\\u", "\\U", "&#", *begins})

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Redactor:
        """Return a redactor for the credentials that the SDK reads, custom headers among them."""
        redactor = cls()
        redactor.learn_environment(environment)
        return redactor

    def learn_environment(self, environment: Mapping[str, str]) -> None:
        """Know of the credentials among these variables too: those that the SDK and its providers read."""
        # Without the white space around them, which is taken away before they are used.
        secrets = [environment.get(name, "").strip() for name in SECRET_VARIABLES]
        headers = environment.get("ANTHROPIC_CUSTOM_HEADERS", "").splitlines()
        pairs = (line.partition(":") for line in headers)
        for name, _, value in pairs:
            if _CREDENTIAL_HEADER.search(name):
                secrets += [value.strip(), bare_credential(value)]
        passwords = {pw for name in _ADDRESSES for pw in _passwords(environment.get(name, ""))}
        self.learn([*secrets, *passwords], passwords=passwords)

    def learn(self, secrets: Iterable[str], *, passwords: Iterable[str] = ()) -> None:
        """Know of these secrets too, wherever this redactor is held."""
        new, more = frozenset(filter(is_searched_for, secrets)) - self._secrets, frozenset(passwords)
        if new or more - self._passwords:
            self._prepare(new, more)

    def knowing(self, secrets: Iterable[str]) -> Redactor:
        """Return a redactor that knows of these secrets too."""
        return Redactor([*self._secrets, *secrets], passwords=self._passwords)

    def __bool__(self) -> bool:
        """Whether there is anything that could be found."""
        return bool(self._needles)

    def finds(self, text: str) -> bool:
        """Return whether a secret stands in the text."""
        # Nearly every text is free of them, and these searches are much faster than the pattern, which only
        # finds more where a character of a secret is escaped.
        if any(needle in text for needle in self._needles):
            return True
        if not any(sign in text for sign in self._signs):
            return False
        return self._escapes.search(text) is not None and self._pattern.search(text) is not None

    def finds_in(self, value: Json) -> bool:
        """Return whether a secret stands in one of the strings and keys of a value; it may say so of two."""
        return self.finds("\n".join(_strings(value)))

    def text(self, text: str) -> str:
        """Return the text with its secrets replaced."""
        return self._pattern.sub(REDACTED, text) if self.finds(text) else text

    def texts(self, parts: Sequence[str]) -> Sequence[str]:
        """Return parts that are read as one text, without the secrets in them and across their borders."""
        whole = "".join(parts)
        if not self.finds(whole):
            return parts
        result, begin, position = [], 0, 0
        for part in parts:
            kept, end = [], begin + len(part)
            # A secret is replaced in the part that it begins in, and only cut out of those that follow.
            for found in self._pattern.finditer(whole):
                if found.end() > begin and found.start() < end:
                    kept.append(whole[position : max(position, found.start())])
                    kept.append(REDACTED if found.start() >= begin else "")
                    position = min(found.end(), end)
            result.append("".join([*kept, whole[position:end]]))
            begin = position = end
        return result

    def json(self, value: Json) -> Json:
        """Return the value with the secrets replaced in its strings and keys; numbers stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(key): self.json(item) for key, item in value.items()}
        if isinstance(value, Sequence):
            return [self.json(item) for item in value]
        return value


def _strings(value: Json) -> Iterator[str]:
    found = [value]
    for part in found:
        if isinstance(part, str):
            yield part
        elif part is None or isinstance(part, int | float):
            continue
        elif isinstance(part, Mapping):
            yield from part
            found.extend(part.values())
        else:
            found.extend(part)


def is_secret_variable(name: str) -> bool:
    """Return whether a variable that a user's file sets is called like one that holds a secret."""
    return bool(_SECRET_NAME.search(name)) and not _NAMES_A_PLACE.search(name)


def is_searched_for(secret: str) -> bool:
    """Return whether a secret is long enough to be told from a placeholder and from ordinary words."""
    return len(secret) >= SHORTEST


def bare_credential(value: str) -> str:
    """Return the credential of a header's value, without a scheme such as `Bearer` before it."""
    return value.strip().rpartition(" ")[2]


def split_user_info(url: str) -> tuple[str, str, str]:
    """Return an address in three parts: its scheme with `://`, what stands before the last `@`, and the rest.

    The address need not be valid: a password may hold what ought to be escaped in it, be it `/`, `@` or `://`.
    """
    scheme = found.group() if (found := _SCHEME.match(url)) else ""
    user_info, _, rest = url.removeprefix(scheme).rpartition("@")
    return scheme, user_info, rest


def _passwords(url: str) -> Iterator[str]:
    """Yield the password of an address as it stands there and as it is meant, valid or not."""
    if password := split_user_info(url)[1].partition(":")[2]:
        yield from {password, unquote(password)}


def _forms(secret: str) -> Iterator[str]:
    """Yield the secret as it stands, and in base64."""
    data = secret.encode("utf-8", "surrogateescape")
    yield secret
    # Inside a longer text the base64 of the secret depends on where it begins; these characters never change.
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + data).decode().rstrip("=")
        part = encoded[-(-8 * offset // 6) : len(encoded) - 1]
        yield part
        yield part.translate(_URL_SAFE)


def _in_any_spelling(secret: str) -> str:
    """Return the pattern of the secret with any of its characters escaped; no rule says which are."""
    # Once an escape is read it stays read, so that no text makes the search go back and forth.
    each = (f"(?>(?i:{'|'.join(_escapes(character))})|{re.escape(character)})" for character in secret)
    return "".join(each)


def _escapes(character: str) -> Sequence[str]:
    """Return the patterns of a character escaped in an address, in JSON and in HTML, longest first."""
    code, units = ord(character), character.encode("utf-16-be", "surrogatepass")
    patterns = {
        "".join(f"%{byte:02x}" for byte in character.encode("utf-8", "surrogateescape")),
        "".join(rf"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2)),
        f"&#0*{code};",
        f"&#x0*{code:x};",
        *map(re.escape, _named(character)),
    }
    return sorted(patterns - {re.escape(character)}, key=len, reverse=True)


def _named(character: str) -> set[str]:
    """Return how a character is spelled in an address, in JSON and in HTML, where not as it is."""
    from html import escape  # noqa: PLC0415 - only where there is a secret to look for

    forms = {escape(character), json.dumps(character)[1:-1], quote_plus(character)}
    return (forms | ({r"\/"} if character == "/" else set())) - {character}
