"""The conversation is never rewritten: live, replayed, reused and resumed it is the same, and paid once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.media import block, png
from tests.support.scripted_server import Answer, events_of, json_answer, message, sse, stream_answer
from tests.system.faults.api import Api, ok, scenario
from tests.system.harness.workspace import KEY

if TYPE_CHECKING:
    from tests.system.faults.api import TurnRequest
    from tests.system.harness.workspace import Workspace

PLACEHOLDER = "my-own-key"
SAID = {
    "keylike": "Run `export ANTHROPIC_API_KEY=sk-ant-api03-AbCdEfGh_0123456789`.",
    "placeholder": f"The key is {PLACEHOLDER}, and my-own-key it stays.",
    "nul": "a\0b",
    "surrogate": "half a pair: \ud83d.",
    "passwords": "https://me:pass@example.com/",
}
HEAD = "name: s\nmodel: m-1\nmax_tokens: 9\n"
_OF_ITS_RUN = {"attempts", "replayed", "received_at", "started_at", "duration_s", "latency_s", "id"}
"""What may differ: when it was, how long it took, and whether it was played before."""


def _answer(asked: TurnRequest) -> Answer:
    return ok(SAID[asked.case] if asked.turn == 1 else f"So it is: {SAID[asked.case]}")


def _said(value: Any) -> Any:
    """Return transcripts without what belongs to their run alone."""
    if isinstance(value, dict):
        return {name: _said(part) for name, part in value.items() if name not in _OF_ITS_RUN}
    return [_said(part) for part in value] if isinstance(value, list) else value


def test_a_run_is_the_same_however_often_it_is_played(workspace: Workspace) -> None:
    """Key-like text, the user's placeholder, NULs and lone surrogates: nothing is sent twice for them."""
    env = {"ANTHROPIC_API_KEY": PLACEHOLDER}
    turns = scenario(*SAID).replace(
        "'{{ who }}|question 1'", "'{{ who }}|question 1'\n    expect: [{contains: e}]"
    )
    workspace.write("s.yaml", turns.replace("contains: e", "matches: '.'"))
    with Api(answer=_answer) as api:
        live = workspace.run("s.yaml", "-o", "live", url=api.url, env=env)
        first = api.requests
        assert (live.code, set(first.values())) == (3, {1})
        for arguments in (["--replay", "live"], ["--reuse", "live"]):
            again = workspace.run("s.yaml", *arguments, "-o", arguments[0][2:], url=api.url, env=env)
            assert again.code == live.code, again.stderr
        assert api.requests == first

    with Api(answer=_answer) as api:
        stopped = workspace.run(
            "s.yaml", "-j", "1", "--max-requests", "5", "-o", "part", url=api.url, env=env
        )
        assert stopped.code == 4
        resumed = workspace.run("resume", "part", "--max-requests", "99", url=api.url, env=env)
        assert resumed.code == live.code, resumed.stderr
        assert api.requests == first

    shown = workspace.transcripts("live")
    for case, text in SAID.items():
        assert shown[case]["turns"][0]["reply"]["text"] == text
        assert shown[case]["warnings"] == []
    assert "what UTF-8 cannot carry" in shown["surrogate"]["error"]
    for run in ("replay", "reuse", "part"):
        assert _said(workspace.transcripts(run)) == _said(shown), run
        assert workspace.run("verify", run).code == 0


def test_the_credential_in_use_leaves_a_reply_where_it_comes_in(workspace: Workspace) -> None:
    """Once, for everybody: the history that is sent, journal and replay are the same; a warning tells it."""
    workspace.write("s.yaml", scenario("a"))
    half = len(KEY) // 2
    blocks = [
        {"type": "text", "text": f"It is {KEY[:half]}"},
        {"type": "text", "text": f"{KEY[half:]}, really."},
    ]
    with Api(answer=lambda _: json_answer(message(*blocks))) as api:
        live = workspace.run("s.yaml", "-o", "live", url=api.url)
        assert live.code == 0, live.stderr
        replayed = workspace.run("s.yaml", "--replay", "live", "-o", "replay", url=api.url)
        assert replayed.code == 0, replayed.stderr
        sent = api.ledger[1].http.body["messages"][1]["content"]
    transcript = workspace.transcripts("live")["a"]
    assert sent == transcript["turns"][0]["reply"]["content"]
    assert transcript["turns"][0]["reply"]["text"] == "It is [redacted], really."
    assert [warning.split(":")[0] for warning in transcript["warnings"]] == ["turn 1", "turn 2"]
    assert "credential in use stood in the reply" in transcript["warnings"][0]
    assert _said(workspace.transcripts("replay")) == _said({"a": transcript})


@pytest.mark.parametrize(
    ("text", "option", "where"),
    [
        (f"turns:\n  - user: 'hi {KEY}'\n", (), "s.yaml:5:11"),
        (
            f"cases:\n  - {{id: a, vars: {{k: '{KEY}'}}}}\nturns:\n  - user: '{{{{ k }}}}'\n",
            (),
            "s.yaml:5:5",
        ),
        ("vars: {k: x}\nturns:\n  - user: '{{ k }}'\n", (f"--set=k={KEY}",), "--set"),
    ],
    ids=["text", "case", "option"],
)
def test_a_scenario_that_holds_the_credential_is_not_played(
    workspace: Workspace, text: str, option: tuple[str, ...], where: str
) -> None:
    """It would go to the model, and into every file: exit code 2, the place, and nothing is sent."""
    path = workspace.write("s.yaml", f"{HEAD}{text}")
    with Api(answer=lambda _: ok()) as api:
        result = workspace.run("s.yaml", *option, url=api.url)
        assert api.ledger == []
    path.unlink()
    assert result.code == 2
    assert "the credential in use stands" in result.stderr
    assert where in result.stderr


def test_a_text_that_becomes_the_credential_is_not_said(workspace: Workspace) -> None:
    """Put together by a template it is found when it is about to be written: nothing of it leaves."""
    parts = f"vars: {{a: '{KEY[:9]}', b: '{KEY[9:]}'}}\n"
    workspace.write("s.yaml", f"{HEAD}{parts}turns:\n  - user: '{{{{ a }}}}{{{{ b }}}}'\n")
    with Api(answer=lambda _: ok()) as api:
        result = workspace.run("s.yaml", "-o", "out", url=api.url)
        assert api.ledger == []
    assert result.code == 3
    assert "stands in what s/m-1 says" in result.stderr
    assert json.loads((workspace.folder / "out" / "run.json").read_text())["name"] == "s"


BLOCKS = r"""[
 {"type": "thinking", "thinking": "", "signature": "c2ln/+=="},
 {"type": "redacted_thinking", "data": "b3BhcXVl"},
 {"signature": "later", "thinking": "Hm \ud83d\ude00 \u2028 \u001b[31m", "type": "thinking"},
 {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x", "n": 1.0}},
 {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [
   {"type": "web_search_result", "url": "https://a.example", "title": "A", "encrypted_content": "e",
    "page_age": null}]},
 {"type": "text", "text": "It is \u00e9 and e\u0301.", "citations": [
   {"type": "web_search_result_location", "cited_text": "\ud83d\ude00", "url": "u", "title": null,
    "encrypted_index": "i"}]},
 {"zeta": 1, "type": "future_block", "alpha": {"a": 1, "A": 2, "\u0430": 3, "\u00e9": 4, "e\u0301": 5},
  "float": 1.0, "small": 1e-07, "large": 1e+22, "minus": -0.0, "big": 123456789012345678901234567890,
  "no": null, "empty": {}, "none": [], "true": true, "slash": "</script>"}]"""
"""What a reply may hold: every kind of block, keys that look alike, and numbers in their one spelling."""


def _exactly(raw: bytes | str) -> Any:
    """Return JSON with the order of its keys and its numbers as they are written."""
    return json.loads(raw, object_pairs_hook=lambda pairs: [*pairs], parse_float=str, parse_int=str)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_every_block_is_kept_and_sent_back_as_it_came(workspace: Workspace, *, stream: bool) -> None:
    """Thinking, citations, results of server tools, blocks of the future: order, numbers, letters."""
    limit = 30_000 if stream else 100
    workspace.write("s.yaml", scenario("a").replace("max_tokens: 100", f"max_tokens: {limit}"))
    whole = message(*json.loads(BLOCKS))

    def answer(_: TurnRequest) -> Answer:
        return stream_answer(sse(events_of(whole))) if stream else json_answer(whole)

    with Api(answer=answer) as api:
        live = workspace.run("s.yaml", "-o", "live", url=api.url)
        assert live.code == 0, live.stderr
        first, second = (each.http for each in api.ledger[:2])
    assert first.body.get("stream", False) is stream
    came = _exactly(BLOCKS)
    sent = dict(dict(_exactly(second.raw))["messages"][1])
    assert sent["content"] == came

    events = [
        _exactly(line) for line in (workspace.folder / "live" / "journal.jsonl").read_bytes().splitlines()
    ]
    replies = [dict(dict(event)["body"]) for event in events if dict(event)["event"] == "reply"]
    assert replies[0]["content"] == came
    (line,) = (workspace.folder / "live" / "transcripts.jsonl").read_bytes().splitlines()
    turn = dict(dict(_exactly(line))["turns"][0])
    assert dict(turn["reply"])["content"] == came
    shown = (workspace.folder / "live" / "transcripts.md").read_text()
    assert "It is \u00e9 and e\u0301.\\[1]" in shown
    assert '[1] "\U0001f600" (u)' in shown
    assert "web search tool result of web_search" in shown
    assert "encrypted by the API: 8 characters" in shown


def test_the_name_of_a_file_outlives_the_scenario(workspace: Workspace) -> None:
    """It is kept in the journal, so that a report that is made anew shows it where the scenario is gone."""
    content = "[{text: 'a|question 1'}, {image: photos/damage.png}, {document: a.txt}]"
    head = HEAD.replace("m-1", "claude-haiku-5-5")
    path = workspace.write("s.yaml", f"{head}turns: [{{user: {content}}}]\n")
    (workspace.folder / "photos").mkdir()
    photo = png(padding=34_000)
    (workspace.folder / "photos" / "damage.png").write_bytes(photo)
    workspace.write("a.txt", "Thirty days.")
    with Api(answer=lambda _: ok()) as api:
        live = workspace.run("s.yaml", "-o", "live", url=api.url)
        assert live.code == 0, live.stderr
        sent = api.ledger[0].http.body["messages"][0]["content"]
    path.unlink()
    (workspace.folder / "live" / "transcripts.md").unlink()
    assert workspace.run("report", "live").code == 0
    shown = (workspace.folder / "live" / "transcripts.md").read_text()
    assert r"*\[image photos/damage.png, 34 kB\]*" in shown
    assert "*document a.txt, 12 bytes*" in shown
    (transcript,) = workspace.transcripts("live").values()
    assert transcript["turns"][0]["content"] == sent
    assert transcript["turns"][0]["files"] == [None, "photos/damage.png", "a.txt"]
    assert sent[1] == block(photo)
