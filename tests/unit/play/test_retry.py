"""The retry policy as a table: what is tried again, when, and what ends the request or the whole run."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.conversation.exchange import Failure
from claude_run.play.retry import (
    Decision,
    GiveUp,
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


def decide(
    failure: Failure, *, attempt: int = 1, chance: float = 0.5, patience_s: float = 1000.0
) -> Decision:
    """Ask the default policy."""
    return RetryPolicy().decide(failure, attempt=attempt, chance=chance, patience_s=patience_s)


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


@pytest.mark.parametrize(
    ("failure", "attempts"),
    [(status(500), 5), (of_kind("connection"), 5), (of_kind("timeout"), 2), (of_kind("deadline"), 2)],
)
def test_attempts_are_bounded_and_those_that_cost_a_timeout_more_so(failure: Failure, attempts: int) -> None:
    """The last allowed attempt is the last one."""
    assert isinstance(decide(failure, attempt=attempts - 1), Retry)
    assert decide(failure, attempt=attempts) == GiveUp()


@settings(max_examples=100, deadline=None)
@given(
    attempt=st.integers(min_value=1, max_value=40),
    chance=st.floats(min_value=0.0, max_value=1.0, exclude_max=True),
)
def test_the_jitter_is_full_and_bounded(attempt: int, chance: float) -> None:
    """The wait is any share of a time that doubles from one second up to a minute."""
    policy = RetryPolicy(attempts=100)
    decision = policy.decide(status(500), attempt=attempt, chance=chance, patience_s=math.inf)
    assert decision == Retry(after_s=chance * min(60.0, 2.0 ** (attempt - 1)), throttled=False)


def test_the_wait_that_the_api_asks_for_is_taken_as_it_is() -> None:
    """`retry-after` replaces the back-off, also where it is longer than any of ours."""
    assert decide(status(429, retry_after_s=300.0)) == Retry(after_s=300.0, throttled=True)
    assert decide(status(503, retry_after_s=0.0)) == Retry(after_s=0.0, throttled=False)


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    """A limit that lasts longer ends the run, with its time; our own back-off ends the request alone."""
    assert decide(status(429, retry_after_s=3600.0), patience_s=3599.0) == StopRun(wait_s=3600.0)
    assert decide(status(503, retry_after_s=3600.0), patience_s=3599.0) == GiveUp()
    assert decide(status(429), attempt=4, chance=0.9, patience_s=7.0) == GiveUp()
    assert isinstance(decide(status(429), attempt=4, chance=0.9, patience_s=7.2), Retry)


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
