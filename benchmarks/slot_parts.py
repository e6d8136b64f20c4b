"""Rule: a share of a slot is of processor time that passed, counted where it passed, by samples that weigh their time.

`python -m benchmarks.slot_parts [--seconds 8]`: what a whole slot's processor time goes into, ten at a time, as
`benchmarks.slots` measures it. The main thread is sampled each few milliseconds of processor time (SIGPROF); a sample
weighs what the thread used since the last one, and belongs to the innermost function that is of one part. Pieces that
many parts use (times, records, sockets) go to whoever called them. The writer's thread counts by its own clock, the
kernel beside, since it is in every part. Without perf's hardware counters, which virtual machines lack.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from benchmarks.programs import Servers, real_servers
from benchmarks.slots import our_slots
from benchmarks.versus import IN_FLIGHT, LABELS
from probe.host.gc import settle
from probe.net.event_loop import run

CASES = (("http", 10_000), ("https", 10_000), ("http", 1_000_000), ("https", 1_000_000))
SAMPLE_S = 0.002
WARM_UP, A_TURN = 200, 50
PROBE = f"{Path(__file__).parents[1] / 'probe'}{os.sep}"
LOOP = "the event loop"
# By the beginning of a file's path below `probe`, the first that fits; what fits none belongs to its caller.
PARTS = (
    ("fetch/body.py", "SHA-256 and counting of the body"),
    ("tls/", "TLS: OpenSSL and its buffers"),
    ("net/tls_transport.py", "TLS: OpenSSL and its buffers"),
    ("resolver/", "look-up over UDP"),
    ("core/dns/", "look-up over UDP"),
    ("fetch/", "connection, request and response"),
    ("net/transport.py", "connection, request and response"),
    ("core/http/", "connection, request and response"),
    ("core/caching/", "comparing and judging"),
    ("core/content/", "comparing and judging"),
    ("core/nodes/", "comparing and judging"),
    ("core/vantage/", "comparing and judging"),
    ("core/verdict/", "comparing and judging"),
    ("core/results/", "comparing and judging"),
    ("checks/", "comparing and judging"),
    ("measure/", "the slot itself: order, memory, origin's versions"),
    ("store/", "handing over to the store"),
)


def part_of(files: Iterator[str]) -> str:
    """The part that a stack belongs to, by the files of its frames, the innermost first."""
    for file in files:
        if file.startswith(PROBE):
            below = file[len(PROBE) :].replace(os.sep, "/")
            part = next((part for beginning, part in PARTS if below.startswith(beginning)), None)
            if part is not None:
                return part
    return LOOP


def _files(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        yield frame.f_code.co_filename
        frame = frame.f_back


@contextmanager
def sampled() -> Iterator[dict[str, float]]:
    """Seconds of this thread's processor time by part, within the block."""
    found: defaultdict[str, float] = defaultdict(float)
    last_s = time.thread_time()

    def sample(number: int, frame: FrameType | None) -> None:
        nonlocal last_s
        now_s = time.thread_time()
        found[part_of(_files(frame))] += now_s - last_s
        last_s = now_s

    before = signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, SAMPLE_S, SAMPLE_S)
    try:
        yield found
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


async def profile(servers: Servers, directory: Path, scheme: str, size: int, seconds: float) -> str:
    """The rows of one case, the largest part first."""
    async with our_slots(servers.ports, scheme, size, directory, IN_FLIGHT) as work:
        await work(WARM_UP)
        settle()
        slots, until = 0, time.monotonic() + seconds
        whole_s, own_s, kernel_s = time.process_time(), time.thread_time(), _kernel_s()
        with sampled() as parts:
            while time.monotonic() < until:
                await work(A_TURN)
                slots += A_TURN
        whole_s, own_s = time.process_time() - whole_s, time.thread_time() - own_s
        kernel_s = _kernel_s() - kernel_s
    parts["the store's thread"] = whole_s - own_s
    lines = [f"{LABELS[size]} over {scheme.upper()}: {whole_s / slots * 1e6:.0f} us a slot, {slots} slots"]
    ordered = sorted(parts.items(), key=lambda item: -item[1])
    lines += [_line(part, spent, whole_s, slots) for part, spent in ordered]
    lines.append(_line("(of all this, in the kernel)", kernel_s, whole_s, slots))
    return "\n".join(lines) + "\n"


def _line(part: str, spent_s: float, whole_s: float, slots: int) -> str:
    return f"{100 * spent_s / whole_s:5.1f} % {spent_s / slots * 1e6:6.0f} us  {part}"


def _kernel_s() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_stime


async def _main(seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="cdn-probe-parts-") as name:
        place = Path(name)
        with real_servers(place / "servers", sorted({size for _, size in CASES})) as servers:
            for scheme, size in CASES:
                found = await profile(servers, place / f"{scheme}-{size}", scheme, size, seconds)
                await asyncio.to_thread(sys.stdout.write, found)
                sys.stdout.flush()


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slot_parts", description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="So long each case is watched.")
    run(_main(parser.parse_args().seconds))


if __name__ == "__main__":
    main()
