"""OpenAI-style conversations: JSONL with one `messages` list a line, as fine-tuning files and logs have it.

A recorded reply is the `example` of its turn, and the turn is played anew; or, with `replies` history and
wherever tools are called, all but the last reply is history, and the last one is played. ShareGPT's
`conversations` of `{from, value}` are read in the same way.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal, NoReturn, TypeAlias, cast

from claude_run.imports.drafts import Draft, Names, case_id, fits
from claude_run.imports.rows import note_unknown, rows
from claude_run.imports.tools import claude_tools
from claude_run.scenario.media import media_type
from claude_run.scenario.template_language import literal
from claude_run.text.strict_json import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from claude_run.imports.drafts import Given
    from claude_run.imports.rows import Row
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.source import Source

Role: TypeAlias = Literal["user", "assistant", "system"]

_IDS = ("id", "conversation_id", "custom_id", "name")
_ROW_KEYS = frozenset({*_IDS, "messages", "conversations", "tools", "system", "functions"})
_SPEAKERS = {"human": "user", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant"}
_MESSAGE_KEYS = frozenset({"role", "content", "tool_calls", "tool_call_id"})
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_SIDES: Mapping[str, Role] = {"assistant": "assistant", "system": "system"}
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_DATA_URL = re.compile(r"data:(image/(?:png|jpeg|gif|webp));base64,([A-Za-z0-9+/=]+)")
_OWN_BLOCKS = frozenset({"tool_use", "tool_result", "image", "document"})


class _LeftOutError(Exception):
    """A conversation cannot be said: the key that it is about, why, and what may be done."""

    def __init__(self, key: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.key, self.message, self.hint = key, message, hint


@dataclass(slots=True, kw_only=True)
class _Message:
    """What one side says until the other one speaks: blocks as the API has them, texts as they are.

    An instruction in mid-conversation is one of its own, behind the user's message whose reply it steers.
    """

    role: Role
    blocks: list[JsonObject] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Talk:
    """A conversation that can be said."""

    system: str | None
    case: JsonObject
    tools: tuple[JsonObject, ...]


def read_messages(source: Source, given: Given) -> Sequence[Draft]:
    """Return a scenario for each set of tools in the file, with and without a system prompt.

    Each conversation is a case with turns of its own, in which no text is a template.
    """
    losses, names = given.losses, Names()
    groups: dict[str, list[_Talk]] = {}
    for row in rows(source, losses):
        try:
            talk = _talk(row, given, names)
            if not fits({**talk.case, "system": talk.system}):
                _leave_out("messages", "it is too large for a scenario", "shorten it")
        except _LeftOutError as error:
            message = f"this conversation is left out: {error.message}"
            losses.drop(row.place(error.key), error.key, message, hint=error.hint)
            continue
        key = json.dumps([talk.tools, talk.system is not None], sort_keys=True)
        groups.setdefault(key, []).append(talk)
    return tuple(_draft(talks, PurePath(source.path).name, given) for talks in groups.values())


def _draft(talks: Sequence[_Talk], name: str, given: Given) -> Draft:
    head: dict[str, Json] = {
        "description": f"Conversations of {name}, imported by claude-run.",
        "model": given.model,
    }
    if talks[0].tools:
        head["tools"] = talks[0].tools
    systems = {talk.system for talk in talks}
    if systems == {None}:
        return Draft(stem=given.stem, head=head, cases=tuple(talk.case for talk in talks))
    if len(systems) == 1:
        head["system"] = literal(str(talks[0].system))
        return Draft(stem=given.stem, head=head, cases=tuple(talk.case for talk in talks))
    # A variable is data: what it holds is sent as it is.
    head["system"] = "{{ system }}"
    cases = ({"id": talk.case["id"], "vars": {"system": talk.system}, **talk.case} for talk in talks)
    return Draft(stem=given.stem, head=head, cases=tuple(cases))


def _talk(row: Row, given: Given, names: Names) -> _Talk:
    listed = row.value.get("messages", _share_gpt(row.value.get("conversations")))
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        _leave_out("messages", "`messages` must be a list of objects")
    _note_keys(row, listed, given)

    # The instructions at its head are the system prompt.
    first = next((n for n, each in enumerate(listed) if not _is_instruction(each)), len(listed))
    system = _system(row, listed[:first], given)
    said = list(_joined(_in_order(listed[first:], row, given)))
    if not said or said[0].role != "user":
        _leave_out("messages", "it does not begin with a user message")
    tools = _tools(row, said, given)

    calls = any(block.get("type") in {"tool_use", "tool_result"} for each in said for block in each.blocks)
    if calls and given.replies != "history":
        message = "this conversation calls tools: all but its last reply is history, and that one is played"
        given.losses.change(row.place("tool_calls"), "tool_calls", message)
    turns = _played_at_the_end(said) if calls or given.replies == "history" else _played_anew(said)
    wanted = next((row.value[key] for key in _IDS if key in row.value), None)
    plain = case_id(wanted, default=f"line-{row.line}")
    case: dict[str, Json] = {"id": names.take(plain), "turns": turns}
    if wanted is not None and case["id"] != str(wanted):
        key = next(key for key in _IDS if key in row.value)
        given.losses.change(row.place(key), key, f"this conversation is called `{case['id']}`")
    return _Talk(system=system, case=case, tools=tools)


def _share_gpt(listed: Json) -> Json:
    """Return messages of the form of ShareGPT, `{from, value}`, as those of OpenAI; others as they are."""
    if not isinstance(listed, list):
        return None
    return [_as_message(each) for each in listed]


def _as_message(said: Json) -> Json:
    if not isinstance(said, Mapping) or not {"from", "value"} <= said.keys():
        return said
    rest = {key: part for key, part in said.items() if key not in {"from", "value"}}
    return {**rest, "role": _SPEAKERS.get(_word(said, "from"), said["from"]), "content": said["value"]}


def _played_anew(said: Sequence[_Message]) -> list[Json]:
    """Return the user's turns, each with the recorded reply as its example."""
    turns: list[Json] = []
    for number, message in enumerate(said):
        if message.role != "user":
            turns += [{"system": _content(message.blocks)}] if message.role == "system" else ()
            continue
        turn: dict[str, Json] = {"user": _content(message.blocks)}
        text = _text_of(next((each for each in said[number + 1 :] if each.role == "assistant"), None))
        turns.append({**turn, "example": literal(text)} if text.strip() else turn)
    return turns


def _played_at_the_end(said: Sequence[_Message]) -> list[Json]:
    """Return all but the last reply as history, and what the last one said or called as what is expected."""
    last = said[-1] if said[-1].role == "assistant" else None
    turns: list[Json] = [{each.role: _content(each.blocks)} for each in (said[:-1] if last else said)]
    calls: list[Json] = [
        {"name": block["name"], "input": block["input"]}
        for block in (last.blocks if last else ())
        if block.get("type") == "tool_use"
    ]
    text = _text_of(last)
    final = next(turn for turn in reversed(cast("list[dict[str, Json]]", turns)) if "user" in turn)
    if calls:
        final["expect"] = [{"calls_tool": _literal(calls if len(calls) > 1 else calls[0])}]
    if text.strip():
        final["example"] = literal(text)
    return turns


def _in_order(listed: Sequence[JsonObject], row: Row, given: Given) -> Iterator[JsonObject]:
    """Yield the messages, with each instruction behind the user's next ones: there the API takes it."""
    waiting: list[JsonObject] = []
    before: str | None = None
    for each in listed:
        if _is_instruction(each):
            texts = _instructions([each.get("content")])
            waiting += ({"role": "system", "content": text} for text in texts)
            if texts and before == "assistant":
                message = "an instruction stands behind the next message of the user, as a `system` turn"
                given.losses.change(row.place("messages"), "system", message)
            continue
        side = _SIDES.get(str(each["role"]), "user")
        if side == "assistant" and before == "user":
            yield from waiting
            waiting = []
        yield each
        before = side
    if before == "user":
        yield from waiting
    elif waiting:
        message = "an instruction after the last reply steers none, and is left out"
        given.losses.drop(row.place("messages"), "system", message)


def _joined(listed: Iterable[JsonObject]) -> Iterator[_Message]:
    """Yield what each side says in turn: the API takes messages of one side in a row for one."""
    whole: _Message | None = None
    asked: set[str] = set()
    for each in listed:
        role = _SIDES.get(str(each["role"]), "user")
        blocks = list(_blocks(each))
        results = {str(block["tool_use_id"]) for block in blocks if block.get("type") == "tool_result"}
        if whole is None or whole.role != role:
            if whole is not None:
                yield whole
            whole = _Message(role=role)
        if not results <= asked:
            _leave_out("tool_call_id", "a result of a tool answers no call")
        asked -= results
        whole.blocks += blocks
        if role == "assistant":
            if asked:
                _leave_out("tool_calls", "a call of a tool has no result")
            asked = {str(block["id"]) for block in blocks if block.get("type") == "tool_use"}
        elif asked and not results:
            _leave_out("tool_calls", "a call of a tool has no result")
    if whole is not None:
        if asked and whole.role == "user":
            _leave_out("tool_calls", "a call of a tool has no result")
        yield whole


def _blocks(message: JsonObject) -> Iterator[JsonObject]:
    role, content = message["role"], message.get("content")
    if role == "tool":
        if not isinstance(content, str):
            content = "".join(str(each.get("text", "")) for each in _parts(content))
        yield {
            "type": "tool_result",
            "tool_use_id": _call_id(message.get("tool_call_id")),
            "content": content,
        }
        return
    calls = message.get("tool_calls") or []
    if isinstance(content, str):
        if content.strip():
            yield {"type": "text", "text": content}
        elif role == "user":
            _leave_out("content", "a message of the user says nothing")
    elif content is not None:
        yield from _parts(content)
    if content in (None, "", []) and not calls:
        _leave_out("content", f"a message of the {role} says nothing")
    if not isinstance(calls, list) or (calls and role != "assistant"):
        _leave_out("tool_calls", "`tool_calls` must be a list, and the assistant's")
    for call in calls:
        yield _tool_use(call)


def _parts(content: Json) -> Iterator[JsonObject]:
    """Yield the blocks of a content that is a list."""
    if not isinstance(content, list):
        _leave_out("content", "`content` must be a text or a list of parts")
    for part in content:
        kind = _word(part, "type")
        text = part.get("text") if isinstance(part, Mapping) else None
        if kind in {"text", "input_text", "output_text"} and isinstance(text, str) and text.strip():
            yield {"type": "text", "text": text}
        elif isinstance(part, Mapping) and kind == "image_url":
            yield _image(part)
        elif isinstance(part, Mapping) and kind in _OWN_BLOCKS:
            yield _own_block(part)
        else:
            what = f"a part of type `{kind}`" if kind not in {"", "text"} else "an empty part"
            _leave_out("content", f"{what} cannot be sent to Claude")


def _own_block(part: Mapping[str, Json]) -> JsonObject:
    """Return a block that has the form of the Messages API already."""
    kind = part["type"]
    if kind == "tool_use":
        _call_id(part.get("id"))
        if not isinstance(part.get("name"), str) or not isinstance(part.get("input"), dict):
            _leave_out("tool_use", "a call of a tool has no `name`, or no `input`")
    elif kind == "tool_result":
        _call_id(part.get("tool_use_id"))
    elif not isinstance(part.get("source"), Mapping):
        _leave_out("source", f"this {kind} has no `source`")
    return part


def _image(part: Mapping[str, Json]) -> JsonObject:
    held = part.get("image_url")
    url = held.get("url") if isinstance(held, Mapping) else held
    if isinstance(url, str) and (found := _DATA_URL.fullmatch(url)):
        return {"type": "image", "source": _base64(found[1], found[2])}
    if not isinstance(url, str) or not url.startswith("https://"):
        _leave_out("image_url", "an image is neither at an https:// address nor base64 of a known kind")
    return {"type": "image", "source": {"type": "url", "url": url}}


def _base64(kind: str, data: str) -> JsonObject:
    try:
        found = media_type(base64.b64decode(data, validate=True))
    except ValueError:
        found = None
    if found != kind:
        _leave_out("image_url", f"an image is not the {kind} that it says it is")
    return {"type": "base64", "media_type": kind, "data": data}


def _tool_use(call: Json) -> JsonObject:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(call, Mapping) or not isinstance(function, Mapping):
        _leave_out("tool_calls", "a call of a tool has no `function`")
    name, arguments = function.get("name"), function.get("arguments")
    if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
        _leave_out("name", "a tool has no name, or one that the API does not take")
    try:
        given = read_json(arguments, unique_keys=True) if isinstance(arguments, str) else arguments
    except ValueError:
        given = None
    if not isinstance(given, dict):
        _leave_out("arguments", "the arguments of a call are not a JSON object")
    return {"type": "tool_use", "id": _call_id(call.get("id")), "name": name, "input": given}


def _call_id(value: Json) -> str:
    if not isinstance(value, str) or not _TOOL_NAME.fullmatch(value):
        _leave_out("tool_calls", "a call of a tool has no id, or one that the API does not take")
    return value


def _tools(row: Row, said: Sequence[_Message], given: Given) -> tuple[JsonObject, ...]:
    """Return the tools of a row as the API declares them; those that are called only as far as is known."""
    listed = row.value.get("tools", row.value.get("functions"))
    tools, refused = claude_tools(listed)
    for message in refused:
        given.losses.drop(row.place("tools"), "tools", message)
    declared = {tool.get("name") for tool in tools}
    called = [block["name"] for each in said for block in each.blocks if block.get("type") == "tool_use"]
    missing = [str(name) for name in dict.fromkeys(called) if name not in declared]
    for name in missing:
        message = f"`{name}` is called and not declared: it is declared as a tool that takes anything"
        given.losses.change(row.place("tool_calls"), "tools", message, hint="write its `input_schema`")
    anything: JsonObject = {"type": "object"}
    stand_ins: list[JsonObject] = [{"name": name, "input_schema": anything} for name in missing]
    return (*tools, *stand_ins)


def _system(row: Row, instructions: Sequence[JsonObject], given: Given) -> str | None:
    texts = _instructions([row.value.get("system"), *(each.get("content") for each in instructions)])
    if len(texts) > 1:
        message = "several instructions are one system prompt, with a blank line between them"
        given.losses.change(row.place("messages"), "system", message)
    return "\n\n".join(texts) or None


def _instructions(contents: Iterable[Json]) -> list[str]:
    """Return the texts of instructions that say something."""
    texts: list[str] = []
    for content in contents:
        if isinstance(content, str):
            texts.append(content)
        elif content is not None:
            blocks = list(_parts(content))
            if any(block["type"] != "text" for block in blocks):
                _leave_out("content", "an instruction of it holds what is not text")
            texts += [str(block["text"]) for block in blocks]
    return [text for text in texts if text.strip()]


def _note_keys(row: Row, listed: Sequence[JsonObject], given: Given) -> None:
    """Note what is passed over, and leave a conversation out that has a speaker whom nobody knows."""
    note_unknown(row, row.value.keys() - _ROW_KEYS, given.losses, "{} of a conversation is not carried over")
    held = {key for each in listed for key in each}
    note_unknown(row, held - _MESSAGE_KEYS, given.losses, "{} of a message is not carried over")
    for each in listed:
        if _word(each, "role") not in _ROLES:
            role = each.get("role")
            _leave_out("role", f"nobody speaks as {json.dumps(role):.40}")


def _is_instruction(message: Mapping[str, Json]) -> bool:
    return _word(message, "role") in {"system", "developer"}


def _word(value: Json, key: str) -> str:
    """Return the text under a key; an empty one for any other value."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) else ""


def _text_of(message: _Message | None) -> str:
    texts = [
        str(block["text"]) for block in (message.blocks if message else ()) if block.get("type") == "text"
    ]
    return "\n\n".join(texts)


def _content(blocks: Sequence[JsonObject]) -> Json:
    """Return blocks as a scenario writes them: a single text alone, and texts word for word."""
    if len(blocks) == 1 and blocks[0].get("type") == "text":
        return literal(str(blocks[0]["text"]))
    return [{"text": literal(str(each["text"]))} if each.get("type") == "text" else each for each in blocks]


def _literal(value: Json) -> Json:
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, Mapping):
        return {key: _literal(part) for key, part in value.items()}
    return [_literal(part) for part in value] if isinstance(value, list) else value


def _leave_out(key: str, message: str, hint: str | None = None) -> NoReturn:
    raise _LeftOutError(key, message, hint)
