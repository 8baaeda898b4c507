"""Bodies that are far too long, plain or packed: N21."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

from tests.support.scripted_server import http
from tests.system.faults.api import Api, scenario

if TYPE_CHECKING:
    from tests.system.harness.workspace import Workspace

MIB = 1024 * 1024
MAX_MIB = 250
"""What a run may hold in memory, interpreter and SDK included."""


def test_a_body_without_end_is_cut_off_and_bounded_in_memory(workspace: Workspace) -> None:
    """100 MiB of reply, a packed reply of 300 MiB, both as errors too: refused once, none held whole."""
    plain = b'{"x": "' + b"a" * (100 * MIB)
    packed = gzip.compress(b'{"x": "' + bytes(300 * MIB), compresslevel=1)
    gz = ("content-encoding: gzip",)
    final = ("x-should-retry: false",)
    answers = {
        "plain": http(plain),
        "packed": http(packed, headers=gz),
        "error-plain": http(plain, status=500, headers=final),
        "error-packed": http(packed, status=500, headers=(*gz, *final)),
    }
    workspace.write("s.yaml", scenario(*answers, turns=1))
    with Api(answer=lambda asked: answers[asked.case]) as api:
        result = workspace.run(
            "s.yaml", "-o", "out", url=api.url, module="tests.system.harness.monitored_command"
        )
        assert workspace.attempts() == api.requests == dict.fromkeys(((case, 1) for case in answers), 1)
    assert result.code == 3
    errors = {case: transcript["error"] for case, transcript in workspace.transcripts().items()}
    assert errors["plain"] == errors["packed"] == f"invalid reply: the body is longer than {32 * MIB} bytes"
    assert errors["error-plain"].startswith('500 with application/json: {"x": "aaa')
    assert errors["error-packed"].startswith('500 with application/json: {"x": "')
    assert all(len(error) < 300 for error in errors.values())
    assert (workspace.folder / "out" / "journal.jsonl").stat().st_size < MIB
    seen = json.loads((workspace.folder / "monitored.json").read_bytes())
    assert seen["peak_mib"] < MAX_MIB
    assert seen["asked"], "the watch sees sockets"
