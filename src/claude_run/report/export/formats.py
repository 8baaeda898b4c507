"""The languages that a conversation can be written in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.report.export.json import export_json
from claude_run.report.export.python import python_program
from claude_run.report.export.script import script_of
from claude_run.report.export.shell import shell_program
from claude_run.report.export.typescript import typescript_program
from claude_run.text.strict_json import readable_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from claude_run.conversation.script import Conversation
    from claude_run.report.export.script import Script

LANGUAGES: Mapping[str, Callable[[Script], str]] = {
    "python": python_program,
    "typescript": typescript_program,
    "curl": shell_program,
    "json": lambda script: readable_json(export_json(script)) + "\n",
}
"""What writes a script, by the word that asks for it."""


def exported(conversation: Conversation, language: str, *, description: str) -> str:
    """Return a conversation as a program, or as JSON.

    InvalidScenarioError lists, each with its place, all that the language cannot say.
    """
    return LANGUAGES[language](script_of(conversation, description=description))
