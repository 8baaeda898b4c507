"""What a program may call does what the command line does, and leaves the process as it was."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import claude_run
from tests.docs.page_examples import blocks
from tests.docs.pages import ROOT
from tests.support.command import HEAVY, execute
from tests.support.command import claude_run as command
from tests.system.library.scenarios import TALK, write

if TYPE_CHECKING:
    from pathlib import Path

_FAILING = TALK.replace("{contains: help}", "{contains: ziggurat}")


def test_the_import_is_cheap(here: Path) -> None:
    """Neither what a call needs nor any of our own modules is there before the first call."""
    code = (
        "import sys; before = set(sys.modules); import claude_run; dir(claude_run)\n"
        "print(sorted(set(sys.modules) - before))"
    )
    assert execute([sys.executable, "-c", code], cwd=here).stdout == "['claude_run']\n"


def test_a_plan_needs_nothing_of_a_run(here: Path) -> None:
    """The SDK and the price table are for those who play."""
    code = "import sys, claude_run; claude_run.plan('talk.yaml'); print(sorted(sys.modules))"
    loaded = execute([sys.executable, "-c", code], cwd=here).stdout
    assert not {name for name in HEAVY if f"'{name}'" in loaded}


def test_a_name_that_is_not_there() -> None:
    """It is no attribute, as in any module."""
    with pytest.raises(AttributeError, match="'claude_run' has no attribute 'paly'"):
        _ = claude_run.paly  # type: ignore[attr-defined] # what is tested
    assert set(claude_run.__all__) <= set(dir(claude_run))  # type: ignore[attr-defined] # not in the stub


def test_plan_is_a_call_whatever_was_imported(here: Path) -> None:
    """A room of that name is a module of the package."""
    code = (
        "import claude_run.plan.matrix, claude_run; from claude_run.plan import prices\n"
        "print(len(claude_run.plan('talk.yaml').conversations), prices.__name__)"
    )
    assert execute([sys.executable, "-c", code], cwd=here).stdout == "4 claude_run.plan.prices\n"


def test_loading_says_what_there_is(here: Path) -> None:
    """Of each file, and what was noticed in it."""
    write(
        here,
        TALK.replace("name: talk", "name: other").replace("{contains: help}", "{max_words: 500}"),
        "b.yaml",
    )
    loaded = claude_run.load(here / "talk.yaml", "b.yaml")
    [talk, _] = loaded.scenarios
    assert (talk.name, talk.tags, talk.cases, talk.turns) == ("talk", ("smoke", "two words"), 2, 2)
    assert talk.models == ("claude-haiku-5-5", "claude-opus-5-5")


def test_an_invalid_scenario_raises_all_of_its_diagnostics(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The lines are those that `check` prints."""
    write(here, TALK.replace("user: [", "usr: [").replace("example: You", "exmple: You"), "bad.yaml")
    with pytest.raises(claude_run.InputError) as refused:
        claude_run.load("bad.yaml")
    assert "\n".join(refused.value.lines) in command("check", "bad.yaml", cwd=here).stderr
    assert len([line for line in refused.value.lines if "bad.yaml:" in line]) >= 2
    assert refused.value.exit_code is claude_run.ExitCode.USAGE
    assert capfd.readouterr() == ("", "")


def test_a_plan_lists_what_would_be_played(here: Path) -> None:
    """The ids are those of `--list`."""
    planned = claude_run.plan("talk.yaml", repeat=2, expression="kind and opus")
    assert [each.id for each in planned.conversations] == [
        "talk/kind/claude-opus-5-5/1",
        "talk/kind/claude-opus-5-5/2",
    ]
    assert planned.conversations[0].tags == ("smoke", "two words")
    listed = command("talk.yaml", "--list", "-n", "2", "-k", "kind and opus", cwd=here).stdout.split()
    assert [each.id for each in planned.conversations] == listed
    with pytest.raises(claude_run.SelectionError):
        claude_run.plan("talk.yaml", tags=["none"])


def test_a_run_is_that_of_the_command_line(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It prints nothing, and its folder is whole, reports included."""
    run = claude_run.run("talk.yaml", simulate=True, tags=["smoke"])
    assert capfd.readouterr() == ("", "")
    assert run.passed
    assert run.exit_code is claude_run.ExitCode.PASSED
    assert (here / "outputs" / "latest").resolve() == run.folder.resolve()
    assert command("verify", run.folder, cwd=here).stdout.endswith(": whole\n")
    lines = (run.folder / "transcripts.jsonl").read_text(encoding="utf-8").splitlines()
    assert [dict(each) for each in run.conversations] == [json.loads(line) for line in lines]
    summary = json.loads((run.folder / "summary.json").read_text(encoding="utf-8"))
    del summary["made_of"]
    assert json.loads(json.dumps({**run.summary, "cases": list(run.summary["cases"])})) == summary


def test_a_failed_check_is_data(here: Path) -> None:
    """So is what the pass rate of its case tolerates."""
    write(here, _FAILING)
    run = claude_run.run("talk.yaml", simulate=True, models=["claude-haiku-5-5"], out=here / "run")
    assert (run.exit_code, run.passed, run.folder) == (claude_run.ExitCode.FAILED, False, here / "run")
    assert {each["outcome"] for each in run.conversations} == {"failed"}
    assert run.tolerated == {}
    write(here, f"{_FAILING}pass_rate: 0\n")
    assert set(claude_run.run("talk.yaml", simulate=True).tolerated) == {
        each.id for each in claude_run.plan("talk.yaml").conversations
    }


@pytest.mark.usefixtures("here")
def test_only_some_conversations_are_played() -> None:
    """Those with the ids of the plan; what nothing is called is refused before anything is sent."""
    wanted = [claude_run.plan("talk.yaml").conversations[2].id]
    run = claude_run.run("talk.yaml", simulate=True, ids=wanted)
    assert [each["conversation_id"] for each in run.conversations] == wanted
    with pytest.raises(claude_run.InputError, match="not in the scenarios now, such as 'talk/x'"):
        claude_run.run("talk.yaml", simulate=True, ids=[*wanted, "talk/x"])


def test_a_run_is_replayed_and_compared(here: Path) -> None:
    """As the flags of the same names do it; the document is what `compare --json` prints."""
    first = claude_run.run("talk.yaml", simulate=True, out="first")
    second = claude_run.run("talk.yaml", replay=first.folder, out="second")
    assert second.warnings == ("taking replies from first",)
    assert second.summary["replayed"]
    compared = claude_run.compare("first", "second", alpha=0.1)
    shown = command("compare", "first", "second", "--alpha", "0.1", "--json", cwd=here)
    assert json.loads(json.dumps(compared.document, default=list)) == json.loads(shown.stdout)
    assert (compared.exit_code, compared.verdict) == (shown.code, json.loads(shown.stdout)["verdict"])
    with pytest.raises(claude_run.InputError, match="no run is named"):
        claude_run.compare()


def test_without_a_key_nothing_is_played(here: Path) -> None:
    """The error is that of the command line, and leaves no run behind."""
    with pytest.raises(claude_run.CredentialsError) as refused:
        claude_run.run("talk.yaml")
    assert command("talk.yaml", cwd=here).stderr.endswith(f"{refused.value.lines[-1]}\n")
    assert not (here / "outputs").exists()


def test_conversations_of_a_run_that_is_gone_are_an_error_of_ours(here: Path) -> None:
    """They are read from its folder: what became of it is asked."""
    run = claude_run.run("talk.yaml", simulate=True, out="run")
    shutil.rmtree(here / "run")
    with pytest.raises(claude_run.StorageError, match=r"^run: .*No such file.*: was it moved or removed"):
        run.conversations[0]


@pytest.mark.usefixtures("here")
def test_a_run_that_played_nothing_has_not_passed() -> None:
    """An empty shard ends with 0, and nobody has seen that anything is well."""
    count = len(claude_run.plan("talk.yaml").conversations) + 1
    runs = [claude_run.run("talk.yaml", simulate=True, shard=f"{n}/{count}") for n in range(1, count + 1)]
    assert {run.exit_code for run in runs} == {claude_run.ExitCode.PASSED}
    assert {(len(run.conversations) > 0, run.passed) for run in runs} == {(True, True), (False, False)}


def test_a_disk_that_refuses_is_an_error_of_ours(here: Path) -> None:
    """Whatever part of the program has met it."""
    (here / "file").touch()
    with pytest.raises(claude_run.StorageError):
        claude_run.run("talk.yaml", simulate=True, out="file/run")


def test_it_plays_within_an_event_loop_and_in_threads(here: Path) -> None:
    """Own checks, which are processes, among it; no handler of a signal is touched."""
    (here / "checks.py").write_text(
        "from claude_run.checks.own import Finding, Subject, check, passed\n"
        '@check("polite", schema={"type": "boolean"}, example=True)\n'
        "def polite(value: bool, reply: Subject) -> Finding:\n"
        "    return passed('the reply is polite')\n",
        encoding="utf-8",
    )
    write(here, TALK.replace("{contains: help}", "{polite: true}"))
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    async def both() -> list[bool]:
        inside = claude_run.run("talk.yaml", simulate=True, own_checks=["checks.py"])
        runs = await asyncio.gather(
            *(
                asyncio.to_thread(claude_run.run, "talk.yaml", simulate=True, own_checks=["checks.py"])
                for _ in range(2)
            )
        )
        return [each.passed for each in (inside, *runs)]

    assert asyncio.run(both()) == [True, True, True]
    assert {number: signal.getsignal(number) for number in before} == before
    assert not [each for each in threading.enumerate() if each.name == "claude-run"]


_INTERRUPTED = """
import claude_run
try:
    claude_run.run("talk.yaml", simulate=True, faults="latency=500ms", repeat=20, concurrency=1, out="run")
except KeyboardInterrupt:
    print("interrupted", claude_run.tables("run").runs[0]["exit_code"])
"""


def test_an_interrupt_ends_a_run_in_good_order(here: Path) -> None:
    """KeyboardInterrupt comes when the files are written; the run can be gone on with.

    It would last for ten seconds, so that a busy machine, too, is interrupted in the middle of it.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED],
        cwd=here,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    _until_sent(here / "run" / "journal.jsonl", process)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (stdout, stderr) == ("interrupted 130\n", "")
    assert command("verify", "run", cwd=here).code == 0
    assert command("resume", "run", "-j", "20", cwd=here).code == 0


def _until_sent(journal: Path, process: subprocess.Popen[Any]) -> None:
    while process.poll() is None:
        if journal.exists() and '"event":"attempt"' in journal.read_text(encoding="utf-8"):
            return
        time.sleep(0.01)
    raise AssertionError(process.communicate())


def test_the_programs_of_the_page_run(here: Path) -> None:
    """With its scenario, in order."""
    page = ROOT / "docs" / "how-to" / "use-from-python.md"
    said = {}
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.name:
            (here / block.name).write_text(block.body, encoding="utf-8")
        if block.language == "python":
            result = execute([sys.executable, block.name], cwd=here)
            assert (result.code, result.stderr) == (0, "")
            said[block.name] = result.stdout
    program = (here / "play.py").read_text(encoding="utf-8")
    for trouble in ("max_requests=1", 'faults="400"'):
        code = program.replace("simulate=True", f"simulate=True, {trouble}, concurrency=1")
        result = execute([sys.executable, "-c", code], cwd=here)
        assert (result.code, result.stderr) == (0, "")
    assert said["play.py"].startswith("PASSED 4 conversations in outputs/")
    assert said["frames.py"].startswith("4 turns, 0 failed checks, $0.0")
