"""The reference of a run's files names every key that a real run writes, and none that it does not."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args

import pytest

from claude_run.conversation.events import Event, SetAside
from claude_run.errors import StorageError
from claude_run.record.codec import encode
from claude_run.record.derive import read_played
from claude_run.record.folder import RunFolder
from claude_run.record.run import Run, Spent
from claude_run.record.transcripts import to_json
from claude_run.text.strict_json import json_pieces
from tests.docs import journal_fields, run_fields
from tests.docs.page_examples import run
from tests.docs.tables import names, table
from tests.unit.record.fakes import run as planned_run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SCENARIO = """\
name: documented
model: claude-haiku-5-5
judge: {model: claude-opus-5-5}
system: Be brief. SYSTEM
cases: [{id: a}, {id: b}, {id: c}, {id: d}, {id: e}]
turns:
  - user: Hello
    expect: [{not: {contains: guarantee}}, {judge: It greets.}]
    example: Hello
expect: [{refusal: false}]
""".replace("SYSTEM", "Never promise more. " * 150)


@pytest.fixture(scope="module", name="played")
def _played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Play as few cases as a gate can judge, the first attempt failing; then change them and play on."""
    folder = tmp_path_factory.mktemp("documented")
    scenario = folder / "documented.yaml"
    scenario.write_text(_SCENARIO, encoding="utf-8")
    _command(f"claude-run {scenario} --simulate -j 1 -q -o {folder}/accepted")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CI", raising=False)  # where nothing is accepted
        _command(f"claude-run accept {folder}/accepted")
    _command(f"claude-run {scenario} --simulate --baseline --faults 529@1 -j 1 -q -o {folder}/run")
    scenario.write_text(_SCENARIO.replace("Be brief", "Be short"), encoding="utf-8")
    _command(f"claude-run resume {folder}/run --changed -q")
    return folder / "run"


@pytest.fixture(scope="module", name="batched")
def _batched(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Play in batches, of which one is refused; return the lines of both journals."""
    folder = tmp_path_factory.mktemp("batched")
    scenario = folder / "documented.yaml"
    scenario.write_text(_SCENARIO, encoding="utf-8")
    _command(f"claude-run {scenario} --simulate --batch -q -o {folder}/whole")
    # The first request to the path of batches asks for their list.
    run(f"claude-run {scenario} --simulate --batch --faults 413@2 -q -o {folder}/refused")
    return [line for name in ("whole", "refused") for line in _lines(folder / name / "journal.jsonl")]


def test_each_key_of_a_transcript_is_documented(played: Path) -> None:
    """The line, its turns, replies, checks and usage have exactly the documented keys."""
    line = _lines(played / "transcripts.jsonl")[0]
    (turn,) = line["turns"]

    assert list(line) == names(run_fields.LINE)
    assert list(turn) == names(run_fields.TURN)
    assert set(turn["reply"]) == set(names(run_fields.REPLY))
    assert list(turn["usage"]) == list(line["usage"]) == names(run_fields.USAGE)
    for check in (*line["checks"], *turn["checks"], *turn["checks"][0]["children"]):
        assert list(check) == names(run_fields.CHECK)


def test_each_nested_key_of_usage_and_position_is_named(played: Path) -> None:
    """What lies inside an object without a table of its own is named beside that object."""
    line = _lines(played / "transcripts.jsonl")[0]
    usage = {field.name: field.about for field in run_fields.USAGE}
    position = next(field.about for field in run_fields.CHECK if field.name == "position")

    for name, value in line["usage"].items():
        if isinstance(value, dict):
            assert all(f"`{inner}`" in usage[name] for inner in value)
    assert all(f"`{name}`" in position for name in line["checks"][0]["position"])


def test_each_key_of_a_judge_is_documented(played: Path) -> None:
    """A conversation that was judged has the documented keys, and each answer is an exchange."""
    judge = _lines(played / "transcripts.jsonl")[0]["judge"]

    assert list(judge) == names(run_fields.JUDGE)
    assert [list(answer) for answer in judge["replies"]] == [names(run_fields.EXCHANGE)]


def test_each_key_of_an_exchange_is_documented(played: Path) -> None:
    """A turn that needed two requests lists them, each with the documented keys."""
    record = read_played(RunFolder.open(played)).records[0]
    assert record.transcript is not None
    (turn,) = record.transcript.turns
    twice = replace(turn, exchanges=turn.exchanges * 2)
    value: Any = to_json(record.planned, replace(record.transcript, turns=(twice,)))
    exchanges = value["turns"][0]["exchanges"]

    assert len(exchanges) == 2
    assert [list(exchange) for exchange in exchanges] == [names(run_fields.EXCHANGE)] * 2
    assert set(exchanges[0]["reply"]) == set(names(run_fields.REPLY))


def test_each_key_of_what_was_set_aside_is_documented(played: Path) -> None:
    """It is an exchange with the number of its turn."""
    record = read_played(RunFolder.open(played)).records[0]
    assert record.transcript is not None
    aside = record.transcript.turns[0].exchanges
    value: Any = to_json(record.planned, replace(record.transcript, set_aside=aside))
    assert [list(each) for each in value["set_aside"]] == [["turn", *names(run_fields.EXCHANGE)]]


def test_a_skipped_conversation_has_the_same_keys(played: Path) -> None:
    """A conversation that was never started has every documented key too."""
    record = read_played(RunFolder.open(played)).records[0]

    assert list(to_json(record.planned, None)) == names(run_fields.LINE)


def test_each_key_of_the_summary_is_documented(played: Path) -> None:
    """The summary, its totals and its cases have exactly the documented keys."""
    summary = json.loads((played / "summary.json").read_text(encoding="utf-8"))

    judge = next(field.about for field in run_fields.TOTALS if field.name == "judge")

    assert list(summary) == names(run_fields.SUMMARY)
    gate = summary["gate"]
    assert list(gate) == names(run_fields.GATE)
    assert [list(each) for each in gate["models"]] == [names(run_fields.GATED_MODEL)]
    assert all(list(each) == names(run_fields.GATED_CASE) for each in gate["cases"])
    assert list(gate["cost"]) == names(run_fields.COST_CHANGE)
    assert list(summary["caching"]) == names(run_fields.CACHING)
    assert list(summary["made_of"]) == names(run_fields.MADE_OF)
    for totals in (summary["totals"], *summary["models"].values()):
        assert list(totals) == names(run_fields.TOTALS)
        assert all(f"`{inner}`" in judge for inner in totals["judge"])
    assert [list(case) for case in summary["cases"]] == [names(run_fields.CASE)] * 5


def test_each_key_of_run_json_is_documented(played: Path) -> None:
    """The file that is written before anything is sent has exactly the documented keys."""
    plain = [name for name in names(run_fields.RUN) if name not in {"shard", "spent_before"}]
    assert list(json.loads((played / "run.json").read_text(encoding="utf-8"))) == plain


def test_a_shard_says_which_part_it_is(tmp_path: Path) -> None:
    """It has all documented keys but that of a round, and in `shard` those that its row names."""
    scenario = tmp_path / "documented.yaml"
    scenario.write_text(_SCENARIO, encoding="utf-8")
    _command(f"claude-run {scenario} --simulate -q --shard 1/1 -o {tmp_path}/run")
    run = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert list(run) == [name for name in names(run_fields.RUN) if name != "spent_before"]
    about = next(field.about for field in run_fields.RUN if field.name == "shard")
    assert re.findall(r"`(\w+)`", about) == list(run["shard"])


def test_a_round_says_what_was_spent_before_it() -> None:
    """In the keys that its row names, and it is read back as it was written."""
    spent = Spent(usd=Decimal("0.00000012"), attempts=3)
    written = replace(planned_run(), spent_before=spent).to_json()
    about = next(field.about for field in run_fields.RUN if field.name == "spent_before")
    kept = json.loads("".join(json_pieces(written)))
    assert re.findall(r"`(\w+)`", about) == list(kept["spent_before"])
    assert Run.from_json(kept, path="run.json").spent_before == spent
    for wrong in ({"usd": 1, "attempts": 3}, {"usd": "-1", "attempts": 3}, {"usd": "1", "attempts": -3}):
        with pytest.raises(StorageError, match="is not what a session has spent"):
            Run.from_json({**kept, "spent_before": wrong}, path="run.json")


def test_each_event_of_the_journal_is_documented(played: Path, batched: list[Any]) -> None:
    """A run with a failed attempt writes every documented kind of event but one, with the documented keys."""
    written = [*_lines(played / "journal.jsonl"), *batched]
    lines = [line for line in written if line["event"] != "run"]
    assert {line.get("in_batch") for line in lines} == {None, True}
    aside = encode(SetAside(conversation_id="", turn=0, key="", reason="", at=""))
    lines.append(dict.fromkeys(("crc", "seq")) | aside)

    assert {line["event"] for line in lines} == set(journal_fields.EVENTS)
    assert len(journal_fields.EVENTS) == len(get_args(Event)) + len(("journal",))
    for line in lines:
        _, fields = journal_fields.EVENTS[line["event"]]
        expected = [name for name in names(fields) if name != "in_batch" or name in line]
        assert list(line) == names(journal_fields.FRAME) + expected, line["event"]


def test_each_line_on_the_run_is_documented(played: Path, batched: list[Any]) -> None:
    """Runs that were gated, changed, resumed and in batches write every line, with the documented keys."""
    lines = [line for line in [*_lines(played / "journal.jsonl"), *batched] if line["event"] == "run"]

    assert {line["what"] for line in lines} == set(journal_fields.RUN_LINES)
    for line in lines:
        _, fields = journal_fields.RUN_LINES[line["what"]]
        assert list(line) == [*names(journal_fields.FRAME), "what", *names(fields)]


def test_each_key_inside_an_event_is_documented(played: Path) -> None:
    """A failure has a table of its own, and the messages of a request are named beside it."""
    lines = _lines(played / "journal.jsonl")
    asked, judged = [line for line in lines if line["event"] == "request"][:2]
    _, request = journal_fields.EVENTS["request"]
    sent = next(field.about for field in request if field.name == "sent")

    failed = next(line for line in lines if line["event"] == "failure")
    assert list(failed["failure"]) == names(journal_fields.FAILURE)
    assert all(f"`{name}`" in sent for name in asked["sent"][0])
    assert asked["judge"] is None
    assert judged["judge"]
    assert [message["role"] for message in judged["sent"]] == ["user"]


def test_a_cell_cannot_break_its_table() -> None:
    """A bar or a line break inside a cell does not end it."""
    assert table(["key"], [["a|b\nc"]]).splitlines() == ["| key |", "| --- |", "| a\\|b c |"]


def _command(line: str) -> None:
    code, printed = run(line)
    assert code == 0, printed


def _lines(path: Path) -> Sequence[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
