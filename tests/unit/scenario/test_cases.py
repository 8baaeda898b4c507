"""Cases: inline, and from CSV, JSONL and YAML."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.scenario.case_tables import read_csv, read_jsonl
from claude_run.scenario.diagnostics import Problems
from claude_run.scenario.source import Source
from tests.unit.scenario.loading import complaints, load_files

if TYPE_CHECKING:
    from pathlib import Path

    from claude_run.scenario.json_values import Json

TURNS = "turns: [{user: '{{ item }} {{ n | default(0) }}'}]\n"


def loaded(folder: Path, name: str, content: str) -> list[tuple[str | None, Json, str]]:
    """Return id, variables and place of each case of a file."""
    files: dict[str, str | bytes] = {"a.yaml": f"cases: {{file: {name}}}\n{TURNS}", name: content}
    (scenario,) = load_files(folder, files)
    return [
        (case.id, dict(case.vars), str(case.position).replace(f"{folder}/", "")) for case in scenario.cases
    ]


def problems(folder: Path, name: str, content: str | bytes) -> list[str]:
    """Return the problems of a file of cases."""
    return complaints(folder, {"a.yaml": f"cases: {{file: {name}}}\n{TURNS}", name: content})


def test_csv_has_a_header_and_strings(tmp_path: Path) -> None:
    """Values stay strings, quoted cells keep commas and line breaks, empty rows are passed over."""
    content = '\ufeff\nid,item,n,x-note\nphone,"a ""good"", phone",1,\n,,,\nsofa,"two\nlines",2,note\n'
    assert loaded(tmp_path, "c.csv", content) == [
        ("phone", {"item": 'a "good", phone', "n": "1"}, "c.csv:3:1"),
        ("sofa", {"item": "two\nlines", "n": "2"}, "c.csv:5:1"),
    ]


def test_rows_without_id_are_numbered(tmp_path: Path) -> None:
    """Without a column `id`, the number of the row among the cases is the id."""
    assert [case[0] for case in loaded(tmp_path, "c.csv", "item\r\na\r\n\r\nb\r\n")] == ["1", "2"]
    assert [case[0] for case in loaded(tmp_path, "d.jsonl", '{"item": "a"}\n\n{"item": "b"}')] == ["1", "2"]
    assert [case[0] for case in loaded(tmp_path, "e.yaml", "- item: a\n- item: b\n")] == ["1", "2"]


def test_jsonl_and_yaml_take_flat_and_nested_objects(tmp_path: Path) -> None:
    """`{id, vars}` and flat objects mean the same, and values keep their types."""
    lines = ['{"id": 7, "vars": {"item": [1, null]}}', '{"id": "b", "item": {"a": true}, "n": 2, "x-a": 1}']
    expected: list[tuple[str, Json]] = [("7", {"item": [1, None]}), ("b", {"item": {"a": True}, "n": 2})]
    assert [case[:2] for case in loaded(tmp_path, "c.jsonl", "\n".join(lines))] == expected
    found = loaded(tmp_path, "d.yaml", "".join(f"- {line}\n" for line in lines))
    assert [case[:2] for case in found] == expected


def test_a_variable_may_be_named_vars_in_a_flat_object(tmp_path: Path) -> None:
    """`vars` beside other variables is a variable itself."""
    files: dict[str, str | bytes] = {
        "a.yaml": "cases: {file: c.jsonl}\nturns: [{user: '{{ vars.a }} {{ item }}'}]\n",
        "c.jsonl": '{"vars": {"a": 1}, "item": "b"}',
    }
    (scenario,) = load_files(tmp_path, files)
    assert scenario.cases[0].vars == {"vars": {"a": 1}, "item": "b"}


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("c.csv", "", ["a.yaml:1:15 c.csv holds no case"]),
        ("c.csv", "item\n", ["a.yaml:1:15 c.csv holds no case"]),
        (
            "c.csv",
            "item,n\na\nb,1,2\n",
            [
                "c.csv:2:1 this row has 1 cell, the header has 2",
                "c.csv:3:1 this row has 3 cells, the header has 2",
            ],
        ),
        ("c.csv", "item,item\na,b\n", ["c.csv:1:6 two columns have the name `item`"]),
        ("c.csv", 'item\n"a\n', ["c.csv:2:1 this is not valid CSV: unexpected end of data"]),
        ("c.csv", "colour\na\n", ["a.yaml:2:20 undefined variable `item`"]),
        ("c.csv", "a;item;item\n1;2;3\n", ["c.csv:1:8 two columns have the name `item`"]),
        ("c.csv", 'item;n\n"a;b";1;2\n', ["c.csv:2:1 this row has 3 cells, the header has 2"]),
        ("c.tsv", "item\tn\na\n", ["c.tsv:2:1 this row has 1 cell, the header has 2"]),
        ("c.csv", "id,item\na,b\na,c\n", ["c.csv:3:1 duplicate case id `a`: line 2 has it already"]),
        ("c.csv", "id,item\n,b\n", ["c.csv:2:1 the id of a case is empty"]),
        ("c.csv", "id,item\na/b,b\n", ["c.csv:2:1 the id of a case holds a `/`"]),
        ("c.csv", "item\na\0\n", ["c.csv:2:1 the value of `item` holds NUL or half of a surrogate pair"]),
        ("c.csv", b"item\n\xe9\n", ["c.csv:2:1 the file is not UTF-8"]),
        (
            "c.jsonl",
            '{"item": 1}\n{"item": }\n[1]\n{"item": 1, "item": 2}\n{"item": NaN}\n',
            [
                "c.jsonl:2:10 this is not valid JSON: Expecting value",
                "c.jsonl:3:1 a case must be an object",
                "c.jsonl:4:1 duplicate key `item`",
                "c.jsonl:5:1 NaN is not a JSON number",
            ],
        ),
        ("c.jsonl", '{"id": true, "item": 1}', ["c.jsonl:1:1 the id of a case must be a text"]),
        (
            "c.jsonl",
            '{"item": "\\ud800"}',
            ["c.jsonl:1:1 the value of `item` holds NUL or half of a surrogate pair"],
        ),
        (
            "c.jsonl",
            '{"item": [{"\\u0000": 1}]}',
            ["c.jsonl:1:1 the value of `item` holds NUL or half of a surrogate pair"],
        ),
        ("c.jsonl", '{"item": ' + "[" * 100_000, ["c.jsonl:1:1 this JSON nests too deeply"]),
        ("c.jsonl", '{"item": ' + "[" * 64 + "]" * 64 + "}", ["c.jsonl:1:1 this JSON nests too deeply"]),
        ("c.jsonl", '{"item": 1e999}', ["c.jsonl:1:1 1e999 is not a JSON number"]),
        ("c.jsonl", '{"item": 1.50}', ["c.jsonl:1:1 this value would reach the model as `1.5`"]),
        ("c.yaml", "a: 1", ["c.yaml:1:1 a file of cases must be a list, not a mapping"]),
        ("c.yaml", "- a", ["c.yaml:1:3 a case must be a mapping, not a string"]),
        ("c.yaml", "- {item: a, item: b}", ["c.yaml:1:13 duplicate key `item`: it stands on line 1 already"]),
        ("c.yaml", "- [", ["c.yaml:1:4 this is not valid YAML: did not find expected node content"]),
        ("c.txt", "item", ["a.yaml:1:15 c.txt is of no known kind"]),
        ("../c.csv", "item", ["a.yaml:1:15 ../c.csv lies outside of the scenario's root"]),
    ],
)
def test_every_problem_of_a_file_has_its_place(
    tmp_path: Path, name: str, content: str | bytes, expected: list[str]
) -> None:
    """Problems inside a file of cases are shown in that file."""
    folder = tmp_path / "sub"
    found = problems(folder, name, content)
    assert len(found) == len(expected)
    assert all(line.startswith(start) for line, start in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        ("[]", "1:8 `cases` must have at least one entry"),
        ("x", "1:8 x is of no known kind"),
        ("7", "1:8 `cases` must be a list, not a number"),
        ("[x]", "1:9 a case must be a mapping, not a string"),
        ("[{id: 3, vars: {item: a}}]", "1:14 `id` must be a string, not a number"),
        ("[{vrs: {}}]", "1:10 unknown key `vrs` in a case"),
        ("[{vars: [a]}]", "1:16 `vars` must be a mapping, not a list"),
        ("[{vars: {item: a, in: 1}}]", "1:26 `in` is a reserved name"),
        (
            "[{id: a, vars: {item: 1}}, {id: a, vars: {item: 2}}]",
            "1:35 duplicate case id `a`: line 1 has it already",
        ),
        ("{}", "1:8 `cases` has no `file`"),
        ("{file: c.csv, sep: x}", "1:22 unknown key `sep` in `cases`"),
    ],
)
def test_mistakes_in_inline_cases_are_reported_at_their_place(
    tmp_path: Path, cases: str, expected: str
) -> None:
    """Inline cases are as strict as the rest of the file."""
    assert f"a.yaml:{expected}" in complaints(tmp_path, f"cases: {cases}\n{TURNS}")


def test_inline_cases_without_id_are_numbered(tmp_path: Path) -> None:
    """The number of the case is its id where none is written."""
    files: dict[str, str | bytes] = {
        "a.yaml": f"cases: [{{vars: {{item: a}}}}, {{vars: {{item: 5}}}}]\n{TURNS}"
    }
    (scenario,) = load_files(tmp_path, files)
    assert [(case.id, case.vars["item"]) for case in scenario.cases] == [("1", "a"), ("2", 5)]


names = st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta"]), min_size=1, max_size=4, unique=True)
cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(names, st.data())
@settings(max_examples=100, deadline=None)
def test_csv_agrees_with_its_writer(header: list[str], data: st.DataObject) -> None:
    """Whatever the standard writer quotes is read back as it was."""
    row = st.lists(cells, min_size=len(header), max_size=len(header)).filter(
        lambda cells: any(cell.strip() for cell in cells)
    )
    rows = data.draw(st.lists(row, max_size=4))
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    found = read_csv(Source("c.csv", text.getvalue()), Problems())
    assert [list(row.vars.values()) for row in found] == rows


@given(st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    """No file of cases brings any other exception."""
    for reader in (read_csv, read_jsonl):
        problems = Problems()
        rows = list(reader(Source("c", text), problems))
        assert all(isinstance(row.vars, dict) for row in rows)
        assert len(problems) >= len(problems.shown)


def test_case_data_is_never_rendered(tmp_path: Path) -> None:
    """Template syntax in a file of cases is text like any other."""
    hostile = "{{ item }}{% for x in y %}"
    assert loaded(tmp_path, "c.jsonl", json.dumps({"item": hostile}))[0][1] == {"item": hostile}
