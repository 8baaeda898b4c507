"""Text and values arrive as they were written, or somebody is told what YAML makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.system.input.checking import HEAD, check, play, sent

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.harness.workspace import Workspace


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (r"'Explain \newcommand{\kw}[1]{#1} and \textbf{#2} on the list.'", None),
        (r"'Explain {#1} to {{ who }}, {# not a comment #}.'", "Explain {#1} to Ada, {# not a comment #}."),
        ("'{# a #}{% if who %}b{#{% endif %}'", "{# a #}b{#"),
        (r'"one\r\ntwo\rthree {{ who }}"', "one\r\ntwo\rthree Ada"),
        (r'"one\r\ntwo {% if who %}\r\n{% endif %}{{ who }}"', "one\r\ntwo \r\nAda"),
        ("'50 %} of {braces} }} and #} {{ who }}'", "50 %} of {braces} }} and #} Ada"),
        ("'  {{ who }}\t'", "  Ada\t"),
    ],
)
def test_a_text_reaches_the_model_whole(workspace: Workspace, source: str, expected: str | None) -> None:
    """LaTeX, signs of a template that are none, and line breaks by escapes, with variables and without."""
    result, bodies = play(
        workspace, f"{HEAD}vars: {{who: Ada}}\nturns:\n  - user: {source}\n  - user: '{{{{ who }}}}'\n"
    )
    assert result.code == 0, result.stderr
    assert sent(bodies)[0] == (expected or source.strip("'"))


def test_line_ends_are_lf_wherever_a_text_stands(workspace: Workspace) -> None:
    """A checkout with CR LF sends what one with LF sends: prompts, documents and cells of a table."""
    files = {
        "prompt.md": "line one\nline two\n{{ q }}\n",
        "notes.txt": "a\nb\n",
        "cases.csv": 'id,q\none,"first\nsecond"\n',
    }
    text = (
        f"{HEAD}system: {{file: prompt.md}}\ncases: {{file: cases.csv}}\n"
        "turns:\n  - user:\n      - text: |\n          {{ q }}\n          x\n      - document: notes.txt\n"
    )
    bodies: list[Any] = []
    for ends in ("\n", "\r\n", "\r"):
        for name, content in files.items():
            (workspace.folder / name).write_bytes(content.replace("\n", ends).encode())
        result, found = play(workspace, text.replace("\n", ends))
        assert result.code == 0, result.stderr
        bodies += found
    assert bodies[0] == bodies[1] == bodies[2]
    assert bodies[0]["system"][0]["text"] == "line one\nline two\nfirst\nsecond\n"
    assert bodies[0]["messages"][0]["content"][1]["source"]["data"] == "a\nb\n"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("1.50", "reach the model as `1.5`"),
        ("3.10", "reach the model as `3.1`"),
        ("1e3", "reach the model as `1000.0`"),
        ("-0", "reach the model as `0`"),
        ("True", "reach the model as `true`"),
        ("~", "reach the model as `null`"),
        ("[a, {b: 2.0e1}]", "reach the model as `20.0`"),
        ("", "this value is empty"),
    ],
)
@pytest.mark.parametrize("place", ["vars: {{v: {}}}\n", "cases: [{{id: a, vars: {{v: {}}}}}]\n"])
def test_a_value_that_would_be_respelled_is_refused(
    tmp_path: Path, value: str, said: str, place: str
) -> None:
    """A version or a price keeps its zeros, or somebody is told to quote it."""
    code, output = check(tmp_path, HEAD + place.format(value) + "turns: [{user: '{{ v }}'}]\n")
    assert (code, said in output) == (2, True), output
    assert "quote it" in output or "write ''" in output


@pytest.mark.parametrize(
    "value", ["1.5", "7", "007", "1_000", "+1", "0.10.2", "yes", "2026-11-28", "null", "true"]
)
def test_any_other_value_reaches_the_model_in_its_spelling(workspace: Workspace, value: str) -> None:
    """Numbers, what only looks like a number, and the words of YAML."""
    (workspace.folder / "c.yaml").write_text(f"- {{id: a, v: {value}}}\n", encoding="utf-8")
    result, bodies = play(
        workspace,
        f"{HEAD}vars: {{w: {value}}}\ncases: {{file: c.yaml}}\n"
        "turns: [{user: '{{ v }} {{ w }}'}]\n",
    )
    assert (result.code, sent(bodies)) == (0, [f"{value} {value}"]), result.stderr


def test_numbers_in_a_file_of_objects_keep_their_spelling(tmp_path: Path) -> None:
    """JSON has no other way to write 1.50 than in quotes, if it is a text."""
    (tmp_path / "c.jsonl").write_text('{"id": "a", "v": 1.50}\n{"id": "b", "v": "1.50"}\n', encoding="utf-8")
    code, output = check(tmp_path, f"{HEAD}cases: {{file: c.jsonl}}\nturns: [{{user: '{{{{ v }}}}'}}]\n")
    assert code == 2
    assert "c.jsonl:1:1" in output
    assert output.count("error:") == 1


@pytest.mark.parametrize(
    ("source", "place", "said"),
    [
        (r'expect: [{not: {matches: "(?i)\bguarantee\b"}}]', "6:35", "`\\b` in double quotes is a backspace"),
        (r'expect: [{not: {contains: "C:\new\bin"}}]', "6:38", "`\\b` in double quotes is a backspace"),
        (r'save: {x: "\Pa"}', "6:16", "`\\P` in double quotes is a paragraph separator"),
        ("example: Where is order #4711?", "6:29", "the text ends here: ` #4711?` is a comment in YAML"),
        ("expect: [contains: order #4711\n    ]", "6:30", "the text ends here"),
        ("example: Where is\n      #4711 now", "7:7", "the text ends here"),
    ],
)
def test_what_yaml_makes_of_a_plain_sentence_is_said(
    tmp_path: Path, source: str, place: str, said: str
) -> None:
    """A backslash that is none, and the rest of a sentence that is a comment, send users to single quotes."""
    code, output = check(tmp_path, f"{HEAD}turns:\n  - user: x\n    {source}\n")
    assert code == 2
    assert f"a.yaml:{place}\n" in output
    assert said in output
    assert "use single quotes" in output


@pytest.mark.parametrize(
    "source",
    [
        "user: a # a comment",
        "user: 'a' #4711",
        "user: a#b",
        r'user: "a\tb\n\"\\b \x08"',
        "user: # x\n      a",
        "user: a\n  # 7",
    ],
)
def test_ordinary_comments_and_escapes_are_none_of_it(tmp_path: Path, source: str) -> None:
    """Only what would change a text in silence is an error."""
    code, output = check(tmp_path, f"{HEAD}turns:\n  - {source}\n")
    assert code == 0, output


def test_a_number_that_a_comment_cuts_off_is_refused(tmp_path: Path) -> None:
    """`room: 12 #4` is a room, and no room 12."""
    code, said = check(tmp_path, f"{HEAD}vars:\n  room: 12 #4\nturns: [{{user: '{{{{ room }}}}'}}]\n")
    assert (code, "the text ends here: ` #4`" in said) == (2, True)


@pytest.mark.parametrize("text", ["What is item # 5?", "Is C # or F # better?", "Hi # greet the user"])
def test_a_comment_that_may_be_a_part_of_the_sentence_is_warned_of(tmp_path: Path, text: str) -> None:
    """Close behind the text nobody can tell; two blanks, or quotes, say which it is."""
    code, said = check(tmp_path, f"{HEAD}turns:\n  - user: {text}\n")
    sent, _, comment = text.partition(" # ")
    assert (code, f"warning: the text ends before the comment `# {comment}`" in said) == (0, True), said
    assert "warning" not in check(tmp_path, f"{HEAD}turns:\n  - user: {sent}  # {comment}\n")[1]
    assert "warning" not in check(tmp_path, f"{HEAD}turns:\n  - user: '{text}'\n")[1]
    code, said = check(tmp_path, f"{HEAD}turns: [{{user: x, expect: [contains: {sent}]}}] # {comment}\n")
    assert (code, "warning" in said) == (0, False)
