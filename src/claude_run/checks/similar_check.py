"""`similar`: how close the text of a reply comes to another text, by its letters, words or meaning.

Meaning is what a small model on this machine makes of a text, a vector; an extra installs it.
"""

from __future__ import annotations

import math
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from claude_run.checks.arguments import (
    describe,
    is_number,
    is_object,
    key_problems,
    strings,
    suggest,
    text_problems,
)
from claude_run.checks.excerpt import quote, short
from claude_run.checks.kind import Check, Finding, errored, failed, passed
from claude_run.checks.nearest import beginning
from claude_run.scenario.vocabulary import Fill, Problem, Slot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from claude_run.checks.subject import Subject
    from claude_run.scenario.json_values import Json, JsonObject

MAX_WORK = 2 * 10**10
"""The product of the lengths of two texts up to which their letters are compared: about a second of work."""

EXTRA = "embeddings"
"""The extra of claude-run that brings the model along."""

_PACKAGE = "wordllama"
_EMBEDDING = "embedding"
_BY = ("ratio", "token_sort", "token_set", _EMBEDDING)
_KEYS = ("to", "at_least", "by")
_AT_LEAST = 0.8
_TINY = 1e-290
_LONGER = 600  # doublings


class TooLongError(Exception):
    """The two texts are too long to be compared letter by letter."""


class EmbeddingError(Exception):
    """The model is installed and cannot be used."""


class Embedder(Protocol):
    """What turns texts into vectors."""

    @property
    def is_installed(self) -> bool:
        """Whether `embed` has what it needs. It is asked before anything is sent, so it must be quick."""

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return a vector for each text, all of one length; EmbeddingError where the model fails."""


def similar_check(embedder: Embedder) -> Check:
    """Return the check, with what `by: embedding` asks for vectors."""
    return Check(
        name="similar",
        schema=_SCHEMA,
        example={"to": "Your order has been shipped and arrives on Monday.", "at_least": 0.7},
        problems=partial(_problems, embedder),
        evaluate=partial(_evaluate, embedder),
        templates=_templates,
        reads="text",
    )


def _evaluate(embedder: Embedder, value: Json, subject: Subject) -> Finding:
    arguments = value if is_object(value) else {"to": value}
    wanted, by = str(arguments["to"]), arguments.get("by", _BY[0])
    least = arguments.get("at_least", _AT_LEAST)
    try:
        score = _score(str(by), subject.text.strip(), wanted.strip(), embedder=embedder)
    except (TooLongError, EmbeddingError) as error:
        return errored(str(error), expected=short(wanted), actual=short(subject.text))
    # Rounded down, so that what is shown never reaches a limit that was missed.
    shown = math.floor(score * 1000) / 1000
    limit = least if is_number(least) else _AT_LEAST
    if score >= limit:
        message = (
            f"{subject.name} is {shown:g} similar to {quote(wanted)} by {by}, which is at least {limit:g}"
        )
        return passed(message, expected=short(wanted), actual=short(subject.text))
    message = (
        f"expected {subject.name} to be at least {limit:g} similar to {quote(wanted)} by {by}, "
        f"it is {shown:g}; {beginning(subject.text).clause}"
    )
    return failed(message, expected=short(wanted), actual=short(subject.text))


def _score(by: str, text: str, wanted: str, *, embedder: Embedder) -> float:
    """Return how similar two texts are, from 0 to 1; two of which one is empty are not."""
    if not text or not wanted:
        return 0.0
    if by == _EMBEDDING:
        one, other = embedder.embed([text, wanted])
        return max(0.0, cosine(one, other))
    if len(text) * len(wanted) > MAX_WORK:
        raise TooLongError(
            f"the texts are too long to be compared: {len(text):,} and {len(wanted):,} characters"
        )
    from rapidfuzz import fuzz  # noqa: PLC0415 - compiled code, and most scenarios need none of it

    measures = {"ratio": fuzz.ratio, "token_sort": fuzz.token_sort_ratio, "token_set": fuzz.token_set_ratio}
    return measures[by](text, wanted) / 100


def _problems(embedder: Embedder, value: Json) -> Sequence[Problem]:
    if not is_object(value):
        return text_problems(value)
    return tuple(_object_problems(embedder, value))


def _object_problems(embedder: Embedder, value: JsonObject) -> Iterator[Problem]:
    yield from key_problems(value, _KEYS)
    if "to" in value:
        yield from text_problems(value["to"], ("to",))
    else:
        yield Problem(path=(), message="`to` is missing", hint="write {to: text, at_least: 0.8}")
    if "at_least" in value:
        least, path, hint = value["at_least"], ("at_least",), "write 0.8 for four fifths"
        if not is_number(least):
            yield Problem(path=path, message=f"this must be a number, not {describe(least)}", hint=hint)
        elif not 0 < least <= 1:
            message = f"this must be more than 0 and at most 1, not {least}"
            yield Problem(path=path, message=message, hint=hint)
    by = value.get("by", _BY[0])
    if by not in _BY:
        yield Problem(path=("by",), message="unknown way to compare", hint=suggest(str(by), _BY))
    elif by == _EMBEDDING and not embedder.is_installed:
        message = f"`by: {_EMBEDDING}` needs the extra `{EXTRA}` of claude-run, which is not installed"
        hint = f'pip install "claude-run[{EXTRA}]", or compare by {", ".join(_BY[:-1])}'
        yield Problem(path=("by",), message=message, hint=hint)


def _templates(value: Json) -> Sequence[Slot]:
    return tuple(
        Slot(path=path, source=source, into=Fill.TEXT if path in {(), ("to",)} else Fill.VALUE)
        for path, source in strings(value)
    )


class LocalModel:
    """The model in the package of WordLlama: 256 numbers a text, no download, no GPU.

    It averages vectors of word pieces. So it knows what a text is about, not who did what to whom.
    """

    def __init__(self) -> None:
        self._model: Any = None

    @property
    def is_installed(self) -> bool:
        return find_spec(_PACKAGE) is not None

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        # Lone surrogates are legal in the API's JSON, and the model's tokenizer refuses them.
        storable = [text.encode("utf-8", "replace").decode() for text in texts]
        try:
            if self._model is None:
                self._model = _load()
            vectors: Sequence[Sequence[float]] = self._model.embed(storable).tolist()
        except (ImportError, OSError, ValueError, TypeError, AttributeError) as error:
            raise EmbeddingError(f"the model of the package {_PACKAGE} cannot be used: {error}") from error
        return vectors


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the cosine of the angle between two vectors: 1 for the same direction, 0 where one is null."""
    length, other_length = math.hypot(*one), math.hypot(*other)
    if not length or not other_length:
        return 0.0
    # The least numbers of a computer have few digits left: such a vector is first made longer, exactly.
    if length < _TINY:
        return cosine([math.ldexp(x, _LONGER) for x in one], other)
    if other_length < _TINY:
        return cosine(one, [math.ldexp(x, _LONGER) for x in other])
    return sum((x / length) * (y / other_length) for x, y in zip(one, other, strict=True))


def _load() -> Any:  # noqa: ANN401 - the package has no type information
    import logging  # noqa: PLC0415 - this package alone needs it

    root, quiet = logging.getLogger(), logging.NullHandler()
    # The package configures the root logger when it is imported, unless that has a handler.
    root.addHandler(quiet)
    try:
        import wordllama  # type: ignore[import-not-found] # noqa: PLC0415 - an extra, and it costs a second
    finally:
        root.removeHandler(quiet)
    # It looks for its tokenizer in the wrong folder of its own; as a cache, the right one is found.
    folder = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(cache_dir=folder, disable_download=True)


_TEXT: JsonObject = {"type": "string", "minLength": 1}
_SCHEMA: JsonObject = {
    "description": "The text of the reply is like this text, white space around it aside. Or "
    "{to: ..., at_least: 0.8}.",
    "anyOf": [
        _TEXT,
        {
            "type": "object",
            "properties": {
                "to": {
                    **_TEXT,
                    "description": "The text to compare with.",
                    "examples": ["Your order has been shipped."],
                },
                "at_least": {
                    "type": "number",
                    "exclusiveMinimum": 0,
                    "maximum": 1,
                    "description": "How similar, 1 being the same. Default 0.8.",
                    "examples": [0.8],
                },
                "by": {
                    "enum": list(_BY),
                    "examples": ["token_set"],
                    "description": "`ratio`, the default, counts the letters that must change; `token_sort` "
                    "does so with the words in order of the alphabet; `token_set` takes each word once and "
                    "is 1 where one text has all words of the other. `embedding` is the cosine of the "
                    f"vectors of a small model on this machine (extra `{EXTRA}`); 0.5 is close already.",
                },
            },
            "required": ["to"],
            "additionalProperties": False,
        },
    ],
}

CHECKS = (similar_check(LocalModel()),)
