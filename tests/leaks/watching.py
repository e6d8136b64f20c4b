"""What a process holds, read out of /proc, and whether it stays flat."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Of one process and all its descendants, together; `at_s` since the start."""

    at_s: float
    rss_kb: int
    descriptors: int
    threads: int
    processes: int


def family(pid: int) -> list[int]:
    """The process and its descendants."""
    found, children = [pid], dict[int, list[int]]()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    for one in found:
        found += children.get(one, [])
    return found


def held(pid: int, at_s: float) -> Held:
    """Now. A process that ends meanwhile counts for what could be read of it."""
    pids, rss, descriptors, threads = family(pid), 0, 0, 0
    for one in pids:
        try:
            lines = dict(line.split(":", 1) for line in Path(f"/proc/{one}/status").read_text().splitlines())
            rss += int(lines.get("VmRSS", "0 kB").split()[0])
            threads += int(lines["Threads"])
            descriptors += len(os.listdir(f"/proc/{one}/fd"))
        except (OSError, KeyError, ValueError):
            continue
    return Held(at_s=at_s, rss_kb=rss, descriptors=descriptors, threads=threads, processes=len(pids))


def grown(seen: Sequence[Held], from_s: float, most_rss_share: float) -> list[str]:
    """What grew after `from_s`, in words; nothing: all is flat.

    The second half of the time from then on is held against the first: memory by its middle values, descriptors by
    their least, threads and processes, which are kept for later, by their greatest. Sockets come and go with what is
    being fetched: how many are open at most depends on how busy the machine is; what leaks is open also when the least
    is.
    """
    later = [each for each in seen if each.at_s >= from_s]
    half = len(later) // 2
    if half < 3:
        return ["too few looks to say anything"]
    before, after = later[:half], later[half:]
    found = []
    rss = _middle([each.rss_kb for each in before]), _middle([each.rss_kb for each in after])
    if rss[1] > rss[0] * (1 + most_rss_share):
        found.append(f"resident memory grew from {rss[0]} kB to {rss[1]} kB")
    for name, of, room in (("descriptors", min, 0.05), ("threads", max, 0.15), ("processes", max, 0.0)):
        was, now = of(asdict(each)[name] for each in before), of(asdict(each)[name] for each in after)
        if now > was * (1 + room) + 2:
            found.append(f"{name} grew from {was} to {now}")
    return found


def _middle(values: list[int]) -> int:
    return sorted(values)[len(values) // 2]
