"""Prompts: texts and chats, written out or in files, and what is code in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal, TypeAlias

from claude_run.imports.promptfoo.nodes import CODE, csv_rows, json_of, text_of
from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.scenario.source import Source
from claude_run.scenario.yaml_reader import parse
from claude_run.scenario.yaml_tree import MappingNode
from claude_run.text.strict_json import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from claude_run.imports.promptfoo.nodes import Tree
    from claude_run.scenario.json_values import Json
    from claude_run.scenario.yaml_tree import Node

Role: TypeAlias = Literal["user", "assistant"]

_FILES = frozenset({".txt", ".md", ".j2", ".json", ".jsonl", ".yaml", ".yml", ".csv", *CODE})
_LOOP = re.compile(r"\{%-?\s*for\s+\w+\s+in\s+_conversation\s*-?%\}")
_END = re.compile(r"\{%-?\s*endfor\s*-?%\}")
_ROLE_LINE = re.compile(r"^(system|user|assistant):[ \t]*", re.MULTILINE)
_DUMPED = re.compile(r"(?<=:)(\s*)\{\{-?\s*([\w.]+)\s*\|\s*(?:dump|tojson)\s*(?:\|\s*safe\s*)?-?\}\}")
_ALL_DUMPED = re.compile(r"\{\{-?\s*\w+\s*\|\s*(dump|tojson)\s*(\|\s*safe\s*)?-?\}\}")
_KEYS = frozenset({"id", "label", "raw", "display"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one side says: a nunjucks text, or text blocks and images."""

    role: Role
    content: str | tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt: the system's text and the messages, or a `whole` that becomes JSON when it is filled in.

    With `goes_on` it is sent with all that was said before in its conversation.
    """

    name: str
    place: Node
    system: str | None = None
    messages: tuple[Message, ...] = ()
    whole: str | None = None
    goes_on: bool = False


def prompts(tree: Tree, nodes: Sequence[Node]) -> Iterator[Prompt]:
    """Yield the prompts that can be said; each of the others is noted."""
    for node in nodes:
        text, label = text_of(node), None
        if isinstance(node, MappingNode):
            text, label = text_of(node.get("raw")) or text_of(node.get("id")), text_of(node.get("label"))
            for entry in node.entries:
                if entry.key not in _KEYS:
                    tree.losses.drop(entry, entry.key, f"`{entry.key}` of a prompt is not carried over")
        if text is None:
            tree.losses.drop(node, "prompts", "this prompt is neither a text nor an object with an `id`")
        elif text.startswith(("langfuse://", "portkey://", "helicone://", "http://", "https://")):
            tree.losses.drop(node, "prompts", "this prompt is kept by a service, which is not asked")
        elif text.startswith("exec:") or PurePosixPath(text.partition(":")[0]).suffix in CODE:
            tree.losses.drop(node, "prompts", "this prompt is made by code, which is not run")
        elif (name := _file_name(text)) is not None:
            yield from _from_files(tree, node, name, label=label)
        else:
            yield from _of_text(tree, node, text, name=label or "prompt")


def chat_of(listed: object) -> tuple[str | None, tuple[Message, ...]] | str:
    """Return the system's text and the messages of a list; a text that says why where it is no such list.

    An entry is `{role, content}`, or `{user: text}`.
    """
    if not isinstance(listed, list) or not listed:
        return "it is not a list of messages"
    system: list[str] = []
    messages: list[Message] = []
    for entry in listed:
        if not isinstance(entry, Mapping):
            return "a message of it is not an object"
        role, content = entry.get("role"), entry.get("content")
        if role is None and len(entry) == 1:
            role, content = next(iter(entry.items()))
        said = _said(content)
        role = role if isinstance(role, str) else ""
        if isinstance(said, str) and role in {"system", "developer"}:
            system.append(said)
        elif role in {"user", "assistant"} and said:
            messages.append(Message(role="user" if role == "user" else "assistant", content=said))
        else:
            return f"a message of `{role}` holds what cannot be sent to Claude"
    order = [message.role for message in messages]
    if order != [("user", "assistant")[n % 2] for n in range(len(order))] or not order:
        return "user and assistant do not take turns in it, beginning with the user"
    return "\n\n".join(system) or None, tuple(messages)


def _said(content: object) -> str | tuple[Mapping[str, str], ...] | None:
    """Return a content that a scenario can have; None for any other."""
    if isinstance(content, str):
        return content
    blocks: list[Mapping[str, str]] = []
    for part in content if isinstance(content, list) else ():
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind == "text" and isinstance(part.get("text"), str):
            blocks.append({"text": part["text"]})
        elif kind == "image_url" and isinstance(part.get("image_url"), Mapping):
            url = part["image_url"].get("url")
            if not isinstance(url, str) or not url.startswith("https://") or "{{" in url:
                return None
            blocks.append({"image": url})
        else:
            return None
    return tuple(blocks) or None


def _file_name(text: str) -> str | None:
    if text.startswith("file://"):
        return text.removeprefix("file://").removeprefix("./")
    plain = "\n" not in text and " " not in text and "{{" not in text
    return text.removeprefix("./") if plain and PurePosixPath(text).suffix in _FILES else None


def _from_files(tree: Tree, node: Node, pattern: str, *, label: str | None) -> Iterator[Prompt]:
    names = tree.matching(pattern)
    if not names:
        tree.losses.drop(node, "prompts", f"no file is called like {pattern}")
    for name in names:
        if tree.is_code(name):
            tree.losses.drop(node, "prompts", f"{name} is code, which is not run")
            continue
        source = tree.open(name, node, "prompts")
        if source is None:
            continue
        stem = label or PurePosixPath(name).stem
        if name.endswith(".csv"):
            for _, row in csv_rows(source, tree.losses):
                text = row.get("prompt", next(iter(row.values()), ""))
                yield from _of_text(tree, node, text, name=row.get("label") or stem)
        else:
            parts = re.split(r"(?m)^---[ \t]*$\n?", source.text) if name.endswith(".txt") else [source.text]
            for part in parts:
                # What a file ends in is not part of a prompt, and a list is a chat.
                if part.strip():
                    is_yaml = name.endswith((".yaml", ".yml"))
                    yield from _of_text(tree, node, part.removesuffix("\n"), name=stem, is_yaml=is_yaml)


def _of_text(tree: Tree, node: Node, text: str, *, name: str, is_yaml: bool = False) -> Iterator[Prompt]:
    """Yield the prompt of a text: a chat, what becomes one when it is filled in, or what the user says."""
    goes_on = "_conversation" in text
    whole = _without_loops(text) if goes_on else text
    if goes_on and (whole == text or "_conversation" in whole):
        message = "this prompt reads earlier replies in another way than by a loop over all of them"
        tree.losses.drop(node, "_conversation", message)
        return
    if goes_on and not whole.lstrip().startswith("["):
        message = "what was said before stands in the text there; here it is sent as messages"
        tree.losses.change(node, "_conversation", message)

    # A list is a chat. What is none before it is filled in may be one then.
    listed: object = None
    plain = whole.strip()
    if plain.startswith(("[", "- role:")) or is_yaml:
        listed = _listed(whole)
        if listed is None and is_yaml:
            tree.losses.drop(node, "prompts", "this file is not a list of messages")
            return
        if listed is None:
            yield Prompt(name=name, place=node, whole=whole, goes_on=goes_on)
            return
    elif _ALL_DUMPED.fullmatch(plain):
        yield Prompt(name=name, place=node, whole=whole, goes_on=goes_on)
        return
    elif _ROLE_LINE.match(plain):
        listed = _by_lines(plain)
    found = (None, (Message(role="user", content=whole),)) if listed is None else chat_of(listed)
    if isinstance(found, str):
        tree.losses.drop(node, "prompts", f"this chat cannot be said: {found}")
    else:
        yield Prompt(name=name, place=node, system=found[0], messages=found[1], goes_on=goes_on)


def _without_loops(text: str) -> str:
    """Return a text without its loops over what was said before."""
    kept: list[str] = []
    index = 0
    while begin := _LOOP.search(text, index):
        end = _END.search(text, begin.end())
        if end is None:
            break
        kept.append(text[index : begin.start()])
        index = end.end()
    return "".join([*kept, text[index:]])


def _listed(text: str) -> Json:
    """Return the list of a chat in JSON or YAML; None where it is neither before it is filled in."""
    quoted = _DUMPED.sub(lambda found: f'{found[1]}"{{{{ {found[2]} }}}}"', text)
    try:
        return read_json(quoted, unique_keys=True)  # type: ignore[no-any-return] # JSON of any shape
    except ValueError:
        pass
    if text.lstrip().startswith("["):
        return None
    try:
        document = parse(Source("prompt", text))
    except InvalidScenarioError:
        return None
    return None if document.problems else json_of(document.root)


def _by_lines(text: str) -> list[Json]:
    """Return the messages of a text whose lines begin with `user:` or the like where another one begins."""
    parts = _ROLE_LINE.split(text)
    return [
        {"role": role, "content": said.strip()} for role, said in zip(parts[1::2], parts[2::2], strict=True)
    ]
