"""Errors of the transport and headers of error replies as our failures."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import aiohttp
import anthropic
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.api.errors import (
    from_broken_body,
    from_error_body,
    from_status_error,
    from_transport_error,
    is_error,
    retry_after,
)
from claude_run.play.retry import Failures, RetryPolicy
from tests.unit.conversation.strategies import JSON

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1/messages")


def status_error(status: int, body: Any = None, **headers: str) -> anthropic.APIStatusError:
    """Return the SDK's error for a reply with this status."""
    response = httpx2.Response(
        status, headers={name.replace("_", "-"): value for name, value in headers.items()}, request=REQUEST
    )
    return anthropic.APIStatusError("ignored", response=response, body=body)


def caused(error: BaseException, cause: BaseException) -> BaseException:
    """Return the error as if it had been raised from its cause."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """Milliseconds win over seconds, a date may stand for both, and nonsense is not an answer."""
    assert retry_after(headers) == seconds


def test_retry_after_as_a_date() -> None:
    """A date in the future is the wait until then."""
    found = retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)})
    assert found is not None
    assert 55 < found <= 60


@settings(max_examples=100, deadline=None)
@given(
    value=st.text(max_size=30)
    | st.builds(
        "{}, {} {} {} {}:00:00 GMT".format,
        st.sampled_from(["Mon", "Xxx"]),
        st.integers(0, 99),
        st.sampled_from(["Jan", "Feb", "Foo"]),
        st.integers(0, 10**12),
        st.integers(0, 99),
    )
)
def test_retry_after_survives_any_text(value: str) -> None:
    """Whatever a server writes there, the result is a wait or none, never an error."""
    found = retry_after({"retry-after": value})
    assert found is None or found >= 0


@pytest.mark.parametrize("value", ["nan", "inf", "1e400"])
def test_a_wait_without_end_is_none(value: str) -> None:
    """A number that is not a number of seconds is as good as no header."""
    assert retry_after({"retry-after": value}) is None


@pytest.mark.parametrize(
    ("status", "paid"),
    [
        (400, "no"),
        (401, "no"),
        (404, "no"),
        (408, "no"),
        (429, "no"),
        (500, "maybe"),
        (504, "maybe"),
        (529, "no"),
    ],
)
def test_what_a_status_may_cost(status: int, paid: str) -> None:
    """Only a server that broke while it worked may have billed the request."""
    failure = from_status_error(status_error(status))
    assert (failure.kind, failure.status, failure.paid) == ("status", status, paid)


@pytest.mark.parametrize(
    ("headers", "may_retry"),
    [({}, True), ({"x_should_retry": "true"}, True), ({"x_should_retry": "False"}, False)],
)
def test_the_header_that_forbids_a_retry(headers: dict[str, str], may_retry: bool) -> None:
    """`x-should-retry: false` is passed on; anything else allows what the policy allows."""
    assert from_status_error(status_error(429, **headers)).may_retry is may_retry


def test_a_status_in_the_words_of_the_api() -> None:
    """Type, code, message, request id and wait of the API's own error body are kept."""
    error = {
        "type": "rate_limit_error",
        "message": "Slow down.",
        "details": {"error_code": "ramp_limit_exceeded"},
    }
    failure = from_status_error(
        status_error(429, {"type": "error", "error": error}, request_id="req_1", retry_after="3")
    )
    assert failure.message == "429 rate_limit_error: Slow down."
    assert (failure.type, failure.code) == ("rate_limit_error", "ramp_limit_exceeded")
    assert (failure.request_id, failure.retry_after_s) == ("req_1", 3.0)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("  <html>Bad gateway</html> ", "502 with text/html: <html>Bad gateway</html>"),
        ("x" * 5000, "502 with text/html: " + "x" * 200),
        (None, "502 with text/html: "),
        ({"error": "odd"}, "502 with text/html: {'error': 'odd'}"),
        ({"error": {"message": 3}}, "502 with text/html: {'error': {'message': 3}}"),
    ],
)
def test_a_status_of_something_else_than_the_api(body: Any, message: str) -> None:
    """A proxy's page is named by its content type, with the beginning of what it says."""
    failure = from_status_error(status_error(502, body, content_type="text/html"))
    assert failure.message == message
    assert failure.type is None


BODY = st.fixed_dictionaries(
    {
        "type": st.just("error"),
        "error": st.fixed_dictionaries(
            {},
            optional={
                "type": JSON,
                "message": JSON,
                "details": st.fixed_dictionaries({}, optional={"error_code": JSON}) | JSON,
            },
        ),
    }
)


@settings(max_examples=200, deadline=None)
@given(status=st.sampled_from([400, 401, 404, 429, 500, 529]), body=BODY | JSON)
def test_any_body_of_an_error_is_judged_by_its_shape(status: int, body: Any) -> None:
    """Words of another type are no words: the policy can decide on what is left, and the message is text."""
    failures = [from_status_error(status_error(status, body))]
    if isinstance(body, dict):
        failures.append(from_error_body(body, None, where="in mid-stream"))
    for failure in failures:
        assert {type(failure.type), type(failure.code)} <= {str, type(None)}
        assert isinstance(failure.message, str)
        once = Failures()
        once.add(failure, key="k", now=0.0)
        assert RetryPolicy().decide(failure, request=once, model=once, now=0.0, chance=0.5) is not None


@pytest.mark.parametrize(
    ("error", "kind", "paid", "words"),
    [
        (
            anthropic.APITimeoutError(request=REQUEST),
            "timeout",
            "maybe",
            "the API fell silent",
        ),
        (aiohttp.SocketTimeoutError("slow"), "timeout", "maybe", "the API fell silent"),
        (
            caused(anthropic.APIConnectionError(request=REQUEST), aiohttp.ConnectionTimeoutError("slow")),
            "timeout",
            "no",
            "the API fell silent",
        ),
        (aiohttp.ClientOSError(32, "cut"), "connection", "maybe", "the connection was cut: [Errno 32] cut"),
        (
            ConnectionResetError(104, "reset by peer"),
            "connection",
            "maybe",
            "the connection was cut: [Errno 104] reset by peer",
        ),
        (aiohttp.ServerDisconnectedError("gone"), "connection", "maybe", "the connection was cut: gone"),
        (EOFError(), "connection", "maybe", "the connection was cut: EOFError"),
        (
            caused(
                anthropic.APIConnectionError(request=REQUEST),
                aiohttp.ClientConnectorError(
                    aiohttp.client_reqrep.ConnectionKey("h", 1, False, True, None, None, None),  # noqa: FBT003 - its own fields
                    OSError(111, "Connection refused"),
                ),
            ),
            "connection",
            "no",
            "the API cannot be reached: ",
        ),
    ],
)
def test_broken_connections(error: BaseException, kind: str, paid: str, words: str) -> None:
    """Only a connection that was never made is surely unpaid; the deepest cause has the words."""
    failure = from_transport_error(error)
    assert (failure.kind, failure.paid, failure.may_retry) == (kind, paid, True)
    assert failure.message.startswith(words)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (aiohttp.ClientPayloadError("short"), "truncated", "the reply was cut off: short"),
        (ConnectionResetError(104, "reset by peer"), "truncated", "the reply was cut off: [Errno 104] reset"),
        (httpx2.DecodingError("bad block"), "invalid_reply", "the body cannot be unpacked: bad block"),
        (aiohttp.SocketTimeoutError("slow"), "timeout", "the API fell silent"),
    ],
)
def test_a_reply_that_broke_on_its_way_was_worked_for(error: BaseException, kind: str, words: str) -> None:
    """Whatever breaks after the head of a success, the attempt is one that was probably billed."""
    failure = from_broken_body(error, request_id="req_1")
    assert (failure.kind, failure.paid, failure.request_id) == (kind, "maybe", "req_1")
    assert words in failure.message
    failures = Failures()
    failures.add(failure, key="k", now=0.0)
    assert failures.billed == 1


def test_an_error_event() -> None:
    """An error in mid-stream has no status of its own: its type decides."""
    error = {"type": "overloaded_error", "message": "Overloaded", "details": {"error_code": "busy"}}
    failure = from_error_body({"type": "error", "error": error}, "req_9", where="in mid-stream")
    assert failure.message == "overloaded_error busy in mid-stream: Overloaded"
    assert failure.kind == "status"
    assert (failure.type, failure.code, failure.request_id) == ("overloaded_error", "busy", "req_9")
    assert (failure.status, failure.paid) == (None, "maybe")


@pytest.mark.parametrize("details", [None, [], {"error_code": 3}, "odd"])
def test_an_error_event_without_a_code(details: Any) -> None:
    """A code that is no text is not a code."""
    error = {"type": "x", "message": "y", "details": details}
    assert from_error_body({"error": error}, None, where="there").code is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"error": {"message": "quota exceeded", "code": "insufficient_quota"}},
            "insufficient_quota there: quota exceeded",
        ),
        ({"error": {"message": "bad gateway", "code": 502, "type": None}}, "502 there: bad gateway"),
        ({"error": "upstream connect error"}, "an error there: upstream connect error"),
        ({"error": {"odd": 1}}, "an error there: {'odd': 1}"),
    ],
)
def test_an_error_of_a_gateway(body: Any, message: str) -> None:
    """Its own words are shown; nobody knows what they mean, so the request may be tried again."""
    assert is_error(body)
    failure = from_error_body(body, None, where="there")
    assert (failure.message, failure.kind, failure.may_retry) == (message, "invalid_reply", True)


@pytest.mark.parametrize("body", [{}, {"type": "message", "error": None}, {"error": None}, {"type": "ping"}])
def test_what_is_no_error(body: Any) -> None:
    """A message is none, whatever a newer API puts beside its parts."""
    assert not is_error(body)
