"""How a run in batches ends before its batches do: by a signal, by `--batch-then-live`, by a limit."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.system.batches.api import TALK, BatchApi, comparable
from tests.system.harness.workspace import until

if TYPE_CHECKING:
    from tests.system.harness.workspace import Workspace


def test_a_signal_leaves_the_batch_at_the_api(workspace: Workspace) -> None:
    """Nothing more is submitted; a resume takes up the results of what was, and pays for nothing twice."""
    scenario = workspace.write("talk.yaml", TALK)
    with BatchApi(scenario=scenario, faults="batch-delay=3s") as api:
        running = workspace.start("talk.yaml", "--batch", "-o", "out", "--grace", "1s", url=api.base_url)
        until(lambda: bool(api.batches))
        until(lambda: any(line["what"] == "batch_submitted" for line in workspace.events("run")))
        running.send(signal.SIGINT)
        ended = running.wait()
        assert ended.code == 130
        hint = "1 batch with 4 requests left at the API: `claude-run resume out` takes up the results"
        assert hint in ended.stderr
        assert (api.sizes, api.canceled) == ([4], 0)
        assert workspace.summary()["totals"]["uncertain_cost_usd"] > 0
        again = workspace.run("resume", "out", url=api.base_url)
        assert again.code == 0, again.stderr
        assert api.sizes == [4, 4, 3]
        assert len(api.live) == 1
        assert set(api.submissions().values()) == {1}
    assert workspace.summary()["totals"]["uncertain_cost_usd"] == 0
    assert not workspace.events("failure")


def test_a_second_signal_cancels_the_batch(workspace: Workspace) -> None:
    """It ends at the API too; what it had not answered goes into another batch when the run goes on."""
    scenario = workspace.write("talk.yaml", TALK)
    with BatchApi(scenario=scenario, faults="batch-delay=3s") as api:
        running = workspace.start("talk.yaml", "--batch", "-o", "out", "--grace", "5m", url=api.base_url)
        until(lambda: bool(api.batches))
        until(lambda: any(line["what"] == "batch_submitted" for line in workspace.events("run")))
        running.send(signal.SIGINT)
        until(lambda: b"again stops now" in running.stderr.read_bytes())
        running.send(signal.SIGINT)
        begin = time.monotonic()
        ended = running.wait()
        assert ended.code == 130
        assert time.monotonic() - begin < 8
        assert api.canceled == 1
        assert "1 batch with 4 requests canceled: " in ended.stderr
        again = workspace.run("resume", "out", url=api.base_url)
        assert again.code == 0, again.stderr
        assert api.sizes == [4, 4, 4, 3]
    assert [event["failure"]["kind"] for event in workspace.events("failure")] == ["canceled"] * 4
    assert workspace.summary()["totals"]["uncertain_cost_usd"] == 0


def test_a_signal_before_anything_is_submitted_costs_nothing(workspace: Workspace) -> None:
    """What only waited for its wave was no attempt."""
    scenario = workspace.write("talk.yaml", TALK)
    with BatchApi(scenario=scenario, faults="latency=30s") as api:
        running = workspace.start("talk.yaml", "--batch", "-o", "out", "--grace", "1s", url=api.base_url)
        until(lambda: len(api.live) == 1)
        running.send(signal.SIGINT)
        assert running.wait().code == 130
        assert not api.batches
    assert len(workspace.events("attempt")) == 1


def test_what_takes_too_long_is_finished_live(workspace: Workspace) -> None:
    """The batch is canceled after the time, and the conversations go on as in a live run."""
    scenario = workspace.write("talk.yaml", TALK)
    with BatchApi(scenario=scenario, faults="batch-delay=1m") as api:
        ended = workspace.run(
            "talk.yaml", "--batch", "--batch-then-live", "1s", "-o", "out", url=api.base_url
        )
        assert ended.code == 0, ended.stderr
        assert (api.sizes, api.canceled) == ([4], 1)
        assert len(api.live) == 12
        assert workspace.run("talk.yaml", "-o", "live", url=api.base_url).code == 0
    assert comparable(workspace.folder / "out") == comparable(workspace.folder / "live")
    assert {event["failure"]["kind"] for event in workspace.events("failure")} == {"canceled"}


def test_a_run_that_is_over_goes_on_in_silence(workspace: Workspace) -> None:
    """A resume of one that may finish live, and has nothing left to play, says no more than any other."""
    workspace.write("talk.yaml", TALK)
    arguments = ("--simulate", "--batch", "--batch-then-live", "1h", "-o", "out", "--quiet")
    assert workspace.run("talk.yaml", *arguments).code == 0
    again = workspace.run("resume", "out", "--quiet")
    assert (again.code, again.stderr) == (0, "going on with out\n")


def test_the_time_of_a_run_ends_it_and_not_its_batch(workspace: Workspace) -> None:
    """`--max-time` stops the run with the grace; the batch is there when it goes on."""
    scenario = workspace.write("talk.yaml", TALK)
    with BatchApi(scenario=scenario, faults="batch-delay=4s") as api:
        arguments = ("--batch", "--max-time", "1s", "--grace", "500ms", "-o", "out")
        ended = workspace.run("talk.yaml", *arguments, url=api.base_url)
        assert ended.code == 4
        assert "takes up the results" in ended.stderr
        assert workspace.run("resume", "out", "--max-time", "5m", url=api.base_url).code == 0
        assert api.sizes == [4, 4, 3]


def test_attempts_in_batches_count_as_requests(workspace: Workspace) -> None:
    """`--max-requests` lets out so many, and those end."""
    scenario = workspace.write("talk.yaml", TALK)
    with BatchApi(scenario=scenario) as api:
        ended = workspace.run("talk.yaml", "--batch", "--max-requests", "5", "-o", "out", url=api.base_url)
        assert ended.code == 4
        assert len(api.live) + sum(api.sizes) == 5
    assert len(workspace.events("reply")) == 5


def test_an_outage_while_batches_are_looked_at_is_waited_out(workspace: Workspace) -> None:
    """The API may be away for longer than anybody has patience for a request: the batch goes on there."""
    scenario = workspace.write("talk.yaml", TALK)
    # Of each address, be it a batch, its results or the list, the second to the sixth request.
    with BatchApi(scenario=scenario, faults="503@2..6 batch-delay=300ms") as api:
        ended = workspace.run("talk.yaml", "--batch", "-o", "out", url=api.base_url, speed=50.0)
        assert ended.code == 0, ended.stderr
        assert "OUTAGE batches" in ended.stderr
        assert set(api.submissions().values()) == {1}
        assert sum(api.sizes) == 11


def test_a_gate_confirms_in_batches(workspace: Workspace) -> None:
    """Fresh attempts of a case that looks broken are waves as well, each of one request."""
    cases = ", ".join(f"{{id: c{n}, vars: {{n: {n}}}}}" for n in range(7))
    good = (
        f"name: gated\nmodel: claude-haiku-5-5\ncases: [{cases}]\n"
        "turns: [{user: 'Number {{ n }}?', example: 'It is {{ n }}.', expect: [{contains: '{{ n }}'}]}]\n"
    )
    scenario = workspace.write("gated.yaml", good)
    with BatchApi(scenario=scenario) as api:
        assert workspace.run("gated.yaml", "-o", "accepted", url=api.base_url).code == 0
        assert workspace.run("accept", "accepted", url=api.base_url).code == 0
    broken = workspace.write(
        "broken.yaml", good.replace("It is {{ n }}", "It is {% if n %}{{ n }}{% endif %}")
    )
    with BatchApi(scenario=broken) as api:
        ended = workspace.run("gated.yaml", "--batch", "--baseline", "-o", "out", url=api.base_url)
        assert ended.code == 1, ended.stdout + ended.stderr
        assert api.sizes[0] == 6
        assert set(api.sizes[1:]) == {1}
        assert len(api.sizes) > 1
    assert max(event.get("confirm") or 0 for event in workspace.events("start")) == len(api.sizes) - 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("speed: fast", "a batch takes no `speed`"),
        ("expect: [{max_latency: 5s}]", "`max_latency` cannot be measured in a batch"),
    ],
)
def test_what_no_batch_takes_is_refused_with_its_line(workspace: Workspace, change: str, says: str) -> None:
    """Nothing is sent, and the place is named; live, and in a replay, it is as it was."""
    text = TALK.replace("max_tokens: 64\n", "") + f"{change}\n"
    workspace.write("talk.yaml", text)
    refused = workspace.run("talk.yaml", "--batch", "-o", "out")
    assert refused.code == 2
    assert says in refused.stderr
    assert f"talk.yaml:{len(text.splitlines())}:" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--batch-then-live", "1h"), "--batch-then-live is for a run in batches: add --batch"),
        (("--batch", "--provider", "vertex"), "choose one that has them: anthropic, aws, google-cloud"),
    ],
)
def test_options_that_contradict_each_other(
    workspace: Workspace, arguments: tuple[str, ...], says: str
) -> None:
    """An error that says what to do."""
    workspace.write("talk.yaml", TALK)
    refused = workspace.run("talk.yaml", *arguments)
    assert refused.code == 2
    assert says in " ".join(refused.stderr.split())


def test_a_dry_run_says_what_it_costs_as_a_batch(workspace: Workspace) -> None:
    """One number more, and it bounds what the run costs."""
    scenario = workspace.write("talk.yaml", TALK)
    ended = workspace.run("talk.yaml", "--batch", "--dry-run")
    line = next(line for line in ended.stdout.splitlines() if line.startswith("as a batch: at most $"))
    with BatchApi(scenario=scenario) as api:
        assert workspace.run("talk.yaml", "--batch", "-o", "out", url=api.base_url).code == 0
    attempts = [json.loads(json.dumps(event["worst_cost_usd"])) for event in workspace.events("attempt")]
    assert sum(attempts) > float(line.rpartition("$")[2]) * 0.5
    assert workspace.summary()["totals"]["cost_usd"] < float(line.rpartition("$")[2])
