"""Rule: bytes a row are told of rows that a whole agent made, and of everything that the disk holds for them.

A whole agent measures a small CDN whose replies differ each time (`benchmarks.varied_server`), through one, three and
eight edges; one slot in twenty fails. More rows are made of these: the same observations, with new times, digests,
ids and jitter; what is equal within a row stays equal. The store writes them as an agent's, the real client pulls
them. Evidence is left out: it has a room of its own. Slots that the busy machine spoilt (neither well nor
with an edge at fault) are left out too, and counted; so are failing ones above one in twenty, which that leaves over.
`python -m benchmarks.row_bytes [--real 20000] [--rows 1000000] [--edges 3]`; rows of a results directory instead, as
of `cdn-probe demo --dir DIR`: `--results DIR/results`.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.peer_process import Ports, started
from benchmarks.pulling import client_pull, served
from benchmarks.server import NAME, ORIGIN
from probe.agent.agent import Agent
from probe.agent.parts import build
from probe.checks import CHECKS
from probe.core.model.times import utc_text
from probe.core.model.value import replace
from probe.core.records.codec import decode, encode
from probe.core.records.rows import SlotRecord, State
from probe.core.records.verdict import Fault, Outcome
from probe.core.scheduling.grid import to_us
from probe.host.clock import SystemClock
from probe.lab.pki import Pki
from probe.settings.config_files import load_config
from probe.store.read.reader import Reader
from probe.store.store import Store

EDGES = (1, 3, 8)
OBJECTS = 10
VANTAGE_POINTS = ("bj-ct", "gz-cu", "sh-cm", "cd-ct")
INTERVAL_S = 60
FAILS_ONE_IN = 20
BATCH, AT_ONCE = 100, 20
AGENT, CUSTOMER = "bench", "acme"
_PROGRAM = "benchmarks.varied_server"


@contextmanager
def cdn(directory: Path, edges: int) -> Iterator[Ports]:
    """The CDN in a process of its own. Raises RuntimeError if it does not start."""
    pki = Pki(directory / "pki")
    command = [sys.executable, "-m", _PROGRAM, str(pki.leaf("server", [NAME])), str(edges)]
    with started(command, pki.ca_file, Path(__file__).parent.parent) as ports:
        yield ports


def write_config(ports: Ports, directory: Path, interval_s: float) -> Path:
    """agent.yaml of an agent that measures it; the path of it."""
    directory.mkdir(parents=True)
    (directory / "customers").mkdir()
    points = "\n".join(
        f'  - {{name: {n}, resolvers: ["udp://{ORIGIN}:{ports.dns}"]}}' for n in VANTAGE_POINTS
    )
    agent = directory / "agent.yaml"
    agent.write_text(
        f"agent: {AGENT}\nresults: results\ncustomers: customers/\nvantage_points:\n{points}\n"
        "allow_addresses: [127.0.0.0/8]\n",
        encoding="utf-8",
    )
    checks = (
        "{availability: {status: [200]}, response_time: {ttfb: 8s, total: 9s}, integrity: {mode: exact},"
        " alias: {}}"
    )
    objects = "".join(f'      - {{path: "/static/app-{n}.js", checks: {checks}}}\n' for n in range(OBJECTS))
    (directory / "customers" / f"{CUSTOMER}.yaml").write_text(
        f"customer: {CUSTOMER}\n"
        f"defaults: {{interval: {round(interval_s * 1000)}ms, timeout: 10s,"
        f" vantage_points: [{', '.join(VANTAGE_POINTS)}]}}\n"
        f"domains:\n  - domain: {NAME}\n    scheme: https\n    port: {ports.https}\n    tls: {{ca: {ports.ca}}}\n"
        "    cdn: {suffixes: [cdn.example.net]}\n"
        f"    origin: {{address: {ORIGIN}, scheme: https, port: {ports.https}, host: {NAME}, interval: 60s}}\n"
        f"    objects:\n{objects}",
        encoding="utf-8",
    )
    return agent


async def real_lines(
    directory: Path, edges: int, rows: int, pace: float, most_s: float
) -> tuple[list[bytes], int]:
    """The lines of so many slots, measured by a whole agent; and how many others were left out."""
    tasks = OBJECTS * len(VANTAGE_POINTS)
    with cdn(directory, edges) as ports:
        config = load_config(
            write_config(ports, directory / "agent", pace * tasks * (0.004 + 0.006 * (1 + edges))), CHECKS
        )
        store = Store.open(directory / "agent" / "results", AGENT, SystemClock())
        found: list[bytes] = []
        failing = left_out = 0
        enough, stop = asyncio.Event(), asyncio.Event()

        def on_row(row: SlotRecord) -> None:
            nonlocal failing, left_out
            if row.state is not State.MEASURED:
                return
            well, failed = row.outcome is Outcome.OK, row.fault is Fault.CDN
            if well or (failed and failing < len(found) // FAILS_ONE_IN):
                found.append(encode(row))
                failing += failed
            else:
                left_out += 1
            if len(found) >= rows:
                enough.set()

        agent = Agent(build(config, CHECKS, store=store, on_row=(on_row,)))
        running = asyncio.ensure_future(agent.run(stop, drain_s=5.0))
        try:
            await asyncio.wait(
                (running, asyncio.ensure_future(enough.wait())),
                return_when=asyncio.FIRST_COMPLETED,
                timeout=most_s,
            )
        finally:
            stop.set()
            await running
            await store.close()
    return found[:rows], left_out


def lines_of(results: Path) -> list[bytes]:
    """The measured slots that are stored in a results directory, oldest first, or in a file of `--keep-lines`."""
    if results.is_file():
        return results.read_bytes().splitlines()
    with Reader.open(results) as reader:
        rows = (row for row in reader.follow({}) if isinstance(row, SlotRecord))
        return [
            encode(replace(row, host=replace(row.host, agent=AGENT)))
            for row in rows
            if row.state is State.MEASURED
        ]


_RANDOM_HEX = re.compile(r"[0-9a-f]{16,}")
_CACHE = re.compile(r"cache\d+\.(l2\w+)-\d+\[\d+,")


class _Due(msgspec.Struct):
    scheduled_at: str


_DUE = msgspec.json.Decoder(_Due)


class _Seen(msgspec.Struct):
    outcome: str
    observations: list[msgspec.Raw]


_SEEN = msgspec.json.Decoder(_Seen)


class Anew:
    """The same observations again, as if measured at another time."""

    def __init__(self, lines: Sequence[bytes], seed: int = 1) -> None:
        self._lines = lines
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        due = [_DUE.decode(line).scheduled_at for line in lines]
        first, last = min(due), max(due)
        self._first_us = to_us(first)
        span_us = INTERVAL_S * 1_000_000
        self._span_us = max(span_us, -(-(to_us(last) - self._first_us) // span_us) * span_us)

    def lines(self, number: int) -> Iterator[bytes]:
        """So many lines, in the order of time; the real ones first. The same in every version of the program."""
        for made in range(number):
            turn, index = divmod(made, len(self._lines))
            line = self._lines[index]
            if turn:
                line = msgspec.json.encode(self._moved(msgspec.json.decode(line), turn * self._span_us))
            yield line

    def rows(self, number: int) -> Iterator[SlotRecord]:
        """The same as records."""
        for line in self.lines(number):
            row = decode(line)
            assert isinstance(row, SlotRecord)
            yield row

    def _moved(self, row: dict[str, Any], by_us: int) -> dict[str, Any]:
        self._times_us: dict[int, int] = {}
        self._ages_s: dict[int, int] = {}
        self._at_s = (to_us(row["scheduled_at"]) + by_us) // 1_000_000
        moved: dict[str, Any] = self._value("", row, by_us)
        return moved

    def _time_us(self, us: int) -> int:
        """The look-up's times stand in every observation, an end is often a start: they stay the same."""
        if us not in self._times_us:
            self._times_us[us] = max(1, round(us * self._chance.uniform(0.8, 1.25)))
        return self._times_us[us]

    def _age_s(self, age_s: float) -> float:
        """The field Age and what was made of it go together, but for the time that the reply took."""
        whole = int(age_s)
        moved = self._ages_s.setdefault(whole, self._chance.randrange(600))
        return moved if age_s == whole else round(moved + self._chance.random(), 3)

    def _value(self, name: str, value: Any, by_us: int) -> Any:
        if isinstance(value, dict):
            return {key: self._value(key, inner, by_us) for key, inner in value.items()}
        if isinstance(value, list):
            if len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], str):
                return [value[0], self._field(value[0].lower(), value[1], by_us)]
            return [self._value(name, inner, by_us) for inner in value]
        if isinstance(value, int) and not isinstance(value, bool) and name.endswith("_us") and value > 20:
            return self._time_us(value)
        if name == "age_s" and value:
            return self._age_s(value)
        if isinstance(value, str) and name in ("scheduled_at", "started_at", "finished_at"):
            return utc_text(
                (to_us(value) + by_us + (0 if name == "scheduled_at" else self._chance.randrange(900))) / 1e6
            )
        if isinstance(value, str) and name in ("evidence_sha256", "evidence_id"):
            return f"{self._chance.getrandbits(4 * len(value)):0{len(value)}x}"
        if name == "source" and isinstance(value, str) and ":" in value:
            return f"{value.rpartition(':')[0]}:{self._chance.randrange(32768, 60999)}"
        return value

    def _field(self, name: str, value: str, by_us: int) -> str:
        if name == "date":
            return formatdate(self._at_s + self._chance.randrange(2), usegmt=True)
        if name == "age" and value.isdigit() and int(value):
            return str(self._age_s(int(value)))
        if name == "via":
            chance = self._chance
            return _CACHE.sub(
                lambda found: (
                    f"cache{chance.randrange(1, 40)}.{found[1]}-{chance.randrange(1, 9)}[{chance.randrange(90)},"
                ),
                value,
            )
        return _RANDOM_HEX.sub(
            lambda found: f"{self._chance.getrandbits(4 * len(found[0])):0{len(found[0])}x}", value
        )


async def fill(directory: Path, rows: Iterator[SlotRecord]) -> int:
    """Write them as an agent does; how many."""
    store = Store.open(directory, AGENT, SystemClock())
    count = 0
    try:
        while batches := [batch for _ in range(AT_ONCE) if (batch := _some(rows, BATCH))]:
            await asyncio.gather(*[store.append(batch) for batch in batches])
            count += sum(map(len, batches))
    finally:
        await store.close()
    return count


def _some(rows: Iterator[SlotRecord], number: int) -> list[SlotRecord]:
    return list(itertools.islice(rows, number))


def bytes_below(directory: Path) -> int:
    """Of all files."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def bytes_of_rows(results: Path) -> int:
    """Of all that a results directory holds for its rows: records with their indexes, logs and dictionaries."""
    return bytes_below(results) - (
        bytes_below(results / "_evidence") if (results / "_evidence").is_dir() else 0
    )


async def run(directory: Path, lines: Sequence[bytes], rows: int) -> dict[str, Any]:
    """All of rows made of these; names say the units."""
    place = directory / "served"
    count = await fill(place / "results", Anew(lines).rows(rows))
    async with served(place) as (url, token, pid):
        pulled = await client_pull(url, token, pid, directory / "copy", count)
    failed = observations = 0
    for line in lines:
        seen = _SEEN.decode(line)
        failed += seen.outcome != Outcome.OK.value
        observations += len(seen.observations)
    return {
        "real_rows": len(lines),
        "rows": count,
        "not_ok_share": round(failed / len(lines), 4),
        "observations": round(observations / len(lines), 2),
        "line_bytes": round(sum(map(len, lines)) / len(lines)),
        "bytes_a_row": round(bytes_of_rows(place / "results") / count, 1),
        "copy_bytes_a_row": round(bytes_below(directory / "copy") / count, 1),
        "pulled_rows_per_s": round(pulled["rows_per_s"]),
        "pulled_rows_per_s_of_processor": round(pulled["rows_per_s_of_processor"]),
    }


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=int, default=600, help="Slots that are measured.")
    parser.add_argument("--rows", type=int, default=6_000, help="Rows that are made of them.")
    parser.add_argument("--edges", type=int, nargs="*", default=EDGES)
    parser.add_argument("--pace", type=float, default=1.0, help="So many times slower, on a busy machine.")
    parser.add_argument("--minutes", type=float, default=600.0, help="The longest that a kind is measured.")
    parser.add_argument(
        "--results", type=Path, help="Take its rows instead: a directory, or a file of lines."
    )
    parser.add_argument("--keep-lines", type=Path, help="Write the real rows there too, one file a kind.")
    options = parser.parse_args()
    for edges in [None] if options.results else options.edges:
        with tempfile.TemporaryDirectory(prefix="cdn-probe-bytes-") as directory:
            told: dict[str, Any] = {}
            if edges is None:
                lines = lines_of(options.results)
            else:
                lines, left_out = asyncio.run(
                    real_lines(Path(directory), edges, options.real, options.pace, 60 * options.minutes)
                )
                told = {"edges": edges, "left_out": left_out}
            if options.keep_lines:
                options.keep_lines.mkdir(parents=True, exist_ok=True)
                with (options.keep_lines / f"{edges or 'rows'}.ndjson").open("wb") as file:
                    file.writelines(line + b"\n" for line in lines)
            told |= asyncio.run(run(Path(directory), lines, options.rows))
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
