"""`import`: which scenarios were written, and what of the files was lost on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.cli.output import print_error, print_json, print_line, print_next
from claude_run.session.imports import import_files
from claude_run.session.next_command import command_line
from claude_run.text.visible import count

if TYPE_CHECKING:
    from claude_run.session.imports import Imported
    from claude_run.session.request import ImportRequest
    from claude_run.session.world import World


def import_scenarios(
    asked: ImportRequest, world: World, *, file_root: str | None, as_json: bool, quiet: bool
) -> int:
    """Import, and print what came of it: the files on stdout, the losses on stderr, or both as JSON."""
    found = import_files(asked, file_root=file_root, today=world.today)
    if not quiet:
        print_error(*found.warnings)
    if as_json:
        print_json(_as_json(found))
        return 0
    for scenario in found.scenarios:
        print_line(f"wrote {scenario.path}: {count(scenario.conversations, 'conversation')}")
    print_line(_total(found))
    if not quiet:
        folders = dict.fromkeys(str(each.path) for each in found.scenarios)
        first = next(iter(folders)) if len(folders) == 1 else str(asked.out)
        print_next(command_line("check", f"./{first}" if first.startswith("-") else first))
    return 0


def _as_json(found: Imported) -> dict[str, object]:
    scenarios = [{"path": str(each.path), "conversations": each.conversations} for each in found.scenarios]
    losses = [dict(loss.as_json()) for loss in found.losses]
    return {"schema_version": 1, "scenarios": scenarios, "losses": losses}


def _total(found: Imported) -> str:
    conversations = count(sum(each.conversations for each in found.scenarios), "conversation")
    kinds = [loss.kind for loss in found.losses]
    text = f"{count(len(found.scenarios), 'scenario')}, {conversations}"
    if not kinds:
        return f"{text}: all was carried over"
    return f"{text}; not carried over: {kinds.count('dropped')} dropped, {kinds.count('changed')} changed"
