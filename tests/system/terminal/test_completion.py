"""Completion in the shells that people have: installed by the command, and tried with the tabulator key."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.command import COMMAND, QUICKSTART, environment, execute
from tests.support.screen import in_terminal

if TYPE_CHECKING:
    from pathlib import Path

SHELLS = {"bash": ["bash", "-i"], "zsh": ["zsh", "-i"], "fish": ["fish", "-i"]}
PROMPT = "ready>"
RC = {
    "bash": (".bashrc", f"PS1='{PROMPT} '"),
    "zsh": (".zshrc", f"PROMPT='{PROMPT} '"),
    "fish": (".config/fish/config.fish", f"function fish_prompt; echo '{PROMPT} '; end"),
}


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return each shell, at home in a folder that has a scenario; in CI none may be missing."""
    name = str(request.param)
    if shutil.which(name) is None:
        reason = f"{name} is not installed, so completion in it was not tried: apt-get install {name}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    path, prompt = RC[name]
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(prompt + "\n")
    shutil.copy(QUICKSTART, tmp_path / "talk.yaml")
    (tmp_path / "tagged.yaml").write_text(
        "model: claude-haiku-5-5\nmax_tokens: 9\ntags: [smoke]\ncases: [{id: phone, vars: {item: a phone}}]\n"
        "turns: [{user: 'May I return {{ item }}?'}]\n"
    )
    return name


def typed(shell: str, line: str, *, home: Path) -> list[str]:
    """Type a line at an interactive shell, leave it, and return what its screen showed.

    Between two tabulators stands what the shell must add by itself: it is waited for, as people do. After one
    alone nobody waits.
    """
    path = f"{COMMAND.parent}:{os.environ['PATH']}"
    env = environment(home, {"TERM": "xterm", "PATH": path})
    before, tabulator, behind = line.partition("\t")
    added, _, behind = behind.rpartition("\t")
    with in_terminal(SHELLS[shell], cwd=home, env=env) as terminal:
        terminal.read(until=lambda screen: any(PROMPT in row for row in screen.rows))
        terminal.type(before + tabulator)
        if added:
            word = before.split()[-1] + added
            terminal.read(until=lambda screen: any(word in row for row in screen.rows))
        terminal.type(f"{behind}\rexit\r")
        terminal.read()
    return terminal.screen.rows


COMPLETED = {
    # The option of `run`, though the first argument is a file; and though there is no argument yet.
    "talk.yaml --mod\tel\t claude-opus-5-5 --list": "quickstart/claude-opus-5-5",
    "--mod\tel\t claude-opus-5-5 talk.yaml --list": "quickstart/claude-opus-5-5",
    # What any shell completes by itself still is completed.
    "tal\tk.yaml\t --list": "quickstart/claude-haiku-5-5",
    # A command, and one of the few words that an option takes.
    "sche\tma\t": '"$schema": ',
    "talk.yaml --list --color nev\ter\t": "quickstart/claude-haiku-5-5",
    # What the project has: a model that is known, a tag of the scenarios, and a name in them.
    "talk.yaml --list -m claude-opus-5-\t5\t": "quickstart/claude-opus-5-5",
    "tagged.yaml --list --tag smo\tke\t": "tagged/phone/claude-haiku-5-5",
    "tagged.yaml --list -k pho\tne\t": "tagged/phone/claude-haiku-5-5",
}


def test_what_the_tabulator_key_completes(shell: str, tmp_path: Path) -> None:
    """Each line that is completed runs, once completion is installed and a new shell is open."""
    told = typed(shell, "claude-run --install-completion", home=tmp_path)
    assert any(f"{shell} completion installed in" in row for row in told), told
    for line, listed in COMPLETED.items():
        told = typed(shell, f"claude-run {line} > told.txt", home=tmp_path)
        assert listed in (tmp_path / "told.txt").read_text(), told


def test_the_tabulator_key_runs_nothing_that_a_scenario_says(shell: str, tmp_path: Path) -> None:
    """The shell evaluates what it is offered, and a scenario may come from anybody."""
    typed(shell, "claude-run --install-completion", home=tmp_path)
    (tmp_path / "evil.yaml").write_text(
        "model: claude-haiku-5-5\nmax_tokens: 9\nname: '\\$(touch pwned)'\nturns: [{user: Hi}]\n"
        "tags: ['\\$(touch pwned)', '$(touch${IFS}pwned)', '`touch pwned`', harmless]\n"
    )
    for line in ("--tag \t", "-k \t", "--tag harm\tless\t"):
        told = typed(shell, f"claude-run evil.yaml --list {line} > told.txt", home=tmp_path)
        assert not (tmp_path / "pwned").exists(), told
    assert "claude-haiku-5-5" in (tmp_path / "told.txt").read_text()


@pytest.mark.parametrize("name", SHELLS)
def test_the_script_can_be_shown(name: str, tmp_path: Path) -> None:
    """Whoever keeps completions elsewhere gets the same text, with nothing else on stdout."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    shown = execute([name, "-c", f"{COMMAND} --show-completion; true"], cwd=tmp_path)
    assert (shown.code, shown.stderr) == (0, "")
    assert "_CLAUDE_RUN_COMPLETE" in shown.stdout
