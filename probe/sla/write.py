"""A report as JSON and as CSV; the HTML page is made in `probe.sla.html`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import msgspec

from probe.core.sla.report.values import Report, Subject

COLUMNS = (
    "customer", "domain", "period", "begin", "end", "word", "why", "part", "name", "view", "requests", "errors",
    "unknown_requests", "bad_grains", "unavailable_us", "possible_us", "availability", "percent", "met", "rows",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_json(report: Report) -> str:
    """One object; its schema is `cdn-probe schema report`."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1).decode() + "\n"


def report_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of what `as_json` writes."""
    schema = msgspec.json.schema(Report)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "cdn-probe: a report",
        **schema,
    }


def as_csv(report: Report) -> str:
    """RFC 4180: a line for each figure, part and span of time down; text that a sheet would compute is defused."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for subject in report.subjects:
        for line in _lines(subject):
            writer.writerow({name: _cell(value) for name, value in {**_begin(subject), **line}.items()})
    return out.getvalue()


def _begin(subject: Subject) -> dict[str, object]:
    return {
        "customer": subject.customer,
        "domain": subject.domain,
        "period": subject.period.name,
        "begin": subject.period.begin,
        "end": subject.period.end,
        "word": subject.word.value,
        "why": " ".join(subject.why),
    }


def _lines(subject: Subject) -> Iterator[dict[str, object]]:
    grains = subject.grains
    for figure in subject.figures:
        yield {
            "part": "whole",
            "view": figure.view,
            "requests": "" if grains is None else grains.requests,
            "errors": "" if grains is None else grains.errors,
            "unknown_requests": "" if grains is None else grains.unknown_requests,
            "bad_grains": figure.bad_grains,
            "unavailable_us": figure.unavailable_us,
            "availability": figure.availability,
            "percent": figure.percent,
            "met": figure.met,
        }
    for part in subject.slices:
        counts = {"requests": part.requests, "errors": part.errors, "unknown_requests": part.unknown_requests}
        named = {"part": part.dimension, "name": part.name, **counts}
        yield {
            **named,
            "view": "literal",
            "bad_grains": part.bad_grains,
            "unavailable_us": part.unavailable_us,
        }
        yield {**named, "view": "shown", "unavailable_us": part.shown_unavailable_us}
    for run in subject.runs:
        yield {
            "part": "run",
            "view": run.view,
            "begin": run.begin,
            "end": run.end,
            "bad_grains": run.grains,
            "unavailable_us": run.in_period_us,
            "rows": " ".join(run.rows),
        }
    for down in subject.down:
        yield {
            "part": "down",
            "name": down.kind,
            "unavailable_us": down.shown_us,
            "possible_us": down.possible_us,
        }
    for one in subject.criteria:
        yield {"part": "criterion", "name": f"{one.name} {one.part}".strip(), "word": one.word.value,
               "why": " ".join(one.why), "requests": one.samples, "rows": " ".join(one.rows)}  # fmt: skip


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
