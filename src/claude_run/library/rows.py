"""Runs as flat rows, made of what the files of a run say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_run.library.calls import read_run, said_as_ours
from claude_run.library.values import ROWS, Run, Tables, columns_of
from claude_run.text.strict_json import plain_json

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping

_COUNTS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


def tables(*runs: Run | str | os.PathLike[str]) -> Tables:
    """Return runs, or the folders of runs, as tables of their runs, conversations, turns and checks.

    A run that is named several times, as `outputs/latest` and by its own name, is there once. What is no
    text, number or boolean is JSON text. InputError where a folder holds no run.
    """
    found: dict[str, list[Any]] = {name: [] for name in ROWS}
    seen = set[str]()
    with said_as_ours():
        for each in runs:
            run = each if isinstance(each, Run) else read_run(Path(each))
            if run.run_id and run.run_id in seen:
                continue
            seen.add(run.run_id)
            found["runs"].append(_run_row(run))
            for line in run.conversations:
                ids = {"run_id": run.run_id, "conversation_id": line["conversation_id"]}
                found["conversations"].append(_row("conversations", ids, _conversation(line)))
                found["turns"] += [_row("turns", ids, _turn(turn)) for turn in line["turns"]]
                found["checks"] += [_row("checks", ids, check) for check in _checks(line)]
    return Tables(**found)


def _row(table: str, *parts: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a row of that table
    """Return a row with the columns of its table, in order and of their types."""
    values = {name: value for part in parts for name, value in part.items()}
    return {name: _cell(values.get(name), kind) for name, kind in _COLUMNS[table].items()}


_COLUMNS = {name: columns_of(row) for name, row in ROWS.items()}


def _cell(value: Any, kind: type) -> Any:  # noqa: ANN401 - a scalar of that type
    if value is None:
        return None
    return float(value) if kind is float else value


def _run_row(run: Run) -> Any:  # noqa: ANN401 - same
    summary, totals = run.summary, run.summary["totals"]
    gate = summary["gate"]
    more = {
        "run_id": run.run_id,
        "folder": str(run.folder),
        "gate": None if gate is None else gate["verdict"],
        "judge_cost_usd": totals["judge"]["cost_usd"],
    }
    return _row("runs", summary, totals, _used(totals), more)


def _used(of: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tokens and the cost of what has a usage; None for each where nothing was used."""
    usage = of["usage"] or {}
    return {**{name: usage.get(name) for name in _COUNTS}, "cost_usd": of["cost_usd"]}


def _conversation(line: Mapping[str, Any]) -> dict[str, Any]:
    latencies = [turn["latency_s"] for turn in line["turns"] if turn["latency_s"] is not None]
    return {
        **line,
        **_used(line),
        **{name: _json(line[name]) for name in ("tags", "vars", "params")},
        "replies": len(latencies),
        "latency_s": sum(latencies) if latencies else None,
        "judge_cost_usd": None if line["judge"] is None else line["judge"]["cost_usd"],
    }


def _turn(turn: Mapping[str, Any]) -> dict[str, Any]:
    reply, content = turn["reply"] or {}, turn["content"]
    return {
        **turn,
        **_used(turn),
        "turn": turn["index"],
        "content": content if isinstance(content, str) else _json(content),
        "reply": reply.get("text"),
        "reply_model": reply.get("model"),
        **{name: reply.get(name) for name in ("stop_reason", "request_id", "received_at")},
    }


def _checks(line: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the checks of a conversation, each before those inside it, numbered from 1."""
    number = 0

    def flat(
        checks: Iterable[Mapping[str, Any]], turn: int | None, parent: int | None
    ) -> Iterator[dict[str, Any]]:
        nonlocal number
        for check in checks:
            number += 1
            own = number
            yield {
                **check,
                **check["position"],
                "check": own,
                "parent": parent,
                "turn": turn,
                "expected": _json(check["expected"]),
                "actual": _json(check["actual"]),
            }
            yield from flat(check["children"], turn, own)

    for turn in line["turns"]:
        yield from flat(turn["checks"], turn["index"], None)
    yield from flat(line["checks"], None, None)


def _json(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    return None if value is None else plain_json(value)
