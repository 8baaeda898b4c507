"""The escaping functions: what they show, and that nothing raw gets through for any text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.report.text.safe import (
    SafeStream,
    fence,
    md_cell,
    md_code,
    md_code_cell,
    md_inline,
    md_quote,
    safe_block,
    safe_line,
    safe_terminal,
)
from claude_run.text.strict_json import join_text
from tests.unit.report.safe_output import assert_safe, rendered

LIVE = "\x00\x1b\x07\r\x7f\x85\x9b\u202e\u2066\u200b\ufeff\u2028\ud800\n\t `~<>&@#![]()|\\*_:-+=.$1aGHw/{}"
TEXTS = st.text(st.one_of(st.sampled_from(LIVE), st.characters()), max_size=60)
any_text = settings(max_examples=100, deadline=None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b[31m\x07\x00\r", "^[[31m^G^@^M"),
        ("\x7f\x85\x9b", r"\x7f\x85\x9b"),
        ("\u202e\u2066\u200b\ufeff", "<U+202E><U+2066><U+200B><U+FEFF>"),
        ("\ud800 \U000e0041", "<U+D800> <U+E0041>"),
        ("\u2028", "<U+2028>"),
        ("naïve 你好 שלום 🙂 e\u0301", "naïve 你好 שלום 🙂 e\u0301"),
        ("::error::x", r"\x3a:error::x"),
        ("a\n \u00a0::add-mask::x", "a\n \u00a0\\x3a:add-mask::x"),
        ("std::vector, a :: b", "std::vector, a :: b"),
        ("x ##[error]y ##vso[z", r"x \x23#[error]y \x23#vso[z"),
        ("## heading", "## heading"),
    ],
)
def test_terminal_text_shows_what_a_terminal_would_obey(text: str, shown: str) -> None:
    """Controls, format characters, surrogates and CI commands are spelled out, and nothing else."""
    assert safe_terminal(text) == shown


@any_text
@given(
    st.lists(st.text(st.one_of(st.sampled_from(LIVE + "::##[[aa"), st.characters()), max_size=8), max_size=20)
)
def test_a_text_in_pieces_is_shown_as_the_whole(pieces: list[str]) -> None:
    """Wherever an escape, a command or a surrogate pair is cut, the pieces come out as their sum would."""
    stream = SafeStream()
    shown = "".join([*map(stream.add, pieces), stream.end()])
    assert shown == safe_terminal(join_text(pieces))


def test_what_cannot_become_anything_else_is_shown_at_once() -> None:
    """Of ordinary text nothing is held back, so that a reader sees each word when it comes."""
    stream = SafeStream()
    assert [stream.add(piece) for piece in ("He", "llo: a", "\x1b[31", "m\n")] == [
        "He",
        "llo: a",
        "^[[31",
        "m\n",
    ]
    assert [stream.add(piece) for piece in (":", ":", " no", " #", "1")] == ["", "", ":: no", " ", "#1"]


def test_a_line_folds_breaks_and_tabs() -> None:
    """The one-line variant keeps the words and loses the breaks."""
    assert safe_line("a\n\n\tb\nc\x1b") == "a b c^["


def test_a_command_cannot_be_made_by_folding() -> None:
    """A command that stands behind a line break alone is still none."""
    assert safe_line("\n::error::x") == r" \x3a:error::x"


def test_a_block_has_its_prefix_before_every_line() -> None:
    """The prefix stands before each line, and a final line break adds no empty line."""
    assert safe_block("a\nb\r\n::c\n", "| ") == "| a\n| b^M\n| \\x3a:c"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "```text\nplain\n```"),
        ("a\n", "```text\na\n```"),
        ("", "```text\n\n```"),
        ("```\nx\n```", "````text\n```\nx\n```\n````"),
        ("~~~~~", "``````text\n~~~~~\n``````"),
        ("\x1b\ud800", "```text\n^[<U+D800>\n```"),
    ],
)
def test_a_fence_is_longer_than_any_run_inside(text: str, shown: str) -> None:
    """Backticks and tildes in the text lengthen the fence; the text itself stays as it is."""
    assert fence(text) == shown


def test_a_fence_names_its_language() -> None:
    """JSON is fenced as JSON."""
    assert fence("{}", "json") == "```json\n{}\n```"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("max_tokens of $0.01 at a.b", "max_tokens of $0.01 at a.b"),
        ("a*b_ _c ~d~ `e`", r"a\*b\_ \_c \~d\~ \`e\`"),
        ("<b> & |", r"&lt;b&gt; &amp; \|"),
        ("@team #1 GH-2", "@\u2060team \\#\u20601 GH\u2060-2"),
        ("https://x www.y", "https:\u2060//x www\u2060.y"),
        ("![a](b)", r"\!\[a\](b)"),
        ("- a\n- b", r"\- a - b"),
        ("1. a", r"1\. a"),
        ("    code", "code"),
        ("$x$", r"\$x\$"),
        ("\x1b", r"^\["),
    ],
)
def test_inline_text_is_inert(text: str, shown: str) -> None:
    """Markup is escaped where it would be markup, and nowhere else."""
    assert md_inline(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("One.\nTwo.\n\nThree.\n", "> One.  \n> Two.\n>  \n> Three."),
        ("- a\n  - b\n\t1. c", "> \\- a  \n> \u00a0\u00a0- b  \n> \u00a0\u00a0\u00a0\u00a01. c"),
        ("1. a\n2) b\n2.5", "> 1\\. a  \n> 2\\) b  \n> 2\\.5"),
        ("# no\n> no\n===\n:-|\n+ x", "> \\# no  \n> \\> no  \n> \\===  \n> \\:-\\|  \n> \\+ x"),
        ("[!NOTE] *a* _b_ c_d $x$ $5", "> \\[\u2060!NOTE] \\*a\\* \\_b\\_ c_d \\$x\\$ $5"),
        ("Hi @me, #12, & <b>", "> Hi @\u2060me, \\#\u206012, &amp; &lt;b>"),
        ("https://a.b WWW.a GH-1", "> https:\u2060//a.b WWW\u2060.a GH\u2060-1"),
        (" \n\t\n", "> (empty)"),
        ("a\n   \nb", "> a\n>  \n> b"),
        ("See:\n```python\na *= 1\n```\nEnd.", "> See:\n>\n> ```python\n> a *= 1\n> ```\n>\n> End."),
        ("1. See:\n   ```\n   a\n     b\n   ```", "> 1\\. See:\n>\n> ```text\n> a\n>   b\n> ```"),
        ("````mermaid\n```\n````", "> ````text\n> ```\n> ````"),
        ("~~~ js title\nopen", "> ```js\n> open\n> ```"),
    ],
)
def test_a_quote_reads_as_it_was_written(text: str, shown: str) -> None:
    """Lines, paragraphs, lists, indentation and code stay as they were, and nothing of it acts."""
    assert md_quote(text) == shown


def test_a_quote_may_be_code_as_a_whole() -> None:
    """Then its fence cannot be closed by it, and the quote not be left."""
    assert md_quote('{\n"a": "```"}', "json") == '> ````json\n> {\n> "a": "```"}\n> ````'


def test_a_cell_splits_at_no_pipe_and_is_never_empty() -> None:
    """A pipe in a cell is an entity, and nothing is a dash."""
    assert md_cell("a|b") == "a&#124;b"
    assert md_cell("") == "-"
    assert md_code_cell("a|b") == "a&#124;b"
    assert md_code_cell("a/b") == "`a/b`"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a", "`a`"),
        ("", "(empty)"),
        (" \n", "(empty)"),
        ("a`b", "``a`b``"),
        ("`", "`` ` ``"),
        ("`a``b", "``` `a``b ```"),
        ("@team #1", "`@team #1`"),
    ],
)
def test_a_code_span_outnumbers_the_backticks_inside(text: str, shown: str) -> None:
    """The delimiter is a run of backticks that the text does not have."""
    assert md_code(text) == shown


@given(TEXTS)
@any_text
def test_no_text_commands_a_terminal(text: str) -> None:
    """Whatever the text, a terminal and a CI log only show it."""
    assert_safe("terminal", safe_terminal(text))
    assert_safe("terminal", safe_block(text, "| "))
    assert_safe("line", safe_line(text))


@given(TEXTS)
@any_text
def test_escaping_for_the_terminal_is_done_once(text: str) -> None:
    """Text that was escaped is safe already: a second pass changes nothing."""
    assert safe_terminal(safe_terminal(text)) == safe_terminal(text)


@given(TEXTS)
@any_text
def test_no_text_closes_its_fence(text: str) -> None:
    """Whatever the text, the fence ends where it should."""
    assert_safe("fence", fence(text))


@given(TEXTS)
@any_text
def test_no_text_is_markup(text: str) -> None:
    """Whatever the text, it makes no link, image, HTML, mention, reference, list, heading or further cell."""
    assert_safe("inline", md_inline(text))
    assert_safe("inline", md_code(text))
    assert_safe("cell", md_cell(text))
    assert_safe("cell", md_code_cell(text))


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60))
@any_text
def test_a_reader_sees_the_text_itself(text: str) -> None:
    """What is escaped for Markdown is rendered back to the very text."""
    assert rendered(md_inline(text)) == text
    assert rendered(md_code(text)) == text
    assert rendered(md_cell(text)) == text
