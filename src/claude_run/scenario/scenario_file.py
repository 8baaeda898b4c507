"""One scenario file, from its tree to a `Scenario`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from claude_run.scenario import keys
from claude_run.scenario.cases import CaseSet, Definition, cases, with_digest
from claude_run.scenario.choices import check_betas, graders, models, params, variants
from claude_run.scenario.content import system_prompt
from claude_run.scenario.expectations import expectations
from claude_run.scenario.fields import ReadContext, Reporter, conforms, known, mapping, name, variables
from claude_run.scenario.files import Files
from claude_run.scenario.filled_in import FilledIn
from claude_run.scenario.literals import warn_of_literals
from claude_run.scenario.model import Case, Scenario, UserTurn, Variant
from claude_run.scenario.tools import check_tool_names, tool_results
from claude_run.scenario.turns import turns
from claude_run.scenario.variables import Known, check_templates, inspect, report_unused, used_names
from claude_run.scenario.vocabulary import name_problem, refused_key
from claude_run.scenario.yaml_tree import ListNode, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from claude_run.scenario.diagnostics import Problems
    from claude_run.scenario.model import CacheMode, Expectation, Json, JsonObject, Position, Turn
    from claude_run.scenario.vocabulary import Vocabulary
    from claude_run.scenario.yaml_reader import Document
    from claude_run.scenario.yaml_tree import Entry, MappingNode

# A tag, closed or not; behind one that is not nothing is looked for again.
_TAG = re.compile(r"\{[{%](.*?)(?:[%}]\}|\Z)", re.DOTALL)
_PARAMS = frozenset({*keys.PARAMS, "model", "models", "system"})
_LIST_OF_TEXTS: JsonObject = {"type": "array", "items": {"type": "string"}}
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadResult:
    """What became of one file. With problems, `scenario` is not fit to be played.

    `named_at` is where it got its name; `variables` are all that it defines or uses; `used` are the resolved
    paths of the files that it names.
    """

    scenario: Scenario | None
    problems: Problems
    warnings: Problems
    named_at: Position
    variables: frozenset[str]
    used: frozenset[Path]


def read_scenario(
    document: Document,
    data: bytes,
    *,
    vocabulary: Vocabulary,
    file_root: Path | None,
    given: Mapping[str, str],
) -> ReadResult:
    """Read a scenario from its tree; `data` are the bytes of its file, `given` the variables of `--set`."""
    report = Reporter(document.source)
    report.problems.merge(document.problems)
    files = Files(Path(document.source.path).parent, file_root)
    context = ReadContext(report=report, files=files, vocabulary=vocabulary)
    root = mapping(report, document.root, what="a scenario", hint="write `turns:` with a list of turns")
    if root is None:
        return ReadResult(
            scenario=None,
            problems=report.problems,
            warnings=context.warnings,
            named_at=document.root.position,
            variables=frozenset(),
            used=files.used,
        )
    entries = known(report, root, keys=keys.SCENARIO, what="a scenario", refused=refused_key)
    scenario, own, of_cases = _build(context, root, entries, data=data)
    # What may hold a hundred thousand names is copied only where something is added.
    definitions = {**of_cases.definitions, **own} if of_cases.definitions else own

    # Now that all texts are known: every variable that one uses is defined, and every one defined is used.
    texts = inspect(context.templates)
    everywhere = {**scenario.vars, **dict.fromkeys(given)} if given else scenario.vars
    known_names = Known(
        everywhere=everywhere, cases=scenario.cases, saves=context.saves, unsure=context.unsure
    )
    check_templates(texts, known_names, context.problems)
    used = used_names(texts)
    doubtful: frozenset[str] = frozenset()
    if report.problems or context.problems:
        # With other problems in the file, a text that uses the variable may not have been read.
        tags = _TAG.findall(report.source.text)
        doubtful = frozenset(word for tag in tags for word in _WORD.findall(tag))
    if not context.unread_text:
        report_unused(
            own if of_cases.carried else definitions, used, spared=doubtful, problems=context.problems
        )
    report.problems.merge(context.problems)
    # What is sound by itself is filled in for every case: nothing else may turn up once replies are paid for.
    if not report.problems:
        scenario = replace(scenario, cases=tuple(with_digest(case, used) for case in scenario.cases))
        _fill_in(context, scenario, given)
        names = frozenset(known_names.names)
        warn_of_literals(context, root, scenario.cases, names=names, used=used)
    return ReadResult(
        scenario=scenario,
        problems=report.problems,
        warnings=context.warnings,
        named_at=entries["name"].value.position if "name" in entries else scenario.position,
        variables=doubtful.union(used, definitions),
        used=files.used,
    )


def _fill_in(context: ReadContext, scenario: Scenario, given: Mapping[str, str]) -> None:
    report = context.report
    sources = {**context.sources, report.source.path: report.source}

    def told(position: Position, message: str, hint: str | None) -> None:
        sources[position.path].report(report.problems, position, message, hint=hint)

    FilledIn(scenario=scenario, vocabulary=context.vocabulary, overrides=given).check(told)


def _build(
    context: ReadContext, root: MappingNode, entries: Mapping[str, Entry], *, data: bytes
) -> tuple[Scenario, dict[str, Definition], CaseSet]:
    """Read the parts of a scenario, where its own variables are defined, and its cases."""
    report = context.report
    # In the order in which they depend on each other: texts may read what turns have saved.
    script: tuple[Turn, ...] = ()
    if "turns" in entries:
        script = turns(context, entries["turns"])
    else:
        report.node(root, "this scenario has no `turns`", hint="add `turns:` with a list of turns")
    system = system_prompt(context, entries["system"]) if "system" in entries else None
    versions = variants(context, entries["variants"]) if "variants" in entries else (Variant(),)
    expected: tuple[Expectation, ...] = ()
    if "expect" in entries:
        after_all = max(context.saves.values(), default=-1) + 1
        expected = expectations(context, entries["expect"], turn=after_all, place="conversation")
    own = variables(report, entries["vars"]) if "vars" in entries else {}
    case_set = cases(context, entries["cases"]) if "cases" in entries else CaseSet(cases=(Case(),))

    # Tools may stand in files, images in their results: all is read before the digest is taken.
    choices, sent = models(context, entries), params(context, entries)
    results = tool_results(context, entries)
    judge = graders(context, entries["judge"]) if "judge" in entries else None

    definitions = {
        key: Definition(source=report.source, position=entry.position, length=len(key))
        for key, entry in own.items()
    }
    scenario = Scenario(
        name=_name(report, root, entries),
        path=report.source.path,
        sha256=context.files.digest(data),
        position=root.position,
        turns=script,
        description=str(_plain(report, entries, "description", default="")),
        tags=_tags(report, entries),
        models=choices,
        system=system,
        params=sent,
        param_positions={key: entry.position for key, entry in entries.items() if key in _PARAMS},
        cache=cast("CacheMode", _plain(report, entries, "cache", default="auto")),
        vars={key: to_json(entry.value) for key, entry in own.items()},
        cases=case_set.cases,
        variants=versions,
        repeat=cast("int", _plain(report, entries, "repeat", default=1)),
        pass_rate=float(cast("float", _plain(report, entries, "pass_rate", default=1.0))),
        expect=expected,
        judge=judge,
        tool_results=results,
    )
    layers = [sent, *(each.params for each in versions), *(each.params for each in choices)]
    expected_of_turns = (each for turn in script if isinstance(turn, UserTurn) for each in turn.expect)
    check_betas(context, entries, layers)
    check_tool_names(context, entries, layers, (*expected_of_turns, *expected))
    return scenario, definitions, case_set


def _name(report: Reporter, root: MappingNode, entries: Mapping[str, Entry]) -> str:
    if "name" in entries:
        return name(report, entries["name"]) or ""
    stem = Path(report.source.path).stem
    problem = name_problem(stem)
    if problem is not None:
        message = f"the file's stem is the name of this scenario, but it {problem}"
        report.node(root, message, hint="add `name:`, or rename the file")
    return stem


def _tags(report: Reporter, entries: Mapping[str, Entry]) -> tuple[str, ...]:
    entry = entries.get("tags")
    if entry is None or not conforms(report, entry.value, _LIST_OF_TEXTS, what="`tags`"):
        return ()
    nodes = entry.value.items if isinstance(entry.value, ListNode) else ()
    for node in nodes:
        problem = name_problem(str(to_json(node)))
        if problem is not None:
            report.node(node, f"this tag {problem}", hint="choose a short, plain word")
    return tuple(str(to_json(node)) for node in nodes)


def _plain(report: Reporter, entries: Mapping[str, Entry], key: str, *, default: Json) -> Json:
    """Return a value that the table of keys describes wholly, or the default where it has problems."""
    entry = entries.get(key)
    schema = keys.SCENARIO[key].schema
    if entry is None or not conforms(report, entry.value, schema, what=f"`{key}`"):
        return default
    return to_json(entry.value)
