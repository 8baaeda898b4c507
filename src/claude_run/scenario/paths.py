"""Paths that are filled in: which file each case takes, with each variant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.scenario.model import JsonBlock, Text
from claude_run.scenario.template import Renderer, RenderError
from claude_run.scenario.template_inspection import variables_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from claude_run.scenario.fields import ReadContext
    from claude_run.scenario.model import Case, Content, Variant
    from claude_run.scenario.settings import Settings
    from claude_run.scenario.yaml_tree import ScalarNode

MAX_FILES = 1000
"""How many files one path may become."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What takes a file: all of `pairs`, each a case with a variant, and their `settings`."""

    settings: Settings
    pairs: tuple[tuple[Case, Variant], ...]

    @property
    def whose(self) -> str:
        """The first case and variant, to be said behind a message: `, in case `phone``."""
        return whose(self.settings)


def taken_files(context: ReadContext, path: str, node: ScalarNode) -> Mapping[str, Taken] | None:
    """Return what a path that is a template becomes, and where; None where it becomes too many files."""
    # Which path it becomes hangs on variables alone: what replies say is not known before they are paid for.
    context.template(path, node, turn=0)
    look = variables_in(path)
    found: dict[str, list[tuple[Case, Variant]]] = {}
    failed: dict[str, list[tuple[Case, Variant]]] = {}
    for case, variant, variables in context.settings.each():
        try:
            found.setdefault(str(Renderer(variables).fill(path, {})), []).append((case, variant))
        except RenderError as error:
            # What is wrong with the text itself, or not defined, is reported with all others.
            if not look.problems and all(use.name in variables and not use.saved for use in look.uses):
                failed.setdefault(error.reason, []).append((case, variant))
    for reason, pairs in failed.items():
        message = f"the path cannot be filled in: {reason}{_taken(context, pairs).whose}"
        context.report.node(node, message, hint="mend the path, or the values of its variables")
    if len(found) > MAX_FILES:
        message = f"this path becomes {len(found):,} different ones, and at most {MAX_FILES:,} are read"
        context.report.node(node, message, hint="divide the cases among several scenarios")
        return None
    return {filled: _taken(context, pairs) for filled, pairs in found.items()}


def chooses(content: Content | None) -> bool:
    """Return whether the path of any block has variables."""
    blocks = content if isinstance(content, tuple) else ()
    return any(isinstance(block, JsonBlock) and bool(block.versions) for block in blocks)


def with_files(content: Content, case: Case, variant: Variant) -> Content:
    """Return a content as a case and a variant send it."""
    if isinstance(content, Text):
        return content
    return tuple(block.chosen(case, variant) if isinstance(block, JsonBlock) else block for block in content)


def whose(settings: Settings | None) -> str:
    """Return in which case and variant a path was filled in, the first ones of many."""
    if settings is None:
        return ""
    named = [("case", settings.cases[0].id), ("variant", settings.variants[0].id)]
    return "".join(f", in {what} `{name}`" for what, name in named if name is not None)


def _taken(context: ReadContext, pairs: list[tuple[Case, Variant]]) -> Taken:
    cases = tuple({id(case): case for case, _ in pairs}.values())
    variants = tuple({id(variant): variant for _, variant in pairs}.values())
    return Taken(settings=context.settings.of(cases=cases, variants=variants), pairs=tuple(pairs))
