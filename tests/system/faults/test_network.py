"""Each fault of the network, once or for ever: what becomes of it, in how many attempts, at what cost."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.scripted_server import (
    Answer,
    RawServer,
    error_answer,
    events_of,
    http,
    json_answer,
    message,
    sse,
    stream_answer,
)
from tests.system.faults.api import Api, TurnRequest, ok, scenario

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.system.harness.workspace import Workspace

PAGE = b"<html><title>502</title>\x1b[31m<script>alert(1)</script>" + b"x" * 5000
NO_RETRY = ("x-should-retry: false",)
MANY = 5
LONG = 20_000
"""`max_tokens` that are streamed."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What the server does to the first turn, one answer an attempt and the last for ever, and what follows.

    `attempts` is None where only time bounds them: they are many then. `uncertain` says whether any of them
    may have been billed without a reply.
    """

    answers: tuple[Answer, ...]
    attempts: int | None
    outcome: str = "passed"
    error: str | None = None
    uncertain: bool = False


def once(answer: Answer, *, uncertain: bool = False) -> Fault:
    """Return a fault that the second attempt gets over."""
    return Fault(answers=(answer, ok()), attempts=2, uncertain=uncertain)


def always(answer: Answer, error: str, *, attempts: int | None, uncertain: bool = False) -> Fault:
    """Return a fault that ends its conversation."""
    return Fault(answers=(answer,), attempts=attempts, outcome="errored", error=error, uncertain=uncertain)


def status(number: int, kind: str = "api_error", *, headers: tuple[str, ...] = ()) -> Answer:
    """Answer with an error body of the API."""
    return error_answer(kind, f"the test says {number}", status=number, headers=headers)


def short(body: bytes) -> Answer:
    """Answer with less than was promised."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n"
    return Answer(data=head + body)


WHOLE = message()
NO_USAGE = {key: value for key, value in WHOLE.items() if key != "usage"}
NEW_BLOCK = {"type": "hologram", "depth": [1, {"z": None}]}

FAULTS: Mapping[str, Fault] = {
    "N1-seconds": once(status(429, "rate_limit_error", headers=("retry-after: 2",))),
    "N1-milliseconds": once(status(429, "rate_limit_error", headers=("retry-after-ms: 1500",))),
    "N1-jitter": once(status(429, "rate_limit_error")),
    "N3-529": once(status(529, "overloaded_error")),
    "N3-500": once(status(500), uncertain=True),
    "N3-504": once(status(504, "timeout_error"), uncertain=True),
    "N3-always": always(
        status(529, "overloaded_error"), r"^529 overloaded_error: the test says 529$", attempts=None
    ),
    "N3-broken": always(status(500), r"^500 api_error: the test says 500$", attempts=None, uncertain=True),
    "N5-400": always(
        status(400, "invalid_request_error"), r"^400 invalid_request_error: the test says 400$", attempts=1
    ),
    "N5-413": always(status(413, "request_too_large"), r"^413 request_too_large: ", attempts=1),
    "N6-allowed": always(
        status(400, "invalid_request_error", headers=("x-should-retry: true",)), r"^400 ", attempts=1
    ),
    "N6-forbidden": always(status(500, headers=NO_RETRY), r"^500 api_error: ", attempts=1, uncertain=True),
    "N7-reset": once(Answer(reset=True), uncertain=True),
    "N7-silence": once(Answer(), uncertain=True),
    "N7-short": once(short(b'{"id": "msg_'), uncertain=True),
    "N10-page": always(
        http(PAGE, status=502, kind="text/html", headers=NO_RETRY),
        r"^502 with text/html: <html><title>502</title>\x1b\[31m<script>[^<]*</script>x+$",
        attempts=1,
        uncertain=True,
    ),
    "N11-page": always(
        http(PAGE, kind="text/html"),
        r"^invalid reply: status 200 with content type 'text/html', not application/json: <html>",
        attempts=5,
        uncertain=True,
    ),
    "N12-bad": once(http(b'{"id": "msg_1", '), uncertain=True),
    "N12-empty": once(http(b""), uncertain=True),
    "N12-bytes": once(http(b'{"id": "\xff\xfe"}'), uncertain=True),
    "N13-nothing": once(json_answer({}), uncertain=True),
    "N13-unused": Fault(answers=(json_answer(NO_USAGE),), attempts=1),
    "N13-block": Fault(answers=(json_answer(message(NEW_BLOCK)),), attempts=1),
    "N13-reason": always(
        ok(stop_reason="tired"),
        r"^unknown stop_reason 'tired', so the turns after it were not sent$",
        attempts=1,
    ),
    "N14-empty": Fault(answers=(json_answer({**WHOLE, "content": []}),), attempts=1),
    "N22-refusal": Fault(answers=(ok("", stop_reason="refusal"),), attempts=1, outcome="failed"),
    "N22-cut": Fault(answers=(ok(stop_reason="max_tokens"),), attempts=1),
}

ANSWERED: Mapping[str, Fault] = {
    "N7-cut": always(
        short(b'{"id": "msg_'), r"^the reply was cut off: Not enough data", attempts=5, uncertain=True
    ),
    "N7-header": Fault(answers=(json_answer(WHOLE, headers=[f"x-long: {'y' * 20_000}"]),), attempts=1),
    "N7-endless": always(
        json_answer(WHOLE, headers=[f"x-long: {'y' * 2_000_000}"]),
        r"^invalid reply: the answer of http://127\.0\.0\.1:[0-9]+ \(ANTHROPIC_BASE_URL\) is not valid HTTP",
        attempts=5,
        uncertain=True,
    ),
}
"""Replies that came, and could not be read."""

EVENTS = events_of(message())
STREAM = stream_answer(sse(EVENTS))
CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}


def streamed(*answers: Answer) -> Fault:
    """Return a fault of a stream that the next attempt gets over."""
    return Fault(answers=(*answers, STREAM), attempts=len(answers) + 1, uncertain=True)


STREAMED: Mapping[str, Fault] = {
    "N15-short": streamed(stream_answer(sse(EVENTS[:-1]))),
    "N15-always": always(
        stream_answer(sse(EVENTS[:3])),
        "^the stream ended before its message did$",
        attempts=5,
        uncertain=True,
    ),
    "N16-cut": streamed(stream_answer(sse(EVENTS[:4]), length=100_000)),
    "N16-always": always(
        stream_answer(sse(EVENTS[:4]), length=100_000),
        "^the reply was cut off: Not enough data",
        attempts=5,
        uncertain=True,
    ),
    "N16-chunks": always(
        Answer(data=CHUNKED + b"%x\r\n%s\r\n" % (len(sse(EVENTS[:4])), sse(EVENTS[:4]))),
        "^the reply was cut off: Not enough data",
        attempts=5,
        uncertain=True,
    ),
    "N16-reset": streamed(Answer(data=stream_answer(sse(EVENTS[:4])).data, reset=True)),
    "N17-error": streamed(stream_answer(sse([*EVENTS[:2], OVERLOADED]))),
    "N18-bad": streamed(stream_answer(sse(EVENTS[:2]) + b"event: x\ndata: {nonsense\n\n")),
    "N18-unknown": Fault(
        answers=(stream_answer(sse([EVENTS[0], {"type": "aurora"}, *EVENTS[1:]])),), attempts=1
    ),
}


def play(workspace: Workspace, faults: Mapping[str, Fault], *, max_tokens: int = 100) -> dict[str, Any]:
    """Play a conversation of two turns for each fault, and hold all books against each other."""
    calm = STREAM if max_tokens == LONG else ok()

    def answer(asked: TurnRequest) -> Answer:
        answers = faults[asked.case].answers
        return answers[min(asked.attempt, len(answers)) - 1] if asked.turn == 1 else calm

    workspace.write("s.yaml", scenario(*faults, max_tokens=max_tokens))
    with Api(answer=answer) as api:
        result = workspace.run("s.yaml", "-o", "out", "-v", url=api.url, speed=200)
        assert workspace.attempts() == api.requests
    assert result.code == 3
    assert "\x1b" not in result.stdout + result.stderr
    return {"transcripts": workspace.transcripts(), "requests": api.requests, "ledger": api.ledger}


def assert_as_promised(faults: Mapping[str, Fault], played: dict[str, Any]) -> None:
    """Hold each conversation against what its fault promises."""
    for case, fault in faults.items():
        if fault.attempts is None:
            assert played["requests"][case, 1] > MANY
    found = {
        case: (
            None if faults[case].attempts is None else played["requests"][case, 1],
            transcript["outcome"],
            bool(transcript["uncertain_cost_usd"]),
            played["requests"][case, 2],
        )
        for case, transcript in played["transcripts"].items()
    }
    assert found == {
        case: (fault.attempts, fault.outcome, fault.uncertain, int(fault.outcome == "passed"))
        for case, fault in faults.items()
    }
    for case, fault in faults.items():
        error = played["transcripts"][case]["error"]
        assert (error is None) == (fault.error is None), (case, error)
        assert re.search(fault.error or "", error or ""), (case, error)


def test_each_fault_of_a_reply_is_handled_as_promised(workspace: Workspace) -> None:
    """Attempts, outcome, words and uncertain cost of N1 to N14 and N22, in one run of many conversations."""
    played = play(workspace, FAULTS)
    assert_as_promised(FAULTS, played)
    transcripts = played["transcripts"]
    assert len(transcripts["N10-page"]["error"]) < 250
    assert transcripts["N13-block"]["turns"][0]["reply"]["content"] == [NEW_BLOCK]
    assert transcripts["N22-refusal"]["turns"][0]["reply"]["stop_reason"] == "refusal"
    assert transcripts["N22-cut"]["warnings"] == ["turn 1: the reply was cut off at max_tokens (100)"]
    assert transcripts["N3-500"]["turns"][0]["attempts"] == 2
    second = {asked.case: asked.http.body["messages"] for asked in played["ledger"] if asked.turn == 2}
    assert second["N13-block"][1] == {"role": "assistant", "content": [NEW_BLOCK]}
    assert [each["role"] for each in second["N14-empty"]] == ["user", "user"]
    page = (workspace.folder / "out" / "transcripts.md").read_bytes()
    assert b"<script>" not in page
    assert b"\x1b" not in page


def test_what_was_answered_is_paid_a_few_times_at_most(workspace: Workspace) -> None:
    """A reply that breaks on its way is probably billed; one in an unusual head is read: N7."""
    assert_as_promised(ANSWERED, play(workspace, ANSWERED))


def test_each_fault_of_a_stream_is_handled_as_promised(workspace: Workspace) -> None:
    """A stream counts only when its message is whole, whatever the status was: N15 to N18."""
    assert_as_promised(STREAMED, play(workspace, STREAMED, max_tokens=LONG))


def test_what_never_ends_is_ended_by_the_deadline(workspace: Workspace) -> None:
    """Silence, a slow drip and a stalled body are given up on the wall clock, after a few tries: N8, N9."""
    slow = http(b" " * 5000).data
    answers = {
        "N8-silent": Answer(silent=True),
        "N9-drip": Answer(data=slow, drip_s=0.05),
        "N16-stalled": Answer(data=slow[:200], silent=True),
    }
    workspace.write("s.yaml", scenario(*answers, turns=1))
    with Api(answer=lambda asked: answers[asked.case]) as api:
        result = workspace.run("s.yaml", "-o", "out", "--timeout", "50s", url=api.url, speed=100)
        assert workspace.attempts() == api.requests
        assert all(2 <= api.requests[case, 1] <= MANY for case in answers)
    assert result.code == 3
    for transcript in workspace.transcripts().values():
        assert transcript["error"] == "no whole reply within 50 s"
        assert transcript["uncertain_cost_usd"] > 0


def test_a_redirect_is_refused_and_the_prompt_stays(workspace: Workspace) -> None:
    """Neither the key nor the prompt reaches the host that a redirect names: N19."""
    workspace.write("s.yaml", scenario("to-307", "to-302", "to-301", turns=1))
    with RawServer(respond=lambda _: ok()) as other:

        def answer(asked: TurnRequest) -> Answer:
            place = f"location: {other.base_url}/v1/messages"
            return http(b"", status=int(asked.case[3:]), headers=[place])

        with Api(answer=answer) as api:
            result = workspace.run("s.yaml", "-o", "out", url=api.url, speed=50)
        assert sum(api.requests.values()) == 3
        assert other.ledger == []
    assert result.code == 3
    refused = "the API redirects, which is refused because the prompt would follow"
    for case, transcript in workspace.transcripts().items():
        assert transcript["error"] == f"{case[3:]}: {refused}"


def test_a_connection_that_died_while_idle_fails_no_conversation(workspace: Workspace) -> None:
    """A kept connection is replaced when the server closed it, before or after its FIN was seen: N20."""
    idle = [f"idle{n}" for n in range(5)]
    racing = [f"racing{n}" for n in range(15)]
    kept = ok().data.replace(b"connection: close\r\n", b"")
    wait = status(429, "rate_limit_error", headers=("retry-after: 25",))

    def answer(asked: TurnRequest) -> Answer:
        if asked.case in racing:
            return Answer(data=kept)
        if (asked.turn, asked.attempt) == (2, 1):
            return Answer(data=wait.data.replace(b"connection: close\r\n", b""), keep_s=0.1)
        return Answer(data=kept, keep_s=5.0)

    workspace.write("s.yaml", scenario(*idle, *racing, turns=3))
    with Api(answer=answer) as api:
        result = workspace.run("s.yaml", "-o", "out", url=api.url, speed=50)
    assert result.code == 0, result.stderr
    expected = {(case, turn): 1 for case in racing for turn in (1, 2, 3)}
    expected |= {(case, turn): 1 + (turn == 2) for case in idle for turn in (1, 2, 3)}
    assert api.requests == expected
    attempts = workspace.attempts()
    assert {key: attempts[key] for key in expected if key[0] in idle} == {
        key: count for key, count in expected.items() if key[0] in idle
    }
    # A request that raced the close never arrived: it was tried again, and is shown as possibly paid.
    assert all(attempts[key] >= count for key, count in expected.items())
