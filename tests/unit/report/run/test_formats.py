"""The table of the formats of a run."""

from __future__ import annotations

import subprocess
import sys

import pytest

from claude_run.report.run.facts import RunFacts
from claude_run.report.run.formats import FILES, OPTIONAL, render
from claude_run.report.run.github import pull_request_comment, step_summary
from claude_run.report.run.junit import junit_xml
from claude_run.report.run.markdown import summary_markdown, transcripts_markdown
from tests.unit.report.builders import as_text, rich_run

RENDERERS = {
    "transcripts.md": transcripts_markdown,
    "summary.md": summary_markdown,
    "junit": junit_xml,
    "github": step_summary,
    "comment": pull_request_comment,
}


@pytest.mark.parametrize("name", [*FILES, *OPTIONAL])
def test_every_format_is_made_by_its_function(name: str) -> None:
    """A line of the table names a function that makes bytes of a run and its facts."""
    played = rich_run()
    made = b"".join(render(name, played, facts=RunFacts.of(played)))
    assert made.decode() == as_text(RENDERERS[name], played)


def test_facts_are_computed_where_nobody_has_them() -> None:
    """A file can be made of the run alone, as the check of a run folder does."""
    assert b"".join(render("summary.md", rich_run())).decode() == as_text(summary_markdown, rich_run())


def test_the_table_loads_no_format() -> None:
    """A command that may write a report pays for it only when it does."""
    code = (
        "import sys\n"
        "import claude_run.cli.write_reports, claude_run.report.run.formats\n"
        "loaded = {f'claude_run.report.run.{name}' for name in ('markdown', 'junit', 'github')}\n"
        "sys.exit(bool((loaded | {'xml.etree', 'jinja2', 'rich'}) & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
