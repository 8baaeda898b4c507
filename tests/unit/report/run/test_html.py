"""The page of a run as a file: what it may load, what it holds, and what it leaves out."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace
from typing import Any

from claude_run.conversation.exchange import Reply
from claude_run.conversation.results import Outcome
from claude_run.record.summary import Ending
from claude_run.report.run.facts import RunFacts
from claude_run.report.run.html import conversation_piece, is_redacted, run_html
from tests.unit.report.builders import (
    AT,
    HAIKU,
    MYSTERY,
    exchange,
    failed,
    gated,
    hostile,
    never_started,
    passed,
    play,
    record,
    transcript,
    turn,
    unpriced,
)

SAID = "the words that were said"


def page(*rows: Any, redacted: bool = False, **fields: Any) -> str:
    """Return the page of a run."""
    played = play(rows, **fields)
    return b"".join(run_html(played, RunFacts.of(played), redacted=redacted)).decode()


def blocks(page: str) -> dict[str, Any]:
    """Return the data of a page, by the name of its block."""
    found = re.findall(r'<script type="application/gzip" id="([^"]+)">([^<]*)</script>', page)
    return {name: json.loads(gzip.decompress(base64.b64decode(packed))) for name, packed in found}


def digest(text: str) -> str:
    """Return the hash of a script or a style as the policy names it."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def repeated(number: int, outcome: Outcome) -> Any:
    """Build one of several attempts at a case, which passed or failed."""
    played = transcript(turn(1, exchanges=(exchange(),)), repeat=number, outcome=outcome)
    who = replace(played.started.identity, id=f"refund/phone/{HAIKU}/{number}")
    return record(replace(played, started=replace(played.started, identity=who)))


def test_loads_nothing_and_runs_only_its_own_script() -> None:
    """The policy names the hashes of one style and one script, and allows nothing else."""
    shown = page(record(passed()))
    style = re.findall(r"<style>(.*?)</style>", shown, re.DOTALL)
    script = re.findall(r"<script>(.*?)</script>", shown, re.DOTALL)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', shown)
    assert policy is not None
    assert policy[1] == (
        f"default-src 'none'; style-src 'sha256-{digest(*style)}'; script-src 'sha256-{digest(*script)}';"
        " base-uri 'none'; form-action 'none'"
    )
    assert not re.search(r"(?:src|href)=|@import|url\(", shown)


def test_the_index_counts_cases_and_what_became_of_them() -> None:
    """A repeated case counts once in the interval, with the share of its attempts that passed."""
    rows = [repeated(1, Outcome.PASSED), repeated(2, Outcome.FAILED), record(failed()), record(unpriced())]
    index = blocks(page(*rows))["index"]
    haiku, mystery = index["arms"]
    assert (haiku["name"], haiku["passed"], haiku["measured"], haiku["rate"]) == (HAIKU, 1, 3, 0.25)
    assert 0 < haiku["low"] < haiku["rate"] < haiku["high"] < 1
    assert haiku["total"] == 3 * 0.00084
    assert (mystery["cost"], mystery["total"], mystery["rate"]) == (None, None, 1.0)
    assert [(each["name"], each["tags"]) for each in index["cases"]] == [("phone", []), ("sofa", [])]
    assert [each["attempt"] for each in index["conversations"]] == ["#1", "#2", None, None]
    assert "repeats of a case count as one" in index["run"]["interval"]


def test_conversations_are_packed_in_the_order_of_the_plan() -> None:
    """In chunks; one that was never started has its place."""
    rows = [record(transcript(turn(1, str(number), exchanges=(exchange(),)))) for number in range(230)]
    found = blocks(page(*rows, never_started("refund/never")))
    assert [len(found[f"talks-{number}"]["talks"]) for number in range(3)] == [100, 100, 31]
    talks = [talk for number in range(3) for talk in found[f"talks-{number}"]["talks"]]
    assert [talk["turns"][0]["said"][0]["body"] for talk in talks[:-1]] == list(map(str, range(230)))
    assert talks[-1]["turns"] == []
    assert found["index"]["conversations"][-1]["outcome"] == "skipped"


def test_a_gate_brings_the_accepted_replies_along() -> None:
    """And marks the cases that do not stand as they did."""
    ending = Ending(at=AT, gate=gated())
    found = blocks(page(record(passed()), record(failed()), ending=ending))
    name = f"refund/sofa/{HAIKU}"
    assert found["accepted"] == {name: ["You have 30 days."]}
    assert found["index"]["accepted"] == [name]
    assert [each["changed"] for each in found["index"]["cases"]] == [None, "broke"]
    assert found["index"]["run"]["word"] == "REGRESSED"


def test_a_redacted_page_holds_numbers_and_not_a_word_of_what_was_said() -> None:
    """Neither of replies, questions, variables, messages of checks, nor of accepted replies."""
    talk = hostile(SAID)
    who = replace(passed().started.identity, id="refund/phone", case="phone")
    named = replace(talk.started, identity=who, tags=("smoke",), at=AT)
    bad = replace(talk.checks[0], position=replace(talk.checks[0].position, path="a.yaml"))
    turns = [replace(each, checks=(bad,)) for each in talk.turns]
    body = {**turns[0].exchanges[0].reply.body, "stop_reason": "end_turn", "model": HAIKU, "diagnostics": {}}
    reply = replace(turns[0].exchanges[0], reply=Reply.from_body(body), request_id="req_1")
    turns[0] = replace(turns[0], exchanges=(reply,))
    talk = replace(talk, started=named, turns=tuple(turns), checks=(bad,))
    ending = Ending(at=AT, gate=gated(before=(SAID,)))
    whole, redacted = (
        page(record(talk), record(failed()), ending=ending, redacted=each) for each in (False, True)
    )
    assert SAID in json.dumps(blocks(whole))
    assert SAID not in redacted + json.dumps(blocks(redacted))
    assert blocks(redacted)["talks-0"]["talks"][0]["turns"][0]["rounds"][0]["output"] == 31
    assert [is_redacted(each.encode()[:200]) for each in (whole, redacted)] == [False, True]


def test_the_pieces_of_a_run_are_what_its_page_is_made_of() -> None:
    """A line for the index and a line of what was said, whatever stands in either."""
    row, talk = conversation_piece(record(hostile("a\nb\u2028c"))).split(b"\n")
    assert json.loads(row)["case"] == "a\nb\u2028c"
    assert json.loads(talk)["turns"][0]["said"][0]["body"] == "a\nb\u2028c"


def test_a_long_text_stands_once_for_all_that_hold_it() -> None:
    """A system prompt of many thousand characters is no part of each conversation."""
    prompt = "\n".join(f"Rule {number}: be kind." for number in range(3_000))
    rows = [
        record(transcript(turn(1, str(number), exchanges=(exchange(),)), system=prompt))
        for number in range(230)
    ]
    shown = page(*rows)
    found = blocks(shown)
    assert [found[f"talks-{number}"]["texts"] for number in range(3)] == [[prompt], [], []]
    talk = found["talks-2"]["talks"][0]
    assert (talk["long"], talk["system"][0]["body"]) == ([[0, 0]], 0)
    assert len(shown) - len(page(*rows[:1])) < 40_000


def test_fresh_attempts_are_no_part_of_a_rate() -> None:
    """A gate makes them of cases that looked broken: counted in, they would make a model look worse."""
    fresh = transcript(turn(1, exchanges=(exchange(),)), outcome=Outcome.FAILED)
    who = fresh.started.identity.confirming(1)
    fresh = replace(fresh, started=replace(fresh.started, identity=who))
    (arm,) = blocks(page(record(passed()), record(fresh)))["index"]["arms"]
    assert (arm["rate"], arm["measured"], arm["cases"]) == (1.0, 1, 1)
    assert arm["total"] == 3 * 0.00084


def test_a_row_tells_the_gravest_of_what_changed() -> None:
    """And each cell its own, the better ones too."""
    names = [f"refund/sofa/{HAIKU}", f"refund/sofa/{MYSTERY}"]
    gate = gated(name=names[0], standing="better")
    gate = replace(gate, cases=(*gate.cases, replace(gate.cases[0], name=names[1], standing="broke")))
    rows = [record(failed()), record(failed(model=MYSTERY, model_label=MYSTERY, conversation_id=names[1]))]
    index = blocks(page(*rows, ending=Ending(at=AT, gate=gate)))["index"]
    assert [each["changed"] for each in index["cases"]] == ["broke"]
    assert [each["changed"] for each in index["conversations"]] == ["better", "broke"]
