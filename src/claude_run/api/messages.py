"""One attempt at `POST /v1/messages`: a whole message as raw JSON, or a failure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from claude_run.api.calls import Body, Calls
from claude_run.api.errors import from_error_body, is_error, quoted, request_id_of
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
from claude_run.conversation.usage import Usage
from claude_run.plan.model_rules import extra_headers
from claude_run.plan.providers import ANTHROPIC
from claude_run.play.ports import Received, RequestFailedError
from claude_run.record.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import httpx2
    from anthropic import AsyncAPIResponse

    from claude_run.api.errors import Redact
    from claude_run.api.providers import Client
    from claude_run.conversation.exchange import Request
    from claude_run.plan.providers import Provider
    from claude_run.play.ports import ReplyWatcher

MAX_BODY = 32 * 1024 * 1024
"""Bytes of a reply, after decompression, beyond which it is refused."""

_sent_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_STREAM, _JSON = "text/event-stream", "application/json"
_SAY_NOTHING = ("", "application/octet-stream", "text/plain")
"""Content types of servers that do not know what they send."""

SIMULATOR_HEADER = "claude-run-simulator"


_Take = Callable[[Mapping[str, Any]], None]
"""What is told each event of a stream."""


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
        self._calls = Calls(client, redactor or Redactor(), provider)
        self._watcher = watcher
        self._by_force = by_force
        self._provider = provider

    async def send(self, request: Request, *, began: Callable[[Usage], None] | None = None) -> Received:
        """Send the request once, its body as it is; RequestFailedError unless a whole message comes back.

        This is where replies enter the program: the credential in use leaves them here, and nowhere else.
        """
        # Where somebody wants to know that the reply begins, too, it is streamed.
        is_watched = self._watcher is not None or began is not None
        streamed = self._provider.streams and (request.streamed or is_watched)
        take = self._taking(began) if is_watched else None
        body, headers = self._written(request, streamed=streamed)
        # As the SDK sends betas.
        path = "/v1/messages?beta=true" if "betas" in request.body else "/v1/messages"
        async with self._calls.response(path, body=body, headers=headers) as response:
            received = await _receive(response, streamed=streamed, redact=self._calls.redact, take=take)
        reply = without_credential(received.reply, self._calls.redactor)
        request_id = self._calls.clean(received.request_id)
        if reply is received.reply and request_id == received.request_id:
            return received
        return replace(received, reply=reply, request_id=request_id)

    def _written(self, request: Request, *, streamed: bool) -> tuple[Body, dict[str, str]]:
        """Return the body of a request as the SDK takes it, and the headers that go with it."""
        body, headers = parameters(request, provider=self._provider)
        body["stream"] = streamed
        extra = extra_headers(request.model, request.body, by_force=self._by_force)
        if self._provider.names_model_in_path:
            # Its client takes the body apart: the model goes into the address, the version into the body.
            body.update({name.replace("-", "_"): value for name, value in extra.items()})
            return {"body": body}, headers
        # Otherwise the SDK gets bytes. Values it would look into, by name, and copy part by part: for a long
        # history that costs more than everything else together.
        return {"content": as_json(body)}, {**headers, **extra}

    def _taking(self, began: Callable[[Usage], None] | None) -> _Take:
        """Return what takes each event of one stream and tells those who watch it."""
        reading: Reading | None = None
        if self._watcher is not None:
            reading = Reading(self._watcher, self._calls.redact, holds_back=bool(self._calls.redactor))

        def take(event: Mapping[str, Any]) -> None:
            if began is not None and event.get("type") == "message_start":
                began(Usage.from_api(event["message"].get("usage")))
            if reading is not None:
                reading.take(event)

        return take


def parameters(request: Request, *, provider: Provider) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the body of a request as a provider takes it, and those of its parameters that are headers."""
    body: dict[str, Any] = dict(request.body)
    headers = {header: header_value(body.pop(name)) for name, header in HEADER_PARAMS.items() if name in body}
    if not provider.caches_by_itself:
        body.pop("cache_control", None)
    return body, headers


def as_json(body: Mapping[str, Any]) -> bytes:
    """Return a body as it goes over the wire."""
    return _sent_json(body).encode()


def without_credential(reply: Reply, redactor: Redactor) -> Reply:
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
    response: AsyncAPIResponse[Any], *, streamed: bool, redact: Redact, take: _Take | None
) -> Received:
    request_id = request_id_of(response.headers)
    body: Mapping[str, Any] | None = None
    try:
        body = await _read_body(response, streamed=streamed, redact=redact, take=take)
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
    response: AsyncAPIResponse[Any], *, streamed: bool, redact: Redact, take: _Take | None
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
        return await _read_stream(response, redact, take)

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
    if "content-encoding" not in response.headers:
        return
    known = {"", "identity", *_names(response.http_request.headers, "accept-encoding")}
    for coding in _names(response.headers, "content-encoding"):
        if coding not in known:
            raise InvalidReplyError("the body is packed in a way that nobody asked for", coding)


def _names(headers: httpx2.Headers, name: str) -> Sequence[str]:
    return [each.strip().lower() for each in headers.get(name, "").split(",")]


async def _read_stream(
    response: AsyncAPIResponse[Any], redact: Redact, take: _Take | None
) -> Mapping[str, Any]:
    message, request_id = Accumulator(), request_id_of(response.headers)
    first: list[bytes] = []
    said: object = None
    async for event in events(_capped(response, first)):
        if is_error(event):
            raise RequestFailedError(from_error_body(event, request_id, where="in mid-stream", redact=redact))
        message.add(event)
        if take is not None:
            take(event)
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
