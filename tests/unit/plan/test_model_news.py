"""What differs between the models that the API lists and the table of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from claude_run.plan.model_news import Difference, differences
from claude_run.simulator.catalog import MODELS

if TYPE_CHECKING:
    from claude_run.scenario.json_values import JsonObject

LISTED: list[JsonObject] = [model.info() for model in MODELS]


def _changed(name: str, **changes: Any) -> list[Difference]:
    """Return the differences where the API says something else of one model."""
    return list(differences([{**info, **changes} if info["id"] == name else info for info in LISTED]))


def _kinds(**supported: bool) -> dict[str, Any]:
    return {name: {"supported": yes} for name, yes in supported.items()}


def test_the_simulator_lists_what_the_table_has() -> None:
    """The two tables were written apart, and agree."""
    assert differences(LISTED) == ()


def test_a_new_model_is_told_with_what_the_api_says_of_it() -> None:
    """What it does not say, or in an odd form, is left out."""
    new: JsonObject = {
        "id": "claude-opus-6",
        "max_tokens": 256_000,
        "max_input_tokens": "many",
        "retires_at": None,
    }
    thinking: JsonObject = {"thinking": {"types": _kinds(adaptive=True, enabled=False)}}
    (found,) = differences([*LISTED, {**new, "capabilities": thinking}])
    assert found == Difference(
        model="claude-opus-6", subject="new", live={"max output": 256_000, "thinking": ["adaptive"]}
    )


def test_a_model_that_is_not_listed_is_gone() -> None:
    """Be it for everybody or for these credentials."""
    rest = [info for info in LISTED if info["id"] != "claude-opus-4-8"]
    assert differences(rest) == (Difference(model="claude-opus-4-8", subject="gone"),)


def test_a_snapshot_stands_for_its_model() -> None:
    """The API may list a dated id, and both names of one model."""
    both: list[JsonObject] = [*LISTED, {**LISTED[0], "id": "claude-fable-5-2-20261109"}]
    assert differences(both) == ()


def test_a_retired_model_that_is_listed_is_told() -> None:
    """Somebody is wrong, and it may be the table."""
    found = differences([*LISTED, {"id": "claude-opus-4-1", "lifecycle": "deprecated"}])
    assert found == (
        Difference(model="claude-opus-4-1", subject="retired", known="2026-08-05", live="deprecated"),
    )


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("claude-opus-5", {"max_tokens": 64_000}, ("max output", 128_000, 64_000)),
        ("claude-opus-5", {"max_input_tokens": 2_000_000}, ("context window", 1_000_000, 2_000_000)),
        ("claude-opus-5", {"retires_at": "2027-03-01T00:00:00Z"}, ("retires", None, "2027-03-01")),
        ("claude-opus-5", {"lifecycle": "deprecated"}, ("retired", None, "deprecated")),
        (
            "claude-opus-4-5-20251101",
            {"lifecycle": "active", "retires_at": None},
            ("retired", "2027-01-22", "active"),
        ),
        (
            "claude-opus-5",
            {"capabilities": {"thinking": {"types": _kinds(adaptive=True, disabled=False)}}},
            ("thinking", ["adaptive", "disabled"], ["adaptive"]),
        ),
        (
            "claude-haiku-4-5-20251001",
            {"capabilities": {"effort": {"supported": True, **_kinds(low=True, high=True)}}},
            ("effort", [], ["low", "high"]),
        ),
    ],
)
def test_what_the_api_says_else_is_a_difference(
    name: str, changes: dict[str, Any], told: tuple[Any, ...]
) -> None:
    """It is told with the id of the table, and with both sides."""
    (found,) = _changed(name, **changes)
    assert name.startswith(found.model)
    assert (found.subject, found.known, found.live) == told


@pytest.mark.parametrize(
    "changes",
    [
        {"capabilities": None},
        {"capabilities": {"thinking": 5, "effort": []}},
        {"max_tokens": None, "max_input_tokens": True},
        {"lifecycle": None, "retires_at": 5},
        {"retires_at": "\x1b[31msoon", "max_tokens": -1, "max_input_tokens": 0},
    ],
)
def test_what_the_api_does_not_say_is_no_difference(changes: dict[str, Any]) -> None:
    """A gateway may list ids and nothing else."""
    assert _changed("claude-opus-5", **changes) == []
