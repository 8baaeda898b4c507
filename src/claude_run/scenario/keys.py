"""Every key of a scenario file, once: the loader and the schema both take its name and type from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from claude_run.scenario.json_values import Json, JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key: the JSON Schema of its value, and what the editor says about it, with an `example` of it."""

    schema: JsonObject
    about: str
    example: Json


Keys = dict[str, Key]


def ref(name: str) -> JsonObject:
    """Return the schema of what `schema.build` defines under a name."""
    return {"$ref": f"#/$defs/{name}"}


_OBJECT: JsonObject = {"type": "object"}
_STRING: JsonObject = {"type": "string"}

TOOLS: JsonObject = {"type": "array", "items": {"type": "object", "not": {"required": ["results"]}}}

# The parameters of the Messages API, reference of 2026-11; their values are the API's own business.
PARAMS: Keys = {
    "max_tokens": Key(
        schema={"type": "integer", "minimum": 1},
        about="The most tokens that one reply may have, thinking included.",
        example=1024,
    ),
    "stop_sequences": Key(
        schema={"type": "array", "items": {"type": "string"}},
        about="Texts that end a reply where the model writes them.",
        example=["END"],
    ),
    "thinking": Key(
        schema=_OBJECT, about="How the model thinks, such as {type: adaptive}.", example={"type": "adaptive"}
    ),
    "output_config": Key(
        schema=_OBJECT,
        about="Effort and output format, such as {effort: low}. {format: {type: json_schema, schema: "
        "{file: answer.schema.json}}} holds each reply against a JSON Schema, here or in a file.",
        example={"effort": "low"},
    ),
    "tools": Key(
        schema={"anyOf": [TOOLS, ref("json_file")]},
        about="Tools that the model may call: name, description, input_schema; or {file: tools.json}.",
        example={"file": "tools.json"},
    ),
    "tool_choice": Key(
        schema=_OBJECT,
        about="Which tool the model may or must use, such as {type: auto}.",
        example={"type": "auto"},
    ),
    "cache_control": Key(
        schema=_OBJECT,
        about="A cache breakpoint of your own; see also `cache`.",
        example={"type": "ephemeral"},
    ),
    "diagnostics": Key(
        schema=_OBJECT,
        about="Asks the API why a prompt cache was missed.",
        example={"previous_message_id": None},
    ),
    "metadata": Key(
        schema=_OBJECT, about="An opaque id of the end user: {user_id: ...}.", example={"user_id": "tester"}
    ),
    "service_tier": Key(schema=_STRING, about="auto or standard_only.", example="standard_only"),
    "speed": Key(schema=_STRING, about="standard or fast.", example="fast"),
    "inference_geo": Key(schema=_STRING, about="Where the model runs: us or global.", example="us"),
    "container": Key(
        schema={"type": ["string", "object"]},
        about="The container for code execution.",
        example="container_01AbC",
    ),
    "user_profile_id": Key(
        schema=_STRING, about="The user profile that the request belongs to.", example="profile_01AbC"
    ),
    "workspace_id": Key(
        schema=_STRING, about="The workspace that the request belongs to.", example="wrkspc_01AbC"
    ),
    "betas": Key(
        schema={"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
        about="Names of betas, sent as the header `anthropic-beta`.",
        example=["context-management-2025-06-27"],
    ),
    "mcp_servers": Key(
        schema={
            "type": "array",
            "items": {"type": "object", "not": {"required": ["authorization_token"]}},
        },
        about="MCP servers that the API connects to; needs `betas`. Tokens may not stand in a scenario.",
        example=[{"type": "url", "name": "orders", "url": "https://mcp.example.com"}],
    ),
    "context_management": Key(
        schema=_OBJECT,
        about="What the API clears of a history; needs `betas`.",
        example={"edits": [{"type": "clear_tool_uses_20250919"}]},
    ),
    "compaction": Key(
        schema=_OBJECT, about="How the API compacts a history; needs `betas`.", example={"type": "auto"}
    ),
    "fallbacks": Key(
        schema={"type": "array"},
        about="Other models that may answer; needs `betas`.",
        example=["claude-haiku-5-5"],
    ),
    "billing_policy": Key(
        schema=_OBJECT, about="How the API bills the request; needs `betas`.", example={"type": "default"}
    ),
    "temperature": Key(
        schema={"type": "number", "minimum": 0, "maximum": 1},
        about="Randomness from 0 to 1; only older models still take it.",
        example=0.2,
    ),
    "top_p": Key(
        schema={"type": "number", "minimum": 0, "maximum": 1},
        about="Nucleus sampling; only older models still take it.",
        example=0.9,
    ),
    "top_k": Key(
        schema={"type": "integer", "minimum": 0},
        about="Sampling from the k likeliest tokens; only older models still take it.",
        example=40,
    ),
}

HEADERS = ("betas", "user_profile_id", "workspace_id")
"""The parameters among them that go out as headers, which hold printable ASCII alone."""

BETA_PARAMS = ("mcp_servers", "context_management", "compaction", "fallbacks", "billing_policy")
"""The parameters among them that the API takes under a beta header alone."""

GRADERS_MODELS: JsonObject = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
    ]
}

GRADERS: Keys = {
    "model": Key(
        schema={"type": "string", "minLength": 1}, about="The model that judges.", example="claude-opus-5-5"
    ),
    "models": Key(
        schema={"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
        about="Several models that judge; most of them must agree.",
        example=["claude-opus-5-5", "claude-haiku-5-5"],
    ),
    **{name: PARAMS[name] for name in ("max_tokens", "thinking", "output_config", "speed", "service_tier")},
}

SCENARIO: Keys = {
    "name": Key(
        schema=ref("name"),
        about="Unique in a run; the file's stem where it is left out.",
        example="refund-policy",
    ),
    "description": Key(
        schema=_STRING,
        about="What this scenario is about, for people.",
        example="The support agent quotes the 30-day rule.",
    ),
    "tags": Key(
        schema={"type": "array", "items": ref("name")},
        about="Words to select scenarios by.",
        example=["support", "smoke"],
    ),
    "model": Key(
        schema={"type": "string", "minLength": 1},
        about="The model to play; -m on the command line wins.",
        example="claude-haiku-5-5",
    ),
    "models": Key(
        schema={
            "type": "array",
            "minItems": 1,
            "items": {"anyOf": [{"type": "string", "minLength": 1}, ref("model")]},
        },
        about="Several models to play: ids, or {model, label} with request parameters of their own.",
        example=["claude-haiku-5-5", {"model": "claude-opus-5-5", "label": "large"}],
    ),
    "cache": Key(
        schema={"type": "string", "enum": ["auto", "off", "1h"]},
        about="Prompt caching: auto (the default), off, or 1h for entries that live an hour.",
        example="auto",
    ),
    "system": Key(
        schema=ref("system"),
        about="The system prompt: text, {file: path}, or a list of text blocks.",
        example="You are a support agent for {{ company }}.",
    ),
    "vars": Key(
        schema=ref("variables"), about="Values for {{ name }} in the texts.", example={"company": "Acme"}
    ),
    "cases": Key(
        schema={
            "anyOf": [
                ref("case_file"),
                ref("text"),
                {"type": "array", "minItems": 1, "items": ref("case")},
            ]
        },
        about="Sets of variables, each played on its own: a list, or the path of a file of them.",
        example=[{"id": "phone", "vars": {"item": "a phone"}}],
    ),
    "variants": Key(
        schema={"type": "array", "minItems": 1, "items": ref("variant")},
        about="Versions of the prompt or of the parameters to compare.",
        example=[{"id": "v1"}, {"id": "v2", "system": {"file": "prompts/support-v2.md"}}],
    ),
    "repeat": Key(
        schema={"type": "integer", "minimum": 1}, about="How often each conversation is played.", example=3
    ),
    "pass_rate": Key(
        schema={"type": "number", "minimum": 0, "maximum": 1},
        about="The share of the repeats of one case that must pass; 1.0 where it is left out.",
        example=0.66,
    ),
    "judge": Key(
        schema=ref("judge"),
        about="The model that answers `judge` expectations: {model: claude-opus-5-5}.",
        example={"model": "claude-opus-5-5"},
    ),
    "tool_results": Key(
        schema={
            "type": "object",
            "additionalProperties": {
                "anyOf": [ref("tool_result"), {"type": "array", "minItems": 1, "items": ref("tool_result")}]
            },
            "minProperties": 1,
        },
        about="What answers the calls of a tool, by its name: the first result that fits.",
        example={"get_order": {"return": {"status": "shipped"}}},
    ),
    "max_tool_rounds": Key(
        schema={"type": "integer", "minimum": 1, "maximum": 100},
        about="How often one turn is answered with results of tools; 10 where it is left out.",
        example=10,
    ),
    "turns": Key(
        schema={"type": "array", "minItems": 1, "items": ref("turn")},
        about="The script, in order.",
        example=[{"user": "May I return {{ item }}?", "expect": [{"contains": "30 days"}]}],
    ),
    "expect": Key(
        schema=ref("expectations"),
        about="What the conversation as a whole must satisfy.",
        example=[{"max_cost_usd": 0.01}],
    ),
    **PARAMS,
}

MODEL: Keys = {
    "model": Key(
        schema={"type": "string", "minLength": 1}, about="The model's id.", example="claude-opus-5-5"
    ),
    "label": Key(
        schema=ref("name"),
        about="The model's name in ids and tables; its id where left out.",
        example="large",
    ),
    **PARAMS,
}

CASE: Keys = {
    "id": Key(
        schema=ref("name"),
        about="Unique in the scenario; the number of the case where left out.",
        example="phone",
    ),
    "vars": Key(
        schema=ref("variables"),
        about="Values for {{ name }}; they win over the scenario's.",
        example={"item": "a phone"},
    ),
    "turns": Key(
        schema={"type": "array", "minItems": 1, "items": ref("turn")},
        about="A script of its own, in place of the scenario's.",
        example=[{"user": "Give me my money back now!"}],
    ),
    "expect": Key(
        schema=ref("expectations"),
        about="What the conversation as a whole must satisfy, besides what the scenario expects.",
        example=[{"not": {"contains": "guarantee"}}],
    ),
    "tags": Key(
        schema={"type": "array", "items": ref("name")},
        about="Words to select it by, besides the scenario's.",
        example=["electronics"],
    ),
}

TOOL_RESULT: Keys = {
    "when": Key(
        schema=_OBJECT,
        about="What the input of the call must hold; it may hold more, at any depth.",
        example={"id": "A-1"},
    ),
    "return": Key(
        schema={},
        about="The result: text, a list of content blocks, or any JSON, which is sent as text.",
        example={"status": "shipped"},
    ),
    "is_error": Key(
        schema={"type": "boolean"}, about="Whether the tool is said to have failed.", example=True
    ),
    "times": Key(
        schema={"type": "integer", "minimum": 1},
        about="How many calls of one conversation it answers; any number where it is left out.",
        example=1,
    ),
}

FILE: Keys = {
    "file": Key(
        schema={"type": "string", "minLength": 1},
        about="A path relative to the scenario's folder, which it may not leave.",
        example="prompts/support.md",
    )
}

VARIANT: Keys = {
    "id": Key(schema=ref("name"), about="Unique in the scenario.", example="v2"),
    "vars": Key(
        schema=ref("variables"),
        about="Values for {{ name }}, in place of the scenario's; no case sets them.",
        example={"company": "Acme Ltd"},
    ),
    "system": Key(
        schema={"anyOf": [ref("system"), {"type": "null"}]},
        about="Another system prompt; null for none.",
        example={"file": "prompts/support-v2.md"},
    ),
    **PARAMS,
}

USER_TURN: Keys = {
    "user": Key(
        schema=ref("user_content"),
        about="What the user says: text, {file: path}, or a list of content blocks.",
        example="I bought {{ item }} last week and want my money back.",
    ),
    "if": Key(
        schema=ref("expectations"),
        about="What the last reply must satisfy for this turn to be sent; otherwise it is left out.",
        example=[{"matches": "(?i)receipt"}],
    ),
    "expect": Key(
        schema=ref("expectations"), about="What the reply must satisfy.", example=[{"contains": "30 days"}]
    ),
    "example": Key(
        schema=ref("text"),
        about="A good reply; the simulator answers with it.",
        example="You can return it within 30 days.",
    ),
    "save": Key(
        schema={
            "type": "object",
            "propertyNames": ref("variable_name"),
            "additionalProperties": {"type": "string", "minLength": 1},
            "minProperties": 1,
        },
        about="Text to keep from the reply: a name, and a regular expression (RE2) whose first group, or "
        "whole match, later turns read as {{ saved.name }}.",
        example={"order_state": "(?i)(shipped|pending)"},
    ),
}

ASSISTANT_TURN: Keys = {
    "assistant": Key(
        schema=ref("assistant_content"),
        about="Scripted history: what the assistant is said to have answered.",
        example="Hello, how can I help?",
    )
}

SYSTEM_TURN: Keys = {
    "system": Key(
        schema=ref("text_content"),
        about="An instruction in mid-conversation, after the user turn whose reply it steers.",
        example="From here on answer in German.",
    )
}

_CACHE_CONTROL = Key(schema=_OBJECT, about="A cache breakpoint at this block.", example={"type": "ephemeral"})

TEXT_BLOCK: Keys = {
    "text": Key(
        schema=ref("text"), about="Text, with {{ variables }}.", example="It is {{ order }}. Here is a photo."
    ),
    "cache_control": _CACHE_CONTROL,
}

_PATH: JsonObject = {"type": "string", "minLength": 1}
_CITATIONS = Key(schema=_OBJECT, about="{enabled: true} makes the model cite it.", example={"enabled": True})
_URL = Key(
    schema=ref("text"),
    about="Where the API fetches it: https://...",
    example="https://example.com/damage.png",
)
_FILE_ID = Key(
    schema=ref("text"),
    about="The id of a file that was uploaded through the Files API.",
    example="file_01AbC",
)

IMAGE_SOURCE: Keys = {
    "file": Key(
        schema=_PATH,
        about="As a path alone: an image, relative to the scenario's folder. {{ variables }} are filled in.",
        example="photos/damage.png",
    ),
    "url": _URL,
    "file_id": _FILE_ID,
}

IMAGE_BLOCK: Keys = {
    "image": Key(
        schema={"anyOf": [_PATH, ref("image_source")]},
        about="A PNG, JPEG, GIF or WebP file, relative to the scenario's folder; or where it lies else.",
        example="photos/damage.png",
    ),
    "transformations": Key(
        schema=_OBJECT,
        about="{oversized_image: error} refuses what is scaled down.",
        example={"oversized_image": "error"},
    ),
    "cache_control": _CACHE_CONTROL,
}

DOCUMENT_SOURCE: Keys = {
    "file": Key(
        schema=_PATH,
        about="As a path alone: a PDF or a text, in the scenario's folder. {{ variables }} are filled in.",
        example="contracts/lease.pdf",
    ),
    "text": Key(
        schema=ref("text"), about="The text itself, with {{ variables }}.", example="The lease ends in May."
    ),
    "url": _URL,
    "file_id": _FILE_ID,
}

DOCUMENT_BLOCK: Keys = {
    "document": Key(
        schema={"anyOf": [_PATH, ref("document_source")]},
        about="A PDF or a text file, relative to the scenario's folder; or where it lies else.",
        example="contracts/lease.pdf",
    ),
    "title": Key(schema=_STRING, about="The document's title.", example="Lease"),
    "context": Key(
        schema=_STRING,
        about="What the model should know about the document.",
        example="The contract that the tenant has signed.",
    ),
    "citations": _CITATIONS,
    "cache_control": _CACHE_CONTROL,
}

SEARCH_RESULT: Keys = {
    "title": Key(
        schema=ref("text"),
        about="What the page is called; the file's name where it has one.",
        example="Returns",
    ),
    "source": Key(
        schema=ref("text"),
        about="Where it was found, such as a URL; the file's path.",
        example="https://example.com/returns",
    ),
    "text": Key(
        schema=ref("text"),
        about="What it says, with {{ variables }}.",
        example="Goods may be returned within 30 days.",
    ),
    "file": Key(
        schema=_PATH,
        about="A text file that says it, relative to the scenario's folder. {{ variables }} are filled in.",
        example="pages/returns.txt",
    ),
    "content": Key(
        schema={"type": "array", "minItems": 1, "items": {"anyOf": [ref("text"), ref("text_block")]}},
        about="What it says in pieces: each is cited as a whole.",
        example=["Goods may be returned within 30 days."],
    ),
    "citations": _CITATIONS,
}

SEARCH_RESULT_BLOCK: Keys = {
    "search_result": Key(
        schema=ref("search_result"),
        about="A title, a source, and one of `text`, `file` and `content`.",
        example={"title": "Returns", "source": "https://example.com/returns", "file": "pages/returns.txt"},
    ),
    "cache_control": _CACHE_CONTROL,
}

LABEL = Key(
    schema={"type": "string", "minLength": 1},
    about="The name of this expectation in reports.",
    example="30-day rule",
)

MUST = Key(
    schema={"type": "boolean"},
    about="A rule that no statistics may excuse: one reply that breaks it fails the run.",
    example=True,
)

EXPECTATION: Mapping[str, Key] = {"label": LABEL, "must": MUST}
"""What may stand beside the kind of an expectation."""

WRAPPERS: Mapping[str, str] = {
    "not": "Passes where the expectation inside fails.",
    "any_of": "Passes where one of the expectations passes.",
    "all_of": "Passes where all of the expectations pass.",
}

WRAPPED: Mapping[str, Json] = {
    "not": {"contains": "guarantee"},
    "any_of": [{"contains": "30 days"}, {"contains": "a month"}],
    "all_of": [{"contains": "30 days"}, {"max_words": 80}],
}
"""An example of what each of them holds."""

WITHIN = "within"
"""The kind whose expectations look at a part of the reply: `{pattern: ..., expect: [...]}`."""

PART: Keys = {
    "pattern": Key(
        schema={"type": "string", "minLength": 1},
        about="A regular expression (RE2): its first group, or the whole match, is the part.",
        example="(?s)<answer>(.*?)</answer>",
    ),
    "expect": Key(
        schema=ref("expectations"), about="What the part must satisfy.", example=[{"contains": "shipped"}]
    ),
}
