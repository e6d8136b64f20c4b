"""The life of an agent in a booted machine: its process as the host sees it, and what it stores."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.agent_process import workers_of
from tests.system.booted import Machine, json_rows


def results(machine: Machine) -> list[dict[str, Any]]:
    """All records, the oldest first, as `cdn-probe results` gives them."""
    command = ("cdn-probe", "results", "-d", "/var/lib/cdn-probe", "list", "--json", "--limit", "100000")
    return json_rows(machine.run(*command))[::-1]


def slots(rows: list[dict[str, Any]], state: str | None = None) -> list[dict[str, Any]]:
    """The slots among the records."""
    return [row for row in rows if row["kind"] == "slot" and state in (None, row["state"])]


@dataclass(frozen=True, slots=True)
class Life:
    """The machine with an agent that was started, and a reader that stays beside it."""

    machine: Machine
    reader: subprocess.Popen[str]
    tasks: int

    def rows(self) -> list[dict[str, Any]]:
        """All records until now."""
        assert self.reader.stdin is not None
        assert self.reader.stdout is not None
        self.reader.stdin.write("look\n")
        self.reader.stdin.flush()
        return [json.loads(line) for line in iter(self.reader.stdout.readline, "end\n")]

    def measured(self) -> list[dict[str, Any]]:
        """The slots that were measured."""
        return slots(self.rows(), "measured")

    def missed(self) -> Counter[str]:
        """Why slots were missed, and how many."""
        return Counter(row["missed_reason"] for row in slots(self.rows(), "missed"))

    def events(self, customer: str) -> list[str]:
        """The names of the events in a customer's stream."""
        return [r["event"] for r in self.rows() if r["kind"] == "event" and r["customer"] == customer]

    def restarts(self) -> int:
        """How often systemd has started it again."""
        return int(self.machine.show("cdn-probe", "NRestarts"))

    def main_pid(self) -> int:
        """The agent's process id as the host knows it."""
        inside, home = self.machine.show("cdn-probe", "MainPID"), Path(f"/proc/{self.machine.leader}")
        for process in Path("/proc").iterdir():
            if (
                process.name.isdigit()
                and _ids(process)[-1:] == [inside]
                and _namespace(process) == _namespace(home)
            ):
                return int(process.name)
        raise AssertionError(f"no process {inside} in the machine")

    def workers(self) -> list[int]:
        """The process ids of the agent's workers as the host knows them."""
        return workers_of(self.main_pid())

    def until_measured_again(self) -> None:
        """Until a slot of each task is measured that was due from now on."""
        now = self.machine.run("date", "-u", "+%Y-%m-%dT%H:%M:%S.%6NZ").strip()

        def again() -> bool:
            return len({row["task"] for row in self.measured() if row["scheduled_at"] > now}) == self.tasks

        self.machine.until(again, "it measures again")


@contextmanager
def observed(machine: Machine, reader: Sequence[str], tasks: int) -> Iterator[Life]:
    """`reader`: rows_in_machine.py as it is to be started. `tasks`: so many has the agent."""
    with machine.talking_to(*reader) as process:
        yield Life(machine=machine, reader=process, tasks=tasks)


def _ids(process: Path) -> list[str]:
    try:
        found = re.search(r"^NSpid:\s*(.*)$", (process / "status").read_text(), re.MULTILINE)
    except OSError:
        return []
    return found.group(1).split() if found and len(found.group(1).split()) > 1 else []


def _namespace(process: Path) -> str | None:
    try:
        return os.readlink(process / "ns/pid")
    except OSError:
        return None
