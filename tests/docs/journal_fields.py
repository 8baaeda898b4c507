"""What every field of a journal means; test_transcripts_page.py holds this against real journals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.docs import run_fields
from tests.docs.tables import Field, fields

if TYPE_CHECKING:
    from collections.abc import Mapping

Fields = tuple[Field, ...]

FRAME = fields("""
    crc; string; CRC-32 of the rest of the line, eight hexadecimal digits.
    seq; integer; The number of the line, from 0.
    event; string; What happened: one of the kinds below.
""")

EVENTS: Mapping[str, tuple[str, Fields]] = {
    "journal": (
        "The first line of the file.",
        fields("""
            version; integer; 1. A journal of another version is refused.
            run_id; string; The run's id, as in `run.json`: the journal of another run is refused.
        """),
    ),
    "start": (
        "A conversation begins.",
        fields("""
            conversation_id; string; Its id. The fields up to `repeat` are as in the transcripts.
            scenario; string; The scenario's name.
            path; string; The scenario's file.
            case; string or null; The case's id.
            variant; string or null; The variant's id.
            model; string; The model that is asked for.
            model_label; string; The model's name in ids.
            repeat; integer or null; Which of the repeats.
            vars; object; The variables.
            tags; list of strings; The scenario's tags.
            system; list of blocks or null; The system prompt as sent.
            params; object; The request parameters as sent.
            roles; list of strings; The roles of the scripted turns.
            expectations; string or null; Digest of what it is held against; not in older journals.
            files; object or null; Paths of the files in its messages, by a digest; not in older journals.
            at; string; ISO 8601, UTC.
        """),
    ),
    "request": (
        "A request was made up. It is written once, however often it is sent.",
        fields("""
            conversation_id; string; Whose it is.
            turn; integer; The user turn that it asks for, from 0.
            key; string; SHA-256 of the canonical request and of the conversation's identity.
            sent; list of objects; What it adds, or asks a judge: `turn`, `role`, `content`.
            judge; string or null; For a question to a judge its label; null for the conversation's own.
        """),
    ),
    "attempt": (
        "A request is about to be sent.",
        fields("""
            conversation_id; string; Whose it is.
            turn; integer; The user turn, from 0.
            key; string; The request's key.
            n; integer; The number of the attempt, from 1.
            worst_cost_usd; number or null; The most that it may cost; null where the model is unpriced.
            in_batch; true; It leaves with the batch that names its key; not written otherwise.
            at; string; ISO 8601, UTC.
        """),
    ),
    "reply": (
        "A whole reply arrived.",
        fields("""
            conversation_id; string; Whose it is.
            turn; integer; The user turn, from 0.
            key; string; The request's key.
            n; integer; The attempt that brought it.
            body; object; The API's JSON, verbatim.
            request_id; string or null; The `request-id` header.
            latency_s; number; Seconds from sending to the whole reply.
            cost_usd; number or null; What it cost; null where it is unpriced.
            simulated; boolean; Whether the simulator made it up.
            replayed; boolean; Whether it was taken from a recording.
            at; string; ISO 8601, UTC.
        """),
    ),
    "failure": (
        "An attempt brought no reply.",
        fields("""
            conversation_id; string; Whose it is.
            turn; integer; The user turn, from 0.
            key; string; The request's key.
            n; integer; The attempt.
            failure; failure; Why.
            at; string; ISO 8601, UTC.
        """),
    ),
    "set_aside": (
        "A reply that cannot be used counts no longer: its request is asked again, by `--retry-errors`.",
        fields("""
            conversation_id; string; Whose it is.
            turn; integer; The user turn, from 0.
            key; string; The request's key. The next `reply` with it is the one that counts.
            reason; string; Why it cannot be used.
            at; string; ISO 8601, UTC.
        """),
    ),
    "end": (
        "A conversation is over.",
        fields("""
            conversation_id; string; Whose it is.
            outcome; string; As in the transcripts.
            error; string or null; As in the transcripts.
            error_turn; integer or null; The turn that the error belongs to, from 0.
            warnings; list of strings; As in the transcripts.
            turn_checks; list of pairs; A turn's number, from 0, and its checks.
            checks; list of checks; Those on the conversation as a whole.
            duration_s; number; From the start to the end.
            left_out; list of integers; The turns, from 0, that were not sent because of their `if`.
            at; string; ISO 8601, UTC.
        """),
    ),
}

ABOUT_RUN = """\
The run itself. Beside the frame a line has `what`, one of these, and its fields:
"""

RUN_LINES: Mapping[str, tuple[str, Fields]] = {
    "started": (
        "A process began to play the run.",
        fields("at; string; ISO 8601, UTC."),
    ),
    "ended": (
        "It ended in order. Where this line is missing at the end, the run was cut off.",
        fields("""
            at; string; ISO 8601, UTC.
            duration_s; number; How long the process played.
            stop; integer or null; The exit code of what stopped the run early; null when all was played.
            reason; string or null; The same in words.
        """),
    ),
    "batch_submitting": (
        "A Message Batch is about to be submitted.",
        fields("""
            batch; string; Its token, which begins the ids of its requests.
            keys; list of strings; The keys of its requests.
            headers; object; What went out with it as headers: betas, a workspace.
            since; string or null; When the newest batch was made that was there before, by the API's clock.
            at; string; ISO 8601, UTC.
        """),
    ),
    "batch_submitted": (
        "The API has taken it.",
        fields("""
            batch; string; Its token.
            id; string; Its name at the API.
            at; string; ISO 8601, UTC.
        """),
    ),
    "batch_dropped": (
        "The API has not taken it, for sure: its requests go into another one, or are given up.",
        fields("""
            batch; string; Its token.
            at; string; ISO 8601, UTC.
        """),
    ),
    "gated": (
        "The run was held against its baseline.",
        run_fields.GATE,
    ),
}

FAILURE = fields("""
    kind; string; Such as `status`, `connection`, `timeout`, `invalid_reply` or `truncated`.
    message; string; In words.
    status; integer or null; The HTTP status.
    type; string or null; The API's error type.
    code; string or null; The API's error code.
    request_id; string or null; The `request-id` header.
    retry_after_s; number or null; How long the API asks to wait.
    may_retry; boolean; Whether it makes sense to try again.
    paid; string; `no`, or `maybe` where the API may bill it.
""")
