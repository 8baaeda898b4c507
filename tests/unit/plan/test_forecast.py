"""What a run is likely to cost: which prompts are counted, what that says of the others, and three prices."""

from __future__ import annotations

import base64
import struct
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_run.checks.conditions import ScriptRenderer
from claude_run.conversation.exchange import Request
from claude_run.plan.estimate import walk
from claude_run.plan.forecast import (
    ASSUMED_REPLY,
    MESSAGE_TOKENS,
    TOOLS_TOKENS,
    UNCOUNTED,
    Forecaster,
    Scales,
    questions,
    scales,
    size_of,
)
from claude_run.plan.matrix import Plan, Selection, expand
from claude_run.scenario.model import AssistantTurn, Case, Save, ToolResult, ToolResults, Variant
from tests.unit.plan.builders import at, conversation, model, request, scenario, text, user

if TYPE_CHECKING:
    from claude_run.conversation.script import Conversation, TextRenderer
    from claude_run.plan.forecast import Forecast, Question

LONG = "Quote the 30-day rule and never promise more. " * 100
TOKENS = -(-len(LONG) // 3)
PRICE = Decimal(
    "0.0000001"
)  # of a token that is put into Haiku 5.5; one that comes out costs five times that


def renderer(each: Conversation) -> TextRenderer:
    """Render as a run does."""
    return ScriptRenderer(each.vars)


def plan_of(*conversations: Conversation) -> Plan:
    """Plan these."""
    return Plan(conversations=conversations, pass_rates={}, files={})


def forecast(plan: Plan, known: Scales = UNCOUNTED, *, grows: bool = True) -> Forecast:
    """Forecast each case of a plan once, as a dry run does."""
    forecaster = Forecaster(plan, known, grows=grows)
    seen: set[str] = set()
    for each in plan.conversations:
        if each.identity.case_name not in seen:
            seen.add(each.identity.case_name)
            forecaster.add(each, renderer(each), walk(each, renderer(each)))
    return forecaster.forecast()


def cases(number: int, **fields: Any) -> Plan:
    """Plan so many cases of two turns that share a long system prompt."""
    given = {"system": text(LONG), "turns": (user("I bought {{ x }}", example=text("Fine.")), user("And?"))}
    rows = tuple(Case(id=str(n), vars={"x": f"thing {n:05}"}) for n in range(number))
    return expand([scenario(cases=rows, **{**given, **fields})], Selection())


def answered(asked: Question, *, prefix: float, messages: float) -> tuple[Question, int]:
    """Count a prompt of which there is so much more than by the rule of thumb."""
    if asked.part == "prefix":
        return asked, round(asked.size.prefix * prefix) + MESSAGE_TOKENS + 1
    return asked, round(asked.size.prefix * prefix + asked.size.messages * messages)


def test_a_prompt_by_the_rule_of_thumb() -> None:
    """Three bytes are a token, whatever the letters; tools and messages come with words of the API's own."""
    size = size_of(request([{"role": "user", "content": "abcdef"}], system="äöü"))
    assert (size.prefix, size.messages) == (2, 2 + MESSAGE_TOKENS)
    blocks = [{"type": "text", "text": "abc"}, {"type": "text", "text": "def"}]
    assert size_of(request([{"role": "user", "content": blocks}])).messages == 2 + MESSAGE_TOKENS
    tools = [{"name": "look", "input_schema": {"type": "object"}}]
    assert size_of(request(tools=tools)).prefix == TOOLS_TOKENS + -(-len(str(tools)) // 3)


def png(width: int, height: int) -> str:
    """Return the beginning of an image of this size as base64."""
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)
    return base64.b64encode(head + b"\0" * 3000).decode()


@pytest.mark.parametrize(
    ("block", "tokens"),
    [
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png(750, 100)}},
            100,
        ),
        (
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": png(9000, 9000)},
            },
            4784,
        ),
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}, 1600),
        ({"type": "image", "source": {"type": "url", "url": "https://a.example/" + "x" * 999}}, 1600),
        ({"type": "document", "source": {"type": "file", "file_id": "file_1"}}, 1600),
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x" * 300}},
            100,
        ),
        (
            {
                "type": "document",
                "source": {
                    "type": "base64",
                    "media_type": "application/pdf",
                    "data": base64.b64encode(b"%PDF-1.4 /Type /Pages /Count 2 ").decode(),
                },
            },
            6000,
        ),
        (
            {
                "type": "document",
                "source": {
                    "type": "base64",
                    "media_type": "application/pdf",
                    "data": base64.b64encode(b"%PDF-1.4" + b" " * 120_000).decode(),
                },
            },
            9000,
        ),
    ],
    ids=["image", "large", "unreadable", "url", "file", "plain text", "pdf", "pdf of unknown pages"],
)
def test_files_are_measured_by_what_they_show(block: Any, tokens: int) -> None:
    """The bytes of an image or a PDF are no text."""
    size = size_of(request([{"role": "user", "content": [block]}]))
    assert size.messages == tokens + MESSAGE_TOKENS


def test_few_prompts_are_counted_of_many() -> None:
    """Of ten thousand cases that share a prompt: three first prompts, and what they share."""
    asked = questions(cases(10_000), renderer, most=24)
    assert [each.part for each in asked] == ["prompt", "prefix", "prompt", "prompt"]
    said = [str(each.request.body["messages"]) for each in asked]
    assert [
        "thing 00000" in said[0],
        "'.'" in said[1],
        "thing 05000" in said[2],
        "thing 09999" in said[3],
    ] == [True] * 4
    assert all(len(each.request.body["messages"]) == 1 for each in asked)  # type: ignore[arg-type] # a list


def test_each_variant_and_model_is_counted_before_any_is_twice() -> None:
    """Where there are more than may be asked for, those that are asked for lie far apart."""
    variants = (Variant(id="v1"), Variant(id="v2", system=text("Short."), overrides_system=True))
    models = (model("claude-haiku-5-5"), model("claude-opus-5-5"))
    plan = cases(50, variants=variants, models=models)
    groups = {("greet", variant.id, each.id) for variant in variants for each in models}
    for most in (4, 7, 24):
        asked = questions(plan, renderer, most=most)
        assert {each.group for each in asked[:4]} == groups
        assert len(asked) <= most
    many = expand([scenario(f"s{n:03}", turns=(user(f"Hello {n}"),)) for n in range(100)], Selection())
    asked = questions(many, renderer, most=10)
    assert [each.group[0] for each in asked] == [f"s{10 * n:03}" for n in range(10)]


def test_the_same_request_is_counted_once() -> None:
    """Repeats ask the same, and so do scenarios that differ in what they expect."""
    plan = expand([scenario("a", repeat=5), scenario("b", repeat=5)], Selection())
    assert len(questions(plan, renderer, most=24)) == 1


@given(prefix=st.floats(0.5, 2), messages=st.floats(0.5, 2), number=st.integers(1, 5))
def test_what_was_counted_sets_the_others_right(prefix: float, messages: float, number: int) -> None:
    """The scale of the shared prompt and that of the messages are found again, each by itself."""
    turns = (user("{{ x }} " + "is what I bought, and it does not work. " * 20),)
    plan = cases(number, turns=turns)
    known = scales(
        answered(each, prefix=prefix, messages=messages) for each in questions(plan, renderer, most=24)
    )
    found = known.of(plan.conversations[-1].identity)
    assert found.prefix == pytest.approx(prefix, rel=0.02)
    assert found.messages == pytest.approx(messages, rel=0.02)


def test_a_group_that_was_not_counted_goes_by_its_model() -> None:
    """And a model that was not counted by the rule of thumb."""
    models = (model("claude-haiku-5-5"), model("claude-opus-5-5"))
    plan = expand([scenario(name, models=models, turns=(user("Hello " * 50),)) for name in "ab"], Selection())
    asked = [each for each in questions(plan, renderer, most=24) if each.group[2] == "claude-haiku-5-5"]
    known = scales(answered(each, prefix=1, messages=1.5) for each in asked[:1])
    haiku, opus, other = (plan.conversations[n].identity for n in (0, 1, 2))
    assert known.of(haiku).messages == known.of(other).messages == pytest.approx(1.5, rel=0.02)
    assert known.of(opus).messages == 1.0


def test_a_count_without_the_rest_still_counts() -> None:
    """What came before an interruption is used: the shared prompt alone, or one that says next to nothing."""
    plan = cases(3)
    first, prefix, *_ = questions(plan, renderer, most=24)
    identity = plan.conversations[0].identity
    alone = scales([(prefix, 2 * prefix.size.prefix + MESSAGE_TOKENS + 1)]).of(identity)
    assert (alone.prefix, alone.messages) == (2.0, 2.0)
    odd = scales([(prefix, 2 * prefix.size.prefix + MESSAGE_TOKENS + 1), (first, prefix.size.prefix)])
    assert odd.of(identity).messages == 2.0
    whole = scales([(first, 3 * (first.size.prefix + first.size.messages))]).of(identity)
    assert (whole.prefix, whole.messages) == (3.0, 3.0)


def test_three_prices_of_a_conversation() -> None:
    """By hand: a prompt of 8 tokens, a reply of 4, then a prompt of 20 and a reply of 500."""
    talk = conversation(
        user("abcdefghijkl", example=text("abcdefghijkl")),
        user("abc"),
        params={"max_tokens": 1000},
        cache="off",
    )
    found = forecast(plan_of(talk))
    second = 8 + 4 + MESSAGE_TOKENS + 1 + MESSAGE_TOKENS
    plain = (8 + second) * PRICE + (4 + ASSUMED_REPLY) * 5 * PRICE
    assert found.total.plain_usd == found.total.cached_usd == plain
    assert found.total.batch_usd == found.total.batch_read_usd == found.total.batch_unread_usd == plain / 2
    assert (found.as_examples, found.assumed, found.caches, found.calls_tools) == (1, 1, False, False)


def test_one_writes_the_shared_prompt_and_the_others_read_it() -> None:
    """What differs, and what was said, is written by each conversation, by its last request too."""
    one, ten = forecast(cases(1)).total, forecast(cases(10)).total
    assert one.plain_usd is not None
    assert one.cached_usd is not None
    assert ten.plain_usd == 10 * one.plain_usd
    assert ten.cached_usd is not None
    # A write costs 1.25, a read 0.1 of a plain token.
    assert ten.cached_usd == one.cached_usd + 9 * (one.cached_usd - TOKENS * PRICE * Decimal("1.15"))
    assert ten.cached_usd < ten.plain_usd


def test_repeats_are_conversations_of_their_own() -> None:
    """Two repeats of five cases cost what ten cases do, and only one of them writes what is shared."""
    repeated = forecast(cases(5, repeat=2))
    assert repeated.total == forecast(cases(10)).total
    assert (repeated.as_examples, repeated.assumed) == (10, 10)


def test_a_batch_is_half_and_its_cache_a_range() -> None:
    """All read is far below half of the price without a cache; all written for an hour nearly all of it."""
    total = forecast(cases(10)).total
    assert total.plain_usd is not None
    assert total.batch_usd == total.plain_usd / 2
    assert total.batch_read_usd is not None
    assert total.batch_unread_usd is not None
    assert total.batch_read_usd < total.batch_usd < total.batch_unread_usd < total.plain_usd
    # One that keeps for an hour live as well pays for it there too.
    hour = forecast(cases(10, cache="1h")).total
    assert (hour.batch_read_usd, hour.batch_unread_usd) == (total.batch_read_usd, total.batch_unread_usd)
    assert hour.cached_usd is not None
    assert total.cached_usd is not None
    assert hour.cached_usd > total.cached_usd


@pytest.mark.parametrize("fields", [{"system": text("Short.")}, {"cache": "off"}], ids=["short", "off"])
def test_what_is_not_cached_has_the_plain_price(fields: Any) -> None:
    """A prompt below the minimum of the model, and one that is not to be cached."""
    found = forecast(cases(10, **fields))
    assert found.total.cached_usd == found.total.plain_usd
    assert not found.caches


def test_without_the_automatic_breakpoint_the_system_prompt_alone_is_cached() -> None:
    """As where the provider takes none: what was said is paid for anew with each turn."""
    with_it, without = forecast(cases(10)).total, forecast(cases(10), grows=False).total
    assert with_it.cached_usd is not None
    assert without.cached_usd is not None
    assert without.plain_usd is not None
    assert with_it.cached_usd < without.cached_usd < without.plain_usd


def test_breakpoints_of_the_scenario_count_as_well() -> None:
    """A message that is marked is written by each conversation, and read by its next turn."""
    from claude_run.scenario.model import TextBlock  # noqa: PLC0415 - only here

    marked = TextBlock(text=text(LONG), extra={"cache_control": {"type": "ephemeral"}})
    found = forecast(plan_of(conversation(user(content=(marked,)), user())))
    assert found.caches
    assert found.total.cached_usd is not None
    assert found.total.plain_usd is not None
    assert found.total.cached_usd < found.total.plain_usd


def test_a_model_without_a_price_is_not_free() -> None:
    """Its row and the sum are unknown, the others are not."""
    models = (model("claude-haiku-5-5"), model("claude-opus-99"))
    found = forecast(cases(2, models=models))
    assert found.models["claude-haiku-5-5"].plain_usd is not None
    unknown = found.models["claude-opus-99"]
    assert {unknown.plain_usd, unknown.cached_usd, unknown.batch_usd, found.total.plain_usd} == {None}


def test_what_only_a_live_request_has_makes_no_batch() -> None:
    """Fast mode has its own price, and none in a batch."""
    found = forecast(
        plan_of(conversation(params={"max_tokens": 100, "speed": "fast"}, model="claude-opus-5-5"))
    )
    slow = forecast(plan_of(conversation(model="claude-opus-5-5")))
    assert slow.total.plain_usd is not None
    assert found.total.plain_usd == 2 * slow.total.plain_usd
    assert found.total.batch_usd is None


def test_replies_are_never_longer_than_they_may_be() -> None:
    """Neither an assumed one nor an example."""
    short = {"max_tokens": 7}
    for turn in (user("abc"), user("abc", example=text("x" * 999))):
        found = forecast(plan_of(conversation(turn, params=short)))
        assert found.total.plain_usd == (1 + MESSAGE_TOKENS) * PRICE + 7 * 5 * PRICE


def test_an_example_that_quotes_an_earlier_reply_is_as_long_as_it_is_written() -> None:
    """What will be saved is not known yet."""
    saves = Save(name="order", pattern="A-[0-9]+", position=at(9))
    quoting = user("abc", example=text("{{ saved.order }} it is"))
    found = forecast(plan_of(conversation(user("abc", save=(saves,)), quoting)))
    assert found.as_examples == 1
    assert found.total.plain_usd is not None


def test_scripted_history_and_tools() -> None:
    """History is a part of the prompt and no reply; that there are rounds of tools is said."""
    history = (user("abc"), AssistantTurn(content=text("def"), position=at(2)), user("ghi"))
    results = ToolResults(by_tool={"look": (ToolResult(json="found", position=at(3)),)})
    found = forecast(plan_of(conversation(*history, tool_results=results, params={"max_tokens": 10})))
    assert found.calls_tools
    assert (found.as_examples, found.assumed) == (0, 1)
    assert found.total.plain_usd == 3 * (1 + MESSAGE_TOKENS) * PRICE + 10 * 5 * PRICE


def test_prompts_stay_within_the_context_window() -> None:
    """What is longer could not be sent: the third turn costs a whole window, though more was said."""
    million = 10**6
    turns = [user("abc", example=text("x" * 3 * million)) for _ in range(3)]
    params = {"max_tokens": million}
    two, three = (forecast(plan_of(conversation(*turns[:n], params=params, cache="off"))) for n in (2, 3))
    assert two.total.plain_usd is not None
    assert three.total.plain_usd is not None
    # Above 100,000 tokens of prompt all of a request costs five times as much.
    assert three.total.plain_usd - two.total.plain_usd == 5 * million * (PRICE + 5 * PRICE)


def test_a_request_can_be_measured_without_anything() -> None:
    """No system prompt, no tools: nothing comes before the messages."""
    assert size_of(Request(body={"model": "m", "max_tokens": 1, "messages": []})).prefix == 0
