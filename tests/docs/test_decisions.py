"""The decision notes keep to their form, and the one on dependencies to what is installed."""

from __future__ import annotations

import re
import tomllib

from tests.docs.pages import ROOT

NOTES = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))


def test_a_note_is_short_and_has_its_four_parts() -> None:
    """Each note is numbered, has at most 40 lines, and says context, choice, price and what changes it."""
    assert [note.name[:4] for note in NOTES] == [f"{number:04}" for number in range(1, len(NOTES) + 1)]
    for note in NOTES:
        lines = note.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith(f"# {note.name[:4]}: ")
        assert len(lines) <= 40, note.name
        headings = [line for line in lines if line.startswith("## ")]
        assert headings == ["## Context", "## Choice", "## Price", "## What would change our mind"]


def test_each_runtime_dependency_is_argued_for() -> None:
    """The packages of pyproject.toml are those of the note, extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[<>=~!;\s]", one, maxsplit=1)[0] for one in project["dependencies"]}
    note = (ROOT / "docs/decisions/0002-runtime-dependencies.md").read_text(encoding="utf-8")

    assert set(re.findall(r"^\| `([^`]+)` \|", note, re.MULTILINE)) == declared
