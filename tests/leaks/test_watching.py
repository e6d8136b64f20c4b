"""What counts as grown, and what a process is seen to hold."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.leaks.watching import Held, family, grown, held


def looks(
    rss: list[int], descriptors: list[int] | None = None, processes: list[int] | None = None
) -> list[Held]:
    return [
        Held(
            at_s=float(i),
            rss_kb=kb,
            descriptors=descriptors[i] if descriptors else 20,
            threads=5,
            processes=processes[i] if processes else 1,
        )
        for i, kb in enumerate(rss)
    ]


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (looks([50, *[100] * 11]), []),
        (looks([100, 101, 99, 104, 100, 103, 104, 102, 103, 104]), []),
        (looks([100 + 3 * i for i in range(12)]), ["resident memory grew from 109 kB to 127 kB"]),
        (looks([100] * 12, [20, 90, 20, 20, 20, 20, 20, 90, 20, 20, 20, 20]), []),
        (looks([100] * 12, [20 + 3 * i for i in range(12)]), ["descriptors grew from 23 to 38"]),
        (looks([100] * 12, [20, *[20, 40] * 3, *[20, 80] * 3][:12]), []),
        (looks([100] * 12, None, [1] * 6 + [9] * 6), ["processes grew from 1 to 9"]),
        (looks([100] * 3), ["too few looks to say anything"]),
    ],
)
def test_what_grows_is_said(seen: list[Held], words: list[str]) -> None:
    assert grown(seen, 1.0, 0.05) == words


def test_a_process_is_counted_with_its_children() -> None:
    before = held(os.getpid(), 0.0)
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"1\n"
        assert len(family(child.pid)) == 2
        now = held(os.getpid(), 1.0)
        child.communicate(b"\n")
    assert now.processes >= before.processes + 2
    assert now.rss_kb > before.rss_kb
    assert now.descriptors > before.descriptors
