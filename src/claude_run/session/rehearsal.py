"""What the API would refuse of a scenario, by the rules of the simulator, on requests that are never sent.

The rules are those of a day. A newer API may take what they refuse, so they warn and refuse nothing.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from claude_run.checks.conditions import WholeScript
from claude_run.conversation.exchange import HEADER_PARAMS
from claude_run.conversation.tools import result_block
from claude_run.errors import ClaudeRunError
from claude_run.plan.matrix import Selection, expand
from claude_run.scenario.diagnostics import Diagnostic
from claude_run.scenario.json_values import EMPTY
from claude_run.scenario.model import Case, ModelChoice, Text, UserTurn, Variant
from claude_run.simulator.catalog import find_model
from claude_run.simulator.examples import rehearse
from claude_run.simulator.problems import ApiError
from claude_run.simulator.validation import check_message_request
from claude_run.simulator.validation_messages import check_block

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from claude_run.conversation.script import Conversation
    from claude_run.scenario.json_values import JsonObject
    from claude_run.scenario.model import Graders, Position, Scenario

_MOST = 50  # requests of a conversation, and conversations of a scenario, that are rehearsed
_HINT = "what is newer than the rules that this version knows may be right all the same"


def refused_requests(scenario: Scenario, models: Sequence[ModelChoice]) -> Iterator[Diagnostic]:
    """Yield a warning for each request of a conversation that the API would answer with a 400.

    One case of each script is rehearsed for each variant and model, and each result of a tool on its own;
    models that the simulator does not know pass.
    """
    known = tuple(choice for choice in models if find_model(choice.id) is not None)
    plain = [case for case in scenario.cases if case.turns is None][:1]
    own = [case for case in scenario.cases if case.turns is not None]
    once = replace(scenario, models=known, cases=(*plain, *own)[:_MOST], repeat=1)
    conversations = expand([once], Selection()).conversations if known else ()
    for conversation in conversations[:_MOST]:
        if (message := _refusal(conversation)) is not None:
            yield Diagnostic(
                position=_place(scenario, conversation, message),
                message=f"the API would refuse a request to `{conversation.model}`: {message}",
                hint=_HINT,
            )
    # Which of its results a tool will give hangs on the replies.
    refused = (each for conversation in conversations[:_MOST] for each in _refused_results(conversation))
    for position, message in dict(refused).items():
        yield Diagnostic(
            position=position, message=f"the API would refuse this result: {message}", hint=_HINT
        )


def as_scenario(scenario: Scenario, judge: Graders) -> Scenario:
    """Return what a judge is asked as a scenario of its own, so that the rules of models hold for it too."""
    place = judge.position or scenario.position
    question = UserTurn(content=Text(source="a question", position=place), position=place)
    return replace(
        scenario,
        position=place,
        models=tuple(
            ModelChoice(id=model, label=model, params=judge.params, position=place) for model in judge.models
        ),
        system=None,
        params=EMPTY,
        param_positions={},
        variants=(Variant(),),
        cases=(Case(),),
        vars=EMPTY,
        turns=(question,),
        expect=(),
    )


def _refusal(conversation: Conversation) -> str | None:
    """Return what the API would say to the first of its requests that it refuses."""
    bodies: list[JsonObject] = []
    # What hangs on a reply is not known yet, and ends the rehearsal.
    with suppress(ClaudeRunError):
        bodies.extend(islice(rehearse(conversation, WholeScript(conversation.vars)), _MOST))
    # A request holds all that those before it did.
    for body in (bodies[:1] + bodies[-1:]) if bodies else ():
        try:
            # What goes out as a header is no part of the body.
            sent = {name: value for name, value in body.items() if name not in HEADER_PARAMS}
            check_message_request(sent, legacy=True, beta="betas" in body)
        except ApiError as error:
            return error.message
    return None


def _refused_results(conversation: Conversation) -> Iterator[tuple[Position, str]]:
    """Yield the scripted results of tools that the API would not take, with what it would say."""
    renderer = WholeScript(conversation.vars)
    for results in conversation.tool_results.by_tool.values():
        for result in results:
            try:
                check_block(result_block("toolu_1", result, renderer), "content", role="user")
            except ApiError as error:
                yield result.position, error.message
            except ClaudeRunError:
                continue  # what cannot be filled in is told where it is read


def _place(scenario: Scenario, conversation: Conversation, message: str) -> Position:
    """Return where the parameter is written that the API names first, else where the scenario begins."""
    named = message.partition(":")[0].partition(".")[0]
    identity = conversation.identity
    layers = (
        *(each.param_positions for each in scenario.models if each.label == identity.model_label),
        *(each.param_positions for each in scenario.variants if each.id == identity.variant),
        scenario.param_positions,
    )
    return next((each[named] for each in layers if named in each), scenario.position)
