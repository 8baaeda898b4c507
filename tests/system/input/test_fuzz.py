"""The readers of files under any bytes, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.system.torture import fuzz
from tests.system.torture.targets import TARGETS

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[3]


def test_no_bytes_bring_anything_but_an_error_in_words() -> None:
    """Scenarios, cases, journals and `run.json`: any bytes and spoilt good ones are read or refused."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.system.input.fuzzing"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


def test_the_fuzzers_know_all_targets_and_tell_what_they_found(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A target that fails makes the whole fail, and says where its input is."""
    assert tuple(TARGETS) == fuzz.NAMES
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(fuzz, "NAMES", ("no_target",))
    assert fuzz.main(1) == 1
    said = capfd.readouterr().err
    assert "fuzz no_target: code 1, see " in said
    assert "KeyError: 'no_target'" in Path(said.split("see ")[1].strip()).read_text(encoding="utf-8")
