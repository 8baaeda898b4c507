"""RE2's patterns in other languages: what they find is compared with what RE2 finds."""

from __future__ import annotations

import json
import random
import re
import subprocess
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import re2

from claude_run.report.export.patterns import NotCarriedError, translate
from tests.support.node import require_command, require_node

if TYPE_CHECKING:
    from claude_run.report.export.patterns import Dialect

ATOMS = ["a", "b", "K", "ß", "é", "É", ".", "^", "$", r"\w", r"\W", r"\d", r"\s", r"\S", r"\b", r"\A", r"\z"]
ATOMS += ["[a-c]", "[^a]", r"[\s\d]", r"[\S]", r"[\W\n]", "[[:alpha:]]", "[[:^digit:]-]", r"\.", r"\/", "/"]
ATOMS += [
    "-",
    r"\n",
    "\n",
    r"\x41",
    r"\x{1F600}",
    "😀",
    r"\Qa.b\E",
    r"\-",
    '"',
    "'",
    "{",
    "}",
    "{,2}",
    " ",
    "#",
]
ATOMS += ["##[a]", "[]a]", "[-a]", "[a&&b]", r"[\]\-^]", r"\101", "_", "\u2028", "[\u2028x]", r"\t", "(?s:.)"]
ATOMS += ["(?m:^b$)", "(?-s:.)"]
TIMES = ["", "", "", "", "*", "+", "?", "{2}", "{1,2}", "*?", "+?"]
LETTERS = [*"aabbKk ßéÉ.\n\r\t-/_1{}\"'#A", "\u2028", "😀", "\x0b", "\xa0", "\x85", "B\n"]


def _pattern(chance: random.Random, depth: int = 0) -> str:
    parts = []
    for _ in range(chance.randint(1, 4)):
        if depth > 1 or chance.random() < 0.75:
            atom = chance.choice(ATOMS)
            parts.append(atom + (chance.choice(TIMES) if atom not in {"^", "$", r"\b", r"\A", r"\z"} else ""))
        else:
            inside = "|".join(_pattern(chance, depth + 1) for _ in range(chance.randint(1, 2)))
            parts.append(f"{chance.choice(['(', '(?:'])}{inside})")
    return "".join(parts)


@cache
def _found_by_re2() -> list[tuple[str, list[str], list[list[str | None] | None]]]:
    """Return patterns with texts, and what RE2 finds in each: the whole match and its first group."""
    chance, options = random.Random(7), re2.Options()  # noqa: S311 - no secret
    options.log_errors = False
    rows: list[tuple[str, list[str], list[list[str | None] | None]]] = []
    while len(rows) < 1500:
        flags = chance.choice(["", "", "(?i)", "(?m)", "(?s)", "(?im)", "(?ms)", "(?P<name>x)?"])
        pattern = flags + _pattern(chance)
        try:
            compiled = re2.compile(pattern, options)
        except re2.error:
            continue
        texts = ["".join(chance.choices(LETTERS, k=chance.randrange(12))) for _ in range(5)]
        found = [
            None if match is None else [match.group(0), match.group(1) if compiled.groups else None]
            for match in map(compiled.search, texts)
        ]
        rows.append((pattern, texts, found))
    return rows


def _carried(dialect: Dialect) -> list[tuple[Any, list[str], list[list[str | None] | None]]]:
    rows = []
    for pattern, texts, found in _found_by_re2():
        try:
            rows.append((translate(pattern, dialect), texts, found))
        except NotCarriedError:
            continue
    # Most patterns have a like, or the comparison would say nothing.
    assert len(rows) > 1200
    return rows


def test_python_finds_the_same() -> None:
    """Python's `re` finds what RE2 finds, and takes the same group out."""
    for pattern, texts, expected in _carried("python"):
        compiled = re.compile(pattern.source)
        assert pattern.has_group == (compiled.groups > 0)
        found = [
            None if match is None else [match.group(0), match.group(1) if compiled.groups else None]
            for match in map(compiled.search, texts)
        ]
        assert found == expected, pattern


def test_javascript_finds_the_same() -> None:
    """JavaScript's expressions find what RE2 finds; where a part may be empty, only the whole is compared."""
    require_node()
    rows = _carried("javascript")
    cases = [[f"/{pattern.source}/{pattern.flags}u", texts] for pattern, texts, _ in rows]
    program = f"""
      const found = {json.dumps(cases)}.map(([source, texts]) => {{
        const pattern = eval(source);
        return texts.map((text) => text.match(pattern)).map((match) => match && [match[0], match[1] ?? null]);
      }});
      process.stdout.write(JSON.stringify(found));
    """
    done = subprocess.run(["node", "-"], input=program.encode(), capture_output=True, check=True)  # noqa: S607 - of this machine

    for (pattern, _, expected), found in zip(rows, json.loads(done.stdout), strict=True):
        assert found == expected, pattern


def test_jq_finds_the_same() -> None:
    """The expressions of jq find what RE2 finds; an empty group of an empty match is none for jq 1.6."""
    require_command("jq")
    rows = _carried("jq")
    cases = [
        {"text": text, "pattern": pattern.source, "flags": pattern.flags}
        for pattern, texts, _ in rows
        for text in texts
    ]
    program = ". as $case | [.text | match($case.pattern; $case.flags)]"
    text = "\n".join(map(json.dumps, cases))
    done = subprocess.run(["jq", "-c", program], input=text.encode(), capture_output=True, check=True)  # noqa: S607 - of this machine
    matches = map(json.loads, done.stdout.splitlines())

    for pattern, texts, expected in rows:
        for text, wanted in zip(texts, expected, strict=True):
            [found] = next(matches) or [None]
            whole = None if found is None else found["string"]
            assert whole == (None if wanted is None else wanted[0]), (pattern, text)
            if found and wanted and found["captures"] and found["length"]:
                assert found["captures"][0]["string"] == wanted[1], (pattern, text)


@pytest.mark.parametrize(
    ("pattern", "dialect", "why"),
    [
        (r"a(?i)b", "python", "(?i) stands in the middle: write it at the beginning"),
        (r"(?U)a*", "python", "the flag `U` has no like: write `*?` and `+?`"),
        (r"\pL", "python", r"\p has no like in other languages: write the characters out"),
        (r"\B", "jq", r"\B has no like in other languages: write the characters out"),
        (r"$*", "javascript", "$ is repeated, which says nothing: leave the sign behind it out"),
        (r"a(?i:b)", "javascript", "(?i: ignores case in a part: write (?i) at the beginning"),
        (r"a(?s:.)", "javascript", "(?s: holds for a part: write (?s) at the beginning"),
        (r"(?i)É\b", "python", "it ignores the case of letters outside of ASCII and has"),
    ],
)
def test_what_has_no_like_is_refused(pattern: str, dialect: Dialect, why: str) -> None:
    """No pattern is changed to one that finds other texts: the user learns what to write."""
    with pytest.raises(NotCarriedError, match=re.escape(why)):
        translate(pattern, dialect)


def test_ordinary_patterns_look_as_they_were() -> None:
    """A pattern stays as it is where that finds the same, but for the flag that makes letters ASCII."""
    assert translate(r"(?m)^Severity: (\w+)", "python").source == r"(?am)^Severity: (\w+)"
    assert translate(r"(?i)order [A-Z]-[0-9]+", "javascript").source == "order [A-Z]-[0-9]+"
