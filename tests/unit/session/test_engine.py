"""Who plays a run: what may be said of it, what is kept of that, and what does not go with it."""

from __future__ import annotations

import json

import pytest

from claude_run.errors import InputError
from claude_run.session.options import build, read_arguments, restored, saved_options
from claude_run.session.request import RunRequest, check_combination


@pytest.mark.parametrize(
    "engine",
    ["local", "ray", "ray://auto", "ray://head:6379", "ray://10.0.0.7:6379", "ray://[fe80::1]:6379"],
)
def test_an_engine_is_this_process_or_a_cluster(engine: str) -> None:
    """Saved with the run, so that `resume` plays on in the same way."""
    request = build(RunRequest, read_arguments(RunRequest, ["--engine", engine]))
    assert request.engine == engine
    assert restored(RunRequest, json.loads(json.dumps(saved_options(request))), {}).engine == engine


@pytest.mark.parametrize(
    "engine",
    [
        "",
        "Ray",
        "ray:",
        "ray://",
        "ray://head",
        "ray://head:port",
        "ray://head:6379/x",
        "ray://a b:1",
        "spark",
    ],
)
def test_an_engine_that_is_none_is_refused(engine: str) -> None:
    """The message says what there is."""
    with pytest.raises(InputError, match=r"^--engine .*write local, ray, or ray://HOST:PORT for a cluster"):
        build(RunRequest, read_arguments(RunRequest, [f"--engine={engine}"]))


def test_batches_are_not_played_on_a_cluster() -> None:
    """The API paces them itself; in one process both may be said."""
    both = build(RunRequest, {"paths": ("x.yaml",), "engine": "ray", "batch": True})
    with pytest.raises(InputError, match=r"^--batch leaves the pace to the API, so --engine ray cannot"):
        check_combination(both)
    check_combination(build(RunRequest, {"paths": ("x.yaml",), "engine": "local", "batch": True}))
