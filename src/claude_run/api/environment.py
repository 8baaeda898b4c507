"""What the environment says of the way to the API, looked at and named before anything is sent."""

from __future__ import annotations

import os
import re
import ssl
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from claude_run.errors import CredentialsError, SetupError

BASE_URL = "ANTHROPIC_BASE_URL"
_CREDENTIALS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
_HEADERS = "ANTHROPIC_CUSTOM_HEADERS"
_DEFAULT = "https://api.anthropic.com"

_WHITE = re.compile(r"\s")
_NOT_IN_HEADER = re.compile(r"[^\t\x20-\x7e]")
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+", re.IGNORECASE)


def check_environment() -> None:
    """Raise CredentialsError or SetupError for the first variable that no request could go out with.

    What surely is not meant is mended first: white space around a value, and values of nothing else, which
    count as unset. No message shows a credential.
    """
    environment = os.environ
    for name in (*_CREDENTIALS, BASE_URL):
        if name in environment:
            environment[name] = environment[name].strip()
            if not environment[name]:
                del environment[name]

    # Credentials become headers, and a header is one line of ASCII.
    for name in _CREDENTIALS:
        if found := _NOT_IN_HEADER.search(environment.get(name, "")):
            raise CredentialsError(
                f"{name} holds {_named(found.group())}, which no header can carry: set it anew"
            )
    for line in environment.get(_HEADERS, "").split("\n"):
        if found := _NOT_IN_HEADER.search(line.strip()):
            header = line.partition(":")[0].strip()
            where = f"{header!r} of {_HEADERS}" if header.isprintable() and ":" in line else _HEADERS
            raise CredentialsError(f"{where} holds {_named(found.group())}, which no header can carry")

    # Where requests go, which way, and what they trust there.
    url = environment.get(BASE_URL, _DEFAULT)
    if problem := address_problem(url):
        raise SetupError(f"{BASE_URL} {problem}")
    _check_proxies(url)
    _check_certificates(url)


def address_problem(url: str) -> str | None:
    """Return what is wrong with the base URL of the API, as the rest of a sentence; None for nothing.

    A name or a password in it is never shown, also where it is not valid.
    """
    if "@" in re.split(r"[/?#]", url.partition("://")[2] or url)[0]:
        way_out = f"write it without them; what a gateway needs beside the key goes into {_HEADERS}"
        return f"holds a user name or a password: {way_out}"
    problem = None
    try:
        parts = urlsplit(url)
        if _WHITE.search(url):
            problem = "holds white space"
        elif not re.match(r"https?://", url, re.IGNORECASE):
            odd = "://" in url
            problem = "is not an http or https address" if odd else "has no scheme, such as https://"
        elif not parts.hostname:
            problem = "names no host"
        elif parts.port == 0:
            problem = "names port 0, where nobody listens"
        elif parts.query or parts.fragment:
            problem = "holds more than an address and a path"
    except ValueError as error:
        # The words of the error may hold a part of the address.
        problem = "is not a valid address" + ("" if "@" in url else f" ({error})")
    return problem and f"{problem}: {_without_user(url)}"


def route(url: str) -> str:
    """Return the address that requests go to and the variables that say so, for messages."""
    shown = re.sub(r"//.*@", "//", url.rstrip("/"))
    where = f"{shown} ({BASE_URL})" if os.environ.get(BASE_URL) else shown
    name, proxy = _proxy(url)
    return f"{where} through the proxy {_without_user(proxy)} ({name})" if proxy else where


def _check_proxies(url: str) -> None:
    # The client builds all of them, so that an odd one is in the way even of requests that do not need it.
    used, _ = _proxy(url)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        value = os.environ.get(name, "").strip()
        if not value:
            continue
        shown = _without_user(value)
        scheme = value.partition("://")[0].lower() if "://" in value else "http"
        if scheme.startswith("socks"):
            if name == used:
                message = f"{name} is {shown}, but {scheme} proxies are not supported"
                raise SetupError(f"{message}: set HTTPS_PROXY to an http proxy, or NO_PROXY for this address")
            continue
        if scheme not in {"http", "https"}:
            raise SetupError(f"{name} is {shown}, which is not an http proxy")
        try:
            parts = urlsplit(value if "://" in value else f"http://{value}")
            sound = bool(parts.hostname) and parts.port != 0
        except ValueError:
            sound = False
        if not sound:
            raise SetupError(f"{name} is {shown}, which is not the address of a proxy")


def _proxy(url: str) -> tuple[str | None, str]:
    """Return the variable that names the proxy for an address, and its value; None and nothing for none."""
    parts, proxies = urlsplit(url), getproxies()
    if proxy_bypass(parts.netloc):
        return None, ""
    for kind in (parts.scheme.lower(), "all"):
        if proxy := proxies.get(kind):
            names = (f"{kind}_proxy", f"{kind}_proxy".upper())
            return next((name for name in names if os.environ.get(name)), names[1]), proxy
    return None, ""


def _check_certificates(url: str) -> None:
    # As the client reads them: the file, and only without one the folder.
    if file := os.environ.get("SSL_CERT_FILE"):
        try:
            ssl.create_default_context(cafile=file)
        except ssl.SSLError as error:
            message = f"SSL_CERT_FILE names {file!r}, which holds no certificate that can be read"
            raise SetupError(message) from error
        except OSError as error:
            raise SetupError(f"SSL_CERT_FILE names {file!r}: {error.strerror or error}") from error
    elif (folder := os.environ.get("SSL_CERT_DIR")) and url.lower().startswith("https"):
        # OpenSSL takes several folders, and opens none of them before it needs to.
        found = [entry.name for each in folder.split(os.pathsep) for entry in _entries(Path(each))]
        if not any(map(_HASHED.fullmatch, found)):
            raise SetupError(
                f"SSL_CERT_DIR names {folder!r}, where no certificate is found: it needs files as"
                " `openssl rehash` names them"
            )


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _without_user(url: str) -> str:
    """Return an address without a name and a password, also where it is not valid."""
    scheme, mark, rest = url.rpartition("://")
    return repr(scheme + mark + rest.rpartition("@")[2]) if "@" in rest else repr(url)


def _named(character: str) -> str:
    if character in "\r\n":
        return "a line break"
    return f"the character U+{ord(character):04X}"
