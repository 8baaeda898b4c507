"""A run against an API that lets in so many requests a minute, and a little at a time."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.limited_server import Arrival, LimitedServer, most_within, times_asked
from tests.system.faults.api import scenario

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.harness.workspace import Workspace

BODY = {"model": "claude-haiku-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi."}]}


def test_a_run_beyond_the_limit_ends_with_every_reply(workspace: Workspace) -> None:
    """Each turn is answered once; what was refused is asked again, and every attempt is written down."""
    cases = [f"c{number}" for number in range(200)]
    workspace.write("s.yaml", scenario(*cases, turns=3))
    with LimitedServer(folder=workspace.folder, requests_per_minute=12_000) as api:
        result = workspace.run("s.yaml", "-o", "out", "-q", "-j", "100", url=api.base_url)
        assert result.code == 0, result.stderr
        arrivals = api.arrivals()
    answered = times_asked(arrivals, status=200)
    assert len(answered) == len(times_asked(arrivals)) == 600
    assert set(answered.values()) == {1}
    assert times_asked(arrivals, status=429)
    assert sum(workspace.attempts().values()) == len(arrivals)
    assert {each["outcome"] for each in workspace.transcripts().values()} == {"passed"}


def test_the_server_answers_by_the_request_alone(tmp_path: Path) -> None:
    """Streamed or not, the same is asked and the same comes back; its headers tell what is left."""
    with LimitedServer(folder=tmp_path, requests_per_minute=6000, latency_s=0.0) as api:
        plain, headers = asked(api, BODY)
        streamed, _ = asked(api, {**BODY, "stream": True})
        other, _ = asked(api, {**BODY, "max_tokens": 10})
        first, second, third = api.arrivals()
    whole = json.loads(plain)
    assert f'"id": "{whole["id"]}"' in streamed
    assert streamed.rstrip().endswith('{"type": "message_stop"}')
    assert json.loads(other)["id"] != whole["id"]
    assert first.key == second.key != third.key
    assert headers["anthropic-ratelimit-requests-limit"] == "6000"
    assert headers["anthropic-ratelimit-requests-remaining"] == "5999"
    reset = datetime.fromisoformat(headers["anthropic-ratelimit-requests-reset"])
    assert abs(reset - datetime.now(UTC)) < timedelta(seconds=10)


def test_the_server_refuses_what_is_too_much_for_a_second(tmp_path: Path) -> None:
    """With the status and the headers of the API; the refusal stands in its record."""
    with LimitedServer(folder=tmp_path, requests_per_minute=6, latency_s=0.0) as api:
        asked(api, BODY)
        with pytest.raises(urllib.error.HTTPError) as refused:
            asked(api, BODY)
        assert refused.value.code == 429
        assert refused.value.headers["retry-after"] == "1"
        assert refused.value.headers["anthropic-ratelimit-requests-remaining"] == "5"
        assert json.load(refused.value)["error"]["type"] == "rate_limit_error"
        refused.value.close()
        assert [each.status for each in api.arrivals()] == [200, 429]


@pytest.mark.parametrize(("moments", "most"), [([0, 5, 10], 3), ([0, 5, 10.1], 2), ([0, 9, 11, 12, 30], 3)])
def test_the_fullest_window_is_found(moments: list[float], most: int) -> None:
    """Wherever it begins, with both of its ends."""
    assert most_within(10, [Arrival(at_s=each, key="k", status=200) for each in moments]) == most


def asked(api: LimitedServer, body: dict[str, Any]) -> tuple[str, Any]:
    """Return the text and the headers of an answer."""
    request = urllib.request.Request(f"{api.base_url}/v1/messages", json.dumps(body).encode())  # noqa: S310 - our own server
    with urllib.request.urlopen(request) as response:  # noqa: S310 - same
        return response.read().decode(), response.headers
