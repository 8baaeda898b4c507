"""`--watch` in a terminal: what a save, a key and a signal come to."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING

import pytest

from tests.support.scripted_server import Answer
from tests.system.faults.api import Api, TurnRequest, ok
from tests.system.harness.workspace import until
from tests.system.watching.session import CHECK, CTRL_C, CTRL_D, NOW_S, talk, watching

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.system.harness.workspace import Workspace


def test_editing_an_expectation_costs_nothing(workspace: Workspace) -> None:
    """Only the scenario that was saved is played, no request leaves, and quitting tells how that ended."""
    workspace.write("a.yaml", talk("a"))
    workspace.write("b.yaml", talk("b", says="No"))
    with Api(answer=lambda _: ok()) as api, watching(workspace, api) as session:
        assert "watching 2 files, <$0.0001 spent: f 1 failed, a all" in session.turn()
        assert len(api.ledger) == 4
        said = session.save("b.yaml", talk("b"))
        assert "playing b.yaml" in said
        assert "1 conversation: 1 passed" in said
        assert "nothing was paid again" in said
        assert "failed, a all" not in said
        assert "FAILED (exit code 1)" in session.save("a.yaml", talk("a", says="No"))
        assert session.quit() == 1
        assert len(api.ledger) == 4
    assert session.terminal.screen.rows[-2].startswith("next: claude-run . ")


def test_a_changed_prompt_pays_from_there_on(workspace: Workspace) -> None:
    """What was said before it is not asked again, and what is taken back was answered before."""
    workspace.write("a.yaml", talk("a", "one", "two", "three"))
    workspace.write("b.yaml", talk("b"))
    with Api(answer=lambda _: ok()) as api, watching(workspace, api) as session:
        session.turn()
        before = api.requests
        session.save("a.yaml", talk("a", "one", "other", "three"))
        assert api.requests - before == {("a", 2): 1, ("a", 3): 1}
        session.save("a.yaml", talk("a", "one", "two", "three"))
        assert session.quit() == 0
        assert sum(api.requests.values()) == 7


def test_only_rounds_that_tell_something_are_kept(workspace: Workspace) -> None:
    """Rounds that paid stay, and the newest of each scenario; `latest` and `--lf` know how it stands."""
    workspace.write("a.yaml", talk("a"))
    workspace.write("b.yaml", talk("b"))
    with Api(answer=lambda _: ok()) as api, watching(workspace, api) as session:
        session.turn()
        for word in ("No", "Never", "Not"):
            session.save("b.yaml", talk("b", says=word))
            session.save("a.yaml", talk("a", says=word))
        session.save("b.yaml", talk("b"))
        session.save("b.yaml", talk("b", "one", "other"))
        session.save("b.yaml", talk("b", "one", "other", says="No"))
        paid, of_a, paid_too, of_b = session.runs()
        assert session.quit() == 1
    named = [json.loads((each / "run.json").read_bytes())["name"] for each in (paid, of_a, paid_too, of_b)]
    assert named == ["2-scenarios", "a", "b", "b"]
    assert (workspace.folder / "outputs" / "latest").resolve() == of_b.resolve()
    listed = workspace.run(".", "--lf", "--list").stdout.split()
    assert listed == ["a/claude-haiku-5-5", "b/claude-haiku-5-5"]


def test_a_broken_save_is_told_once_and_sends_nothing(workspace: Workspace) -> None:
    """It says what `check` says, waits on, and goes on from the next save that is sound."""
    workspace.write("a.yaml", talk("a"))
    with Api(answer=lambda _: ok()) as api, watching(workspace, api) as session:
        session.turn()
        said = session.save("a.yaml", talk("a") + "foo: 1\n")
        assert "error: unknown key `foo` in a scenario" in said
        assert "--> a.yaml:8:1" in said
        workspace.write("notes.txt", "which brings the folder into motion, and says nothing new")
        assert "error: unknown key `foo`" in session.press("a")
        session.save("a.yaml", talk("a"))
        assert "FAILED" in session.save("a.yaml", talk("a", says="No"))
        assert session.quit(CTRL_D) == 1
        assert len(api.ledger) == 2
    assert sum("unknown key `foo`" in row for row in session.terminal.screen.rows) == 2


def test_the_keys(workspace: Workspace) -> None:
    """As in other runners: f plays what failed, a and Enter all, h tells of them; others do nothing."""
    workspace.write("a.yaml", talk("a"))
    workspace.write("b.yaml", talk("b", says="No"))
    with Api(answer=lambda _: ok()) as api, watching(workspace, api) as session:
        session.turn()
        assert "1 conversation: 0 passed, 1 failed" in session.press("f")
        assert "2 conversations: 1 passed, 1 failed" in session.press("a")
        assert "2 conversations: 1 passed, 1 failed" in session.press("\r")
        assert "1 conversation: 1 passed" in session.save("b.yaml", talk("b"))
        session.terminal.type("x\x1b[Af?")
        session.terminal.read(until=lambda screen: any("quits while" in row for row in screen.rows))
        assert session.quit() == 0
        assert len(api.ledger) == 4


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A file before and after it is saved, the words that come of it, and what is sent then."""

    before: str = ""
    after: str
    told: str = "1 passed"
    sent: Mapping[tuple[str, int], int] = field(default_factory=dict)


FILES = {
    "prompts/two.md": Saved(before="two", after="other", sent={("a", 2): 1}),
    "cases.csv": Saved(
        before="id,x\none,1\n",
        after="id,x\none,1\nmore,2\n",
        told="2 passed",
        sent={("a2", 1): 1, ("a2", 2): 1},
    ),
    "checks.py": Saved(before=CHECK, after=CHECK.replace("in reply", "not in reply"), told="1 failed"),
    "claude-run.toml": Saved(
        before="[gate]\n", after="repeat = 2\n", told="2 passed", sent={("a", 1): 1, ("a", 2): 1}
    ),
    "more.yaml": Saved(after=talk("more"), sent={("more", 1): 1, ("more", 2): 1}),
}


@pytest.mark.parametrize(("name", "saved"), FILES.items(), ids=FILES)
def test_all_that_a_run_reads_is_watched(workspace: Workspace, name: str, saved: Saved) -> None:
    """Prompts, cases, own checks, the project file, and scenarios that are new."""
    (workspace.folder / "prompts").mkdir()
    text = talk("a", "one", "{file: prompts/two.md}").replace("contains: Yes", "mine: Yes")
    workspace.write("prompts/two.md", "two")
    workspace.write("checks.py", CHECK)
    if name == "cases.csv":
        text = text.replace("a|one", "a{{ x }}|one") + "cases: cases.csv\n"
    workspace.write("a.yaml", text)
    if saved.before:
        workspace.write(name, saved.before)
    with Api(answer=lambda _: ok()) as api, watching(workspace, api, "--checks", "checks.py") as session:
        session.turn()
        had = api.requests
        assert saved.told in session.save(name, saved.after)
        assert api.requests - had == saved.sent
        session.quit()


def test_a_file_that_was_missing_is_waited_for(workspace: Workspace) -> None:
    """What is named and not there is watched too: the prompt may be written after the line that names it."""
    workspace.write("a.yaml", talk("a"))
    with Api(answer=lambda _: ok()) as api, watching(workspace, api) as session:
        session.turn()
        assert "no such file: prompts/two.md" in session.save(
            "a.yaml", talk("a", "one", "{file: prompts/two.md}")
        )
        (workspace.folder / "prompts").mkdir()
        assert "1 passed" in session.save("prompts/two.md", "other")
        assert session.quit() == 0
        assert api.requests == {("a", 1): 1, ("a", 2): 2}


def test_what_is_saved_during_a_round_is_played_next(workspace: Workspace) -> None:
    """Nobody has to save it again."""
    workspace.write("a.yaml", talk("a"))
    with Api(answer=lambda _: ok(delay_s=0.5)) as api, watching(workspace, api) as session:
        until(lambda: len(api.ledger) == 1)
        workspace.write("a.yaml", talk("a", says="No"))
        assert "PASSED" in session.turn()
        assert "FAILED" in session.turn()
        assert session.quit() == 1
        assert len(api.ledger) == 2


def test_ctrl_c_stops_the_round_and_not_the_watching(workspace: Workspace) -> None:
    """What was answered until then is kept: the next round sends the rest, and its end is what counts."""
    workspace.write("a.yaml", talk("a"))
    workspace.write("b.yaml", talk("b"))
    hangs = True

    def answer(asked: TurnRequest) -> Answer:
        return Answer(silent=True) if hangs and asked.case == "b" else ok()

    with Api(answer=answer) as api, watching(workspace, api, "--grace", "1s") as session:
        until(lambda: api.requests == {("a", 1): 1, ("a", 2): 1, ("b", 1): 1})
        said = session.press(CTRL_C)
        assert "INTERRUPTED (exit code 130)" in said
        assert "f 1 failed" in said
        hangs = False
        assert "PASSED (exit code 0)" in session.press("a")
        assert session.quit() == 0
        assert api.requests == {("a", 1): 1, ("a", 2): 1, ("b", 1): 2, ("b", 2): 1}


def test_ctrl_c_at_the_very_start_of_a_round_stops_it(workspace: Workspace) -> None:
    """Also while the round is only made ready: hardly anything of it is sent, and watching goes on."""
    for name in "abcd":
        workspace.write(f"{name}.yaml", talk(name))
    slow = 0.0
    with (
        Api(answer=lambda _: ok(delay_s=slow)) as api,
        watching(workspace, api, "-j", "1") as session,
    ):
        session.turn()
        slow = 1.0
        for name in "abcd":
            workspace.write(f"{name}.yaml", talk(name, "new", "two"))
        session.terminal.read(until=lambda screen: any(row.startswith("playing ") for row in screen.rows))
        assert "INTERRUPTED (exit code 130)" in session.press(CTRL_C)
        assert len(api.ledger) <= 8 + 1
        assert session.quit() == 130


def test_what_is_typed_during_a_round_is_neither_shown_nor_heard(workspace: Workspace) -> None:
    """Lines that come from nowhere would tear the progress apart."""
    workspace.write("a.yaml", talk("a"))
    typed = Event()

    def answer(_: TurnRequest) -> Answer:
        typed.wait(NOW_S)
        return ok()

    with Api(answer=answer) as api, watching(workspace, api) as session:
        until(lambda: len(api.ledger) == 1)
        session.terminal.type("zzz\r\rfa")
        typed.set()
        assert "zzz" not in session.turn()
        assert session.quit() == 0
        assert sum(row.startswith("playing ") for row in session.terminal.screen.rows) == 0


def test_a_round_that_cannot_be_played_is_told_once(workspace: Workspace) -> None:
    """Nothing of it is tried again before somebody asks for it, and then all that was saved is played."""
    workspace.write("a.yaml", talk("a"))
    outputs = workspace.folder / "outputs"
    with Api(answer=lambda _: ok()) as api, watching(workspace, api) as session:
        session.turn()
        shutil.rmtree(outputs)
        workspace.write("outputs", "which should be a folder")
        said = session.save("a.yaml", talk("a", says="No"))
        assert "error: outputs/" in said
        assert "cannot be created" in said
        outputs.unlink()
        workspace.write("b.yaml", talk("b"))
        assert "2 conversations: 1 passed, 1 failed" in session.turn()
        assert session.quit() == 1
        assert len(api.ledger) == 4
    assert sum(row.startswith("playing ") for row in session.terminal.screen.rows) == 2


def test_a_folder_that_goes_during_a_round_is_told(workspace: Workspace) -> None:
    """What was paid in it counts against the caps all the same."""
    workspace.write("a.yaml", talk("a", "one"))
    gone = Event()

    def answer(asked: TurnRequest) -> Answer:
        assert asked.attempt == 1 or gone.wait(NOW_S)
        return ok()

    with Api(answer=answer) as api:
        with watching(workspace, api, "--max-requests", "2") as session:
            session.turn()
            workspace.write("a.yaml", talk("a", "other"))
            until(lambda: len(api.ledger) == 2)
            shutil.rmtree(workspace.folder / "outputs")
            gone.set()
            assert "error: " in session.turn()
            assert "stopped by --max-requests 2, 2 of them before" in session.save(
                "a.yaml", talk("a", "third")
            )
            assert session.quit() == 4
        assert len(api.ledger) == 2


def test_a_judge_whose_answer_is_of_no_use_is_asked_again(workspace: Workspace) -> None:
    """By a key, as what got no reply is; a save of the scenario costs nothing."""
    judge = "claude-opus-5-5"
    text = talk("a", "one").replace("[{contains: Yes}]", "[{judge: It is polite.}]")
    text += f"judge: {{model: {judge}}}\n"
    workspace.write("a.yaml", text)
    verdict = "Of course it passes."

    def answer(asked: TurnRequest) -> Answer:
        model = asked.http.body["model"]
        return ok(verdict if model == judge else "Yes.", model=model)

    with Api(answer=answer) as api, watching(workspace, api) as session:
        assert "NOT MEASURED" in session.turn()
        verdict = json.dumps({"reason": "it is", "verdict": "pass"})
        assert "NOT MEASURED" in session.save("a.yaml", f"{text}tags: [x]\n")
        assert len(api.ledger) == 2
        assert "PASSED" in session.press("f")
        assert "PASSED" in session.press("a")
        assert session.quit() == 0
        assert len(api.ledger) == 3


def test_what_is_gone_is_told_and_what_failed_is_counted(workspace: Workspace) -> None:
    """A scenario that is deleted, or emptied; failures are counted also while a save is broken."""
    for name in "abc":
        workspace.write(f"{name}.yaml", talk(name, says="No"))
    with Api(answer=lambda _: ok()) as api, watching(workspace, api) as session:
        session.turn()
        (workspace.folder / "a.yaml").unlink()
        said = session.turn()
        assert "a.yaml is played no more: it is gone, or no scenario" in said
        assert "f 2 failed" in said
        assert "b.yaml is played no more" in session.save("b.yaml", "")
        assert "f 1 failed" in session.save("c.yaml", talk("c") + "foo: 1\n")
        assert session.quit() == 1
        assert len(api.ledger) == 6


def test_a_second_ctrl_c_quits(workspace: Workspace) -> None:
    """Whoever presses it again while a round is stopping wants no other."""
    workspace.write("a.yaml", talk("a"))
    with (
        Api(answer=lambda _: Answer(silent=True)) as api,
        watching(workspace, api, "--grace", "10m") as session,
    ):
        until(lambda: len(api.ledger) == 1)
        session.terminal.type(CTRL_C)
        session.terminal.read(until=lambda screen: any("again stops now" in row for row in screen.rows))
        assert session.quit(CTRL_C) == 130
    assert len(session.runs()) == 1


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_while_it_waits_ends_it(workspace: Workspace, number: signal.Signals, code: int) -> None:
    """At once, with the terminal as it was, whatever the last round came to."""
    workspace.write("a.yaml", talk("a"))
    with Api(answer=lambda _: ok()) as api, watching(workspace, api) as session:
        session.turn()
        session.terminal.process.send_signal(number)
        assert session.ended() == code


@pytest.mark.parametrize(("lead", "code"), [("", 129), ('trap "" HUP; ', 0)], ids=["heard", "ignored"])
def test_a_closed_terminal_ends_it(workspace: Workspace, lead: str, code: int) -> None:
    """Nobody will press a key any more, whether the signal that says so is heard or not."""
    workspace.write("a.yaml", talk("a"))
    with Api(answer=lambda _: ok()) as api, watching(workspace, api, lead=lead) as session:
        session.turn()
        session.terminal.hang_up()
        assert session.terminal.process.wait(NOW_S) == code


def test_a_termination_during_a_round_ends_it_all(workspace: Workspace) -> None:
    """SIGTERM comes from somebody who wants the process gone: the reports are written, and that is it."""
    workspace.write("a.yaml", talk("a"))
    with (
        Api(answer=lambda _: Answer(silent=True)) as api,
        watching(workspace, api, "--grace", "1s") as session,
    ):
        until(lambda: len(api.ledger) == 1)
        session.terminal.process.send_signal(signal.SIGTERM)
        assert session.ended() == 143
    (run,) = session.runs()
    assert session.terminal.screen.rows[-2].startswith(f"next: claude-run resume outputs/{run.name}")
    assert json.loads((run / "summary.json").read_bytes())["exit_code"] == 143


def test_what_follows_is_what_was_asked_for(workspace: Workspace) -> None:
    """It pays for nothing twice, and plays what failed in any round, not in the last one only."""
    workspace.write("a.yaml", talk("a"))
    workspace.write("b.yaml", talk("b", says="No"))
    with Api(answer=lambda _: ok()) as api:
        with watching(workspace, api) as session:
            session.turn()
            session.save("a.yaml", talk("a", says="Y"))
            assert session.quit() == 0
        (latest,) = {str((workspace.folder / "outputs" / "latest").readlink())}
        follows = next(row for row in reversed(session.terminal.screen.rows) if row.startswith("next: "))
        assert follows == f"next: claude-run . --lf --reuse outputs/{latest}"
        done = workspace.run(*follows.split()[2:], url=api.url)
        assert (done.code, "1 conversation: 0 passed, 1 failed" in done.stdout) == (1, True)
        assert len(api.ledger) == 4


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--json",), "--json cannot go with --watch"),
        (("--batch",), "--batch cannot go with --watch"),
        (("--dry-run",), "--dry-run cannot go with --watch"),
        (("--list",), "--list cannot go with --watch"),
        (("--shard", "1/2"), "--shard cannot go with --watch"),
        (("-o", "out"), "-o cannot go with --watch"),
        (("--lf",), "--lf cannot go with --watch"),
        (("a.yaml:2",), "a.yaml:2 cannot go with --watch"),
    ],
)
def test_what_is_for_one_run_is_refused(workspace: Workspace, arguments: tuple[str, ...], told: str) -> None:
    """Before anything is read or sent, with what to do instead."""
    workspace.write("a.yaml", talk("a"))
    with Api(answer=lambda _: ok()) as api, watching(workspace, api, *arguments) as session:
        assert session.ended() == 2
        assert api.ledger == []
    assert session.terminal.screen.rows[0].startswith(f"error: {told}, it ")


def test_nobody_waits_where_nobody_sits(workspace: Workspace) -> None:
    """Without a terminal, and in CI, it would wait for ever."""
    workspace.write("a.yaml", talk("a"))
    ended = workspace.run(".", "--watch")
    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr == (
        "error: --watch asks for keys: run it in a terminal, or leave it out to play once\n"
    )
    with Api(answer=lambda _: ok()) as api, watching(workspace, api, env={"CI": "true"}) as session:
        assert session.ended() == 2
        assert api.ledger == []
    assert any("--watch waits for a person, and CI is set" in row for row in session.terminal.screen.rows)
