"""What the environment says of the way to the API, looked at and named before anything is sent."""

from __future__ import annotations

import os
import re
import socket
import ssl
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from claude_run.errors import CredentialsError, InputError, SetupError
from claude_run.plan.providers import ANTHROPIC
from claude_run.record.redact import split_user_info

if TYPE_CHECKING:
    from claude_run.plan.providers import Provider

BASE_URL = ANTHROPIC.base_url
_HEADERS = "ANTHROPIC_CUSTOM_HEADERS"
_DEFAULT = "https://api.anthropic.com"

_LABEL = re.compile(r"[a-z0-9_-]{1,63}", re.IGNORECASE)
_LONGEST_NAME = 253

_WHITE = re.compile(r"\s")
_NOT_IN_HEADER = re.compile(r"[^\t\x20-\x7e]")
_NOT_IN_CREDENTIAL = re.compile(r"[^\x21-\x7e]")
_QUOTES = ("'", '"')
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_MEANT_AS_BREAK = re.compile(r"\\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:")
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+", re.IGNORECASE)


def check_environment(provider: Provider = ANTHROPIC) -> None:
    """Raise for the first variable that nothing could be sent with: Credentials-, Setup- or InputError.

    What surely is not meant is mended first: white space around a value, and values of nothing else, which
    count as unset. No message shows a credential.
    """
    environment = os.environ
    for name in (*provider.secrets, *provider.settings, provider.base_url):
        if name in environment:
            environment[name] = environment[name].strip()
            if not environment[name]:
                del environment[name]

    # Credentials become headers, and a header is one line of ASCII; within them nothing is blank.
    for name in provider.secrets:
        if problem := _credential_problem(environment.get(name, "")):
            raise CredentialsError(f"{name} {problem}")
    _check_headers(environment.get(_HEADERS, ""))

    # Where requests go, which way, and what they trust there.
    url = environment.get(provider.base_url, _DEFAULT if provider.is_default else None)
    if url is not None:
        check_way(url, provider)


def check_way(url: str, provider: Provider) -> None:
    """Raise SetupError where an address cannot be, or the proxy or the certificates on the way to it."""
    if problem := address_problem(url):
        raise SetupError(f"{provider.base_url} {problem}")
    _check_proxy(url)
    _check_certificates(url)


def custom_headers() -> frozenset[str]:
    """Return the names, in lower case, of the headers that the environment adds to every request."""
    lines = os.environ.get(_HEADERS, "").split("\n")
    return frozenset(line.partition(":")[0].strip().lower() for line in lines if ":" in line)


def address_problem(url: str) -> str | None:
    """Return what is wrong with the base URL of the API, as the rest of a sentence; None for nothing.

    A name or a password in it is never shown, also where it is not valid.
    """
    scheme, _, _ = split_user_info(url)
    if "@" in re.split(r"[/?#]", url.removeprefix(scheme))[0]:
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
        elif not _is_host(parts.hostname):
            problem = "names a host that cannot exist"
        elif parts.port == 0:
            problem = "names port 0, where nobody listens"
        elif parts.query or parts.fragment:
            problem = "holds more than an address and a path"
    except ValueError as error:
        # The words of the error may hold a part of the address.
        problem = "is not a valid address" + ("" if "@" in url else f" ({error})")
    return problem and f"{problem}: {_without_user(url)}"


def route(url: str, variable: str = BASE_URL) -> str:
    """Return the address that requests go to and the variables that say so, for messages."""
    shown = "".join(split_user_info(url.rstrip("/"))[::2])
    where = f"{shown} ({variable})" if os.environ.get(variable) else shown
    name, proxy = _proxy(url)
    return f"{where} through the proxy {_without_user(proxy)} ({name})" if proxy else where


def proxy_of(url: str) -> str | None:
    """Return the address of the proxy that the environment names for this address; None for none."""
    _, proxy = _proxy(url)
    return (proxy if split_user_info(proxy)[0] else f"http://{proxy}") if proxy else None


def _check_headers(text: str) -> None:
    """Raise InputError for the first line that is no header; the SDK passes over what has no colon."""
    for number, line in enumerate(text.split("\n"), start=1):
        header, colon, value = (part.strip() for part in line.partition(":"))
        is_name = _HEADER_NAME.fullmatch(header) is not None
        # What stands there may be a secret, so that only the name of a header is ever shown.
        where = f"{header!r} of {_HEADERS}" if is_name and value else f"line {number} of {_HEADERS}"
        if not line.strip():
            continue
        if found := _NOT_IN_HEADER.search(line.strip()):
            raise InputError(f"{where} holds {_named(found.group())}, which no header can carry")
        if not colon:
            raise InputError(f"{where} has no colon: write `Name: value`, one header a line")
        if not is_name:
            raise InputError(f"{where} begins with what is not the name of a header: write `Name: value`")
        if _MEANT_AS_BREAK.search(value):
            hint = "a new line begins with a line break, in a shell $'A: 1\\nB: 2'"
            raise InputError(f"{where} holds a backslash and an n where the next header begins: {hint}")
        if header.lower() == "x-api-key" and (problem := _credential_problem(value)):
            raise InputError(f"{where} {problem}")


def _credential_problem(value: str) -> str | None:
    """Return why a value is no key and no token, as the rest of a sentence; None for nothing."""
    if re.match(r"bearer\s", value, re.IGNORECASE):
        return "begins with the word Bearer, which every request gets by itself: set it without"
    if value.startswith(_QUOTES) and value.endswith(value[0]):
        return "stands in quotation marks, which are sent with it: set it without"
    if found := _NOT_IN_CREDENTIAL.search(value):
        return f"holds {_named(found.group())}, which no credential holds: set it anew"
    return None


def _check_proxy(url: str) -> None:
    name, proxy = _proxy(url)
    if not proxy:
        return
    shown = _without_user(proxy)
    scheme = split_user_info(proxy)[0].lower() or "http://"
    if scheme.startswith("socks"):
        message = f"{name} is {shown}, but {scheme.removesuffix('://')} proxies are not supported"
        raise SetupError(f"{message}: set HTTPS_PROXY to an http proxy, or NO_PROXY for this address")
    if scheme not in {"http://", "https://"}:
        raise SetupError(f"{name} is {shown}, which is not an http proxy")
    try:
        parts = urlsplit(proxy_of(url) or "")
        sound = _is_host(parts.hostname or "") and parts.port != 0 and parts.path in {"", "/"}
    except ValueError:
        sound = False
    if not sound:
        raise SetupError(f"{name} is {shown}, which is not the address of a proxy")


def _proxy(url: str) -> tuple[str, str]:
    """Return the variable that names the proxy for an address, and its value; nothing for none."""
    parts, proxies = urlsplit(url), getproxies()
    if proxy_bypass(parts.netloc) or _in_networks(parts.hostname or "", proxies.get("no", "")):
        return "", ""
    for kind in (parts.scheme.lower(), "all"):
        if proxy := proxies.get(kind, "").strip():
            names = (f"{kind}_proxy", f"{kind}_proxy".upper())
            return next((name for name in names if os.environ.get(name)), names[1]), proxy
    return "", ""


def _in_networks(host: str, networks: str) -> bool:
    """Return whether an IP address is, or lies in, one of those named, such as 192.168.0.0/16 or ::1."""
    for network in networks.split(","):
        # Names of hosts stand among them, and those are seen to by whoever reads the variable first.
        with suppress(ValueError):
            if ip_address(host) in ip_network(network.strip().strip("[]"), strict=False):
                return True
    return False


def _is_host(host: str) -> bool:
    """Return whether a host is an IP address, or a name that a name server can be asked for: RFC 1035."""
    with suppress(ValueError):
        return bool(ip_address(host))
    try:
        name = host.encode("idna").decode().removesuffix(".")
    except UnicodeError:
        return False
    *_, last = labels = name.split(".")
    if last.isdigit():
        # Whatever ends in a number is meant as an address; it may leave out bytes, such as 127.1.
        with suppress(OSError):
            return bool(socket.inet_aton(name))
        return False
    return len(name) <= _LONGEST_NAME and all(map(_LABEL.fullmatch, labels))


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
    scheme, _, rest = split_user_info(url)
    return repr(scheme + rest)


def _named(character: str) -> str:
    if character in "\r\n":
        return "a line break"
    if character in "\t ":
        return "a tab" if character == "\t" else "a blank"
    return f"the character U+{ord(character):04X}"
