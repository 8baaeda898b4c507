"""An API whose answers about batches are odd: a run ends with what is true of it, and can go on."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.support.scripted_server import (
    Answer,
    RawServer,
    ReceivedRequest,
    error_answer,
    http,
    json_answer,
    message,
)
from tests.system.batches.api import BATCHES
from tests.system.harness.workspace import until

if TYPE_CHECKING:
    from tests.system.harness.workspace import Workspace

TALK = """\
name: talk
model: claude-haiku-5-5
max_tokens: 64
cases: [{id: ada, vars: {who: Ada}}, {id: bob, vars: {who: Bob}}, {id: eve, vars: {who: Eve}}]
turns: [{user: "I am {{ who }}."}]
"""


@dataclass(kw_only=True, eq=False)
class OddApi:
    """It answers every request of a batch; `garbled` stands before the results, or is all of them.

    `taken_s` is how long it takes to take one.

    With `ends` unset a batch goes on until somebody wants to cancel it, and has then just ended.
    """

    garbled: bytes = b""
    readable: bool = True
    taken_s: float = 0.0
    ends: bool = True
    requests: list[list[Any]] = field(default_factory=list)

    def __call__(self, request: ReceivedRequest) -> Answer:
        path = request.path.partition("?")[0]
        if path == "/v1/messages":
            return json_answer(message())
        if (request.method, path) == ("POST", BATCHES):
            self.requests.append(request.body["requests"])
            answer = json_answer(self._state(len(self.requests)))
            return Answer(data=answer.data, delay_s=self.taken_s)
        if path == BATCHES:
            known = [self._state(number) for number in range(len(self.requests), 0, -1)]
            return json_answer({"data": known, "has_more": False})
        if path.endswith("/cancel"):
            self.ends = True
            return error_answer("invalid_request_error", "it has ended", status=400)
        number = int(path.removeprefix(f"{BATCHES}/msgbatch_").partition("/")[0])
        if not path.endswith("/results"):
            return json_answer(self._state(number))
        result = {"type": "succeeded", "message": message()}
        lines = [{"custom_id": each["custom_id"], "result": result} for each in self.requests[number - 1]]
        raw = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        return http(self.garbled + (raw if self.readable else b""), kind="application/x-jsonl")

    def _state(self, number: int) -> dict[str, Any]:
        return {
            "id": f"msgbatch_{number}",
            "processing_status": "ended" if self.ends else "in_progress",
            "request_counts": {"processing": len(self.requests[number - 1])},
            "created_at": f"2026-11-23T12:00:{number:02}Z",
            "expires_at": None,
        }


def test_a_line_that_is_no_result_holds_nobody_up(workspace: Workspace) -> None:
    """It is read again for a while, and then left alone: every request has its result beside it."""
    workspace.write("talk.yaml", TALK)
    api = OddApi(garbled=b"{not json\n")
    with RawServer(respond=api) as server:
        ended = workspace.run("talk.yaml", "--batch", "-o", "out", url=server.base_url, speed=50.0)
    assert ended.code == 0, ended.stderr
    assert [len(batch) for batch in api.requests] == [2]


def test_results_that_are_garbled_throughout_are_read_later(workspace: Workspace) -> None:
    """Nothing is sent, and paid for, again: the run ends, and a resume has them."""
    workspace.write("talk.yaml", TALK)
    api = OddApi(garbled=b"<html>\n", readable=False)
    with RawServer(respond=api) as server:
        ended = workspace.run("talk.yaml", "--batch", "-o", "out", url=server.base_url, speed=50.0)
        assert ended.code == 3, ended.stderr
        assert "the results of msgbatch_1 cannot be read: " in ended.stdout + ended.stderr
        api.garbled, api.readable = b"", True
        again = workspace.run("resume", "out", url=server.base_url)
    assert again.code == 0, again.stderr
    assert [len(batch) for batch in api.requests] == [2]


def test_a_batch_that_ends_as_it_is_canceled_counts(workspace: Workspace) -> None:
    """The API refuses to cancel what has ended."""
    workspace.write("talk.yaml", TALK)
    api = OddApi(ends=False)
    with RawServer(respond=api) as server:
        ended = workspace.run(
            "talk.yaml", "--batch", "--batch-then-live", "1s", "-o", "out", url=server.base_url
        )
    assert ended.code == 0, ended.stderr
    assert "it could not be canceled: 400 invalid_request_error: it has ended" in ended.stderr
    assert [len(batch) for batch in api.requests] == [2]


def test_a_run_that_is_ended_at_once_says_what_it_does_not_know(workspace: Workspace) -> None:
    """A batch was on its way: it is not canceled, and a resume finds it."""
    workspace.write("talk.yaml", TALK)
    api = OddApi(taken_s=20.0)
    with RawServer(respond=api) as server:
        running = workspace.start("talk.yaml", "--batch", "-o", "out", "--grace", "5m", url=server.base_url)
        until(lambda: bool(api.requests))
        running.send(signal.SIGINT)
        until(lambda: b"again stops now" in running.stderr.read_bytes())
        running.send(signal.SIGINT)
        ended = running.wait()
        assert ended.code == 130
        assert "1 batch may be at the API without an answer that says so, and not canceled: " in ended.stderr
        api.taken_s = 0.0
        again = workspace.run("resume", "out", url=server.base_url)
    assert again.code == 0, again.stderr
    assert [len(batch) for batch in api.requests] == [2]
