"""The official SDK talks to the simulator over a real socket and notices no difference."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from claude_run.simulator.fault_text import parse_faults
from claude_run.simulator.replies import Scripted
from claude_run.simulator.server import Simulator
from tests.unit.simulator.in_order import InOrder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

HAIKU = "claude-haiku-5-5"
ASKED: dict[str, Any] = {
    "model": HAIKU,
    "max_tokens": 200,
    "messages": [{"role": "user", "content": "hi"}],
}
BLOCKS: tuple[dict[str, Any], ...] = (
    {"type": "thinking", "thinking": "The order is needed.", "signature": "c2ln"},
    {"type": "text", "text": "I look it up, one moment please."},
    {"type": "tool_use", "id": "toolu_1", "name": "get_order", "input": {"id": "A-1", "deep": {"n": [1, 2]}}},
)


def _with(talk: Callable[[anthropic.AsyncAnthropic], Awaitable[None]], **options: Any) -> Simulator:
    sim = Simulator(**options)

    async def run() -> None:
        async with sim, _client(sim) as client:
            await talk(client)

    asyncio.run(run())
    return sim


def _client(sim: Simulator) -> anthropic.AsyncAnthropic:
    transport = anthropic.DefaultAioHttpClient()
    return anthropic.AsyncAnthropic(
        api_key="test", base_url=sim.base_url, max_retries=0, http_client=transport
    )


def test_create() -> None:
    """A message arrives with its blocks, usage and request id, sent with a bearer token."""

    async def talk(client: anthropic.AsyncAnthropic) -> None:
        message = await client.messages.create(**ASKED)
        assert [block.to_dict() for block in message.content] == list(BLOCKS)
        assert (message.stop_reason, message.model) == ("tool_use", HAIKU)
        assert message.usage.input_tokens == 8
        assert message.usage.output_tokens > 0
        assert message._request_id is not None  # noqa: SLF001 - the SDK's own documented accessor
        assert message._request_id.startswith("req_sim_")  # noqa: SLF001 - same

    sim = _with(talk, replies=InOrder([Scripted(content=BLOCKS)]))
    assert [(entry.auth, entry.version) for entry in sim.ledger] == [("bearer", "2026-10-21")]


def test_stream_gives_the_same_message() -> None:
    """The stream helper puts together what a plain request gets."""

    async def talk(client: anthropic.AsyncAnthropic) -> None:
        plain = await client.messages.create(**ASKED)
        async with client.messages.stream(**ASKED) as stream:
            text = [piece async for piece in stream.text_stream]
            final = await stream.get_final_message()
        assert "".join(text) == BLOCKS[1]["text"]
        assert len(text) > 1
        assert [block.to_dict() for block in final.content] == list(BLOCKS)
        assert (final.id, final.stop_reason) == (plain.id, plain.stop_reason)
        assert final.usage.output_tokens == plain.usage.output_tokens
        assert final.usage.input_tokens == plain.usage.input_tokens

    _with(talk, replies=InOrder([Scripted(content=BLOCKS)] * 2))


def test_a_tool_round_and_its_history() -> None:
    """Replies can be sent back as they came, with results, and the next turn is accepted."""

    async def talk(client: anthropic.AsyncAnthropic) -> None:
        message = await client.messages.create(**ASKED)
        result: Any = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "shipped"}
        history: Any = [
            *ASKED["messages"],
            message.to_param(),
            {"role": "user", "content": [result]},
        ]
        answer = await client.messages.create(**{**ASKED, "messages": history})
        assert answer.content[0].to_dict() == {"type": "text", "text": "It is on its way."}

    _with(talk, replies=InOrder([Scripted(content=BLOCKS), "It is on its way."]))


def test_count_tokens_and_models() -> None:
    """The other endpoints parse into the SDK's types."""

    async def talk(client: anthropic.AsyncAnthropic) -> None:
        counted = await client.messages.count_tokens(model=HAIKU, messages=ASKED["messages"])
        assert counted.input_tokens == 8
        model = await client.models.retrieve(HAIKU)
        assert (model.max_tokens, model.lifecycle, model.line) == (128_000, "active", "haiku")
        assert model.capabilities is not None
        assert model.capabilities.thinking.types.adaptive.supported
        names = [entry.id async for entry in client.models.list(limit=4)]
        assert HAIKU in names
        assert len(names) == len(set(names)) == 18

    _with(talk)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("400", anthropic.BadRequestError),
        ("401", anthropic.AuthenticationError),
        ("402", anthropic.PaymentRequiredError),
        ("403", anthropic.PermissionDeniedError),
        ("404", anthropic.NotFoundError),
        ("413", anthropic.ContentTooLargeError),
        ("429", anthropic.RateLimitError),
        ("500", anthropic.InternalServerError),
        ("504", anthropic.GatewayTimeoutError),
        ("529", anthropic.OverloadedError),
        ("close", anthropic.APIConnectionError),
        ("reset", anthropic.APIConnectionError),
        ("cut", anthropic.APIConnectionError),
    ],
)
def test_faults_are_the_sdks_errors(fault: str, error: type[Exception]) -> None:
    """Each fault raises the class that the real one would."""

    async def talk(client: anthropic.AsyncAnthropic) -> None:
        with pytest.raises(error):
            await client.messages.create(**ASKED)

    _with(talk, faults=parse_faults(fault))


def test_errors_carry_their_details() -> None:
    """Type, code, request id and retry-after are where the SDK looks for them."""

    async def talk(client: anthropic.AsyncAnthropic) -> None:
        with pytest.raises(anthropic.RateLimitError) as caught:
            await client.messages.create(**ASKED)
        error = caught.value
        assert (error.type, error.error_code) == ("rate_limit_error", "enforced_spend_limit_reached")
        assert (error.request_id or "").startswith("req_sim_")
        assert error.response.headers["retry-after"] == "5"
        assert error.response.headers["claude-run-simulator"]

    script = parse_faults("429(error-code=enforced_spend_limit_reached,retry-after=5)")
    _with(talk, faults=script)


def test_validation_reaches_the_sdk() -> None:
    """A request that the API would refuse raises the same class here."""

    async def talk(client: anthropic.AsyncAnthropic) -> None:
        with pytest.raises(anthropic.NotFoundError, match="model: claude-0"):
            await client.messages.create(**{**ASKED, "model": "claude-0"})
        with pytest.raises(anthropic.BadRequestError, match="temperature: Extra inputs"):
            await client.messages.create(**ASKED, extra_body={"temperature": 1})

    _with(talk)


def test_an_error_in_mid_stream() -> None:
    """An error event is a status error with status 200, as with the real API."""

    async def talk(client: anthropic.AsyncAnthropic) -> None:
        with pytest.raises(anthropic.APIStatusError) as caught:
            async with client.messages.stream(**ASKED) as stream:
                await stream.get_final_message()
        assert (caught.value.status_code, caught.value.type) == (200, "overloaded_error")

    _with(talk, faults=parse_faults("error-event"))


def test_retries_of_the_sdk_are_seen() -> None:
    """Each attempt is a request of its own in the ledger."""

    async def talk(client: anthropic.AsyncAnthropic) -> None:
        message = await client.with_options(max_retries=2).messages.create(**ASKED)
        assert message.stop_reason == "end_turn"

    sim = _with(talk, faults=parse_faults("529(retry-after=0.01)@1 429(retry-after=0.01)@2"))
    assert [entry.status for entry in sim.ledger] == [529, 429, 200]


def test_prompt_caching_over_two_turns() -> None:
    """The second turn reads what the first one wrote."""
    system: Any = [{"type": "text", "text": "x" * 4000, "cache_control": {"type": "ephemeral"}}]

    async def talk(client: anthropic.AsyncAnthropic) -> None:
        first = await client.messages.create(**ASKED, system=system)
        second = await client.messages.create(**ASKED, system=system)
        assert (first.usage.cache_creation_input_tokens, first.usage.cache_read_input_tokens) == (1003, 0)
        assert (second.usage.cache_creation_input_tokens, second.usage.cache_read_input_tokens) == (0, 1003)

    _with(talk)


def test_the_sync_client() -> None:
    """The blocking client works against it too."""

    def ask(sim: Simulator) -> str:
        client = anthropic.Anthropic(api_key="test", base_url=sim.base_url, max_retries=0)
        with client, client.messages.stream(**ASKED) as stream:
            return stream.get_final_text()

    async def run() -> str:
        async with Simulator(replies=InOrder(["hello"])) as sim:
            return await asyncio.to_thread(ask, sim)

    assert asyncio.run(run()) == "hello"
