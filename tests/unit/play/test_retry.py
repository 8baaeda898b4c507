"""The retry policy as a table: what is tried again, when, and what ends the request or the whole run."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.conversation.exchange import Failure
from claude_run.play.retry import (
    Decision,
    Failures,
    GiveUp,
    OutageTooLong,
    Retry,
    RetryPolicy,
    StopRun,
    is_fatal,
    is_throttle,
    is_transient,
)


def status(number: int, kind: str | None = None, **fields: Any) -> Failure:
    """Return the failure of an error status."""
    return Failure(kind="status", status=number, type=kind, message=f"{number} {kind}", **fields)


def of_kind(kind: Any, **fields: Any) -> Failure:
    """Return a failure that is not a status."""
    return Failure(kind=kind, message=kind, **fields)


PATIENCE_S = 300.0
FEW = 5
"""So many failures in a row are an outage, and so many requests make it everybody's."""


def failed(attempts: int, *, since: float = 0.0, requests: int = 1, billed: int = 0) -> Failures:
    """Return so many failed attempts since a moment, at so many requests."""
    return Failures(
        since=since, attempts=attempts, billed=billed, keys={f"request {n}" for n in range(requests)}
    )


def decide(failure: Failure, *, now: float = 0.0, chance: float = 0.5, **fields: Any) -> Decision:
    """Ask the default policy about the first failure of a request to a model that answers others."""
    state: dict[str, Any] = {"request": failed(1), "model": failed(1), **fields}
    return RetryPolicy().decide(failure, now=now, chance=chance, **state)


BROKE = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."
SPENT = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."


@pytest.mark.parametrize(
    "failure",
    [
        *(status(number) for number in (408, 409, 429, 500, 502, 503, 504, 529)),
        status(429, "rate_limit_error", code="ramp_limit_exceeded"),
        *(of_kind(kind) for kind in ("connection", "timeout", "deadline", "invalid_reply", "truncated")),
        *(
            Failure(kind="status", type=kind, message="in mid-stream")
            for kind in ("overloaded_error", "rate_limit_error", "api_error", "timeout_error")
        ),
    ],
    ids=lambda failure: f"{failure.kind}-{failure.status}-{failure.type}",
)
def test_what_passes_is_tried_again(failure: Failure) -> None:
    """Statuses, transport and malformed replies that may get better; a header may forbid the next attempt."""
    assert isinstance(decide(failure), Retry)
    forbidden = Failure(
        kind=failure.kind, status=failure.status, type=failure.type, message="", may_retry=False
    )
    assert decide(forbidden) == GiveUp()
    assert not is_transient(forbidden)


@pytest.mark.parametrize(
    "failure",
    [
        *(status(number) for number in (301, 307, 400, 413, 422)),
        status(400, "invalid_request_error"),
        status(413, "request_too_large"),
        Failure(kind="status", type="invalid_request_error", message="in mid-stream"),
        of_kind("not_recorded"),
    ],
    ids=lambda failure: f"{failure.kind}-{failure.status}-{failure.type}",
)
def test_what_stays_ends_its_request_alone(failure: Failure) -> None:
    """Another attempt would get the same answer, another conversation need not."""
    assert decide(failure) == GiveUp()
    assert not is_fatal(failure)


@pytest.mark.parametrize(
    "failure",
    [
        status(401, "authentication_error"),
        status(402, "billing_error"),
        status(403, "permission_error"),
        status(404, "not_found_error"),
        status(404),
        status(407),
        Failure(kind="status", status=400, type="invalid_request_error", message=BROKE),
        status(429, "rate_limit_error", code="enforced_spend_limit_reached"),
        status(429, "rate_limit_error", code="contract_spend_limit_reached"),
        status(403, "permission_error", code="organization_on_hold"),
        Failure(kind="status", status=400, type="invalid_request_error", message=SPENT),
        Failure(kind="status", type="authentication_error", message="in mid-stream"),
        Failure(kind="status", type="billing_error", message="in mid-stream"),
        of_kind("credentials"),
    ],
    ids=lambda failure: f"{failure.kind}-{failure.status}-{failure.type}-{failure.code}",
)
def test_what_is_hopeless_ends_the_run(failure: Failure) -> None:
    """Keys, money, addresses and unknown models: every other request would fail in the same way."""
    assert decide(failure) == StopRun()


def test_patience_is_time_and_not_a_count() -> None:
    """However often a request failed, it is tried again until so long after its first failure."""
    often = failed(1000)
    assert isinstance(decide(status(500), request=often, now=PATIENCE_S - 0.1), Retry)
    assert decide(status(500), request=often, now=PATIENCE_S) == GiveUp()


def test_the_last_attempt_is_at_the_end_of_patience() -> None:
    """A back-off is cut there, so that an outage as long as patience is waited out."""
    late = decide(status(500), request=failed(9), now=PATIENCE_S - 7.0, chance=0.9)
    assert late == Retry(after_s=7.0)


def test_no_patience_means_one_try() -> None:
    """`--patience 0s` takes the first failure as the last, whatever the API asks for."""
    policy = RetryPolicy(patience_s=0.0)
    for failure in (status(500), status(429, retry_after_s=1.0), of_kind("connection")):
        found = policy.decide(failure, request=failed(1), model=failed(1), now=0.0, chance=0.5)
        assert found == GiveUp()


def test_time_in_line_takes_no_patience() -> None:
    """What waits for its turn while others are answered has not been refused for so long."""
    request = failed(4)
    request.excuse(1000.0)
    assert isinstance(decide(status(429), request=request, now=1000.0 + PATIENCE_S - 0.1), Retry)
    assert decide(status(429), request=request, now=1000.0 + PATIENCE_S) == GiveUp()


def test_one_that_is_throttled_again_and_again_does_not_hold_the_others_up_as_long() -> None:
    """Their pause grows with the failures in a row of all of them, its own wait with its own."""
    found = decide(status(429), request=failed(6), now=100.0)
    assert found == Retry(after_s=16.0, pause_s=0.5)
    assert decide(status(429), request=failed(1), model=failed(3)) == Retry(after_s=0.5, pause_s=0.5)
    # In an outage the line itself is held up.
    assert decide(status(429), model=failed(FEW)) == Retry(after_s=0.5, outage=True)
    asked = decide(status(429, retry_after_s=9.0), model=failed(FEW))
    assert asked == Retry(after_s=9.0, pause_s=9.0, outage=True)


@pytest.mark.parametrize("kind", ["invalid_reply", "truncated", "timeout", "deadline"])
def test_attempts_that_were_probably_billed_for_nothing_are_counted(kind: Any) -> None:
    """A gateway that breaks every reply is not paid for five minutes; what costs nothing is not counted."""
    request, free = Failures(), Failures()
    for number in range(FEW):
        assert isinstance(decide(of_kind(kind), request=request), Retry), number
        request.add(of_kind(kind), key="k", now=0.0)
        free.add(of_kind(kind, paid="no"), key="k", now=0.0)
    assert decide(of_kind(kind), request=request) == GiveUp()
    assert isinstance(decide(of_kind(kind), request=free), Retry)


def test_failures_in_a_row_are_an_outage_whose_probes_come_as_slowly_as_it_is_long() -> None:
    """Then the wait is a share of the time that it has lasted, whichever request fails, up to a minute."""
    assert decide(status(500), model=failed(FEW - 1), now=20.0) == Retry(after_s=0.5)
    for now, wait in ((0.0, 0.5), (20.0, 10.0), (200.0, 30.0), (290.0, 10.0)):
        found = decide(status(500), request=failed(1, since=now), model=failed(FEW), now=now)
        assert found == Retry(after_s=wait, outage=True)


def test_an_outage_longer_than_patience_ends_the_run_once() -> None:
    """Its length counts for all requests; where few have met it one of them alone is given up."""
    for failure in (status(503), status(529), of_kind("connection")):
        for requests, decision in ((FEW - 1, GiveUp()), (FEW, OutageTooLong())):
            model = failed(20, requests=requests)
            found = decide(failure, request=failed(1, since=PATIENCE_S), model=model, now=PATIENCE_S)
            assert found == decision
    assert decide(status(400), model=failed(20, requests=20), now=PATIENCE_S) == GiveUp()
    # The patience of one request alone says nothing of the others, whatever failed just now.
    short = failed(20, since=PATIENCE_S - 3.0, requests=20)
    assert decide(status(500), model=short, now=PATIENCE_S) == GiveUp()


@settings(max_examples=100, deadline=None)
@given(
    attempt=st.integers(min_value=1, max_value=2000),
    chance=st.floats(min_value=0.0, max_value=1.0, exclude_max=True),
)
def test_the_jitter_is_full_and_bounded(attempt: int, chance: float) -> None:
    """The wait is any share of a time that doubles from one second up to a minute."""
    decision = decide(status(500), request=failed(attempt), chance=chance)
    assert decision == Retry(after_s=chance * min(60.0, 2.0 ** min(attempt - 1, 9)))


def test_the_wait_that_the_api_asks_for_is_taken_as_it_is() -> None:
    """`retry-after` replaces the back-off, also where it is longer than all patience."""
    assert decide(status(429, retry_after_s=900.0)) == Retry(after_s=900.0, pause_s=900.0)
    assert decide(status(503, retry_after_s=0.0)) == Retry(after_s=0.0)


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    """A limit that lasts longer ends the run, with its time; our own back-off ends the request alone."""
    for left in ("left_s", "run_left_s"):
        short: dict[str, Any] = {left: 3599.0}
        assert decide(status(429, retry_after_s=3600.0), **short) == StopRun(wait_s=3600.0)
        assert decide(status(503, retry_after_s=3600.0), **short) == GiveUp()
        down = failed(FEW)
        assert decide(status(503, retry_after_s=3600.0), model=down, **short) == StopRun(wait_s=3600.0)
    fourth: dict[str, Any] = {"request": failed(4), "chance": 0.9}
    assert decide(status(429), left_s=7.0, **fourth) == GiveUp()
    assert isinstance(decide(status(429), left_s=7.2, **fourth), Retry)


def test_the_end_of_the_run_is_no_failure_of_a_conversation() -> None:
    """A back-off beyond `--max-time` is begun: the stop that comes then ends it, and it can be resumed."""
    assert isinstance(decide(status(500), request=failed(9), chance=0.9, run_left_s=1.0), Retry)


@pytest.mark.parametrize(
    ("failure", "throttled"),
    [
        (status(429), True),
        (status(529), True),
        (Failure(kind="status", type="overloaded_error", message=""), True),
        (Failure(kind="status", type="rate_limit_error", message=""), True),
        (status(500), False),
        (of_kind("connection"), False),
    ],
)
def test_the_model_slows_down_where_the_api_asks_for_it(failure: Failure, *, throttled: bool) -> None:
    """Rate limits and overload concern all requests to a model, other faults one of them."""
    assert is_throttle(failure) is throttled
