"""The reference of a run's files names every key that a real run writes, and none that it does not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import pytest

from claude_run.conversation.events import Event
from claude_run.record.derive import read_played
from claude_run.record.folder import RunFolder
from claude_run.record.transcripts import to_json
from tests.docs import run_fields
from tests.docs.page_examples import run
from tests.docs.tables import table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.docs.run_fields import Fields

_SCENARIO = """\
name: documented
model: claude-haiku-5-5
system: Be brief.
turns:
  - user: Hello
    expect: [{not: {contains: guarantee}}]
    example: Hello
expect: [{refusal: false}]
"""


@pytest.fixture(scope="module", name="played")
def _played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Play a small scenario whose first attempt fails, and return the run folder."""
    folder = tmp_path_factory.mktemp("documented")
    (folder / "documented.yaml").write_text(_SCENARIO, encoding="utf-8")
    code, printed = run(f"claude-run {folder}/documented.yaml --simulate --faults 529@1 -q -o {folder}/run")
    assert code == 0, printed
    return folder / "run"


def test_each_key_of_a_transcript_is_documented(played: Path) -> None:
    """The line, its turns, replies, checks and usage have exactly the documented keys."""
    line = _lines(played / "transcripts.jsonl")[0]
    (turn,) = line["turns"]

    assert list(line) == _names(run_fields.LINE)
    assert list(turn) == _names(run_fields.TURN)
    assert set(turn["reply"]) == set(_names(run_fields.REPLY))
    assert list(turn["usage"]) == list(line["usage"]) == _names(run_fields.USAGE)
    for check in (*line["checks"], *turn["checks"], *turn["checks"][0]["children"]):
        assert list(check) == _names(run_fields.CHECK)


def test_each_nested_key_of_usage_and_position_is_named(played: Path) -> None:
    """What lies inside an object without a table of its own is named beside that object."""
    line = _lines(played / "transcripts.jsonl")[0]
    usage = {field.name: field.about for field in run_fields.USAGE}
    position = next(field.about for field in run_fields.CHECK if field.name == "position")

    for name, value in line["usage"].items():
        if isinstance(value, dict):
            assert all(f"`{inner}`" in usage[name] for inner in value)
    assert all(f"`{name}`" in position for name in line["checks"][0]["position"])


def test_each_key_of_an_exchange_is_documented(played: Path) -> None:
    """A turn that needed two requests lists them, each with the documented keys."""
    (record,) = read_played(RunFolder.open(played)).records
    assert record.transcript is not None
    (turn,) = record.transcript.turns
    twice = replace(turn, exchanges=turn.exchanges * 2)
    value: Any = to_json(replace(record, transcript=replace(record.transcript, turns=(twice,))))
    exchanges = value["turns"][0]["exchanges"]

    assert len(exchanges) == 2
    assert [list(exchange) for exchange in exchanges] == [_names(run_fields.EXCHANGE)] * 2
    assert set(exchanges[0]["reply"]) == set(_names(run_fields.REPLY))


def test_a_skipped_conversation_has_the_same_keys(played: Path) -> None:
    """A conversation that was never started has every documented key too."""
    (record,) = read_played(RunFolder.open(played)).records

    assert list(to_json(replace(record, transcript=None))) == _names(run_fields.LINE)


def test_each_key_of_the_summary_is_documented(played: Path) -> None:
    """The summary, its totals and its cases have exactly the documented keys."""
    summary = json.loads((played / "summary.json").read_text(encoding="utf-8"))

    assert list(summary) == _names(run_fields.SUMMARY)
    for totals in (summary["totals"], *summary["models"].values()):
        assert list(totals) == _names(run_fields.TOTALS)
    assert [list(case) for case in summary["cases"]] == [_names(run_fields.CASE)]


def test_each_key_of_run_json_is_documented(played: Path) -> None:
    """The file that is written before anything is sent has exactly the documented keys."""
    assert list(json.loads((played / "run.json").read_text(encoding="utf-8"))) == _names(run_fields.RUN)


def test_each_event_of_the_journal_is_documented(played: Path) -> None:
    """A run with a failed attempt writes every documented kind of event, with the documented keys."""
    lines = _lines(played / "journal.jsonl")
    frame = _names(run_fields.FRAME)

    assert {line["event"] for line in lines} == set(run_fields.EVENTS)
    assert len(run_fields.EVENTS) == len(get_args(Event)) + len(("journal", "run"))
    for line in lines:
        _, fields = run_fields.EVENTS[line["event"]]
        names = frame + _names(fields)
        assert list(line) == (names[:-3] if line.get("what") == "started" else names), line["event"]


def test_each_key_inside_an_event_is_documented(played: Path) -> None:
    """A failure has a table of its own, and the messages of a request are named beside it."""
    lines = {line["event"]: line for line in _lines(played / "journal.jsonl")}
    _, request = run_fields.EVENTS["request"]
    sent = next(field.about for field in request if field.name == "sent")

    assert list(lines["failure"]["failure"]) == _names(run_fields.FAILURE)
    assert all(f"`{name}`" in sent for name in lines["request"]["sent"][0])


def test_a_cell_cannot_break_its_table() -> None:
    """A bar or a line break inside a cell does not end it."""
    assert table(["key"], [["a|b\nc"]]).splitlines() == ["| key |", "| --- |", "| a\\|b c |"]


def _names(fields: Fields) -> list[str]:
    return [field.name for field in fields]


def _lines(path: Path) -> Sequence[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
