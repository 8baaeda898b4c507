"""Errors of the SDK and of its transport as our failures, in one place."""

from __future__ import annotations

import email.utils
import json
import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

import aiohttp
import anthropic
import httpx2
from aiohttp.http import HttpProcessingError

from claude_run.api.environment import BASE_URL
from claude_run.conversation.exchange import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Redact: TypeAlias = Callable[[str], str]

TRANSPORT_ERRORS = (httpx2.HTTPError, httpx2.StreamError, aiohttp.ClientError, OSError, EOFError)
"""What reading a body may raise: the SDK passes these on as they are."""

_REQUEST_IDS = ("request-id", "x-amzn-requestid", "apim-request-id")
_EXCERPT = 200
_MESSAGE = 2000
_READ = 64 * 1024
_SERVER_ERROR = 500
_OVERLOADED = 529


def from_status_error(
    error: anthropic.APIStatusError, redact: Redact = str, *, variable: str = BASE_URL
) -> Failure:
    """Return the failure of an error status, in the API's words where there are any.

    `variable` is the one of the environment that names its address. Here and below `redact` takes secrets out
    of a text before it is cut: half a secret is not recognised.
    """
    headers = error.response.headers
    return Failure(
        kind="status",
        message=_status_message(error, redact, variable),
        status=error.status_code,
        type=_said(error.type),
        code=_said(error.error_code),
        request_id=error.request_id or request_id_of(headers),
        retry_after_s=retry_after(headers),
        may_retry=headers.get("x-should-retry", "").lower() != "false",
        paid="maybe" if _SERVER_ERROR <= error.status_code < _OVERLOADED else "no",
    )


def from_transport_error(error: BaseException, redact: Redact = str, *, route: str = "") -> Failure:
    """Return the failure of a request that no response came to, or none that is HTTP.

    `route` is the address that the request should have gone to, with the variables that say so.
    """
    causes = _causes(error)
    detail = _detail(causes, redact)
    # Nothing left: the connection was never made, or the tunnel of a proxy to it.
    unmade = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)
    paid: Literal["no", "maybe"] = "no" if any(isinstance(each, unmade) for each in causes) else "maybe"
    # The transport refuses an address or a header before it opens a connection, and so it would every time.
    if paid == "maybe" and isinstance(causes[-1], ValueError):
        message = f"no request can be sent: {detail}; look at the credentials and the address"
        return Failure(kind="credentials", message=message, may_retry=False, paid="no")
    if _is_timeout(causes):
        return Failure(kind="timeout", message="the API fell silent", paid=paid)
    status = next((each.status for each in causes if isinstance(each, aiohttp.ClientHttpProxyError)), None)
    if paid == "no":
        what = f"the API cannot be reached{' at ' if route else ''}{route}"
    elif any(isinstance(each, aiohttp.ClientResponseError) for each in causes):
        # Somebody did answer, and may have worked for it.
        whose = f" of {route}" if route else ""
        message = f"invalid reply: the answer{whose} is not valid HTTP: {detail}"
        return Failure(kind="invalid_reply", message=message)
    else:
        what = f"the connection{' to ' if route else ''}{route} was cut"
    return Failure(kind="connection", message=f"{what}: {detail}", status=status, paid=paid)


def from_broken_body(error: BaseException, redact: Redact = str, *, request_id: str | None = None) -> Failure:
    """Return the failure of a response whose head said success and whose body did not come whole.

    The model has answered, so that the attempt is probably billed.
    """
    causes = _causes(error)
    if _is_timeout(causes):
        return Failure(kind="timeout", message="the API fell silent", request_id=request_id)
    detail = _detail(causes, redact)
    if isinstance(error, httpx2.DecodingError):
        message = f"invalid reply: the body cannot be unpacked: {detail}"
        return Failure(kind="invalid_reply", message=message, request_id=request_id)
    return Failure(kind="truncated", message=f"the reply was cut off: {detail}", request_id=request_id)


def is_error(body: Mapping[str, object]) -> bool:
    """Return whether a body, or an event of a stream, is an error: the API's own, or that of a gateway."""
    return body.get("type") == "error" or ("type" not in body and bool(body.get("error")))


def from_error_body(
    body: Mapping[str, object], request_id: str | None, *, where: str, redact: Redact = str
) -> Failure:
    """Return the failure that an error under the status 200 reports: whole, or as an event of a stream.

    Its type decides what becomes of it, where it is an error of the API. What a gateway means by its own is
    not known, so that it counts as a reply that may be better next time.
    """
    error = body.get("error")
    said: Mapping[object, object] = error if isinstance(error, Mapping) else {"message": error}
    kind, message, details = said.get("type"), said.get("message"), said.get("details")
    code = details.get("error_code") if isinstance(details, Mapping) else said.get("code")
    # The words in the order in which the API's own statuses say them; where there are none, all that came.
    name = " ".join(str(word) for word in (kind, code if isinstance(code, str | int) else None) if word)
    words = str(message) if message else str(error)
    return Failure(
        kind="status" if body.get("type") == "error" else "invalid_reply",
        message=f"{excerpt(name, redact) or 'an error'} {where}: {excerpt(words, redact)}",
        type=_said(kind),
        code=_said(code),
        request_id=request_id,
    )


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Return the name that a reply has where it was made, for whoever asks about it there."""
    return next((headers[name] for name in _REQUEST_IDS if name in headers), None)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait by `retry-after-ms`, or by `retry-after` in seconds or as a date."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    try:
        date = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
        return max(0.0, date.timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def excerpt(body: bytes | str, redact: Redact = str) -> str:
    """Return the beginning of a body as one line; whoever shows it makes it safe."""
    beginning = body[:_READ]
    text = beginning.decode(errors="replace") if isinstance(beginning, bytes) else beginning
    return " ".join(redact(text).split())[:_EXCERPT]


def quoted(value: object, redact: Redact = str) -> str:
    """Return the beginning of what a server sent, be it a body or a part of one: the words are its own."""
    return excerpt(value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False), redact)


def _causes(error: BaseException) -> Sequence[BaseException]:
    """Return the error and what it was raised from, the deepest cause last."""
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    return causes


def _is_timeout(causes: Sequence[BaseException]) -> bool:
    return any(isinstance(cause, aiohttp.ServerTimeoutError | anthropic.APITimeoutError) for cause in causes)


def _detail(causes: Sequence[BaseException], redact: Redact) -> str:
    """Return the words of the deepest cause that has any, without a status that no server has said."""
    unread = (aiohttp.ClientResponseError, HttpProcessingError)
    words = [each.message if isinstance(each, unread) else str(each) for each in causes]
    return excerpt(next((each for each in reversed(words) if each), type(causes[0]).__name__), redact)


def _said(value: object) -> str | None:
    """Return a word of an error's body. The SDK passes whatever stands there, which need not be one."""
    return value if isinstance(value, str) else None


def _status_message(error: anthropic.APIStatusError, redact: Redact, variable: str) -> str:
    message, kind = _said(error.api_message), _said(error.type)
    if not (message and kind):
        kind, message = _of_the_cloud(error)
    url = error.request.url.copy_with(query=None, username=None, password=None)
    is_doubled = error.status_code == httpx2.codes.NOT_FOUND and "/v1/v1/" in url.path
    if message and kind:
        told = f"{error.status_code} {redact(kind)}: {redact(message)[:_MESSAGE]}"
        went = f"; the request went to {redact(str(url))}: set {variable} without /v1"
        return told + (went if is_doubled else "")
    if error.response.has_redirect_location:
        return f"{error.status_code}: the API redirects, which is refused because the prompt would follow"
    sent = error.response.headers.get("content-type", "no content type")
    message = f"{error.status_code} with {sent}: {excerpt(str(error.body or ''), redact)}"
    if error.status_code != httpx2.codes.NOT_FOUND:
        return message
    # Nobody serves the Messages API there: what every request would be told.
    message += f"; this is no answer of the API, the request went to {redact(str(url))}"
    return f"{message}: set {variable} without /v1" if is_doubled else f"{message}: look at {variable}"


def _of_the_cloud(error: anthropic.APIStatusError) -> tuple[str | None, str | None]:
    """Return the kind and the words of an error as Amazon and Google write it; None for any other form.

    Forms: the header `x-amzn-errortype` beside `{"message": ...}`, and `{"error": {"status", "message"}}`.
    """
    body: object = error.body
    if not isinstance(body, Mapping):
        return None, None
    if kind := error.response.headers.get("x-amzn-errortype", "").partition(":")[0]:
        return kind, _said(body.get("message", body.get("Message")))
    said = body.get("error")
    return (
        (_said(said.get("status")), _said(said.get("message"))) if isinstance(said, Mapping) else (None, None)
    )
