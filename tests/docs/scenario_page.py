"""The reference page of the scenario file, from its JSON Schema and the registry of checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from claude_run.checks.registry import default_registry
from claude_run.scenario.keys import WITHIN, WRAPPERS
from claude_run.scenario.schema import build
from tests.docs.schema_words import type_in_words
from tests.docs.tables import table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

WRAPPER_EXAMPLES: Mapping[str, Any] = {
    "not": {"contains": "guarantee"},
    "any_of": [{"contains": "30 days"}, {"contains": "a month"}],
    "all_of": [{"starts_with": "Yes"}, {"max_words": 50}],
}

_HEAD = """\
# Scenario file

A scenario is one YAML file. [Shipped scenarios](../../scenarios/README.md) are examples, and `claude-run
schema` prints the JSON Schema that this page is made from. With this first line an editor checks the file
while you type, and shows what each key means:

    # yaml-language-server: $schema=claude-run.schema.json

`claude-run check` finds everything that is wrong, with line and column, and sends nothing.

## Rules

- YAML 1.2 with its core schema: `no` is a text, and so is `2026-03-03`. Duplicate keys, anchors, aliases
  and tags are refused, and so are files over 1 MiB, deeper than 64 levels or of more than 200,000 values.
- A file of cases has at most 16 MiB, 100,000 cases, 100,000 variables and 1,000,000 values; a pattern 10,000
  characters, a JSON Schema 2,000 schemas inside. Templates nest at most 50 levels, 15 of them loops, and all
  of a scenario together have at most 50,000 names, words and signs in tags other than `{{ name }}`.
- An unknown key is an error. Keys that begin with `x-` are your own and mean nothing to claude-run.
- Texts are templates: `{{ name }}` is a variable, `{{ saved.name }}` a text kept from an earlier reply. The
  language is a sandboxed part of Jinja2: variables and their parts, filters, `if` and `for`, comparisons. It
  computes nothing, so it has no arithmetic, no `~` and no slices; `{{ [a, b] | join }}` puts texts together,
  and what is computed is a variable of its own. `{#` is ordinary text. A variable that is not defined is an
  error, and so is one under `vars` that is never used; a column of a file may be. Variables themselves,
  cases, saved texts and replies are data: they are never rendered.
- Every text of an expectation, and every pattern of `save`, is filled in. In a pattern the values are
  escaped: each of their characters stands for itself. A text that is one whole `{{ expression }}` becomes
  what that gives: a number, a boolean or a list where one is wanted. A block (`|`) that a reply is held
  against has no line break at its end.
- Every case is filled in before anything is sent. What would then be refused, such as an empty text, is
  refused beforehand, with the line of the case.
- Text arrives as it is written. Line ends of all files become LF. A number or a word under `vars` or in a
  case that a text would spell in another way (`1.50`, `True`) is an error: quote it. So are a backslash in
  double quotes that stands for a control character (`"\\b"` is a backspace) and a `#` that cuts a plain
  sentence off (`order #4711`): use single quotes.
- Paths are relative to the scenario's folder and may not leave it.
- What the API takes no larger is refused before anything is sent, at its place: an image of more than 10 MB
  as base64 or 8,000 pixels a side (2,000 in a conversation of more than 20 images), more than 600 images and
  pages of PDFs together (100 on models of less than a million tokens of context), a PDF with a password, a
  request of more than 32 MB. Pages are counted where the PDF says them. `--no-model-rules` sends it anyway.
  What an image is its first bytes say; a name that says otherwise is an error.
- The first turn is a `user` turn. A scripted `assistant` turn follows a `user` turn, which then gets no
  reply of its own. A `system` turn follows the `user` turn whose reply it steers. No script ends with an
  `assistant` turn.
- A scenario holds no code, no address, no key, and reads no environment.
"""

_EXPECTATIONS = """\
Each entry of an `expect` names one of these, and may add a `label`, its name in reports, and `must: true`:
a rule that no statistics may excuse. One conversation in which it was measured and does not hold fails the
run, whatever `pass_rate` or a baseline say. All are evaluated, whatever the others say. One that cannot
be evaluated is errored, never passed. Texts in them are filled in. On the conversation as a whole, the
text is all replies together and numbers are totals.
"""

_MORE = {"judge": "[Judge replies](../how-to/judge-replies.md) tells how the forms are meant."}

_OBJECTS = (
    ("Models", "model", "An entry of `models` is a model's id, or an object:"),
    ("Cases", "case", "An entry of `cases`. In a CSV file each column but `id` is a variable."),
    ("Tool results", "tool_result", "What answers a call of a tool: one, or a list of which the first fits."),
    ("Variants", "variant", "An entry of `variants`. What it does not name stays as it is."),
    ("Judge", "judge", "One of `model` and `models`, and the request parameters that judges are asked with."),
    ("User turn", "user_turn", ""),
    ("Assistant turn", "assistant_turn", ""),
    ("System turn", "system_turn", ""),
    ("Text block", "text_block", "Content is a text, or a list of blocks. These four are short forms:"),
    ("Image block", "image_block", ""),
    ("Image source", "image_source", "In place of a path, one of:"),
    ("Document block", "document_block", "Its title and its context are filled in; a file is not."),
    ("Document source", "document_source", "In place of a path, one of:"),
    ("Search result block", "search_result_block", ""),
    (
        "Search result",
        "search_result",
        "Texts in it are filled in; a file is not. Any other block has the API's own form, with its `type`.",
    ),
)


def page() -> str:
    """Return docs/reference/scenario.md."""
    schema: Any = build(default_registry())
    return "\n".join([_HEAD, *_keys(schema), *_expectations(schema)])


def _keys(schema: Any) -> Iterator[str]:
    definitions = schema["$defs"]
    # What a model and a variant may override is what goes to the API.
    params = set(definitions["model"]["properties"]) & set(definitions["variant"]["properties"])
    yield "## Top level\n"
    yield _table(schema, leave_out=params)
    yield "\n## Request parameters\n"
    yield "They stand at the top level, or in a model or variant, and go to the API as they are.\n"
    yield _table(schema, leave_out=set(schema["properties"]) - params)
    yield ""
    for title, name, about in _OBJECTS:
        yield f"## {title}\n"
        if about:
            yield f"{about}\n"
        takes_params = params <= set(definitions[name]["properties"])
        yield _table(definitions[name], leave_out=params if takes_params else ())
        if takes_params:
            yield "\nAnd every request parameter."
        yield ""


def _table(schema: Any, *, leave_out: Collection[str]) -> str:
    required = schema.get("required", ())
    rows = [
        [
            f"`{name}`" + (" (required)" if name in required else ""),
            type_in_words(value),
            value.get("description", ""),
        ]
        for name, value in schema["properties"].items()
        if name not in leave_out
    ]
    return table(["key", "type", "meaning"], rows)


def _expectations(schema: Any) -> Iterator[str]:
    wrappers = schema["$defs"]["expectation"]["properties"]
    registry = default_registry()
    yield "## Expectations\n"
    yield _EXPECTATIONS
    for kind, example in examples().items():
        value: Any = wrappers[kind] if kind in WRAPPERS else registry.schema(kind)
        if kind == WITHIN:
            value = wrappers[kind]["anyOf"][0]
        yield f"### `{kind}`\n"
        yield f"{value['description']}\n"
        yield f"Takes: {type_in_words(value)}.\n"
        if kind in _MORE:
            yield f"{_MORE[kind]}\n"
        options = _options(value)
        if options:
            yield table(["key", "type", "meaning"], options) + "\n"
        yield f"```yaml\n- {_in_yaml({kind: example})}\n```\n"


def examples() -> dict[str, Any]:
    """Return a value for every kind of expectation, wrappers included."""
    registry = default_registry()
    return {
        kind: WRAPPER_EXAMPLES[kind] if kind in WRAPPERS else registry.example(kind)
        for kind in registry.kinds()
    }


def _in_yaml(expectation: Mapping[str, Any]) -> str:
    """Return the only key with its value on one line, as it stands in an `expect`."""
    flow = yaml.safe_dump(expectation, default_flow_style=True, sort_keys=False, width=1000)
    return str(flow).strip().removeprefix("{").removesuffix("}")


def _options(schema: Any) -> list[list[str]]:
    """Return the keys of the object forms of a value that say what they are for."""
    return [
        [f"`{name}`", type_in_words(value), value["description"]]
        for form in schema.get("anyOf", ())
        for name, value in form.get("properties", {}).items()
        if "description" in value
    ]
