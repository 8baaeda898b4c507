"""Each promise of the reliability page has a test, and each test that it names exists."""

from __future__ import annotations

import ast
import re

import pytest

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/explanation/reliability.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[^`]+\.py)::([A-Za-z0-9_:]+)`", PAGE)))
_ROW = re.compile(r"^\| (?!promise|---)(?P<promise>.+?) \| (?P<tests>.+) \|$", re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#]+)\)")


@pytest.mark.parametrize(("path", "name"), NAMED, ids=lambda part: str(part).removeprefix("tests/"))
def test_a_named_test_exists(path: str, name: str) -> None:
    """The function stands in the file, under this name."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert name.rsplit("::", maxsplit=1)[-1] in functions


def test_each_promise_has_a_test() -> None:
    """A row of a table whose second column names no test would be a mere claim."""
    rows = list(_ROW.finditer(PAGE))
    assert len(rows) > 30
    for row in rows:
        tests = row["tests"].split(", ")
        assert all(re.fullmatch(r"`tests/\S+\.py::test_\w+`", test) for test in tests), row["promise"]


def test_each_row_of_the_catalogue_is_held() -> None:
    """The sixteen rows on input are all named."""
    rows = {name[5:8] for path, name in NAMED if path == "tests/system/input/test_rows.py"}
    assert rows == {f"i{number:02}" for number in range(1, 17)}


def test_the_security_page_leads_somewhere() -> None:
    """Its links go to files of this repository."""
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    links = _LINK.findall(page)
    assert len(links) > 1
    assert all((ROOT / link).is_file() for link in links)
