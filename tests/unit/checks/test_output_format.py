"""Whether a reply has the form that its request asked for."""

from __future__ import annotations

from typing import Any

import pytest

from claude_run.checks.output_format import asked_schema, judge_output
from claude_run.conversation.results import Status

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


NO_JSON = "expected the reply to be JSON by `output_config.format`: "
MISFIT = "the reply does not fit the schema of `output_config.format`: "


@pytest.mark.parametrize("text", ['{"a": 1}', ' {"a": 1.0}\n'])
def test_a_reply_that_fits_passes(text: str) -> None:
    """White space around it is none of its form."""
    assert judge_output(SCHEMA, text).status is Status.PASSED


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "Sure!",
            NO_JSON + "Expecting value at line 1, column 1",
        ),
        (
            '```json\n{"a": 1}\n```',
            NO_JSON + "Expecting value",
        ),
        ("", NO_JSON + "there is no text; there is no text"),
        (
            '{"a": 1, "a": 1}',
            NO_JSON + 'the key "a" stands twice',
        ),
        (
            '{"a": "b"}',
            MISFIT + "at \"/a\": 'b' is not of",
        ),
        ("{}", MISFIT + "at the top: 'a' is a required"),
    ],
)
def test_a_reply_that_does_not_fit_fails(text: str, message: str) -> None:
    """The message says where, and what came; a fence is not forgiven."""
    found = judge_output(SCHEMA, text)
    assert found.status is Status.FAILED
    assert found.message.startswith(message)


def test_a_reply_that_was_cut_off_fails_for_that() -> None:
    """It is no fault of the form, and the mend is another one; what is whole all the same is judged."""
    cut = judge_output(SCHEMA, '{"a"', limit=3)
    assert cut.status is Status.FAILED
    assert cut.message == (
        "the reply was cut off at max_tokens (3) before its JSON was whole: raise max_tokens; it ends"
        ' "{\\"a\\""'
    )
    assert judge_output(SCHEMA, '{"a": 1}', limit=3).status is Status.PASSED
    assert judge_output(SCHEMA, "{}", limit=3).message.startswith("the reply does not fit")


def test_what_cannot_be_judged_is_errored() -> None:
    """JSON that is nested beyond reason."""
    assert judge_output(SCHEMA, "[" * 150 + "]" * 150).status is Status.ERRORED


def test_only_a_whole_schema_counts() -> None:
    """Anything else asks for text."""
    assert asked_schema({"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}) == SCHEMA
    for config in (None, {}, {"format": None}, {"format": {"schema": 5}}, "low"):
        assert asked_schema({"output_config": config}) is None
