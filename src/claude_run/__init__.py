"""Play scripted multi-turn conversations with Claude and keep what was said, paid and judged.

What a program may call is listed in `__all__`, and described in docs/reference/python.md. Each is imported
when it is first asked for: `import claude_run` costs next to nothing. Their types are in `__init__.pyi`.
"""

import sys

__version__ = "0.1.0"

__all__ = [
    "ClaudeRunError",
    "Compared",
    "CredentialsError",
    "ExitCode",
    "InputError",
    "Loaded",
    "MeasureError",
    "Planned",
    "Run",
    "SelectionError",
    "SetupError",
    "StorageError",
    "Tables",
    "compare",
    "load",
    "plan",
    "run",
    "tables",
]

_CALLS = {"load": "calls", "plan": "calls", "run": "calls", "compare": "calls", "tables": "rows"}
_VALUES = ("Compared", "Loaded", "Planned", "Run", "Tables")


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - `--version` needs none of it

    place = "library.values" if name in _VALUES else f"library.{_CALLS[name]}" if name in _CALLS else "errors"
    return getattr(import_module(f"{__name__}.{place}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


_Module = type(sys)


class _Package(_Module):
    """The package, in which `plan` is a call and stays one.

    There is a room of that name too, and importing a module sets it as an attribute of its package.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name not in _CALLS or not isinstance(value, _Module):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
