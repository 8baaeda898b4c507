"""JSON is read strictly, and written so that any screen can show it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_run.text.strict_json import (
    MAX_DEPTH,
    DeepJsonError,
    DuplicateKeyError,
    HugeNumberError,
    join_text,
    json_pieces,
    plain_json,
    read_json,
)


@pytest.mark.parametrize(
    "text",
    [
        *(b"NaN", b'{"a": Infinity}', b"[-Infinity]", b"1e999", b"{", b"\xff", b"9" * 5000),
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b"[" * 100_000,
    ],
)
def test_json_that_could_not_be_written_again_is_not_read(text: bytes) -> None:
    """Numbers that are none, bytes that are no text, and abysses are refused in one way."""
    with pytest.raises(ValueError, match=r"\w"):
        read_json(text)


def test_json_as_deep_as_allowed_is_read() -> None:
    """Many brackets beside each other are not deep, and the limit itself is inside."""
    deep = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert json.dumps(read_json(deep)).encode() == deep
    assert read_json(b"[" + b"[],{}," * MAX_DEPTH + b"1.5]")[-1] == 1.5


@pytest.mark.parametrize(
    ("text", "deepest", "is_read"),
    [
        ("1", 0, True),
        ('"[[[["', 1, True),
        ("[]", 0, False),
        ('[{"a": [1]}, [], []]', 3, True),
        ('[{"a": [1]}, [], []]', 2, False),
        ("[" * 300 + "]" * 300, None, True),
        ("[" * 100_000, None, False),
    ],
)
def test_levels_are_counted(text: str, deepest: int | None, is_read: bool) -> None:
    """A level is an object or a list; without a limit, what the parser can follow is read."""
    if is_read:
        assert read_json(text, deepest=deepest) == json.loads(text)
        return
    with pytest.raises(DeepJsonError):
        read_json(text, deepest=deepest)


def test_a_key_may_be_asked_to_occur_once() -> None:
    """Without the option the last value wins, as in most readers; with it the key is named."""
    text = '{"a": {"b": 1, "c": 2, "b": 3}}'
    assert read_json(text) == {"a": {"b": 3, "c": 2}}
    with pytest.raises(DuplicateKeyError, match=r"^duplicate key `b`$") as caught:
        read_json(text, unique_keys=True)
    assert caught.value.key == "b"
    assert read_json('{"a": {"b": 1}, "b": 1}', unique_keys=True) == {"a": {"b": 1}, "b": 1}


@pytest.mark.parametrize(("options", "read"), [({}, True), ({"most_digits": 3}, False)])
def test_digits_may_be_bounded(options: Any, read: bool) -> None:
    """A number with more digits is refused under the option, and kept whole without it."""
    assert read_json("[123, -12]", **options) == [123, -12]
    if read:
        assert read_json("1234", **options) == 1234
        return
    with pytest.raises(HugeNumberError) as caught:
        read_json("1234", **options)
    assert caught.value.digits == "1234"


def test_a_syntax_error_has_its_place() -> None:
    """Bytes and text are read alike, and the place can be told to the user."""
    for data in ('{"a": }', b'{"a": }'):
        with pytest.raises(json.JSONDecodeError) as caught:
            read_json(data)
        assert caught.value.pos == 6


def test_what_a_log_would_obey_is_escaped() -> None:
    """DEL and the old commands of CI logs come back as they were, and are not in the text."""
    value = {"##[error]a": "\x7f ##vso[x] # ## [ \\##[a"}
    text = plain_json(value, indent=2)
    assert "\x7f" not in text
    assert "##[" not in text
    assert "##vso[" not in text
    assert json.loads(text) == value


@given(text=st.text(st.characters() | st.sampled_from("\ud83d\ude00😀"), max_size=12), data=st.data())
def test_pieces_join_to_what_json_would_read(text: str, data: st.DataObject) -> None:
    """Two halves of a character that meet are that character; a half alone stays what it is."""
    # As the escapes of JSON have it: each character beyond the first 65,536 in two halves.
    halves = [
        chr(int(unit, 16))
        for unit in re.findall("[0-9a-f]{4}", text.encode("utf-16-be", "surrogatepass").hex())
    ]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(halves)), max_size=4)))
    pieces = ["".join(halves[a:b]) for a, b in pairwise([0, *cuts, len(halves)])]
    assert join_text(pieces) == json.loads(json.dumps("".join(halves)))


_ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
)


class _Lazy(Sequence[Any]):
    """A sequence that is no list, as one that makes its items."""

    def __init__(self, items: list[Any]) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, at: Any) -> Any:
        return self._items[at]


@given(_ANY_JSON)
def test_pieces_of_json_join_to_the_indented_text(value: Any) -> None:
    """Whatever the shape, and also where a sequence makes its items."""
    assert "".join(json_pieces(value)) == plain_json(value, indent=2) + "\n"
    held = {"cases": _Lazy([value, value]), "none": _Lazy([])}
    assert "".join(json_pieces(held)) == plain_json({"cases": [value, value], "none": []}, indent=2) + "\n"


def test_a_long_json_text_comes_in_pieces() -> None:
    """What is written piece by piece is never in memory as a whole, and no item is cut in two."""
    value = {"rows": _Lazy([{"name": f"row {number}", "of": 9} for number in range(20_000)])}
    pieces = list(json_pieces(value))
    assert max(map(len, pieces)) < 2 * 65_536
    assert len(pieces) > 10
    assert all(piece.count("{") == piece.count("}") for piece in pieces[1:-1])


def test_what_is_made_of_an_object_stands_in_its_place() -> None:
    """Inner objects first; a key that is there twice is refused as without."""
    text = '{"a": {"n": 1}, "b": [{"n": 2}, {"m": 3}]}'
    made = read_json(text, made=lambda value: value.get("n", value))
    assert made == {"a": 1, "b": [2, {"m": 3}]}
    with pytest.raises(DuplicateKeyError):
        read_json('{"a": 1, "a": 2}', made=dict)
