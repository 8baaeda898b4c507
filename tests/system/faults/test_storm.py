"""A bad day: many faults at once, and a key that nobody accepts."""

from __future__ import annotations

import random
import re
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from claude_run.play.pacing import START
from tests.support.scripted_server import Answer, error_answer, http, json_answer, message
from tests.system.faults.api import Api, TurnRequest, ok, scenario

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tests.system.harness.workspace import Workspace

SHARE = 0.4


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
    """300 conversations pass though four of ten requests fail, and both books count the same attempts."""
    cases = [f"c{number}" for number in range(300)]
    faulty: Counter[bool] = Counter()

    def answer(asked: TurnRequest) -> Answer:
        chance = random.Random(f"{asked.case}/{asked.turn}/{asked.attempt}")  # noqa: S311 - only a test's dice
        hit = chance.random() < SHARE
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
    assert "STOP   401 authentication_error: invalid x-api-key" in result.stdout
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
    wait = "the API asks to wait 3600 s, longer than this run may: go on with the run, not before 2"
    assert wait in result.stdout
    assert {transcript["outcome"] for transcript in workspace.transcripts().values()} == {"skipped"}


def test_a_storm_of_the_simulator_is_ridden_out(workspace: Workspace) -> None:
    """All of 60 conversations of three turns pass at 40 % of six kinds of random faults."""
    kinds = ("429", "529", "500", "reset", "bad-json", "html")
    # The first fault that applies is taken, so that those after it share what is left.
    shares = [100 * SHARE / 6 / (1 - n * SHARE / 6) for n in range(6)]
    script = " ".join(f"{kind}:{share:.2f}%" for kind, share in zip(kinds, shares, strict=True))
    workspace.write("s.yaml", scenario(*(f"c{number}" for number in range(60)), turns=3))
    for seed in (1, 2):
        out = f"out{seed}"
        flags = ("--simulate", "--faults", f"{script} seed={seed}", "-o", out, "-q")
        assert workspace.run("s.yaml", *flags, speed=200).code == 0
        assert len(workspace.events("failure", out)) > 70
        assert len(workspace.events("reply", out)) == 180


DOWN = error_answer("overloaded_error", "busy", status=529)


def test_an_outage_of_five_minutes_is_waited_out(workspace: Workspace) -> None:
    """In mid-run nobody is answered for so long: few ask meanwhile, it is shown, and everything passes."""
    cases = [f"c{number}" for number in range(30)]
    down = threading.Event()
    speed = 100
    asked_meanwhile: list[TurnRequest] = []

    def answer(asked: TurnRequest) -> Answer:
        if len(api.ledger) == 20:
            down.set()
            threading.Timer(295 / speed, down.clear).start()
        if down.is_set():
            asked_meanwhile.append(asked)
            return DOWN
        return ok()

    workspace.write("s.yaml", scenario(*cases, turns=2))
    with Api(answer=answer) as api:
        result = workspace.run("s.yaml", "-o", "out", url=api.url, speed=speed)
        assert workspace.attempts() == api.requests
    assert result.code == 0, result.stderr
    assert 5 < len(asked_meanwhile) < 60
    assert result.stderr.count("OUTAGE claude-haiku-5-5  no reply for ") == 1
    assert result.stderr.count("BACK   claude-haiku-5-5  replies again, after ") == 1


@pytest.mark.parametrize(
    "answer",
    [
        DOWN,
        http(b"<html>hello</html>", kind="text/html"),
        Answer(reset=True),
    ],
)
def test_an_api_that_is_down_ends_the_run_once(workspace: Workspace, answer: Answer) -> None:
    """After five minutes, with the way out; --retry-errors finishes it."""
    down = True
    cases = [f"c{number}" for number in range(40)]
    workspace.write("s.yaml", scenario(*cases, turns=1))
    with Api(answer=lambda _: answer if down else ok()) as api:
        result = workspace.run("s.yaml", "-o", "out", "-q", url=api.url, speed=500)
        assert result.code == 3
        assert "claude-haiku-5-5 has not replied for 3" in workspace.summary()["exit_reason"]
        assert "go on with the run once the API answers again" in workspace.summary()["exit_reason"]
        assert workspace.attempts() == api.requests
        assert sum(api.requests.values()) < 60
        outcomes = Counter(transcript["outcome"] for transcript in workspace.transcripts().values())
        assert outcomes["skipped"] >= 36
        down = False
        assert workspace.run("resume", "out", "--retry-errors", "-q", url=api.url, speed=500).code == 0
        assert workspace.attempts() == api.requests
    assert {transcript["outcome"] for transcript in workspace.transcripts().values()} == {"passed"}


def test_patience_is_the_users(workspace: Workspace) -> None:
    """`--patience 0s` tries once, also when the run is resumed; a longer one tries for longer."""
    workspace.write("s.yaml", scenario("a", turns=1))
    with Api(answer=lambda _: DOWN) as api:
        for arguments, least, most in (
            (("s.yaml", "-o", "out", "--patience", "0s"), 1, 1),
            (("resume", "out", "--retry-errors"), 1, 1),
            (("resume", "out", "--retry-errors", "--patience", "30m"), 15, 200),
        ):
            before = len(api.ledger)
            assert workspace.run(*arguments, "-q", url=api.url, speed=2000).code == 3
            assert least <= len(api.ledger) - before <= most, arguments


def test_patience_of_hours_is_not_cut_by_the_hour_of_a_conversation(workspace: Workspace) -> None:
    """What the user asks for holds for the conversation as a whole: an outage of 80 minutes is waited out."""
    speed = 1000
    workspace.write("s.yaml", scenario("a", turns=1))
    begin: list[float] = []

    def answer(_asked: TurnRequest) -> Answer:
        begin.append(time.monotonic())
        return ok() if begin[-1] - begin[0] > 80 * 60 / speed else DOWN

    with Api(answer=answer) as api:
        flags = ("-o", "out", "-q", "--patience", "3h")
        assert workspace.run("s.yaml", *flags, url=api.url, speed=speed).code == 0


def test_a_reset_beyond_all_bounds_is_not_waited_for(workspace: Workspace) -> None:
    """Whoever sends such headers holds nobody up: what the limits allow is told by the API's refusals."""
    resets = {
        "far": "2099-01-01T00:00:00Z",
        "beyond": "9999-12-31T23:59:59-14:00",
        "words": "tomorrow",
        "number": "-1",
    }

    def answer(asked: TurnRequest) -> Answer:
        reset = f"anthropic-ratelimit-requests-reset: {resets[asked.case]}"
        return json_answer(message(), headers=("anthropic-ratelimit-requests-remaining: 0", reset))

    workspace.write("s.yaml", scenario(*resets, turns=3))
    with Api(answer=answer) as api:
        result = workspace.run("s.yaml", "-o", "out", url=api.url, speed=50)
    assert result.code == 0, result.stderr
    assert "WAIT" not in result.stderr


def test_a_reset_within_bounds_is_waited_for_and_named(workspace: Workspace) -> None:
    """The reason and the end of the wait stand in the progress; `--max-time` ends it all the same."""
    soon = (datetime.now(UTC) + timedelta(minutes=4)).isoformat()
    headers = ("anthropic-ratelimit-requests-remaining: 0", f"anthropic-ratelimit-requests-reset: {soon}")
    workspace.write("s.yaml", scenario("a", turns=2))
    with Api(answer=lambda _: json_answer(message(), headers=headers)) as api:
        result = workspace.run("s.yaml", "-o", "out", "--max-time", "60s", url=api.url, speed=100)
        assert len(api.ledger) == 1
    assert result.code == 4
    assert re.search(r"WAIT   claude-haiku-5-5  [34] min \d+ s, until .* the API lets no more", result.stderr)


def seconds_between(first: Mapping[str, Any], second: Mapping[str, Any]) -> float:
    """Return the time between two lines of a journal."""
    return (datetime.fromisoformat(second["at"]) - datetime.fromisoformat(first["at"])).total_seconds()
