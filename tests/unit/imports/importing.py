"""Files of other tools, written by a test, as `import` makes scenarios of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_run.scenario.source import Source
from claude_run.scenario.yaml_reader import parse
from claude_run.scenario.yaml_tree import to_json
from claude_run.session.imports import import_files
from claude_run.session.load import load_scenarios
from claude_run.session.request import ImportRequest, RunRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from claude_run.session.imports import Imported

TODAY = date(2026, 11, 29)
SAMPLES = Path(__file__).parent / "samples"
CLAUDE = "anthropic:messages:claude-haiku-5-5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was written, as data by the stem of its file, and what was lost."""

    scenarios: Mapping[str, Any]
    imported: Imported

    @property
    def only(self) -> Any:
        """The one scenario that was made."""
        (scenario,) = self.scenarios.values()
        return scenario

    @property
    def losses(self) -> Sequence[tuple[str, str, int, str]]:
        """Kind, file, line and key of each loss."""
        return [
            (each.kind, Path(each.position.path).name, each.position.line, each.key)
            for each in self.imported.losses
        ]

    @property
    def messages(self) -> str:
        """What is said of all losses."""
        return "\n".join(each.message for each in self.imported.losses)


def made(folder: Path, *names: str, source_format: str | None = None, **options: Any) -> Made:
    """Import files of a folder, see that `check` finds nothing wrong with what was made, and return it."""
    out = folder / "out"
    request = ImportRequest(
        sources=tuple(str(folder / name) for name in names),
        out=out,
        source_format=source_format,
        **{"replies": "example", "strict": False, **options},
    )
    imported = import_files(request, file_root=None, today=TODAY)
    load_scenarios(RunRequest(paths=(str(out),)), today=TODAY)
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(out.iterdir())}
    scenarios = {stem: to_json(parse(Source(stem, text)).root) for stem, text in texts.items()}
    return Made(scenarios=scenarios, imported=imported)


def made_of(folder: Path, files: Mapping[str, Any], *names: str, **options: Any) -> Made:
    """Write files, texts as they are, rows as JSONL and all else as JSON, and import some of them."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            text = content
        elif name.endswith(".jsonl"):
            text = "".join(f"{json.dumps(row)}\n" for row in content)
        else:
            text = json.dumps(content, indent=1)
        path.write_text(text, encoding="utf-8", newline="")
    return made(folder, *(names or list(files)[:1]), **options)


def config(**keys: Any) -> Mapping[str, Any]:
    """Return a promptfoo configuration with one prompt, one test and Claude, and what else is said."""
    whole = {"prompts": ["{{ q }}"], "providers": [CLAUDE], "tests": [{"vars": {"q": "Hello?"}}], **keys}
    return {"promptfooconfig.yaml": whole}


def expected(folder: Path, *asserts: Mapping[str, Any], **keys: Any) -> tuple[list[Any], Made]:
    """Return what the asserts of one test become, and all that was made."""
    found = made_of(folder, config(tests=[{"vars": {"q": "Hello?"}, "assert": list(asserts)}], **keys))
    return found.only["turns"][-1].get("expect", []), found
