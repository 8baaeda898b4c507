"""What a run is likely to cost, asked of a real server before anything is paid, and held against the run."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.plan.providers import PROVIDER_NAMES
from tests.bench.cache import scenario
from tests.support.scripted_server import Answer, RawServer, error_answer, http, in_turn, json_answer
from tests.system.batches.api import BatchApi
from tests.system.harness.workspace import KEY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command import CommandResult
    from tests.system.harness.workspace import Workspace

COUNTED = "/v1/messages/count_tokens"
NO_KEY = {"ANTHROPIC_API_KEY": ""}
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def file(workspace: Workspace) -> Path:
    """Write a scenario of 30 cases of four turns that share a long system prompt."""
    return workspace.write("returns.yaml", json.dumps(scenario(cases=30)))


def planned(workspace: Workspace, *options: str, **how: Any) -> dict[str, Any]:
    """Return what a dry run says as JSON."""
    ended = workspace.run("returns.yaml", "--dry-run", "--json", *options, **how)
    assert ended.code == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_the_api_counts_a_few_prompts_and_plays_nothing(workspace: Workspace, file: Path) -> None:
    """With a key; whoever reads the output sees what was counted, and that no message was sent."""
    with BatchApi(scenario=file) as api:
        ended = workspace.run("returns.yaml", "--dry-run", url=api.base_url)
        asked = Counter((each.path, each.status) for each in api.simulator.ledger)
        shown = planned(workspace, url=api.base_url)
    assert ended.code == 0
    assert asked == {(COUNTED, 200): 4}
    assert "  prompts: 4 counted by the API, the others estimated after them" in ended.stdout.splitlines()
    assert ended.stdout.splitlines()[-1].endswith("; no message was sent")
    assert "warning" not in ended.stderr
    assert shown["prompts"] == {"counted": 4, "by": "the API", "why_not": None}


@pytest.mark.usefixtures("file")
def test_prices_are_those_of_the_run(workspace: Workspace) -> None:
    """Of a simulated run whose replies are as their examples, live and in batches; the bound lies above."""
    likely = planned(workspace, "--simulate", env=NO_KEY)
    assert likely["prompts"] == {"counted": 4, "by": "the simulator", "why_not": None}
    for options, name in (
        ((), "cached_usd"),
        (("--no-cache",), "plain_usd"),
        (("--batch",), "batch_all_read_usd"),
    ):
        assert workspace.run("returns.yaml", "--simulate", "-o", name, *options).code == 0
        paid = workspace.summary(name)["totals"]["cost_usd"]
        assert likely["likely"][name] == pytest.approx(paid, rel=0.03), name
        assert paid < likely["worst_cost_usd"]
    caching = workspace.summary("cached_usd")["caching"]
    assert likely["likely"]["plain_usd"] == pytest.approx(caching["uncached_usd"], rel=0.03)
    assert likely["likely"]["batch_usd"] == pytest.approx(caching["batch_usd"], rel=0.03)
    off = planned(workspace, "--simulate", "--no-cache", env=NO_KEY)["likely"]
    assert off["cached_usd"] == off["plain_usd"] == pytest.approx(likely["likely"]["plain_usd"], rel=0.03)


def test_many_conversations_ask_no_more_than_a_few(workspace: Workspace, file: Path) -> None:
    """However many cases, variants and models: 24 at most."""
    given = {
        **scenario(cases=40),
        "variants": [{"id": f"v{n}", "system": f"Be kind {n}."} for n in range(40)],
    }
    file.write_text(json.dumps(given))
    with BatchApi(scenario=file) as api:
        shown = planned(workspace, "-m", "claude-haiku-5-5", "-m", "claude-opus-5-5", url=api.base_url)
        assert len(api.simulator.ledger) == shown["prompts"]["counted"] == 24
    assert len(shown["conversations"]) == 3200


def told(workspace: Workspace, answer: Answer, **how: Any) -> tuple[CommandResult, int]:
    """Return how a dry run ends where every question gets this answer, and how many were asked."""
    with RawServer(respond=in_turn(answer)) as server:
        ended = workspace.run("returns.yaml", "--dry-run", url=server.base_url, **how)
        assert {request.path for request in server.ledger} == {COUNTED}
        return ended, len(server.ledger)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (error_answer("authentication_error", "invalid key", status=401), "invalid key"),
        (http(b"<html>Not here</html>", status=404, kind="text/html"), "404"),
        (error_answer("rate_limit_error", "slow down", status=429, headers=["retry-after: 60"]), "slow down"),
        (http(b"<html>Log in first</html>", kind="text/html"), "Log in first"),
        (Answer(reset=True), "connection"),
    ],
    ids=["key", "gateway", "rate limit", "page", "reset"],
)
@pytest.mark.usefixtures("file")
def test_where_the_api_does_not_count_it_is_estimated(
    workspace: Workspace, answer: Answer, says: str
) -> None:
    """One warning says why, nothing is asked for again, and the exit code is 0."""
    ended, asked = told(workspace, answer)
    assert ended.code == 0
    (warning,) = [line for line in ended.stderr.splitlines() if line.startswith("warning: ")]
    assert warning.startswith("warning: the API has counted none of the prompts, which are estimated: ")
    assert says.lower() in warning.lower()
    assert asked <= 4
    lines = ended.stdout.splitlines()
    assert "  prompts: estimated at 3 bytes a token (they could not be counted)" in lines
    assert lines[-1].endswith("; no message was sent")
    quiet, _ = told(workspace, answer)
    assert quiet.stdout == ended.stdout


@pytest.mark.usefixtures("file")
def test_an_api_that_is_slow_is_not_waited_for(workspace: Workspace) -> None:
    """After ten seconds, here a fifth of one."""
    ended, _ = told(workspace, Answer(silent=True), speed=50.0)
    assert ended.code == 0
    assert "has counted none of the prompts, which are estimated: 10 s were over" in ended.stderr


@pytest.mark.usefixtures("file")
def test_what_was_counted_before_it_went_wrong_is_used(workspace: Workspace) -> None:
    """The others go by it; JSON says how many there were."""
    answers = (json_answer({"input_tokens": 4000}), error_answer("overloaded_error", "later", status=529))
    with RawServer(respond=in_turn(*answers)) as server:
        shown = planned(workspace, url=server.base_url)
        requests = len(server.ledger)
    estimated = planned(workspace, env=NO_KEY)
    assert 1 < requests <= 4
    assert (shown["prompts"]["counted"], shown["prompts"]["by"]) == (1, "the API")
    assert shown["likely"]["plain_usd"] > 1.3 * estimated["likely"]["plain_usd"]


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"ANTHROPIC_API_KEY": f"{KEY} x"}, "holds a blank, which no credential holds"),
        ({"ANTHROPIC_BASE_URL": "ftp://a.example"}, "is not an http or https address"),
        ({}, "cannot be reached at"),
    ],
    ids=["key", "address", "nobody there"],
)
@pytest.mark.usefixtures("file")
def test_an_environment_that_cannot_be_used_is_told_and_no_more(
    workspace: Workspace, env: dict[str, str], says: str
) -> None:
    """A dry run is for planning: it ends well, and the run will say the same."""
    ended = workspace.run("returns.yaml", "--dry-run", env={"ANTHROPIC_BASE_URL": NOBODY, **env})
    assert ended.code == 0
    assert says in ended.stderr
    assert ended.stderr.count("warning: ") == 1
    silent = workspace.run("returns.yaml", "--dry-run", "-q", env={"ANTHROPIC_BASE_URL": NOBODY, **env})
    assert (silent.code, silent.stderr) == (0, "")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ((), "no key is set"),
        (("--provider", "bedrock"), "Amazon Bedrock is not asked to count"),
        (("--provider", "aws"), "no key is set"),
    ],
)
@pytest.mark.usefixtures("file")
def test_nobody_is_asked_without_a_key_or_where_nobody_counts(
    workspace: Workspace, options: tuple[str, ...], why: str
) -> None:
    """Nothing goes over the network, nor is the SDK loaded."""
    arguments = ("returns.yaml", "--dry-run", *options)
    ended = workspace.run(*arguments, env=NO_KEY, module="tests.system.harness.monitored_command")
    seen = json.loads((workspace.folder / "monitored.json").read_bytes())
    assert (ended.code, seen["asked"], seen["loaded"]) == (0, [], [])
    assert f"  prompts: estimated at 3 bytes a token ({why})" in ended.stdout.splitlines()
    assert ended.stdout.splitlines()[-1].endswith("; nothing was sent")


@pytest.mark.usefixtures("file")
def test_a_replay_asks_nobody(workspace: Workspace) -> None:
    """Even with a key."""
    assert workspace.run("returns.yaml", "--simulate", "-o", "out").code == 0
    shown = planned(workspace, "--replay", "out")
    assert shown["prompts"] == {"counted": 0, "by": None, "why_not": "a replay asks nobody"}


@pytest.mark.usefixtures("file")
def test_where_there_is_no_batch_its_price_is_not_told(workspace: Workspace) -> None:
    """By the provider, or by what a scenario asks for."""
    shown = planned(workspace, "--provider", "vertex", env=NO_KEY)
    assert shown["no_batch"] == "Google Vertex AI has none"
    assert shown["likely"]["batch_usd"] is None
    assert shown["likely"]["plain_usd"] > 0
    given = {**scenario(cases=2), "expect": [{"max_latency": "5s"}]}
    workspace.write("returns.yaml", json.dumps(given))
    shown = planned(workspace, env=NO_KEY)
    assert "`max_latency` cannot be measured in a batch" in shown["no_batch"]
    assert shown["models"][0]["likely"]["batch_usd"] is None
    assert "vertex" in PROVIDER_NAMES


def test_an_unknown_model_has_no_price(workspace: Workspace, file: Path) -> None:
    """Null, and never 0."""
    with BatchApi(scenario=file) as api:
        ended = workspace.run("returns.yaml", "--dry-run", "-m", "from-the-future", url=api.base_url)
    assert ended.code == 0
    assert "from-the-future  unpriced  unpriced  unpriced" in ended.stdout
    assert "from-the-future" in next(
        line for line in ended.stderr.splitlines() if line.startswith("warning: ")
    )
    shown = planned(workspace, "-m", "from-the-future", env=NO_KEY)
    assert set(shown["likely"].values()) == {None}
    assert shown["unpriced"] == ["from-the-future"]
