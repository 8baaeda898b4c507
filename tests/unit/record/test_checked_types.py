"""What is read back is of the declared types: each class of a journal or of `run.json` is covered."""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest

from claude_run.conversation.events import Asked, Attempted, Ended, Failed, Replied, SetAside, Started
from claude_run.conversation.exchange import Failure, SentMessage
from claude_run.conversation.identity import Identity
from claude_run.conversation.results import CheckResult
from claude_run.record import codec as module
from claude_run.record.baseline import AcceptedCase, Baseline
from claude_run.record.codec import checked_types
from claude_run.record.run import Run, ShardOf, Spent
from claude_run.record.summary import Ending
from claude_run.scenario.model import Position
from tests.unit.record.fakes import conversation, run

READ = (
    *(
        Started,
        Asked,
        Attempted,
        Replied,
        Failed,
        SetAside,
        Ended,
        SentMessage,
        Failure,
        CheckResult,
        Position,
        Ending,
    ),
    *(Run, ShardOf, Spent, Identity, Baseline, AcceptedCase),
)
# What a reader has made by itself, and what may be anything.
MADE = {
    *(
        "Json",
        "Outcome",
        "Status",
        "Position",
        "Failure",
        "Identity",
        "Reply",
        "ExitCode | None",
        "Gate | None",
        "Setup | None",
        "ShardOf | None",
        "Spent",
        "Decimal",
    ),
    *("tuple[SentMessage, ...]", "tuple[CheckResult, ...]"),
    *("Sequence[Identity]", "tuple[Change, ...]"),
    "tuple[AcceptedCase, ...]",
}


@pytest.mark.parametrize("cls", READ)
def test_every_declared_type_is_known(cls: type) -> None:
    """A field with a type that nobody looks at would let anything in."""
    spelt = {str(field.type) for field in fields(cls)}
    assert spelt <= set(module._FITS) | MADE  # noqa: SLF001 - the table itself is what is tested


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scenario", 5),
        ("scenario", None),
        ("case", ["a"]),
        ("repeat", True),
        ("repeat", 1.0),
    ],
)
def test_a_value_of_another_type_is_named(field: str, value: Any) -> None:
    """The error names the field, its type and the value."""
    good = conversation().identity
    assert checked_types(good) is good
    with pytest.raises(TypeError, match=rf"^{field} must be (str|int)( \| None)?, which .* is not$"):
        checked_types(replace(good, **{field: value}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("simulated", 1),
        ("options", []),
        ("files", {"a.yaml": 1}),
        ("pass_rates", {"a": "1"}),
        ("pass_rates", {"a": float("nan")}),
        ("pass_rates", {"a": -1}),
        ("pass_rates", 1),
        ("paths", (1,)),
    ],
)
def test_the_parts_of_a_run_are_looked_at(field: str, value: Any) -> None:
    """Values inside mappings and tuples count too, and numbers must be finite and not negative."""
    with pytest.raises(TypeError, match=field):
        checked_types(run(**{field: value}))


def test_money_may_be_unknown_and_is_bounded() -> None:
    """An amount that would spoil every sum is none."""
    attempt = Attempted(conversation_id="a", turn=0, key="k", n=1, worst_cost_usd=None, at="now")
    checked_types(attempt)
    checked_types(replace(attempt, worst_cost_usd=Decimal("0.5")))
    with pytest.raises(TypeError, match="worst_cost_usd"):
        checked_types(replace(attempt, worst_cost_usd=Decimal("1e300")))
