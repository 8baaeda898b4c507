"""The lists of what a folder holds: decisions by title, shipped scenarios by what they are for."""

from __future__ import annotations

from pathlib import Path

from claude_run.checks.registry import default_registry
from claude_run.scenario.loader import load

ROOT = Path(__file__).resolve().parents[2]

_DECISIONS = """\
# Decisions

What was decided, at what price, and what would change our mind. A note is 40 lines at most.
"""
_SCENARIOS = """\
# Shipped scenarios

Each plays without a key by `claude-run scenarios/NAME.yaml --simulate`, and is a model for your own.

| file | shows |
|---|---|"""


def decisions() -> str:
    """Return the page of docs/decisions: a line for each note, in order."""
    notes = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    titles = [note.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ") for note in notes]
    return "\n".join(
        [_DECISIONS, *(f"- [{title}]({note.name})" for title, note in zip(titles, notes, strict=True))]
    )


def scenarios() -> str:
    """Return the page of scenarios/: a row for each file, with its own words."""
    found = load([str(ROOT / "scenarios")], vocabulary=default_registry())
    return "\n".join(
        [_SCENARIOS, *(f"| [{one.name}]({one.name}.yaml) | {one.description} |" for one in found)]
    )
