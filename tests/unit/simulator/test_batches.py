"""The official SDK submits, polls, cancels and reads batches of the simulator."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from claude_run.errors import InputError
from claude_run.simulator.fault_text import parse_faults
from claude_run.simulator.server import Simulator

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PARAMS: dict[str, Any] = {
    "model": "claude-haiku-5-5",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "hi"}],
}


def _with(talk: Callable[[anthropic.AsyncAnthropic], Awaitable[None]], faults: str = "") -> Simulator:
    simulator = Simulator(faults=parse_faults(faults))

    async def run() -> None:
        transport = anthropic.DefaultAioHttpClient()
        async with (
            simulator,
            anthropic.AsyncAnthropic(
                api_key="test", base_url=simulator.base_url, max_retries=0, http_client=transport
            ) as client,
        ):
            await talk(client)

    asyncio.run(run())
    return simulator


def _requests(*params: dict[str, Any]) -> Any:
    return [
        {"custom_id": f"item-{number}", "params": {**PARAMS, **each}} for number, each in enumerate(params)
    ]


async def _ended(client: anthropic.AsyncAnthropic, name: str) -> Any:
    while (batch := await client.messages.batches.retrieve(name)).processing_status != "ended":
        assert batch.request_counts.succeeded == 0
        assert batch.results_url is None
        await asyncio.sleep(0.02)
    return batch


async def _results(client: anthropic.AsyncAnthropic, name: str) -> dict[str, Any]:
    return {each.custom_id: each.result async for each in await client.messages.batches.results(name)}


def test_a_batch_from_its_submission_to_its_results() -> None:
    """All is processing until its end; a request that is not valid shows only then."""

    async def talk(client: anthropic.AsyncAnthropic) -> None:
        made = await client.messages.batches.create(
            requests=_requests({}, {"max_tokens": 0}, {"nonsense": 1})
        )
        assert (made.processing_status, made.request_counts.processing) == ("in_progress", 3)
        batch = await _ended(client, made.id)
        counts = batch.request_counts
        assert (counts.processing, counts.succeeded, counts.errored) == (0, 1, 2)
        results = await _results(client, made.id)
        assert results["item-0"].message.usage.service_tier == "batch"
        assert results["item-0"].message.content[0].type == "text"
        assert results["item-1"].error.error.type == "invalid_request_error"
        assert "nonsense" in results["item-2"].error.error.message
        listed = [each.id async for each in client.messages.batches.list(limit=1)]
        assert listed == [made.id]
        await client.messages.batches.delete(made.id)
        with pytest.raises(anthropic.NotFoundError):
            await client.messages.batches.retrieve(made.id)

    _with(talk)


def test_a_list_is_the_newest_first_and_has_pages() -> None:
    """`after_id` goes on where a page ended."""

    async def talk(client: anthropic.AsyncAnthropic) -> None:
        made = [(await client.messages.batches.create(requests=_requests({}))).id for _ in range(3)]
        assert [each.id async for each in client.messages.batches.list(limit=1)] == made[::-1]

    _with(talk)


def test_a_batch_that_is_canceled_answers_nothing_more() -> None:
    """Its requests are canceled, and it ends at once."""

    async def talk(client: anthropic.AsyncAnthropic) -> None:
        made = await client.messages.batches.create(requests=_requests({}, {}))
        assert (await client.messages.batches.cancel(made.id)).processing_status == "canceling"
        batch = await _ended(client, made.id)
        assert batch.request_counts.canceled == 2
        assert {each.type for each in (await _results(client, made.id)).values()} == {"canceled"}

    _with(talk, "batch-delay=1m")


def test_requests_fail_and_expire_by_chance() -> None:
    """The same requests fail in every run of the same script, and others when they come again."""

    async def talk(client: anthropic.AsyncAnthropic) -> None:
        asked = [{"metadata": {"user_id": str(number)}} for number in range(40)]
        made = await client.messages.batches.create(requests=_requests(*asked))
        counts = (await _ended(client, made.id)).request_counts
        assert counts.errored > 4
        assert counts.expired > 4
        found.append({name: each.type for name, each in (await _results(client, made.id)).items()})

    found: list[dict[str, str]] = []
    for _ in range(2):
        _with(talk, "batch-error=30% batch-expiry=30%")
    assert found[0] == found[1]


def test_a_batch_may_be_taken_though_its_answer_is_lost() -> None:
    """The client sees a connection that was cut; the list has the batch."""

    async def talk(client: anthropic.AsyncAnthropic) -> None:
        with pytest.raises(anthropic.APIConnectionError):
            await client.messages.batches.create(requests=_requests({}))
        made = await client.messages.batches.create(requests=_requests({}))
        listed = [each.id async for each in client.messages.batches.list()]
        assert len(listed) == 2
        assert listed[0] == made.id

    _with(talk, "batch-lost=1")


@pytest.mark.parametrize(
    ("requests", "problem"),
    [
        ([], "requests: List should have"),
        (_requests({}) * 2, "custom_id item-0 is not unique"),
        ([{"custom_id": "a b", "params": PARAMS}], "String should match pattern"),
        ([{"custom_id": "a"}], "requests.0.params: Field required"),
    ],
)
def test_a_frame_that_is_wrong_is_refused_at_once(requests: Any, problem: str) -> None:
    """Ids and limits are looked at when the batch comes."""

    async def talk(client: anthropic.AsyncAnthropic) -> None:
        with pytest.raises(anthropic.BadRequestError, match=problem):
            await client.messages.batches.create(requests=requests)

    _with(talk)


def test_fault_texts_of_batches() -> None:
    """Each setting is read once, with its unit."""
    script = parse_faults("batch-delay=2s batch-error=10% batch-expiry=5% batch-lost=2")
    assert (script.batch_delay_s, script.batch_error, script.batch_expiry) == (2.0, 0.1, 0.05)
    assert script.batch_lost == 2
    with pytest.raises(InputError, match="given twice"):
        parse_faults("batch-lost=1 batch-lost=2")
