"""Log lines: what they look like where, what never stands in them, how often, and that nobody waits for them."""

from __future__ import annotations

import ast
import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from probe.telemetry.log_sink import LogSink
from probe.telemetry.logs import (
    BURST,
    LONGEST,
    MOST_EVENTS,
    SPAN_S,
    JournalFormatter,
    JsonFormatter,
    RateLimit,
    TextFormatter,
    fields,
    is_journal,
    without_credentials,
)


def record(event: str, level: int = logging.INFO, /, **values: object) -> logging.LogRecord:
    made = logging.LogRecord("probe.test", level, "", 0, event, (), None)
    made.__dict__.update(fields(**values))
    return made


# --- how a line looks ---------------------------------------------------------------------------------


def test_a_json_line() -> None:
    made = json.loads(JsonFormatter().format(record("agent.started", tasks=12, tokens=["a", "b"])))
    assert made.pop("at").endswith("+00:00")
    assert made == {"level": "info", "event": "agent.started", "tasks": 12, "tokens": ["a", "b"]}


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7), (5, 7),
    ],
)  # fmt: skip
def test_the_journal_is_told_the_priority(level: int, priority: int) -> None:
    line = JournalFormatter().format(record("x", level))
    assert line.startswith(f'<{priority}>{{"at": ')


def test_the_journal_is_known_by_its_stream() -> None:
    there = os.fstat(0)
    assert is_journal(f"{there.st_dev}:{there.st_ino}", 0)
    assert not is_journal(f"{there.st_dev}:{there.st_ino + 1}", 0)
    assert not is_journal(None, 0)
    assert not is_journal("1:2", 10_000)


HOSTILE = "x\x1b[2J\x9b2J\rok\n12:00:00 error forged\x00\u2028\u202e\x7f"


def test_what_a_server_sent_moves_no_cursor_and_forges_no_line() -> None:
    line = TextFormatter().format(record("slot.error", detail=HOSTILE))
    first, second = line.split("\n")
    assert second.startswith("    "), "a line of ours begins with a time"
    assert first.isprintable()
    assert second.isprintable()
    made = JsonFormatter().format(record("slot.error", detail=HOSTILE))
    assert made.isprintable()
    assert json.loads(made)["detail"] == HOSTILE


def test_a_field_takes_no_place_of_the_lines_own() -> None:
    made = json.loads(
        JsonFormatter().format(record("config.rejected", at="acme.yaml:3:1", level="x", event="y"))
    )
    assert datetime.fromisoformat(made["at"]).tzinfo is UTC
    assert (made["level"], made["event"]) == ("info", "config.rejected")
    assert (made["detail_at"], made["detail_level"], made["detail_event"]) == ("acme.yaml:3:1", "x", "y")


def test_what_is_long_is_cut() -> None:
    line = JsonFormatter().format(record("x", detail="y" * 1_000_000))
    assert len(line) < LONGEST + 200
    assert "(1000000 characters)" in line


def test_an_error_is_named() -> None:
    made = record("x")
    made.exc_info = (OSError, ExceptionGroup("several", [OSError(28, "No space")]), None)
    assert json.loads(JsonFormatter().format(made))["exception"] == "OSError: [Errno 28] No space"
    assert TextFormatter().format(made).endswith("x (OSError: [Errno 28] No space)")


# --- what never stands in it --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "cannot fetch https://user:s3cretpassword@www.acme.example/",
        "https://:s3cretpassword@www.acme.example/",
        "GET /a.js?token=s3cretpassword&x=1",
        "sent Authorization: Bearer s3cretpassword",
        "proxy-authorization: basic s3cretpassword==",
    ],
)
def test_secrets_are_redacted(text: str) -> None:
    for formatter in (JsonFormatter(), TextFormatter(), JournalFormatter()):
        for made in (record("event", problem=text), record(text)):
            line = formatter.format(made)
            assert "s3cret" not in line
            assert "[redacted]" in line
            if not isinstance(formatter, TextFormatter):
                json.loads(line[line.index("{") :])


def test_ordinary_words_stay() -> None:
    text = "https://www.acme.example:443/a?x=1 basic facts; 12:00 a@b"
    assert without_credentials(text) == text


# --- how often ----------------------------------------------------------------------------------------


class Kept(logging.Handler):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


class Now:
    """A clock that stands."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def limited(now: Now) -> Iterator[tuple[Kept, RateLimit]]:
    handler = Kept()
    limit = RateLimit(handler, now)
    handler.addFilter(limit)
    yield handler, limit
    handler.close()


def told(handler: Kept) -> list[Any]:
    return [(r.getMessage(), getattr(r, "fields", {})) for r in handler.records]


def test_an_event_that_repeats_is_told_a_few_times_then_counted(
    limited: tuple[Kept, RateLimit], now: Now
) -> None:
    handler, _ = limited
    for _ in range(1000):
        handler.handle(record("slot.error"))
    handler.handle(record("store.write_failed"))
    assert [event for event, _ in told(handler)] == ["slot.error"] * BURST + ["store.write_failed"]
    handler.records.clear()
    now.s += SPAN_S
    handler.handle(record("other.event"))
    summary = {"suppressed": "slot.error", "of": "probe.test", "count": 1000 - BURST}
    assert told(handler) == [("log.suppressed", summary), ("other.event", {})]
    handler.records.clear()
    handler.handle(record("slot.error"))
    assert told(handler) == [("slot.error", {})], "then it is told again"


def test_what_was_held_back_is_told_at_the_end(limited: tuple[Kept, RateLimit]) -> None:
    handler, limit = limited
    for _ in range(BURST + 3):
        handler.handle(record("slot.error"))
    limit.finish()
    limit.finish()
    assert told(handler)[BURST:] == [
        ("log.suppressed", {"suppressed": "slot.error", "of": "probe.test", "count": 3})
    ]


def test_kinds_beyond_the_bound_are_counted_together(limited: tuple[Kept, RateLimit]) -> None:
    handler, limit = limited
    for number in range(MOST_EVENTS + 500):
        handler.handle(record(f"event.{number}"))
    assert len(handler.records) == MOST_EVENTS + BURST
    assert len(limit._seen) <= MOST_EVENTS + 1


# --- nobody waits for it ------------------------------------------------------------------------------


def test_a_reader_that_is_stuck_stops_nobody() -> None:
    read, write = os.pipe()
    with open(write, "w") as stream, open(read) as reader:
        sink = LogSink(stream, room=1000)
        sink.setFormatter(logging.Formatter("%(message)s %(fields)s", defaults={"fields": {}}))
        for number in range(50_000):  # who waited for the reader, who reads nothing yet, would wait for ever
            sink.emit(record(f"{number} " + "x" * 100))
        seen: list[str] = []
        reading = threading.Thread(target=lambda: seen.extend(reader), daemon=True)
        reading.start()
        sink.flush()
        more = 0
        while more < 1000 and not any(line.startswith("then it goes on") for line in list(seen)):
            sink.emit(record("then it goes on"))  # finding no room yet, it is counted as lost too
            sink.flush()
            more += 1
        sink.close()
        stream.close()
        reading.join(60)
    assert seen[0] == "0 " + "x" * 100 + " {}\n"
    lost = sum(
        ast.literal_eval(line.split(" ", 1)[1])["count"] for line in seen if line.startswith("log.lines_lost")
    )
    written = sum(not line.startswith("log.lines_lost") for line in seen)
    assert lost + written == 50_000 + more
    assert 1000 <= written < 50_000


def test_closing_writes_what_waits() -> None:
    stream = io.StringIO()
    sink = LogSink(stream)
    sink.setFormatter(logging.Formatter("%(message)s"))
    for number in range(100):
        sink.emit(record(str(number)))
    sink.close()
    assert stream.getvalue() == "".join(f"{number}\n" for number in range(100))


def test_a_reader_that_is_gone_is_no_error() -> None:
    stream = io.StringIO()
    sink = LogSink(stream)
    stream.close()
    sink.emit(record("x"))
    sink.close()


def test_a_process_tells_everything_before_it_ends() -> None:
    code = (
        "import logging; from probe.telemetry.logs import set_up, fields; set_up('info')\n"
        "for n in range(30): logging.getLogger('a').info('x', extra=fields(n=n))\n"
    )
    made = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    lines = [json.loads(line) for line in made.stderr.splitlines()]
    assert [line.get("n") for line in lines[:BURST]] == list(range(BURST))
    assert [(line["event"], line["count"]) for line in lines[BURST:]] == [("log.suppressed", 30 - BURST)]


def test_under_the_journal_a_process_gives_priorities() -> None:
    code = (
        "import logging, os, sys; from probe.telemetry.logs import set_up\n"
        "there = os.fstat(2); os.environ['JOURNAL_STREAM'] = f'{there.st_dev}:{there.st_ino}'\n"
        "set_up('info'); logging.getLogger('a').error('x')\n"
    )
    made = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert made.stderr.startswith('<3>{"at": ')
