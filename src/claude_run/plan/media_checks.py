"""Images, PDFs and the size of requests against what the API takes, said before anything is sent."""

from __future__ import annotations

import json
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
from claude_run.scenario.model import JsonBlock, Text, TextBlock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from claude_run.scenario.media import Media
    from claude_run.scenario.model import Content, ModelChoice, Position, Scenario, Turn

_FEWER = "send fewer of them in one conversation, or upload them once and name them by `file_id`"


def media_problems(scenario: Scenario, models: Sequence[ModelChoice]) -> Iterator[Diagnostic]:
    """Yield what the API refuses of the images and PDFs of a scenario, each at its block.

    A request holds all turns before it, so that what stands in any turn counts in the last one. What tools
    return is looked at one by one: how much of it is ever sent, nobody knows.
    """
    results = [each for found in scenario.tool_results.by_tool.values() for each in found]
    returned = list(_media(scenario, [each.content for each in results]))
    scripts = [scenario.turns, *(case.turns for case in scenario.cases if case.turns is not None)]
    for turns in scripts:
        said = list(_media(scenario, [turn.content for turn in turns]))
        images = sum(media.is_image for media, _ in said)
        for media, place in (*said, *returned):
            if (found := excess(media, of_many=images > MANY_IMAGES)) is not None:
                yield Diagnostic(position=place, message=found.message, hint=found.hint)
        for choice in models:
            yield from _too_many(said, choice.id)
        yield from _too_large(turns)


def _too_many(said: Sequence[tuple[Media, Position]], model: str) -> Iterator[Diagnostic]:
    """Yield the block that is one too many for a model, all those before it counted."""
    rules = rules_for(model)
    most = MAX_MEDIA_SHORT if rules and rules.context_window < LONG_CONTEXT else MAX_MEDIA
    count = 0
    for media, place in said:
        count += 1 if media.is_image else media.pages or 1
        if count > most:
            message = f"`{model}` takes {most} images and pages of PDFs in a request; this makes {count:,}"
            yield Diagnostic(position=place, message=message, hint=_FEWER)
            return


def _media(scenario: Scenario, contents: Sequence[Content | None]) -> Iterator[tuple[Media, Position]]:
    for content in contents:
        for block in content if isinstance(content, tuple) else ():
            if isinstance(block, JsonBlock):
                place = block.position or scenario.position
                yield from ((media, place) for media in media_in([block.value]))


def _too_large(turns: Sequence[Turn]) -> Iterator[Diagnostic]:
    """Yield the turn whose request is too large, whatever else will stand in it."""
    size = 0
    for turn in turns:
        size += _size(turn.content)
        if size > MAX_REQUEST:
            yield Diagnostic(
                position=turn.position,
                message=f"with this turn a request has {megabytes(size)} or more; the API takes"
                f" {MAX_REQUEST >> 20} MB",
                hint=_FEWER,
            )
            return


def _size(content: Content) -> int:
    """Return the bytes that a content has at least; variables are counted as they are written."""
    if isinstance(content, Text):
        texts = content.versions.values() or (content,)
        return min(len(text.source.encode()) for text in texts)
    return sum(
        len(block.text.source.encode()) if isinstance(block, TextBlock) else len(json.dumps(block.value))
        for block in content
    )
