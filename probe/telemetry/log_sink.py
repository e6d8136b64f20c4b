"""Rule: the log's reader may be slow, stuck or gone; no measurement waits for it, and dropped lines are counted.

A log handler with a bounded queue, which a thread of its own writes to a stream. Without it a journald that does not
read, because its disk hangs, would block the event loop in a write to stderr.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TextIO

ROOM = 10_000  # lines
CLOSE_S = 2.0


class LogSink(logging.Handler):
    """Formats a record at once and writes it later. `close` waits up to two seconds for the queue to be written."""

    def __init__(self, stream: TextIO, room: int = ROOM) -> None:
        super().__init__()
        self._stream = stream
        self._room = room
        self._lines: deque[str] = deque()
        self._news = threading.Condition()
        self._dropped = 0
        self._busy = self._closing = False
        self._writer: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Queue one record; beyond the room it is dropped and counted."""
        try:
            line = self.format(record)
        except Exception:
            self.handleError(record)
            return
        with self._news:
            if len(self._lines) >= self._room:
                self._dropped += 1
                return
            self._lines.append(line)
            if self._writer is None and not self._closing:
                self._writer = threading.Thread(target=self._write, name="log", daemon=True)
                self._writer.start()
            self._news.notify()

    def flush(self) -> None:
        """Wait until everything queued is written, for at most two seconds."""
        until_s = time.monotonic() + CLOSE_S
        with self._news:
            while (self._lines or self._busy) and (left_s := until_s - time.monotonic()) > 0:
                self._news.wait(left_s)

    def close(self) -> None:
        """Write what is queued, and end the thread."""
        with self._news:
            self._closing = True
            self._news.notify_all()
        self.flush()
        super().close()

    def _write(self) -> None:
        while True:
            with self._news:
                self._busy = False
                self._news.notify_all()
                while not self._lines:
                    if self._closing:
                        return
                    self._news.wait()
                lines = list(self._lines)
                self._lines.clear()
                dropped, self._dropped = self._dropped, 0
                self._busy = True
            if dropped:
                lines.append(self.format(_dropped_record("log.lines_lost", dropped)))
            try:
                self._stream.write("".join(f"{line}\n" for line in lines))
                self._stream.flush()
            except (OSError, ValueError):  # the reader is gone, so the error cannot be reported
                continue


def _dropped_record(event: str, count: int) -> logging.LogRecord:
    record = logging.LogRecord("probe.telemetry.logs", logging.WARNING, "", 0, event, (), None)
    record.fields = {"count": count}
    return record
