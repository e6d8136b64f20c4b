"""Rule: a log line is one JSON object on stderr with an event name; it carries no secret and no body.

journald and every collector split JSON by themselves; a terminal gets words instead. Where stderr is the journal,
each line begins with its priority (`<3>`, sd-daemon(3)). An event that repeats is logged a few times a minute, then
only counted.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from probe.core.text.control_characters import CONTROL, escaped_in_json
from probe.core.text.redaction import REDACTED, without_secret_query
from probe.telemetry.log_sink import LogSink

BURST = 20  # lines of one event that are logged within a span
SPAN_S = 60.0
MOST_EVENTS = 1_000  # kinds that are counted apart
LONGEST = 4_000  # characters of one field
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_CREDENTIALS = re.compile(
    r"(://)[^/\s:@\"]*:[^/\s@\"]*(?=@)|\b((?:bearer|basic|digest)\s+)[\w.~+/=-]{6,}", re.IGNORECASE
)


def _error_text(error: BaseException) -> str:
    """Class and message; a group of one exception counts as that one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def without_credentials(text: str) -> str:
    """The text without what looks like a secret: user and password in URLs, authorization, secret query values."""
    hidden = _CREDENTIALS.sub(lambda found: f"{found[1] or found[2]}{REDACTED}", text)
    return without_secret_query(hidden)


def _cut(value: Any) -> Any:
    if isinstance(value, int | float | bool | None):
        return value
    text = value if isinstance(value, str) else str(value)
    if len(text) <= LONGEST:
        return value if isinstance(value, list | tuple | dict) else text
    return f"{text[:LONGEST]} ... ({len(text)} characters)"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    found = {key: _cut(value) for key, value in getattr(record, "fields", {}).items()}
    if record.exc_info and record.exc_info[1] is not None:
        found["exception"] = _cut(_error_text(record.exc_info[1]))
    return found


class JsonFormatter(logging.Formatter):
    """`logging.info("agent.started", extra={"fields": {...}})` -> one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Time (RFC 3339 UTC), level, event, and the fields given as `extra={"fields": ...}`."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": _cut(record.getMessage()),
        }
        # A field must not replace one of the line's own: it is written under another name.
        line |= {f"detail_{key}" if key in line else key: value for key, value in _fields(record).items()}
        made = without_credentials(json.dumps(line, ensure_ascii=False, default=str))
        return escaped_in_json(made)


class TextFormatter(logging.Formatter):
    """The same as plain text, for a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """`12:00:00 info  agent.started tasks=12`."""
        at = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        found = _fields(record)
        error = found.pop("exception", None)
        fields = " ".join(f"{key}={value}" for key, value in found.items())
        line = f"{at} {record.levelname.lower():7} {_cut(record.getMessage())} {fields}".rstrip()
        if error is not None:
            line += f" ({error})"
        # A field may hold what a server sent: it must not move the cursor, nor begin a line that looks like ours.
        return CONTROL.sub(lambda c: repr(c[0])[1:-1], without_credentials(line)).replace("\n", "\n    ")


class JournalFormatter(JsonFormatter):
    """The same with the priority in front."""

    def format(self, record: logging.LogRecord) -> str:
        """`<6>{"at": ...}`."""
        priority = next((number for level, number in _PRIORITIES if record.levelno >= level), 7)
        return f"<{priority}>{super().format(record)}"


@dataclass(slots=True)
class _Seen:
    since_s: float
    times: int = 0
    suppressed: int = 0


class RateLimit(logging.Filter):
    """Lets each event through `burst` times in a span; after the span it logs how many lines it held back."""

    def __init__(
        self, handler: logging.Handler, now_s: Callable[[], float] = time.monotonic, burst: int = BURST
    ) -> None:
        super().__init__()
        self._handler = handler
        self._now_s = now_s
        self._burst = burst
        self._seen: dict[tuple[str, str], _Seen] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged. Takes no lock: between threads a count may be off by one, no more."""
        now_s = self._now_s()
        for name, event, count in list(self._ended(now_s)):
            self._log_suppressed(name, event, count)
        key = (record.name, str(record.msg)[:200])
        if key not in self._seen and len(self._seen) >= MOST_EVENTS:
            key = ("", "other")
        seen = self._seen.setdefault(key, _Seen(now_s))
        seen.times += 1
        if seen.times <= self._burst:
            return True
        seen.suppressed += 1
        return False

    def finish(self) -> None:
        """Log how many lines were held back so far."""
        for name, event, count in list(self._ended(float("inf"))):
            self._log_suppressed(name, event, count)

    def _ended(self, now_s: float) -> Iterator[tuple[str, str, int]]:
        for key in [key for key, seen in list(self._seen.items()) if now_s - seen.since_s >= SPAN_S]:
            seen = self._seen.pop(key, None)
            if seen is not None and seen.suppressed:
                yield *key, seen.suppressed

    def _log_suppressed(self, name: str, event: str, count: int) -> None:
        record = logging.LogRecord("probe.telemetry.logs", logging.WARNING, "", 0, "log.suppressed", (), None)
        record.fields = {"suppressed": event, "of": name, "count": count}
        self._handler.emit(record)


class _Limited(LogSink):
    """At its end it also logs how many lines were held back."""

    limit: RateLimit

    def close(self) -> None:
        self.limit.finish()
        super().close()


def is_journal(environment: str | None, descriptor: int) -> bool:
    """Whether the descriptor is what systemd connected to the journal: $JOURNAL_STREAM is its device and inode."""
    try:
        there = os.fstat(descriptor)
    except (OSError, ValueError):
        return False
    return environment == f"{there.st_dev}:{there.st_ino}"


def set_up(level: str, *, json_lines: bool | None = None) -> None:
    """Log to stderr; JSON unless stderr is a terminal, or as `json_lines` says; with priorities for the journal."""
    handler = _Limited(sys.stderr)
    handler.limit = RateLimit(handler)
    handler.addFilter(handler.limit)
    as_json = not sys.stderr.isatty() if json_lines is None else json_lines
    journal = is_journal(os.environ.get("JOURNAL_STREAM"), sys.stderr.fileno())
    plain = JournalFormatter() if journal else JsonFormatter()
    handler.setFormatter(plain if as_json else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)


def fields(**values: object) -> dict[str, dict[str, object]]:
    """`log.info("event", extra=fields(tasks=3))`."""
    return {"fields": values}
