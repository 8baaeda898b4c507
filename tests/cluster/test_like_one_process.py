"""What a run on a cluster comes to is what it comes to in one process, whatever was asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.cluster.workspace import echo, transcripts
from tests.support.media import png
from tests.support.scripted_server import Answer, json_answer, message
from tests.system.crash.workspace import lasting
from tests.system.faults.api import ok, scenario

if TYPE_CHECKING:
    from tests.cluster.workspace import ClusterWorkspace
    from tests.support.command import CommandResult
    from tests.system.faults.api import Api, TurnRequest
    from tests.system.harness.workspace import Workspace

JUDGE = "claude-opus-5-5"
PROMISE = "expect:\n  - contains: good\n"
TALK = f"""\
model: claude-haiku-5-5
max_tokens: 64
system: You count.
judge: {{model: {JUDGE}}}
cases:
  - {{id: ada, vars: {{who: Ada}}}}
  - {{id: bob, vars: {{who: Bob}}}}
tools:
  - {{name: look, input_schema: {{type: object}}}}
  - {{name: count, input_schema: {{type: object}}}}
tool_results:
  look: {{return: [{{text: "{{{{ who }}}} is here"}}]}}
  count: {{return: {{found: 3}}}}
turns:
  - user:
      - image: one.png
      - text: I am {{{{ who }}}}. Give me a number.
    expect:
      - judge: The reply gives a number.
      - even: {{}}
    save: {{number: 'number is (\\d+)'}}
  - if: {{matches: '[02468], dear'}}
    user: Is {{{{ saved.number }}}} even?
  - user: Goodbye from {{{{ who }}}}.
"""
EVEN = '''\
import re
from claude_run.checks.own import Finding, Subject, check, passed, failed

@check("even", schema={"type": "object"}, example={})
def even(value: object, reply: Subject) -> Finding:
    """Looks for an even number."""
    print("looking at", reply.text)
    found = re.search(r"number is (\\d+)", reply.text)
    finding = passed if found and int(found[1]) % 2 == 0 else failed
    return finding("a number", expected="an even one", actual=reply.text)
'''


def judging(asked: TurnRequest) -> Answer:
    """Answer by the request alone, a judge with a verdict."""
    if asked.http.body["model"] != JUDGE:
        return echo(asked)
    text = json.dumps({"reason": "there is one", "verdict": "pass"})
    return json_answer(message({"type": "text", "text": text}, model=JUDGE))


def same(on_cluster: ClusterWorkspace, api: Api, *arguments: str) -> tuple[CommandResult, CommandResult]:
    """Run a command in one process and on the cluster; return what each printed, once all else is equal."""
    workspace = on_cluster.workspace
    local = workspace.run(*arguments, "-o", "local", url=api.url)
    ray = on_cluster.run(*arguments, "-o", "ray")
    assert ray.code == local.code, ray.stderr
    assert transcripts(workspace, "ray") == transcripts(workspace, "local")
    return local, ray


def good(_: object) -> Answer:
    """Answer as the scenarios with a promise expect it."""
    return ok("good", id="msg_good")


def good_but_for_b(asked: TurnRequest) -> Answer:
    """Answer so, and in one case otherwise."""
    return ok("bad", id="msg_bad") if asked.case == "b" else good(asked)


def write_talk(workspace: Workspace) -> None:
    """Write a scenario with all that a conversation can have, and the check that it asks for."""
    workspace.write("talk.yaml", TALK)
    workspace.write("even.py", EVEN)
    (workspace.folder / "one.png").write_bytes(png())


def totals(result: CommandResult) -> Any:
    """Return what lasts of the totals that a command has printed as JSON, and nothing else."""
    return lasting(json.loads(result.stdout)["totals"])


def test_all_that_a_conversation_can_have(on_cluster: ClusterWorkspace, api: Api) -> None:
    """An image, tools, judges, `if`, what is saved, own checks and what they print: all is in the reports."""
    write_talk(on_cluster.workspace)
    api.reset(judging)
    arguments = ("talk.yaml", "--checks", "even.py", "-n", "3", "--json", "--html")
    local, ray = same(on_cluster, api, *arguments)
    assert local.code == 1
    assert totals(ray) == totals(local)
    for result in local, ray:
        assert result.stderr.count("looking at") == 6
    rows = on_cluster.workspace.transcripts("ray").values()
    assert {row["outcome"] for row in rows} == {"passed", "failed"}
    left_out = {turn["left_out"] for row in rows for turn in row["turns"]}
    assert left_out == {True, False}
    assert (on_cluster.workspace.folder / "ray" / "report.html").exists()
    assert on_cluster.workspace.run("verify", "ray").code == 0


def test_a_run_is_replayed_and_reused(on_cluster: ClusterWorkspace, api: Api) -> None:
    """A replay sends nothing; what is new of a run that reuses another one is sent, and no more."""
    workspace = on_cluster.workspace
    write_talk(workspace)
    api.reset(judging)
    assert on_cluster.run("talk.yaml", "--checks", "even.py", "-o", "first").code == 1
    sent = len(api.ledger)
    same(on_cluster, api, "talk.yaml", "--checks", "even.py", "--replay", "first")
    assert len(api.ledger) == sent

    workspace.write("talk.yaml", TALK.replace("bob", "eve").replace("Bob", "Eve"))
    assert on_cluster.run("talk.yaml", "--checks", "even.py", "--reuse", "first", "-o", "more").code == 1
    assert all("Eve" in json.dumps(asked.http.body) for asked in api.ledger[sent:])
    assert len(api.ledger) > sent


def test_the_simulator_answers_on_every_player(on_cluster: ClusterWorkspace, api: Api) -> None:
    """Nothing is sent, and the same is said."""
    on_cluster.workspace.write("s.yaml", scenario("a", "b", "c"))
    local, _ = same(on_cluster, api, "s.yaml", "--simulate")
    assert local.code == 0
    assert not api.ledger


def test_only_the_last_failed_are_played(on_cluster: ClusterWorkspace, api: Api) -> None:
    """Of a run on the cluster it is known which those are."""
    workspace = on_cluster.workspace
    workspace.write("s.yaml", scenario("a", "b", "c") + PROMISE)
    api.reset(good_but_for_b)
    assert on_cluster.run("s.yaml").code == 1
    api.reset(good)
    assert on_cluster.run("s.yaml", "--lf", "-o", "again").code == 0
    assert {asked.case for asked in api.ledger} == {"b"}


def test_a_case_that_looks_broken_is_confirmed(on_cluster: ClusterWorkspace, api: Api) -> None:
    """Fresh attempts, planned while the run goes on, tell a case that has changed from chance."""
    workspace = on_cluster.workspace
    workspace.write("s.yaml", f"{scenario('a', 'b', 'c', turns=1)}repeat: 3\n{PROMISE}")
    api.reset(good)
    assert on_cluster.run("s.yaml", "-o", "accepted").code == 0
    assert workspace.run("accept", "accepted").code == 0
    api.reset(good_but_for_b)
    local, ray = same(on_cluster, api, "s.yaml", "--baseline")
    assert local.code == 1
    assert "fresh attempts of 1 case that failed: s/b" in ray.stderr
    assert workspace.summary("ray")["gate"] == workspace.summary("local")["gate"]
    rows = workspace.transcripts("ray").values()
    assert any(row["confirm"] is not None for row in rows)
