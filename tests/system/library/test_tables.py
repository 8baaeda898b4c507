"""Runs as flat rows: keys and types are the same whatever happened, and sums agree."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

import claude_run
from tests.support.command import execute
from tests.system.library.scenarios import TALK, write

if TYPE_CHECKING:
    from pathlib import Path

TABLES = ("runs", "conversations", "turns", "checks")


def played(here: Path) -> claude_run.Tables:
    """Return a run that passed, one that failed, one that was not measured and one that was capped."""
    runs = [claude_run.run("talk.yaml", simulate=True)]
    write(here, TALK.replace("{contains: help}", "{contains: ziggurat}"))
    runs.append(claude_run.run("talk.yaml", simulate=True, repeat=2))
    runs.append(claude_run.run("talk.yaml", simulate=True, faults="400@2"))
    runs.append(claude_run.run("talk.yaml", simulate=True, max_requests=1, concurrency=1))
    assert [int(each.exit_code) for each in runs] == [0, 1, 3, 4]
    return claude_run.tables(runs[0], runs[1].folder, str(runs[2].folder), runs[3])


def test_rows_have_the_same_keys_and_types(here: Path) -> None:
    """Of every outcome: a value is None or exactly of the type of its column."""
    tables = played(here)
    assert list(tables.columns) == list(TABLES)
    for name in TABLES:
        rows: list[dict[str, Any]] = getattr(tables, name)
        columns = tables.columns[name]
        assert rows
        for row in rows:
            assert list(row) == list(columns)
            assert {column: type(value) for column, value in row.items() if value is not None}.items() <= (
                columns.items()
            )
    assert {each["outcome"] for each in tables.conversations} == {"passed", "failed", "errored", "skipped"}
    assert {kind for columns in tables.columns.values() for kind in columns.values()} == {
        str,
        int,
        float,
        bool,
    }


def test_rows_say_what_the_transcripts_say(here: Path) -> None:
    """Sums agree from table to table, and checks inside others are rows of their own."""
    tables = played(here)
    for run in tables.runs:
        own = [each for each in tables.conversations if each["run_id"] == run["run_id"]]
        assert len(own) == run["conversations"]
        assert sum(each["output_tokens"] or 0 for each in own) == run["output_tokens"]
    for row in tables.conversations:
        turns = [
            each
            for each in tables.turns
            if (each["run_id"], each["conversation_id"]) == (row["run_id"], row["conversation_id"])
        ]
        assert sum(each["reply"] is not None for each in turns) == row["replies"]
        assert sum(each["cost_usd"] or 0 for each in turns) == pytest.approx(row["cost_usd"] or 0)
    first = tables.conversations[0]
    checks = [each for each in tables.checks if each["run_id"] == first["run_id"]]
    one = [each for each in checks if each["conversation_id"] == first["conversation_id"]]
    assert [(each["check"], each["parent"], each["turn"], each["kind"]) for each in one] == [
        (1, None, 1, "contains"),
        (2, None, 2, "any_of"),
        (3, 2, 2, "contains"),
        (4, 2, 2, "contains"),
        (5, None, 2, "not"),
        (6, 5, 2, "contains"),
        (7, None, None, "max_cost_usd"),
    ]
    assert (one[6]["label"], one[0]["path"]) == ("cheap", "talk.yaml")
    assert json.loads(first["tags"] or "") == ["smoke", "two words"]
    assert json.loads(first["vars"] or "") == {"word": "please"}
    assert json.loads(tables.turns[0]["content"] or "") == [{"type": "text", "text": "Help me please."}]
    assert tables.turns[1]["content"] == "Thank you, please."


@pytest.mark.usefixtures("here")
def test_a_run_that_is_named_twice_is_there_once() -> None:
    """By its name, by the link to it, and as a value: sums stay sums."""
    run = claude_run.run("talk.yaml", simulate=True, out="run")
    once, twice = claude_run.tables(run), claude_run.tables(run, "run", "outputs/latest")
    assert once == twice
    assert len(twice.conversations) == len(run.conversations)


def test_a_folder_without_a_run_is_refused(here: Path) -> None:
    """As `report` refuses it."""
    with pytest.raises(claude_run.InputError, match="holds no run"):
        claude_run.tables(here)


_POLARS = """
import claude_run, polars as pl
tables = claude_run.tables("run")
conversations = pl.DataFrame(tables.conversations, schema=tables.columns["conversations"])
checks = pl.DataFrame(tables.checks, schema=tables.columns["checks"])
assert conversations.schema["error"] == pl.String and conversations.schema["repeat"] == pl.Int64
joined = conversations.join(checks, on=["run_id", "conversation_id"])
print(conversations.height, checks.height, joined.height)
for name in tables.columns:
    frame = pl.DataFrame(getattr(tables, name), schema=tables.columns[name])
    assert frame.to_dicts() == getattr(tables, name), name
    assert pl.DataFrame([], schema=tables.columns[name]).columns == list(tables.columns[name])
"""

_PANDAS = """
import claude_run, pandas as pd
tables = claude_run.tables("run")
conversations, checks = pd.DataFrame(tables.conversations), pd.DataFrame(tables.checks)
joined = conversations.merge(checks, on=["run_id", "conversation_id"])
print(len(conversations), len(checks), len(joined))
kinds = {str: "string", int: "Int64", float: "Float64", bool: "boolean"}
for name, columns in tables.columns.items():
    frame = pd.DataFrame(getattr(tables, name), columns=list(columns))
    frame = frame.astype({column: kinds[kind] for column, kind in columns.items()})
    again = frame.astype(object).where(frame.notna(), None).to_dict("records")
    assert again == getattr(tables, name), name
"""

_DUCKDB = """
import claude_run, duckdb, json, pathlib
tables = claude_run.tables("run")
kinds = {str: "VARCHAR", int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN"}
db = duckdb.connect()
for name, columns in tables.columns.items():
    rows = getattr(tables, name)
    fields = ", ".join('"' + column + '" ' + kinds[kind] for column, kind in columns.items())
    db.execute(f"create table {name} ({fields})")
    marks = ", ".join("?" * len(columns))
    db.executemany(f"insert into {name} values ({marks})", [list(row.values()) for row in rows])
    assert db.execute(f"select * from {name}").fetchall() == [tuple(row.values()) for row in rows], name
count = lambda what: db.execute(f"select count(*) from {what}").fetchone()[0]
joined = "conversations join checks using (run_id, conversation_id)"
print(count("conversations"), count("checks"), count(joined))
print(db.execute("select distinct tags->>'$[1]' from conversations where tags is not null").fetchall())
"""


@pytest.mark.parametrize(("library", "code"), [("pandas", _PANDAS), ("polars", _POLARS), ("duckdb", _DUCKDB)])
def test_frames_are_made_of_the_rows(here: Path, library: str, code: str) -> None:
    """With the types of the columns, and joined by their ids; `make test-tables` installs the libraries."""
    pytest.importorskip(library, reason="a library of data frames is missing: `make test-tables` runs these")
    claude_run.run("talk.yaml", simulate=True, max_requests=3, concurrency=1, out="run")
    result = execute([sys.executable, "-c", code], cwd=here)
    assert result.stderr == ""
    conversations, checks, joined = map(int, result.stdout.splitlines()[0].split())
    assert conversations == 4
    assert checks == joined > 0
