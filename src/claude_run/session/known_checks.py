"""Files with checks of one's own: which of them a run folder may name to be run, and whether they changed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.errors import InputError
from claude_run.record.disk import read_file
from claude_run.record.project import project_root

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from claude_run.record.folder import RunFolder


def digests(paths: Sequence[Path]) -> Mapping[str, str]:
    """Return the SHA-256 of the bytes of each file, in hex, by its path; nothing of those that are gone."""
    found: dict[str, str] = {}
    for path in paths:
        try:
            found[str(path)] = hashlib.sha256(read_file(path)).hexdigest()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise InputError(f"--checks: {path} cannot be read: {error.strerror or error}") from error
    return found


def changed(paths: Sequence[Path], saved: Mapping[str, str]) -> frozenset[str]:
    """Return the names of the files that are not those that a run was started with, or lack."""
    now = digests(paths)
    named = {*map(str, paths), *saved}
    return frozenset(name for name in named if name not in now or saved.get(name) != now[name])


def refuse_unknown(paths: Sequence[Path], saved: Mapping[str, str], folder: RunFolder) -> None:
    """Raise InputError unless every file that a run folder names may be run without anybody naming it anew.

    A run folder may come from anywhere, and an own check is a program: it is run only where it lies in the
    project that we are in, outside of any run folder, and is byte for byte what the run was started with.
    """
    again = " ".join(f"--checks {path}" for path in paths)
    root = project_root(Path.cwd())
    for path in paths:
        place = path.resolve()
        if not place.is_relative_to(root) or _is_in_a_run(place, root):
            where = "in a run folder" if place.is_relative_to(root) else f"outside of {root}"
            raise InputError(
                f"{folder.path} names own checks in {path}, which lies {where}: a program is run only where"
                f" you name it; read it, and then pass {again}"
            )
    if names := changed(paths, saved):
        raise InputError(
            f"the own checks are not what they were when the run was started ({', '.join(sorted(names))}):"
            f" put the old ones back, start a new run with --reuse {folder.path}, or pass --changed {again}"
            " to check every reply by them as they are now"
        )


def _is_in_a_run(place: Path, root: Path) -> bool:
    within = (folder for folder in place.parents if folder.is_relative_to(root))
    return any((folder / "run.json").exists() or (folder / "journal.jsonl").exists() for folder in within)
