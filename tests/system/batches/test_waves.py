"""Runs in batches through the command: one batch a wave, the transcripts of a live run at half the price."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.system.batches.api import TALK, BatchApi, comparable

if TYPE_CHECKING:
    from tests.system.harness.workspace import Workspace

TOOLS = """\
name: agent
models: [claude-haiku-5-5, claude-sonnet-5-5]
max_tokens: 256
cases: [{id: a, vars: {n: 1}}, {id: b, vars: {n: 2}}]
repeat: 3
tools:
  - {name: look, input_schema: {type: object, properties: {id: {type: string}}, required: [id]}}
tool_results:
  look: {return: a red box}
turns:
  - user: What is in box {{ n }}?
    expect: [{calls_tool: {name: look, input: {id: "x"}}}]
    example: "Box {{ n }} is red. Ask again?"
  - user: Yes, again.
    if: {contains: again}
    example: It is still red.
  - user: And again.
    if: {contains: never}
  - user: Thank you.
    example: You are welcome.
"""


def test_one_batch_for_each_turn(workspace: Workspace) -> None:
    """One request goes live first; then each wave is one batch, whose system prompt is kept for an hour."""
    scenario = workspace.write("talk.yaml", TALK)
    with BatchApi(scenario=scenario) as api:
        ended = workspace.run("talk.yaml", "--batch", "-o", "out", url=api.base_url)
        assert ended.code == 0, ended.stderr
        assert len(api.live) == 1
        assert sum(api.sizes) == 11
        assert len(api.batches) == 3
        assert set(api.submissions().values()) == {1}
        assert "system" in api.live[0]
        assert "ttl" not in api.live[0]["system"][0]["cache_control"]
        for params in (params for batch in api.batches for params in batch.values()):
            assert "stream" not in params
            assert params["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
            assert params["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
        live = workspace.run("talk.yaml", "-o", "live", url=api.base_url)
        assert live.code == 0
    assert comparable(workspace.folder / "out") == comparable(workspace.folder / "live")
    paid, would_be = (workspace.summary(run)["totals"]["cost_usd"] for run in ("out", "live"))
    assert paid < 0.6 * would_be
    turns = [turn for each in workspace.transcripts().values() for turn in each["turns"]]
    whose = [turn["reply"]["request_id"].partition("_")[0] for turn in turns]
    assert sorted(whose) == ["msgbatch"] * 11 + ["req"]


def test_tools_and_turns_that_react_over_several_models(workspace: Workspace) -> None:
    """Rounds of tools are waves like turns, models share their batches, and a live run says the same."""
    scenario = workspace.write("agent.yaml", TOOLS)
    with BatchApi(scenario=scenario) as api:
        ended = workspace.run("agent.yaml", "--batch", "-o", "out", url=api.base_url)
        assert ended.code == 0, ended.stdout + ended.stderr
        assert len(api.live) == 2
        assert sum(api.sizes) == 12 * 4 - 2
        assert set(api.submissions().values()) == {1}
        # Each of the two that went ahead is one wave before the others.
        assert len(api.batches) <= 5
        assert {params["model"] for params in api.batches[1].values()} == {
            "claude-haiku-5-5",
            "claude-sonnet-5-5",
        }
        assert workspace.run("agent.yaml", "-o", "live", url=api.base_url).code == 0
    assert comparable(workspace.folder / "out") == comparable(workspace.folder / "live")


def test_errors_and_expiry_are_tried_again_in_the_next_wave(workspace: Workspace) -> None:
    """Nothing is lost, nothing is paid for what failed, and each attempt stands in the journal."""
    scenario = workspace.write("talk.yaml", TALK)
    with BatchApi(scenario=scenario, faults="batch-error=12% batch-expiry=12% seed=3") as api:
        ended = workspace.run("talk.yaml", "--batch", "-n", "10", "-o", "out", url=api.base_url)
        assert ended.code == 0, ended.stdout + ended.stderr
        assert len(api.batches) > 3
    failed = {event["failure"]["kind"] for event in workspace.events("failure")}
    assert failed == {"status", "expired"}
    assert {event["failure"]["paid"] for event in workspace.events("failure")} == {"no"}
    assert workspace.summary()["totals"]["uncertain_cost_usd"] == 0
    assert workspace.summary()["totals"]["passed"] == 40


def test_a_request_that_is_never_answered_is_given_up(workspace: Workspace) -> None:
    """Five batches are enough: the conversation is errored, and the run goes on with the others."""
    scenario = workspace.write("talk.yaml", TALK)
    with BatchApi(scenario=scenario, faults="batch-expiry=100%") as api:
        ended = workspace.run("talk.yaml", "--batch", "-o", "out", url=api.base_url)
        assert ended.code == 3
        assert len(api.batches) == 5
    errors = {each["error"] for each in workspace.transcripts().values()}
    assert any("its batch expired before it was answered" in error for error in errors)


def test_the_first_request_of_a_model_is_validated_live(workspace: Workspace) -> None:
    """What the API refuses of all is found out before there is any batch."""
    scenario = workspace.write("talk.yaml", TALK.replace("max_tokens: 64", "max_tokens: 64\nx_unknown: 1"))
    with BatchApi(scenario=workspace.write("good.yaml", TALK), faults="400@1..") as api:
        scenario.write_text(TALK)
        ended = workspace.run("talk.yaml", "--batch", "-n", "5", "-o", "out", url=api.base_url)
        assert ended.code == 3
        assert len(api.live) == 5
        assert not api.batches
    assert "failed in the same way" in workspace.summary()["exit_reason"]


def test_a_cap_on_the_cost_bounds_every_wave(workspace: Workspace) -> None:
    """What does not fit waits for what was cheaper than its worst case; then the run stops."""
    scenario = workspace.write("talk.yaml", TALK)
    with BatchApi(scenario=scenario) as api:
        ended = workspace.run(
            "talk.yaml", "--batch", "-n", "10", "--max-cost", "0.0003", "-o", "out", url=api.base_url
        )
        assert ended.code == 4, ended.stdout + ended.stderr
        assert api.batches
        assert set(api.submissions().values()) == {1}
    summary = workspace.summary()
    assert summary["totals"]["cost_usd"] <= 0.0003
    assert summary["totals"]["uncertain_cost_usd"] == 0


def test_two_kinds_of_headers_are_two_batches(workspace: Workspace) -> None:
    """Betas are headers of a whole batch: whoever asks for one is not in a batch with those that do not."""
    beta = TALK.replace("name: talk", "name: beta").replace("system:", "betas: [some-beta]\nsystem:")
    scenario = workspace.write("talk.yaml", TALK)
    workspace.write("beta.yaml", beta)
    with BatchApi(scenario=scenario) as api:
        ended = workspace.run("talk.yaml", "beta.yaml", "--batch", "-o", "out", url=api.base_url)
        assert ended.code == 0, ended.stdout + ended.stderr
        headers = {each.beta for each in api.simulator.ledger if each.method == "POST"}
    assert headers == {None, "some-beta"}


def test_a_recording_is_replayed_whether_it_was_in_batches_or_not(workspace: Workspace) -> None:
    """A request has one key, however it is sent: replay and reuse take both kinds of runs."""
    scenario = workspace.write("talk.yaml", TALK)
    with BatchApi(scenario=scenario) as api:
        assert workspace.run("talk.yaml", "--batch", "-o", "out", url=api.base_url).code == 0
        assert workspace.run("talk.yaml", "-o", "live", url=api.base_url).code == 0
        before = len(api.simulator.ledger)
        for recording, how in (("out", "--replay"), ("live", "--replay"), ("live", "--reuse")):
            ended = workspace.run("talk.yaml", "--batch", how, recording, url=api.base_url)
            assert ended.code == 0, ended.stdout + ended.stderr
        assert len(api.simulator.ledger) == before


@pytest.mark.parametrize("conversations", [200])
def test_many_conversations_are_as_live(workspace: Workspace, conversations: int) -> None:
    """Three turns each, in three waves but for the first that went ahead."""
    scenario = workspace.write("talk.yaml", TALK)
    with BatchApi(scenario=scenario) as api:
        repeat = ("-n", str(conversations // 4))
        assert workspace.run("talk.yaml", "--batch", *repeat, "-o", "out", url=api.base_url).code == 0
        assert api.sizes == [conversations, conversations, conversations - 1]
        assert workspace.run("talk.yaml", *repeat, "-o", "live", url=api.base_url).code == 0
    assert comparable(workspace.folder / "out") == comparable(workspace.folder / "live")
