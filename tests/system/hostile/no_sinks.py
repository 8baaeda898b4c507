"""What shows no text by itself, though it is public in a watched module: each name with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def _each(module: str, names: Sequence[str], why: str) -> dict[str, str]:
    return {f"{module}.{name}": why for name in names}


_VALUE = "a value, or one made of values: nothing is shown before it goes through a sink"
_NAMES = "holds names, which its callers escape"
_NUMBER = "makes its text of numbers and of our own words"

NO_SINKS: dict[str, str] = {
    **_each(
        "report.text.blocks",
        ("ContentPart", "content_parts", "one_text", "compact", "value_text", "truncate", "excerpt"),
        _VALUE,
    ),
    **_each(
        "report.run.reasons",
        ("Reason", "Cause", "CheckRow", "reasons", "causes", "check_rows", "check_name", "check_place"),
        _VALUE,
    ),
    **_each("report.run.reasons", ("turns_that_went_wrong", "expected_and_actual", "foremost"), _VALUE),
    **_each("pytest_plugin.talk", ("wrong",), _VALUE),
    **_each("report.run.reasons", ("turn_state",), "one of four words of ours"),
    **_each("report.forecast", ("Basis",), _VALUE),
    **_each("report.forecast", ("price_lines",), "returns lines, which their callers escape"),
    **_each("report.text.numbers", ("usd", "tokens", "seconds", "used"), _NUMBER),
    **_each("report.chat", ("asked_lines", "reply_notes"), "return lines, which their callers escape"),
    **_each("report.chat", ("turn_line", "total_line", "uncertain_words"), _NUMBER),
    **_each("report.run.facts", ("RunFacts",), _NAMES),
    **_each("report.run.facts", ("usage_sentence", "rate_sentence", "verdict_of"), _NUMBER),
    **_each("report.run.progress", ("outcome_word",), "one of four words of ours"),
    **_each("report.run.progress", ("UnseenProgress",), "shows nothing"),
    **_each(
        "report.run.formats",
        ("render", "render_page", "sections", "drafts"),
        "hands over to the sinks of this room",
    ),
    **_each("report.check", ("refused_json", "sound_json"), "values of JSON, which `print_json` escapes"),
    **_each("report.run.html", ("is_redacted",), "answers yes or no"),
    **_each("report.run.html", ("page_draft",), "words of ours"),
    **_each("report.run.html", ("conversation_piece",), "packed by the sink `run_html`, shown by its script"),
    **_each("report.run.watching", ("waiting_line", "print_waiting"), _NUMBER),
    **_each("report.run.formats", ("get_ready",), "loads"),
    **_each("report.run.markdown", ("get_ready",), "loads"),
    **_each("report.run.markdown", ("GatePart",), "holds what the sink `gate_part` returns"),
    **_each(
        "report.run.markdown",
        ("Talk", "talk_that_went_wrong"),
        "hold what the sink `question_and_reply` returns",
    ),
    **_each("report.run.tally", ("Tally", "ModelTally"), _NUMBER),
    **_each("report.run.tally", ("UnderWay",), _NAMES),
    **_each("report.run.progress", ("begin_line",), "moves the cursor"),
    **_each("report.run.live", ("can_be_drawn_on",), "answers yes or no"),
    **_each("report.text.console", ("colour_wanted",), "answers yes or no"),
    **_each(
        "report.text.console",
        ("aligned", "wrapped", "open_console", "print_escaped"),
        "prints what the sinks of this room have escaped",
    ),
    **_each(
        "report.text.safe",
        ("Escaped", "require_escaped", "escaping_environment"),
        "lets nothing pass but what a sink has made",
    ),
    **_each("report.text.safe", ("SafeStream",), "goes through the sink `ChatView`, in pieces of all sizes"),
    **_each("report.text.cut", ("columns",), _NUMBER),
    **_each("report.text.cut", ("cut_end", "cut_middle"), "shorten what their callers have escaped"),
    **_each("report.text.tables", ("without_zeros", "fitting"), "hands on cells, which its callers escape"),
    **_each("report.text.diff", ("Same", "Removed", "Added", "diff_words", "condense"), _VALUE),
    **_each("report.compare.evidence", ("Evidence", "ReplyDiff", "evidence"), _VALUE),
    **_each("report.compare.evidence", ("BasisLine", "verdict_basis"), _NUMBER),
    **_each("report.compare.words", ("percent", "points", "span", "span_of", "p_value"), _NUMBER),
    **_each("report.compare.words", ("metric_amount", "change_of"), _NUMBER),
    **_each("report.compare.words", ("Headline", "headline", "candidate_headline"), _NAMES),
    **_each("report.compare.words", ("LeftOut", "left_out", "overview_row", "short_name"), _NAMES),
    **_each("report.compare.words", ("Table", "table", "change_table", "differing"), _NAMES),
    **_each("report.compare.words", ("change_row", "steady_row"), _NAMES),
    **_each("report.compare.words", ("ranked", "steady", "is_flaky", "rates_of", "findings"), _VALUE),
    **_each("report.compare.words", ("metric_rows", "change_word", "rate_words", "ending"), _NUMBER),
    **_each(
        "report.export.script",
        ("Saved", "Reading", "Message", "Keep", "AskedTurn", "Answer", "Script", "script_of"),
        _VALUE,
    ),
    **_each(
        "report.export.conditions",
        ("Looks", "Matches", "Counts", "Ended", "Joined", "Words", "read", "reads_reason", "matches_in"),
        _VALUE,
    ),
    **_each("report.export.conditions", ("expression",), "joins what the languages have escaped"),
    **_each(
        "report.export.program",
        ("Blobs", "messages_of", "answer_rows", "has_conditions", "refuse_long_numbers", "heading"),
        _VALUE,
    ),
    **_each("report.export.program", ("patterns", "conditions"), "joins what the languages have escaped"),
    **_each("report.export.literals", ("Name", "Notation", "is_block"), _VALUE),
    **_each(
        "report.export.patterns",
        ("NotCarriedError", "Pattern", "translate"),
        "gives patterns in which what acts is a number, for the sinks of its room",
    ),
    **_each("scenario.diagnostics", ("Window", "Problems", "ProblemGroup"), "hold what `render` makes safe"),
    **_each("scenario.diagnostics", ("found_out",), "hands a hint over, which `render` makes safe"),
    **_each("scenario.diagnostics", ("did_you_mean",), "returns one of the words that it is given"),
    **_each("text.visible", ("width",), "a number"),
    **_each("text.visible", ("count",), _NUMBER),
    **_each("record.codec", ("encode", "decode", "money", "check_to_json"), _VALUE),
    **_each("record.derive", ("Collector", "Played", "read_played", "read_samples"), _VALUE),
    **_each("record.disk", ("Disk", "LocalDisk", "replace_file", "write_whole", "sync_folder"), "bytes"),
    **_each("record.disk", ("open_file", "read_file"), "bytes"),
    **_each("record.journal", ("joined",), "bytes that other journals hold"),
    **_each("record.journal", ("held_still",), "its words are an error, which `print_error` shows"),
    **_each("record.disk", ("locked_folder",), "its words are an error, which `print_error` shows"),
    **_each("record.folder", ("latest",), "a name of ours"),
    **_each("record.folder", ("json_parts",), _VALUE),
    **_each("record.folder", ("standing",), "a path, which whoever shows it escapes"),
    **_each("record.runs", ("note_played", "runs_played"), "paths, and errors that `print_error` shows"),
    **_each(
        "record.history",
        ("History", "OpenBatch", "Submitted", "Told", "log_of", "read_history", "read_told"),
        _VALUE,
    ),
    **_each("record.journal", ("Line", "read_lines", "torn_bytes"), "reads"),
    **_each(
        "record.recording", ("Recording",), "its words are an error, which `print_error` and reports show"
    ),
    **_each("record.recording", ("may_confirm",), "says yes or no"),
    **_each("report.run.gate", ("Fact", "ShownCase", "GateReport", "gate_report"), _NAMES),
    **_each("report.run.gate", ("history", "tolerance"), _NAMES),
    **_each(
        "report.models.text",
        ("table_lines", "block_lines"),
        "makes lines of the table of models that is ours, which `print_line` escapes",
    ),
    **_each("report.models.json", ("models_json",), "the table of models that is ours, as a value"),
    **_each("record.project", ("project_root", "project_of", "upwards"), "paths of ours"),
    **_each("record.project", ("nearest_project_file", "ProjectFile"), "reads"),
    **_each("record.project", ("is_path",), "says yes or no"),
    **_each("record.redact", ("is_searched_for",), "looks at a secret"),
    **_each("record.redact", ("is_secret_variable",), "looks at a name"),
    **_each("record.redact", ("bare_credential",), "a part of a header, which is searched for"),
    **_each("record.redact", ("split_user_info",), "parts of an address, which are shown elsewhere"),
    **_each("record.redact", ("Redactor",), "takes secrets out and puts a word of ours in"),
    **_each("record.run", ("Run", "ShardOf", "Spent", "Change", "planned_or_other"), _VALUE),
    **_each("record.run", ("plan_digest",), "a digest"),
    **_each("record.journal", ("Extent", "JournalIndex", "Seal"), _VALUE),
    **_each("record.made_of", ("MadeOf", "replies_told"), _VALUE),
    **_each("record.made_of", ("refuse_less",), "its words are an error, which `print_error` shows"),
    **_each("record.summary", ("Totals", "CaseRate", "RunSummary", "Ending", "summarize", "worst"), _VALUE),
    **_each("record.transcripts", ("SavedLines", "to_json", "sample_from_json"), _VALUE),
    **_each("record.records", ("Book", "Figures", "Record", "Spool", "records_of"), _VALUE),
    **_each("record.numbers", ("Column", "Numbers"), _VALUE),
    **_each("record.caching", ("Caching", "CachingSum", "ConversationCaching", "Costs", "ModelUse"), _VALUE),
    **_each("record.derive", ("verify",), "its words are printed by `print_line`"),
    **_each("record.baseline", ("AcceptedCase", "Baseline", "accepted_cases", "read_baseline"), _VALUE),
    **_each("record.journal", ("spelled",), "makes what the sink `Journal` writes, as strict JSON"),
    **_each("record.journal", ("refuse_if_held",), "its words are an error, which `print_error` shows"),
    **_each("text.strict_json", ("read_json",), "reads"),
    **_each("text.strict_json", ("join_text",), "joins pieces of a reply, which is a value"),
    **_each(
        "text.strict_json",
        ("DuplicateKeyError", "HugeNumberError", "RespelledError", "DeepJsonError"),
        "their words become part of an error, which its sink escapes",
    ),
    **_each("record.codec", ("checked_types",), "looks at values"),
    **_each("record.gated", ("Score", "GatedCase", "GatedModel", "CostChange", "Gate"), _VALUE),
    **_each(
        "cli.output",
        ("print_document", "print_part", "print_workflow_command"),
        "prints what a sink of report has made whole: Markdown, HTML, commands",
    ),
    **_each("cli.output", ("workflow_folder",), "paths of ours"),
    **_each("cli.output", ("print_workflow_command",), "writes what the sink `error_annotations` has made"),
    **_each(
        "cli.output", ("guarded_streams",), "passes on what `print_error`, `print_line` and reports write"
    ),
    **_each("cli.terminal", ("Terminal",), "hands over to the sinks of report"),
    **_each("cli.terminal", ("ask_key",), "prints by `print_error`"),
    **_each("cli.terminal", ("Keys", "single_keys"), "shows nothing"),
    **_each("record.folder", ("outputs", "make_outputs"), "paths of ours"),
}
