"""The Message Batches API: batches submitted, looked at, listed, canceled, and their results as they come.

A batch is submitted as bytes that were written once, and its results are read line by line: neither is ever
a list of objects in memory. The address of the results is the documented one below the base URL, not the one
that the batch names: no credential goes to a host that somebody else has chosen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeGuard
from urllib.parse import quote

from claude_run.api.calls import Calls
from claude_run.api.errors import from_error_body, quoted, request_id_of
from claude_run.api.messages import MAX_BODY, SIMULATOR_HEADER, as_json, parameters, without_credential
from claude_run.api.stream import parse_json
from claude_run.conversation.exchange import Failure, InvalidReplyError, Reply
from claude_run.plan.model_rules import extra_headers
from claude_run.plan.providers import ANTHROPIC
from claude_run.play.ports import BatchState, PackedRequest, Received, RequestFailedError
from claude_run.record.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from anthropic import AsyncAPIResponse

    from claude_run.api.providers import Client
    from claude_run.conversation.exchange import Request
    from claude_run.plan.providers import Provider

_PATH = "/v1/messages/batches"
_PAGE = 100
_NAME = re.compile(r"(?!\.+\Z)[!-~]{1,256}")
"""What a batch, or a time of it, may read: it goes into an address, lines for people, and the journal."""

_BETA, _WORKSPACE = "anthropic-beta", "anthropic-workspace-id"
_ENDS: Mapping[str, Failure] = {
    "expired": Failure(kind="expired", message="its batch expired before it was answered", paid="no"),
    "canceled": Failure(kind="canceled", message="its batch was canceled before it was answered", paid="no"),
}
"""What the API bills nothing for (messages-api reference, section 5)."""


class AnthropicBatches:
    """The Message Batches API behind the port `play.ports.Batches`.

    `by_force` and `provider` are as for `AnthropicMessages`.
    """

    def __init__(
        self,
        client: Client,
        redactor: Redactor | None = None,
        *,
        by_force: bool = False,
        provider: Provider = ANTHROPIC,
    ) -> None:
        self._calls = Calls(client, redactor or Redactor(), provider)
        self._by_force = by_force
        self._provider = provider

    def pack(self, request: Request) -> PackedRequest:
        body, headers = parameters(request, provider=self._provider)
        extra = extra_headers(request.model, request.body, by_force=self._by_force)
        return PackedRequest(content=as_json(body), headers={**headers, **extra})

    async def submit(self, items: Sequence[tuple[str, bytes]], headers: Mapping[str, str]) -> BatchState:
        parts = [b'{"custom_id":%s,"params":%s}' % (json.dumps(name).encode(), raw) for name, raw in items]
        content = b'{"requests":[%s]}' % b",".join(parts)
        path = f"{_PATH}?beta=true" if _BETA in headers else _PATH
        async with self._calls.response(path, body={"content": content}, headers=headers) as response:
            return await self._state(response)

    async def state(self, batch: str, headers: Mapping[str, str]) -> BatchState:
        async with self._calls.response(_path(batch), headers=_workspace(headers)) as response:
            return await self._state(response)

    async def listed(self, headers: Mapping[str, str]) -> AsyncIterator[BatchState]:
        query: dict[str, object] = {"limit": _PAGE}
        while True:
            async with self._calls.response(_PATH, headers=_workspace(headers), query=query) as response:
                page = await self._json(response)
                simulated = SIMULATOR_HEADER in response.headers
            data = page.get("data")
            states = [self._read_state(each, simulated=simulated) for each in _list(data)]
            for state in states:
                yield state
            # A page that brings nothing new is the last one, whatever it says.
            if page.get("has_more") is not True or not states or query.get("after_id") == states[-1].id:
                return
            query["after_id"] = states[-1].id

    async def results(
        self, batch: str, headers: Mapping[str, str]
    ) -> AsyncIterator[tuple[str, Received | Failure]]:
        async with self._calls.response(f"{_path(batch)}/results", headers=_workspace(headers)) as response:
            simulated = SIMULATOR_HEADER in response.headers
            problem: RequestFailedError | None = None
            async for line in _lines(response):
                try:
                    name, found = self._result(line, batch, simulated=simulated)
                except RequestFailedError as error:
                    problem = problem or error  # what stands in the other lines is not lost with this one
                    continue
                yield name, found
            if problem is not None:
                raise problem

    async def cancel(self, batch: str, headers: Mapping[str, str]) -> None:
        path, empty = f"{_path(batch)}/cancel", b"{}"
        async with self._calls.response(
            path, body={"content": empty}, headers=_workspace(headers)
        ) as response:
            await self._state(response)

    async def _state(self, response: AsyncAPIResponse[Any]) -> BatchState:
        simulated = SIMULATOR_HEADER in response.headers
        return self._read_state(await self._json(response), simulated=simulated)

    def _read_state(self, body: object, *, simulated: bool) -> BatchState:
        counts = body.get("request_counts") if isinstance(body, Mapping) else None
        if (
            not isinstance(body, Mapping)
            or not _is_name(body.get("id"))
            or not _is_name(body.get("created_at"))
            or not isinstance(counts, Mapping)
        ):
            raise _invalid(f"no batch is what the API answers: {quoted(body, self._calls.redact)}")
        expires_at = body.get("expires_at")
        return BatchState(
            id=body["id"],
            size=sum(each for each in counts.values() if isinstance(each, int)),
            ended=body.get("processing_status") == "ended",
            created_at=body["created_at"],
            expires_at=expires_at if _is_name(expires_at) else None,
            simulated=simulated,
        )

    async def _json(self, response: AsyncAPIResponse[Any]) -> Mapping[str, Any]:
        raw = bytearray()
        async for chunk in response.iter_bytes():
            raw += chunk
            if len(raw) > MAX_BODY:
                raise _invalid(f"the body is longer than {MAX_BODY} bytes")
        try:
            body = parse_json(bytes(raw), "the body")
        except InvalidReplyError as error:
            problem = f"{self._calls.redact(error.problem)}: {quoted(bytes(raw), self._calls.redact)}"
            raise _invalid(problem, request_id_of(response.headers)) from error
        if not isinstance(body, Mapping):
            raise _invalid(f"the body is not a JSON object: {quoted(body, self._calls.redact)}")
        return body

    def _result(self, line: bytes, batch: str, *, simulated: bool) -> tuple[str, Received | Failure]:
        """Read one line: what became of a request; RequestFailedError for what is no such line."""
        redact = self._calls.redact
        try:
            value = parse_json(line, "a line of the results")
        except InvalidReplyError as error:
            raise _invalid(f"{redact(error.problem)}: {quoted(line, redact)}") from error
        name = value.get("custom_id") if isinstance(value, Mapping) else None
        result = value.get("result") if isinstance(value, Mapping) else None
        if not isinstance(name, str) or not isinstance(result, Mapping):
            raise _invalid(f"a line of the results says nothing of a request: {quoted(line, redact)}")
        match result.get("type"):
            case "succeeded":
                return name, self._reply(result.get("message"), batch, simulated=simulated)
            case "errored" if isinstance(result.get("error"), Mapping):
                return name, self._failure(result["error"])
            case str(kind) if kind in _ENDS:
                return name, _ENDS[kind]
            case _:
                message = f"invalid reply: its result is of an unknown kind: {quoted(result, redact)}"
                return name, Failure(kind="invalid_reply", message=message)

    def _reply(self, message: object, batch: str, *, simulated: bool) -> Received | Failure:
        """Return a reply as a live one is; its id at the API is that of its batch."""
        redact = self._calls.redact
        try:
            reply = without_credential(Reply.from_body(message), self._calls.redactor)
        except InvalidReplyError as error:
            said = f"invalid reply: {redact(error.problem)}"
            said += "" if error.came is None else f": {quoted(error.came, redact)}"
            return Failure(kind="invalid_reply", message=f"{said}; it says: {quoted(message, redact)}")
        return Received(reply=reply, request_id=batch, simulated=simulated)

    def _failure(self, error: Mapping[str, Any]) -> Failure:
        # Either the whole body of an error, or what stands in it.
        body = error if isinstance(error.get("error"), Mapping) else {"type": "error", "error": error}
        request_id = error.get("request_id")
        failure = from_error_body(
            {**body, "type": "error"},
            request_id if isinstance(request_id, str) else None,
            where="in a batch",
            redact=self._calls.redact,
        )
        clean = self._calls.clean
        return replace(
            failure,
            type=clean(failure.type),
            code=clean(failure.code),
            request_id=clean(failure.request_id),
            paid="no",
        )


async def _lines(response: AsyncAPIResponse[Any]) -> AsyncIterator[bytes]:
    """Yield the lines of a body as they come; the last may lack its end."""
    rest = bytearray()
    async for chunk in response.iter_bytes():
        rest += chunk
        if b"\n" in chunk:
            *lines, last = bytes(rest).split(b"\n")
            rest = bytearray(last)
            for line in lines:
                if line.strip():
                    yield line
        if len(rest) > 2 * MAX_BODY:
            raise _invalid(f"a line of the results is longer than {2 * MAX_BODY} bytes")
    if rest.strip():
        yield bytes(rest)


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _list(value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise _invalid("the API lists no batches")
    return value


def _path(batch: str) -> str:
    """Return the path of a batch; its name is the API's, and is not trusted to be a part of one."""
    return f"{_PATH}/{quote(batch, safe='')}"


def _workspace(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in headers.items() if name == _WORKSPACE}


def _invalid(problem: str, request_id: str | None = None) -> RequestFailedError:
    message = f"invalid reply: {problem}"
    return RequestFailedError(Failure(kind="invalid_reply", message=message, request_id=request_id))
