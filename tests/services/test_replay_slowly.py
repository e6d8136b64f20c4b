"""A judge that is given a tenth of the processor gives the same verdicts: none rests on the machine's speed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "replay"
RUN_S, STOPPED_S = 0.01, 0.09


@contextmanager
def _a_tenth_of_the_processor(pid: int) -> Iterator[None]:
    """The process runs one part of ten of the time."""
    ended = threading.Event()

    def stop_and_go() -> None:
        while not ended.wait(RUN_S):
            os.kill(pid, signal.SIGSTOP)
            ended.wait(STOPPED_S)
            os.kill(pid, signal.SIGCONT)

    throttle = threading.Thread(target=stop_and_go)
    throttle.start()
    try:
        yield
    finally:
        ended.set()
        throttle.join()


def _judged(told: Path, *, slowly: bool) -> dict[str, object]:
    """What the judge wrote. To a file: a pipe's writer that is stopped in the middle is another matter."""
    with told.open("wb") as file:
        judge = subprocess.Popen(
            [sys.executable, "-m", "tests.support.judged_cases", str(CASES)], stdout=file, cwd=ROOT
        )
    try:
        with _a_tenth_of_the_processor(judge.pid) if slowly else nullcontext():
            os.waitid(os.P_PID, judge.pid, os.WEXITED | os.WNOWAIT)  # its number stays its own
        assert judge.wait() == 0
    finally:
        judge.kill()
        judge.wait()
    found: dict[str, object] = json.loads(told.read_bytes())
    return found


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_judge_with_a_tenth_of_the_processor_gives_the_same_verdicts(tmp_path: Path) -> None:
    at_once = _judged(tmp_path / "at_once", slowly=False)
    slowly = _judged(tmp_path / "slowly", slowly=True)
    assert len(at_once) >= len(list(CASES.glob("*/case.json"))) + 7
    assert slowly == at_once
