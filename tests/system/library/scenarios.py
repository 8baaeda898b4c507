"""The scenario that the tests of the calls play, with something of each kind for every table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TALK = """\
name: talk
tags: [smoke, "two words"]
models: [claude-haiku-5-5, claude-opus-5-5]
max_tokens: 2048
cases:
  - {id: kind, vars: {word: please}}
  - {id: short, vars: {word: now}}
system: Be brief.
turns:
  - user: [{text: "Help me {{ word }}."}]
    expect: [{contains: help}]
    example: I will help you.
  - user: "Thank you, {{ word }}."
    expect:
      - any_of: [{contains: nothing like it}, {contains: welcome}]
      - not: {contains: never}
    example: You are welcome.
expect: [{max_cost_usd: 1, label: cheap}]
"""


def write(folder: Path, text: str = TALK, name: str = "talk.yaml") -> Path:
    """Write a scenario, and return its path."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
