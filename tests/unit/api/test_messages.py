"""One attempt over a real socket: what goes out, what comes back, and what is refused."""

from __future__ import annotations

import codecs
import gzip
import json
import re
import socket
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.api.messages import MAX_BODY
from claude_run.conversation.exchange import STREAM_ABOVE
from claude_run.play.ports import RequestFailedError
from tests.support.scripted_server import (
    Answer,
    error_answer,
    events_of,
    http,
    json_answer,
    message,
    sse,
    stream_answer,
)
from tests.unit.api.scripted_client import BODY, KEY, send

if TYPE_CHECKING:
    from tests.unit.api.scripted_client import ScriptedClient

ODD = message(
    {"type": "thinking", "thinking": "", "signature": "c2ln", "odd": {"b": 1, "a": [None]}},
    {"type": "from_the_future", "z": 1, "a": "2"},
    {"type": "text", "text": "é\u2028 ok", "citations": None},
    usage={"output_tokens": 5, "input_tokens": 10, "odd_tokens": 3},
    stop_reason="from_the_future",
)
STREAM = sse(events_of(ODD))
LONG = {"max_tokens": STREAM_ABOVE + 1}


def test_what_goes_out(client: ScriptedClient) -> None:
    """The request carries the key as a bearer token, the API's version, and the body as it is."""
    body: dict[str, Any] = {
        "system": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a\u2028b", "odd": None}]},
            {"role": "assistant", "content": ODD["content"]},
            {"role": "user", "content": "next"},
        ],
        "thinking": {"type": "adaptive"},
        "from_the_future": {"deep": [1, {"x": None}]},
    }
    client.ask(json_answer(message()), **body)
    (request,) = client.requests
    assert (request.method, request.path.partition("?")[0]) == ("POST", "/v1/messages")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["anthropic-version"] == "2026-10-21"
    assert "x-api-key" not in request.headers
    assert {name: value for name, value in request.body.items() if name != "stream"} == {**BODY, **body}
    assert json.dumps(request.body["messages"]) == json.dumps(body["messages"])
    assert not request.body.get("stream")


def test_sampling_parameters_ask_for_the_old_version(client: ScriptedClient) -> None:
    """A parameter that only the old API version knows goes out with that version's header."""
    client.ask(json_answer(message()), model="claude-haiku-4-5", temperature=0.3)
    (request,) = client.requests
    assert request.body["temperature"] == 0.3
    assert request.headers["anthropic-version"] == "2023-06-01"


def test_betas_go_out_as_a_header(client: ScriptedClient) -> None:
    """As the SDK sends them: names joined by commas, what they allow in the body, the query that says so."""
    servers = [{"type": "url", "url": "https://mcp.example", "name": "docs"}]
    client.ask(json_answer(message()), betas=["mcp-1", "other-2"], mcp_servers=servers)
    (request,) = client.requests
    assert request.path == "/v1/messages?beta=true"
    assert request.headers["anthropic-beta"] == "mcp-1,other-2"
    assert request.body["mcp_servers"] == servers
    assert "betas" not in request.body


@pytest.mark.parametrize(("max_tokens", "streamed"), [(16_000, False), (16_001, True)])
def test_long_replies_are_streamed(client: ScriptedClient, max_tokens: int, streamed: bool) -> None:
    """Up to 16,000 tokens the reply comes in one piece, above it in a stream, and is the same."""
    answer = stream_answer(STREAM) if streamed else json_answer(ODD)
    received = client.ask(answer, max_tokens=max_tokens)
    assert bool(client.requests[0].body.get("stream")) is streamed
    assert received.reply.body == ODD


def test_a_whole_reply_is_kept_as_it_came(client: ScriptedClient) -> None:
    """Unknown blocks, fields and stop reasons pass, in their order, and with the request's id."""
    received = client.ask(json_answer(ODD, headers=["request-id: req_7", "X-Odd: Value"]))
    assert json.dumps(received.reply.body) == json.dumps(ODD)
    assert (received.request_id, received.simulated) == ("req_7", False)
    assert received.headers["x-odd"] == "Value"


@pytest.mark.parametrize("changes", [{}, LONG])
def test_the_simulators_header_marks_a_reply(client: ScriptedClient, changes: dict[str, Any]) -> None:
    """A reply of a simulator says so wherever it runs."""
    header = ["claude-run-simulator: 1"]
    answer = stream_answer(STREAM, headers=header) if changes else json_answer(ODD, headers=header)
    assert client.ask(answer, **changes).simulated


@pytest.mark.parametrize(
    "length",
    [0, 1, STREAM.index(b"content_block_start"), STREAM.rindex(b"event: message_stop"), len(STREAM) - 1],
)
def test_a_stream_that_ends_too_soon_is_truncated(client: ScriptedClient, length: int) -> None:
    """However much of a stream came, without its last event it is no reply, and may have been paid."""
    failure = client.fail(stream_answer(STREAM[:length], headers=["request-id: req_7"]), **LONG)
    assert (failure.kind, failure.request_id, failure.paid) == ("truncated", "req_7", "maybe")


def test_a_stream_cut_by_the_network(client: ScriptedClient) -> None:
    """A connection that breaks in mid-stream cuts a reply off that was worked for."""
    failure = client.fail(stream_answer(STREAM[:200], length=len(STREAM)), **LONG)
    assert (failure.kind, failure.paid) == ("truncated", "maybe")


def test_an_error_in_mid_stream(client: ScriptedClient) -> None:
    """An error event ends the attempt in the API's words."""
    event = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    failure = client.fail(stream_answer(STREAM[:300].rpartition(b"event")[0] + sse([event])), **LONG)
    assert (failure.kind, failure.type) == ("status", "overloaded_error")
    assert failure.message == "overloaded_error in mid-stream: Overloaded"


def test_an_error_event_without_an_error(client: ScriptedClient) -> None:
    """Even an error event that says nothing is a failure."""
    failure = client.fail(stream_answer(sse([{"type": "error", "error": 3}])), **LONG)
    assert failure.kind == "status"


@pytest.mark.parametrize("missing", ["id", "model", "role", "type", "content", "stop_reason"])
def test_a_message_with_a_part_missing(client: ScriptedClient, missing: str) -> None:
    """A message without one of its parts is no reply."""
    failure = client.fail(json_answer({name: value for name, value in message().items() if name != missing}))
    assert failure.kind == "invalid_reply"


@pytest.mark.parametrize("missing", ["id", "model", "role", "type", "stop_reason"])
def test_a_stream_with_a_part_missing(client: ScriptedClient, missing: str) -> None:
    """A stream that is whole, but whose message lacks a part, is no reply either."""
    events = events_of(message())
    for part in (events[0]["message"], events[-2]["delta"]):
        part.pop(missing, None)
    assert client.fail(stream_answer(sse(events)), **LONG).kind == "invalid_reply"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (http(b"<html>Sign in</html>", kind="text/html"), "content type 'text/html', not application/json"),
        (http(b"<html>", kind="text/plain"), "not valid JSON"),
        (http(b"{}", kind="image/png"), "content type 'image/png'"),
        (http(b'{"type": "message", "type": "message"}'), "the body holds a duplicate key `type`"),
        (json_answer({}), "not an assistant message"),
        (json_answer([]), "not a JSON object"),
        (json_answer(None), "not a JSON object"),
        (http(b""), "not valid JSON"),
        (http(json.dumps(message()).encode()[:-1]), "not valid JSON"),
        (http(b"\xff\xfe"), "not valid JSON"),
        (http(b"[" * 100_000), "not valid JSON"),
        (http(b'{"a":' * 500 + b"1" + b"}" * 500), "nested deeper than 100 levels"),
        (http(b'{"usage": NaN}'), "NaN is not a JSON number"),
        (http(json.dumps(message(odd=7)).replace("7", "1e999").encode()), "1e999 is not a JSON number"),
        (json_answer(message(content=[{"text": "no type"}])), "content is not a list of typed blocks"),
        (json_answer(message(content="text")), "content is not a list of typed blocks"),
        (json_answer(message(content=[{"type": "text", "text": 7}])), "content[0].text is not a string: 7"),
    ],
)
def test_a_200_that_is_no_message(client: ScriptedClient, answer: Answer, words: str) -> None:
    """A success by its status alone is none; it may be tried again and may have been paid."""
    failure = client.fail(answer)
    assert (failure.kind, failure.paid, failure.may_retry) == ("invalid_reply", "maybe", True)
    assert failure.message.startswith("invalid reply: ")
    assert words in failure.message


@pytest.mark.parametrize("changes", [{}, LONG])
@pytest.mark.parametrize("kind", ["application/json", "Application/JSON ; charset=utf-8", "text/json"])
def test_a_whole_message_is_read_whatever_was_asked_for(
    client: ScriptedClient, kind: str, changes: dict[str, Any]
) -> None:
    """What the server says it sends is read as such: a gateway need not stream, and it was paid."""
    answer = http(codecs.BOM_UTF8 + json.dumps(ODD).encode(), kind=kind)
    assert client.ask(answer, **changes).reply.body == ODD


@pytest.mark.parametrize("changes", [{}, LONG])
@pytest.mark.parametrize("kind", ["text/event-stream", "TEXT/Event-Stream;charset=UTF-8"])
def test_a_stream_is_read_whatever_was_asked_for(
    client: ScriptedClient, kind: str, changes: dict[str, Any]
) -> None:
    """Nor need a gateway that streams be asked to."""
    assert client.ask(http(STREAM, kind=kind), **changes).reply.body == ODD


@pytest.mark.parametrize(("data", "changes"), [(json.dumps(ODD).encode(), {}), (STREAM, LONG)])
@pytest.mark.parametrize("kind", ["application/octet-stream", "text/plain; charset=utf-8"])
def test_a_server_that_does_not_know_what_it_sends(
    client: ScriptedClient, kind: str, data: bytes, changes: dict[str, Any]
) -> None:
    """It has sent what was asked for, until that turns out otherwise."""
    assert client.ask(http(data, kind=kind), **changes).reply.body == ODD


@pytest.mark.parametrize("changes", [{}, LONG])
def test_an_error_under_the_status_of_a_success(client: ScriptedClient, changes: dict[str, Any]) -> None:
    """The type of the API's own errors decides, and the words are those of whoever answered."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    failure = client.fail(json_answer(error, headers=["request-id: req_7"]), **changes)
    assert failure.message == "overloaded_error under status 200: Overloaded"
    assert (failure.kind, failure.type, failure.request_id) == ("status", "overloaded_error", "req_7")
    failure = client.fail(json_answer({"error": {"message": "quota exceeded for key"}}), **changes)
    assert failure.message == "an error under status 200: quota exceeded for key"


@pytest.mark.parametrize("changes", [{}, LONG])
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"errors": [{"message": "the words"}]}, "the body is not an assistant message"),
        ({"detail": "the words"}, "the body is not an assistant message"),
        ({"type": "message", "error": {"message": "the words"}}, "the body is not an assistant message"),
        (
            {**message(), "id": 5, "type": "message", "content": ["the words"]},
            "content is not a list of typed",
        ),
        ({"error_text": "the words", **message(stop_reason=5)}, "stop_reason is not a string: 5"),
        ({"note": "the words", **message(id=None)}, "id is missing"),
    ],
)
def test_an_error_in_another_form_is_quoted(
    client: ScriptedClient, body: dict[str, Any], problem: str, changes: dict[str, Any]
) -> None:
    """Whatever came instead of a message is shown: the words of its sender are the way to mend it."""
    failure = client.fail(json_answer(body), **changes)
    assert failure.message.startswith(f"invalid reply: {problem}")
    assert "; it says: {" in failure.message
    assert "the words" in failure.message


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b'data: {"detail": "the words"}\n\n', "the stream ended before its message did; it says: {"),
        (b"upstream: the words\n", "the stream ended before its message did; it says: upstream: the words"),
        (sse(events_of(ODD)[:2]) + b'data: {"errors": ["the words"]}\n\n', 'message did; it says: {"errors'),
        (b"data: the words\n\n", "an event of the stream is not valid JSON: "),
        (b'data: ["the words"]\n\n', 'an event of the stream is not a JSON object: ["the words"]'),
        (b'data: {"type": "message_start", "message": "the words"}\n\n', 'not an object: "the words"'),
    ],
)
def test_a_stream_that_says_an_error_in_another_form_is_quoted(
    client: ScriptedClient, data: bytes, problem: str
) -> None:
    """Be it an event of an unknown form, or no event at all."""
    failure = client.fail(stream_answer(data), **LONG)
    assert failure.kind in {"truncated", "invalid_reply"}
    assert problem in failure.message
    assert "the words" in failure.message


@pytest.mark.parametrize("changes", [{}, LONG])
def test_half_a_key_is_not_quoted_either(client: ScriptedClient, changes: dict[str, Any]) -> None:
    """It is taken out before a quotation is cut, wherever it stands."""
    odd = message(stop_reason=["x" * 190, KEY])
    answers = [json_answer(odd), json_answer({"detail": f"{'x' * 180}{KEY}"})]
    if changes:
        answers.append(stream_answer(sse(events_of(odd))))
    for answer in answers:
        failure = client.fail(answer, **changes)
        assert "xxx" in failure.message
        assert KEY[:10] not in failure.message


@pytest.mark.parametrize(
    "usage", [{"output_tokens": None}, {"input_tokens": None, "output_tokens": None}, {"output_tokens": 7}]
)
@pytest.mark.parametrize("changes", [{}, LONG])
def test_a_reply_without_usable_usage_is_a_reply(
    client: ScriptedClient, usage: Any, changes: dict[str, Any]
) -> None:
    """It was paid for, and asking again would bring no better one."""
    whole = {**message(), "usage": usage}
    answer = stream_answer(sse(events_of(whole))) if changes else json_answer(whole)
    reply = client.ask(answer, **changes).reply
    assert (reply.text, reply.usage.known) == ("Hello there.", False)
    assert len(client.requests) == 1


def test_a_huge_body_is_refused(client: ScriptedClient) -> None:
    """A body is cut off at its limit, counted after decompression."""
    packed = gzip.compress(b" " * (MAX_BODY + 1), compresslevel=1)
    failure = client.fail(http(packed, headers=["content-encoding: gzip"]))
    assert failure.kind == "invalid_reply"
    assert f"longer than {MAX_BODY} bytes" in failure.message


def test_a_huge_error_page_is_cut(client: ScriptedClient) -> None:
    """Of an error's body only the beginning is read and shown, however long or packed it is."""
    for answer in (
        http(b"x" * 2_000_000, status=502, kind="text/html"),
        http(
            gzip.compress(b"x" * 2_000_000), status=502, kind="text/html", headers=["content-encoding: gzip"]
        ),
    ):
        failure = client.fail(answer)
        assert (failure.kind, failure.status) == ("status", 502)
        assert failure.message.startswith("502 with text/html: xxx")
        assert len(failure.message) < 300


def test_a_packed_body_is_unpacked(client: ScriptedClient) -> None:
    """The usual compression is understood."""
    packed = gzip.compress(json.dumps(ODD).encode())
    assert client.ask(http(packed, headers=["content-encoding: gzip"])).reply.body == ODD


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_refused(client: ScriptedClient, status: int) -> None:
    """The prompt follows no redirect: exactly one request arrives."""
    redirect = http(b"", status=status, headers=["location: /elsewhere"])
    failure = client.fail(redirect, json_answer(message()))
    assert [request.path.partition("?")[0] for request in client.requests] == ["/v1/messages"]
    assert (failure.kind, failure.status) == ("status", status)
    assert "redirects, which is refused" in failure.message


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("invalid_request_error", 400),
        ("authentication_error", 401),
        ("billing_error", 402),
        ("permission_error", 403),
        ("not_found_error", 404),
        ("request_too_large", 413),
        ("rate_limit_error", 429),
        ("api_error", 500),
        ("timeout_error", 504),
        ("overloaded_error", 529),
    ],
)
@pytest.mark.parametrize("changes", [{}, LONG])
def test_statuses(client: ScriptedClient, kind: str, status: int, changes: dict[str, Any]) -> None:
    """Every error of the API is one failure with its type, and one request, never retried here."""
    answer = error_answer(kind, "In short.", status=status, headers=["request-id: req_7", "retry-after: 2"])
    failure = client.fail(answer, json_answer(message()), **changes)
    assert len(client.requests) == 1
    assert failure.message == f"{status} {kind}: In short."
    assert (failure.kind, failure.status, failure.type) == ("status", status, kind)
    assert (failure.request_id, failure.retry_after_s) == ("req_7", 2.0)


def test_a_refused_connection_is_unpaid(client: ScriptedClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody listens nothing was sent."""
    assert client.requests == []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("ANTHROPIC_BASE_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(RequestFailedError) as caught:
            send(BODY)
    failure = caught.value.failure
    assert (failure.kind, failure.paid) == ("connection", "no")
    port = taken.getsockname()[1] if taken.fileno() >= 0 else ""
    where = f"the API cannot be reached at http://127.0.0.1:{port}"
    assert failure.message.startswith(where)
    assert "(ANTHROPIC_BASE_URL): " in failure.message


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"])
def test_a_reset_after_the_request_may_be_paid(client: ScriptedClient, data: bytes) -> None:
    """Once the request is out, a broken connection says nothing about the bill."""
    failure = client.fail(Answer(data=data, reset=True), json_answer(message()))
    assert (failure.kind, failure.paid, len(client.requests)) == ("connection", "maybe", 1)


def test_a_body_that_breaks_off(client: ScriptedClient) -> None:
    """A body shorter than announced is a reply that was cut off, not a shorter message."""
    whole = json_answer(message()).data
    failure = client.fail(Answer(data=whole[:-10]))
    assert (failure.kind, failure.paid) == ("truncated", "maybe")
    assert failure.message.startswith("the reply was cut off: ")


def test_an_error_whose_body_breaks_off_is_the_error_of_its_status(client: ScriptedClient) -> None:
    """The status and its headers were said before: it is waited for, and costs nothing."""
    busy = error_answer("rate_limit_error", "slow down", status=429, headers=["retry-after: 3"])
    failure = client.fail(Answer(data=busy.data[:-10]))
    assert (failure.status, failure.retry_after_s, failure.paid) == (429, 3.0, "no")


VALID = {
    "a long header": json_answer(message(), headers=[f"x-long: {'y' * 20_000}"]),
    "many headers": json_answer(message(), headers=[f"x-{number}: {'y' * 100}" for number in range(300)]),
    "a long reason": Answer(data=json_answer(message()).data.replace(b"Scripted", b"y" * 20_000)),
    "no reason": Answer(data=json_answer(message()).data.replace(b"Scripted", b"")),
    "early hints": Answer(
        data=b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + json_answer(message()).data
    ),
    "a cookie": json_answer(message(), headers=["set-cookie: a[]=1; Path=/; Max-Age=x"]),
    "x-gzip": http(gzip.compress(json.dumps(message()).encode()), headers=["content-encoding: X-GZip"]),
    "packed twice": http(
        gzip.compress(gzip.compress(json.dumps(message()).encode())),
        headers=["Content-Encoding: gzip", "content-encoding: x-gzip, identity"],
    ),
    "deflate": http(zlib.compress(json.dumps(message()).encode()), headers=["content-encoding: deflate"]),
}


@pytest.mark.parametrize("answer", VALID.values(), ids=VALID)
def test_whatever_is_valid_http_is_read(client: ScriptedClient, answer: Answer) -> None:
    """Headers of any length and number, and each name of a content coding, as gateways send them."""
    assert client.ask(answer).reply.text == "Hello there."
    assert len(client.requests) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (json_answer(message(), headers=[f"x: {'y' * 2_000_000}"]), "is not valid HTTP: .*1048576"),
        (Answer(data=b"\x16\x03\x01 nonsense\r\n\r\n"), "the answer of http://127.*is not valid HTTP: "),
        (
            json_answer(message(), headers=["content-encoding: compress"]),
            'that nobody asked for: "compress"',
        ),
        (json_answer(message(), headers=["content-encoding: gzip"]), "the body cannot be unpacked: "),
    ],
)
def test_an_answer_that_cannot_be_read_was_worked_for(
    client: ScriptedClient, answer: Answer, words: str
) -> None:
    """Somebody answered: it counts among the attempts that are probably billed."""
    failure = client.fail(answer)
    assert (failure.kind, failure.paid) == ("invalid_reply", "maybe")
    assert re.search(f"^invalid reply: .*{words}", failure.message), failure.message


@pytest.mark.parametrize(
    "data", [b"", stream_answer(STREAM[:100]).data], ids=["before the headers", "in the body"]
)
def test_silence_is_a_timeout(client: ScriptedClient, data: bytes) -> None:
    """A server that stops talking is given up, and may bill all the same."""
    failure = client.fail(Answer(data=data, silent=True), attempt_s=0.8, **LONG)
    assert (failure.kind, failure.paid) == ("timeout", "maybe")
