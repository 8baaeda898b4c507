"""From a character of a text back to its place in the YAML file."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.scenario.source import Source
from claude_run.scenario.yaml_reader import parse
from claude_run.scenario.yaml_tree import MappingNode, ScalarNode, descend, describe, locate, to_json


def place(yaml: str, word: str) -> str:
    """Return `line:column` of a word in the value of the first key."""
    source = Source("f", yaml)
    root = parse(source).root
    assert isinstance(root, MappingNode)
    node = root.entries[0].value
    assert isinstance(node, ScalarNode)
    position = source.position(locate(source, node, [str(node.value).index(word)])[0])
    return f"{position.line}:{position.column}"


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("a: say WORD", "1:8"),
        ("a: say\n  more WORD", "2:8"),
        ("a: 'it''s WORD'", "1:11"),
        ("a: 'one\n\n   two WORD'", "3:8"),
        ('a: "x\\n\\t\\"WORD"', "1:12"),
        ('a: "\\x41\\u00e9\\U0001F600\\x20 WORD"', "1:30"),
        ('a: "one \\\n   two WORD"', "2:8"),
        ("a: |\n  one\n   two WORD\n", "3:8"),
        ("a: |2-  # WORD in a comment\n   WORD\n", "2:4"),
        ("a: >\n  one\n  two\n\n  WORD three\n", "5:3"),
        ("a: >-\r\n  one\r\n  WORD\r\n", "3:3"),
        ("a: 'WORD'", "1:5"),
    ],
)
def test_a_word_is_found_where_it_is_written(yaml: str, expected: str) -> None:
    """Folding, indentation, quotes and escapes do not mislead."""
    assert place(yaml, "WORD") == expected


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20))
@settings(max_examples=100, deadline=None)
def test_a_word_behind_any_escaped_text_is_found(before: str) -> None:
    """Whatever stands before it, escaped or not, a word is found in double quotes."""
    escaped = {'"': '\\"', "\\": "\\\\"}
    written = (f"\\U{ord(each):08x}" if ord(each) > 126 else escaped.get(each, each) for each in before)
    yaml = f'a: "{"".join(written)} WORD"'
    source = Source("f", yaml)
    root = parse(source).root
    assert isinstance(root, MappingNode)
    node = root.entries[0].value
    assert isinstance(node, ScalarNode)
    assert locate(source, node, [str(node.value).rindex("WORD")]) == [yaml.rindex("WORD")]


@given(st.text("ab' \t\n\\\u00e9", max_size=30), st.lists(st.integers(0, 30), max_size=6))
@settings(max_examples=100, deadline=None)
def test_many_places_are_found_as_each_alone(text: str, offsets: list[int]) -> None:
    """One walk over a text finds its places in any order, and the same place twice."""
    source = Source("f", f"a: {json.dumps(text)}")
    root = parse(source).root
    assert isinstance(root, MappingNode)
    node = root.entries[0].value
    assert isinstance(node, ScalarNode)
    alone = [locate(source, node, [offset])[0] for offset in offsets]
    assert locate(source, node, offsets) == alone


@pytest.mark.parametrize("scalar", ["|\n  x\n", "'x '", '"x "', "x"])
def test_a_place_behind_the_text_is_its_start(scalar: str) -> None:
    """Where no character follows, the start of the scalar is the answer."""
    source = Source("f", f"a: {scalar}")
    root = parse(source).root
    assert isinstance(root, MappingNode)
    node = root.entries[0].value
    assert isinstance(node, ScalarNode)
    assert locate(source, node, [2]) == [node.start]


def test_paths_lead_as_far_as_they_can() -> None:
    """A path ends at the entry or item, or at the nearest node above what is missing."""
    root = parse(Source("f", "a: [1, {b: x}]")).root
    assert to_json_of(descend(root, ("a", 1, "b"))) == "x"
    assert to_json_of(descend(root, ("a", 1, "nothing"))) == {"b": "x"}
    assert to_json_of(descend(root, ("a", 7))) == [1, {"b": "x"}]
    assert descend(root, ()) is root


def test_types_have_names() -> None:
    """Each type of value has its words."""
    root = parse(Source("f", "[a, 1, 1.5, true, null, [], {}]")).root
    words = [describe(item) for item in getattr(root, "items", ())]
    assert words == ["a string", "a number", "a number", "a boolean", "empty", "a list", "a mapping"]


def to_json_of(found: object) -> object:
    """Return the value behind a node or an entry."""
    return to_json(getattr(found, "value", found) if hasattr(found, "key") else found)  # type: ignore[arg-type] # a node in both cases
