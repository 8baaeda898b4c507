"""The table of models, and what it says of a scenario."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.plan.model_checks import problems
from claude_run.plan.model_rules import (
    extra_headers,
    known_models,
    last_look,
    min_cache_tokens,
    newer_model,
    retired_models,
    retirement,
    rules_for,
)
from claude_run.scenario.model import AssistantTurn, Case, SystemTurn, Variant
from tests.unit.plan.builders import PRICED, at, model, scenario, text, user

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

TODAY = date(2026, 11, 23)


def _errors(name: str, *turns: Any, **params: Any) -> list[str]:
    given = scenario(turns=turns or (user(),), params=params, models=(model(name),))
    return [each.message for each in problems(given, today=TODAY).errors]


@pytest.mark.parametrize("name", [*PRICED, "claude-mythos-5", "claude-mythos-5-1"])
def test_every_current_model_has_rules_with_a_source(name: str) -> None:
    """Each row is whole, and says where it is from."""
    rules = rules_for(name)
    assert rules is not None
    assert rules.context_window > rules.max_output_tokens > rules.min_cache_tokens
    assert "docs 2026" in rules.source
    assert not _errors(name)


@pytest.mark.parametrize(
    "name", ["claude-opus-4-5-20251101", "claude-haiku-5-5-20261007", "claude-opus-5@20260701"]
)
def test_a_dated_snapshot_has_the_rules_of_its_model(name: str) -> None:
    """The date in an id does not change what the model takes."""
    rules = rules_for(name)
    assert rules is not None
    assert name.startswith(rules.id)


def test_an_unknown_model_has_no_rules_and_passes() -> None:
    """What the table does not know is the API's business."""
    assert rules_for("claude-opus-99") is None
    assert retirement("claude-opus-99") is None
    assert not _errors("claude-opus-99", temperature=2, tool_choice={"type": "any"}, max_tokens=10**9)


def test_the_cache_minimum_is_the_models_own() -> None:
    """Shorter prefixes are not cached; unknown models are taken as the latest."""
    assert [min_cache_tokens(name) for name in ("claude-haiku-4-5", "claude-opus-4-7", "claude-x")] == [
        4096,
        2048,
        512,
    ]


@pytest.mark.parametrize(
    ("name", "params", "wanted"),
    [
        ("claude-opus-4-6", {"temperature": 0.3}, True),
        ("claude-haiku-4-5", {"top_k": 5}, True),
        ("claude-haiku-5-5", {"top_p": 0.99}, True),
        ("claude-opus-99", {"top_p": 0.5}, True),
        ("claude-opus-4-6", {"max_tokens": 5}, False),
        ("claude-opus-5-5", {"temperature": 0.3}, False),
    ],
)
def test_sampling_parameters_need_the_old_api_version(
    name: str, params: dict[str, float], wanted: bool
) -> None:
    """The header goes out exactly where a sampling parameter does and the model may take it."""
    assert extra_headers(name, params) == ({"anthropic-version": "2023-06-01"} if wanted else {})


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("claude-opus-5-5", {"temperature": 1}),
    ("claude-fable-5", {"top_k": 5}),
    ("claude-haiku-5-5", {"temperature": 0.3}),
    ("claude-haiku-5-5", {"temperature": 1, "top_p": 0.99}),
    ("claude-haiku-5-5", {"top_k": 1}),
    ("claude-haiku-4-5", {"temperature": 0.5, "top_p": 0.5}),
    ("claude-opus-5-5", {"thinking": {"type": "disabled"}}),
    ("claude-sonnet-5-5", {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
    ("claude-haiku-4-5", {"thinking": {"type": "adaptive"}}),
    ("claude-haiku-4-5", {"thinking": {"type": "enabled", "budget_tokens": 4096}}),
    ("claude-haiku-4-5", {"thinking": {"type": "enabled", "budget_tokens": 1000}}),
    ("claude-haiku-4-5", {"thinking": {"type": "enabled"}}),
    ("claude-haiku-5-5", {"thinking": {"type": "disabled"}, "output_config": {"effort": "xhigh"}}),
    ("claude-sonnet-5-5", {"thinking": {"type": "between_tools"}, "output_config": {"effort": "max"}}),
    ("claude-haiku-4-5", {"output_config": {"effort": "low"}}),
    ("claude-opus-5-5", {"output_config": {"effort": "hihg"}}),
    ("claude-opus-5-5", {"output_config": {"effort": 7}}),
    ("claude-opus-5-5", {"tool_choice": {"type": "any"}}),
    ("claude-fable-5-1", {"tool_choice": {"type": "tool", "name": "x"}}),
    ("claude-haiku-4-5", {"max_tokens": 64_001}),
    ("claude-haiku-4-5", {"inference_geo": "us"}),
]


@pytest.mark.parametrize(("name", "params"), REFUSED)
def test_what_the_api_would_refuse_is_an_error(
    name: str, params: dict[str, Any], snapshot: SnapshotAssertion
) -> None:
    """Each error stands at the line of its parameter, and says what to do."""
    places = {key: at(line) for line, key in enumerate(params, start=5)}
    given = scenario(params=params, param_positions=places, models=(model(name),))
    found = problems(given, today=TODAY)
    assert found.errors
    assert "\n".join(map(str, found.errors)) == snapshot


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("claude-opus-4-6", {"temperature": 0.3, "top_p": 0.5, "top_k": 3}),
        ("claude-haiku-4-5", {"temperature": 0.3, "top_k": 3}),
        ("claude-haiku-5-5", {"temperature": 1}),
        ("claude-haiku-5-5", {"top_p": 0.99}),
        ("claude-haiku-5-5", {"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}),
        ("claude-sonnet-5", {"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}}),
        ("claude-haiku-5-5", {"tool_choice": {"type": "any"}}),
        ("claude-opus-5-5", {"tool_choice": {"type": "auto"}, "max_tokens": 128_000}),
        ("claude-haiku-4-5", {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ("claude-sonnet-5-5", {"thinking": {"type": "between_tools"}, "inference_geo": "us"}),
        ("claude-opus-5-5", {"thinking": "loud", "output_config": {"format": {}}}),
    ],
)
def test_what_the_api_takes_is_no_error(name: str, params: dict[str, Any]) -> None:
    """The rules refuse nothing that works, and leave odd types to others."""
    assert not _errors(name, **params)


def test_system_turns_need_a_model_that_takes_them() -> None:
    """The error stands at the turn."""
    turn = SystemTurn(content=text("Be brief."), position=at(30))
    given = scenario(turns=(user(), turn), models=(model("claude-sonnet-5"), model("claude-opus-4-8")))
    (found,) = problems(given, today=TODAY).errors
    assert (found.position, found.message) == (
        at(30),
        "`claude-sonnet-5` takes no system turn in mid-conversation",
    )


def test_a_script_that_ends_with_the_assistant_is_a_prefill() -> None:
    """Models of the 4.5 line still take one."""
    turn = AssistantTurn(content=text("{"), position=at(31))
    assert _errors("claude-haiku-5-5", user(), turn) == [
        "`claude-haiku-5-5` takes no prefill: the script must not end with an assistant turn"
    ]
    assert not _errors("claude-haiku-4-5", user(), turn)
    assert not _errors("claude-haiku-5-5", user(), turn, user())


def test_an_error_stands_where_the_narrowest_setting_was_written() -> None:
    """A parameter of a model or of a variant is blamed there, not at the top of the file."""
    given = scenario(
        params={"temperature": 1},
        param_positions={"temperature": at(3)},
        variants=(Variant(id="a"), Variant(id="b", params={"top_p": 1}, position=at(9))),
        models=(
            model("claude-opus-5-5"),
            model(
                "claude-opus-5",
                params={"max_tokens": 200_000},
                param_positions={"max_tokens": at(13)},
                position=at(12),
            ),
        ),
    )
    found = problems(given, today=TODAY).errors
    assert [(each.position.line, each.message) for each in found] == [
        (3, "`claude-opus-5-5` takes no `temperature`"),
        (3, "`claude-opus-5` takes no `temperature`"),
        (9, "`claude-opus-5-5` takes no `top_p`"),
        (9, "`claude-opus-5` takes no `top_p`"),
        (13, "`claude-opus-5` writes at most 128,000 tokens, not 200,000"),
    ]


def test_the_models_of_the_command_line_are_checked_instead() -> None:
    """A scenario's own models do not matter where others are played; their problems stand at the top."""
    given = scenario(
        params={"temperature": 0}, models=(model("claude-opus-5-5"),), cases=(Case(), Case(id="x"))
    )
    found = problems(given, [model("claude-haiku-5-5")], today=TODAY).errors
    assert [each.position for each in found] == [given.position]
    assert "claude-haiku-5-5" in found[0].message


def test_sampling_by_force_needs_the_old_api_version_too() -> None:
    """Where the table is wrong, the API must be able to say yes."""
    assert extra_headers("claude-opus-5-5", {"temperature": 1}, by_force=True) == {
        "anthropic-version": "2023-06-01"
    }
    assert extra_headers("claude-opus-5-5", {"max_tokens": 5}, by_force=True) == {}


def test_the_table_can_be_listed_by_age() -> None:
    """The newest models stand first, the latest retirements too, and each model once."""
    ids = [row.id for row in known_models()]
    assert (ids[0], len(ids)) == ("claude-fable-5-2", len(set(ids)))
    days = [group.on for group in retired_models()]
    assert days == sorted(days, reverse=True)
    assert last_look() > days[0]


@pytest.mark.parametrize(
    ("old", "newer"),
    [
        ("claude-opus-4-1", "claude-opus-5-5"),
        ("claude-3-5-haiku-20241022", "claude-haiku-5-5"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-5-5"),
        ("claude-mythos-preview", "claude-mythos-5-2"),
        ("claude-opus-5-5", None),
        ("claude-haiku-5-5-20261007", None),
        ("claude-2.1", None),
    ],
)
def test_the_newest_of_its_line_stands_in_for_a_model(old: str, newer: str | None) -> None:
    """A line is a word such as opus; the oldest models have none."""
    assert newer_model(old) == newer


def test_what_a_model_refuses_is_sent_by_force() -> None:
    """What would be an error is told as what it is, at the same place, with the word that overruled it."""
    given = scenario(
        params={"temperature": 0.5},
        param_positions={"temperature": at(5)},
        models=(model("claude-opus-5-5"), model("claude-opus-4-1", position=at(3))),
    )
    found = problems(given, today=TODAY, by_force=True)
    assert (found.errors, found.warnings) == ((), ())
    assert [(each.position.line, each.message) for each in found.forced] == [
        (
            3,
            "`claude-opus-4-1` was retired on 2026-08-05; it is sent all the same, by --no-model-rules",
        ),
        (
            5,
            "`claude-opus-5-5` takes no `temperature`; it is sent all the same, by --no-model-rules",
        ),
    ]


def test_no_force_makes_a_scenario_without_a_model_playable() -> None:
    """Only what a model refuses can be overruled."""
    found = problems(scenario(models=()), today=TODAY, by_force=True)
    assert [each.message for each in found.errors] == ["scenario `greet` names no model"]


@pytest.mark.parametrize(
    ("today", "told"),
    [
        (date(2026, 9, 30), None),
        (date(2026, 10, 1), "retires on 2026-11-30, in 60 days"),
        (date(2026, 11, 29), "retires on 2026-11-30, in 1 day"),
    ],
)
def test_a_retirement_is_told_sixty_days_ahead(today: date, told: str | None) -> None:
    """Before that it is nobody's trouble."""
    found = problems(scenario(models=(model("claude-sonnet-4-5"),)), today=today)
    assert not found.errors
    assert [each.message for each in found.warnings] == (
        [f"`claude-sonnet-4-5` is deprecated and {told}"] if told else []
    )


def test_a_model_that_retires_soon_is_a_warning_and_then_an_error() -> None:
    """The day of retirement decides."""
    given = scenario(models=(model("claude-sonnet-4-5-20250929", position=at(4)),))
    before = problems(given, today=date(2026, 11, 29))
    after = problems(given, today=date(2026, 11, 30))
    assert [each.message for each in before.warnings] == [
        "`claude-sonnet-4-5-20250929` is deprecated and retires on 2026-11-30, in 1 day"
    ]
    assert [each.hint for each in before.warnings] == ["play a newer model, such as `claude-sonnet-5-5`"]
    assert (before.errors, after.warnings) == ((), ())
    assert [(each.position.line, each.message) for each in after.errors] == [
        (4, "`claude-sonnet-4-5-20250929` was retired on 2026-11-30")
    ]


def test_a_retired_model_is_an_error_at_the_model_key() -> None:
    """A model without a place of its own is blamed at `model`."""
    given = scenario(models=(model("claude-opus-4-1"),), param_positions={"model": at(2)})
    (found,) = problems(given, today=TODAY).errors
    assert (found.position, found.message) == (at(2), "`claude-opus-4-1` was retired on 2026-08-05")


def test_old_thinking_is_a_warning() -> None:
    """Opus 4.6 still takes it, and says that it is going away."""
    given = scenario(
        params={"thinking": {"type": "enabled", "budget_tokens": 2000}}, models=(model("claude-opus-4-6"),)
    )
    found = problems(given, today=TODAY)
    assert not found.errors
    assert [each.hint for each in found.warnings] == ["use `thinking: {type: adaptive}`"]
