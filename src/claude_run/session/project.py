"""A new project, and the JSON Schema that helps an editor with its scenarios."""

from __future__ import annotations

import json
import os
from importlib import resources
from typing import TYPE_CHECKING

from claude_run import __version__
from claude_run.checks.registry import default_registry
from claude_run.errors import InputError, StorageError
from claude_run.record.folder import IGNORE
from claude_run.record.project import SCHEMA
from claude_run.scenario.schema import build
from claude_run.session.load import registry_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from claude_run.scenario.json_values import JsonObject

WORKFLOWS: Mapping[str, str] = {"github": ".github/workflows/claude-run.yml", "gitlab": ".gitlab-ci.yml"}
"""Where the workflow of a CI service lies in a repository."""

SKILL = ".claude/skills/claude-run/SKILL.md"
"""Where coding agents look for what they should know of a tool, in a repository."""

_SCENARIO = """\
# yaml-language-server: $schema=claude-run.schema.json
name: first
description: The assistant answers briefly and remembers what was said.

model: claude-haiku-5-5
max_tokens: 1024

system: You are a helpful assistant. Answer in one or two sentences.

turns:
  - user: My name is Ada. What is a unit test?
    expect:
      - max_words: 80
    example: Hello Ada! A unit test checks one small piece of code on its own.
  - user: What is my name?
    expect:
      - contains: Ada
    example: Your name is Ada.
"""


def scenario_schema(own_checks: Sequence[Path] = ()) -> JsonObject:
    """Return the JSON Schema of scenario files that may use these own checks, and those of packages."""
    return build(registry_of(own_checks))


def schema_text() -> str:
    """Return the schema as `init` writes it, as it lies beside shipped scenarios, and in the package."""
    return json.dumps(build(default_registry()), indent=2) + "\n"


def start_project(folder: Path) -> Iterator[Path]:
    """Write the files of a new project, and yield each; InputError when one of them is there already."""
    files = {
        folder / "scenarios" / "first.yaml": _SCENARIO,
        folder / SCHEMA: schema_text(),
        folder / "outputs" / ".gitignore": IGNORE,
    }
    there = [path for path in files if os.path.lexists(path)]
    if there:
        raise InputError(f"{there[0]} is already there: init starts a new project and overwrites nothing")
    for path, text in files.items():
        _write(path, text)
        yield path


def write_workflow(folder: Path, service: str) -> Path:
    """Write the workflow of a service, a key of `WORKFLOWS`; InputError where its file is there already."""
    here = folder.resolve()
    root = next((each for each in (here, *here.parents) if (each / ".git").exists()), here)
    if root != here:
        raise InputError(
            f"{WORKFLOWS[service]} is read at the root of a repository alone, which is {root}: call"
            f" `claude-run init --ci {service}` there, and let its steps work in {here.relative_to(root)}"
        )
    return _write_new(
        folder / WORKFLOWS[service], _template(f"{service}.yml").replace("@VERSION@", __version__)
    )


def write_skill(folder: Path) -> Path:
    """Write what a coding agent should know, as a skill; InputError where its file is there already."""
    return _write_new(folder / SKILL, skill_text())


def skill_text() -> str:
    """Return the skill as `init` writes it, and as it lies in the repository."""
    return _template("SKILL.md")


def _template(name: str) -> str:
    return resources.files("claude_run.session").joinpath("templates", name).read_text("utf-8")


def _write_new(path: Path, text: str) -> Path:
    # A link that leads nowhere is something, too: it would be written where it leads.
    if os.path.lexists(path):
        raise InputError(
            f"{path} is already there: init overwrites nothing; move it aside to compare the two"
        )
    _write(path, text)
    return path


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error
