"""The Message Batches API through the real client: what goes out, what comes in, and what is no answer."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from claude_run.api.batches import AnthropicBatches
from claude_run.api.client import open_client
from claude_run.conversation.exchange import Failure, Request
from claude_run.play.ports import Received, RequestFailedError
from tests.support.scripted_server import Answer, RawServer, error_answer, http, in_turn, json_answer
from tests.unit.api.scripted_client import BODY, KEY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.scripted_server import ReceivedRequest

T = TypeVar("T")

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-5-5",
    "content": [{"type": "text", "text": "hi"}, {"type": "future_block", "deep": [1, None, "é"]}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 10, "output_tokens": 5, "service_tier": "batch"},
    "future_field": {"x": None},
}


def batch(name: str = "msgbatch_1", status: str = "in_progress", **counts: int) -> dict[str, Any]:
    """Return a batch as the API tells of it."""
    return {
        "id": name,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": {"processing": 2, "succeeded": 0, **counts},
        "created_at": "2026-11-23T12:00:00.123456Z",
        "expires_at": "2026-11-24T12:00:00.123456Z",
        "results_url": "https://elsewhere.example/results",
    }


class Asked:
    """The real client before a scripted server; `requests` are those that arrived there."""

    def __init__(self, environment: pytest.MonkeyPatch) -> None:
        self._environment = environment
        environment.setenv("ANTHROPIC_API_KEY", KEY)
        self.requests: list[ReceivedRequest] = []

    def talk(self, ask: Callable[[AnthropicBatches], Awaitable[T]], *answers: Answer) -> T:
        """Return what comes of these answers."""

        async def run() -> T:
            async with open_client(attempt_s=10.0) as client:
                return await ask(AnthropicBatches(client))

        with RawServer(respond=in_turn(*answers)) as server:
            self._environment.setenv("ANTHROPIC_BASE_URL", server.base_url)
            try:
                return asyncio.run(run())
            finally:
                self.requests += server.ledger

    def results(self, *answers: Answer) -> dict[str, Received | Failure]:
        """Return the results of a batch by the ids of their requests."""

        async def read(batches: AnthropicBatches) -> dict[str, Received | Failure]:
            return {name: found async for name, found in batches.results("msgbatch_1", {})}

        return self.talk(read, *answers)


@pytest.fixture
def asked(clean_environment: pytest.MonkeyPatch) -> Asked:
    """Return a client with a key."""
    return Asked(clean_environment)


def lines(*values: Any) -> Answer:
    """Answer with results, one a line."""
    raw = b"".join(json.dumps(value).encode() + b"\n" for value in values)
    return http(raw, kind="application/x-jsonl")


def test_a_batch_goes_out_as_it_was_packed(asked: Asked) -> None:
    """Byte for byte, without `stream`; betas and the workspace are headers of the whole batch."""
    body = {**BODY, "betas": ["a", "b"], "workspace_id": "w1", "messages": [{"role": "user", "content": "é"}]}

    async def submit(batches: AnthropicBatches) -> Any:
        packed = batches.pack(Request(body=body))
        assert packed.headers == {"anthropic-beta": "a,b", "anthropic-workspace-id": "w1"}
        items = [("one", packed.content), ("two", packed.content)]
        return await batches.submit(items, packed.headers), packed.content

    state, content = asked.talk(submit, json_answer(batch()))
    (request,) = asked.requests
    assert (request.method, request.path) == ("POST", "/v1/messages/batches?beta=true")
    assert request.headers["anthropic-beta"] == "a,b"
    assert request.headers["content-type"] == "application/json"
    assert content in request.raw
    params = {name: value for name, value in body.items() if name not in {"betas", "workspace_id"}}
    assert request.body == {
        "requests": [{"custom_id": "one", "params": params}, {"custom_id": "two", "params": params}]
    }
    assert (state.id, state.size, state.ended, state.simulated) == ("msgbatch_1", 2, False, False)


def test_results_are_replies_as_live_ones_are(asked: Asked) -> None:
    """Verbatim, with what is unknown, and from the address that we know, not from the one that is named."""
    found = asked.results(
        lines(
            {"custom_id": "a", "result": {"type": "succeeded", "message": MESSAGE}},
            {"custom_id": "b", "result": {"type": "expired"}},
            {"custom_id": "c", "result": {"type": "canceled"}},
        )
    )
    received = found["a"]
    assert isinstance(received, Received)
    assert received.reply.body == MESSAGE
    assert received.request_id == "msgbatch_1"
    kinds = [each.kind for each in found.values() if isinstance(each, Failure)]
    assert kinds == ["expired", "canceled"]
    assert {each.paid for each in found.values() if isinstance(each, Failure)} == {"no"}
    assert [request.path for request in asked.requests] == ["/v1/messages/batches/msgbatch_1/results"]


@pytest.mark.parametrize("whole", [True, False])
def test_an_error_in_a_batch_is_told_in_the_words_of_the_api(asked: Asked, *, whole: bool) -> None:
    """Its type decides on what becomes of it; it is not billed."""
    error = {"type": "overloaded_error", "message": "Overloaded"}
    said = {"type": "error", "error": error, "request_id": "req_7"} if whole else error
    (failure,) = asked.results(
        lines({"custom_id": "a", "result": {"type": "errored", "error": said}})
    ).values()
    assert isinstance(failure, Failure)
    assert failure.message == "overloaded_error in a batch: Overloaded"
    assert (failure.kind, failure.type, failure.paid) == ("status", "overloaded_error", "no")
    assert failure.request_id == ("req_7" if whole else None)


@pytest.mark.parametrize(
    "result",
    [
        {"type": "succeeded"},
        {"type": "succeeded", "message": {**MESSAGE, "stop_reason": None}},
        {"type": "succeeded", "message": {**MESSAGE, "content": "text"}},
        {"type": "errored"},
        {"type": "teleported"},
        {},
    ],
)
def test_a_result_that_is_none_fails_its_request_alone(asked: Asked, result: dict[str, Any]) -> None:
    """It may have been paid for; the others are taken."""
    found = asked.results(
        lines(
            {"custom_id": "a", "result": result},
            {"custom_id": "b", "result": {"type": "succeeded", "message": MESSAGE}},
        )
    )
    failure = found["a"]
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.paid) == ("invalid_reply", "maybe")
    assert isinstance(found["b"], Received)


@pytest.mark.parametrize("raw", [b"[]\n", b'{"custom_id": 1, "result": {}}\n', b"<html>\n", b'{"custom_id"'])
def test_a_line_that_says_nothing_is_no_answer(asked: Asked, raw: bytes) -> None:
    """The results are read again later."""
    with pytest.raises(RequestFailedError, match="invalid reply: ") as caught:
        asked.results(http(raw, kind="application/x-jsonl"))
    assert caught.value.failure.kind == "invalid_reply"


def test_lines_beside_one_that_says_nothing_are_read(asked: Asked) -> None:
    """Before it is told: whoever waits for them has them, whatever comes of the other."""
    good = json.dumps({"custom_id": "a", "result": {"type": "succeeded", "message": MESSAGE}}).encode()
    seen: list[str] = []

    async def read(batches: AnthropicBatches) -> None:
        async for name, _ in batches.results("msgbatch_1", {}):
            seen.append(name)

    with pytest.raises(RequestFailedError, match="invalid reply: "):
        asked.talk(read, http(b"{not json\n" + good + b"\n[]\n", kind="application/x-jsonl"))
    assert seen == ["a"]


def test_results_that_are_cut_off_are_a_failure_that_passes(asked: Asked) -> None:
    """What came before is not lost: it was handed over line by line."""
    whole = json.dumps({"custom_id": "a", "result": {"type": "succeeded", "message": MESSAGE}}).encode()
    data = (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/x-jsonl\r\ncontent-length: 99999\r\n\r\n"
        + whole
        + b"\n"
    )
    seen: list[str] = []

    async def read(batches: AnthropicBatches) -> None:
        async for name, _ in batches.results("msgbatch_1", {}):
            seen.append(name)

    with pytest.raises(RequestFailedError) as caught:
        asked.talk(read, Answer(data=data))
    assert caught.value.failure.kind == "truncated"
    assert seen == ["a"]


def test_the_credential_leaves_replies_and_errors_here(asked: Asked) -> None:
    """As it does live."""
    echo = {**MESSAGE, "content": [{"type": "text", "text": f"your key is {KEY}"}]}
    error = {"type": "invalid_request_error", "message": f"bad {KEY}"}
    found = asked.results(
        lines(
            {"custom_id": "a", "result": {"type": "succeeded", "message": echo}},
            {"custom_id": "b", "result": {"type": "errored", "error": error}},
        )
    )
    received, failure = found["a"], found["b"]
    assert isinstance(received, Received)
    assert isinstance(failure, Failure)
    assert received.reply.had_credential
    assert KEY not in json.dumps(received.reply.body) + failure.message


def test_a_list_is_read_page_by_page(asked: Asked) -> None:
    """Until there is no more, or a page brings nothing new."""

    async def read(batches: AnthropicBatches) -> list[str]:
        return [state.id async for state in batches.listed({"anthropic-workspace-id": "w1"})]

    pages = [
        json_answer({"data": [batch("b3"), batch("b2")], "has_more": True}),
        json_answer({"data": [batch("b1")], "has_more": False}),
    ]
    assert asked.talk(read, *pages) == ["b3", "b2", "b1"]
    paths = [request.path for request in asked.requests]
    assert paths == ["/v1/messages/batches?limit=100", "/v1/messages/batches?limit=100&after_id=b2"]
    assert {request.headers["anthropic-workspace-id"] for request in asked.requests} == {"w1"}


def test_a_batch_that_has_ended_counts_all_its_requests(asked: Asked) -> None:
    """Whatever became of them; the name of a batch is no part of a path that it can choose."""
    ended = batch("../models", "ended", processing=0, succeeded=1, errored=2)
    state = asked.talk(lambda batches: batches.state("../models", {}), json_answer(ended))
    assert (state.ended, state.size) == (True, 3)
    assert asked.requests[0].path == "/v1/messages/batches/..%2Fmodels"


def test_canceling_asks_for_it(asked: Asked) -> None:
    """By the API's own path."""
    asked.talk(lambda batches: batches.cancel("msgbatch_1", {}), json_answer(batch(status="canceling")))
    assert (asked.requests[0].method, asked.requests[0].path) == (
        "POST",
        "/v1/messages/batches/msgbatch_1/cancel",
    )


@pytest.mark.parametrize("answer", [json_answer([]), json_answer({"id": 1}), http(b"<html>"), http(b"")])
def test_what_is_no_batch_is_a_failure_that_quotes_it(asked: Asked, answer: Answer) -> None:
    """A page of a proxy under the status 200 is no batch."""
    with pytest.raises(RequestFailedError, match="invalid reply: "):
        asked.talk(lambda batches: batches.state("msgbatch_1", {}), answer)


@pytest.mark.parametrize("name", ["", "..", "a b", "x\ud800y", "\x1b[31m", "x" * 257])
def test_a_batch_has_a_name_that_can_be_asked_for(asked: Asked, name: str) -> None:
    """It becomes a part of an address, and is written down."""
    with pytest.raises(RequestFailedError, match="invalid reply: no batch is what the API answers"):
        asked.talk(lambda batches: batches.submit([("a", b"{}")], {}), json_answer(batch(name)))


def test_an_error_status_is_told_as_for_messages(asked: Asked) -> None:
    """With its status, type and words."""
    answer = error_answer("not_found_error", "no such batch", status=404)
    with pytest.raises(RequestFailedError) as caught:
        asked.talk(lambda batches: batches.state("msgbatch_1", {}), answer)
    assert (caught.value.failure.status, caught.value.failure.type) == (404, "not_found_error")
