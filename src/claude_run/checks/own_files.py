"""How a file or an installed package with checks is read: its code is run, in the process of own checks."""

from __future__ import annotations

import hashlib
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from claude_run.checks.custom import CustomCheck, InvalidCheckError
from claude_run.checks.guard import error_text, error_with_location
from claude_run.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import EntryPoint

GROUP = "claude_run.checks"
"""The entry-point group by which an installed package offers checks."""


def load_file(path: str | Path) -> tuple[CustomCheck, ...]:
    """Run a Python file and return its checks: every one at its top level, in order.

    Raises InputError with the place when the file cannot be read or run, or holds no check.
    """
    try:
        source = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"--checks: {path} cannot be read: {error.strerror or error}") from error
    # A module of its own: two files of one name do not meet.
    digest = hashlib.sha256(str(Path(path).resolve()).encode()).hexdigest()
    module = ModuleType(f"claude_run_own_checks_{digest[:12]}")
    module.__file__ = str(path)
    # The dataclasses of a file look for their module here.
    sys.modules[module.__name__] = module
    try:
        code = compile(source, str(path), "exec", dont_inherit=True)
        exec(code, vars(module))  # noqa: S102 - the file is named on the command line, to be run
    except BaseException as error:
        del sys.modules[module.__name__]
        raise InputError(f"{_place(path, error)}: {_why(error)}") from error
    return _checks_in(vars(module).values(), where=str(path))


def offered_by_packages() -> tuple[EntryPoint, ...]:
    """Return the entry points of `claude_run.checks`; nothing of the packages is loaded."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - costs a look at every installed package

    return tuple(entry_points(group=GROUP))


def load_packages() -> tuple[CustomCheck, ...]:
    """Return the checks that installed packages offer.

    An entry point names a check, or a module with checks. InputError names the package where one is broken.
    """
    return tuple(one for point in offered_by_packages() for one in _offered(point))


def _offered(point: EntryPoint) -> tuple[CustomCheck, ...]:
    package = point.dist.name if point.dist else "unknown"
    where = f"the checks `{point.name}` of the installed package {package}"
    try:
        found = point.load()
    except BaseException as error:
        raise InputError(
            f"{where} cannot be loaded: {error_with_location(error)}; mend or uninstall it"
        ) from error
    return _checks_in(vars(found).values() if isinstance(found, ModuleType) else [found], where=where)


def _checks_in(found: Iterable[object], *, where: str) -> tuple[CustomCheck, ...]:
    """Return the checks among the values, each once; InputError where there is none."""
    checks = tuple({id(one): one for one in found if isinstance(one, CustomCheck)}.values())
    if not checks:
        hint = "write @check(name, schema=..., example=...) above a function"
        raise InputError(f"{where}: there is no check in it; {hint}")
    return checks


def _place(path: str | Path, error: BaseException) -> str:
    """Return where in the file it happened: the line that is wrong, or the last one of the file that ran."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}:{error.lineno}:{error.offset}"
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
    ]
    return f"{path}:{lines[-1]}" if lines else str(path)


def _why(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"this is not valid Python: {error.msg}"
    if isinstance(error, InvalidCheckError):
        return str(error)
    hint = "; install it beside claude-run, for files beside this one are not found"
    return f"this file of checks broke: {error_text(error)}" + (
        hint if isinstance(error, ModuleNotFoundError) else ""
    )
