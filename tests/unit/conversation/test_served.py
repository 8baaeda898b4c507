"""The model that answered is the one that was asked for: its alias, its dated snapshot, an allowed name."""

from __future__ import annotations

import pytest

from claude_run.conversation.served import ServedNames, is_bedrock_name, plain_name
from claude_run.conversation.steps import Finish, StopKind, next_step
from claude_run.plan.model_rules import known_names
from tests.unit.conversation.builders import PlainRenderer, body, play, script, user

NAMES = ServedNames(ids=known_names())


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("claude-haiku-5-5", "claude-haiku-5-5"),
        ("claude-haiku-5-5", "claude-haiku-5-5-20260801"),
        ("claude-haiku-5-5", "claude-haiku-5-5@20260801"),
        ("claude-haiku-5-5-latest", "claude-haiku-5-5-20260801"),
        ("claude-haiku-4-5", "claude-haiku-4-5-20251001"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("claude-haiku-4-5@20251001", "claude-haiku-4-5-20251001"),
        ("a-model-of-tomorrow", "a-model-of-tomorrow-20270101"),
        ("claude-haiku-5-5", "us.anthropic.claude-haiku-5-5-v1:0"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4-5-20251001"),
        ("global.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4-5"),
        ("anthropic.claude-of-tomorrow-7", "claude-of-tomorrow-7-20270101"),
        ("claude-haiku-5-5@default", "claude-haiku-5-5-20260801"),
    ],
)
def test_the_same_model_under_another_of_its_names(asked: str, served: str) -> None:
    """Known models and unknown ones alike."""
    assert NAMES.problem(asked, served) is None


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("claude-haiku-5-5", "claude-opus-5-5"),
        ("claude-haiku-5-5", "claude-haiku-5"),
        ("claude-haiku-5-5", "claude-haiku-5-5-fast"),
        ("claude-haiku-5-5", "us.anthropic.claude-opus-5-5-v1:0"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4-5-20260101"),
        ("claude-haiku-5-5", "arn:aws:bedrock:us-east-1:1:application-inference-profile/x1"),
        ("claude-haiku-5-5", "anthropic.claude-haiku-5-5.fast"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5-20260101"),
        ("claude-haiku-4-5-20251001", "claude-opus-4-5-20251101"),
        ("claude-haiku-5-5", "Claude-Haiku-5-5"),
        ("claude-haiku-5-5", ""),
    ],
)
def test_another_model(asked: str, served: str) -> None:
    """Both names are said, and what to do where a gateway calls the model so."""
    problem = NAMES.problem(asked, served)
    assert problem is not None
    assert problem.startswith(f"{asked} was asked for, and {served!r} answered")
    assert problem.endswith(f"--allow-model {asked}={served}")


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("anthropic.claude-haiku-5-5", "claude-haiku-5-5"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4-5-20251001"),
        ("us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929"),
        ("global.anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
        ("anthropic.claude-3-sonnet-20240229-v1:0:200k", "claude-3-sonnet-20240229"),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-5-5",
            "claude-opus-5-5",
        ),
        ("arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
    ],
)
def test_a_name_of_amazon_bedrock_holds_the_plain_one(name: str, plain: str) -> None:
    """Region, profile and version are not the model's."""
    assert is_bedrock_name(name)
    assert plain_name(name) == plain


@pytest.mark.parametrize(
    "name",
    [
        "claude-haiku-5-5",
        "anthropic/claude-haiku-5-5",
        "my.anthropic-claude-haiku-5-5",
        "a.b.anthropic.claude-haiku-5-5",
        "arn:aws:bedrock:us-east-1:1:application-inference-profile/claude-haiku-5-5",
        "amazon.nova-pro-v1:0",
        "our-deployment",
        "",
    ],
)
def test_what_may_be_anything_stays_as_it_is(name: str) -> None:
    """A deployment, an application's profile, a gateway's path."""
    assert not is_bedrock_name(name)
    assert plain_name(name) == name


def test_a_name_that_the_user_allows() -> None:
    """For the model that it is allowed for, and for no other."""
    names = ServedNames(allowed={"claude-haiku-5-5": frozenset({"gateway/haiku", "eu/haiku"})})
    assert names.problem("claude-haiku-5-5", "eu/haiku") is None
    assert names.problem("claude-opus-5-5", "eu/haiku") is not None


def test_a_conversation_ends_at_the_reply_of_another_model() -> None:
    """At once, whatever the reply says: the next turn would be paid for nothing."""
    conversation = script(user("one"), user("two"))
    exchanges = play(conversation, [{**body(), "model": "claude-opus-5-5"}])[1]
    step = next_step(conversation, exchanges, PlainRenderer())
    assert isinstance(step, Finish)
    assert step.stop is not None
    assert (step.stop.kind, step.stop.turn) == (StopKind.OTHER_MODEL, 0)
