"""The JSON Schema of scenario files, for editors: 2020-12, with an example of every key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.scenario import keys
from claude_run.scenario.vocabulary import MAX_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.keys import Key
    from claude_run.scenario.vocabulary import Vocabulary

_TEXT: JsonObject = {"type": "string", "pattern": "\\S"}
_TEMPLATE: JsonObject = {"type": "string", "pattern": "\\{[{%]"}
_NAME: JsonObject = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_NAME,
    "pattern": "^[^/\\u0000-\\u001f\\u007f]+$",
}
_VARIABLE_NAME: JsonObject = {"pattern": "^(?!saved$)[A-Za-z_][A-Za-z0-9_]*$|^x-"}


def build(vocabulary: Vocabulary) -> JsonObject:
    """Return the schema of a scenario file, with the expectations of the vocabulary."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "claude-run scenario",
        "description": "A scripted conversation with Claude, and what its replies must satisfy.",
        **_object(keys.SCENARIO, forbid=("model", "models")),
        # Where every case has turns of its own, the scenario needs none.
        "anyOf": [{"required": ["turns"]}, {"required": ["cases"]}],
        "$defs": {**_definitions(), **_expectations(vocabulary)},
    }


def _definitions() -> dict[str, Json]:
    text_list: JsonObject = {"type": "array", "minItems": 1, "items": _any("text_block", "api_text_block")}
    return {
        # What may stand in many places.
        "text": _TEXT,
        "name": _NAME,
        "variable_name": _VARIABLE_NAME,
        "variables": {"type": "object", "propertyNames": keys.ref("variable_name")},
        # What is said.
        "system": {"anyOf": [keys.ref("text"), keys.ref("file"), text_list]},
        "text_content": {"anyOf": [keys.ref("text"), keys.ref("file"), text_list]},
        "user_content": _content(
            "text_block", "image_block", "document_block", "search_result_block", "api_block"
        ),
        "assistant_content": _content("text_block", "api_block"),
        # What is played, with what, and by whom it is judged.
        "file": _object(keys.FILE, required=("file",)),
        "json_file": _object(keys.FILE, required=("file",)),
        "case_file": _object(keys.FILE, required=("file",)),
        "case": _object(keys.CASE),
        "model": _object(keys.MODEL, required=("model",)),
        "judge": {
            **_object(keys.GRADERS, forbid=("model", "models")),
            "anyOf": [{"required": ["model"]}, {"required": ["models"]}],
        },
        "variant": _object(keys.VARIANT, required=("id",)),
        "tool_result": _object(keys.TOOL_RESULT, required=("return",)),
        # What a message consists of.
        "text_block": _object(keys.TEXT_BLOCK, required=("text",)),
        "image_block": _object(keys.IMAGE_BLOCK, required=("image",)),
        "document_block": _object(keys.DOCUMENT_BLOCK, required=("document",)),
        "search_result_block": _object(keys.SEARCH_RESULT_BLOCK, required=("search_result",)),
        "image_source": _one_of(keys.IMAGE_SOURCE),
        "document_source": _one_of(keys.DOCUMENT_SOURCE),
        "search_result": _object(keys.SEARCH_RESULT),
        "api_block": {
            "description": "A content block in the API's own form.",
            "type": "object",
            "properties": {
                "type": {"description": "The kind of the block.", "examples": ["image"], "type": "string"}
            },
            "required": ["type"],
        },
        "api_text_block": {
            "type": "object",
            "properties": {
                "type": {"description": "A block of text.", "examples": ["text"], "const": "text"},
                "text": _property(keys.TEXT_BLOCK["text"]),
            },
            "required": ["type", "text"],
        },
        # The script.
        "turn": _any("user_turn", "assistant_turn", "system_turn"),
        "user_turn": _object(keys.USER_TURN, required=("user",)),
        "assistant_turn": _object(keys.ASSISTANT_TURN, required=("assistant",)),
        "system_turn": _object(keys.SYSTEM_TURN, required=("system",)),
    }


def _expectations(vocabulary: Vocabulary) -> dict[str, Json]:
    several = keys.ref("expectations")
    kinds: dict[str, Json] = {}
    for kind in vocabulary.kinds():
        if kind not in keys.WRAPPERS:
            schema = vocabulary.schema(kind)
            if kind == keys.WITHIN:
                schema = {"description": schema["description"], **_object(keys.PART, required=keys.PART)}
            # What is filled in may become what is wanted, also where that is no text.
            kinds[kind] = {
                "description": schema["description"],
                "examples": [vocabulary.example(kind)],
                "anyOf": [schema, keys.ref("template")],
            }
            continue
        inner: JsonObject = keys.ref("expectation") if kind == "not" else several
        kinds[kind] = {"description": keys.WRAPPERS[kind], "examples": [keys.WRAPPED[kind]], **inner}
    return {
        "expectations": {
            "anyOf": [
                {"type": "array", "minItems": 1, "items": _any("expectation", "text")},
                keys.ref("expectation"),
            ]
        },
        "template": _TEMPLATE,
        "expectation": {
            "type": "object",
            "properties": {**kinds, **{name: _property(key) for name, key in keys.EXPECTATION.items()}},
            "patternProperties": {"^x-": {}},
            "additionalProperties": False,
            "oneOf": [{"required": [kind]} for kind in kinds],
        },
    }


def _object(
    table: Mapping[str, Key], *, required: Iterable[str] = (), forbid: Iterable[str] = ()
) -> dict[str, Json]:
    schema: dict[str, Json] = {
        "type": "object",
        "properties": {name: _property(key) for name, key in table.items()},
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
    }
    if required:
        schema["required"] = list(required)
    if forbid:
        schema["not"] = {"required": list(forbid)}
    return schema


def _one_of(table: Mapping[str, Key]) -> dict[str, Json]:
    return {**_object(table), "oneOf": [{"required": [name]} for name in table]}


def _property(key: Key) -> JsonObject:
    return {"description": key.about, "examples": [key.example], **key.schema}


def _content(*blocks: str) -> JsonObject:
    return {
        "anyOf": [
            keys.ref("text"),
            keys.ref("file"),
            {"type": "array", "minItems": 1, "items": _any(*blocks)},
        ]
    }


def _any(*names: str) -> JsonObject:
    return {"anyOf": [keys.ref(name) for name in names]}
