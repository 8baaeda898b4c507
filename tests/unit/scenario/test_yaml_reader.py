"""The reader of YAML: what it takes, what it refuses, and where it says so."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.scenario.source import Source, decode
from claude_run.scenario.yaml_reader import MAX_BYTES, MAX_DEPTH, Document, parse
from claude_run.scenario.yaml_tree import ListNode, MappingNode, ScalarNode, to_json

if TYPE_CHECKING:
    from claude_run.scenario.json_values import Json

# What a JSON text may hold in strings and a YAML text may not: control characters and line separators.
characters = st.characters(
    exclude_categories=("Cs", "Cc"), exclude_characters="\u2028\u2029\ufeff\ufffe\uffff\u0085"
)
texts = st.text(characters, max_size=20)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def read(text: str) -> Document:
    """Parse a text under the name `f.yaml`."""
    return parse(Source("f.yaml", text))


def value(text: str) -> Json:
    """Return the value of a text that has no problem."""
    document = read(text)
    assert not document.problems
    return to_json(document.root)


def problems(text: str) -> list[str]:
    """Return the problems of a text as `line:column message`, whether it could be read or not."""
    try:
        found = read(text).problems.shown
    except InvalidScenarioError as error:
        found = error.diagnostics
    return [f"{one.position.line}:{one.position.column} {one.message}" for one in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("true", True),
        ("TRUE", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-0", 0),
        ("007", "007"),
        ("0o17", "0o17"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2024-01-01", "2024-01-01"),
        ("1e3", 1000.0),
        ("1.5E-1", 0.15),
        (".5", ".5"),
        ("+1", "+1"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1\u0661", "1\u0661"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("|\n  12\n", "12\n"),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
    ],
)
def test_scalars_follow_the_core_schema(text: str, expected: Json) -> None:
    """Only null, booleans and the numbers of JSON are no strings."""
    found = value(f"a: {text}\n")
    assert isinstance(found, dict)
    assert (found["a"], type(found["a"])) == (expected, type(expected))


@given(values)
@settings(max_examples=100, deadline=None)
def test_a_json_document_means_the_same(document: Json) -> None:
    """YAML 1.2 contains JSON: both readers agree."""
    text = json.dumps(document, ensure_ascii=False)
    assert value(text) == document
    assert value(json.dumps(document, ensure_ascii=False, indent=2)) == document


@given(st.text(st.characters() | st.sampled_from("{}[]:-?&*!|>'\"%@`#, \n\t<a1"), max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    """No text brings any other exception, and every problem has a place inside the text."""
    for line in problems(text):
        assert int(line.split(":")[0]) <= len(text.splitlines()) + 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &x 1", ["1:4 anchors are not allowed"]),
        ("a: &x [1]", ["1:4 anchors are not allowed"]),
        ("a: *x", ["1:4 aliases are not allowed"]),
        ("*x : 1", ["1:1 aliases are not allowed"]),
        ("a: {<<: {b: 1}}", ["1:5 merge keys are not allowed"]),
        ("a: !!python/object:os.system x", ["1:4 tags are not allowed"]),
        ("a: ! x", ["1:4 tags are not allowed"]),
        ("- !x {}", ["1:3 tags are not allowed"]),
        ("a: 1\nb: 2\na: 3", ["3:1 duplicate key `a`: it stands on line 1 already"]),
        ("1: x", ["1:1 a key must be a string"]),
        ("true: x", ["1:1 a key must be a string"]),
        ("~: x", ["1:1 a key must be a string"]),
        ("? [a]\n: b", ["1:1 a key must be a string"]),
        ("user: {{ item }}", ["1:7 a key must be a string"]),
        ("a: 1\n---\nb: 2", ["2:1 a file holds one YAML document"]),
        ('a: "x\\0"', ["1:4 a text may not hold the character NUL"]),
        ("a: 9223372036854775808", ["1:4 the number does not fit into 64 bits"]),
        ("a: " + "9" * 5000, ["1:4 the number does not fit into 64 bits"]),
        ("a: 1e999", ["1:4 the number is too large for a 64-bit floating-point number"]),
        ("a: x\x00", ["1:5 the character U+0000 may not stand in a YAML file"]),
        ("a: \ud800", ["1:4 the character U+D800 may not stand in a YAML file"]),
        ("a: 1\nb: \u2028", ["2:4 the character U+2028 may not stand in a YAML file"]),
        ("a: [1", ["1:6 this is not valid YAML: did not find expected ',' or ']'"]),
        ("a: \ud83d", ["1:4 the character U+D83D may not stand in a YAML file"]),
    ],
)
def test_what_is_refused_is_refused_at_its_place(text: str, expected: list[str]) -> None:
    """Everything that YAML has and scenarios do not is a problem with line and column."""
    assert problems(text) == expected


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a:\n\tb: 1", "indent with spaces"),
        ("a: b: c", "quote the text: it holds `: `"),
        ("a: {{ x }} b", "quote a text that begins with `{`"),
        ("a: @x", "it cannot begin with `@`"),
        ("a: - b", "put the list on the next line"),
        ("a: 'x", "a quote was opened"),
        ('a: "\\q"', "write the backslash twice"),
        ('a: "\\ud83d"', "write the character itself"),
        ("a: {b: 1", "a bracket was opened"),
        ("a: [b: Say: hello]", "quote the text: it holds `: `"),
        ("a: {b: Say: hello, c: d}", "quote the text: it holds `: `"),
        ("a: [{b: Hi {{ name }}, c: d}]", "quote the text: it holds `{{`"),
        ("- a\nb: c", "does not continue the list"),
        ("a: |\n  x\n b", "check the indentation"),
        ("a: 1\nb\nc: 2", "a key needs a colon"),
    ],
)
def test_syntax_errors_say_what_most_likely_went_wrong(text: str, hint: str) -> None:
    """The hint of a syntax error fits the usual mistake behind it."""
    with pytest.raises(InvalidScenarioError) as caught:
        read(text)
    assert hint in (caught.value.diagnostics[-1].hint or "")


def test_a_scalar_may_bear_the_one_tag_that_is_asked_for() -> None:
    """Where it begins is known; another tag, and this one on a list, stay refused."""
    document = parse(Source("f.yaml", "a: !in b.txt\nc: '!in d'\n"), tag="!in")
    assert not document.problems
    assert document.tagged == {3}
    assert to_json(document.root) == {"a": "b.txt", "c": "!in d"}
    assert len(parse(Source("f.yaml", "[!in [], !on x, !in y]"), tag="!in").problems.shown) == 2


def test_problems_before_a_syntax_error_are_kept() -> None:
    """What was found before the parser gave up is reported as well."""
    assert problems("a: &x 1\nb: @") == [
        "1:4 anchors are not allowed",
        "2:4 this is not valid YAML: found character that cannot start any token",
    ]


def test_depth_is_bounded() -> None:
    """64 levels are read, the 65th is refused at its place."""
    assert value("[" * MAX_DEPTH + "]" * MAX_DEPTH) is not None
    deep = "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)
    assert problems(deep) == ["1:65 lists and mappings nest deeper than 64 levels"]


def test_size_is_bounded() -> None:
    """More than 1 MiB is refused before it is parsed; bytes count, not characters."""
    assert problems("#" * (MAX_BYTES + 1)) == ["1:1 the file is larger than 1024 KiB"]
    assert problems("#" + "é" * (MAX_BYTES // 2)) == ["1:1 the file is larger than 1024 KiB"]
    assert problems("#" * MAX_BYTES) == []


def test_the_number_of_values_is_bounded() -> None:
    """A file with very many values is refused."""
    assert problems("[" + "1," * 200_001 + "]")[0].endswith("the file holds more than 200,000 values")


@pytest.mark.parametrize("bomb", ["'[' * 40_000", "'{a: ' * 40_000", "'- ' * 40_000", "'[' * 1_000_000"])
def test_deep_nesting_does_not_crash_the_process(bomb: str) -> None:
    """The C parser is stopped long before it could overflow its stack."""
    program = (
        "from claude_run.scenario.source import Source\n"
        "from claude_run.scenario.yaml_reader import parse\n"
        f"parse(Source('f.yaml', {bomb}))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "nest deeper than 64 levels" in done.stderr


def test_every_value_and_key_has_its_place() -> None:
    """Lines and columns count characters from 1."""
    root = read("a: 日本\nbé:\n  - {c: 'x'}\n").root
    assert isinstance(root, MappingNode)
    entry = root.get("bé")
    assert entry is not None
    assert (entry.position.line, entry.position.column) == (2, 1)
    assert isinstance(entry.value, ListNode)
    item = entry.value.items[0]
    assert isinstance(item, MappingNode)
    leaf = item.entries[0].value
    assert isinstance(leaf, ScalarNode)
    assert (str(leaf.position), leaf.style) == ("f.yaml:3:9", "'")
    assert root.get("nothing") is None


def test_line_breaks_of_windows_do_not_shift_places() -> None:
    """CRLF is one line break, in lines and in texts."""
    root = read("a: 1\r\nb: |\r\n  x\r\n  y\r\nc: 3\r\n").root
    assert to_json(root) == {"a": 1, "b": "x\ny\n", "c": 3}
    assert isinstance(root, MappingNode)
    assert str(root.entries[2].position) == "f.yaml:5:1"


@pytest.mark.parametrize(
    ("data", "place", "message"),
    [
        (b"a: 1\nb: \xff", "f:2:4", "the file is not UTF-8"),
        (b"\xef\xbb\xbfa\xc3", "f:1:2", "the file is not UTF-8"),
        (b"\xff\xfea\0", "f:1:1", "the file is not UTF-8, but UTF-16"),
    ],
)
def test_other_encodings_are_refused(data: bytes, place: str, message: str) -> None:
    """Bytes that are no UTF-8 are reported at their place."""
    with pytest.raises(InvalidScenarioError) as caught:
        decode("f", data)
    (found,) = caught.value.diagnostics
    assert (str(found.position), found.message) == (place, message)


def test_a_byte_order_mark_is_taken_off() -> None:
    """A mark at the start of the file belongs to the encoding, not to the text."""
    assert decode("f", b"\xef\xbb\xbfa: 1").text == "a: 1"


def test_lines_beyond_the_text_are_empty() -> None:
    """The line of a place at the very end is empty, not an error."""
    source = Source("f", "a\n")
    assert (source.line(1), source.line(2), source.line(3), source.index(9)) == ("a", "", "", 2)
