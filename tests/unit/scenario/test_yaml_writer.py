"""The writer of YAML: what it writes is read as the same values, whatever they are, and reads well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.scenario.source import Source
from claude_run.scenario.yaml_reader import parse
from claude_run.scenario.yaml_tree import to_json
from claude_run.scenario.yaml_writer import yaml_text

if TYPE_CHECKING:
    from claude_run.scenario.json_values import Json

LIVE = "{{}}#-'\"\\ \n\r\t\u2028\ufeff\x1b\x85:&*!|>%@`\U0001f98b\u200d1"
texts = st.text(
    st.sampled_from(LIVE) | st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12
)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none()
    | st.booleans()
    | numbers
    | texts
    | st.sampled_from(["no", "Yes", "null", "1", "~", "", "a: b"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(texts, values, min_size=1, max_size=4))
def test_what_is_written_is_read_as_the_same(value: dict[str, Json]) -> None:
    """No text is cut off, folded, taken for a number or refused: not by a comment, an escape or an indent."""
    document = parse(Source("f.yaml", yaml_text(value)))
    assert not document.problems
    assert to_json(document.root) == value


def test_it_reads_as_a_person_would_write_it() -> None:
    """Plain sentences are plain, several lines are a block, and what cannot be seen is spelt out."""
    value: dict[str, Json] = {
        "model": "claude-haiku-5-5",
        "system": "You help.\n\nBe brief.\n",
        "tools": [{"name": "get_order", "input_schema": {"type": "object", "required": []}}],
        "turns": [
            {"user": "What's a unit test?", "example": "It checks:\n\n- one thing\n  at a time"},
            {"user": "no", "example": "tab\tand\u202e"},
            {"user": [{"text": "C:\\new # 1"}, None, 1.5, True]},
        ],
    }
    assert (
        yaml_text(value)
        == """\
model: claude-haiku-5-5
system: |
  You help.

  Be brief.
tools:
  - name: get_order
    input_schema:
      type: object
      required: []
turns:
  - user: What's a unit test?
    example: |-
      It checks:

      - one thing
        at a time
  - user: "no"
    example: "tab\\tand\\u202e"
  - user:
      - text: "C:\\\\new # 1"
      - null
      - 1.5
      - true
"""
    )
