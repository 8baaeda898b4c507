"""What `check` has found, as JSON for programs; print it in printable ASCII."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.scenario.diagnostics import InvalidScenarioError, Problems

if TYPE_CHECKING:
    from claude_run.errors import ClaudeRunError
    from claude_run.scenario.json_values import JsonObject

SCHEMA_VERSION = 1
"""It grows when a field changes its meaning or goes away, never for a new field."""


def refused_json(error: ClaudeRunError) -> JsonObject:
    """Return the problems that an error is about; one that is about no file has no place."""
    if isinstance(error, InvalidScenarioError):
        return _json(0, error.problems, Problems())
    problem = {"severity": "error", "path": None, "line": None, "column": None}
    return {
        "schema_version": SCHEMA_VERSION,
        "scenarios": 0,
        "problems": [{**problem, "message": str(error), "hint": ""}],
        "more": 0,
    }


def sound_json(scenarios: int, noticed: Problems) -> JsonObject:
    """Return how many scenarios are sound, and what was noticed all the same."""
    return _json(scenarios, Problems(), noticed)


def _json(scenarios: int, errors: Problems, warnings: Problems) -> JsonObject:
    """Return the first hundred problems of each kind, and how many more there are."""
    shown = [("error", each) for each in errors.shown] + [("warning", each) for each in warnings.shown]
    return {
        "schema_version": SCHEMA_VERSION,
        "scenarios": scenarios,
        "problems": [
            {
                "severity": severity,
                "path": problem.position.path,
                "line": problem.position.line,
                "column": problem.position.column,
                "message": problem.message,
                "hint": problem.hint,
            }
            for severity, problem in shown
        ],
        "more": len(errors) + len(warnings) - len(shown),
    }
