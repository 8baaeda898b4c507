"""`schema`: the JSON Schema of scenario files."""

from __future__ import annotations

import json

from claude_run.checks.registry import default_registry
from claude_run.cli.talk import say_json
from claude_run.scenario.schema import build


def schema() -> int:
    """Print the schema on stdout."""
    say_json(build(default_registry()))
    return 0


def schema_text() -> str:
    """Return the schema as it is printed and as `init` writes it."""
    return json.dumps(build(default_registry()), indent=2) + "\n"
