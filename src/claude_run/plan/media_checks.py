"""Images, PDFs and the size of requests against what the API takes, said before anything is sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from claude_run.plan.model_rules import rules_for
from claude_run.scenario.diagnostics import Diagnostic
from claude_run.scenario.media import (
    LONG_CONTEXT,
    MANY_IMAGES,
    MAX_MEDIA,
    MAX_MEDIA_SHORT,
    MAX_REQUEST,
    excess,
    media_in,
    megabytes,
)
from claude_run.scenario.model import Case, JsonBlock, Text, TextBlock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from claude_run.scenario.json_values import JsonObject
    from claude_run.scenario.media import Media
    from claude_run.scenario.model import Content, ModelChoice, Position, Scenario, Turn

_FEWER = "send fewer of them in one conversation, or upload them once and name them by `file_id`"


def media_problems(scenario: Scenario, models: Sequence[ModelChoice]) -> Iterator[Diagnostic]:
    """Yield what the API refuses of the images and PDFs of a scenario, each at its block.

    A request holds all turns before it, so that what stands in any turn counts in the last one. What tools
    return is looked at one by one: how much of it is ever sent, nobody knows.
    """
    blocks = _Blocks()
    results = [each for found in scenario.tool_results.by_tool.values() for each in found]
    returned = [
        media
        for whose in _choices(scenario.cases, scenario, [each.content for each in results])
        for each in results
        for media in blocks.media(scenario, each.content, whose)
    ]
    plain = [case for case in scenario.cases if case.turns is None]
    own = [(case.turns, [case]) for case in scenario.cases if case.turns is not None]
    for turns, cases in ((scenario.turns, plain), *own):
        for whose in _choices(cases, scenario, [turn.content for turn in turns]):
            said = [media for turn in turns for media in blocks.media(scenario, turn.content, whose)]
            images = sum(each.media.is_image for each in said)
            for each in (*said, *returned):
                if (found := excess(each.media, of_many=images > MANY_IMAGES)) is not None:
                    message = f"{each.named}{found.message}"
                    yield Diagnostic(position=each.position, message=message, hint=found.hint)
            for choice in models:
                yield from _too_many(said, choice.id, whose)
            yield from _too_large(turns, blocks, whose)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whose:
    """A case with a variant, by their ids, that chooses files; of those that choose alike the first."""

    case: str | None
    variant: str | None
    chooses: bool = True

    @property
    def said(self) -> str:
        """Which one it is, to be said behind a message; nothing where all send the same."""
        named = [("case", self.case), ("variant", self.variant)] if self.chooses else []
        return "".join(f", in {what} `{name}`" for what, name in named if name is not None)


def _choices(
    cases: Sequence[Case], scenario: Scenario, contents: Sequence[Content | None]
) -> Iterator[_Whose]:
    """Yield those who send other files than all before them; one alone where no path has variables."""
    choosing = [
        block.paths
        for content in contents
        for block in (content if isinstance(content, tuple) else ())
        if isinstance(block, JsonBlock) and block.versions
    ]
    seen: set[tuple[str | None, ...]] = set()
    if not choosing:
        yield _Whose(case=None, variant=None, chooses=False)
        return
    for case, variant in product(cases or (Case(),), scenario.variants):
        chosen = tuple(paths.get((case.id, variant.id)) for paths in choosing)
        if chosen not in seen:
            seen.add(chosen)
            yield _Whose(case=case.id, variant=variant.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """An image or a PDF in a request, where it is written, and its path where that is filled in."""

    media: Media
    position: Position
    named: str


class _Blocks:
    """The blocks of a scenario; what is large is looked at once, however many cases send it."""

    def __init__(self) -> None:
        self._media: dict[int, tuple[Media, ...]] = {}
        self._sizes: dict[int, int] = {}

    def media(self, scenario: Scenario, content: Content | None, whose: _Whose) -> Iterator[_Sent]:
        """Yield the images and PDFs that a content has for a case and a variant."""
        for block in content if isinstance(content, tuple) else ():
            if isinstance(block, TextBlock):
                continue
            value, path = _value(block, whose)
            if id(value) not in self._media:
                self._media[id(value)] = tuple(media_in([value]))
            named = f"{path}: " if path else ""
            place = block.position or scenario.position
            for media in self._media[id(value)]:
                yield _Sent(media=media, position=place, named=named)

    def size(self, content: Content, whose: _Whose) -> int:
        """Return the bytes that a content has at least; variables are counted as they are written."""
        if isinstance(content, Text):
            texts = content.versions.values() or (content,)
            return min(len(text.source.encode()) for text in texts)
        size = 0
        for block in content:
            if isinstance(block, TextBlock):
                size += len(block.text.source.encode())
                continue
            value, _ = _value(block, whose)
            if id(value) not in self._sizes:
                self._sizes[id(value)] = len(json.dumps(value))
            size += self._sizes[id(value)]
        return size


def _value(block: JsonBlock, whose: _Whose) -> tuple[JsonObject, str | None]:
    """Return what a block sends, and its path where that is filled in."""
    path = block.paths.get((whose.case, whose.variant))
    return (block.value, None) if path is None else (block.versions[path], path)


def _too_many(said: Sequence[_Sent], model: str, whose: _Whose) -> Iterator[Diagnostic]:
    """Yield the block that is one too many for a model, all those before it counted."""
    rules = rules_for(model)
    most = MAX_MEDIA_SHORT if rules and rules.context_window < LONG_CONTEXT else MAX_MEDIA
    count = 0
    for each in said:
        count += 1 if each.media.is_image else each.media.pages or 1
        if count > most:
            message = (
                f"`{model}` takes {most} images and pages of PDFs in a request; this makes {count:,}"
                f"{whose.said}"
            )
            yield Diagnostic(position=each.position, message=message, hint=_FEWER)
            return


def _too_large(turns: Sequence[Turn], blocks: _Blocks, whose: _Whose) -> Iterator[Diagnostic]:
    """Yield the turn whose request is too large, whatever else will stand in it."""
    size = 0
    for turn in turns:
        size += blocks.size(turn.content, whose)
        if size > MAX_REQUEST:
            yield Diagnostic(
                position=turn.position,
                message=f"with this turn a request has {megabytes(size)} or more; the API takes"
                f" {MAX_REQUEST >> 20} MB{whose.said}",
                hint=_FEWER,
            )
            return
