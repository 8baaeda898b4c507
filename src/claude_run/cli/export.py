"""`export`: a conversation as a program of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from claude_run.cli.output import print_document, print_error, print_line
from claude_run.errors import InputError, StorageError
from claude_run.report.export.formats import exported
from claude_run.session.export import choose
from claude_run.text.visible import count

if TYPE_CHECKING:
    from pathlib import Path

    from claude_run.cli.options import ExportOptions, OutputOptions
    from claude_run.session.request import RunRequest
    from claude_run.session.world import World


def export(options: ExportOptions, request: RunRequest, output: OutputOptions, world: World) -> int:
    """Write the first conversation that is selected, and say which one it is."""
    chosen = choose(request, today=world.today)
    if not output.quiet:
        print_error(*chosen.warnings)
    text = exported(chosen.conversation, options.language, description=chosen.description)
    if world.redactor.finds(text):
        raise InputError("the credential in use stands in a variable: it would be written into the program")
    if options.out is None:
        _print(text)
    else:
        _write(options.out, text)
        print_line(f"wrote {options.out}")
    if not output.quiet:
        print_error(f"exported {chosen.conversation.id}{_beside(chosen.others)}")
    return 0


def _beside(others: int) -> str:
    if not others:
        return ""
    return f", the first of {count(others + 1, 'conversation')}; -k and -m choose another one"


def _print(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError as error:
        raise InputError(f"stdout takes {encoding} here, which lacks letters of it: add -o FILE") from error
    print_document(text)


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError as error:
        raise InputError(f"-o {path}: it exists already: remove it, or name another file") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"-o {path}: there is no folder {path.parent}; make it first") from error
    except OSError as error:
        raise StorageError(f"-o {path}: {error.strerror or error}") from error
