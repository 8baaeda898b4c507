"""Any text reads back from the literal of each language as itself."""

from __future__ import annotations

import ast
import json
import random
import re
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_run.report.export.literals import PYTHON, TYPESCRIPT, python_text, typescript_text, value
from claude_run.report.export.script import Reading, Saved
from claude_run.text.strict_json import readable_json
from tests.support.hostile_corpus import CORPUS
from tests.support.node import require_node

ODD = [
    '"',
    "'",
    "`",
    "\\",
    "\n",
    "\r",
    "\t",
    " ",
    "$",
    "${",
    "{",
    "}",
    '"""',
    "\0",
    "\ud800",
    "\u2028",
    "\n\n",
]
ODD += ["\U000e0001", "😀", "\x85", "\u202e", "::set-output x", "##[group]", "*/", "a", "é"]
TEXTS = st.lists(st.one_of(st.sampled_from(ODD), st.text(max_size=3)), max_size=60).map("".join)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(TEXTS, inside, max_size=4),
    max_leaves=20,
)


@given(TEXTS)
@settings(max_examples=1000)
def test_python_reads_a_text_as_it_was(text: str) -> None:
    """Python itself reads the literal, in one line or in several."""
    assert ast.literal_eval(python_text(text)) == text


@given(st.lists(st.one_of(TEXTS, st.just(Saved(name="x"))), max_size=5))
def test_python_fills_in_what_was_saved(pieces: list[str | Saved]) -> None:
    """An f-string gives the text with what was saved in its places, and nothing else is read as code."""
    reading = Reading(pieces=(*pieces, Saved(name="x")))
    expected = "".join(piece if isinstance(piece, str) else "<{x}>" for piece in reading.pieces)

    assert eval(python_text(reading), {"saved": {"x": "<{x}>"}}) == expected  # noqa: S307 - the literal is what is tested


def test_javascript_reads_texts_as_they_were() -> None:
    """Node reads 3,000 random texts, and the hostile corpus, alone and with what was saved in them."""
    require_node()
    chance = random.Random(1)  # noqa: S311 - no secret
    texts = ["".join(chance.choices(ODD, k=chance.randrange(40))) for _ in range(3000)] + [*CORPUS]
    readings = [Reading(pieces=(text, Saved(name="x"), text)) for text in texts]
    lines = ",\n".join([*map(typescript_text, texts), *map(typescript_text, readings)])
    program = f"const saved = {{x: '${{1}}'}}; process.stdout.write(JSON.stringify([{lines}]));"

    done = subprocess.run(["node", "-"], input=program.encode(), capture_output=True, check=True)  # noqa: S607 - of this machine

    assert json.loads(done.stdout) == [*texts, *(f"{text}${{1}}{text}" for text in texts)]


@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no shell here")
def test_a_shell_reads_json_as_it_was() -> None:
    """What stands in a document of a shell script comes out as it is: nothing in it is expanded."""
    texts = [text for text in [*CORPUS, "JSON", "$(id)`id`$HOME\\", "'\n!!"] if len(text) < 10_000]
    script = f"cat <<'JSON'\n{readable_json(texts)}\nJSON\n"

    done = subprocess.run(["sh"], input=script.encode(), capture_output=True, check=True)  # noqa: S607 - of this machine

    assert json.loads(done.stdout) == texts


@given(VALUES)
def test_python_reads_a_value_as_it_was(part: object) -> None:
    """Lists and objects read back too, wherever their lines break."""
    assert ast.literal_eval(value(part, PYTHON, indent=4, column=70)) == part  # type: ignore[arg-type] # any JSON


def test_a_key_that_javascript_inherits_is_a_key() -> None:
    """`__proto__` is written so that it is a key like any other."""
    assert value({"__proto__": 1, "a-b": 2, "c": 3}, TYPESCRIPT) == '{ ["__proto__"]: 1, "a-b": 2, c: 3 }'


def test_long_values_have_one_entry_a_line() -> None:
    """What does not fit on a line is taken apart, and its lines are indented."""
    shown = value({"a": ["x" * 50, "y" * 50], "b": {}}, PYTHON)
    assert (
        shown == f'{{\n    "a": [\n        "{"x" * 50}",\n        "{"y" * 50}",\n    ],\n    "b": {{}},\n}}'
    )
    assert re.fullmatch(r"\S.*", value(list(range(20)), TYPESCRIPT))
