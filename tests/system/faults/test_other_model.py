"""The model that answers is the model asked for, live and wherever a run is read again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.system.faults.api import Api, ok, scenario

if TYPE_CHECKING:
    from tests.system.harness.workspace import Workspace

ASKED, SERVED = "claude-haiku-5-5", "gateway/claude-haiku"
PROBLEM = f"{ASKED} was asked for, and '{SERVED}' answered"
ALLOW = ("--allow-model", f"{ASKED}={SERVED}")


def test_another_model_is_no_measurement(workspace: Workspace) -> None:
    """Exit code 3 and both names; what it said is kept, and the next turn is not paid for."""
    workspace.write("s.yaml", scenario("a"))
    with Api(answer=lambda _: ok(model=SERVED)) as api:
        result = workspace.run("s.yaml", "-o", "out", url=api.url)
        assert api.requests == {("a", 1): 1}
        assert result.code == 3
        assert PROBLEM in result.stdout
        (transcript,) = workspace.transcripts().values()
        assert (transcript["outcome"], transcript["error_turn"]) == ("errored", 1)
        assert transcript["turns"][0]["reply"]["text"] == "Yes."
        assert workspace.run("s.yaml", "--replay", "out", "-o", "again").code == 3
        assert workspace.run("accept", "out").code != 0
        assert not (workspace.folder / "s.baseline.json").exists()

        # The name is allowed afterwards: the reply is there, and only the second turn is sent.
        resumed = workspace.run("resume", "out", "--retry-errors", *ALLOW, url=api.url)
        assert resumed.code == 0, resumed.stderr
        assert api.requests == {("a", 1): 1, ("a", 2): 1}
        assert workspace.run("s.yaml", "--replay", "out", "-o", "third", *ALLOW).code == 0


def test_a_reply_of_another_model_can_be_asked_for_again(workspace: Workspace) -> None:
    """The gateway was mended: `--retry-errors` asks once more; all replies cost, and the last one counts."""
    workspace.write("s.yaml", scenario("a"))
    served = other = "claude-sonnet-5-5"
    with Api(answer=lambda _: ok(model=served)) as api:
        assert workspace.run("s.yaml", "-o", "out", url=api.url).code == 3
        assert workspace.run("resume", "out", url=api.url).code == 3
        assert api.requests == {("a", 1): 1}
        served = ASKED
        resumed = workspace.run("resume", "out", "--retry-errors", url=api.url)
        assert resumed.code == 0, resumed.stderr
        assert api.requests == workspace.attempts() == {("a", 1): 2, ("a", 2): 1}
    (transcript,) = workspace.transcripts().values()
    assert [turn["reply"]["model"] for turn in transcript["turns"]] == [ASKED, ASKED]
    assert [(aside["turn"], aside["reply"]["model"]) for aside in transcript["set_aside"]] == [(1, other)]
    assert transcript["usage"]["output_tokens"] == 3 * 5
    paid = [*transcript["turns"], *transcript["set_aside"]]
    assert transcript["cost_usd"] == pytest.approx(sum(each["cost_usd"] for each in paid))
    assert any("was set aside and asked for again" in warning for warning in transcript["warnings"])
    assert workspace.run("verify", "out").code == 0
    assert workspace.run("s.yaml", "--replay", "out", "-o", "again").code == 0


def test_a_gateway_that_answers_with_another_model_is_not_paid_for_all(workspace: Workspace) -> None:
    """After the first five replies of it the run stops, and can be resumed once the gateway is mended."""
    cases = [f"c{number}" for number in range(40)]
    workspace.write("s.yaml", scenario(*cases))
    with Api(answer=lambda _: ok(model=SERVED)) as api:
        result = workspace.run("s.yaml", "-j", "2", "-o", "out", url=api.url)
        assert result.code == 3
        assert 5 <= len(api.ledger) <= 7
    assert f"the first 5 requests to {ASKED} failed in the same way: {PROBLEM}" in result.stdout


@pytest.mark.parametrize("served", [f"{ASKED}-20260901", ASKED])
def test_a_dated_snapshot_is_the_same_model(workspace: Workspace, served: str) -> None:
    """An alias answers under the name of its snapshot."""
    workspace.write("s.yaml", scenario("a"))
    with Api(answer=lambda _: ok(model=served)) as api:
        assert workspace.run("s.yaml", "-o", "out", url=api.url).code == 0


def test_a_run_from_before_anybody_looked_is_read_with_the_same_eyes(workspace: Workspace) -> None:
    """Whatever outcome stands in its journal: what another model said is not accepted and not compared."""
    workspace.write("s.yaml", scenario("a"))
    with Api(answer=lambda _: ok(model=SERVED)) as api:
        assert workspace.run("s.yaml", "-o", "out", *ALLOW, url=api.url).code == 0
    path = workspace.folder / "out" / "run.json"
    run = json.loads(path.read_text())
    del run["options"]["allowed_models"]
    path.write_text(json.dumps(run))
    (workspace.folder / "out" / "summary.json").unlink()
    compared = json.loads(workspace.run("compare", "out", "out", "--json").stdout)
    assert compared["candidates"][0]["cases"] == []
    assert workspace.run("accept", "out").code != 0
    reported = workspace.run("report", "out")
    assert reported.code == 3
    assert PROBLEM in reported.stdout
    assert not (workspace.folder / "s.baseline.json").exists()


def test_the_option_says_how_it_is_written(workspace: Workspace) -> None:
    """A name alone allows nothing."""
    workspace.write("s.yaml", scenario("a"))
    result = workspace.run("s.yaml", "--allow-model", SERVED)
    assert result.code == 2
    assert "write --allow-model ASKED=SERVED" in result.stderr
