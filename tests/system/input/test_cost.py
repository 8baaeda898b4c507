"""What checking may cost: nothing hostile takes much memory, or time that grows faster than the file.

Processor time is held by a limit of the process, several times above what is needed.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.command import COMMAND, environment
from tests.system.harness.sweeps import spread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

MOST_MEMORY = 150 * 1024 * 1024
MOST_CPU_S = 12
MEBIBYTE = 2**20

HEAD = "model: claude-haiku-5-5\nmax_tokens: 10\n"
TURNS = "turns: [{user: '{{ c1 }}'}]\n"


def flow(make: Callable[[int], str], *, before: str = "[", after: str = "]") -> str:
    """Return as many entries as fit into one line of a mebibyte."""
    parts: list[str] = []
    size = len(HEAD) + len(TURNS) + len(before) + len(after) + 200
    while size < MEBIBYTE:
        parts.append(make(len(parts)))
        size += len(parts[-1]) + 2
    return before + ", ".join(parts[:-1]) + after


def table(columns: int, rows: int) -> str:
    """Return a CSV of so many columns and rows."""
    names = ",".join(f"c{number}" for number in range(columns))
    return "\n".join([f"id,{names}", *(f"r{row}," + ",".join(["1234567"] * columns) for row in range(rows))])


def words(count: int, form: str) -> str:
    """Return numbered words."""
    return "".join(form.format(number) for number in range(count))


SCENARIOS: Mapping[str, Callable[[], str]] = {
    "unknown keys": lambda: flow(lambda n: f"k{n}: 1", before="{turns: [{user: Hi}], ", after="}"),
    "unknown expectations": lambda: (
        HEAD + "turns: [{user: Hi, expect: " + flow(lambda n: f"{{contians{n}: 1}}") + "}]"
    ),
    "wrong entries of an expectation": lambda: (
        HEAD + "turns: [{user: Hi, expect: [{contains: {any: " + flow(str) + "}}]}]"
    ),
    "unknown keys of an expectation": lambda: (
        HEAD
        + "turns: [{user: Hi, expect: [{contains: "
        + flow(lambda n: f"a{n}: 1", before="{", after="}")
        + "}]}]"
    ),
    "undefined variables in one text": lambda: (
        HEAD + 'turns: [{user: "' + words(100_000, "{{{{k{}}}}}") + '"}]'
    ),
    "undefined variables in many turns": lambda: (
        HEAD + "turns: " + flow(lambda n: f'{{user: "{{{{k{n}}}}}"}}')
    ),
    "undefined variables in many cases": lambda: (
        HEAD + 'turns: [{user: "' + words(40_000, "{{{{k{}}}}}") + '"}]\n'
        "cases: [" + words(20_000, "{{id: c{}, vars: {{a: 1}}}}, ") + "]"
    ),
    "unused variables beside undefined ones": lambda: (
        HEAD
        + 'turns: [{user: "'
        + words(40_000, "{{{{aa{}}}}}")
        + '"}]\nvars: {'
        + words(50_000, "ab{}: 1, ")
        + "}"
    ),
    "keys that stand twice": lambda: (
        HEAD + TURNS + "vars: " + flow(lambda _: "k" * 40 + ": 1", before="{", after="}")
    ),
    "long keys that stand twice": lambda: (
        HEAD + TURNS + "vars: " + flow(lambda _: "k" * 900 + ": 1", before="{", after="}")
    ),
    "anchors": lambda: HEAD + TURNS + "vars: " + flow(lambda n: f"k{n}: &a 1", before="{", after="}"),
    "numbers of no size": lambda: (
        HEAD + TURNS + "vars: " + flow(lambda n: f"k{n}: {10**30}", before="{", after="}")
    ),
    "tags that never end": lambda: HEAD + 'turns: [{user: "' + "{{" * (MEBIBYTE // 2 - 100) + '"}]',
    "tags that are wrong": lambda: HEAD + "turns: " + flow(lambda n: f'{{user: "{{{{ a{n} | }}}}"}}'),
    "tags with unknown filters": lambda: (
        HEAD + 'turns: [{user: "' + words(50_000, "{{{{a|uper{}}}}}") + '"}]'
    ),
    "one long expression": lambda: HEAD + 'turns: [{user: "{{ a' + ".a" * (MEBIBYTE // 2 - 100) + ' }}"}]',
    "scripted turns": lambda: HEAD + "turns:\n" + "- user: a\n- assistant: b\n" * 30_000 + "- user: a",
    "system turns": lambda: HEAD + "turns:\n- user: a\n" + "- system: b\n" * 60_000,
    "missing images": lambda: HEAD + "turns: [{user: " + flow(lambda _: "{image: no.png}") + "}]",
    "a large schema": lambda: (
        HEAD
        + "turns: [{user: Hi, expect: [{json: {properties: "
        + flow(lambda n: f"a{n}: {{type: string}}", before="{", after="}")
        + "}}]}]"
    ),
    "a pattern that is written out": lambda: (
        HEAD + 'turns: [{user: Hi, expect: [{matches: "' + "a{1000}" * 149_000 + '"}]}]'
    ),
    "models and variants": lambda: (
        "turns: [{user: Hi}]\nmodels: [" + words(15_000, "{{model: claude-haiku-5-5, label: m{}}}, ") + "]\n"
        "variants: [" + words(20_000, "{{id: v{}}}, ") + "]"
    ),
}

TABLES: Mapping[str, tuple[str, Callable[[], str]]] = {
    "fifty thousand columns": ("csv", lambda: table(50_000, 12)),
    "columns of one name": ("csv", lambda: "id," + "c," * 50_000 + "c\n" + "1," * 50_001 + "1\n"),
    "columns of no name": ("csv", lambda: table(50_000, 12).replace(",c", ",c ")),
    "columns in quotes": ("csv", lambda: words(50_000, '"c{}",') + "c\n" + "1," * 50_000 + "1\n"),
    "rows without an end": ("csv", lambda: table(50_000, 1) + "\n1,2" * 1_000_000),
    "more rows than any run plays": ("csv", lambda: "id,c1\n" + words(400_000, "a{},1\n")),
    "one id for all": ("csv", lambda: "id,c1\n" + "a,1\n" * 90_000),
    "ids of no kind": ("csv", lambda: "id,c1\n" + "a/b,1\n" * 90_000),
    "one long object": ("jsonl", lambda: "{" + words(90_000, '"c{}": 1, ') + '"c": 1}'),
    "wide objects": ("jsonl", lambda: ("{" + words(50_000, '"c{}": 1, ') + '"c": 1}\n') * 7),
    "lines that are no JSON": ("jsonl", lambda: "{\n" * 2_000_000),
}


MEASURE = """
import os, resource, subprocess, sys
seconds, said, *command = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
with open(said, "wb") as output:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    _, status, usage = os.wait4(process.pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""
"""A small process that starts the command: a child begins with the peak of memory of its parent."""


def cost_of_checking(folder: Path) -> tuple[int, str, int]:
    """Check the scenario in a folder; return the exit code, what was said, and the most memory in bytes."""
    said = folder / "said.txt"
    command = [sys.executable, "-c", MEASURE, str(MOST_CPU_S), str(said), str(COMMAND), "check", "a.yaml"]
    measured = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, check=True)
    code, peak = map(int, measured.stdout.split())
    unit = 1 if sys.platform == "darwin" else 1024
    return code, said.read_text(encoding="utf-8"), peak * unit


def is_judged(folder: Path) -> str:
    """Return what is said of a scenario that must be judged without much memory, or fail."""
    code, said, memory = cost_of_checking(folder)
    assert code in {0, 2}, said[:500]
    assert memory < MOST_MEMORY
    assert said.count("-->") <= 100
    assert len(said) < 200_000
    return said


@pytest.mark.parametrize("name", spread(sorted(SCENARIOS), one_in=3))
def test_a_scenario_of_a_mebibyte_is_judged(tmp_path: Path, name: str) -> None:
    """Whatever fills it, and however many problems that makes."""
    text = SCENARIOS[name]()
    assert len(text) <= MEBIBYTE
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    is_judged(tmp_path)


@pytest.mark.parametrize("name", spread(sorted(TABLES), one_in=3))
def test_a_file_of_cases_of_five_megabytes_is_judged(tmp_path: Path, name: str) -> None:
    """However wide, long or broken it is."""
    kind, content = TABLES[name]
    (tmp_path / "a.yaml").write_text(f"{HEAD}{TURNS}cases: {{file: c.{kind}}}\n", encoding="utf-8")
    (tmp_path / f"c.{kind}").write_text(content(), encoding="utf-8")
    is_judged(tmp_path)


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    """A hundred problems are shown with a part of their line, and the others are a number."""
    keys = "".join(f", key{number}: 1" for number in range(4000))
    (tmp_path / "a.yaml").write_text(
        f"{{model: claude-haiku-5-5, turns: [{{user: Hi}}]{keys}}}\n# end", encoding="utf-8"
    )
    said = is_judged(tmp_path)
    assert said.endswith("... and 3,900 more\n")
    assert said.count("unknown key") == 100
    assert max(map(len, said.split("\n"))) < 700
