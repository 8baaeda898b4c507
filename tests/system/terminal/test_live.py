"""A run as a terminal shows it while it is played: what is drawn fits it, and leaves nothing behind."""

from __future__ import annotations

import re
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from tests.support.command import COMMAND, environment
from tests.support.screen import in_terminal
from tests.support.scripted_server import Answer, error_answer
from tests.system.faults.api import Api, ok, scenario
from tests.system.harness.workspace import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from syrupy.assertion import SnapshotAssertion

    from tests.support.screen import Screen, TerminalProcess
    from tests.system.faults.api import TurnRequest
    from tests.system.harness.workspace import Workspace

CTRL_C = "\x03"
CASES = ("phone", "a-sofa-that-came-broken-and-was-never-collected", "日本語の長いケース名", "held")
MODELS = ("claude-haiku-5-5", "claude-opus-5-5")
EXPECT = "    expect: [{contains: a promise that nobody gives who sells sofas on a market}]\n"
_DURATION = re.compile(r"\b(\d+ min )?\d+(\.\d)? s\b")

of_each_size = pytest.mark.parametrize("size", [(80, 24), (140, 40)], ids=["80x24", "140x40"])


@contextmanager
def playing(
    workspace: Workspace,
    answer: Callable[[TurnRequest], Answer],
    *options: str,
    size: tuple[int, int] = (80, 24),
    expect: str = "",
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[TerminalProcess]:
    """Play four cases, of two turns each, in a terminal that shows what was typed before."""
    text = scenario(*CASES) + expect
    workspace.write("s.yaml", text.replace("name: s\n", "name: support\n"))
    command = [
        "sh",
        "-c",
        'echo "$ claude-run"; exec "$0" s.yaml -o out --grace 5s "$@"',
        str(COMMAND),
        *options,
    ]
    with Api(answer=answer) as api:
        more = {"ANTHROPIC_API_KEY": KEY, "TERM": "xterm", "ANTHROPIC_BASE_URL": api.url, **variables}
        env = environment(workspace.folder, more)
        columns, rows = size
        with in_terminal(command, cwd=workspace.folder, env=env, columns=columns, rows=rows) as terminal:
            yield terminal


def answered(asked: TurnRequest, text: str = "Yes.") -> Answer:
    """Answer as the model that was asked."""
    return ok(text, model=asked.http.body["model"])


def holding(asked: TurnRequest) -> Answer:
    """Answer all but the second turn of the last case, to the first model."""
    is_held = (asked.case, asked.turn, asked.http.body["model"]) == ("held", 2, MODELS[0])
    return Answer(silent=True) if is_held else answered(asked)


def shows(*words: str) -> Callable[[Screen], bool]:
    """Return whether a screen shows all of this, and the last line of the display, which is drawn last."""

    def found(screen: Screen) -> bool:
        rows = screen.visible
        return rows[-1].endswith(" s") and all(any(word in row for row in rows) for word in words)

    return found


def picture(screen: Screen) -> str:
    """Return what a screen shows, in a frame as wide as it is, but for how many seconds all has lasted."""
    rows = [_DURATION.sub("N s", row) for row in screen.visible]
    framed = [f"|{row}{' ' * (screen.columns - cell_len(row))}|" for row in rows]
    return "\n".join(["", *framed, ""])


def interrupted(terminal: TerminalProcess) -> None:
    """End the run at once, and see that nothing but its end is left below what was typed."""
    terminal.type(CTRL_C)
    # Where nothing is in flight it ends by itself.
    terminal.read(until=lambda screen: any("SIGINT: nothing more is sent" in row for row in screen.rows))
    if terminal.process.poll() is None:
        terminal.type(CTRL_C)
    assert terminal.wait() == 130
    closed(terminal, "INTERRUPTED (exit code 130)")


def closed(terminal: TerminalProcess, verdict: str) -> None:
    """See that what was drawn in place is gone, and what stood above it is not."""
    rows = terminal.screen.rows
    assert rows[0] == "$ claude-run"
    assert any(row.startswith(verdict) for row in rows), rows
    assert not any(word in row for row in rows for word in ("in flight", "━", "─", "longest", "waiting")), (
        rows
    )


@of_each_size
def test_running(workspace: Workspace, size: tuple[int, int], snapshot: SnapshotAssertion) -> None:
    """How far each model is, what is under way for longest, and what it has cost."""
    options = ("-m", MODELS[0], "-m", MODELS[1], "--max-cost", "5")
    with playing(workspace, holding, *options, size=size) as terminal:
        terminal.read(until=shows("7/8 done", "longest", "1 in flight"))
        assert picture(terminal.screen) == snapshot
        interrupted(terminal)


@of_each_size
def test_failing(workspace: Workspace, size: tuple[int, int], snapshot: SnapshotAssertion) -> None:
    """The last failures stand above all else, with what was expected; in the end each cause is told once."""
    with playing(workspace, holding, "-j", "1", size=size, expect=EXPECT) as terminal:
        terminal.read(until=shows("3/4 done", "longest", "1 in flight"))
        assert picture(terminal.screen) == snapshot
        interrupted(terminal)


@of_each_size
def test_waiting(workspace: Workspace, size: tuple[int, int], snapshot: SnapshotAssertion) -> None:
    """A limit and an outage are named with their reasons, and with when it goes on."""

    def answer(asked: TurnRequest) -> Answer:
        if asked.http.body["model"] == MODELS[0]:
            headers = ["retry-after: 200"]
            return error_answer("rate_limit_error", "too many requests", status=429, headers=headers)
        return error_answer("overloaded_error", "Overloaded", status=529)

    options = ("-m", MODELS[0], "-m", MODELS[1])
    with playing(workspace, answer, *options, size=size) as terminal:
        # The last row that there is room for of what is under way.
        last = f"{CASES[2]}/claude-haiku" if size == (80, 24) else "phone/claude-opus"
        terminal.read(until=shows("waiting", "outage", "the next in", f"   support/{last}", "0 in flight"))
        assert picture(terminal.screen) == snapshot
        interrupted(terminal)


@of_each_size
def test_interrupted(workspace: Workspace, size: tuple[int, int], snapshot: SnapshotAssertion) -> None:
    """What happens now is said above the display, `^C` is not left behind, and the end is all that stays."""
    with playing(workspace, holding, size=size) as terminal:
        terminal.read(until=shows("3/4 done", "longest"))
        terminal.type(CTRL_C)
        terminal.read(until=shows("SIGINT: nothing more is sent", "longest"))
        before = picture(terminal.screen)
        terminal.type(CTRL_C)
        assert terminal.wait() == 130
        closed(terminal, "INTERRUPTED (exit code 130)")
        assert not any("^C" in row for row in terminal.screen.rows)
        assert before + picture(terminal.screen) == snapshot


@pytest.mark.parametrize("wraps", [True, False], ids=["wraps", "cuts off"])
def test_resized(workspace: Workspace, *, wraps: bool, snapshot: SnapshotAssertion) -> None:
    """A terminal that becomes narrower and lower, and then large again, shows one display all the time."""
    # Each size, and where the reason of a failure ends in a line of it.
    sizes = {(80, 24): '"a promise that …', (50, 24): "expected the reply …", (140, 40): "it begins"}
    with playing(workspace, holding, "-j", "1", size=(140, 40), expect=EXPECT) as terminal:
        terminal.read(until=shows("3/4 done", "longest"))
        for size, reason in sizes.items():
            terminal.resize(*size, wraps=wraps)
            terminal.read(until=shows("longest", reason))
            if size == (80, 24) and wraps:
                assert picture(terminal.screen) == snapshot
            for word in ("in flight", "3/4 done", "longest", "support/phone"):
                assert sum(word in row for row in terminal.screen.rows) == 1, terminal.screen.rows
        # Where it was cut off, nobody can know how many rows are to be erased: some above are lost.
        if wraps:
            interrupted(terminal)


@pytest.mark.parametrize("variables", [{"CI": "true"}, {"TERM": "dumb"}], ids=["CI", "dumb"])
def test_nothing_is_drawn_where_nobody_looks(workspace: Workspace, variables: dict[str, str]) -> None:
    """A service that keeps all that was ever drawn, and a terminal that cannot move its cursor, get lines."""
    with playing(workspace, holding, "-v", variables=variables) as terminal:
        terminal.read(
            until=lambda screen: sum(row.startswith("PASS") for row in screen.rows) == len(CASES) - 1
        )
        assert not any("━" in row or "in flight" in row for row in terminal.screen.rows)


@pytest.mark.parametrize(
    ("options", "variables", "colours"),
    [
        ((), {}, True),
        ((), {"NO_COLOR": "1"}, False),
        (("--color", "never"), {}, False),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
        ((), {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
    ],
    ids=["terminal", "NO_COLOR", "never", "always", "both"],
)
def test_colours_are_the_choice_of_whoever_looks(
    workspace: Workspace, options: tuple[str, ...], variables: dict[str, str], *, colours: bool
) -> None:
    """The display is drawn in any case, and in colour where that is wanted."""
    with playing(workspace, holding, *options, variables=variables) as terminal:
        terminal.read(until=shows("3/4 done"))
        assert terminal.screen.is_coloured == colours
