"""What every field of a run's files means; test_transcripts_page.py holds this against real files."""

from __future__ import annotations

from tests.docs.tables import fields

LINE = fields("""
    schema_version; integer; 1. It grows when a field changes its meaning or goes away, not for a new one.
    conversation_id; string; `scenario/case/variant/model/repeat`, parts that are not used left out.
    scenario; string; The scenario's name.
    path; string; The scenario's file, as it was given.
    case; string or null; The case's id.
    variant; string or null; The variant's id.
    model; string; The model that was asked for. Each reply says which one answered.
    model_label; string; The model's name in ids and tables.
    repeat; integer or null; Which of the repeats, from 1; null where each is played once.
    confirm; integer or null; Which of the fresh attempts that a gate has added, from 1; null for others.
    vars; object or null; The variables that the texts were rendered with.
    tags; list of strings or null; The scenario's tags.
    system; list of blocks or null; The system prompt as sent.
    params; object or null; The request parameters as sent, without system and messages.
    expectations; string or null; Digest of what it is held against. Null where an older version played it.
    turns; list of turns; Every turn of the script, sent or not. Empty where nothing was started.
    checks; list of checks; The results of the expectations on the conversation as a whole.
    outcome; string; `passed`, `failed`, `errored` or `skipped`.
    error; string or null; Why it was errored or cut off, in words.
    error_turn; integer or null; The turn that the error belongs to.
    warnings; list of strings; What was odd but did not stop it, such as a reply cut at `max_tokens`.
    usage; usage or null; The sum over all replies, those that were set aside too.
    cost_usd; number or null; The sum over all replies; null where one of them is unpriced.
    judge; judge or null; What judges were asked and answered; null where none was asked.
    set_aside; list of exchanges; Replies that were of no use and asked for again, each with its `turn`.
    uncertain_cost_usd; number or null; The most that attempts without a reply may have cost on top.
    started_at; string or null; ISO 8601, UTC.
    duration_s; number or null; From the start to the end, waiting included.
    simulated; boolean or null; Whether a reply was made up by the simulator.
    replayed; boolean or null; Whether a reply was taken from a recording.
""")

TURN = fields("""
    index; integer; Its place in the script, from 1.
    role; string; `user`, `assistant` (scripted history) or `system`.
    content; string, list of blocks or null; As sent; null where it was never sent.
    files; list or null; Of each block the path of its file as the scenario names it, or null.
    skipped; boolean; Whether it was never sent, because the conversation ended before it.
    left_out; boolean; Whether it was not sent because the reply before it does not fit its `if`.
    reply; reply or null; The answer to a `user` turn. Null for scripted history and where none came.
    usage; usage or null; The sum over the turn's replies.
    cost_usd; number or null; The same sum in US dollars; null where it is unpriced.
    latency_s; number or null; Seconds from sending to the whole reply; of several exchanges the sum.
    attempts; integer or null; How often requests of this turn were sent.
    exchanges; list of exchanges or null; Where the turn needed several requests; null otherwise.
    checks; list of checks; The results of the turn's expectations.
""")

REPLY = fields("""
    text; string; The text blocks, joined. Of several exchanges, all of them.
    content; list of blocks; The API's content blocks, verbatim; of several exchanges those of the last.
    stop_reason; string; As the API says it.
    stop_sequence; string or null; The stop sequence that was hit.
    stop_details; object or null; What the API says about a refusal.
    model; string; The model that answered.
    id; string; The message's id.
    request_id; string or null; The `request-id` header, for questions to the vendor.
    received_at; string or null; ISO 8601, UTC.
    simulated; boolean; Whether the simulator made it up.
    replayed; boolean; Whether it was taken from a recording.
""")

EXCHANGE = fields("""
    tool_results; list of blocks or null; The results of tools that the request sent; null where it sent none.
    reply; reply; The answer to this request.
    usage; usage; Its token counts.
    cost_usd; number or null; Its cost.
    latency_s; number; Seconds from sending to the whole reply.
    attempts; integer; How often this request was sent.
""")

JUDGE = fields("""
    usage; usage; The sum over the judges' answers; no part of the conversation's own `usage`.
    cost_usd; number or null; The same sum in US dollars, on top of the conversation's own `cost_usd`.
    replies; list of exchanges; Every answer, of no use or not, in order. Its text is JSON: reason, verdict.
""")

CHECK = fields("""
    kind; string; The expectation, such as `contains`.
    status; string; `passed`, `failed`, or `errored` where nobody can tell.
    message; string; One sentence that says what was expected and what was found.
    expected; any; Short, for a person to compare.
    actual; any; Short, for a person to compare.
    label; string or null; The label that the scenario gives it.
    must; boolean; Whether the scenario says that it must hold: once broken, it fails the run.
    position; object; Where it stands: `path`, `line` and `column`, from 1.
    children; list of checks; What stands inside `not`, `any_of` and `all_of`.
""")

USAGE = fields("""
    input_tokens; integer or null; What lies behind the last cache breakpoint only. See below for null.
    output_tokens; integer or null; All that was billed as output, thinking included. See below for null.
    cache_creation_input_tokens; integer or null; Written to the prompt cache.
    cache_read_input_tokens; integer or null; Read from the prompt cache.
    cache_creation; object; What was written: `ephemeral_5m_input_tokens`, `ephemeral_1h_input_tokens`.
    output_tokens_details; object; `thinking_tokens`, where the API tells.
    server_tool_use; object; `web_search_requests`, `web_fetch_requests`.
""")

SUMMARY = fields("""
    schema_version; integer; As in the transcripts.
    name; string; The scenario's name, or how many there are.
    claude_run; string; The version that played the run.
    started_at; string; ISO 8601, UTC.
    ended_at; string or null; ISO 8601, UTC; null for a run that was cut off.
    duration_s; number or null; From the start to the end.
    exit_code; integer; What the process ended with.
    exit_reason; string; The same in words.
    gate; gate or null; What holding it against a baseline came to; null where that was not asked or not done.
    simulated; boolean; Whether a reply was made up by the simulator.
    replayed; boolean; Whether a reply was taken from a recording.
    totals; totals; Of the whole run.
    models; object; Totals by the model's label.
    caching; caching or null; What the prompt cache did; null where nothing was written to it or read from it.
    must_failed; list of strings; The conversations that broke a rule that `must` hold, by id.
    cases; list of cases; How the repeats of each case, variant and model did.
    unpriced_models; list of strings; Models that answered and have no known price.
    prices; string; The price table and its version.
    made_of; made_of; What this file and the transcripts were made of.
""")

TOTALS = fields("""
    conversations; integer; How many were planned.
    passed; integer; How many of them passed.
    failed; integer; How many failed a check.
    errored; integer; How many could not be measured.
    skipped; integer; How many were not started, or cut off.
    replies; integer; How many requests were answered.
    usage; usage; The sum over all replies.
    cost_usd; number or null; The sum over all replies; null where one of them is unpriced.
    uncertain_cost_usd; number; The most that attempts without a reply may have cost on top.
    judge; object; `replies`, `usage` and `cost_usd` of the judges' answers; no part of the rest.
""")

GATE = fields("""
    code; integer; 0, 1, or 3 where fresh attempts could not be measured. It decides in place of the checks.
    verdict; string; `regressed`, `unclear`, `improved` or `no regression found`.
    reason; string; Why the code is what it is, in words.
    against; string; The baseline: a file, a run, or how many files.
    alpha; number; How often the gate may be red without a change.
    most_fresh; integer; How many fresh attempts a case might have; 0 where none could be had.
    unclear_fails; boolean; Whether `unclear` fails the run.
    models; list of gated models; The test over the cases of each model.
    cases; list of gated cases; Every case of the run.
    gone; list of strings; The cases that stand only in the baseline.
    cost; cost change or null; What the replies cost then and now; null where a price is not known.
""")

GATED_MODEL = fields("""
    model; string; The model's label.
    cases; integer; How many were compared.
    p_value; number; How likely such drops are where nothing has changed: the exact test of all cases.
    p_adjusted; number; The same after Holm over the models of the run.
    p_better; number; How likely such gains are.
    level; number; What `p_adjusted` is held against.
    rejected; boolean; Whether it is at most that.
    spread; boolean; Whether it would be without the cases that broke: then all that got worse are blamed.
    failing; integer; How many cases failed always and did not before.
""")

GATED_CASE = fields("""
    name; string; `scenario/case/variant/model`, parts that are not used left out.
    scenario; string; The scenario's name.
    model; string; The model's label.
    standing; string; `broke`, `unclear`, `flaky`, `worse`, `better`, `same`, `edited`, `new`, `unmeasured`.
    now; score; `passed` of `measured` attempts of this run, fresh ones not counted.
    accepted; score or null; The same of the accepted attempts; null for a new case.
    fresh; score or null; The same of the fresh attempts; null where none was measured.
    needed; integer or null; So many must all fail before it is called broken; null where none would tell.
    covered; boolean; Whether three attempts or more were accepted, for which alpha is promised.
    met; boolean; Of an edited or a new case: whether it reached its pass rate.
    edited; string or null; What was edited since it was accepted: `expectations`, `variables`, or both.
    before; list of strings; The accepted replies of the case.
    reworded; integer; How many replies differ from the accepted ones.
""")

COST_CHANGE = fields("""
    accepted_usd; number; The mean of a conversation then: all its tokens, no cache, at the prices of today.
    now_usd; number; The same of this run.
    allowed; number or null; The increase that does not fail the run: 0.2 for a fifth; null for any.
""")

CACHING = fields("""
    read_tokens; integer; What the replies read from the cache.
    readable_tokens; integer; What they could: a shared prompt once one wrote it, and what was said before.
    hit_rate; number or null; The one by the other; null where there was nothing to read.
    missed_requests; integer; How many requests read less than they could.
    miss_reasons; object; Why, where the API says it: how often, by `diagnostics.cache_miss_reason.type`.
    paid_usd; number or null; What the replies cost; null, here and below, where one is unpriced.
    uncached_usd; number or null; What they would have cost without a cache.
    saved_usd; number or null; The difference; below zero where more was written than read.
    batch_usd; number or null; What they would cost in Message Batches: half, with nothing read.
    best_usd; number or null; The least: each part written once, if anybody reads it, and read from then on.
""")

CASE = fields("""
    name; string; `scenario/case/variant/model`, parts that are not used left out.
    passed; integer; How many repeats passed.
    measured; integer; How many passed or failed.
    repeats; integer; How many were planned.
    required; number; The share that must pass: `pass_rate`.
    met; boolean; Whether it did.
""")

MADE_OF = fields("""
    run_id; string; The run, as in `run.json`.
    run_sha256; string; The SHA-256 of `run.json`, in hex: the plan that the transcripts are of.
    journal_lines; integer; So many lines of the journal.
    journal_sha256; string; The SHA-256 of those lines, in hex. They are refused where they are others now.
    transcripts_sha256; string; The SHA-256 of `transcripts.jsonl`.
""")

RUN = fields("""
    schema_version; integer; As in the transcripts.
    run_id; string; Names this run; the journal begins with it.
    name; string; The scenario's name, or how many there are.
    claude_run; string; The version that played the run.
    created_at; string; ISO 8601, UTC.
    paths; list of strings; The paths of the command line.
    labels; string or null; The labelled replies that a judge is held against, in a run of `judge-eval`.
    options; object; The options that shape the run.
    files; object; For each scenario's path the SHA-256 of all that it reads.
    own_checks; object; The SHA-256 of each file of own checks, in hex.
    pass_rates; object; For each scenario the share of repeats that must pass.
    baseline_sha256; string or null; Stands for what the run is held against; null for nothing.
    shard; object; Only of a shard: `index`, `count`; of the whole `conversations`, `plan_sha256`, `files`.
    spent_before; object; Of a later round of `--watch`: `usd`, a string, and `attempts`, for its caps.
    prices; string; The price table and its version.
    simulated; boolean; Whether it was played against the simulator.
    models; list of strings; The models that were asked for.
    conversations; list of objects; The plan: the identity of each conversation, fields as in the transcripts.
    changes; list of objects; By `--changed`: of `superseded` the first `journal_lines` do not count.
""")
