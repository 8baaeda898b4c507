"""Every GitHub workflow that the documentation shows, as somebody copies it: sound by zizmor's rules."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from tests.docs.pages import ROOT

_BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What stands around a part of a workflow, by how far the part is indented.
_AROUND = {
    0: "",
    2: "name: part\non: push\npermissions: {}\njobs:\n",
    4: "name: part\non: push\npermissions: {}\njobs:\n  part:\n    runs-on: ubuntu-latest\n",
}


def workflows(page: Path) -> list[str]:
    """Return the workflows of a page, of a part of one the least that makes it whole."""
    found = [block for block in _BLOCK.findall(page.read_text(encoding="utf-8")) if "uses: " in block]
    return [_AROUND[len(block) - len(block.lstrip(" "))] + block for block in found]


PAGES = [page for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))] if workflows(page)]


def found_in(text: str, folder: Path) -> str:
    """Return what zizmor finds in a workflow; nothing where that is sound."""
    file = folder / ".github" / "workflows" / "shown.yml"
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    zizmor = Path(sys.executable).parent / "zizmor"
    command = [str(zizmor), "--offline", "--quiet", "--no-progress", "--color=never", str(file)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if ended.returncode == 0 else ended.stdout + ended.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_workflow_that_is_shown_is_sound(page: Path, tmp_path: Path) -> None:
    """Actions are pinned by hash, no credentials stay behind, and nothing is pasted into scripts."""
    for number, text in enumerate(workflows(page)):
        assert set(yaml.safe_load(text)) >= {"name", "jobs", "permissions"}
        # The reader of the page is to name a commit of ours.
        whole = text.replace("@COMMIT", "@" + "0" * 40)
        assert found_in(whole, tmp_path / str(number)) == ""


def test_the_pages_that_show_workflows_are_found() -> None:
    """Else a page would be sound because nobody looks at it."""
    assert {"run-in-ci", "gate-a-pull-request"} <= {page.stem for page in PAGES}
    assert len(workflows(ROOT / "docs" / "how-to" / "run-in-ci.md")) >= 3


def test_a_careless_workflow_is_found_out(tmp_path: Path) -> None:
    """An action by its version, which somebody can move, and a checkout that leaves the token behind."""
    careless = _AROUND[4] + textwrap.indent("steps:\n  - uses: actions/checkout@v4\n", "    ")
    found = found_in(careless, tmp_path)
    assert "unpinned-uses" in found
    assert "artipacked" in found
