"""The release: its steps as the scripts that they are, run by bash as a runner runs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from claude_run import __version__
from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WORKFLOW: dict[str, Any] = yaml.safe_load(
    (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
)
BUILD: Sequence[dict[str, Any]] = WORKFLOW["jobs"]["build"]["steps"]
TAG = f"v{__version__}"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with what the steps before `make dist` read and change, ready to be released."""
    for name in ("README.md", "pyproject.toml", "src/claude_run/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {__version__}\n\n- All new.\n\n## 0.0.1\n")
    return tmp_path


def run(begins: str, folder: Path, tag: str = TAG) -> subprocess.CompletedProcess[str]:
    """Run the step whose name begins so."""
    (step,) = (each for each in BUILD if each.get("name", "").startswith(begins))
    names = {
        "GITHUB_REF_NAME": tag,
        "GITHUB_SERVER_URL": "https://git.example",
        "GITHUB_REPOSITORY": "acme/claude-run",
    }
    return subprocess.run(
        ["/bin/bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **names},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_tag_is_the_version_and_the_newest_part_of_the_changelog(checkout: Path) -> None:
    """What is still called unreleased is not released, and neither is a tag that is another version."""
    assert run("The tag", checkout).returncode == 0
    other = run("The tag", checkout, tag="v99.0.0")
    assert (other.returncode, "::error::the tag is v99.0.0" in other.stdout) == (1, True)

    text = (checkout / "CHANGELOG.md").read_text()
    (checkout / "CHANGELOG.md").write_text(
        text.replace(f"## {__version__}", f"## Unreleased\n\n## {__version__}")
    )
    unready = run("The tag", checkout)
    assert (unready.returncode, "does not begin with a part" in unready.stdout) == (1, True)


def test_the_readme_of_a_package_leads_somewhere(checkout: Path) -> None:
    """No link or picture is relative, each leads to a file of the tag, and the index gets addresses, too."""
    ended = run("On an index", checkout)
    assert ended.returncode == 0, ended.stderr

    text = (checkout / "README.md").read_text(encoding="utf-8")
    links = re.findall(r'(?:\]\(|src="|srcset=")([^)"]+)', text)
    assert len(links) > 40
    for link in links:
        found = re.fullmatch(
            rf"https://git\.example/acme/claude-run/(?:blob|raw)/{re.escape(TAG)}/([^#]+)(?:#.*)?", link
        )
        assert found is not None, link
        assert (ROOT / found[1]).is_file(), link
    urls = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    assert urls.keys() == {"Source", "Documentation", "Changelog"}


def test_what_was_proven_is_published_and_only_that_job_may() -> None:
    """The job with the right to publish runs nothing of the repository: it takes what the other has built."""
    publish = WORKFLOW["jobs"]["publish"]
    assert (publish["needs"], publish["environment"]) == ("build", "pypi")
    assert publish["permissions"] == {"id-token": "write"}
    assert not any("run" in step or "checkout" in step["uses"] for step in publish["steps"])
    assert WORKFLOW["permissions"] == {}
    assert WORKFLOW["jobs"]["build"]["permissions"] == {"contents": "read"}
    for step in (*BUILD, *publish["steps"]):
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step.get("uses", "a/b@" + "0" * 40))
