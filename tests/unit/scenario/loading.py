"""A small vocabulary of expectations, and ways to load scenarios that are written inside a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.scenario.loader import load
from claude_run.scenario.patterns import PatternError, check_pattern
from claude_run.scenario.vocabulary import Fill, Place, Problem, Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.model import Scenario

PNG = b"\x89PNG\r\n\x1a\n and so on"
ONE_TURN = "turns: [{user: Hi}]\n"


class FakeVocabulary:
    """Knows `contains` (a template, or {any: [...]}), `matches`, `max_words`, and the wrappers."""

    def knows(self, kind: str) -> bool:
        return kind in self.kinds()

    def kinds(self) -> Sequence[str]:
        return ("contains", "matches", "max_words", "not", "any_of", "all_of")

    def schema(self, kind: str) -> JsonObject:
        types: dict[str, list[Json]] = {
            "contains": ["string", "object"],
            "matches": ["string"],
            "max_words": ["integer"],
        }
        return {"description": f"What {kind} means.", "type": types[kind]}

    def example(self, kind: str) -> Json:
        examples: dict[str, Json] = {"contains": "30 days", "matches": "[0-9]+ days", "max_words": 80}
        return examples[kind]

    def problems(self, kind: str, value: Json, *, place: Place) -> Sequence[Problem]:
        if kind == "matches":
            return _pattern_problems(value)
        if kind == "max_words" and place == "conversation":
            return [Problem(path=(), message="max_words judges one reply", hint="move it to a turn")]
        if kind == "contains" and isinstance(value, dict):
            unknown = [key for key in value if key not in {"any", "ignore_case"}]
            bad = [index for index, text in enumerate(value.get("any", [])) if not isinstance(text, str)]
            case = [] if isinstance(value.get("ignore_case", False), bool) else ["ignore_case"]
            return [
                *(Problem(path=(key,), message=f"unknown key `{key}`", hint="known: any") for key in unknown),
                *(Problem(path=("any", index), message="not a text", hint="quote it") for index in bad),
                *(Problem(path=(key,), message="not a boolean", hint=None) for key in case),
            ]
        if kind == "contains" and not isinstance(value, str):
            return [Problem(path=(), message="not a text", hint="quote it")]
        return []

    def filled_problems(self, kind: str, value: Json) -> Sequence[Problem]:
        if kind == "contains" and value == "":
            return [Problem(path=(), message="the text is empty", hint="write the text to look for")]
        return self.problems(kind, value, place="turn")

    def templates(self, kind: str, value: Json) -> Sequence[Slot]:
        into = Fill.PATTERN if kind == "matches" else Fill.TEXT
        if kind not in {"contains", "matches"}:
            return []
        if isinstance(value, dict):
            texts = value.get("any", [])
            return [
                Slot(path=("any", index), source=text, into=into)
                for index, text in enumerate(texts)
                if isinstance(text, str)
            ]
        return [Slot(path=(), source=value, into=into)] if isinstance(value, str) else []

    def rendered(self, kind: str, value: Json, fill: Callable[[Slot], Json]) -> Json:
        if isinstance(value, dict):
            texts = [fill(slot) for slot in self.templates(kind, value)]
            return {**value, "any": texts} if "any" in value else value
        slots = self.templates(kind, value)
        return fill(slots[0]) if slots else value


def load_files(
    folder: Path, files: Mapping[str, str | bytes], *paths: str, **options: str | Mapping[str, str]
) -> tuple[Scenario, ...]:
    """Write files into a folder and load the named ones, by default `a.yaml`."""
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
    named = [str(folder / path) for path in paths or ("a.yaml",)]
    overrides, root = options.get("overrides"), options.get("file_root")
    assert not isinstance(overrides, str)
    assert root is None or isinstance(root, str)
    return load(named, vocabulary=FakeVocabulary(), overrides=overrides, file_root=root)


def load_text(folder: Path, text: str, **files: str | bytes) -> Scenario:
    """Load one scenario file; further files go by names with `_` for the dot before the suffix."""
    (scenario,) = load_files(folder, {"a.yaml": text, **_named(files)})
    return scenario


def refused(folder: Path, files: Mapping[str, str | bytes] | str, *paths: str, **options: str) -> str:
    """Return the text of the error that loading raises, with paths inside the folder made short."""
    whole = {"a.yaml": files} if isinstance(files, str) else files
    try:
        load_files(folder, whole, *paths, **options)
    except InvalidScenarioError as error:
        return str(error).replace(f"{folder}/", "")
    raise AssertionError("the scenario was accepted")


def complaints(
    folder: Path, files: Mapping[str, str | bytes] | str, *paths: str, **options: str
) -> list[str]:
    """Return each problem that loading reports as `file:line:column message`."""
    whole = {"a.yaml": files} if isinstance(files, str) else files
    try:
        load_files(folder, whole, *paths, **options)
    except InvalidScenarioError as error:
        return [
            f"{problem.position} {problem.message}".replace(f"{folder}/", "") for problem in error.diagnostics
        ]
    return []


def _named(files: Mapping[str, str | bytes]) -> dict[str, str | bytes]:
    return {".".join(name.rsplit("_", 1)): content for name, content in files.items()}


def _pattern_problems(value: Json) -> Sequence[Problem]:
    try:
        check_pattern(str(value))
    except PatternError as error:
        return [Problem(path=(), message=f"the pattern is wrong: {error}", hint=None)]
    return []
