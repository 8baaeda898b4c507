"""`review`: the replies that changed since the baseline, one at a time, each accepted or not by one key."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from claude_run.cli.output import print_error, print_json, print_line
from claude_run.cli.terminal import ask_key
from claude_run.errors import InputError
from claude_run.report.text.blocks import truncate
from claude_run.report.text.console import colour_wanted
from claude_run.report.text.diff import print_reply_diff
from claude_run.session import baselines
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from claude_run.cli.options import ReviewOptions
    from claude_run.session.baselines import Change, Review
    from claude_run.session.world import World

_HELP = "a accept, r reject, s skip, o show both whole, q quit"


def review(path: Path | None, options: ReviewOptions, world: World) -> int:
    """Walk the changes, or only list them. Returns 0 when none is left, 1 otherwise."""
    found = baselines.review(path, world)
    print_error(f"run {found.result.folder.path}")
    for stale in found.stale:
        print_error(f"stale: {stale}: in the baseline, but not in this run; accept a whole run to drop it")
    if options.pending or options.json:
        _list(found.changes, as_json=options.json)
        return int(bool(found.changes))
    baselines.refuse_in_ci()
    if not sys.stdin.isatty():
        raise InputError("review asks for a key: run it in a terminal, or list what is open with --pending")
    return _walk(found, world)


def _walk(found: Review, world: World) -> int:
    colour = colour_wanted("auto", os.environ, isatty=sys.stderr.isatty())
    left = len(found.changes)
    print_error(*baselines.simulation_warning(found.result))
    world.signals.postpone()
    for number, change in enumerate(found.changes, start=1):
        # What changed.
        score = f"{change.score_before} -> {change.score_after}"
        print_error("", f"{number}/{len(found.changes)}  {change.id}  {score}")
        if change.edited:
            print_error(_edited(change))
        for turn, before, after in change.texts():
            asked = change.asked_at(turn)
            print_error(f"turn {turn}", *([f"    asked: {_cut(asked)}"] if asked else []))
            print_reply_diff(before, after, stream=sys.stderr, colour=colour)
        # What becomes of it.
        while (key := ask_key(_HELP, world.signals)) not in "arsq":
            if key == "o":
                _show_whole(change)
        if key == "q":
            break
        decide = {"r": baselines.reject_change, "a": baselines.accept_change}.get(key)
        if decide is not None and not decide(change, found.result, world):
            print_error(f"{change.id} stays open: its baseline has been changed meanwhile; review it again")
            continue
        left -= key in "ar"
    print_error(f"{count(left, 'change')} left open" if left else "nothing is left open")
    return int(left > 0)


def _edited(change: Change) -> str:
    return f"its {' and '.join(change.edited)} were edited since it was accepted"


def _cut(asked: str) -> str:
    return truncate(" ".join(asked.split()))


def _show_whole(change: Change) -> None:
    for turn, before, after in change.texts():
        asked = change.asked_at(turn)
        question = (f"== turn {turn}, asked", asked, "") if asked else ()
        shown = (*question, f"== turn {turn}, accepted", before, "", f"== turn {turn}, now", after, "")
        for line in "\n".join(shown).split("\n"):
            print_line(line)


def _list(changes: Sequence[Change], *, as_json: bool) -> None:
    if not as_json:
        for change in changes:
            edited = f"  {_edited(change)}" if change.edited else ""
            print_line(f"{change.id}  {change.score_before} -> {change.score_after}{edited}")
        return
    print_json(
        [
            {
                "id": change.id,
                "path": change.path,
                "accepted": change.score_before,
                "now": change.score_after,
                "edited": list(change.edited),
                "turns": [
                    {"turn": turn, "asked": change.asked_at(turn), "accepted": before, "now": after}
                    for turn, before, after in change.texts()
                ],
            }
            for change in changes
        ]
    )
