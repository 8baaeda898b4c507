"""Random scripts, replies and JSON for the properties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tests.unit.conversation.builders import assistant, body, script, system, user

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from claude_run.conversation.script import Conversation
    from claude_run.scenario.model import Turn

# Lone surrogates included: JSON may carry them, and UTF-8 may not.
TEXTS = st.text(st.characters(), max_size=12)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(2**60, 2**200)
JSON: SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(TEXTS, JSON, max_size=3)

BLOCKS = st.lists(
    st.sampled_from(
        [
            {"type": "text", "text": "Ship it."},
            {"type": "text", "text": ""},
            {"type": "thinking", "thinking": "", "signature": "c2ln"},
            {"type": "future_block", "data": [1, None]},
            {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}},
        ]
    ),
    max_size=3,
)
STOP_REASONS = st.sampled_from(
    ["end_turn", "stop_sequence", "max_tokens", "tool_use", "pause_turn", "refusal", "from_the_future"]
)
HAPPY_REASONS = st.sampled_from(["end_turn", "end_turn", "end_turn", "pause_turn", "max_tokens"])
REPLIES = st.builds(body, BLOCKS, HAPPY_REASONS | STOP_REASONS)


@st.composite
def scripts(draw: st.DrawFn) -> Conversation:
    """Draw a script in the order that the loader accepts, with each mode of the cache."""
    turns: list[Turn] = []
    for number in range(draw(st.integers(1, 4))):
        turns.append(user(f"question {number}"))
        if draw(st.booleans()):
            turns.append(system(f"rule {number}"))
        if draw(st.booleans()):
            turns.append(assistant(f"answer {number}"))
    turns.append(user("last question"))
    return script(
        *turns,
        system=draw(st.sampled_from([None, user("Be kind.").content])),
        cache=draw(st.sampled_from(["auto", "off", "1h"])),
        repeat=draw(st.none() | st.integers(1, 9)),
    )
