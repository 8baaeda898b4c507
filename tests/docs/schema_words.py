"""The type that a JSON Schema gives to a value, in a few words."""

from __future__ import annotations

from typing import Any

_REFERENCES = {
    "text": "text",
    "name": "name",
    "variables": "object of variables",
    "file": "`{file: path}`",
    "case_file": "`{file: path}`",
    "expectations": "list of expectations",
    "text_content": "text or list of text blocks",
    "user_content": "text or list of blocks",
    "assistant_content": "text or list of blocks",
    "system": "text, `{file: path}` or list of text blocks",
}
_LIMITS = (
    ("minimum", "at least {}"),
    ("exclusiveMinimum", "more than {}"),
    ("maximum", "at most {}"),
)
_TYPES = {"string": "text"}


def type_in_words(schema: Any) -> str:
    """Return `integer, at least 1`, `list of names`, `text or object` and the like."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        return _REFERENCES.get(name, name.replace("_", " "))
    if "const" in schema:
        return _value(schema["const"])
    if "enum" in schema:
        return _joined([_value(one) for one in schema["enum"]])
    if "anyOf" in schema:
        return _joined([type_in_words(one) for one in schema["anyOf"]])
    return _plain(schema)


def _plain(schema: Any) -> str:
    types = schema.get("type", "any value")
    if types == "array":
        items = schema.get("items")
        return f"list of {_plural(type_in_words(items))}" if items else "list"
    words = _joined([_TYPES.get(one, one) for one in ([types] if isinstance(types, str) else types)])
    return ", ".join([words, *(text.format(schema[key]) for key, text in _LIMITS if key in schema)])


def _plural(words: str) -> str:
    first, *rest = words.split(" or ")
    return " or ".join([f"{first}s", *(f"{one}s" for one in rest)])


def _joined(words: list[str]) -> str:
    different = list(dict.fromkeys(words))
    return " or ".join(different)


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return f"`{str(value).lower().replace('none', 'null')}`"
    return f"`{value}`"
