"""What cannot go into a Message Batch, said at its place before anything is sent.

Source: messages-api reference, section 5: `speed` and threads are not allowed in batches. `max_tokens: 0` is
not allowed there either, and no scenario may ask for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.scenario.diagnostics import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from claude_run.scenario.json_values import JsonObject
    from claude_run.scenario.model import Expectation, ModelChoice, Position, Scenario

_HINT = "take it out, or play the scenario without --batch"
_LATENCY = "max_latency"


def batch_problems(scenario: Scenario, models: Sequence[ModelChoice]) -> Iterator[Diagnostic]:
    """Yield what of a scenario, on these models, a batch does not take, or cannot measure."""
    layers: list[tuple[JsonObject, Mapping[str, Position], Position | None]] = [
        (scenario.params, scenario.param_positions, None),
        *((each.params, each.param_positions, each.position) for each in scenario.variants),
        *((each.params, each.param_positions, each.position) for each in models),
    ]
    if scenario.judge is not None:
        layers.append((scenario.judge.params, {}, scenario.judge.position))
    for params, positions, position in layers:
        for name in ("speed", "thread"):
            if params.get(name) is not None:
                place = positions.get(name) or position or scenario.position
                yield Diagnostic(position=place, message=f"a batch takes no `{name}`", hint=_HINT)
    for expectation in _named(scenario.expectations_on_all):
        message = f"`{_LATENCY}` cannot be measured in a batch, whose replies may take a day"
        yield Diagnostic(position=expectation.position, message=message, hint=_HINT)


def _named(expectations: Iterable[Expectation]) -> Iterator[Expectation]:
    for each in expectations:
        if each.kind == _LATENCY:
            yield each
        yield from _named(each.children)
