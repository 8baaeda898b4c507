"""What may be the name of something, and what the name of a variable."""

from __future__ import annotations

MAX_NAME = 100
"""How many characters a name may have."""

# Names that a template reads as something else.
_RESERVED = frozenset(
    {"saved", "loop", "self", "true", "false", "none", "True", "False", "None"}
    | {"and", "or", "not", "in", "is", "if", "else"}
)


def name_problem(value: str) -> str | None:
    """Return what keeps a text from being a name of a scenario, case, variant, model or tag, or None."""
    if not value:
        return "is empty"
    if len(value) > MAX_NAME:
        return f"is longer than {MAX_NAME} characters"
    if not value.isprintable():
        return "holds a character that cannot be printed"
    if "/" in value:
        return "holds a `/`, which separates the parts of a conversation's id"
    return "begins or ends with a space" if value != value.strip() else None


def variable_problem(value: str) -> str | None:
    """Return what keeps a text from being the name of a variable, or None."""
    if value in _RESERVED:
        return "is a reserved name"
    if not value.isascii() or not value.isidentifier() or len(value) > MAX_NAME:
        return "is no variable name: use letters, digits and `_`, and begin with a letter"
    return None
