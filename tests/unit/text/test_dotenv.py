"""A `.env` file is read as people write them, and what may be meant otherwise is refused by its line."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_run.text.dotenv import DotenvError, read_dotenv


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("", {}),
        ("\n # a comment\n\t\n", {}),
        ("A=1", {"A": "1"}),
        ("A=1\nB=2\n", {"A": "1", "B": "2"}),
        ("\ufeffA=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("export A=1\n  export\tB = 2 \n", {"A": "1", "B": "2"}),
        ("export=1", {"export": "1"}),
        ("A=", {"A": ""}),
        ("A= # nothing", {"A": ""}),
        ("A=#1", {"A": ""}),
        ("A=a#b # c", {"A": "a#b"}),
        ("A=a b", {"A": "a b"}),
        ("A=x=y==", {"A": "x=y=="}),
        ("A=it's", {"A": "it's"}),
        ("A=pa$word$1\\n", {"A": "pa$word$1\\n"}),
        ("A='a # b' # c\nB=1", {"A": "a # b", "B": "1"}),
        ("A='${B} \\n \"'", {"A": '${B} \\n "'}),
        ('A="a # b"', {"A": "a # b"}),
        ('A="a\\nb\\t\\"\\\\\\$\\\'"', {"A": "a\nb\t\"\\$'"}),
        ('A="\\${B}"', {"A": "${B}"}),
        ('A="one\r\ntwo"\nB=1', {"A": "one\ntwo", "B": "1"}),
        ("A='one\ntwo'", {"A": "one\ntwo"}),
        ("A=ü", {"A": "ü"}),
    ],
)
def test_what_is_read(text: str, variables: dict[str, str]) -> None:
    """Names and values in their order, with nothing filled in."""
    assert list(read_dotenv(text).items()) == list(variables.items())


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("A=1\nhidden", 2, "this is neither NAME=value nor a comment, which begins with #"),
        ("A=1\n\n2B=hidden", 3, "this is neither"),
        ("A-B=hidden", 1, "this is neither"),
        ("=hidden", 1, "this is neither"),
        ("export A", 1, "this is neither"),
        ("A=1\nB=2\nA=hidden", 3, "A is set twice, in line 1 too: keep one of them"),
        ("A='x\ny'\nB=1\nB=hidden", 4, "B is set twice, in line 3 too"),
        ("B=1\nA='hidden", 2, "the value of A begins with a quotation mark that is never closed"),
        ('A="hidden\\"', 1, "never closed"),
        ("A='hid'den'", 1, "more stands behind the quoted value of A: is a quotation mark in it?"),
        ('A="hidden" B=1', 1, "more stands behind"),
        ("A=x${hidden}", 1, "the value of A holds ${...}, which is not filled in"),
        ('A="\n${hidden}"', 1, "or put it into single quotes"),
        ('A="hidden\\d"', 1, "a backslash in the value of A escapes nothing that is known"),
        ("A=1\nB=hid\0den", 2, "a NUL character stands here"),
        ("A=1\rB=hidden", 1, "a carriage return without a line feed stands here"),
    ],
)
def test_what_is_refused(text: str, line: int, words: str) -> None:
    """With its line; what stands there may be a secret, and is not repeated."""
    with pytest.raises(DotenvError) as caught:
        read_dotenv(text)
    assert caught.value.line == line
    assert words in str(caught.value)
    assert "hidden" not in str(caught.value)


@given(st.text(st.sampled_from("AB=\n\r '\"\\#$ {}n\0\tü"), max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else is raised, and a line that is named is there."""
    try:
        variables = read_dotenv(text)
    except DotenvError as error:
        found = error
    else:
        assert all(name.isidentifier() for name in variables)
        return
    assert 1 <= found.line <= text.count("\n") + 1


@given(
    st.dictionaries(st.from_regex(r"[A-Za-z_]\w{0,5}", fullmatch=True), st.text(st.characters(codec="utf-8")))
)
def test_what_is_written_in_double_quotes_comes_back(variables: dict[str, str]) -> None:
    """Whatever it is, once what means something there is escaped."""
    variables = {name: value.replace("\0", "") for name, value in variables.items() if name.isascii()}
    escaped = {
        name: value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("\r", "\\r")
        for name, value in variables.items()
    }
    text = "".join(f'{name}="{value}"\n' for name, value in escaped.items())
    assert read_dotenv(text) == variables


@pytest.mark.parametrize(
    "text",
    ["A" + " " * 2**20, "A=x" + " " * 2**20 + "y", '"' * 2**20, 'A="' + "\\\\" * 2**19, "\n" * 2**20,
     "".join(f"V{number}=\n" for number in range(100_000)), " #" * 2**19, "A=" + "# " * 2**19],
    ids=["blanks", "blanks within", "quotes", "backslashes", "lines", "names", "comments", "hashes"],
)  # fmt: skip
def test_a_mebibyte_of_anything_takes_no_time(text: str) -> None:
    """The time grows with the length and no faster."""
    begin = time.process_time()
    with suppress(DotenvError):
        read_dotenv(text)
    assert time.process_time() - begin < 5
