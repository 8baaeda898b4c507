"""From scenarios to the ordered conversations of a run: scenario x case x variant x model x repeat."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import accumulate
from types import MappingProxyType
from typing import TYPE_CHECKING

from claude_run.conversation.identity import Identity
from claude_run.conversation.lazy import LazySequence
from claude_run.conversation.script import Conversation
from claude_run.conversation.served import BY_NAME
from claude_run.errors import InputError, SelectionError
from claude_run.plan.filters import has_tag, parse_expression
from claude_run.scenario.model import ModelChoice
from claude_run.scenario.paths import chooses, with_files
from claude_run.scenario.settings import variables_of
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from claude_run.conversation.served import ServedNames
    from claude_run.plan.shards import Shard
    from claude_run.scenario.model import Case, Scenario, ToolResults, Turn, Variant

MAX_CONVERSATIONS = 100_000
"""The largest matrix that is planned, before any filter."""

DEFAULT_MAX_TOKENS = 4096

_MAX_LABEL = 100
_EXAMPLES = 3
_NO_OVERRIDES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the command line asks of the matrix.

    `models` are `id` or `label=id` and win over the models of the files; `ids` are exactly the conversations
    to take. Every filter that is given must let a conversation through; of several `tags` any will do.
    `last_failed` returns those of its conversations that failed last; a shard is a part of what is left.
    """

    models: tuple[str, ...] = ()
    repeat: int | None = None
    tags: tuple[str, ...] = ()
    expression: str | None = None
    last_failed: Callable[[Sequence[Conversation]], Sequence[Conversation]] | None = None
    shard: Shard | None = None
    ids: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The ordered conversations of a run, with what is known of the scenarios that they come from.

    A conversation is made when it is asked for, each time anew: whoever goes through them has one at a time.
    `pass_rates` by scenario name: the share of the repeats that must pass. `files`: path to SHA-256.
    Where this is a shard, which may be empty, `whole` is what all shards together play.
    """

    conversations: Sequence[Conversation]
    pass_rates: Mapping[str, float]
    files: Mapping[str, str]
    whole: Plan | None = None

    @property
    def identities(self) -> Sequence[Identity]:
        """Who the conversations are, in the same order."""
        return LazySequence.over(self.conversations, lambda each: each.identity)

    def one_of_each_case(self) -> Iterator[Conversation]:
        """Yield one conversation of every case, variant and model: repeats are alike but for their number."""
        seen: set[str] = set()
        for conversation in self.conversations:
            if (name := conversation.identity.case_name) not in seen:
                seen.add(name)
                yield conversation


def expand(
    scenarios: Sequence[Scenario],
    selection: Selection,
    overrides: Mapping[str, str] = _NO_OVERRIDES,
    *,
    served: ServedNames = BY_NAME,
) -> Plan:
    """Make the plan; `overrides` are the variables of `--set`, `served` the names that models answer under.

    Raises InputError for options that make no sense or a
    matrix that is too large, SelectionError where nothing is left to play.
    """
    chosen = {scenario.name: choices(scenario, selection.models) for scenario in scenarios}

    # The whole matrix, then what the filters leave of it.
    _require_size(scenarios, chosen, selection.repeat)
    matrix = _Matrix(
        _Block(
            scenario=scenario,
            models=chosen[scenario.name],
            repeats=_repeats(scenario, selection.repeat),
            overrides=overrides,
            served=served,
            chooses=_chooses(scenario.turns) or _any_result_chooses(scenario.tool_results),
        )
        for scenario in scenarios
    )
    everything = LazySequence(matrix.conversation, range(matrix.size))
    selected = _select(everything, selection)
    filled = [block.scenario for block in matrix.blocks if block.size]
    whole = _plan_of(selected, filled, are_all=selected is everything)
    if selection.shard is None:
        return whole
    from claude_run.plan.shards import take_shard  # noqa: PLC0415 - it imports all that a forecast needs

    return replace(_plan_of(take_shard(selected, selection.shard), filled), whole=whole)


def _plan_of(
    conversations: Sequence[Conversation], scenarios: Sequence[Scenario], *, are_all: bool = False
) -> Plan:
    """Return the plan of some conversations; of all there are no names need be looked at."""
    played = (
        {scenario.name for scenario in scenarios}
        if are_all
        else {conversation.identity.scenario for conversation in conversations}
    )
    return Plan(
        conversations=conversations,
        pass_rates={scenario.name: scenario.pass_rate for scenario in scenarios if scenario.name in played},
        files={scenario.path: scenario.sha256 for scenario in scenarios if scenario.name in played},
    )


def choices(scenario: Scenario, models: Sequence[str] = ()) -> tuple[ModelChoice, ...]:
    """Return the models that a scenario is played on: those of `-m` if there are any, else its own."""
    if not models:
        return scenario.models
    result = tuple(_choice(text) for text in models)
    labels = [choice.label for choice in result]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise InputError(
            f"-m: two models are called {twice!r}; name them apart: -m first=<id> -m second=<id>"
        )
    return result


def _choice(text: str) -> ModelChoice:
    name, mark, rest = text.partition("=")
    label, model = name.strip(), (rest if mark else name).strip()
    if not label or not model:
        raise InputError(f"-m {text!r}: write a model id, or a name and the id: -m small=claude-haiku-5-5")
    if not label.isprintable() or "/" in label or len(label) > _MAX_LABEL:
        raise InputError(
            f"-m {text!r}: {label!r} cannot stand in a conversation id; "
            f"put a name of at most {_MAX_LABEL} printable characters and no `/` before it: -m name=<id>"
        )
    return ModelChoice(id=model, label=label)


def _repeats(scenario: Scenario, asked: int | None) -> int:
    if asked is not None and asked < 1:
        raise InputError(f"-n {asked}: the number of repeats must be at least 1")
    return scenario.repeat if asked is None else asked


def _require_size(
    scenarios: Sequence[Scenario], chosen: Mapping[str, Sequence[ModelChoice]], asked: int | None
) -> None:
    sizes = {
        scenario.name: (
            len(scenario.cases),
            len(scenario.variants),
            len(chosen[scenario.name]),
            _repeats(scenario, asked),
        )
        for scenario in scenarios
    }
    products = {name: cases * variants * models * n for name, (cases, variants, models, n) in sizes.items()}
    total = sum(products.values())
    if total > MAX_CONVERSATIONS:
        largest = max(products, key=lambda name: products[name])
        cases, variants, models, n = sizes[largest]
        raise InputError(
            f"the plan has {total:,} conversations, more than {MAX_CONVERSATIONS:,}; the largest part is "
            f"scenario {largest!r}: {cases:,} cases x {variants:,} variants x {models:,} models x "
            f"{n:,} repeats. Lower -n, or play fewer files or models at a time"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """What one scenario gives: case x variant x model x repeat, the last of them counting fastest.

    `chooses` says whether files of its turns, or of the results of its tools, hang on its variables.
    """

    scenario: Scenario
    models: Sequence[ModelChoice]
    repeats: int
    overrides: Mapping[str, str]
    served: ServedNames
    chooses: bool

    @property
    def size(self) -> int:
        scenario = self.scenario
        return len(scenario.cases) * len(scenario.variants) * len(self.models) * self.repeats

    def conversation(self, place: int) -> Conversation:
        """Return the conversation at a place within the block, counted from 0."""
        scenario = self.scenario
        place, repeat = divmod(place, self.repeats)
        place, at_model = divmod(place, len(self.models))
        at_case, at_variant = divmod(place, len(scenario.variants))
        case, variant, choice = scenario.cases[at_case], scenario.variants[at_variant], self.models[at_model]
        return Conversation(
            identity=Identity.of(
                scenario=scenario.name,
                path=scenario.path,
                case=case.id,
                variant=variant.id,
                model=choice.id,
                model_label=choice.label,
                repeat=None if self.repeats == 1 else repeat + 1,
                case_digest=case.digest,
            ),
            position=scenario.position,
            vars=variables_of(scenario.vars, case, variant, self.overrides),
            tags=tuple(dict.fromkeys((*scenario.tags, *case.tags))) if case.tags else scenario.tags,
            system=variant.system if variant.overrides_system else scenario.system,
            params={"max_tokens": DEFAULT_MAX_TOKENS, **scenario.params, **variant.params, **choice.params},
            cache=scenario.cache,
            turns=scenario.turns
            if case.turns is None and not self.chooses
            else _turns(scenario, case, variant),
            expect=(*scenario.expect, *case.expect) if case.expect else scenario.expect,
            judge=scenario.judge,
            tool_results=_tool_results(scenario, case, variant) if self.chooses else scenario.tool_results,
            served=self.served,
        )


class _Matrix:
    """The blocks of all scenarios, one after the other."""

    def __init__(self, blocks: Iterable[_Block]) -> None:
        self.blocks = tuple(blocks)
        self._ends = tuple(accumulate(block.size for block in self.blocks))

    @property
    def size(self) -> int:
        return self._ends[-1] if self._ends else 0

    def conversation(self, place: int) -> Conversation:
        """Return the conversation at a place of the whole, counted from 0."""
        number = bisect_right(self._ends, place)
        return self.blocks[number].conversation(place - (self._ends[number - 1] if number else 0))


def _select(everything: LazySequence[Conversation], selection: Selection) -> LazySequence[Conversation]:
    if not everything:
        raise SelectionError("nothing to play: the paths hold no scenario")
    left = everything
    for name, narrow in _filters(selection):
        before = len(left)
        left = narrow(left)
        if not left:
            raise SelectionError(
                f"nothing to play: {name} leaves none of {count(before, 'conversation')}; "
                "--list without it shows their ids and tags"
            )
    return left


def _filters(
    selection: Selection,
) -> Iterator[tuple[str, Callable[[LazySequence[Conversation]], LazySequence[Conversation]]]]:
    """Give each filter that is set with the option to blame; options are checked before any is applied."""
    ids, tags = selection.ids, selection.tags
    matches = None if selection.expression is None else parse_expression(selection.expression)
    if selection.shard is not None:
        from claude_run.plan.shards import check_shard  # noqa: PLC0415 - same

        check_shard(selection.shard)
    if ids is not None:
        yield "the list of conversations", lambda left: _exactly(left, ids)
    if tags:
        name = " ".join(f"--tag {tag!r}" for tag in tags)
        yield name, lambda left: left.where(lambda each: has_tag(each.tags, tags))
    if matches is not None:
        name = f"-k {selection.expression!r}"
        yield name, lambda left: left.where(lambda each: matches((each.id, each.model, *each.tags)))
    if (last_failed := selection.last_failed) is not None:
        yield "--lf", lambda left: _exactly(left, frozenset(each.id for each in last_failed(left)))


def _exactly(everything: LazySequence[Conversation], ids: frozenset[str]) -> LazySequence[Conversation]:
    found = everything.where(lambda conversation: conversation.id in ids)
    if len(found) == len(ids):
        return found
    missing = sorted(ids - {conversation.id for conversation in found})
    some = ", ".join(repr(each) for each in missing[:_EXAMPLES])
    raise InputError(
        f"{len(missing):,} of the wanted conversations are not in the scenarios now, such as {some}; "
        "give the same files, models and repeats as before"
    )


def _turns(scenario: Scenario, case: Case, variant: Variant) -> tuple[Turn, ...]:
    """Return the script of a case, with the files that its variables choose."""
    turns = scenario.script_of(case)
    if not _chooses(turns):
        return turns
    return tuple(replace(turn, content=with_files(turn.content, case, variant)) for turn in turns)


def _chooses(turns: Iterable[Turn]) -> bool:
    return any(chooses(turn.content) for turn in turns)


def _any_result_chooses(results: ToolResults) -> bool:
    return any(chooses(each.content) for found in results.by_tool.values() for each in found)


def _tool_results(scenario: Scenario, case: Case, variant: Variant) -> ToolResults:
    """Return how tools answer, with the files that the variables of a case choose."""
    results = scenario.tool_results
    if not _any_result_chooses(results):
        return results
    chosen = {
        name: tuple(
            each if each.content is None else replace(each, content=with_files(each.content, case, variant))
            for each in found
        )
        for name, found in results.by_tool.items()
    }
    return replace(results, by_tool=chosen)
