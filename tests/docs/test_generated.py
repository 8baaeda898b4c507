"""The generated pages and the schema in the repository say what the code says."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from claude_run.checks.registry import default_registry
from claude_run.scenario.schema import build
from claude_run.session.project import schema_text
from tests.docs.__main__ import main
from tests.docs.cli_page import commands
from tests.docs.cli_page import page as cli_page
from tests.docs.pages import GENERATED, stale
from tests.docs.scenario_page import examples
from tests.docs.schema_words import type_in_words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_the_repository_holds_fresh_pages() -> None:
    """No generated file is missing or differs from what the code says; `make docs` mends it."""
    assert stale() == ()


def test_writing_makes_stale_files_fresh(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` names what is stale and how to mend it, `--write` mends it, and then nothing is stale."""
    assert main(["--check"], tmp_path) == 1
    named = capsys.readouterr().err
    assert all(f"{name} is stale: run `make docs`" in named for name in GENERATED)

    assert main(["--write"], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    assert (tmp_path / "docs/reference/cli.md").read_text(encoding="utf-8").endswith(cli_page())


def test_one_changed_byte_is_stale(tmp_path: Path) -> None:
    """A page that was edited by hand is named, and only that one."""
    main(["--write"], tmp_path)
    page = tmp_path / "docs/reference/scenario.md"
    page.write_text(page.read_text(encoding="utf-8") + "\n", encoding="utf-8")

    assert stale(tmp_path) == ("docs/reference/scenario.md",)


def test_another_argument_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without `--check` or `--write` nothing is written and the usage is shown."""
    assert main([], tmp_path) == 2
    assert "--check|--write" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_every_command_and_key_has_its_place() -> None:
    """No command, key or expectation is left out of the reference."""
    cli = cli_page()
    scenario = GENERATED["docs/reference/scenario.md"]()
    schema: Any = build(default_registry())

    assert all(f"## claude-run {name}\n" in cli for name in commands())
    assert all(f"| `{name}`" in scenario for name in schema["properties"])
    assert all(f"### `{kind}`\n" in scenario for kind in default_registry().kinds())


def test_every_expectation_of_the_reference_fits_the_schema() -> None:
    """The example of each kind is accepted where an expectation may stand."""
    schema = build(default_registry())
    for kind, example in examples().items():
        turn = {"user": "Hello", "expect": [{kind: example, "label": "an example"}]}
        jsonschema.validate({"turns": [turn]}, schema, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "text"),
        ({"type": ["string", "object"]}, "text or object"),
        ({"type": "integer", "minimum": 1}, "integer, at least 1"),
        ({"type": "array", "items": {"$ref": "#/$defs/case"}}, "list of cases"),
        ({"type": "array"}, "list"),
        ({"enum": ["auto", None, False]}, "`auto` or `null` or `false`"),
        ({"const": True}, "`true`"),
        ({"anyOf": [{"$ref": "#/$defs/text"}, {"type": "string"}]}, "text"),
        ({"description": "what you like"}, "any value"),
    ],
)
def test_a_type_in_words(schema: dict[str, Any], words: str) -> None:
    """A schema's type is told in words that need no JSON Schema to understand."""
    assert type_in_words(schema) == words


def test_the_pages_do_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The help texts are as wide on a narrow terminal, and never coloured."""
    before = cli_page()
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(sys, "argv", ["something", "else"])

    assert cli_page() == before
    assert "\x1b" not in before


def test_every_key_has_an_example_that_fits() -> None:
    """What an editor offers for a key is right where it stands, also inside of expectations."""
    schema = json.loads(schema_text())
    seen = 0
    for node in _objects(schema):
        for name, key in node.get("properties", {}).items():
            assert key.get("description"), name
            for example in key["examples"]:
                jsonschema.Draft202012Validator({**key, "$defs": schema["$defs"]}).validate(example)
                seen += 1
    assert seen > 100


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(part)
