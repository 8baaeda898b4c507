"""The journal believes nothing: whatever was done to it, every command names it and changes no file."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.record.made_of import DERIVED
from tests.system.crash.workspace import CrashWorkspace
from tests.system.harness.sweeps import is_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tests.system.crash.api import LedgerApi
    from tests.system.harness.fork_server import ForkServer

Lines = list[bytes]
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "verify": ("verify", "run"),
    "report": ("report", "run"),
    "resume": ("resume", "run"),
    "retry": ("resume", "run", "--retry-errors"),
    "compare": ("compare", "run", "other"),
    "accept": ("accept", "run"),
    "review": ("review", "run", "--pending"),
    "replay": ("talk.yaml", "--replay", "run", "-o", "new"),
    "reuse": ("talk.yaml", "--reuse", "run", "-o", "new"),
    "baseline": ("talk.yaml", "--baseline", "run", "-o", "new"),
    "last failed": ("talk.yaml", "--lf", "-o", "new"),
}


def commands_for(name: str) -> Mapping[str, tuple[str, ...]]:
    """Return the commands that meet a mutation of this name: all, or four that are always the same ones."""
    if is_whole():
        return COMMANDS
    start = zlib.crc32(name.encode())
    every = list(COMMANDS.items())
    return dict(every[(start + step * 3) % len(every)] for step in range(4))


def _value(line: bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(line)
    return value


def _framed(value: Mapping[str, Any], seq: int) -> bytes:
    """Frame an event as a journal does, with nothing of the product's."""
    event = {name: part for name, part in value.items() if name not in {"crc", "seq"}}
    rest = json.dumps({"seq": seq, **event}, separators=(",", ":")).encode()[1:] + b"\n"
    return b'{"crc":"%08x",%s' % (zlib.crc32(rest), rest)


def _renumbered(lines: Lines) -> Lines:
    """Return the lines with new numbers, each with a true checksum."""
    return [_framed(_value(line), seq) for seq, line in enumerate(lines)]


def _at(lines: Lines, event: str, number: int = 0) -> int:
    """Return the index of an event of a kind."""
    return [index for index, line in enumerate(lines) if _value(line)["event"] == event][number]


def _without(lines: Lines, *indices: int) -> Lines:
    left_out = {index % len(lines) for index in indices}
    return [line for index, line in enumerate(lines) if index not in left_out]


def _doubled(lines: Lines, index: int) -> Lines:
    return [*lines[: index + 1], *lines[index:]]


def _moved(lines: Lines, source: int, target: int) -> Lines:
    rest = [*lines[:source], *lines[source + 1 :]]
    return [*rest[:target], lines[source], *rest[target:]]


def _swapped(lines: Lines, one: int, other: int) -> Lines:
    result = list(lines)
    result[one], result[other] = lines[other], lines[one]
    return result


def _flipped(lines: Lines, index: int, place: int, bit: int = 0) -> Lines:
    result = list(lines)
    line = bytearray(lines[index])
    line[place] ^= 1 << bit
    result[index] = bytes(line)
    return result


def _edited(lines: Lines, index: int, **fields: Any) -> Lines:
    """Change fields of one event, with a true checksum."""
    result = list(lines)
    result[index] = _framed({**_value(lines[index]), **fields}, index)
    return result


def _appended(lines: Lines, *values: Mapping[str, Any]) -> Lines:
    return [*lines, *(_framed(value, len(lines) + index) for index, value in enumerate(values))]


def _of(lines: Lines, case: str) -> list[int]:
    """Return the indices of all lines of a conversation."""
    return [index for index, line in enumerate(lines) if f'"talk/{case}/'.encode() in line]


Mutation = tuple[str, "Callable[[Lines, Lines], Lines | None]"]
MUTATIONS: list[Mutation] = [
    # A whole line cut out.
    ("cut the header", lambda own, _: own[1:]),
    ("cut the line of the begin", lambda own, _: _without(own, 1)),
    *(
        (f"cut the {event}", lambda own, _, event=event: _without(own, _at(own, event, 1)))
        for event in ("start", "request", "attempt", "reply", "end")
    ),
    ("cut the last line", lambda own, _: own[:-1]),
    ("cut the last but one", lambda own, _: _without(own, -2)),
    ("cut all replies", lambda own, _: [line for line in own if _value(line)["event"] != "reply"]),
    ("cut the second half", lambda own, _: own[: len(own) // 2]),
    ("cut all but the header", lambda own, _: own[:1]),
    # A line doubled.
    *(
        (f"double the {event}", lambda own, _, event=event: _doubled(own, _at(own, event)))
        for event in ("journal", "start", "attempt", "reply", "end")
    ),
    ("double the last line", lambda own, _: _doubled(own, len(own) - 1)),
    ("double the file", lambda own, _: own + own),
    # Lines moved and swapped.
    ("move a reply to the end", lambda own, _: _moved(own, _at(own, "reply"), len(own) - 1)),
    ("move the end to the begin", lambda own, _: _moved(own, _at(own, "end"), 1)),
    ("swap attempt and reply", lambda own, _: _swapped(own, _at(own, "attempt"), _at(own, "reply"))),
    ("swap two replies", lambda own, _: _swapped(own, _at(own, "reply"), _at(own, "reply", 4))),
    ("swap the first two", lambda own, _: _swapped(own, 0, 1)),
    ("turn it round", lambda own, _: own[::-1]),
    # The same with new numbers and true checksums.
    ("renumber without a reply", lambda own, _: _renumbered(_without(own, _at(own, "reply")))),
    (
        "renumber without an exchange",
        lambda own, _: _renumbered(_without(own, _at(own, "attempt", 2), _at(own, "reply", 2))),
    ),
    ("renumber without a conversation", lambda own, _: _renumbered(_without(own, *_of(own, "bob")))),
    ("renumber with a doubled reply", lambda own, _: _renumbered(_doubled(own, _at(own, "reply")))),
    (
        "renumber with swapped replies",
        lambda own, _: _renumbered(_swapped(own, _at(own, "reply"), _at(own, "reply", 4))),
    ),
    ("renumber with a doubled start", lambda own, _: _renumbered(_doubled(own, _at(own, "start")))),
    # Nothing left of it.
    ("empty it", lambda _own, _: []),
    ("delete it", lambda _own, _: None),
    ("a line break", lambda _own, _: [b"\n"]),
    ("zeros", lambda own, _: [b"\0" * sum(map(len, own))]),
    # Another run's.
    ("another run's journal", lambda _own, other: other),
    ("another run's header", lambda own, other: [other[0], *own[1:]]),
    ("another run's lines under its header", lambda own, other: [own[0], *other[1:]]),
    (
        "another run's reply",
        lambda own, other: [*own[:5], other[5], *own[6:]],
    ),
    ("no run id", lambda own, _: [_framed({"event": "journal", "version": 1}, 0), *own[1:]]),
    ("another version", lambda own, _: _edited(own, 0, version=2)),
    # Events that no process of this run wrote, with true checksums.
    ("a turn that is not there", lambda own, _: _edited(own, _at(own, "reply"), turn=7)),
    (
        "a stranger's conversation",
        lambda own, _: _appended(
            own, {**_value(own[_at(own, "start")]), "conversation_id": "talk/zoe/m", "case": "zoe"}
        ),
    ),
    ("another text in a reply", lambda own, _: _edited(own, _at(own, "reply"), cost_usd=0.0)),
    (
        "a second start",
        lambda own, _: _appended(own, _value(own[_at(own, "start")])),
    ),
    (
        "what has ended is superseded",
        lambda own, _: _appended(
            own, {"event": "run", "what": "changed", "superseded": ["talk/ada/claude-haiku-5-5"]}
        ),
    ),
    # Bits.
    ("a bit of the first line", lambda own, _: _flipped(own, 0, 30)),
    ("a bit of a checksum", lambda own, _: _flipped(own, _at(own, "reply"), 10)),
    ("a bit of a body", lambda own, _: _flipped(own, _at(own, "reply"), -40)),
    ("a bit of the last line", lambda own, _: _flipped(own, -1, -9)),
    ("the bit of a line break", lambda own, _: _flipped(own, _at(own, "reply"), -1)),
    # Tails.
    ("a whole line of something else", lambda own, _: [*own, b"something else\n"]),
    ("a whole line that follows another", lambda own, _: [*own, own[-1]]),
]  # fmt: skip


@pytest.fixture(scope="module")
def played(fork_server: ForkServer, served_api: LedgerApi, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with two whole runs of one scenario."""
    served_api.reset()
    workspace = CrashWorkspace(
        folder=tmp_path_factory.mktemp("whole"), fork_server=fork_server, api=served_api
    )
    workspace.write()
    (workspace.folder / "outputs").mkdir()
    for name in ("other", "run"):
        assert workspace.run("talk.yaml", "-o", name, "-j", "1").code == 0
    return workspace.folder


def _files(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if "stream" not in path.name}


@pytest.fixture
def copied(played: Path, fork_server: ForkServer, served_api: LedgerApi, tmp_path: Path) -> CrashWorkspace:
    """Give a copy of that folder."""
    served_api.reset()
    folder = tmp_path / "work"
    shutil.copytree(played, folder, symlinks=True)
    return CrashWorkspace(folder=folder, fork_server=fork_server, api=served_api)


@pytest.mark.parametrize(("name", "mutate"), MUTATIONS, ids=[name for name, _ in MUTATIONS])
def test_every_command_names_it_and_changes_nothing(
    copied: CrashWorkspace, name: str, mutate: Callable[[Lines, Lines], Lines | None]
) -> None:
    """Exit code 3, a message that names the journal, no request, and every file as it was."""
    workspace, folder = copied, copied.folder
    other = (folder / "other" / "journal.jsonl").read_bytes().splitlines(keepends=True)
    mutated = mutate(workspace.journal.read_bytes().splitlines(keepends=True), other)
    workspace.journal.unlink()
    if mutated is not None:
        workspace.journal.write_bytes(b"".join(mutated))
    before = _files(folder)
    for command, arguments in commands_for(name).items():
        result = workspace.run(*arguments)
        said = f"{name}, {command}: {result.code}\n{result.stdout}{result.stderr}"
        assert result.code == 3, said
        assert "run/journal.jsonl" in result.stderr + result.stdout, said
        assert _files(folder) == before, said
    assert workspace.api.ledger == []


def _header_alone(run: Path) -> None:
    journal = run / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().splitlines(keepends=True)[0])


def _without_last_reply(run: Path) -> None:
    """Cut the journal before its last reply, at the end of a line."""
    journal = run / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[: _at(lines, "reply", -1)]))


def _older_summary(run: Path) -> None:
    """Let `summary.json` be that of an earlier time, when the journal had its header alone."""
    _header_alone(run)
    value = json.loads((run / "summary.json").read_bytes())
    header = (run / "journal.jsonl").read_bytes()
    value["made_of"] |= {"journal_lines": 1, "journal_sha256": hashlib.sha256(header).hexdigest()}
    value["made_of"]["transcripts_sha256"] = hashlib.sha256(b"").hexdigest()
    (run / "summary.json").write_text(json.dumps(value), encoding="utf-8")


def _edit_plan(run: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    value = json.loads((run / "run.json").read_bytes())
    edit(value)
    (run / "run.json").write_text(json.dumps(value), encoding="utf-8")


def _change_models(run: Path) -> None:
    def edit(value: dict[str, Any]) -> None:
        for planned in value["conversations"]:
            planned["model"] = "claude-opus-5-5"

    _edit_plan(run, edit)


def _edit_journal(run: Path, event: str, **fields: Any) -> None:
    journal = run / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(_edited(lines, _at(lines, event), **fields)))


def _forget_derived(run: Path, *names: str) -> None:
    for name in names or DERIVED:
        (run / name).unlink(missing_ok=True)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


BESIDE: list[tuple[str, Sequence[Callable[[Path], object]], str]] = [
    ("no summary", [_header_alone, lambda run: (run / "summary.json").unlink()], "journal.jsonl"),
    ("no summary, one reply", [_without_last_reply, lambda run: (run / "summary.json").unlink()], "journal"),
    ("a damaged summary", [_header_alone, lambda run: (run / "summary.json").write_text("{")], "journal"),
    (
        "a summary that says nothing",
        [_header_alone, lambda run: (run / "summary.json").write_text("{}")],
        "journal.jsonl",
    ),
    ("an older summary", [_older_summary], "journal.jsonl"),
    (
        "only the pages left",
        [
            _without_last_reply,
            lambda run: _forget_derived(run, "summary.json", "transcripts.jsonl"),
        ],
        "journal.jsonl",
    ),
    (
        "only one page left, and no journal",
        [
            lambda run: (run / "journal.jsonl").unlink(),
            lambda run: _forget_derived(run, *set(DERIVED) - {"transcripts.md"}),
        ],
        "journal.jsonl",
    ),
    (
        "emptied transcripts and no summary",
        [
            _header_alone,
            lambda run: (run / "summary.json").unlink(),
            lambda run: (run / "transcripts.jsonl").write_bytes(b""),
        ],
        "journal.jsonl",
    ),
    ("other models in the plan", [_change_models], "journal.jsonl"),
    (
        "a conversation planned twice",
        [lambda run: _edit_plan(run, lambda value: value["conversations"].append(value["conversations"][0]))],
        "run.json",
    ),
    (
        "a turn that is not its request's",
        [lambda run: _edit_journal(run, "reply", turn=1), _forget_derived],
        "journal.jsonl",
    ),
    (
        "an attempt that was never made",
        [lambda run: _edit_journal(run, "reply", n=2), _forget_derived],
        "journal.jsonl",
    ),
    ("a pipe for a journal", [lambda run: _pipe(run / "journal.jsonl")], "journal.jsonl"),
    ("a pipe for a plan", [lambda run: _pipe(run / "run.json")], "run.json"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "mutations", "named"), BESIDE, ids=[name for name, *_ in BESIDE])
def test_whatever_was_done_to_the_files_beside_it(
    copied: CrashWorkspace, name: str, mutations: Sequence[Callable[[Path], object]], named: str
) -> None:
    """The files that vouch for a journal, and the plan that it fits, are believed no more than itself."""
    for mutate in mutations:
        mutate(copied.run_folder)
    before = _files(copied.folder)
    for command, arguments in commands_for(name).items():
        result = copied.run(*arguments)
        said = f"{name}, {command}: {result.code}\n{result.stdout}{result.stderr}"
        assert result.code == 3, said
        assert f"run/{named}" in result.stderr + result.stdout, said
        assert _files(copied.folder) == before, said
    assert copied.api.ledger == []


@pytest.mark.parametrize("left", [("transcripts.jsonl",), DERIVED[:-1], ()])
def test_files_that_hold_no_more_than_the_journal_are_made_anew(
    copied: CrashWorkspace, left: Sequence[str]
) -> None:
    """A whole journal needs no summary to be believed, where the transcripts say the same or nothing does."""
    whole = _files(copied.run_folder)
    for name in set(DERIVED) - set(left):
        (copied.run_folder / name).unlink(missing_ok=True)
    assert copied.run("report", "run").code == 0
    assert _files(copied.run_folder) == whole
    assert copied.run("verify", "run").code == 0


@pytest.mark.parametrize("cut", [1, 20])
def test_a_torn_tail_of_a_whole_run_is_named_and_set_aside(copied: CrashWorkspace, cut: int) -> None:
    """Only the line without its end is lost, and the way on is said; nothing is sent again."""
    copied.journal.write_bytes(copied.journal.read_bytes()[:-cut])
    before = _files(copied.folder)
    verified = copied.run("verify", "run")
    assert verified.code == 3
    assert "journal.jsonl ends in a torn line" in verified.stdout
    assert _files(copied.folder) == before
    resumed = copied.resume()
    assert resumed.code == 0
    assert "ended in a torn line" in resumed.stderr
    assert copied.journal.with_suffix(".torn").exists()
    assert copied.api.ledger == []


def test_every_command_meets_many_mutations() -> None:
    """The few that each mutation meets are spread over all of them."""
    names = [*(name for name, _ in MUTATIONS), *(name for name, *_ in BESIDE)]
    met = [command for name in names for command in commands_for(name)]
    assert min(met.count(command) for command in COMMANDS) >= 10
