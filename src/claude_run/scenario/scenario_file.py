"""One scenario file, from its tree to a `Scenario`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from claude_run.scenario import keys
from claude_run.scenario.case_rows import CaseSet, Definition
from claude_run.scenario.cases import cases
from claude_run.scenario.choices import graders, models, variants
from claude_run.scenario.content import system_prompt
from claude_run.scenario.expectations import expectations
from claude_run.scenario.fields import Reporter, conforms, known, mapping, name, variables
from claude_run.scenario.files import Files
from claude_run.scenario.model import Case, Scenario, Variant
from claude_run.scenario.names import name_problem
from claude_run.scenario.params import params
from claude_run.scenario.reading import Reading
from claude_run.scenario.refused import refused_key
from claude_run.scenario.turns import turns
from claude_run.scenario.variables import check_templates, unused, used_names
from claude_run.scenario.yaml_nodes import ListNode, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from claude_run.scenario.diagnostics import Diagnostic
    from claude_run.scenario.model import CacheMode, Expectation, Json, JsonObject, Position, Turn
    from claude_run.scenario.vocabulary import Vocabulary
    from claude_run.scenario.yaml_nodes import Entry, MappingNode
    from claude_run.scenario.yaml_source import Document

_TAG = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)
_PARAMS = frozenset({*keys.PARAMS, "model", "models", "system"})
_LIST_OF_TEXTS: JsonObject = {"type": "array", "items": {"type": "string"}}
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What became of one file. With problems, `scenario` is not fit to be played.

    `named_at` is where it got its name; `variables` are all that it defines or uses; `used` are the resolved
    paths of the files that it names.
    """

    scenario: Scenario | None
    problems: tuple[Diagnostic, ...]
    named_at: Position
    variables: frozenset[str]
    used: frozenset[Path]


def read_scenario(
    document: Document,
    data: bytes,
    *,
    vocabulary: Vocabulary,
    file_root: Path | None,
    given: Iterable[str],
) -> Read:
    """Read a scenario from its tree; `data` are the bytes of its file, `given` the variables of `--set`."""
    report = Reporter(document.source)
    report.problems.extend(document.problems)
    files = Files(Path(document.source.path).parent, file_root)
    reading = Reading(report=report, files=files, vocabulary=vocabulary)
    root = mapping(report, document.root, what="a scenario", hint="write `turns:` with a list of turns")
    if root is None:
        problems = tuple(report.problems)
        nothing: frozenset[str] = frozenset()
        position = document.root.position
        return Read(scenario=None, problems=problems, named_at=position, variables=nothing, used=files.used)
    return _Builder(reading, root, frozenset(given)).read(data)


class _Builder:
    """Reads the parts of a scenario in the order in which they depend on each other."""

    def __init__(self, reading: Reading, root: MappingNode, given: frozenset[str]) -> None:
        self._reading = reading
        self._report = reading.report
        self._root = root
        self._given = given
        self._entries = known(
            reading.report, root, keys=keys.SCENARIO, what="a scenario", refused=refused_key
        )

    def read(self, data: bytes) -> Read:
        entries, reading = self._entries, self._reading
        script = self._turns()
        system = system_prompt(reading, entries["system"]) if "system" in entries else None
        versions = variants(reading, entries["variants"]) if "variants" in entries else (Variant(),)
        expected = self._expect()
        own = variables(self._report, entries["vars"]) if "vars" in entries else {}
        case_set = cases(reading, entries["cases"]) if "cases" in entries else CaseSet(cases=(Case(),))
        scenario = Scenario(
            name=self._name(),
            path=self._report.source.path,
            sha256=reading.files.digest(data),
            position=self._root.position,
            turns=script,
            description=str(self._plain("description", "")),
            tags=self._tags(),
            models=models(reading, entries),
            system=system,
            params=params(self._report, entries),
            param_positions={key: entry.position for key, entry in entries.items() if key in _PARAMS},
            cache=cast("CacheMode", self._plain("cache", "auto")),
            vars={key: to_json(entry.value) for key, entry in own.items()},
            cases=case_set.cases,
            variants=versions,
            repeat=cast("int", self._plain("repeat", 1)),
            pass_rate=float(cast("float", self._plain("pass_rate", 1.0))),
            expect=expected,
            judge=graders(reading, entries["judge"]) if "judge" in entries else None,
        )
        return self._finish(scenario, self._definitions(own, case_set))

    def _finish(self, scenario: Scenario, definitions: Mapping[str, Definition]) -> Read:
        reading = self._reading
        reading.problems.extend(
            check_templates(
                reading.templates,
                scenario.vars,
                cases=scenario.cases,
                saves=reading.saves,
                given=self._given,
            )
        )
        used = used_names(reading.templates)
        # With other problems in the file, a text that uses the variable may not have been read.
        doubtful = self._tagged_words() if self._report.problems or reading.problems else frozenset()
        if not reading.unread_text:
            reading.problems.extend(unused(definitions, used, spared=doubtful))
        problems = (*self._report.problems, *reading.problems)
        return Read(
            scenario=scenario,
            problems=problems,
            named_at=self._entries["name"].value.position if "name" in self._entries else scenario.position,
            variables=used.union(definitions, doubtful),
            used=reading.files.used,
        )

    def _turns(self) -> tuple[Turn, ...]:
        entry = self._entries.get("turns")
        if entry is not None:
            return turns(self._reading, entry)
        self._report.node(
            self._root, "this scenario has no `turns`", hint="add `turns:` with a list of turns"
        )
        return ()

    def _expect(self) -> tuple[Expectation, ...]:
        entry = self._entries.get("expect")
        if entry is None:
            return ()
        after_all = max(self._reading.saves.values(), default=-1) + 1
        return expectations(self._reading, entry, turn=after_all, on_conversation=True)

    def _name(self) -> str:
        if "name" in self._entries:
            return name(self._report, self._entries["name"]) or ""
        stem = Path(self._report.source.path).stem
        problem = name_problem(stem)
        if problem is not None:
            message = f"the file's stem is the name of this scenario, but it {problem}"
            self._report.node(self._root, message, hint="add `name:`, or rename the file")
        return stem

    def _tags(self) -> tuple[str, ...]:
        entry = self._entries.get("tags")
        if entry is None or not conforms(self._report, entry.value, _LIST_OF_TEXTS, what="`tags`"):
            return ()
        nodes = entry.value.items if isinstance(entry.value, ListNode) else ()
        for node in nodes:
            problem = name_problem(str(to_json(node)))
            if problem is not None:
                self._report.node(node, f"this tag {problem}", hint="choose a short, plain word")
        return tuple(str(to_json(node)) for node in nodes)

    def _plain(self, key: str, default: Json) -> Json:
        """Return a value that the table of keys describes wholly, or the default where it has problems."""
        entry = self._entries.get(key)
        schema = keys.SCENARIO[key].schema
        if entry is None or not conforms(self._report, entry.value, schema, what=f"`{key}`"):
            return default
        return to_json(entry.value)

    def _definitions(self, own: Mapping[str, Entry], case_set: CaseSet) -> dict[str, Definition]:
        source = self._report.source
        definitions = {
            key: Definition(source=source, position=entry.position, length=len(key))
            for key, entry in own.items()
        }
        return {**case_set.definitions, **definitions}

    def _tagged_words(self) -> frozenset[str]:
        tags = _TAG.findall(self._report.source.text)
        return frozenset(word for tag in tags for word in _WORD.findall(tag))
