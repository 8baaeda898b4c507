"""The reference page of the files that a run leaves, from `run_fields` and `journal_fields`."""

from __future__ import annotations

from tests.docs import journal_fields as journal
from tests.docs import run_fields as run
from tests.docs.tables import field_table

_HEAD = """\
# The files of a run

A run leaves a folder: `outputs/<UTC time>-<name>/`, or the one that `-o` names. `outputs/latest` points to
the newest one, wherever it lies, and `outputs/runs.jsonl` lists all of them in the order in which they were
played: a path on each line, seen from `outputs/`, as JSON text.

| file | holds |
| --- | --- |
| `run.json` | version, options, file hashes, and the plan |
| `journal.jsonl` | every attempt and reply, as they came: the source of truth |
| `transcripts.jsonl` | one conversation a line |
| `transcripts.md` | the same to read |
| `summary.json` | the run in numbers |
| `summary.md` | the same to read |
| `comparison.md` | with `--baseline`: the run held against it, to read |
| `review.json` | after `claude-run review`: the ids of the conversations that were rejected |

`claude-run report` writes the four in the middle again, from the first two. `journal.lock` has the process id
of who writes the journal, followed on a cluster by that of the command that plays the run, and `journal.torn`
what was cut off where a line was torn. Only their owner can read the folder and the files.

JSON is ASCII with escapes. Numbers are numbers, money is US dollars, times are seconds. A value that is
absent is null, so that every field is always there.
"""

_LINES = """\
Each line is the object of one conversation, in the order of the plan. A conversation that was never started
has a line too, with null for what is not known.
"""

_USAGE = """\
The API's names, nested as the API nests them. The whole prompt is `input_tokens` and both cache counts
together. A reply that does not say what it used, or says it in a way that cannot be right, is kept all the
same: then its tokens are null, its cost is null, and so is every sum that it belongs to.
"""

_EVENTS = """\
One event a line ([why so](../decisions/0004-journal-lines.md)). Turns are counted from 0 here. Each line
has:
"""


def page() -> str:
    """Return docs/reference/transcripts.md."""
    return "\n".join([_HEAD, *_transcripts(), *_summary(), *_run_json(), *_journal()])


def _transcripts() -> list[str]:
    return [
        "## transcripts.jsonl\n",
        _LINES,
        field_table(run.LINE),
        "\n### Turn\n",
        field_table(run.TURN),
        "\n### Reply\n",
        field_table(run.REPLY),
        "\n### Exchange\n",
        field_table(run.EXCHANGE),
        "\n### Judge\n",
        field_table(run.JUDGE),
        "\n### Check\n",
        field_table(run.CHECK),
        "\n### Usage\n",
        _USAGE,
        field_table(run.USAGE),
        "",
    ]


def _summary() -> list[str]:
    return [
        "## summary.json\n",
        field_table(run.SUMMARY),
        "\n### Gate\n",
        field_table(run.GATE),
        "\n### Gated model\n",
        field_table(run.GATED_MODEL),
        "\n### Gated case\n",
        field_table(run.GATED_CASE),
        "\n### Cost change\n",
        field_table(run.COST_CHANGE),
        "\n### Totals\n",
        field_table(run.TOTALS),
        "\n### Caching\n",
        field_table(run.CACHING),
        "\n### Case\n",
        field_table(run.CASE),
        "\n### Made of\n",
        field_table(run.MADE_OF),
        "",
    ]


def _run_json() -> list[str]:
    return ["## run.json\n", field_table(run.RUN), ""]


def _journal() -> list[str]:
    parts = [
        "## journal.jsonl\n",
        _EVENTS,
        field_table(journal.FRAME),
        "",
    ]
    for name, (about, fields) in journal.EVENTS.items():
        parts += [f"### `{name}`\n", f"{about}\n", field_table(fields), ""]
    parts += ["### Failure\n", field_table(journal.FAILURE), "", "### `run`\n", journal.ABOUT_RUN]
    for what, (about, fields) in journal.RUN_LINES.items():
        parts += [f"#### `{what}`\n", f"{about}\n", field_table(fields), ""]
    return parts
