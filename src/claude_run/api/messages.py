"""One attempt at `POST /v1/messages`: a whole message as raw JSON, or a failure."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict

import anthropic

from claude_run.api.client import secrets_of
from claude_run.api.environment import route
from claude_run.api.errors import (
    TRANSPORT_ERRORS,
    from_broken_body,
    from_error_body,
    from_status_error,
    from_transport_error,
    is_error,
    quoted,
    request_id_of,
)
from claude_run.api.providers import credential_errors
from claude_run.api.reading import Reading
from claude_run.api.stream import Accumulator, events, parse_json
from claude_run.conversation.exchange import (
    CREDENTIAL_REPLACED,
    HEADER_PARAMS,
    Failure,
    InvalidReplyError,
    Reply,
    header_value,
)
from claude_run.plan.model_rules import extra_headers
from claude_run.plan.providers import ANTHROPIC
from claude_run.play.ports import Received, RequestFailedError
from claude_run.record.redact import Redactor, bare_credential, is_searched_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    import httpx2
    from anthropic import AsyncAPIResponse

    from claude_run.api.errors import Redact
    from claude_run.api.providers import Client
    from claude_run.conversation.exchange import Request
    from claude_run.plan.providers import Provider
    from claude_run.play.ports import ReplyWatcher

MAX_BODY = 32 * 1024 * 1024
"""Bytes of a reply, after decompression, beyond which it is refused."""

_STREAM, _JSON = "text/event-stream", "application/json"
_SAY_NOTHING = ("", "application/octet-stream", "text/plain")
"""Content types of servers that do not know what they send."""

SIMULATOR_HEADER = "claude-run-simulator"

_UNREAD = {"X-Stainless-Raw-Response": "stream"}
"""By this header the SDK's own `with_streaming_response` tells it to hand over a response unread."""


_CREDENTIAL_HEADERS = ("x-api-key", "authorization", "x-amz-security-token")


class _Body(TypedDict, total=False):
    """A body in one of the forms that the SDK takes."""

    content: bytes
    body: dict[str, Any]


class AnthropicMessages:
    """The Messages API behind the port `play.ports.Messages`.

    `by_force` a request is sent so that the API itself decides on it, whatever its model is known to refuse.
    `provider` is the one that the client is for.
    With a `watcher` every reply is streamed, and it is told what comes.
    """

    def __init__(
        self,
        client: Client,
        redactor: Redactor | None = None,
        *,
        by_force: bool = False,
        provider: Provider = ANTHROPIC,
        watcher: ReplyWatcher | None = None,
    ) -> None:
        self._client = client
        self._watcher = watcher
        self._by_force = by_force
        self._provider = provider
        self._refusals: tuple[type[Exception], ...] = (anthropic.AnthropicError, *credential_errors())
        self._redactor = (redactor or Redactor()).knowing(secrets_of(client))
        self._route = route(str(client.base_url), provider.base_url)

    async def send(self, request: Request) -> Received:
        """Send the request once, its body as it is; RequestFailedError unless a whole message comes back.

        This is where replies enter the program: the credential in use leaves them here, and nowhere else.
        """
        try:
            received = await self._exchange(request)
        except RequestFailedError as error:
            failure = error.failure
            kind, code, request_id = map(self._clean, (failure.type, failure.code, failure.request_id))
            cleaned = replace(failure, type=kind, code=code, request_id=request_id)
            raise RequestFailedError(cleaned) from error
        reply = _without_credential(received.reply, self._redactor)
        return replace(received, reply=reply, request_id=self._clean(received.request_id))

    async def _exchange(self, request: Request) -> Received:
        streamed = self._provider.streams and (request.streamed or self._watcher is not None)
        body, headers = self._written(request, streamed=streamed)
        try:
            response = await self._client.post(
                # As the SDK sends betas.
                "/v1/messages?beta=true" if "betas" in request.body else "/v1/messages",
                cast_to=anthropic.AsyncAPIResponse[object],
                **body,
                options={"headers": {**headers, **_UNREAD}},
            )
        except anthropic.APIStatusError as error:
            self._learn_credential(error.request)
            failure = from_status_error(error, self._redact, variable=self._provider.base_url)
            raise RequestFailedError(failure) from error
        except (anthropic.APIConnectionError, *TRANSPORT_ERRORS) as error:
            failure = from_transport_error(error, self._redact, route=self._route)
            raise RequestFailedError(failure) from error
        except self._refusals as error:
            message = self._redact(str(error))
            failure = Failure(kind="credentials", message=message, may_retry=False, paid="no")
            raise RequestFailedError(failure) from error
        try:
            self._learn_credential(response.http_request)
            return await _receive(response, streamed=streamed, redact=self._redact, reading=self._reading())
        except TRANSPORT_ERRORS as error:
            request_id = request_id_of(response.headers)
            raise RequestFailedError(from_broken_body(error, self._redact, request_id=request_id)) from error
        finally:
            await response.close()

    def _written(self, request: Request, *, streamed: bool) -> tuple[_Body, dict[str, str]]:
        """Return the body of a request as the SDK takes it, and the headers that go with it."""
        body: dict[str, Any] = {**request.body, "stream": streamed}
        headers = {
            header: header_value(body.pop(name)) for name, header in HEADER_PARAMS.items() if name in body
        }
        extra = extra_headers(request.model, request.body, by_force=self._by_force)
        if not self._provider.caches_by_itself:
            body.pop("cache_control", None)
        if self._provider.names_model_in_path:
            # Its client takes the body apart: the model goes into the address, the version into the body.
            body.update({name.replace("-", "_"): value for name, value in extra.items()})
            return {"body": body}, headers
        # Otherwise the SDK gets bytes. Values it would look into, by name, and copy part by part: for a long
        # history that costs more than everything else together.
        content = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        return {"content": content}, {**headers, **extra}

    def _reading(self) -> Reading | None:
        if self._watcher is None:
            return None
        return Reading(self._watcher, self._redact, holds_back=bool(self._redactor))

    def _redact(self, text: str) -> str:
        return self._redactor.text(text)

    def _clean(self, text: str | None) -> str | None:
        return None if text is None else self._redact(text)

    def _learn_credential(self, sent: httpx2.Request) -> None:
        """Know what the request went out with: a profile of the SDK gets a new token whenever it likes."""
        for name in _CREDENTIAL_HEADERS:
            value = sent.headers.get(name, "")
            # A signature holds for one request: nobody could use it again.
            secret = "" if value.startswith("AWS4-") else bare_credential(value)
            if is_searched_for(secret) and not self._redactor.finds(secret):
                self._redactor = self._redactor.knowing([secret])


def _without_credential(reply: Reply, redactor: Redactor) -> Reply:
    """Return a reply in which no secret stands; one that held none is the same, one that did says so."""
    # Nearly every reply is free of them, in each of its strings and in the text that its blocks make.
    if not redactor.finds_in(reply.body) and not redactor.finds(reply.text):
        return reply
    body: Any = redactor.json(reply.body)
    # Text is read as one, whatever blocks it comes in.
    blocks = [block for block in body["content"] if block["type"] == "text" and block.get("text")]
    for block, text in zip(blocks, redactor.texts([block["text"] for block in blocks]), strict=True):
        block["text"] = text
    return reply if body == reply.body else Reply.from_body({**body, CREDENTIAL_REPLACED: True})


async def _receive(
    response: AsyncAPIResponse[Any], *, streamed: bool, redact: Redact, reading: Reading | None
) -> Received:
    request_id = request_id_of(response.headers)
    body: Mapping[str, Any] | None = None
    try:
        body = await _read_body(response, streamed=streamed, redact=redact, reading=reading)
        reply = Reply.from_body(body)
    except InvalidReplyError as error:
        # What is wrong, what stands there, and what the whole says: it may be an error in a form of its own.
        message = f"invalid reply: {redact(error.problem)}"
        message += "" if error.came is None else f": {quoted(error.came, redact)}"
        message += "" if body is None else f"; it says: {quoted(body, redact)}"
        failure = Failure(kind="invalid_reply", message=message, request_id=request_id)
        raise RequestFailedError(failure) from error
    return Received(
        reply=reply,
        request_id=request_id,
        simulated=SIMULATOR_HEADER in response.headers,
        headers=response.headers,
    )


async def _read_body(
    response: AsyncAPIResponse[Any], *, streamed: bool, redact: Redact, reading: Reading | None
) -> Mapping[str, Any]:
    # What a proxy answers in the API's place may have the status 200 too: its content type tells. A gateway
    # may also answer whole where a stream was asked for, or stream unasked: what it says it sends is read.
    wanted = _STREAM if streamed else _JSON
    found = response.headers.get("content-type", "")
    kind = found.partition(";")[0].strip().lower()
    kind = wanted if kind in _SAY_NOTHING else _JSON if kind.endswith(("/json", "+json")) else kind
    _refuse_unknown_codings(response)
    if kind not in {_STREAM, _JSON}:
        problem = f"status {response.status_code} with content type {found!r}, not {wanted}"
        async for chunk in _capped(response):
            raise InvalidReplyError(problem, chunk)
        raise InvalidReplyError(problem)
    if kind == _STREAM:
        return await _read_stream(response, redact, reading)

    data = b"".join([chunk async for chunk in _capped(response)])
    body = parse_json(data, "the body")
    if not isinstance(body, dict):
        raise InvalidReplyError("the body is not a JSON object", data)
    if is_error(body):
        request_id = request_id_of(response.headers)
        raise RequestFailedError(from_error_body(body, request_id, where="under status 200", redact=redact))
    return body


def _refuse_unknown_codings(response: AsyncAPIResponse[Any]) -> None:
    """Raise InvalidReplyError for a body that is packed in a way that nobody asked for, or can unpack."""
    known = {"", "identity", *_names(response.http_request.headers, "accept-encoding")}
    for coding in _names(response.headers, "content-encoding"):
        if coding not in known:
            raise InvalidReplyError("the body is packed in a way that nobody asked for", coding)


def _names(headers: httpx2.Headers, name: str) -> Sequence[str]:
    return [each.strip().lower() for each in headers.get(name, "").split(",")]


async def _read_stream(
    response: AsyncAPIResponse[Any], redact: Redact, reading: Reading | None
) -> Mapping[str, Any]:
    message, request_id = Accumulator(), request_id_of(response.headers)
    first: list[bytes] = []
    said: object = None
    async for event in events(_capped(response, first)):
        if is_error(event):
            raise RequestFailedError(from_error_body(event, request_id, where="in mid-stream", redact=redact))
        message.add(event)
        if reading is not None:
            reading.take(event)
        if message.message is not None:
            return message.message
        said = said if "type" in event else event
    # Its last word may be an error in a form of its own; where no message began, whatever came is.
    if said is None and not message.has_begun:
        said = b"".join(first) or None
    problem = "the stream ended before its message did"
    problem += "" if said is None else f"; it says: {quoted(said, redact)}"
    raise RequestFailedError(Failure(kind="truncated", message=problem, request_id=request_id))


async def _capped(response: AsyncAPIResponse[Any], first: list[bytes] | None = None) -> AsyncIterator[bytes]:
    """Yield the body as it comes, up to its limit: nobody holds an endless reply in memory.

    What comes first goes into `first` too, for whoever wants to quote it.
    """
    size = 0
    async for chunk in response.iter_bytes():
        if first is not None and not size:
            first.append(chunk)
        size += len(chunk)
        if size > MAX_BODY:
            message = f"invalid reply: the body is longer than {MAX_BODY} bytes"
            raise RequestFailedError(Failure(kind="invalid_reply", message=message, may_retry=False))
        yield chunk
