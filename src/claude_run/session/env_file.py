"""A `.env` file that was asked for by name: its variables join the environment, and its secrets are known."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from claude_run.errors import InputError
from claude_run.record.redact import is_secret_variable
from claude_run.scenario.files import FileProblemError, read_regular
from claude_run.text.dotenv import DotenvError, read_dotenv

if TYPE_CHECKING:
    from pathlib import Path

    from claude_run.record.redact import Redactor

MAX_BYTES = 1024 * 1024


def enter_environment(path: Path | None, redactor: Redactor) -> None:
    """Set the variables of the file that are not set already; one that is set to nothing counts as not set.

    `redactor` learns of every value that is called like a secret, be it set or not: none is written.
    InputError, with the line and without what stands there, for a file that cannot be read.
    """
    if path is None:
        return
    try:
        variables = read_dotenv(read_regular(path, MAX_BYTES).decode())
    except UnicodeDecodeError as error:
        raise InputError(f"--env-file {path} is not UTF-8 text") from error
    except DotenvError as error:
        raise InputError(f"--env-file {path}:{error.line}: {error}") from error
    except FileProblemError as error:
        raise InputError(f"--env-file {path}: {error}") from error
    except OSError as error:
        raise InputError(f"--env-file {path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise InputError(f"--env-file {str(path)!r} is not the path of a file") from error

    redactor.learn(value.strip() for name, value in variables.items() if is_secret_variable(name))
    redactor.learn_environment(variables)
    for name, value in variables.items():
        if not os.environ.get(name, "").strip():
            os.environ[name] = value
