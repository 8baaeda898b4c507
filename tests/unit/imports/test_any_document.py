"""Whatever a file holds: it is imported or refused, and `check` takes all that is made of it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_run.errors import InputError
from claude_run.imports.formats import FORMATS
from claude_run.session.imports import import_files
from claude_run.session.load import load_scenarios
from claude_run.session.request import IMPORTED, ImportRequest, RunRequest
from tests.unit.imports.importing import CLAUDE, TODAY

FEW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
LOOP = "{% for c in _conversation %}x{% endfor %}"
SIGNS = (
    *(
        "{{ q }}",
        "{{ q | dump }}",
        "{{",
        "{%",
        "{% if q %}a{% endif %}",
        "{{ saved.x }}",
        "{{ q+1 }}",
        "{#c#}",
    ),
    *("file://a.txt", "file://../b", "file://c.js", "contains: a", "user: hi", "- role: user", "[", "auto"),
    *("_conversation", "saved", "1", "x", "\u2028", "\r", "#", "' : ", CLAUDE),
)
TEXTS = st.one_of(
    st.sampled_from(SIGNS),
    st.text(st.characters(codec="utf-8"), max_size=6),
    st.lists(st.sampled_from(SIGNS), max_size=3).map(" ".join),
)
SCALARS = st.one_of(
    *(st.none(), st.booleans(), st.integers(-5, 10**6), TEXTS),
    st.floats(allow_nan=False, allow_infinity=False),
)
KINDS = (
    *("contains", "icontains", "contains-any", "contains-all", "equals", "starts-with", "regex", "not-regex"),
    *("is-json", "contains-json", "llm-rubric", "similar", "latency", "cost", "assert-set", "word-count"),
    *("finish-reason", "tool-call-f1", "trajectory:tool-args-match", "javascript", "user", "assistant"),
    *("system", "tool", "text", "image_url", "tool_use", "tool_result", "function_call", "response"),
)
KEYS = (
    *(
        "prompts",
        "providers",
        "tests",
        "defaultTest",
        "evaluateOptions",
        "tags",
        "repeat",
        "id",
        "label",
        "raw",
    ),
    *(
        "config",
        "temperature",
        "max_tokens",
        "tools",
        "tool_choice",
        "thinking",
        "name",
        "input_schema",
        "type",
    ),
    *("function", "parameters", "vars", "q", "assert", "options", "metadata", "threshold", "conversationId"),
    *("prefix", "value", "weight", "metric", "provider", "role", "content", "$ref", "path", "apiKey", "args"),
    *("turns", "user", "dtmf", "expect", "event", "eval", "calls", "tool_calls", "tool_call_id", "arguments"),
    *("image_url", "url", "tool_use_id", "source", "input", "reference", "category", "modality", "service"),
)
ANYTHING = st.recursive(
    st.one_of(SCALARS, st.sampled_from(KINDS)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)
    ),
    max_leaves=20,
)
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": "{{ b }}"}'}}
MESSAGES = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant", "system", "tool"]),
        "content": st.one_of(TEXTS.map(lambda text: f".{text}"), ANYTHING),
    },
    optional={
        "tool_calls": st.one_of(ANYTHING, st.just([CALL])),
        "tool_call_id": st.sampled_from(["c1", "c2"]),
    },
)
TALKS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=3).map(
    lambda said: [
        {"role": role, "content": f".{text}"}
        for pair in said
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
)
ASSERTS = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS)},
    optional={
        "value": st.one_of(TEXTS, ANYTHING),
        "threshold": SCALARS,
        "weight": st.sampled_from([0, 1, 2, 0.5]),
        "metric": TEXTS,
        "assert": st.lists(
            st.fixed_dictionaries({"type": st.sampled_from(KINDS), "value": TEXTS}), max_size=3
        ),
    },
)
TESTS = st.fixed_dictionaries(
    {
        "vars": st.fixed_dictionaries(
            {"q": st.one_of(st.just("hi"), TEXTS, ANYTHING)}, optional={"a": ANYTHING}
        )
    },
    optional={
        "assert": st.lists(ASSERTS, max_size=3),
        "metadata": st.dictionaries(st.sampled_from(["conversationId", "tags", "k"]), SCALARS),
        "threshold": SCALARS,
        "description": TEXTS,
        "options": st.dictionaries(st.sampled_from(["prefix", "suffix", "disableDefaultAsserts"]), SCALARS),
    },
)
PROMPTS = st.one_of(
    st.sampled_from(
        ["{{q}}", '[{"role": "user", "content": "{{ q }}"}]', "{{ q | dump }}", f"{LOOP} {{{{ q }}}}"]
    ),
    st.just(f'[{LOOP}{{"role": "user", "content": {{{{ q | dump }}}}}}]'),
    st.lists(MESSAGES, max_size=3).map(json.dumps),
    TEXTS,
)


@st.composite
def scenarios(draw: st.DrawFn) -> Any:
    """Return scenarios of a configuration; a strategy of its own, which says no more than its name."""
    tests = st.lists(TESTS, max_size=2)
    crossed = st.fixed_dictionaries({"config": tests}, optional={"tests": tests})
    return draw(st.lists(crossed, max_size=2) | ANYTHING)


CONFIGS = st.fixed_dictionaries(
    {
        "prompts": st.one_of(st.lists(PROMPTS, min_size=1, max_size=3), ANYTHING),
        "providers": st.one_of(
            st.lists(
                st.fixed_dictionaries({"id": st.just(CLAUDE)}, optional={"config": ANYTHING}), max_size=2
            ),
            ANYTHING,
        ),
        "tests": st.one_of(st.lists(TESTS, min_size=1, max_size=3), ANYTHING),
    },
    optional={
        "defaultTest": st.one_of(TESTS, ANYTHING),
        "tags": ANYTHING,
        "evaluateOptions": ANYTHING,
        "scenarios": scenarios(),
    },
)
EVENTS = st.fixed_dictionaries(
    {"event": st.sampled_from(["response", "function_call", "llm_started"])},
    optional={
        "eval": TEXTS,
        "text_contains": TEXTS,
        "within_ms": SCALARS,
        "calls": st.one_of(ANYTHING, st.just(["f"])),
        "absent": st.booleans(),
    },
)
TURNS = st.fixed_dictionaries(
    {}, optional={"user": TEXTS, "dtmf": TEXTS, "expect": st.lists(EVENTS, max_size=3)}
)
EVAL = st.fixed_dictionaries(
    {"name": TEXTS, "turns": st.one_of(st.lists(TURNS, max_size=4), ANYTHING)},
    optional={"context": st.lists(MESSAGES, max_size=3), "judge": ANYTHING, "user": ANYTHING},
)
EVALS = EVAL | st.fixed_dictionaries(
    {"scenarios": st.lists(EVAL | ANYTHING, max_size=3)}, optional={"name": TEXTS, "judge": ANYTHING}
)
ROWS = st.fixed_dictionaries(
    {"messages": st.one_of(TALKS, st.lists(MESSAGES, max_size=5))},
    optional={"id": SCALARS, "tools": ANYTHING, "system": TEXTS},
)
QUESTIONS = st.fixed_dictionaries(
    {"turns": st.lists(TEXTS, max_size=3)},
    optional={"question_id": SCALARS, "category": TEXTS, "reference": st.lists(TEXTS, max_size=3)},
)


@pytest.fixture(autouse=True)
def _without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no credential in the environment, which a text might happen to hold."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)


def imported_and_checked(source_format: str, name: str, text: str) -> None:
    """Import a file; what is made of it is checked, and anything but a refusal escapes."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / name, Path(folder) / "out"
        source.write_text(text, encoding="utf-8")
        (Path(folder) / "a.txt").write_text("A {{ q }}")
        request = ImportRequest(
            sources=(str(source),), out=out, source_format=source_format, replies="example", strict=False
        )
        try:
            import_files(request, file_root=None, today=TODAY)
        except InputError:
            assert not out.exists()
        else:
            load_scenarios(RunRequest(paths=(str(out),)), today=TODAY)


@FEW
@given(CONFIGS)
def test_promptfoo(document: Any) -> None:
    """Prompts, providers, tests and asserts of any shape."""
    imported_and_checked("promptfoo", "promptfooconfig.yaml", json.dumps(document))


@FEW
@given(EVALS)
def test_pipecat(document: Any) -> None:
    """Turns and events of any shape."""
    imported_and_checked("pipecat", "e.yaml", json.dumps(document))


@FEW
@given(st.lists(st.one_of(ROWS, ANYTHING), max_size=4))
def test_messages(rows: list[Any]) -> None:
    """Rows of any shape."""
    imported_and_checked("messages", "m.jsonl", "\n".join(map(json.dumps, rows)))


@FEW
@given(st.lists(st.one_of(QUESTIONS, ANYTHING), max_size=4))
def test_mt_bench(rows: list[Any]) -> None:
    """Rows of any shape."""
    imported_and_checked("mt-bench", "q.jsonl", "\n".join(map(json.dumps, rows)))


def test_the_formats_are_those_that_the_option_names() -> None:
    """The option is declared where no format is loaded."""
    assert tuple(FORMATS) == IMPORTED
