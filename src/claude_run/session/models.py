"""The use cases of `models`: what is known of the models, and in what the Models API differs from it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from claude_run.errors import InputError, MeasureError
from claude_run.plan import known_models
from claude_run.plan.model_news import ModelNews, differences
from claude_run.plan.model_rules import known_names, last_look, retired_models, rules_for
from claude_run.plan.providers import PROVIDERS, provider
from claude_run.scenario.diagnostics import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date

    from claude_run.plan.known_models import KnownModels
    from claude_run.plan.providers import Provider
    from claude_run.record.redact import Redactor
    from claude_run.scenario.json_values import JsonObject
    from claude_run.session.request import RunRequest

_REQUEST_S = 30.0
_ALL_S = 60.0


def known(ids: Sequence[str], *, today: date) -> KnownModels:
    """Return what is known of these models, or of all where none is named; InputError for unknown ones."""
    _refuse_unknown(ids)
    return known_models.known(ids, today=today)


async def ask_api(ids: Sequence[str], request: RunRequest, redactor: Redactor) -> ModelNews:
    """Ask the Models API, or the simulator, for its models; no file is changed, and all is bounded in time.

    Where `ids` are named, only what is said of them is returned. MeasureError where it cannot be asked,
    InputError where the provider has no such API.
    """
    served_by = provider(request.provider)
    if not served_by.lists_models:
        others = ", ".join(each.name for each in PROVIDERS if each.lists_models)
        raise InputError(f"{served_by.title} has no Models API to ask; these have one: {others}")
    try:
        async with asyncio.timeout(_ALL_S):
            listed = await _listed(served_by, simulate=request.simulate, redactor=redactor)
    except TimeoutError as error:
        raise MeasureError(
            f"the Models API has not told its models within {_ALL_S:g} s: try again"
        ) from error
    _refuse_unknown(ids, listed={str(info["id"]) for info in listed})
    # A model may be named by an alias; differences have its id.
    wanted = {known_names().get(each, each) for each in ids}
    found = differences(listed)
    return ModelNews(
        checked=last_look(),
        listed=len(listed),
        differences=tuple(each for each in found if not ids or each.model in wanted),
    )


async def _listed(served_by: Provider, *, simulate: bool, redactor: Redactor) -> Sequence[JsonObject]:
    from claude_run.api.client import open_client  # noqa: PLC0415 - the SDK costs seconds
    from claude_run.api.models import list_models  # noqa: PLC0415 - same

    async with AsyncExitStack() as stack:
        url = None
        if simulate:
            from claude_run.simulator.examples import ExampleBook  # noqa: PLC0415 - only where it is wanted
            from claude_run.simulator.server import Simulator  # noqa: PLC0415 - same

            simulator = Simulator(replies=ExampleBook(), ledger_limit=0)
            url = (await stack.enter_async_context(simulator)).base_url
        opened = open_client(attempt_s=_REQUEST_S, simulator_url=url, provider=served_by, redactor=redactor)
        client = await stack.enter_async_context(opened)
        return await list_models(client, redactor)


def _refuse_unknown(ids: Sequence[str], *, listed: Collection[str] = ()) -> None:
    names = [*known_names(), *(name for group in retired_models() for name in group.ids)]
    unknown = [each for each in ids if rules_for(each) is None and each not in {*names, *listed}]
    if not unknown:
        return
    told = []
    for each in unknown:
        close = did_you_mean(each, names)
        told.append(f"{each} is not a model that this version knows")
        if close:
            told[-1] += f": did you mean {close}?"
    raise InputError(f"{'; '.join(told)} (`claude-run models` lists all)")
