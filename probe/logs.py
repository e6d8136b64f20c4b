"""Rule: a log line is one JSON object on stderr with an event name; it carries no secret and no body.

journald and every collector split JSON by themselves; a terminal gets words instead.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime


def _words(error: BaseException) -> str:
    """Kind and text; a group of one is that one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


class JsonFormatter(logging.Formatter):
    """`logging.info("agent.started", extra={"fields": {...}})` -> one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Time (RFC 3339 UTC), level, event, and the fields given as `extra={"fields": ...}`."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _words(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)


class WordsFormatter(logging.Formatter):
    """The same for a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """`12:00:00 info  agent.started tasks=12`."""
        at = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        fields = " ".join(f"{key}={value}" for key, value in getattr(record, "fields", {}).items())
        line = f"{at} {record.levelname.lower():7} {record.getMessage()} {fields}".rstrip()
        if record.exc_info and record.exc_info[1] is not None:
            line += f" ({_words(record.exc_info[1])})"
        return line


def set_up(level: str, *, json_lines: bool | None = None) -> None:
    """Log to stderr; JSON unless stderr is a terminal, or as `json_lines` says."""
    handler = logging.StreamHandler(sys.stderr)
    as_json = not sys.stderr.isatty() if json_lines is None else json_lines
    handler.setFormatter(JsonFormatter() if as_json else WordsFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)


def fields(**values: object) -> dict[str, dict[str, object]]:
    """`log.info("event", extra=fields(tasks=3))`."""
    return {"fields": values}
