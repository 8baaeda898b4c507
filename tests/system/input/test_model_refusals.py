"""Each rule of the table of models, twice: `check` refuses it at its line, and the API answers 400 to it.

The API is the simulator, whose own table was written apart from `plan/models.toml`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pytest

from claude_run.checks.conditions import ScriptRenderer
from claude_run.plan.model_rules import extra_headers, known_models
from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.session.load import load_scenarios
from claude_run.session.prepare import prepare
from claude_run.session.request import RunRequest
from claude_run.simulator.examples import rehearse
from claude_run.simulator.problems import ApiError
from claude_run.simulator.validation import check_message_request
from tests.system.input.checking import check

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from claude_run.plan.model_rules import ModelRules
    from claude_run.scenario.json_values import JsonObject

TODAY = date(2026, 11, 1)
"""A day on which the API answers for every model of the table."""

TURNS = "turns:\n  - user: Hi\n"
TOOLS = "tools:\n  - {name: look, description: Looks, input_schema: {type: object}}\n"
KINDS = {
    "adaptive": "{type: adaptive}",
    "between_tools": "{type: between_tools}",
    "disabled": "{type: disabled}",
    "enabled": "{type: enabled, budget_tokens: 1024}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A part of a scenario that a model takes or refuses; `marked` begins where the refusal is to stand."""

    rule: str
    text: str
    marked: str = ""


def _refused(rules: ModelRules) -> Iterator[Case]:
    """Yield a case for each thing that the table says the model refuses."""
    yield from _refused_sampling(rules)
    yield from _refused_thinking(rules)
    if not rules.forced_tool_choice:
        for choice in ("{type: any}", "{type: tool, name: look}"):
            text = f"{TOOLS}tool_choice: {choice}\n{TURNS}"
            yield Case(rule=f"tool_choice {choice}", text=text, marked="tool_choice")
    if not rules.system_turns:
        yield Case(rule="system turn", text=f"{TURNS}  - system: Be brief\n", marked="system")
    if not rules.inference_geo:
        yield Case(rule="inference_geo", text=f"inference_geo: us\n{TURNS}", marked="inference_geo")
    too_many = f"max_tokens: {rules.max_output_tokens + 1}\n"
    yield Case(rule="max_tokens", text=too_many + TURNS, marked="max_tokens")


def _refused_sampling(rules: ModelRules) -> Iterator[Case]:
    singly = {"temperature": "temperature: 0.3\n", "top_p": "top_p: 0.5\n", "top_k": "top_k: 5\n"}
    if rules.sampling in {"refused", "defaults"}:
        for name, text in singly.items():
            yield Case(rule=name, text=text + TURNS, marked=text)
    if rules.sampling in {"defaults", "one"}:
        both = "temperature: 1\ntop_p: 0.99\n"
        yield Case(rule="both", text=both + TURNS, marked="top_p")


def _refused_thinking(rules: ModelRules) -> Iterator[Case]:
    for kind, value in KINDS.items():
        if kind not in rules.thinking:
            yield Case(rule=kind, text=f"thinking: {value}\n{TURNS}", marked="thinking")
    for kind in rules.effort_ceiling:
        text = f"thinking: {KINDS[kind]}\noutput_config: {{effort: xhigh}}\n"
        yield Case(rule=f"effort with {kind}", text=text + TURNS, marked="output_config")
    if not rules.effort:
        yield Case(rule="effort", text=f"output_config: {{effort: low}}\n{TURNS}", marked="output_config")


def _taken(rules: ModelRules) -> Iterator[Case]:
    """Yield a case for each thing that the table says the model takes."""
    for kind in rules.thinking:
        yield Case(rule=kind, text=f"max_tokens: 4000\nthinking: {KINDS[kind]}\n{TURNS}")
    for kind, effort in rules.effort_ceiling.items():
        text = f"thinking: {KINDS[kind]}\noutput_config: {{effort: {effort}}}\n"
        yield Case(rule=f"effort with {kind}", text=text + TURNS)
    sampling = {
        "refused": (),
        "defaults": ("temperature: 1\n", "top_p: 0.99\n"),
        "one": ("temperature: 0.3\ntop_k: 5\n", "top_p: 0.5\n"),
        "free": ("temperature: 0.3\ntop_p: 0.5\ntop_k: 5\n",),
    }
    for text in sampling[rules.sampling]:
        yield Case(rule=text, text=text + TURNS)
    if rules.effort:
        yield Case(rule="effort", text=f"output_config: {{effort: low}}\n{TURNS}")
    if rules.forced_tool_choice:
        yield Case(rule="tool_choice", text=f"{TOOLS}tool_choice: {{type: any}}\n{TURNS}")
    if rules.system_turns:
        yield Case(rule="system turn", text=f"{TURNS}  - system: Be brief\n")
    if rules.inference_geo:
        yield Case(rule="inference_geo", text=f"inference_geo: us\n{TURNS}")
    yield Case(rule="max_tokens", text=f"max_tokens: {rules.max_output_tokens}\n{TURNS}")


def _place(text: str, marked: str) -> tuple[int, int]:
    before = text[: text.index(f"{marked}")]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _answers(path: Path) -> list[int]:
    """Send by force what the scenario says; return the statuses that it is answered with."""
    plan = prepare(RunRequest(paths=(str(path),), no_model_rules=True), today=TODAY).plan
    statuses = []
    for conversation in plan.conversations:
        for body in rehearse(conversation, ScriptRenderer(conversation.vars)):
            legacy = bool(extra_headers(conversation.model, body, by_force=True))
            statuses.append(_status(body, legacy=legacy))
    return statuses


def _status(body: JsonObject, *, legacy: bool) -> int:
    try:
        check_message_request(body, legacy=legacy, beta=False)
    except ApiError as error:
        return error.status
    return 200


@pytest.mark.parametrize("rules", known_models(), ids=lambda rules: rules.id)
def test_check_and_the_api_refuse_the_same(rules: ModelRules, tmp_path: Path) -> None:
    """The one error stands at the parameter or the turn, and the last request that goes out gets a 400."""
    for case in _refused(rules):
        path = tmp_path / "a.yaml"
        text = f"model: {rules.id}\n{case.text}"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InvalidScenarioError) as caught:
            load_scenarios(RunRequest(paths=(str(path),)), today=TODAY)
        (found,) = caught.value.diagnostics
        place = (found.position.line, found.position.column)
        assert place == _place(text, case.marked), case.rule
        assert found.message.startswith(f"`{rules.id}` "), case.rule
        assert _answers(path)[-1] == 400, case.rule


@pytest.mark.parametrize("rules", known_models(), ids=lambda rules: rules.id)
def test_check_and_the_api_take_the_same(rules: ModelRules, tmp_path: Path) -> None:
    """What the table allows is no problem of either."""
    for case in _taken(rules):
        path = tmp_path / "a.yaml"
        path.write_text(f"model: {rules.id}\n{case.text}", encoding="utf-8")
        load_scenarios(RunRequest(paths=(str(path),)), today=TODAY)
        assert set(_answers(path)) == {200}, case.rule


def test_the_table_and_the_api_agree_on_prefill(tmp_path: Path) -> None:
    """A scenario cannot ask for one, whatever the model: nothing would be generated after it."""
    messages: list[JsonObject] = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Well"}]
    for rules in known_models():
        body: JsonObject = {"model": rules.id, "max_tokens": 100, "messages": messages}
        assert (_status(body, legacy=False) == 200) == rules.prefill, rules.id
    code, said = check(tmp_path, f"model: claude-opus-5-5\n{TURNS}  - assistant: Well\n", "--no-model-rules")
    assert code == 2
    assert "a.yaml:4:5" in said


def test_a_wrong_scenario_is_wrong_by_force_too(tmp_path: Path) -> None:
    """What no model is asked about cannot be overruled."""
    code, said = check(tmp_path, "model: claude-opus-5-5\nturns: [{usr: Hi}]\n", "--no-model-rules")
    assert code == 2
    assert "usr" in said
