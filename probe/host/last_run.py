"""Rule: why nobody measured is derived from the file that the last run wrote, not guessed from the gap.

`_boot.json` in the results directory: under which boot of the host the agent runs, since when, what it measures, how
long the host had been suspended. Written at the start, at every reload, after a suspension and at the end.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from probe.host.clock import Clock

FILE = "_boot.json"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
AT_MOST_BYTES = 64 << 20
SHUTTING_DOWN_US = (
    15 * 60 * 1_000_000
)  # a reboot takes about so long; the agent was stopped in good order before it
LEAST_SLEEP_US = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """What was known of a run when it was written down. `ended_us` (wall clock): None while it runs."""

    boot_id: str
    slept_us: int
    config: str
    tasks: tuple[str, ...]
    customers: tuple[str, ...]
    ended_us: int | None = None


def boot_id(path: Path = BOOT_ID) -> str:
    """The identifier of this boot of the host; empty where the kernel gives none."""
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def absence_reason(last: LastRun | None, *, clean: bool, boot: str, slept_us: int, booted_us: int) -> str:
    """Why no agent measured since the last run.

    `clean`: it had closed its store. `boot`, `slept_us`: the host now; `booted_us`: when it was booted (wall clock).
    """
    rebooted = last is not None and "" not in (last.boot_id, boot) and last.boot_id != boot
    if clean:
        ended_us = None if last is None else last.ended_us
        with_host = rebooted and ended_us is not None and booted_us - ended_us <= SHUTTING_DOWN_US
        return "host.rebooted" if with_host else "agent.stopped"
    if rebooted:
        return "host.rebooted"
    if last is not None and last.boot_id == boot and slept_us - last.slept_us >= LEAST_SLEEP_US:
        return "host.suspended"
    return "agent.crashed"


def booted_us(clock: Clock) -> int:
    """When the host was booted, by the wall clock of now (microseconds since the epoch)."""
    elapsed_ns = getattr(clock, "elapsed_ns", clock.monotonic_ns)
    return int(clock.time_ns() - elapsed_ns()) // 1000


def read_last_run(directory: Path) -> LastRun | None:
    """What the last run wrote; None where nothing can be read."""
    try:
        with open(directory / FILE, "rb") as stream:
            said = json.loads(stream.read(AT_MOST_BYTES))
        return LastRun(
            boot_id=_text(said["boot_id"]),
            slept_us=int(said["slept_us"]),
            config=_text(said["config"]),
            tasks=_texts(said["tasks"]),
            customers=_texts(said["customers"]),
            ended_us=None if said["ended_us"] is None else int(said["ended_us"]),
        )
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def write_last_run(directory: Path, run: LastRun) -> None:
    """Replace what is there, whole. Raises OSError."""
    made = directory / f"{FILE}.new"
    with open(made, "w", encoding="utf-8", opener=_private) as stream:
        json.dump(asdict(run), stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(made, directory / FILE)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _texts(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(map(_text, values))
