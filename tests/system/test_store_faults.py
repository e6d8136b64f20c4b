"""The disk fails in the middle of system calls: nothing acknowledged is missing, and writing goes on by itself."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from probe.core.proof.chain import GENESIS, line_digest
from probe.host.clock import SystemClock
from probe.store.base.parts import parts_of
from probe.store.read.reader import Reader
from probe.store.store import Store
from probe.store.upkeep.check import check_part
from tests.system.programs import find, need

ROOT = Path(__file__).parents[2]
ROUNDS = 60
FAULTS = {
    "fdatasync fails": "fdatasync:error=EIO:when=30+40",
    "fdatasync says the disk is full": "fdatasync:error=ENOSPC:when=30+37",
    "writing fails": "pwrite64:error=EIO:when=150+397",
    "the disk is full": "pwrite64:error=ENOSPC:when=200+331",
    "the quota is used up": "pwrite64:error=EDQUOT:when=300+353",
    "it is read-only for a time": "pwrite64:error=EROFS:when=250+311",
    "reading fails": "pread64:error=EIO:when=230+301",
    # While a part is begun, looked at or opened anew there are more reads than that: no such round is without one.
    "reading fails often": "pread64:error=EIO:when=230+101",
    "reading fails very often": "pread64:error=EIO:when=230+53",
    "truncating fails": "ftruncate:error=EIO:when=4+23",
}


def made_before(directory: Path) -> None:
    """A results directory, so that opening it takes few system calls."""

    async def once() -> None:
        await Store.open(directory, "a1", SystemClock()).close()

    asyncio.run(once())


def run(command: list[str], within_s: float = 60.0) -> tuple[int, str, str]:
    """Exit code, output, errors; the whole group is ended, for a process outlives the strace that is killed."""
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as made:
        try:
            out, errors = made.communicate(timeout=within_s)
        finally:
            if made.poll() is None:
                os.killpg(made.pid, signal.SIGKILL)
        return made.returncode, out, errors


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_acknowledged_is_missing_and_it_goes_on(fault: str, tmp_path: Path) -> None:
    need("strace")
    directory, trace = tmp_path / "r", tmp_path / "trace"
    made_before(
        directory
    )  # a start that meets a broken disk is refused with words: tests/store/test_store.py
    call = FAULTS[fault].partition(":")[0]
    command = [
        str(find("strace")), "-f", "-qq", "-o", str(trace), "--seccomp-bpf", "-e", f"trace={call}",
        "-e", f"inject={FAULTS[fault]}",
        sys.executable, "-m", "tests.system.store_faults", str(directory), str(ROUNDS),
    ]  # fmt: skip
    code, out, errors = run(command)
    assert code == 0, errors[-3000:]
    *told, last = [json.loads(line) for line in out.splitlines()]
    injected = len(re.findall(r"\(INJECTED\)", trace.read_text()))
    assert injected >= 1, "nothing was broken"
    assert last == {"done": 8 * ROUNDS * 3, "lost": 0, "shed": 0}
    acknowledged = {int(seq): summary for line in told for seq, summary in line.items()}
    assert len(acknowledged) == 8 * ROUNDS * 3, "each number once"
    stored, digest, after = {}, GENESIS, 0
    with Reader.open(directory) as reader:
        while lines := reader.lines("acme", after, 500):
            for line in lines:
                record = json.loads(line.text)
                assert (record["seq"], record["previous"]) == (after + 1, digest)
                stored[record["seq"]] = record["summary"]
                after, digest = line.seq, line_digest(line.text.encode())
    assert stored == acknowledged, "all of it, and nothing twice"
    assert [check_part(part.path) for part in parts_of(directory)] == [None] * len(parts_of(directory))
    if call == "fdatasync":
        assert "write_failed" in errors
