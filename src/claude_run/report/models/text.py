"""What is known of the models as lines of text: a table of all, or a block for each."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from claude_run.report.text.blocks import truncate
from claude_run.report.text.console import aligned
from claude_run.report.text.safe import safe_line
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date
    from decimal import Decimal

    from claude_run.plan.known_models import KnownModel, KnownModels, RetiredModel
    from claude_run.plan.model_news import Difference, ModelNews
    from claude_run.plan.model_rules import ModelRules
    from claude_run.plan.prices import PriceTier
    from claude_run.scenario.json_values import Json

UNPRICED = "unpriced"

_HEAD = ("MODEL", "CTX", "OUT", "$IN", "$OUT", "$READ")
_KINDS = ("adaptive", "between_tools", "disabled", "enabled")
_LONGEST = 300  # characters of a line that the API has written
_LABEL = 16
_COLUMNS = 80

# What a word of the table stands for; shown where the table has it.
_WORDS = {
    "sampling": "temperature, top_p and top_k",
    "non-default": "temperature but 1, top_p but 0.99, both at once, and top_k",
    "both": "temperature and top_p at once",
    "tools": "tool_choice of type any or tool",
    "prefill": "a script that ends with an assistant turn",
    "off": "thinking of type disabled",
    "adaptive": "thinking of type adaptive",
    "effort": "output_config.effort",
}
_SAMPLING = {"refused": "sampling", "defaults": "non-default", "one": "both"}
_SAMPLING_TOLD = {
    "refused": "refused",
    "defaults": "temperature 1 or top_p 0.99, and nothing else",
    "one": "taken, but not temperature and top_p at once",
    "free": "taken",
}


def table_lines(known: KnownModels) -> Iterator[str]:
    """Yield a table of the models that fits 80 columns, what its words mean, and which models end when.

    The newest stand first. Whoever shows the lines escapes them.
    """
    # The words of refusals stand to the left, behind the numbers.
    refusals = [_refusals(model.rules) for model in known.models]
    rows = [_HEAD, *map(_row, known.models)]
    for line, words in zip(aligned(rows), [["REFUSES"], *refusals], strict=True):
        yield f"{line}  {' '.join(words)}".rstrip()
    yield ""
    yield from _legend(known, used={word for words in refusals for word in words})
    yield ""
    yield from _ends(known)
    yield ""
    yield f"models: last looked at on {known.checked}; prices: {known.prices}"
    yield "claude-run models ID says all of one model; --refresh asks the API what is new"


def block_lines(known: KnownModels) -> Iterator[str]:
    """Yield all that is known of each model, a block for each. Whoever shows the lines escapes them."""
    blocks = [
        *(list(_block(model, known)) for model in known.models),
        *(list(_retired_block(model, known)) for model in known.retired),
    ]
    for number, block in enumerate(blocks):
        if number:
            yield ""
        for text in block:
            yield from text.split("\n")


def news_lines(news: ModelNews) -> Iterator[str]:
    """Yield in what the API differs from the table, a line each."""
    for found in news.differences:
        if found.subject != "gone":
            yield safe_line(truncate(f"{found.model}: {_difference(found)}", _LONGEST))
    if gone := ", ".join(each.model for each in news.differences if each.subject == "gone"):
        text = f"known here, and not listed for these credentials: {gone}"
        lines = textwrap.wrap(text, _COLUMNS, subsequent_indent="  ", break_on_hyphens=False)
        yield from map(safe_line, lines)
    many = count(len(news.differences), "difference") if news.differences else "no difference"
    listed = count(news.listed, "model")
    yield f"the API lists {listed}: {many} from what is known here since {news.checked}"


def _row(model: KnownModel) -> Sequence[str]:
    rules = model.rules
    sizes = (_short(rules.context_window), _short(rules.max_output_tokens))
    if not model.prices:
        return (rules.id, *sizes, UNPRICED, "", "")
    tier = model.prices[0]
    return (rules.id, *sizes, _dollars(tier.input), _dollars(tier.output), _dollars(tier.cache_read))


def _legend(known: KnownModels, *, used: set[str]) -> Iterator[str]:
    """Yield what the columns and the words of the table mean, and the prices that it has no room for."""
    yield "CTX, OUT: context window and most output, in tokens. $IN, $OUT, $READ: USD per"
    yield "million tokens of input, output and cache reads. REFUSES, with an error 400:"
    for word, meaning in _WORDS.items():
        if word in used:
            yield f"  {word:<11} {meaning}"
    for model in known.models:
        for tier in model.prices[1:]:
            yield f"{model.rules.id} above {tier.above:,} tokens: {_prices(tier)}"


def _ends(known: KnownModels) -> Iterator[str]:
    """Yield what ends, the nearest first; then what has ended."""
    ending = ((rules.retires, model) for model in known.models if (rules := model.rules).retires)
    for day, model in sorted(ending, key=lambda each: str(each[0])):
        if day is not None:
            yield f"{model.rules.id} {_end(day, today=known.today)}{_instead(model.newer)}"
    for group in dict.fromkeys(each.retired for each in known.retired):
        first, *others = (f"retired {group.on}:", *group.ids)
        line = first
        for name in others:
            if len(line) + len(name) + 1 > _COLUMNS:
                yield line
                line = " "
            line += f" {name}"
        yield line


def _refusals(rules: ModelRules) -> list[str]:
    """Return what a model refuses in words of the table, what concerns most people first."""
    found = {
        _SAMPLING.get(rules.sampling, ""): rules.sampling != "free",
        "tools": not rules.forced_tool_choice,
        "prefill": not rules.prefill,
        "off": "disabled" not in rules.thinking,
        "adaptive": "adaptive" not in rules.thinking,
        "effort": not rules.effort,
    }
    return [word for word, holds in found.items() if holds]


def _block(model: KnownModel, known: KnownModels) -> Iterator[str]:
    rules = model.rules
    yield rules.id
    if rules.aliases:
        yield _field("also called", ", ".join(rules.aliases))
    if rules.retires is not None:
        yield _field("status", _end(rules.retires, today=known.today) + _instead(model.newer))
    else:
        yield _field("status", "no end announced")
    yield _field("context window", f"{rules.context_window:,} tokens")
    yield _field("most output", f"{rules.max_output_tokens:,} tokens")
    for tier in model.prices:
        above = f" above {tier.above:,} tokens" if tier.above else ""
        yield _field("USD per million" if not tier.above else "", _prices(tier) + above)
    if not model.prices:
        yield _field("USD per million", UNPRICED)
    yield _field("sampling", _SAMPLING_TOLD[rules.sampling])
    yield _field("thinking", _thinking(rules))
    refused = [kind for kind in _KINDS if kind not in rules.thinking]
    if refused:
        yield _field("", f"{', '.join(refused)} refused")
    for label, taken in (
        ("effort", rules.effort),
        ("forced tools", rules.forced_tool_choice),
        ("prefill", rules.prefill),
        ("system turns", rules.system_turns),
        ("inference_geo", rules.inference_geo),
    ):
        yield _field(label, "taken" if taken else "refused")
    yield _field("cached from", f"{rules.min_cache_tokens:,} tokens on")
    yield _field("source", rules.source)
    yield _field("last look", f"{known.checked}; prices: {known.prices}")


def _retired_block(model: RetiredModel, known: KnownModels) -> Iterator[str]:
    yield model.id
    yield _field("status", f"retired on {model.retired.on}{_instead(model.newer)}")
    yield _field("source", model.retired.source)
    yield _field("last look", str(known.checked))


def _thinking(rules: ModelRules) -> str:
    notes = {kind: f" (effort up to {effort})" for kind, effort in rules.effort_ceiling.items()}
    notes |= dict.fromkeys(rules.deprecated_thinking, " (deprecated)")
    return ", ".join(f"{kind}{notes.get(kind, '')}" for kind in rules.thinking) + " taken"


def _field(label: str, text: str) -> str:
    """Return a labelled text, in several lines where it is long."""
    first, rest = f"  {label:<{_LABEL}}", " " * (_LABEL + 2)
    return textwrap.fill(text, _COLUMNS, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def _end(day: date, *, today: date) -> str:
    left = (day - today).days
    if left <= 0:
        return f"was retired on {day}"
    return f"retires on {day}, in {count(left, 'day')}"


def _instead(newer: str | None) -> str:
    return f"; newer: {newer}" if newer else ""


def _prices(tier: PriceTier) -> str:
    read = _dollars(tier.cache_read)
    return f"{_dollars(tier.input)} in, {_dollars(tier.output)} out, {read} cache read"


def _dollars(amount: Decimal | None) -> str:
    """Return a price per million tokens: `8`, `0.20`, `0.125`."""
    if amount is None:
        return "-"
    plain = f"{amount.normalize():f}"
    return plain if "." not in plain else f"{plain:0<{plain.index('.') + 3}}"


def _short(number: int) -> str:
    """Return a number of tokens as the model pages do: `1M`, `200K`."""
    million, thousand = 1_000_000, 1_000
    if number % million == 0:
        return f"{number // million}M"
    return f"{number // thousand}K" if number % thousand == 0 else f"{number:,}"


def _difference(found: Difference) -> str:
    known, live = _words(found.known), _words(found.live)
    match found.subject:
        case "new":
            told = found.live if isinstance(found.live, dict) else {}
            parts = "".join(f"; {name} {_words(part)}" for name, part in told.items())
            return f"new, not known here{parts}"
        case "retired":
            return f"{live}; retirement known here: {known}"
        case "retires":
            return f"retires on {live}; known here: {known}"
        case _:
            return f"{found.subject} {live}; known here: {known}"


def _words(value: Json) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(map(_words, value)) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value)
