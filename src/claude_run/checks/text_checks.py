"""`contains`, `equals`, `starts_with`, `ends_with` and `matches`: what the text of a reply says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from claude_run.checks.arguments import (
    boolean_problems,
    describe,
    is_list,
    is_object,
    key_problems,
    slots,
    strings,
    text_problems,
)
from claude_run.checks.excerpt import LIMIT, around, cut, quote, short
from claude_run.checks.kind import EVERYWHERE, TURN_ONLY, Check, Finding, failed, passed
from claude_run.checks.nearest import Nearest, beginning, difference, ending, nearest
from claude_run.scenario.patterns import PatternError, check_pattern, search
from claude_run.scenario.vocabulary import Fill, Problem, Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from claude_run.checks.kind import Scope
    from claude_run.checks.subject import Subject
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.vocabulary import ValuePath

_FORMS = ("any", "all", "text")
_KEYS = (*_FORMS, "ignore_case")
_SHOWN = 5
_INTO: Mapping[ValuePath, Fill] = {("any",): Fill.TEXTS, ("all",): Fill.TEXTS, ("ignore_case",): Fill.VALUE}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Relation:
    """How a wanted text must stand to the text of the reply.

    Both are trimmed before they are compared, or left as they are: at the ends that are compared, white space
    is not part of what a person means, and a YAML block adds a line break of its own.
    """

    name: str
    verb: str
    holding: str
    holds: Callable[[str, str], bool]
    closest: Callable[[str, str], Nearest]
    description: str
    example: Json
    trim_text: Callable[[str], str] = str
    trim_wanted: Callable[[str], str] = str
    blank_ok: bool = False
    empty_ok: bool = False
    scopes: frozenset[Scope] = EVERYWHERE

    def problems(self, wanted: Json, path: ValuePath = ()) -> Sequence[Problem]:
        """Find what keeps a value from being a text to look for."""
        return text_problems(wanted, path, blank_ok=self.blank_ok, empty_ok=self.empty_ok)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """The argument in one form: texts, of which one or all must be found."""

    texts: tuple[str, ...]
    all: bool
    ignore_case: bool


def _check(relation: _Relation) -> Check:
    return Check(
        name=relation.name,
        schema=_schema(relation),
        example=relation.example,
        problems=partial(_problems, relation),
        evaluate=partial(_evaluate, relation),
        templates=_templates,
        scopes=relation.scopes,
        reads="text",
    )


def _evaluate(relation: _Relation, value: Json, subject: Subject) -> Finding:
    wanted = _wanted(value)
    text = relation.trim_text(subject.text)
    fold = str.casefold if wanted.ignore_case else str
    found = [one for one in wanted.texts if relation.holds(fold(text), fold(relation.trim_wanted(one)))]
    enough = len(found) == len(wanted.texts) if wanted.all else bool(found)
    expected = short(wanted.texts[0] if len(wanted.texts) == 1 else list(wanted.texts))
    if enough:
        shown = _listed(wanted) if wanted.all else quote(found[0])
        message = f"{subject.name} {relation.holding} {shown}"
        return passed(message, expected=expected, actual=_place(text, found[0], wanted.ignore_case))
    # What was found instead of the first text that is missing.
    missing = next(one for one in wanted.texts if one not in found)
    closest = relation.closest(text, relation.trim_wanted(missing))
    message = f"expected {subject.name} to {relation.verb} {_listed(wanted)}"
    if len(wanted.texts) > 1 and wanted.all:
        message += f", missing {quote(missing)}"
    return failed(f"{message}; {closest.clause}", expected=expected, actual=short(closest.excerpt))


def _place(text: str, wanted: str, ignore_case: bool) -> Json:
    folded = text.casefold()
    same_places = ignore_case and len(folded) == len(text)
    start = (folded if same_places else text).find(wanted.casefold() if same_places else wanted)
    if start < 0:
        return short(cut(text))
    return short(around(text, start, end=start + len(wanted), limit=LIMIT))


def _listed(wanted: _Wanted) -> str:
    if len(wanted.texts) == 1:
        return quote(wanted.texts[0])
    listed = ", ".join(quote(one, 40) for one in wanted.texts[:_SHOWN])
    more = f" and {len(wanted.texts) - _SHOWN} more" if len(wanted.texts) > _SHOWN else ""
    return f"{'all' if wanted.all else 'one'} of {listed}{more}"


def _wanted(value: Json) -> _Wanted:
    arguments: JsonObject = value if is_object(value) else {"text": value}
    form = next(form for form in _FORMS if form in arguments)
    texts = arguments[form]
    return _Wanted(
        texts=tuple(str(one) for one in texts) if is_list(texts) else (str(texts),),
        all=form == "all",
        ignore_case=arguments.get("ignore_case") is True,
    )


def _problems(relation: _Relation, value: Json) -> Sequence[Problem]:
    if is_object(value):
        return tuple(_object_problems(relation, value))
    if is_list(value):
        hint = "write {any: [...]} or {all: [...]}"
        return (Problem(path=(), message="this must be text, not a list", hint=hint),)
    return relation.problems(value)


def _object_problems(relation: _Relation, value: JsonObject) -> Iterator[Problem]:
    yield from key_problems(value, _KEYS)
    if sum(form in value for form in _FORMS) != 1:
        hint = "write {any: [...]}, {all: [...]} or {text: ...}"
        yield Problem(path=(), message="exactly one of `any`, `all` and `text` is needed", hint=hint)
    for form in ("any", "all"):
        if form in value:
            yield from _list_problems(relation, value[form], (form,))
    if "text" in value:
        yield from relation.problems(value["text"], ("text",))
    if "ignore_case" in value:
        yield from boolean_problems(value["ignore_case"], ("ignore_case",))


def _list_problems(relation: _Relation, value: Json, path: ValuePath) -> Iterator[Problem]:
    if not is_list(value):
        message = f"this must be a list of texts, not {describe(value)}"
        yield Problem(path=path, message=message, hint="write [one, two]")
        return
    if not value:
        yield Problem(path=path, message="the list is empty", hint="list at least one text")
    for index, one in enumerate(value):
        yield from relation.problems(one, (*path, index))


def _templates(value: Json) -> Sequence[Slot]:
    return tuple(
        # Where a list is written, or truth, a text is one whole expression that gives it; else it is a text.
        Slot(path=path, source=source, into=_INTO.get(path, Fill.TEXT))
        for path, source in strings(value)
    )


def _schema(relation: _Relation) -> JsonObject:
    text: JsonObject = {"type": "string"} if relation.empty_ok else {"type": "string", "minLength": 1}
    texts: JsonObject = {"type": "array", "items": text, "minItems": 1}
    arguments: JsonObject = {
        "type": "object",
        "properties": {
            "any": {
                **texts,
                "description": "One of these texts is enough.",
                "examples": [["30 days", "a month"]],
            },
            "all": {
                **texts,
                "description": "Each of these texts is needed.",
                "examples": [["30 days", "order number"]],
            },
            "text": {
                **text,
                "description": "The text, where `ignore_case` stands beside it.",
                "examples": ["30 days"],
            },
            "ignore_case": {
                "type": "boolean",
                "description": "Whether upper and lower case are the same.",
                "examples": [True],
            },
        },
        "additionalProperties": False,
        "oneOf": [{"required": [form]} for form in _FORMS],
    }
    return {"description": relation.description, "anyOf": [text, arguments]}


def pattern_problems(value: Json) -> Sequence[Problem]:
    """Find what keeps a value from being a pattern of RE2."""
    if not isinstance(value, str) or not value:
        return text_problems(value)
    try:
        check_pattern(value)
    except PatternError as error:
        hint = "patterns are RE2: https://github.com/google/re2/wiki/Syntax"
        return (Problem(path=(), message=f"the pattern is not valid: {error}", hint=hint),)
    return ()


def _evaluate_pattern(value: Json, subject: Subject) -> Finding:
    pattern = str(value)
    match = search(pattern, subject.text)
    if match is None:
        start = beginning(subject.text)
        message = f"expected {subject.name} to match the pattern {quote(pattern)}; {start.clause}"
        return failed(message, expected=short(pattern), actual=short(start.excerpt))
    message = f"{subject.name} matches the pattern {quote(pattern)} with {quote(match.whole)}"
    shown = around(subject.text, match.start, end=match.end, limit=LIMIT)
    return passed(message, expected=short(pattern), actual=short(shown))


_CONTAINS = _Relation(
    name="contains",
    verb="contain",
    holding="contains",
    holds=lambda text, wanted: wanted in text,
    closest=nearest,
    description="The text of the reply holds this text, exactly as written. Or {any: [...]}, {all: [...]}.",
    example={"any": ["30 days", "thirty days"], "ignore_case": True},
    blank_ok=True,
)

_EQUALS = _Relation(
    name="equals",
    verb="equal",
    holding="equals",
    holds=lambda text, wanted: text == wanted,
    trim_text=str.strip,
    trim_wanted=str.strip,
    closest=difference,
    description="The text of the reply is this text, white space around it aside. Or {any: [...]}.",
    example={"text": "yes", "ignore_case": True},
    empty_ok=True,
    scopes=TURN_ONLY,
)

_STARTS_WITH = _Relation(
    name="starts_with",
    verb="start with",
    holding="starts with",
    holds=lambda text, wanted: text.startswith(wanted),
    trim_text=str.lstrip,
    trim_wanted=lambda wanted: wanted.lstrip().rstrip("\n"),
    closest=lambda text, _: beginning(text),
    description="The text of the reply starts with this text, white space before it aside. Or {any: [...]}.",
    example="Dear",
)

_ENDS_WITH = _Relation(
    name="ends_with",
    verb="end with",
    holding="ends with",
    holds=lambda text, wanted: text.endswith(wanted),
    trim_text=str.rstrip,
    trim_wanted=lambda wanted: wanted.lstrip("\n").rstrip(),
    closest=lambda text, _: ending(text),
    description="The text of the reply ends with this text, white space after it aside. Or {any: [...]}.",
    example={"any": [".", "!", "?"]},
)

CHECKS = (
    *map(_check, (_CONTAINS, _EQUALS, _STARTS_WITH, _ENDS_WITH)),
    Check(
        name="matches",
        schema={
            "type": "string",
            "minLength": 1,
            "description": "The text matches this RE2 pattern somewhere. Variables in it are filled in, and "
            "each of their characters stands for itself. Put it in single quotes; (?i) ignores case, (?s) "
            "lets . be a line break.",
        },
        example="(?i)order [A-Z]-[0-9]+",
        problems=pattern_problems,
        evaluate=_evaluate_pattern,
        templates=partial(slots, into=Fill.PATTERN),
        reads="text",
    ),
)
