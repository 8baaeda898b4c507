"""`make dist`, second half: what lies in dist/ plays the quickstart without the checkout, tools or a key."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFUSED = """\
name: refused
model: claude-haiku-5-5
temperature: 0.3
turns: [{user: Hello}]
"""


def main() -> None:
    """Check wheel and sdist; SystemExit, with what was found, when one of them is not whole."""
    [wheel], [sdist] = (ROOT / "dist").glob("*.whl"), (ROOT / "dist").glob("*.tar.gz")
    with tempfile.TemporaryDirectory() as folder:
        _build_from_sdist(sdist, wheel, Path(folder, "unpacked"))
        _play_from_wheel(wheel, Path(folder))


def _build_from_sdist(sdist: Path, wheel: Path, folder: Path) -> None:
    """Whoever packages claude-run anew begins with the sdist: it must give the same wheel, file by file."""
    with tarfile.open(sdist) as packed:
        # Pythons before 3.11.4 have no filters; the archive is our own.
        safely: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        packed.extractall(folder, **safely)  # noqa: S202 - filtered where it can be
    [source] = folder.iterdir()
    _run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", cwd=source)

    again, once = _members(source / "dist" / wheel.name), _members(wheel)
    different = sorted(name for name in again.keys() | once.keys() if again.get(name) != once.get(name))
    _expect(not different, f"the wheel built from {sdist.name} differs: {', '.join(different)}")
    print(f"{sdist.name} builds {wheel.name}, {len(once)} files", flush=True)  # noqa: T201 - a report


def _play_from_wheel(wheel: Path, folder: Path) -> None:
    """Install the run lock and the wheel, then use what a wheel easily lacks: all that is not code."""
    python, work = folder / "venv" / "bin" / "python", folder / "work"
    _run(sys.executable, "-m", "venv", str(python.parent.parent), cwd=folder)
    install = (str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps")
    _run(
        *(*install, "--require-hashes", "--only-binary", ":all:"),
        *("--requirement", str(ROOT / "requirements" / "run.txt")),
        cwd=folder,
    )
    _run(*install, "--no-index", str(wheel), cwd=folder)
    # Here this proves more than in the checkout: the wheel's own requirements are met by the run lock alone.
    _run(str(python), "-m", "pip", "check", cwd=folder)

    work.mkdir()
    clean = {"PATH": f"{python.parent}:{os.defpath}", "HOME": str(work), "LANG": "C.UTF-8"}

    def play(*arguments: str, code: int = 0) -> str:
        return _run("claude-run", *arguments, cwd=work, environment=clean, code=code)

    # The schema, the first project and the quickstart, with the templates of transcripts and summary.
    schema = (ROOT / "scenarios" / "claude-run.schema.json").read_text(encoding="utf-8")
    _expect(play("schema") == schema, "`claude-run schema` prints another schema than the checkout has")
    find = "import claude_run, pathlib; print(pathlib.Path(claude_run.__file__).parent, end='')"
    shipped = Path(_run(str(python), "-c", find, cwd=work)) / "claude-run.schema.json"
    _expect(shipped.read_text(encoding="utf-8") == schema, "the wheel ships another schema")
    play("init")
    play(
        "scenarios/first.yaml", "--simulate", "-o", "first", "-m", "claude-opus-5-5", "-m", "claude-haiku-5-5"
    )
    shutil.copy(ROOT / "scenarios" / "quickstart.yaml", work)
    print(play("quickstart.yaml", "--simulate", "-o", "quickstart"), end="", flush=True)  # noqa: T201 - same
    for page in ("transcripts.md", "summary.md"):
        text = (work / "quickstart" / page).read_text(encoding="utf-8")
        _expect("quickstart" in text and "simulat" in text, f"{page} does not tell what was played")

    # The page of a comparison with its style sheet, and the table of models.
    _expect("<style" in play("compare", "first", "--html"), "the HTML page has no style")
    (work / "refused.yaml").write_text(_REFUSED, encoding="utf-8")
    _expect(
        "temperature" in play("check", "refused.yaml", code=2), "`check` does not know what a model refuses"
    )
    print(f"{wheel.name} plays the quickstart by itself", flush=True)  # noqa: T201 - same


def _members(wheel: Path) -> Mapping[str, bytes]:
    with zipfile.ZipFile(wheel) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def _run(*command: str, cwd: Path, environment: Mapping[str, str] | None = None, code: int = 0) -> str:
    """Run a command to its end and return all that it printed, stdout first."""
    ended = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    _expect(
        ended.returncode == code,
        f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}",
    )
    return ended.stdout + ended.stderr


def _expect(true: bool, otherwise: str) -> None:
    if not true:
        sys.exit(f"dist: {otherwise}")


if __name__ == "__main__":
    main()
