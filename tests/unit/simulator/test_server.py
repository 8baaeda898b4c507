"""The server as a plain HTTP client sees it: routes, headers, ledger, latency, and faults on the wire."""

from __future__ import annotations

import asyncio
import io
import json
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from claude_run import __version__
from claude_run.errors import InputError
from claude_run.simulator import server
from claude_run.simulator.fault_text import parse_faults
from claude_run.simulator.faults import FaultScript
from claude_run.simulator.server import Simulator
from claude_run.simulator.validation_messages import check_block
from tests.unit.simulator.in_order import InOrder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from syrupy.assertion import SnapshotAssertion

KEY = "sk-ant-secret"
HEADERS = {"authorization": f"Bearer {KEY}", "anthropic-version": "2026-10-21"}
BODY = {"model": "claude-haiku-5-5", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}


class _Client:
    """Posts to one simulator and reads whole answers."""

    def __init__(self, sim: Simulator, session: aiohttp.ClientSession) -> None:
        self.sim = sim
        self.session = session

    async def ask(
        self, method: str = "POST", path: str = "/v1/messages", **kwargs: Any
    ) -> tuple[int, Any, Any]:
        kwargs.setdefault("headers", HEADERS)
        if method == "POST" and "data" not in kwargs:
            kwargs.setdefault("json", BODY)
        url = self.sim.base_url + path
        async with self.session.request(method, url, allow_redirects=False, **kwargs) as answer:
            raw = await answer.read()
            body = json.loads(raw) if answer.content_type == "application/json" and raw else raw
            return answer.status, body, answer.headers


def _with(talk: Callable[[_Client], Awaitable[None]], **options: Any) -> Simulator:
    sim = Simulator(**options)

    async def run() -> None:
        async with sim, aiohttp.ClientSession() as session:
            await talk(_Client(sim, session))

    asyncio.run(run())
    return sim


def test_a_message() -> None:
    """A reply is a message, and its headers say that it is simulated, from whom, and within which limits."""

    async def talk(client: _Client) -> None:
        status, body, headers = await client.ask()
        assert (status, body["type"], body["id"][:8]) == (200, "message", "msg_sim_")
        assert headers["claude-run-simulator"] == __version__
        assert headers["request-id"].startswith("req_sim_")
        assert headers["anthropic-organization-id"] == "org_sim"
        for name in ("requests", "tokens", "input-tokens", "output-tokens"):
            assert int(headers[f"anthropic-ratelimit-{name}-remaining"]) > 0
            assert headers[f"anthropic-ratelimit-{name}-reset"].endswith("Z")

    _with(talk)


def test_stream_text(snapshot: SnapshotAssertion) -> None:
    """The events of a stream are exactly those of the API."""

    async def talk(client: _Client) -> None:
        status, raw, headers = await client.ask(json={**BODY, "stream": True})
        assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert raw.decode() == snapshot

    _with(talk, replies=InOrder(["Thirty days, from the day of purchase."]))


@pytest.mark.parametrize(
    ("headers", "scheme"),
    [
        ({"x-api-key": KEY}, "x-api-key"),
        ({"authorization": f"bearer {KEY}"}, "bearer"),
        ({"authorization": f"Basic {KEY}"}, None),
        ({"authorization": "Bearer "}, None),
        ({"x-api-key": " "}, None),
        ({}, None),
    ],
)
def test_authentication(headers: dict[str, str], scheme: str | None) -> None:
    """A request needs a bearer token or a key; the ledger keeps the scheme and never the secret."""

    async def talk(client: _Client) -> None:
        status, body, _ = await client.ask(headers={"anthropic-version": "2026-10-21", **headers})
        assert (status == 200) is (scheme is not None)
        if scheme is None:
            assert (status, body["error"]["type"]) == (401, "authentication_error")

    sim = _with(talk)
    assert [entry.auth for entry in sim.ledger] == [scheme]
    assert KEY not in repr(sim.ledger)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/messages"), ("POST", "/v1/models"), ("GET", "/"), ("PUT", "/v1/messages/batches/x")],
)
def test_everything_else_is_not_found(method: str, path: str) -> None:
    """Other paths and methods get the API's 404 body, with the header that says who answered."""

    async def talk(client: _Client) -> None:
        status, body, headers = await client.ask(method, path)
        assert (status, body["error"]) == (404, {"type": "not_found_error", "message": "Not found"})
        assert body["request_id"] == headers["request-id"]
        assert headers["claude-run-simulator"] == __version__

    _with(talk)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "is empty"),
        (b"{", "not valid JSON"),
        (
            b'{"model":"claude-haiku-5-5","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text",'
            b'"text":"a"}]}],"metadata":' + b'{"a":' * 100_000,
            "not valid JSON",
        ),
    ],
)
def test_malformed_bodies(data: bytes, text: str) -> None:
    """What is not a JSON object is a 400 and is in the ledger without a body."""

    async def talk(client: _Client) -> None:
        status, body, _ = await client.ask(data=data)
        assert (status, body["error"]["type"]) == (400, "invalid_request_error")
        assert text in body["error"]["message"]

    sim = _with(talk)
    assert [(entry.body, entry.status) for entry in sim.ledger] == [(None, 400)]


def test_a_body_that_is_nested_too_deeply() -> None:
    """JSON that can be parsed but not walked is refused, not crashed on."""
    deep: Any = {}
    for _ in range(800):
        deep = {"a": deep}
    tools = [{"name": "t", "input_schema": {"type": "object", "properties": deep}}]

    async def talk(client: _Client) -> None:
        status, body, _ = await client.ask(json={**BODY, "tools": tools})
        assert (status, body["error"]["message"]) == (400, "The request body is nested too deeply")

    _with(talk)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large(chunked: bool) -> None:
    """Beyond 32 MB the answer is 413, whether the length was announced or not."""
    big = b" " * (32 * 1024 * 1024 + 1)

    async def pieces() -> Any:
        yield big[: len(big) // 2]
        yield big[len(big) // 2 :]

    async def talk(client: _Client) -> None:
        status, body, _ = await client.ask(data=pieces() if chunked else io.BytesIO(big))
        assert (status, body["error"]["type"]) == (413, "request_too_large")

    _with(talk)


def test_models_and_pages() -> None:
    """The list of models is paged by id, and a single model can be asked for by id or alias."""

    async def talk(client: _Client) -> None:
        _, whole, _ = await client.ask("GET", "/v1/models?limit=1000")
        ids = [model["id"] for model in whole["data"]]
        assert (whole["has_more"], whole["first_id"], whole["last_id"]) == (False, ids[0], ids[-1])
        _, page, _ = await client.ask("GET", f"/v1/models?limit=2&after_id={ids[0]}")
        assert ([model["id"] for model in page["data"]], page["has_more"]) == (ids[1:3], True)
        _, page, _ = await client.ask("GET", f"/v1/models?before_id={ids[1]}")
        assert [model["id"] for model in page["data"]] == ids[:1]
        _, page, _ = await client.ask("GET", f"/v1/models?after_id={ids[-1]}")
        assert (page["data"], page["first_id"]) == ([], None)
        _, model, _ = await client.ask("GET", "/v1/models/claude-opus-4-5")
        assert (model["id"], model["display_name"]) == ("claude-opus-4-5-20251101", "Claude Opus 4.5")

    _with(talk)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/models/gpt", (404, "model: gpt")),
        ("/v1/models?limit=0", (400, "limit: Input should be a whole number from 1 to 1000")),
        ("/v1/models?limit=x", (400, "limit: Input should be a whole number from 1 to 1000")),
        ("/v1/models?after_id=gpt", (400, "after_id: no model has this id")),
    ],
)
def test_wrong_questions_about_models(path: str, expected: tuple[int, str]) -> None:
    """Unknown models and odd page limits are refused."""

    async def talk(client: _Client) -> None:
        status, body, _ = await client.ask("GET", path)
        assert (status, body["error"]["message"]) == expected

    _with(talk)


def test_count_tokens() -> None:
    """The count is the whole prompt, as in the usage of a message; it takes no max_tokens."""
    asked = {key: value for key, value in BODY.items() if key != "max_tokens"}

    async def talk(client: _Client) -> None:
        path = "/v1/messages/count_tokens"
        _, counted, _ = await client.ask(path=path, json=asked)
        _, message, _ = await client.ask()
        assert counted == {"input_tokens": message["usage"]["input_tokens"]}
        status, body, _ = await client.ask(path=path)
        assert (status, body["error"]["message"]) == (400, "max_tokens: Extra inputs are not permitted")

    _with(talk)


def test_ledger_in_order_and_bounded() -> None:
    """The ledger numbers requests by path and keeps the last ones."""

    async def talk(client: _Client) -> None:
        await client.ask()
        await client.ask("GET", "/v1/models/gpt")
        await client.ask()

    sim = _with(talk, ledger_limit=2)
    assert [(entry.method, entry.path, entry.number, entry.status) for entry in sim.ledger] == [
        ("GET", "/v1/models/gpt", 1, 404),
        ("POST", "/v1/messages", 2, 200),
    ]
    assert sim.ledger[1].body == BODY
    assert sim.ledger[1].version == "2026-10-21"
    assert Simulator().ledger == ()


def test_request_ids_tell_repetitions_apart() -> None:
    """Equal requests have different request ids, and another run gives the same ones."""
    runs: list[list[str]] = []

    async def talk(client: _Client) -> None:
        runs.append([(await client.ask())[2]["request-id"] for _ in range(2)])

    _with(talk)
    _with(talk)
    assert runs[0] == runs[1]
    assert runs[0][0] != runs[0][1]


@pytest.mark.parametrize("latency", [0.08, (0.08, 0.09)])
def test_latency(latency: float | tuple[float, float]) -> None:
    """Messages wait for the latency that was asked for."""

    async def talk(client: _Client) -> None:
        begin = time.monotonic()
        await client.ask()
        assert time.monotonic() - begin >= 0.08

    _with(talk, latency_s=latency)


def test_latency_is_for_messages_only() -> None:
    """Other endpoints answer at once."""

    async def talk(client: _Client) -> None:
        timeout = aiohttp.ClientTimeout(total=20)
        assert (await client.ask("GET", "/v1/models", timeout=timeout))[0] == 200

    _with(talk, latency_s=60.0)


def test_latency_of_the_script_holds_without_another() -> None:
    """A fault script brings its own latency."""

    async def talk(client: _Client) -> None:
        begin = time.monotonic()
        await client.ask()
        assert time.monotonic() - begin >= 0.05

    _with(talk, faults=parse_faults("latency=50ms"))


def test_a_port_that_is_taken() -> None:
    """Where it cannot listen it says where and what to do; it can be entered again elsewhere."""

    async def run() -> None:
        async with Simulator() as first:
            for port in (first.port, 99_999):
                with pytest.raises(InputError, match=f"port {port}: .*choose another port"):
                    await Simulator(port=port).__aenter__()

    asyncio.run(run())


def test_base_url_of_ipv6() -> None:
    """A literal IPv6 address stands in brackets."""
    assert Simulator(host="::1", port=8080).base_url == "http://[::1]:8080"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("close", aiohttp.ServerDisconnectedError),
        ("reset", aiohttp.ClientOSError),
        ("cut", aiohttp.ClientPayloadError),
        ("hang", TimeoutError),
        ("stall", TimeoutError),
    ],
)
def test_broken_connections(fault: str, error: type[Exception], stream: bool) -> None:
    """Each broken connection looks to the client like the real one, and the next request is fine."""
    timeout = aiohttp.ClientTimeout(total=0.2 if error is TimeoutError else 20.0)

    async def talk(client: _Client) -> None:
        with pytest.raises(error):
            await client.ask(json={**BODY, "stream": stream}, timeout=timeout)
        assert (await client.ask())[0] == 200

    sim = _with(talk, faults=parse_faults(f"{fault}@1"))
    begun = 200 if fault in {"cut", "stall"} else None
    assert [entry.status for entry in sim.ledger] == [begun, 200]


def test_a_hanging_request_does_not_hold_the_server_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping the server ends what hangs or waits at once, whatever its grace."""
    monkeypatch.setattr(server, "_GRACE_S", 60.0)

    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            async with Simulator(faults=parse_faults("hang@1")) as sim:
                task = asyncio.create_task(_Client(sim, session).ask())
                await asyncio.sleep(0.05)
                assert [entry.status for entry in sim.ledger] == [None]
                begin = time.monotonic()
            assert time.monotonic() - begin < 30
            with pytest.raises(aiohttp.ClientError):
                await task

    asyncio.run(run())


def test_an_idle_connection_that_closes() -> None:
    """After a whole reply the connection is gone; a client that reconnects notices nothing."""

    async def talk(client: _Client) -> None:
        for _ in range(2):
            status, body, _ = await client.ask()
            assert (status, body["type"]) == (200, "message")
            await asyncio.sleep(0.01)

    _with(talk, faults=parse_faults("close-after"))


def _fault_answer(fault: str, *, stream: bool) -> tuple[int, Any, Any]:
    answers: list[tuple[int, Any, Any]] = []

    async def talk(client: _Client) -> None:
        url = f"{client.sim.base_url}/v1/messages"
        body = {**BODY, "stream": stream}
        async with client.session.post(url, json=body, headers=HEADERS, allow_redirects=False) as answer:
            answers.append((answer.status, await answer.read(), answer.headers))
        assert (await client.ask())[0] == 200

    _with(talk, faults=parse_faults(f"{fault}@1"))
    return answers[0]


def test_status_faults() -> None:
    """Status, type, code and headers are those of the script; the body says that it is simulated."""
    status, raw, headers = _fault_answer(
        "429(retry-after=7,error-code=ramp_limit_exceeded,should-retry=false)", stream=False
    )
    error = json.loads(raw)["error"]
    assert (status, headers["retry-after"], headers["x-should-retry"]) == (429, "7", "false")
    assert error == {
        "type": "rate_limit_error",
        "message": "simulated error 429",
        "details": {"error_code": "ramp_limit_exceeded"},
    }
    assert headers["claude-run-simulator"] == __version__


@pytest.mark.parametrize(
    ("status", "kind"), [(529, "overloaded_error"), (503, "api_error"), (418, "invalid_request_error")]
)
def test_error_types(status: int, kind: str) -> None:
    """A status that has no type of its own gets that of its family."""
    assert json.loads(_fault_answer(f"{status}(should-retry=true)", stream=True)[1])["error"]["type"] == kind


@pytest.mark.parametrize(
    ("fault", "stream", "status", "content_type", "begin"),
    [
        ("html", False, 502, "text/html; charset=utf-8", b"<html>"),
        ("html(status=200)", True, 200, "text/html; charset=utf-8", b"<html>"),
        ("empty", False, 200, "application/json", b""),
        ("empty", True, 200, "text/event-stream; charset=utf-8", b""),
        ("empty-object", False, 200, "application/json", b"{}"),
        ("bad-utf8", False, 200, "application/json", b'{"id":"msg_sim_bad"'),
        (
            "error-event(type=api_error)",
            False,
            200,
            "application/json",
            b'{"type":"error","error":{"type":"api',
        ),
    ],
)
def test_odd_answers(*, fault: str, stream: bool, status: int, content_type: str, begin: bytes) -> None:
    """Answers that are no message come with the status and type that make them deceptive."""
    answer = _fault_answer(fault, stream=stream)
    assert (answer[0], answer[2]["content-type"]) == (status, content_type)
    assert answer[1].startswith(begin)
    assert bool(answer[1]) is bool(begin)


def test_redirects() -> None:
    """A redirect leads to another path of the simulator, or where it is told."""
    assert _fault_answer("redirect", stream=False)[2]["location"] == "/redirected/v1/messages"
    status, _, headers = _fault_answer("redirect(status=301,to=http://example.com/)", stream=False)
    assert (status, headers["location"]) == (301, "http://example.com/")


@pytest.mark.parametrize("fault", ["bad-json", "bad-utf8", "truncate"])
def test_bodies_that_cannot_be_parsed(fault: str) -> None:
    """They are whole to HTTP and broken to JSON."""
    with pytest.raises(ValueError, match=r"."):
        json.loads(_fault_answer(fault, stream=False)[1])


def _events(raw: bytes) -> list[str]:
    return [line.removeprefix("event: ") for line in raw.decode().splitlines() if line.startswith("event: ")]


def test_streams_that_go_wrong() -> None:
    """A stream can end early, carry an error, a broken event, or one that nobody knows."""
    whole = _events(_fault_answer("max-tokens", stream=True)[1])
    assert whole[-1] == "message_stop"
    assert whole[: len(whole) // 2] == _events(_fault_answer("truncate", stream=True)[1])
    assert _events(_fault_answer("error-event", stream=True)[1])[-1] == "error"
    assert "simulated_news" in _events(_fault_answer("unknown-event", stream=True)[1])
    assert _fault_answer("bad-event", stream=True)[1].endswith(b'data: {"type": "content_bl\n\n')


@pytest.mark.parametrize("fault", ["bad-event", "unknown-event"])
def test_stream_faults_spare_whole_replies(fault: str) -> None:
    """Without a stream there are no events to break."""
    assert json.loads(_fault_answer(fault, stream=False)[1])["stop_reason"] == "end_turn"


@pytest.mark.parametrize(
    ("fault", "field", "value"),
    [
        ("stop-reason", "stop_reason", "simulated_reason"),
        ("stop-reason(value=pause_turn)", "stop_reason", "pause_turn"),
        ("max-tokens", "stop_reason", "max_tokens"),
        ("refusal(category=bio)", "stop_reason", "refusal"),
        ("empty-content", "content", []),
    ],
)
def test_spoilt_replies(fault: str, field: str, value: object) -> None:
    """A whole reply with something amiss, the same with and without a stream."""
    whole = json.loads(_fault_answer(fault, stream=False)[1])
    assert whole[field] == value
    raw = _fault_answer(fault, stream=True)[1].decode()
    assert f'"stop_reason":"{whole["stop_reason"]}"' in raw
    assert ("content_block_start" in raw) is bool(whole["content"])


def test_replies_without_usage_and_with_unknown_blocks() -> None:
    """Usage can be missing, and a block of an unknown type can come first."""
    assert "usage" not in json.loads(_fault_answer("no-usage", stream=False)[1])
    assert b"usage" not in _fault_answer("no-usage", stream=True)[1]
    content = json.loads(_fault_answer("unknown-block", stream=False)[1])["content"]
    assert [block["type"] for block in content] == ["simulated_block", "text"]
    assert b'"content_block":{"type":"simulated_block"' in _fault_answer("unknown-block", stream=True)[1]
    # What it sent, it takes back.
    check_block(content[0], "messages.1.content.0", role="assistant")


@pytest.mark.parametrize("stream", [False, True])
def test_slow_drip(stream: bool) -> None:
    """The bytes are those of the reply; they only take their time."""
    begin = time.monotonic()
    raw = _fault_answer("drip(bytes=200,every=10ms)", stream=stream)[1]
    assert time.monotonic() - begin >= 0.03
    assert raw.endswith(b'"inference_geo":null}}' if not stream else b'data: {"type":"message_stop"}\n\n')


@pytest.mark.parametrize("gzip", ["true", "false"])
def test_huge_replies(gzip: str) -> None:
    """Far too much text arrives whole, small on the wire when it is compressed."""
    size = 300_000
    whole = _fault_answer(f"huge(size={size},gzip={gzip})", stream=False)
    assert len(json.loads(whole[1])["content"][0]["text"]) == size
    assert (whole[2].get("content-encoding") == "gzip") is (gzip == "true")
    streamed = _fault_answer(f"huge(size={size},gzip={gzip})", stream=True)[1]
    deltas = [json.loads(line[6:]) for line in streamed.decode().splitlines() if '"text_delta"' in line]
    assert sum(len(event["delta"]["text"]) for event in deltas) == size


def test_faults_come_after_authentication_and_before_validation() -> None:
    """A request without a key is refused whatever the script says; a status fault hits any other."""

    async def talk(client: _Client) -> None:
        assert (await client.ask(headers={}))[0] == 401
        assert (await client.ask(data=b"{"))[0] == 529

    _with(talk, faults=parse_faults("529"))


def test_validation_comes_before_a_spoilt_reply() -> None:
    """A bad request gets its 400, not a reply that could be spoilt."""

    async def talk(client: _Client) -> None:
        assert (await client.ask(json={}))[0] == 400

    _with(talk, faults=parse_faults("no-usage"))


def test_many_requests_at_once() -> None:
    """A hundred concurrent requests all get their own reply."""

    async def talk(client: _Client) -> None:
        bodies = [{**BODY, "messages": [{"role": "user", "content": f"{i}"}]} for i in range(100)]
        answers = await asyncio.gather(*(client.ask(json=body) for body in bodies))
        assert {status for status, _, _ in answers} == {200}
        assert len({body["id"] for _, body, _ in answers}) == 100

    sim = _with(talk, faults=FaultScript())
    assert sorted(entry.number for entry in sim.ledger) == list(range(1, 101))
