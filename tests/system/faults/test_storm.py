"""A bad day: many faults at once, and a key that nobody accepts."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

from claude_run.play.pacing import START
from tests.support.scripted_server import Answer, error_answer, http
from tests.system.faults.api import Api, TurnRequest, ok, scenario

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tests.system.harness.workspace import Workspace

SHARE = 0.3
IN_A_ROW = 4
"""No request is hit more often in a row, one less than it has attempts."""


def fault(chance: random.Random) -> Answer:
    """Return any of the faults that pass."""
    wait = ("retry-after: 1",)
    cut = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"
    return chance.choice(
        [
            error_answer("rate_limit_error", "slow down", status=429, headers=wait),
            error_answer("overloaded_error", "busy", status=529),
            error_answer("api_error", "oops", status=500),
            Answer(reset=True),
            Answer(data=cut),
            http(b"<html>bad gateway</html>", status=502, kind="text/html"),
            http(b"<html>hello</html>", kind="text/html"),
        ]
    )


def test_a_run_through_a_storm_of_faults_finishes(workspace: Workspace) -> None:
    """300 conversations pass though three of ten requests fail, and both books count the same attempts."""
    cases = [f"c{number}" for number in range(300)]
    faulty: Counter[bool] = Counter()

    def answer(asked: TurnRequest) -> Answer:
        chance = random.Random(f"{asked.case}/{asked.turn}/{asked.attempt}")  # noqa: S311 - only a test's dice
        hit = asked.attempt <= IN_A_ROW and chance.random() < SHARE
        faulty[hit] += 1
        return fault(chance) if hit else ok(f"Reply to {asked.case}, turn {asked.turn}.")

    workspace.write("s.yaml", scenario(*cases, turns=3))
    with Api(answer=answer) as api:
        result = workspace.run("s.yaml", "-o", "out", "-q", "-j", "50", url=api.url, speed=200)
    assert result.code == 0, result.stderr
    assert faulty[False] == 900
    assert faulty[True] / faulty.total() > SHARE - 0.05
    assert workspace.attempts() == api.requests
    transcripts = workspace.transcripts()
    assert len(transcripts) == 300
    for case, transcript in transcripts.items():
        texts = [turn["reply"]["text"] for turn in transcript["turns"]]
        assert texts == [f"Reply to {case}, turn {turn}." for turn in (1, 2, 3)]
        assert [turn["attempts"] for turn in transcript["turns"]] == [
            api.requests[case, turn] for turn in (1, 2, 3)
        ]


def test_a_wrong_key_stops_the_run_at_once(workspace: Workspace) -> None:
    """Of 500 conversations at most 50 are asked for, and the first 401 ends those that hang as well."""
    refusal = error_answer("authentication_error", "invalid x-api-key", status=401)
    slow = Answer(data=refusal.data, delay_s=0.3)
    workspace.write("s.yaml", scenario(*(f"c{number}" for number in range(500))))
    silent = Answer(silent=True)
    with Api(answer=lambda asked: slow if asked is api.ledger[0] else silent) as api:
        result = workspace.run("s.yaml", "-o", "out", "-q", "-j", "50", url=api.url)
        assert 1 <= sum(api.requests.values()) <= 50
        assert workspace.attempts() == api.requests
    assert result.code == 3
    assert "NOT MEASURED (exit code 3): 401 authentication_error: invalid x-api-key" in result.stderr
    (failure,), end = workspace.events("failure"), workspace.events("run")[-1]
    assert end["what"] == "ended"
    assert seconds_between(failure, end) < 2.0
    outcomes = Counter(transcript["outcome"] for transcript in workspace.transcripts().values())
    assert outcomes == {"skipped": 500}


def test_a_long_wait_that_is_asked_for_stops_the_run_and_is_named(workspace: Workspace) -> None:
    """A `retry-after` of an hour is not slept through: exit 3 now, and the time to come back: N2."""
    limit = error_answer("rate_limit_error", "no more today", status=429, headers=("retry-after: 3600",))
    workspace.write("s.yaml", scenario(*(f"c{number}" for number in range(20)), turns=1))
    with Api(answer=lambda _: limit) as api:
        result = workspace.run("s.yaml", "-o", "out", "-q", url=api.url, speed=50)
        assert workspace.attempts() == api.requests
        assert sum(api.requests.values()) <= START
    assert result.code == 3
    wait = (
        "the API asks to wait 3600 s, longer than this run may: go on with `claude-run resume`, not before 2"
    )
    assert wait in result.stderr
    assert {transcript["outcome"] for transcript in workspace.transcripts().values()} == {"skipped"}


def test_an_api_that_is_down_is_not_asked_for_ever(workspace: Workspace) -> None:
    """After ten requests in a row that no retry could save the run stops; --retry-errors finishes it."""
    busy = error_answer("overloaded_error", "busy", status=529)
    down = True
    cases = [f"c{number}" for number in range(40)]
    workspace.write("s.yaml", scenario(*cases, turns=1))
    with Api(answer=lambda _: busy if down else ok()) as api:
        result = workspace.run("s.yaml", "-o", "out", "-q", url=api.url, speed=500)
        assert result.code == 3
        assert "10 requests to claude-haiku-5-5 in a row were given up" in result.stderr
        assert workspace.attempts() == api.requests
        assert sum(api.requests.values()) < 200
        down = False
        assert workspace.run("resume", "out", "--retry-errors", "-q", url=api.url, speed=500).code == 0
        assert workspace.attempts() == api.requests
    assert {transcript["outcome"] for transcript in workspace.transcripts().values()} == {"passed"}


def seconds_between(first: Mapping[str, Any], second: Mapping[str, Any]) -> float:
    """Return the time between two lines of a journal."""
    return (datetime.fromisoformat(second["at"]) - datetime.fromisoformat(first["at"])).total_seconds()
