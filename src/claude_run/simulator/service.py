"""Requests in, answers out: authentication, routes, faults, and the ledger of what was asked."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter, deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from claude_run.simulator.batches import MAX_BATCH_BYTES, BatchStore, results_of
from claude_run.simulator.connection import Connection
from claude_run.simulator.engine import Engine
from claude_run.simulator.fault_injection import comes_instead, send_instead, send_reply
from claude_run.simulator.faults import Call
from claude_run.simulator.problems import ApiError, refused
from claude_run.simulator.validation import MAX_BODY_BYTES, check_version, parse_body

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp import web

    from claude_run.scenario.json_values import JsonObject
    from claude_run.simulator.faults import FaultScript
    from claude_run.simulator.replies import ReplyBook

MESSAGES_PATH = "/v1/messages"
COUNT_TOKENS_PATH = "/v1/messages/count_tokens"
MODELS_PATH = "/v1/models"
BATCHES_PATH = "/v1/messages/batches"
_MAX_SEEN = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One request that the simulator was asked: the tests' witness of what really went over the wire.

    `number` counts the requests to this path, from 1. `auth` is the scheme (`bearer`, `x-api-key`) or None,
    never the key; `beta` is the header of that name. `body` is None where there is no JSON object. `status`
    is None until an answer begins: for a connection that was closed or still hangs.
    """

    number: int
    method: str
    path: str
    auth: str | None
    version: str | None
    beta: str | None
    body: JsonObject | None
    status: int | None = None


class Ledger:
    """The last `limit` requests in order of arrival; None keeps all of them."""

    def __init__(self, limit: int | None) -> None:
        self._entries: deque[list[LedgerEntry]] = deque(maxlen=limit)

    @property
    def entries(self) -> tuple[LedgerEntry, ...]:
        return tuple(cell[0] for cell in self._entries)

    def add(self, entry: LedgerEntry) -> Callable[[int], None]:
        """Keep a request that arrived; return the function that notes the status of its answer."""
        cell = [entry]
        self._entries.append(cell)

        def answered(status: int) -> None:
            cell[0] = replace(cell[0], status=status)

        return answered


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrival:
    """A request that is fully read. `problem` says why it has no body where one is asked for."""

    request: web.BaseRequest
    connection: Connection
    call: Call
    problem: ApiError | None

    @property
    def body(self) -> JsonObject:
        if self.call.body is None:
            raise self.problem or refused("The request body is empty")
        return self.call.body


class Service:
    """The request handler of one simulator, from its start to `close`."""

    def __init__(
        self, replies: ReplyBook, faults: FaultScript, *, clock: Callable[[], float], ledger_limit: int | None
    ) -> None:
        self.ledger = Ledger(ledger_limit)
        self._engine = Engine(replies, clock, cache_delay_s=faults.cache_delay_s)
        self._batches = BatchStore(self._engine, faults, clock=clock)
        self._faults = faults
        self._closing = asyncio.Event()
        self._numbers: Counter[str] = Counter()
        self._seen: dict[bytes, int] = {}

    def close(self) -> None:
        """Wake everything that waits or hangs, so that the server can stop."""
        self._closing.set()
        self._batches.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request of any kind."""
        arrival = await self._receive(request)
        try:
            return await self._answer(arrival)
        except ApiError as error:
            problem = error
        except RecursionError:
            problem = refused("The request body is nested too deeply")
        body = problem.body(arrival.connection.request_id)
        return await arrival.connection.send_json(body, status=problem.status)

    async def _receive(self, request: web.BaseRequest) -> _Arrival:
        # A body that is too large or no JSON object is a problem only where one is asked for.
        raw = await _read(request, MAX_BATCH_BYTES if request.path == BATCHES_PATH else MAX_BODY_BYTES)
        body: JsonObject | None = None
        problem: ApiError | None = None
        if raw is None:
            problem = ApiError(413, "Request exceeds the maximum size")
        elif raw:
            try:
                body = parse_body(raw)
            except ApiError as error:
                problem = error

        # Faults go by the number of the request, and chance by how often just this body came.
        self._numbers[request.path] += 1
        digest = hashlib.sha256(raw or b"").digest()
        call = Call(number=self._numbers[request.path], digest=digest, seen=self._count(digest), body=body)
        answered = self.ledger.add(
            LedgerEntry(
                number=call.number,
                method=request.method,
                path=request.path,
                auth=_auth_scheme(request.headers),
                version=request.headers.get("anthropic-version"),
                beta=request.headers.get("anthropic-beta"),
                body=body,
            )
        )

        # The id follows from the request, and tells a repeated one from the first.
        text = f"{request.method} {request.path}\n{call.seen}\n".encode() + digest
        request_id = f"req_sim_{hashlib.sha256(text).hexdigest()[:24]}"
        connection = Connection(request, request_id=request_id, closing=self._closing, on_status=answered)
        return _Arrival(request=request, connection=connection, call=call, problem=problem)

    async def _answer(self, arrival: _Arrival) -> web.StreamResponse:
        request = arrival.request
        if _auth_scheme(request.headers) is None:
            raise ApiError(401, "an Authorization: Bearer or x-api-key header is required")
        if (request.method, request.path) == ("POST", MESSAGES_PATH):
            return await self._answer_message(arrival)
        if request.path == BATCHES_PATH or request.path.startswith(f"{BATCHES_PATH}/"):
            check_version(request.headers.get("anthropic-version"))
            return await self._answer_batch(arrival)
        return await arrival.connection.send_json(self._other(arrival))

    async def _answer_message(self, arrival: _Arrival) -> web.StreamResponse:
        # A fault may come instead of a reply: then nobody looks at what the request says.
        fault, delay_s = self._faults.pick(arrival.call), self._faults.delay_s(arrival.call)
        if fault is not None and comes_instead(fault):
            await arrival.connection.pause(delay_s)
            stream = arrival.call.body is not None and arrival.call.body.get("stream") is True
            return await send_instead(arrival.connection, fault, stream=stream)
        # A bad request is refused at once; what it caches can be read once its reply begins.
        prepared = self._engine.prepare(
            arrival.body, arrival.request.headers, misses_cache=self._faults.misses_cache(arrival.call)
        )
        await arrival.connection.pause(delay_s)
        self._engine.begin(prepared)
        return await send_reply(arrival.connection, prepared.message, fault, stream=prepared.stream)

    async def _answer_batch(self, arrival: _Arrival) -> web.StreamResponse:
        request, connection, batches = arrival.request, arrival.connection, self._batches
        name, _, action = request.path.removeprefix(BATCHES_PATH).lstrip("/").partition("/")
        here = f"http://{request.host}"
        fault = self._faults.pick(arrival.call)
        if fault is not None and comes_instead(fault):
            return await send_instead(connection, fault, stream=False)
        match request.method, bool(name), action:
            case "POST", False, "":
                batch = batches.create(arrival.body, request.headers)
                if batches.loses_answer():
                    return connection.reset()
            case "GET", False, "":
                return await connection.send_json(batches.page(request.query, here))
            case "GET", True, "":
                batch = batches.find(name)
            case "GET", True, "results":
                return await connection.send_lines(results_of(batches.find(name)))
            case "POST", True, "cancel":
                batch = batches.cancel(name)
            case "DELETE", True, "":
                return await connection.send_json(batches.delete(name))
            case _:
                raise ApiError(404, "Not found")
        return await connection.send_json(batch.to_json(here))

    def _other(self, arrival: _Arrival) -> JsonObject:
        method, path = arrival.request.method, arrival.request.path
        if (method, path) == ("POST", COUNT_TOKENS_PATH):
            return self._engine.count_tokens(arrival.body, arrival.request.headers)
        if method == "GET" and (path == MODELS_PATH or path.startswith(f"{MODELS_PATH}/")):
            check_version(arrival.request.headers.get("anthropic-version"))
            if path == MODELS_PATH:
                return self._engine.models(arrival.request.query)
            return self._engine.model(path.removeprefix(f"{MODELS_PATH}/"))
        raise ApiError(404, "Not found")

    def _count(self, digest: bytes) -> int:
        """Count how often just this body came; the oldest are forgotten when there are very many."""
        seen = self._seen.pop(digest, 0) + 1
        self._seen[digest] = seen
        if len(self._seen) > _MAX_SEEN:
            del self._seen[next(iter(self._seen))]
        return seen


async def _read(request: web.BaseRequest, most: int) -> bytes | None:
    """Read the body; None where it has more bytes than the API takes."""
    if (request.content_length or 0) > most:
        return None
    raw = bytearray()
    async for chunk in request.content.iter_any():
        raw += chunk
        if len(raw) > most:
            return None
    return bytes(raw)


def _auth_scheme(headers: Mapping[str, str]) -> str | None:
    """Return how a request authenticates: `bearer`, `x-api-key`, or None where it does not."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return "bearer"
    return "x-api-key" if headers.get("x-api-key", "").strip() else None
