"""What every field of a comparison and of a baseline means; tests hold this against real ones."""

from __future__ import annotations

from tests.docs.tables import fields

COMPARISON = fields("""
    schema_version; integer; 2. It grows when a field changes its meaning or goes away, not for a new one.
    baseline; string; The name of the side that all candidates are held against.
    verdict; string or null; The gravest verdict of all candidates; null where there is none.
    candidates; list of candidates; In the order given.
""")

CANDIDATE = fields("""
    candidate; string; The name of the run, the model or the variant.
    verdict; string; `improved`, `not worse`, `regressed` or `inconclusive`.
    under_test; string or null; `model`, `model label`, `variant`, `system prompt`, `turns`; null if alike.
    conditions_known; boolean; Whether all is known of both sides; not of a baseline file.
    differs; list of differences; In what the sides were played unlike each other besides.
    rules; rules; How the verdict was reached.
    effect; effect or null; How large the change is; null where no case could be paired.
    p_worse; number; The one-sided p-value of "the candidate is worse", from the sign-flip test.
    p_better; number; The one-sided p-value of "the candidate is better".
    p_worse_adjusted; number; The same after Holm over all candidates. The verdict reads this one.
    p_better_adjusted; number; The same after Holm over all candidates. The verdict reads this one.
    fewest_changes; integer; Units that must get worse together before `regressed` can be said at all.
    metrics; list of metrics; Cost, latency, tokens and length. They inform and never decide.
    cases; list of cases; Every paired case, in the order of the baseline.
    changed; list of strings; The cases whose pass rate moved, the largest drop first.
    baseline_only; list of strings; Cases that the candidate does not have.
    candidate_only; list of strings; Cases that the baseline does not have.
    unmeasured; list of strings; Cases without a measured sample on one side.
    lost_attempts; integer; Samples that could not be measured, of all cases of both sides.
    notes; list of strings; What a reader must be told, in plain sentences.
""")

DIFFERENCE = fields("""
    name; string; A request parameter as the API has it, or one of the words of `under_test`.
    baseline; string or null; Its value there, as JSON, or `not set`; null for texts.
    candidate; string or null; Its value here.
    cases; integer; How many cases differ in it; the values are those of most of them.
""")

RULES = fields("""
    alpha; number; The false-alarm rate that is accepted, one-sided: `--alpha`.
    margin; number; The drop that `not worse` must exclude: `--margin`.
    confidence; number; Of the two-sided intervals, over all candidates.
    p_value; string; `exact`.
""")

EFFECT = fields("""
    cases; integer; How many cases were paired.
    units; integer; What the test flips as a whole: cases, or groups of rows of one case.
    baseline_rate; number; The mean pass rate over the cases.
    candidate_rate; number; The same of the candidate.
    difference; number; Candidate minus baseline.
    interval; interval; Of the difference.
    standard_error; number; Of the difference; never 0.
    worse; integer; Cases whose pass rate fell.
    better; integer; Cases whose pass rate rose.
    same; integer; Cases whose pass rate stayed.
    correlation; number or null; Of the cases' pass rates; null where those of one side are all alike.
""")

INTERVAL = fields("""
    lower; number; The lower end.
    upper; number; The upper end.
    confidence; number; Such as 0.95.
    method; string; `Newcombe paired`, `paired t`, `clustered paired t`, or the wider of two.
""")

METRIC = fields("""
    metric; string; `cost_usd`, `latency_s`, `input_tokens`, `output_tokens` or `output_chars`.
    cases; integer; How many cases know it on both sides.
    baseline_mean; number; The mean per case.
    candidate_mean; number; The same of the candidate.
    difference; number; Candidate minus baseline.
    relative; number or null; The difference over the baseline's mean; null where that is 0.
    interval; interval or null; Of the difference; null where it does not vary.
    p_value; number; Two-sided, of the paired t test.
    p_holm; number; The same after Holm over the metrics.
    is_finding; boolean; Whether somebody would act on it: 5 % or more, and beyond chance.
""")

CASE = fields("""
    case; string; What identifies the case on both sides.
    group; string or null; The case whose rows rise and fall together, where it has several.
    baseline; rate; `passed` of `total` measured samples, and their `rate`.
    candidate; rate; The same of the candidate.
    difference; number; Candidate minus baseline.
    flaky; boolean; Whether it passed in some samples of a side and failed in others of it.
    p_worse; number or null; Fisher's exact p-value of "this case got worse"; null where it did not change.
    p_holm; number or null; The same after Holm over the cases.
    p_bh; number or null; The same after Benjamini-Hochberg.
    regressed; boolean; Whether one may claim it of this case alone.
    worth_a_look; boolean; Whether it belongs on a list of suspects.
""")

RATE = fields("""
    passed; integer; Attempts that passed.
    total; integer; Attempts that were measured.
    rate; number; Their quotient.
""")

BASELINE = fields("""
    schema_version; integer; 2. A baseline of another version is refused.
    scenario; string; The scenario's name.
    simulated; boolean; Whether accepted replies were made up by the simulator.
    reason; string or null; What `accept --reason` said last; null where a whole run was accepted without it.
    cases; object; The accepted cases by case, variant and model.
""")

BASELINE_CASE = fields("""
    case; string or null; The case's id.
    variant; string or null; The variant's id.
    model; string; The model that was asked for.
    model_label; string; The model's name in ids and tables.
    vars; object; The variables that the texts were rendered with.
    passed; integer; How many attempts passed.
    measured; integer; How many attempts there were, at least 1.
    expectations; string or null; The digest of the expectations, as in the transcripts.
    answered_by; list of strings; The models that answered, sorted.
    input_tokens; integer or null; Of all attempts, cached parts included; null where one is not known.
    output_tokens; integer or null; All that was billed as output, of all attempts.
    replies; list of lists of strings; For each generated turn the lines of the reply of one attempt.
""")
