"""The use case of `merge`: the shards of one plan become one run, in which nothing is missing or there twice.

Nothing is sent. What the shards leave open is decided on all of them: their pass rates, and the gate.
"""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from claude_run import __version__
from claude_run.errors import InputError
from claude_run.record.derive import read_played
from claude_run.record.folder import RunFolder
from claude_run.record.journal import held_still, joined, torn_bytes
from claude_run.record.run import Run, plan_digest
from claude_run.record.runs import note_played
from claude_run.session.compare import arm_of_baseline
from claude_run.session.gate import digest_of, gate
from claude_run.session.options import options_of, saved_options
from claude_run.session.play import RunResult, stamp
from claude_run.session.prepare import gate_rules
from claude_run.session.request import RunRequest
from claude_run.session.run import request_of, run_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from claude_run.record.derive import Played, Sections
    from claude_run.record.run import ShardOf
    from claude_run.session.world import World
    from claude_run.verdict.comparison import Arm
    from claude_run.verdict.gate import GateRules


_CUT_OFF = "its last line was cut off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One of the shards: its folder, what was planned and asked for, and which part of the whole it is."""

    folder: RunFolder
    run: Run
    request: RunRequest
    shard: ShardOf

    def __str__(self) -> str:
        return f"shard {self.shard.name} ({self.folder.path})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """What a gate asks: the baseline, what was asked for, and the rules."""

    baseline: Arm
    request: RunRequest
    rules: GateRules


async def merge(paths: Sequence[Path], out: Path | None, world: World, sections: Sections) -> RunResult:
    """Make one run of all shards of a plan, and hold it against its baseline if it has one.

    InputError, before anything is written, where they are not all of the shards of one plan, each once and
    played to its end; StorageError where one of them is damaged. `sections` make the pieces of reports.
    """
    folders = _distinct(RunFolder.open(path, disk=world.disk, redactor=world.redactor) for path in paths)
    with ExitStack() as held:
        for folder in folders:
            if not folder.journal.exists() and not folder.derived():
                again = f"`claude-run resume {folder.path}`"
                raise InputError(f"{folder.path} was never begun: play it with {again}")
            held.enter_context(held_still(folder.journal, world.disk))

        # What they are, then what they came to.
        parts = _of_one_plan([_part(folder) for folder in folders])
        if out is not None and _is_one_of(folders, out):
            raise InputError(f"-o {out} is one of the shards, which stay as they are: name a new folder")
        whole = _whole(parts)
        against = _against(parts, whole)
        ended_at = _end_of_all(parts)
        journals = [(part.folder.journal, part.folder.seal(part.run)) for part in parts]
        lines = joined(str(whole.run_id), journals, ended_at=ended_at)
        folder = RunFolder.create_whole(
            whole, lines, out=out, stamp=stamp(), disk=world.disk, redactor=world.redactor
        )
    note_played(world.disk, folder.path)
    played = read_played(folder, sections)
    if against is not None:
        played = await _gated(folder, played, against)
    return RunResult(folder=folder, played=played)


def _distinct(folders: Iterable[RunFolder]) -> Sequence[RunFolder]:
    """Return the folders; InputError where one is named twice, by whichever names."""
    found: dict[str, RunFolder] = {}
    for folder in folders:
        place = os.path.realpath(folder.path)
        if place in found:
            raise InputError(f"{folder.path} is named twice: name the run folder of each shard once")
        found[place] = folder
    return list(found.values())


def _is_one_of(folders: Sequence[RunFolder], path: Path) -> bool:
    return any(os.path.realpath(each.path) == os.path.realpath(path) for each in folders)


def _part(folder: RunFolder) -> Part:
    run = folder.read_run()
    if run.shard is None:
        raise InputError(
            f"{folder.path} is no shard: merge joins runs that were played with --shard, all of one plan"
        )
    return Part(folder=folder, run=run, request=request_of(folder, run, {}), shard=run.shard)


def _of_one_plan(parts: Sequence[Part]) -> Sequence[Part]:
    """Return the parts in their order; InputError unless they are all parts of one plan, each once."""
    first, *others = parts
    for other in others:
        for difference in _differences(first, other):
            raise InputError(f"{first} and {other} are parts of different runs: {difference}")

    by_index: dict[int, Part] = {}
    for part in parts:
        if (same := by_index.setdefault(part.shard.index, part)) is not part:
            raise InputError(
                f"shard {part.shard.name} is there twice, in {same.folder.path} and in {part.folder.path}:"
                " name one of them"
            )
    total = first.shard.count
    if missing := [f"{index}/{total}" for index in range(1, total + 1) if index not in by_index]:
        are = "is" if len(missing) == 1 else "are"
        raise InputError(
            f"shard {', '.join(missing)} {are} missing: name the run folders of all {total} shards"
            f" (play one with the same command and --shard {missing[0]})"
        )
    ordered = [part for _, part in sorted(by_index.items())]
    _refuse_misfit(ordered)
    return ordered


def _differences(first: Part, other: Part) -> Iterator[str]:
    """Yield what makes two shards parts of different runs."""
    one, two = first.shard, other.shard
    if one.count != two.count:
        yield f"the plan was cut into {one.count} shards for one, and into {two.count} for the other"
    for path in sorted(one.files.keys() | two.files.keys()):
        if one.files.get(path) != two.files.get(path):
            both = path in one.files and path in two.files
            what = "is not the same in both" if both else "is in one only"
            yield f"{path} {what}; play all shards from one version of the scenarios"
    for flag, value in _shaping(first.request).items():
        if value != _shaping(other.request)[flag]:
            yield f"{flag} is not the same in both; play all shards with the same options"
    for path in sorted(first.run.own_checks.keys() | other.run.own_checks.keys()):
        if first.run.own_checks.get(path) != other.run.own_checks.get(path):
            yield f"the own checks of {path} are not the same in both"
    if first.run.baseline_sha256 != other.run.baseline_sha256:
        yield "the baseline is not the same in both"
    if (one.plan_sha256, one.conversations) != (two.plan_sha256, two.conversations):
        yield "they are of different plans; play all shards with the same version of claude-run"


def _shaping(request: RunRequest) -> Mapping[str, object]:
    """Return what was asked for that decides what a run is, by its flag; which shard it is is left out."""
    shaping = (each for each in options_of(RunRequest) if each.shapes and each.saved and each.name != "shard")
    return {
        each.flag: getattr(request if hasattr(request, each.name) else request.gate, each.name)
        for each in shaping
    }


def _refuse_misfit(parts: Sequence[Part]) -> None:
    """Raise InputError unless the parts, one after the other, are the plan that they were cut from."""
    shard = parts[0].shard
    planned = [identity for part in parts for identity in part.run.conversations]
    if len(planned) == shard.conversations and plan_digest(planned) == shard.plan_sha256:
        return
    versions = ", ".join(dict.fromkeys(part.run.claude_run for part in parts))
    cut = f"were they all cut by one version of claude-run ({versions}), and is each run.json as written?"
    homes: dict[str, Part] = {}
    for part in parts:
        for identity in part.run.conversations:
            if (home := homes.setdefault(identity.id, part)) is not part:
                raise InputError(f"{identity.id} is in {home} and in {part}: {cut}")
    raise InputError(
        f"the shards hold {len(planned):,} conversations and do not add up to the plan that they were cut"
        f" from, which has {shard.conversations:,}: {cut}"
    )


def _end_of_all(parts: Sequence[Part]) -> str | None:
    """Return when the last shard ended; InputError, which names them, where some were not played whole."""
    told, ends = [], []
    for part in parts:
        ending, torn = read_played(part.folder).ending, torn_bytes(part.folder.journal)
        if ending.stop is not None or torn:
            why = _CUT_OFF if torn else ending.reason or "it was stopped"
            told.append(f"{part} is not finished ({why}): go on with `claude-run resume {part.folder.path}`")
        ends += [ending.at] if ending.at is not None else []
    if told:
        raise InputError("; ".join(told))
    return max(ends, default=None)


def _whole(parts: Sequence[Part]) -> Run:
    """Return the run that one machine would have played, under a name of its own."""
    first, runs = parts[0], [part.run for part in parts]
    pass_rates = {name: rate for run in runs for name, rate in run.pass_rates.items()}
    return Run(
        run_id=secrets.token_hex(8),
        name=run_name(list(pass_rates)),
        claude_run=__version__,
        created_at=min(run.created_at for run in runs),
        paths=first.run.paths,
        options=saved_options(_request_of_all([part.request for part in parts])),
        files=first.shard.files,
        own_checks=first.run.own_checks,
        pass_rates=pass_rates,
        prices=", ".join(dict.fromkeys(run.prices for run in runs)),
        simulated=first.run.simulated,
        conversations=tuple(chain.from_iterable(run.conversations for run in runs)),
        baseline_sha256=first.run.baseline_sha256,
    )


def _request_of_all(requests: Sequence[RunRequest]) -> RunRequest:
    """Return what was asked for of all shards: what each of them was allowed to spend adds up."""
    first = requests[0]
    costs, most = [each.max_cost for each in requests], [each.max_requests for each in requests]
    known = [cost for cost in costs if cost is not None]
    bounds = [number for number in most if number is not None]
    allowed: dict[str, frozenset[str]] = {}
    for request in requests:
        for asked, served in request.allowed_models.items():
            allowed[asked] = allowed.get(asked, frozenset()) | served
    return replace(
        first,
        shard=None,
        max_cost=sum(known[1:], known[0]) if len(known) == len(costs) else None,
        max_requests=sum(bounds) if len(bounds) == len(most) else None,
        allowed_models=allowed,
    )


def _against(parts: Sequence[Part], whole: Run) -> Against | None:
    """Return what the whole is held against; InputError where it is not what the shards were started with."""
    request = replace(parts[0].request, shard=None)
    if request.baseline is None:
        return None
    baseline = arm_of_baseline(request.baseline, whole.conversations)
    if digest_of(baseline) != whole.baseline_sha256:
        raise InputError(
            f"{baseline.name} is not what it was when the shards were started: put the old one back, or play"
            " the shards anew with --reuse"
        )
    return Against(baseline=baseline, request=request, rules=gate_rules(request))


async def _gated(folder: RunFolder, played: Played, against: Against) -> Played:
    """Hold the whole against its baseline, and write the verdict into its journal.

    Fresh attempts there are none: what they would tell is unclear, until `resume` has played them.
    """
    journal, _ = folder.open_journal()
    with closing(journal):
        found = gate(played, against.baseline, request=against.request, rules=against.rules)
        journal.append_run("gated", **found.to_json())
        await journal.synced()
        await journal.settled()
        return played.gated(found, journal.extent)
