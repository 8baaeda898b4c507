"""One scenario file, from its tree to a `Scenario`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

from claude_run.scenario import keys
from claude_run.scenario.cases import CaseSet, Definition, cases, digest_of, warn_of_idle_data, with_digest
from claude_run.scenario.choices import check_betas, graders, models, params, variants
from claude_run.scenario.content import system_prompt
from claude_run.scenario.expectations import expectations
from claude_run.scenario.fields import ReadContext, Reporter, conforms, known, mapping, name, variables
from claude_run.scenario.files import Files
from claude_run.scenario.filled_in import FilledIn
from claude_run.scenario.literals import warn_of_literals
from claude_run.scenario.model import Case, Scenario, Variant
from claude_run.scenario.settings import Settings
from claude_run.scenario.tools import check_tool_names, tool_results
from claude_run.scenario.turns import turns
from claude_run.scenario.variables import Known, check_templates, inspect, report_unused, used_names
from claude_run.scenario.vocabulary import name_problem, refused_key
from claude_run.scenario.yaml_tree import ListNode, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from claude_run.scenario.diagnostics import Problems
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.model import CacheMode, Expectation, Position, Turn
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
    scenario, scripts, own, of_cases = _build(context, root, entries, data=data, given=given)
    # What may hold a hundred thousand names is copied only where something is added.
    definitions = {**of_cases.definitions, **own} if of_cases.definitions else own

    # Now that all texts are known: every variable that one uses is defined, and every one defined is used.
    texts = inspect(template for script in scripts for template in script.templates)
    read = iter(texts)
    for script in scripts:
        known_names = Known(settings=script.settings, saves=script.saves, unsure=script.unsure)
        check_templates(islice(read, len(script.templates)), known_names, context.problems)
    used = used_names(texts)
    doubtful: frozenset[str] = frozenset()
    if report.problems or context.problems:
        # With other problems in the file, a text that uses the variable may not have been read.
        tags = _TAG.findall(report.source.text)
        doubtful = frozenset(word for tag in tags for word in _WORD.findall(tag))
    if not context.unread:
        report_unused(
            own if of_cases.carried else definitions, used, spared=doubtful, problems=context.problems
        )
        if of_cases.carried:
            warn_of_idle_data(of_cases.definitions, used, context.warnings)
    report.problems.merge(context.problems)
    # What is sound by itself is filled in for every case: nothing else may turn up once replies are paid for.
    if not report.problems:
        scenario = replace(scenario, cases=tuple(with_digest(case, used) for case in scenario.cases))
        _fill_in(context, scenario, given)
        names = frozenset(Known(settings=context.settings, saves={}).names)
        warn_of_literals(scripts, root, scenario.cases, names=names, used=used)
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
    context: ReadContext,
    root: MappingNode,
    entries: Mapping[str, Entry],
    *,
    data: bytes,
    given: Mapping[str, str],
) -> tuple[Scenario, tuple[ReadContext, ...], dict[str, Definition], CaseSet]:
    """Read the parts of a scenario, its scripts, where its own variables are defined, and its cases.

    The first of the scripts is no script: its texts belong to all of them.
    """
    report = context.report
    # In the order in which they depend on each other: the path of a text may hang on variables.
    own = variables(report, entries["vars"]) if "vars" in entries else {}
    shared: JsonObject = {key: to_json(entry.value) for key, entry in own.items()}
    case_set = cases(context, entries["cases"]) if "cases" in entries else CaseSet(cases=(Case(),))
    context.settings = Settings(shared=shared, cases=case_set.cases, overrides=given)
    versions: tuple[Variant, ...] = (Variant(),)
    of_variants: Mapping[str, Entry] = {}
    if "variants" in entries:
        versions, of_variants = variants(context, entries["variants"])
        _check_set_once(report, of_variants, case_set)
    context.settings = context.settings.of(variants=versions)

    # Then the scripts, and what belongs to all of them, which may read what turns have saved.
    script, context_of_script = _script(context, root, entries, case_set)
    scripts = [context_of_script]
    read = [_with_own(context, case, case_set, scripts) for case in case_set.cases]
    _saved_in_all(context, scripts)
    system = system_prompt(context, entries["system"]) if "system" in entries else None
    expected: tuple[Expectation, ...] = ()
    if "expect" in entries:
        after_all = max(context.saves.values(), default=-1) + 1
        expected = expectations(context, entries["expect"], turn=after_all, place="conversation")

    # Tools may stand in files, images in their results: all is read before the digest is taken.
    choices, sent = models(context, entries), params(context, entries)
    results = tool_results(context, entries)
    judge = graders(context, entries["judge"]) if "judge" in entries else None

    definitions = {
        key: Definition(source=report.source, position=entry.position, length=len(key))
        for key, entry in {**of_variants, **own}.items()
    }
    scenario = Scenario(
        name=_name(report, root, entries),
        path=report.source.path,
        sha256=context.files.digest(data),
        position=root.position,
        turns=script,
        description=str(_plain(report, entries, "description", default="")),
        tags=_tags(report, entries.get("tags")),
        models=choices,
        system=system,
        params=sent,
        param_positions={key: entry.position for key, entry in entries.items() if key in _PARAMS},
        cache=cast("CacheMode", _plain(report, entries, "cache", default="auto")),
        vars=shared,
        cases=tuple(read),
        variants=versions,
        repeat=cast("int", _plain(report, entries, "repeat", default=1)),
        pass_rate=float(cast("float", _plain(report, entries, "pass_rate", default=1.0))),
        expect=expected,
        judge=judge,
        tool_results=results,
        refusals=tuple(context.refusals),
        files=context.files.used,
    )
    check_betas(context, entries)
    check_tool_names(context, entries, scenario.params_of_all, scenario.expectations_on_all)
    return scenario, (context, *scripts), definitions, case_set


def _check_set_once(report: Reporter, of_variants: Mapping[str, Entry], case_set: CaseSet) -> None:
    """Report each variable that cases and variants set: nobody can tell which of the two is meant to win."""
    for key, entry in of_variants.items():
        if key in case_set.definitions:
            where = case_set.definitions[key].position
            message = f"`{key}` is set by a variant here and by a case ({where}): which one is meant?"
            report.key(entry, message, hint="set it in one of the two; both may override what `vars` says")


def _script(
    context: ReadContext, root: MappingNode, entries: Mapping[str, Entry], case_set: CaseSet
) -> tuple[tuple[Turn, ...], ReadContext]:
    """Read the turns of the scenario, which the cases without turns of their own are played with."""
    own = {name for name, row in case_set.own.items() if "turns" in row.own}
    without = tuple(case for case in case_set.cases if case.id not in own)
    of_script = context.script(context.settings.of(cases=without))
    entry = entries.get("turns")
    if entry is None and without:
        hint = "add `turns:` with a list of turns"
        if own:
            message = f"case `{without[0].id}` has no turns, and this scenario has none"
            place = without[0].position or root.position
            source = context.sources.get(place.path, context.report.source)
            source.report(context.problems, place, message, hint=hint)
        else:
            context.report.node(root, "this scenario has no `turns`", hint=hint)
    elif entry is not None and own and not without:
        message = "no case is played with these turns: each has turns of its own"
        context.report.key(entry, message, hint="remove them, or add a case without turns")
    return (turns(of_script, entry) if entry is not None else ()), of_script


def _with_own(context: ReadContext, case: Case, case_set: CaseSet, scripts: list[ReadContext]) -> Case:
    """Return a case with its own turns, expectations and tags; a script of its own is added to the others."""
    row = case_set.own.get(case.id)
    if row is None:
        return case
    of_scenario = scripts[0]
    script = context.script(context.settings.of(cases=(case,)), source=row.source)
    own: tuple[Turn, ...] | None = None
    if "turns" in row.own:
        own = turns(script, row.own["turns"])
    else:
        script.saves.update(of_scenario.saves)
        script.unsure.update(of_scenario.unsure)
    expected: tuple[Expectation, ...] = ()
    if "expect" in row.own:
        after_all = max(script.saves.values(), default=-1) + 1
        expected = expectations(script, row.own["expect"], turn=after_all, place="conversation")
    scripts.append(script)
    return replace(
        case,
        turns=own,
        expect=expected,
        tags=_tags(script.report, row.own.get("tags")),
        digest=digest_of({key: to_json(entry.value) for key, entry in row.own.items() if key != "tags"})
        if case.numbered
        else None,
    )


def _saved_in_all(context: ReadContext, scripts: Sequence[ReadContext]) -> None:
    """Tell what texts that belong to all scripts can read: what every one of them saves."""
    played = [script for script in scripts if script.settings.cases]
    for script in played:
        for saved, turn in script.saves.items():
            context.saves[saved] = max(turn, context.saves.get(saved, turn))
        context.unsure.update(script.unsure)
    for saved in context.saves:
        lacking = next((each for each in played if saved not in each.saves), None)
        if lacking is not None:
            context.unsure.setdefault(saved, f"case `{lacking.settings.cases[0].id}` does not save it")


def _name(report: Reporter, root: MappingNode, entries: Mapping[str, Entry]) -> str:
    if "name" in entries:
        return name(report, entries["name"]) or ""
    stem = Path(report.source.path).stem
    problem = name_problem(stem)
    if problem is not None:
        message = f"the file's stem is the name of this scenario, but it {problem}"
        report.node(root, message, hint="add `name:`, or rename the file")
    return stem


def _tags(report: Reporter, entry: Entry | None) -> tuple[str, ...]:
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
