"""What a person sees at a terminal of 80 x 24: it fits the screen, and the cause comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.command import COMMAND, environment
from tests.support.screen import COLUMNS, in_terminal
from tests.support.scripted_server import error_answer
from tests.system.faults.api import Api, ok, scenario
from tests.system.harness.workspace import KEY

if TYPE_CHECKING:
    from tests.support.screen import Screen
    from tests.system.harness.workspace import Workspace

ROWS = 23
"""Of 24 rows the last is the shell's, which asks for the next command."""


def shown(workspace: Workspace, *arguments: str, code: int, url: str = "http://127.0.0.1:9") -> Screen:
    """Run the command in a terminal, and return the screen that it leaves."""
    more = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url, "TERM": "xterm"}
    command, env = [str(COMMAND), *arguments], environment(workspace.folder, more)
    with in_terminal(command, cwd=workspace.folder, env=env, rows=ROWS + 1) as terminal:
        assert terminal.wait() == code, terminal.screen.rows
    return terminal.screen


@pytest.mark.parametrize("replies", ["the same", "different"])
def test_ten_conversations_that_fail_for_one_cause(workspace: Workspace, replies: str) -> None:
    """They are told once, with the names of all, whatever the replies were."""
    text = scenario(*(f"c{n}" for n in range(10)), turns=1) + "    expect: [{contains: what nobody says}]\n"
    workspace.write("ten.yaml", text)
    words = iter(range(100))
    with Api(answer=lambda _: ok("No." if replies == "the same" else f"No, {next(words)}.")) as api:
        screen = shown(workspace, "ten.yaml", "-o", "out", code=1, url=api.url)
    assert len(screen.rows) <= ROWS, screen.rows
    assert screen.lines[0].startswith('FAIL   turn 1, contains: expected the reply to contain "what nobody')
    assert sum("what nobody says" in line for line in screen.lines) == 1
    assert any(line.startswith("         in 10 conversations: ") for line in screen.lines)
    assert "FAILED (exit code 1): 10 conversations failed" in screen.lines
    assert screen.lines[-3] == "next: claude-run ten.yaml --lf"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "yaml"])
def test_one_wrong_key_in_two_hundred_cases(workspace: Workspace, kind: str) -> None:
    """One block: the first place with its line, and where the others are."""
    rows = {
        "csv": "id,itm\n" + "".join(f"c{n},x\n" for n in range(200)),
        "jsonl": "".join(f'{{"id": "c{n}", "itm": "x"}}\n' for n in range(200)),
        "yaml": "".join(f"- {{id: c{n}, vars: {{itm: x}}}}\n" for n in range(200)),
    }
    workspace.write(f"c.{kind}", rows[kind])
    workspace.write("s.yaml", "model: m\ncases: c." + kind + "\nturns: [{user: 'A {{ item }}?'}]\n")
    screen = shown(workspace, "s.yaml", code=2)
    assert len(screen.rows) <= ROWS, screen.rows
    assert screen.lines[0] == "error: undefined variable `item`"
    assert sum("error:" in line for line in screen.lines) == 1
    assert any("did you mean `itm`?" in line for line in screen.lines)


def test_one_wrong_key_in_two_hundred_cases_of_the_file_itself(workspace: Workspace) -> None:
    """The places of all of them are told in a few lines."""
    rows = "".join(f"  - {{id: c{n}, vrs: {{item: x}}}}\n" for n in range(200))
    workspace.write(
        "s.yaml", f"model: m\nvars: {{item: y}}\ncases:\n{rows}turns: [{{user: 'A {{{{ item }}}}?'}}]\n"
    )
    screen = shown(workspace, "s.yaml", code=2)
    assert len(screen.rows) <= ROWS, screen.rows
    assert screen.lines[0] == "error: unknown key `vrs` in a case"
    assert sum("error:" in line for line in screen.lines) == 1
    assert any("did you mean `vars`?" in line for line in screen.lines)


def test_a_key_that_is_refused(workspace: Workspace) -> None:
    """What the API said stands first, and what was not played for it is one line below."""
    workspace.write("thirty.yaml", scenario(*(f"c{n}" for n in range(30)), turns=1))
    refused = error_answer("authentication_error", "invalid x-api-key", status=401)
    with Api(answer=lambda _: refused) as api:
        screen = shown(workspace, "thirty.yaml", "-o", "out", code=3, url=api.url)
    assert len(screen.rows) <= ROWS, screen.rows
    assert screen.lines[0] == "STOP   401 authentication_error: invalid x-api-key"
    assert screen.lines[1].startswith("SKIP   30 conversations: ")
    assert screen.lines[-4:-2] == [
        "NOT MEASURED (exit code 3): 30 of 30 conversations not played to the end",
        "next: claude-run resume out",
    ]


def test_a_price_breaks_no_word(workspace: Workspace) -> None:
    """What is told before a run has the same words at a terminal as in a file, none of them in two rows."""
    workspace.write("many.yaml", scenario(*(f"c{n}" for n in range(8)), turns=3))
    arguments = ("many.yaml", "--simulate", "--dry-run")
    screen = shown(workspace, *arguments, code=0)
    piped = workspace.run(*arguments).stdout
    assert any(len(line) > COLUMNS for line in piped.split("\n"))
    assert " ".join(screen.rows).split()[:-4] == piped.split(), screen.rows


def test_an_error_breaks_no_word(workspace: Workspace) -> None:
    """A long line goes on below its beginning; a place and a line of a file stay as they are."""
    workspace.write("s.yaml", 'turns:\n  - user: hi\n    example: "a b \\e"\n')
    for arguments in (("check", "s.yaml"), ("s.yaml", "--simulate", "--faults", "bad@x")):
        told = workspace.run(*arguments, url="http://127.0.0.1:9").stderr
        assert max(map(len, told.splitlines())) > COLUMNS
        screen = shown(workspace, *arguments, code=2)
        assert set(" ".join(screen.rows).split()) == set(told.split()), screen.rows
