"""Words that users bring along from promptfoo, pytest, OpenAI and others, and what to write instead.

A slip of the pen is found by its letters. These are not slips: the word that looks most like them may mean
the opposite, as `contains` does for `not-contains`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_CASELESS = "contains: {text: ..., ignore_case: true}"
_JUDGE = "judge: what a good reply must have"
_OWN_CHECK = "a function of your own in Python, handed over with --checks FILE"

# What to write for an expectation of another tool, by its name in small letters with `_`.
_EXPECTATIONS = {
    "icontains": _CASELESS,
    "contains_all": "contains: {all: [one, two]}",
    "contains_any": "contains: {any: [one, two]}",
    "icontains_all": "contains: {all: [one, two], ignore_case: true}",
    "icontains_any": "contains: {any: [one, two], ignore_case: true}",
    "includes": "contains: text",
    "has": "contains: text",
    "in": "contains: text",
    "startswith": "starts_with: text",
    "endswith": "ends_with: text",
    "is": "equals: text",
    "eq": "equals: text",
    "equal": "equals: text",
    "exact": "equals: text",
    "exact_match": "equals: text",
    "regex": "matches: '(?i)pattern'",
    "regexp": "matches: '(?i)pattern'",
    "re": "matches: '(?i)pattern'",
    "match": "matches: '(?i)pattern'",
    "is_json": "json: true",
    "contains_json": "json: true",
    "json_schema": "json: {type: object, required: [name]}",
    "jsonpath": "json: {pointer: /a/0, equals: text}",
    "llm_rubric": _JUDGE,
    "rubric": _JUDGE,
    "g_eval": _JUDGE,
    "model_graded_closedqa": _JUDGE,
    "model_graded_factuality": _JUDGE,
    "factuality": _JUDGE,
    "answer_relevance": _JUDGE,
    "select_best": "judge: {at_least_as_good_as: baseline}",
    "levenshtein": "similar: {to: text, at_least: 0.8}",
    "rouge_n": "similar: {to: text, at_least: 0.8}",
    "bleu": "similar: {to: text, at_least: 0.8}",
    "cost": "max_cost_usd: 0.01",
    "latency": "max_latency: 20s",
    "word_count": "max_words: 100",
    "max_length": "max_chars: 400",
    "max_tokens": "max_output_tokens: 300",
    "is_refusal": "refusal: true",
    "finish_reason": "stop_reason: end_turn",
    **dict.fromkeys(("tool_call", "tool_calls", "tool_use", "calls_tools"), "calls_tool: get_order"),
    **dict.fromkeys(("is_valid_openai_tools_call", "is_valid_function_call"), "calls_tool: get_order"),
}
_NEGATIONS = frozenset({"not", "no", "never", "none", "cannot", "cant", "wont", "doesnt", "dont", "isnt"})
_NEGATIONS |= {"without", "lacks", "excludes", "omits"}
_FILLING = frozenset({"does", "do", "to", "be", "is", "will", "should", "must", "can"})
# Bounds: the words that say which side, and what is bounded by which of our expectations.
_LEAST = frozenset({"min", "minimum", "least", "longer", "more", "over", "above", "greater"})
_MOST = frozenset({"max", "maximum", "most", "shorter", "less", "fewer", "under", "below"})
_BOUNDS = {
    **dict.fromkeys(("char", "chars", "character", "characters", "length", "len"), "max_chars: 400"),
    **dict.fromkeys(("word", "words"), "max_words: 100"),
    **dict.fromkeys(("latency", "time", "seconds", "duration", "ms"), "max_latency: 20s"),
    **dict.fromkeys(("cost", "usd", "price"), "max_cost_usd: 0.01"),
    **dict.fromkeys(("token", "tokens"), "max_output_tokens: 300"),
}
_OWN = frozenset({"javascript", "python", "webhook", "ruby", "function", "callable", "lambda"})

_TOP = {
    "prompt": "turns: [{user: ...}], or `system` for the system prompt",
    "prompts": "variants: [{id: v1, system: ...}, {id: v2, system: ...}]",
    "system_prompt": "system: text, or {file: prompts/support.md}",
    "instructions": "system: text, or {file: prompts/support.md}",
    "tests": "cases: [{id: name, vars: {item: value}}], and `expect` at the turns",
    "test_cases": "cases: [{id: name, vars: {item: value}}]",
    "examples": "cases: [{id: name, vars: {item: value}}]",
    "variables": "vars: {name: value}",
    "providers": "models: [claude-haiku-5-5, claude-opus-5-5]",
    "provider": "model: claude-haiku-5-5",
    "assert": "expect: [{contains: text}]",
    "assertions": "expect: [{contains: text}]",
    "checks": "expect: [{contains: text}]",
    "conversation": "turns: [{user: ...}]",
    "steps": "turns: [{user: ...}]",
    "max_completion_tokens": "max_tokens: 1024",
    "max_output_tokens": "max_tokens: 1024",
    "stop": "stop_sequences: [END]",
    "n": "repeat: 3",
    "repetitions": "repeat: 3",
    "reasoning_effort": "output_config: {effort: low}",
    "effort": "output_config: {effort: low}",
    "functions": "tools: [{name: ..., input_schema: {...}}]",
    "function_call": "tool_choice: {type: auto}",
    "response_format": "output_config: {format: {type: json_schema, schema: {...}}}",
}

_TURN = {
    "assert": "expect: [{contains: text}]",
    "assertions": "expect: [{contains: text}]",
    "asserts": "expect: [{contains: text}]",
    "checks": "expect: [{contains: text}]",
    "expected": "expect: [{contains: text}]",
    "expected_output": "example: a good reply, or expect: [{equals: text}]",
    "role": "- user: ..., - assistant: ... or - system: ...",
    "content": "- user: ..., - assistant: ... or - system: ...",
    "input": "- user: ...",
    "prompt": "- user: ...",
    "message": "- user: ...",
    "human": "- user: ...",
    "ai": "- assistant: ...",
    "bot": "- assistant: ...",
    "store": "save: {name: '(pattern)'}",
    "extract": "save: {name: '(pattern)'}",
}


def key_hint(key: str, *, turn: bool) -> str | None:
    """Return what to write for a key of another tool, at a turn or at the top of a scenario; None if new."""
    meant = (_TURN if turn else _TOP).get(_plain(key))
    return f"write `{meant}`" if meant else None


def expectation_hint(kind: str, kinds: Sequence[str]) -> str | None:
    """Return what to write for an expectation of another tool; None where the word is not known.

    A `not` before a word is never taken away: the hint says the negation of what the rest means.
    """
    plain = _plain(kind)
    if (rest := _denied(plain, kinds)) is not None:
        return f"write `- not: {{{_meaning(rest, kinds) or '...'}}}`"
    if plain not in kinds and (bound := _bound(plain.split("_"))) is not None:
        return bound
    if plain == "assert":
        return "write the expectation itself: `- contains: text`"
    if plain in {"type", "value", "threshold"}:
        return "the kind is the key, and what it looks for its value: `- contains: text`"
    if plain in _OWN:
        return f"this takes {_OWN_CHECK}"
    # A word of ours that is written in another way is a slip, which is found by its letters.
    meant = _EXPECTATIONS.get(plain)
    return f"write `- {meant}`" if meant else None


def own_check_hint(kinds: Sequence[str]) -> str:
    """Return what to say of an expectation that nobody knows."""
    return f"known: {', '.join(kinds)}; a check of your own needs --checks FILE"


def _bound(words: Sequence[str]) -> str | None:
    """Return what to write for a bound of something; None for a word that is none."""
    upper = next((_BOUNDS[word] for word in words if word in _BOUNDS), None)
    if upper is None or not (_LEAST | _MOST).intersection(words):
        return None
    if _MOST.intersection(words):
        return f"write `- {upper}`"
    if upper == _BOUNDS["words"]:
        return "write `- min_words: 10`"
    return f"there is only an upper bound: write `- not: {{{upper}}}` for more than that"


def _denied(plain: str, kinds: Sequence[str]) -> str | None:
    """Return what a word denies, wherever in it the negation stands; None for a word that denies nothing."""
    if plain in kinds:
        return None
    words = plain.split("_")
    if _NEGATIONS.intersection(words):
        return "_".join(word for word in words if word not in _NEGATIONS | _FILLING)
    for negation in ("not", "un", "mis", "dis", "non"):
        rest = plain.removeprefix(negation)
        if rest != plain and (_meaning(rest, kinds) or rest in {"matched", "similar", "equal"}):
            return {"matched": "matches"}.get(rest, rest)
    return None


def _meaning(plain: str, kinds: Sequence[str]) -> str | None:
    if plain in _EXPECTATIONS:
        return _EXPECTATIONS[plain]
    singular = {"contain": "contains", "match": "matches", "equal": "equals", "start_with": "starts_with"}
    if plain == "of":
        return "any_of: [...]"
    kind = singular.get(plain, plain)
    if kind in {"refusal", "json"}:
        return f"{kind}: true"
    return f"{kind}: ..." if kind in kinds else None


def _plain(word: str) -> str:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word).lower().replace("'", "")
    return re.sub(r"[^a-z0-9]+", "_", snake).strip("_")
