"""`models`: what is known of the models, and in what the Models API differs from it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from claude_run.cli.output import print_json, print_line
from claude_run.errors import InputError
from claude_run.report.models.json import models_json, news_json
from claude_run.report.models.text import block_lines, news_lines, table_lines
from claude_run.session.env_file import enter_environment
from claude_run.session.models import ask_api, known
from claude_run.session.request import refuse_contradictions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from claude_run.cli.options import ModelsOptions
    from claude_run.session.request import RunRequest
    from claude_run.session.world import World


def models(options: ModelsOptions, request: RunRequest, world: World) -> int:
    """Print what is known of the models, or what is new at the API; 0 also where much is new."""
    if options.refresh:
        refuse_contradictions(request)
        enter_environment(request.env_file, world.redactor)
        news = asyncio.run(ask_api(options.ids, request, world.redactor))
        if options.json:
            print_json(news_json(news))
        else:
            _print_lines(news_lines(news))
        return 0
    if request.simulate:
        raise InputError("--simulate answers in place of the API: add --refresh, which asks it")
    if request.env_file is not None:
        raise InputError("--env-file is for asking the API: add --refresh, which asks it")
    found = known(options.ids, today=world.today)
    if options.json:
        print_json(models_json(found))
    else:
        _print_lines(block_lines(found) if options.ids else table_lines(found))
    return 0


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print_line(line)
