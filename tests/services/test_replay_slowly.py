"""A judge that is given a tenth of the processor gives the same verdicts: none rests on the machine's speed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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


def _judged(*, slowly: bool) -> dict[str, object]:
    judge = subprocess.Popen(
        [sys.executable, "-m", "tests.support.judged_cases", str(CASES)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    try:
        assert judge.stdout is not None
        if slowly:
            with _a_tenth_of_the_processor(judge.pid):  # not waited for in here: its id stays its own
                text = judge.stdout.read()
        else:
            text = judge.stdout.read()
        assert judge.wait() == 0
    finally:
        judge.kill()
        judge.wait()
        judge.stdout.close()
    found: dict[str, object] = json.loads(text)
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_judge_with_a_tenth_of_the_processor_gives_the_same_verdicts() -> None:
    at_once, slowly = _judged(slowly=False), _judged(slowly=True)
    assert len(at_once) >= len(list(CASES.glob("*/case.json"))) + 7
    assert slowly == at_once
