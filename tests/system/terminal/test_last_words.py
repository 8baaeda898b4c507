"""The last words of a command: what comes next, and what was meant. They can be typed as they stand."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from claude_run.cli import app
from claude_run.session.next_command import COMMANDS

if TYPE_CHECKING:
    from tests.support.command import CommandResult
    from tests.system.harness.workspace import Workspace

TALK = """\
model: claude-haiku-5-5
vars: {word: none}
turns:
  - user: Say {{ word }}.
    expect: [{contains: yes}]
    example: "yes"
"""
FAILING = TALK.replace('example: "yes"', "example: no").replace("Say", "Now say")
MORE = "  - {user: And now?, example: x}\n"
OWN = """\
from claude_run.checks.own import *
@check("mine", schema={}, example=[1])
def mine(value, reply): return failed("no")
"""


def named(ended: CommandResult) -> str:
    """Return the command that the last line of talk names."""
    lead, _, command = ended.stderr.splitlines()[-1].partition(": claude-run ")
    assert lead == "next", ended.stderr
    return command


def follow(command: str, home: Workspace) -> CommandResult:
    """Type it."""
    return home.run(*shlex.split(command))


@pytest.fixture
def home(workspace: Workspace) -> Workspace:
    """Return a folder with one scenario that passes and one that fails, whose names a shell would split."""
    workspace.write("a pass.yaml", "name: fine\n" + TALK)
    workspace.write("a fail.yaml", "name: bad\n" + FAILING)
    return workspace


def test_what_was_only_simulated_is_played_for_real(home: Workspace) -> None:
    """With all that says what is played and within which caps, and without the simulator."""
    options = ("-m", "claude-opus-5-5", "--set", "word=a b", "-n", "2", "-j", "3", "--faults", "429@1")
    caps = ("--max-cost", "0.50", "--max-requests", "50", "-x", "--timeout", "5s")
    allowed = ("--allow-model", "claude-opus-5-5=gateway/opus")
    ended = home.run("a pass.yaml", "--simulate", *options, *caps, *allowed)
    assert named(ended) == (
        "'a pass.yaml' -m claude-opus-5-5 -n 2 --set 'word=a b' -j 3 --timeout 5s"
        " --allow-model claude-opus-5-5=gateway/opus --max-cost 0.50 --max-requests 50 -x"
    )
    assert follow(f"{named(ended)} --simulate -q", home).code == 0


def test_what_failed_is_played_again(home: Workspace) -> None:
    """Only that, however it was selected; once is enough said."""
    ended = home.run(".", "--simulate", "-m", "x=claude-haiku-5-5")
    assert named(ended) == ". -m x=claude-haiku-5-5 --simulate --lf"
    again = follow(named(ended), home)
    assert "1 conversation: 0 passed, 1 failed" in again.stdout
    assert named(again) == ". -m x=claude-haiku-5-5 --lf --simulate"


def test_own_checks_are_named_again(home: Workspace) -> None:
    """Without them the command would not know what the scenario expects."""
    home.write("my checks.py", OWN)
    home.write("own.yaml", "name: own\n" + TALK.replace("{contains: yes}", "{mine: [1]}"))
    for options in (["--simulate"], ["--dry-run"]):
        ended = home.run("own.yaml", "--checks", "my checks.py", *options)
        assert "--checks 'my checks.py'" in named(ended)
        assert follow(f"{named(ended)} --dry-run", home).code != 2
    assert "--checks 'my checks.py'" in named(home.run("check", "own.yaml", "--checks", "my checks.py"))


def test_a_replay_stays_a_replay(home: Workspace) -> None:
    """Whoever sent nothing is never handed a command that pays."""
    home.run("a fail.yaml", "--simulate", "-o", "first one")
    assert named(home.run("a fail.yaml", "--replay", "first one")) == (
        "'a fail.yaml' --replay 'first one' --lf"
    )
    assert named(home.run("a fail.yaml", "--replay", "first one", "--dry-run")) == (
        "'a fail.yaml' --replay 'first one'"
    )
    home.run("a pass.yaml", "--simulate", "-o", "second")
    assert "next:" not in home.run("a pass.yaml", "--replay", "second").stderr


def test_what_is_held_against_a_baseline_is_reviewed(home: Workspace) -> None:
    """Whether it passed or not, the replies that changed are what to look at."""
    home.run("a pass.yaml", "--simulate", "-o", "first")
    assert home.run("accept", "first").code == 0
    ended = home.run("a pass.yaml", "--simulate", "-o", "second")
    assert named(ended) == "review second"
    assert follow(f"{named(ended)} --pending", home).code == 0
    planned = home.run("a pass.yaml", "--simulate", "--baseline", "--dry-run")
    assert named(planned) == "'a pass.yaml' --simulate --baseline"


@pytest.mark.parametrize(
    ("cap", "raised"),
    [(("--max-requests", "1"), "--max-requests 2"), (("--max-cost", "0.0001"), "--max-cost 0.01")],
)
def test_what_was_stopped_by_a_cap_is_gone_on_with_past_it(
    home: Workspace, cap: tuple[str, str], raised: str
) -> None:
    """By its folder, since another run may have become the latest one; under the same cap it would stop."""
    home.write("long.yaml", "name: long\n" + TALK + MORE + MORE)
    stopped = home.run("long.yaml", "--simulate", "-j", "1", *cap, "-o", "cut")
    assert stopped.code == 4
    assert named(stopped) == f"resume cut {raised}"
    again = follow(named(stopped), home)
    if raised.endswith("requests 2"):
        # Three are needed: what stops it once more is the raised cap, and that is raised in its turn.
        assert (again.code, named(again)) == (4, "resume cut --max-requests 4")
        again = follow(named(again), home)
    assert again.code == 0


def test_what_was_not_recorded_is_sent(home: Workspace) -> None:
    """Beside what was: a replay that goes on would find as little as before."""
    home.write("a pass.yaml", "name: fine\n" + TALK + MORE)
    assert home.run("a pass.yaml", "--simulate", "-o", "first one").code == 0
    home.write("a pass.yaml", "name: fine\n" + TALK + MORE + MORE)
    ended = home.run("a pass.yaml", "-n", "1", "--replay", "first one")
    assert ended.code == 3
    assert named(ended) == "'a pass.yaml' -n 1 --simulate --reuse 'first one'"
    assert follow(named(ended), home).code == 0


@pytest.mark.parametrize("command", [["check"], []])
def test_what_is_only_looked_at_is_played(home: Workspace, command: list[str]) -> None:
    """After `check` and after `--dry-run`, with what the latter was given."""
    options = [*command, "a pass.yaml", "-m", "claude-opus-5-5"]
    more = [] if command else ["--dry-run", "--max-cost", "2.50", "-o", "here"]
    kept = "" if command else " --max-cost 2.50 -o here"
    assert named(home.run(*options, *more)) == f"'a pass.yaml' -m claude-opus-5-5{kept}"
    assert home.run(*options, *more, "-q").stderr == ""


def test_what_the_project_file_says_is_not_said_again(home: Workspace) -> None:
    """It holds for the next command, too; what stands against it is named."""
    home.write("claude-run.toml", "concurrency = 5\nmax_cost = 2.5\nrepeat = 2\n")
    assert named(home.run("check", "a pass.yaml")) == "'a pass.yaml'"
    ended = home.run("a pass.yaml", "--simulate", "-n", "1", "-j", "20")
    assert named(ended) == "'a pass.yaml' -n 1 -j 20"


def test_a_path_is_no_command_and_no_option(home: Workspace) -> None:
    """Nor is what a terminal would show in another way typed in another way."""
    (home.folder / "report").mkdir()
    home.write("report/a.yaml", TALK)
    home.write("-x.yaml", TALK)
    assert named(home.run("check", "report")) == "run report"
    assert named(home.run("check", "--", "-x.yaml")) == "./-x.yaml"
    for value in ("a\nb", "a\u202eb"):
        ended = home.run("a pass.yaml", "--simulate", "--set", f"word={value}")
        assert (ended.code, "next:" in ended.stderr) == (0, False)


def test_from_another_folder_nothing_is_named_that_cannot_be_done(home: Workspace) -> None:
    """Nothing is gone where somebody only stands elsewhere, and the folder to go to is named."""
    home.run("a pass.yaml", "--simulate", "-n", "2", "--max-requests", "1", "-o", "my run")
    (home.folder / "sub").mkdir()
    report = home.run("report", "../my run", folder="sub")
    assert (report.code, "next:" in report.stderr) == (4, False)
    refused = home.run("resume", "../my run", folder="sub")
    assert refused.code == 2
    assert (
        "none of the scenarios of ../my run is here, such as a pass.yaml: go to .. and call" in refused.stderr
    )
    assert "`claude-run resume 'my run'`" in refused.stderr


def test_the_names_of_commands_are_known() -> None:
    """Those that a path could be taken for."""
    assert frozenset(app.COMMANDS) == COMMANDS


def test_two_examples_of_one_request_are_told(home: Workspace) -> None:
    """The simulator sees requests alone, so one of the two scenarios is tested with the wrong reply."""
    home.write("other.yaml", "name: other\n" + TALK.replace('"yes"', '"no"'))
    ended = home.run("a pass.yaml", "other.yaml", "--simulate")
    assert "warning: other/claude-haiku-5-5 sends the same as an earlier conversation" in ended.stderr
    assert "warning" not in home.run("other.yaml", "--simulate").stderr


def test_annotations_are_named_from_the_root_of_the_repository(home: Workspace) -> None:
    """Those of warnings too, wherever the command is given."""
    (home.folder / "sub").mkdir()
    home.write("sub/w.yaml", "stop_sequences: [' ']\n" + TALK)
    env = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(home.folder)}
    warned = home.run("check", "w.yaml", folder="sub", env=env)
    assert "::warning file=sub/w.yaml,line=1,col=1,title=" in warned.stderr + warned.stdout
    failed = home.run("../a fail.yaml", "--simulate", folder="sub", env=env)
    assert "::error file=a fail.yaml,line=6,col=15,title=" in failed.stderr + failed.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("chekc", "a.yaml"), "chekc is neither a command nor a scenario: did you mean `claude-run check`?"),
        (("a.yaml", "-m"), "Option '-m' requires an argument; see claude-run --help"),
        (("a.yaml", "--markdown"), "did you mean `claude-run compare`?"),
    ],
)
def test_a_slip_in_a_command_is_called_that(home: Workspace, arguments: tuple[str, ...], said: str) -> None:
    """And what is complete but for its value is not called unknown."""
    refused = home.run(*arguments)
    assert refused.code == 2
    assert said in refused.stderr
