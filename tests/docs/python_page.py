"""The reference page of what a program may call: options and columns as they are declared."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, get_type_hints

import claude_run
from claude_run.library.options import CompareOptions, RunOptions
from claude_run.library.values import ROWS, LoadedScenario, PlannedConversation, columns_of
from claude_run.session.options import options_of
from claude_run.session.request import CompareRequest, RunRequest
from tests.docs.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = """\
# From Python

    import claude_run

That costs a millisecond: what a call needs is imported with the first call. All of it is typed. How it is
used: [from Python](../how-to/use-from-python.md).
"""

_ERRORS = """\
## Errors

Each is a `ClaudeRunError`, which has `lines`, the text that the command line would print, and `exit_code`,
the one that it would end with. A failed check is none: it stands in what `run` returns. The texts may repeat
what stands in files, control characters included: escape them before a terminal gets them.

| error | when |
| --- | --- |
| `InputError` | A scenario, an option or a folder is wrong: nothing was sent. |
| `SelectionError` | The options select no conversation. |
| `MeasureError` | Something could not be measured: API, network, disk. |
| `CredentialsError` | A `MeasureError`: there is no key, or it was refused. |
| `SetupError` | A `MeasureError`: the environment names no way to the API that can be used. |
| `StorageError` | A `MeasureError`: the disk does not do what it should, or a run folder is damaged. |
"""

_OPTIONS = """\
## Options

Those of `load`, `plan` and `run`, keywords all. They are called as in `run.json`, take what the flag takes,
and have the defaults of the [project file](project-file.md), as on the command line. A time is seconds or a
text such as `"90s"`. None stands for what is not given.
"""

_TABLES = """\
## Tables

`tables` returns `Tables`, with the four lists below. Every row of a table has the same keys in one order.
Each value is a text, a number, a boolean or None; what is none of these is JSON text. `Tables.columns` tells
the type of each column by table, for libraries that guess it wrongly where a column is empty.
"""


def page() -> str:
    """Return docs/reference/python.md."""
    calls = (claude_run.load, claude_run.plan, claude_run.run, claude_run.compare, claude_run.tables)
    values = (
        claude_run.Loaded,
        LoadedScenario,
        claude_run.Planned,
        PlannedConversation,
        claude_run.Run,
        claude_run.Compared,
    )
    return "\n".join(
        [
            _HEAD,
            "## Calls\n",
            *(f"### `{_signature(each)}`\n\n{inspect.getdoc(each)}\n" for each in calls),
            "## Values\n",
            *(part for each in values for part in _value(each)),
            _ERRORS,
            _OPTIONS,
            _options(RunOptions, RunRequest),
            "\nThose of `compare`:\n",
            _options(CompareOptions, CompareRequest) + "\n",
            _TABLES,
            *(part for name, row in ROWS.items() for part in _columns(name, row)),
        ]
    )


def _signature(call: Any) -> str:
    return f"{call.__name__}{inspect.signature(call)}".replace("'", "")


def _value(cls: type) -> Iterator[str]:
    yield f"### `{cls.__name__}`\n\n{inspect.getdoc(cls)}\n"
    rows = [[f"`{name}`", f"`{kind}`"] for name, kind in cls.__annotations__.items()]
    rows += [
        [f"`{name}`", f"`{inspect.get_annotations(each.fget)['return']}`: {inspect.getdoc(each)}"]
        for name, each in vars(cls).items()
        if isinstance(each, property) and each.fget is not None
    ]
    yield table(["field", "type"], rows) + "\n"


def _options(typed: Any, cls: type) -> str:
    declared = {each.name: each for each in options_of(cls)}
    kinds = typed.__annotations__
    return table(
        ["option", "type", "flag", "meaning"],
        [
            [
                f"`{name}`",
                f"`{kind.__forward_arg__.removesuffix(' | None')}`",
                f"`{declared[name].flag}`",
                declared[name].help,
            ]
            for name, kind in kinds.items()
        ],
    )


def _columns(name: str, row: type) -> Iterator[str]:
    yield f"### `{name}`\n\n{inspect.getdoc(row)}\n"
    hints, kinds = get_type_hints(row, include_extras=True), columns_of(row)
    rows = [
        [f"`{column}`", kinds[column].__name__ + _or_none(row, column), hint.__metadata__[0]]
        for column, hint in hints.items()
    ]
    yield table(["column", "type", "meaning"], rows) + "\n"


def _or_none(row: type, column: str) -> str:
    return "" if get_type_hints(row)[column] is columns_of(row)[column] else " or None"
