"""`python -m tests.viewers.month`: a store of 31 days, its page served and written, and `cdn-probe incidents` over it.

Rows as an agent stores them, with incidents on record; then each is timed as a process of its own: seconds on the clock
and of the processor, the most memory that it held. Prints one line of JSON; exits with 1 if a page or an incident is
missing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import aiohttp
import yaml

from probe.core.incidents.incident import detail_of
from probe.core.incidents.looks import look_of
from probe.core.incidents.rules import Rules
from probe.core.incidents.sentence import sentence
from probe.core.incidents.tracker import Tracker
from probe.core.model.value import replace
from probe.core.records.rows import Record, SlotRecord
from probe.core.records.verdict import Outcome
from probe.core.results.rows import event_row
from probe.core.text.tokens import hash_token, make_token
from probe.host.clock import SystemClock, rfc3339
from probe.store.store import Store
from tests.api.page.signed import failed, well
from tests.support.agent_process import listens, until
from tests.support.rows import HOST
from tests.support.with_parent import WITH_PARENT
from tests.system.programs import free_port
from tests.viewers.world import resident_mb, spent_s

DAYS, STEP_S, BATCH = 31, 300, 5_000
TOKEN = make_token(b"m" * 32)
TOLD = "r=resource.getrusage(resource.RUSAGE_CHILDREN);print(json.dumps([r.ru_utime+r.ru_stime,r.ru_maxrss/1000]))"
TIMED = f"import json,resource,subprocess,sys;p=subprocess.run(sys.argv[1:],stdout=open('out','wb'));{TOLD}"


class Then(SystemClock):
    """The time at which a row is stored."""

    now_s = 0.0

    def time_ns(self) -> int:
        return round(self.now_s * 1e9)


def rows_at(at_s: int, domains: int, points: int) -> Iterator[SlotRecord]:
    """One look at each from each place; each domain fails twice a day from everywhere for a quarter of an hour."""
    due = rfc3339(at_s * 10**9)
    for number in range(domains):
        bad = (at_s // STEP_S + 17 * number) % 144 < 3
        for point in range(points):
            yield replace(pattern(number, point, bad), scheduled_at=due, started_at=due, finished_at=due)


@cache
def pattern(number: int, point: int, bad: bool) -> SlotRecord:
    """A row of a domain from a place, of no time."""
    made = (failed if bad else well)(
        0,
        id=f"{number:08x}{point:08x}",
        domain=f"www{number:03}.acme.example",
        vantage_point=f"v{point}",
        region="CN-BJ",
    )
    return replace(made, host=HOST)


async def fill(results: Path, domains: int, points: int) -> tuple[int, int]:
    """All of it up to now; how many rows and how many incidents."""
    clock, tracker, rows, incidents = Then(), Tracker(Rules()), 0, 0
    end_s = int(time.time()) // STEP_S * STEP_S
    clock.now_s = end_s - DAYS * 86_400
    store = Store.open(results, "a1", clock)
    batch: list[Record] = []
    for at_s in range(end_s - DAYS * 86_400, end_s, STEP_S):
        clock.now_s = at_s + 2
        for row in rows_at(at_s, domains, points):
            rows += 1
            batch.append(row)
            for told in tracker.feed(look_of(replace(row, seq=rows), (Outcome.FAILED,))):
                incidents += told.stage == "opened"
                detail = {**detail_of(told.incident), "sentence": sentence(told.incident)}
                batch.append(event_row(row.customer, rfc3339(clock.time_ns()), told.event, detail, HOST))
        if len(batch) > BATCH:
            await store.append(batch)
            batch = []
    if batch:
        await store.append(batch)
    await store.close(within_s=60)
    return rows, incidents


async def timed(directory: Path, *arguments: str) -> tuple[dict[str, float], str]:
    """A command to its end: clock, processor, memory; and what it printed."""
    begun_s = time.monotonic()
    child = await asyncio.create_subprocess_exec(
        *(*WITH_PARENT, sys.executable, "-c", TIMED, sys.executable, "-m", "probe", *arguments),
        cwd=directory, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await child.communicate()
    processor_s, most_mb = json.loads(out)
    told = {"s": time.monotonic() - begun_s, "processor_s": processor_s, "most_mb": most_mb}
    return {name: round(value, 1) for name, value in told.items()}, (directory / "out").read_text()


async def served(directory: Path, port: int) -> dict[str, object]:
    """The API's process: until its page is whole, and each span of it then."""
    begun_s = time.monotonic()
    child = await asyncio.create_subprocess_exec(
        *(*WITH_PARENT, sys.executable, "-m", "probe", "serve", "-c", str(directory / "agent.yaml")),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    told: dict[str, object] = {}
    try:
        await until(lambda: listens(port), 60)
        told["listens after s"] = round(time.monotonic() - begun_s, 1)
        url = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            sign = {"Sec-Fetch-Site": "same-origin"}
            await session.post(f"{url}/sign-in", data={"credential": TOKEN}, headers=sign)

            async def look(path: str) -> str:
                async with session.get(url + path) as answer:
                    assert answer.status == 200, answer.status
                    return await answer.text()

            first = await look("/")
            told["first page after s"] = round(time.monotonic() - begun_s, 1)
            assert "www000.acme.example" in first
            while "parts are missing" in await look("/"):
                await asyncio.sleep(0.3)
            told["whole after s"] = round(time.monotonic() - begun_s, 1)
            told["processor s until then"] = round(spent_s(child.pid), 1)
            for span in ("24h", "7d", "30d"):
                before, at_s = spent_s(child.pid), time.monotonic()
                page = await look(f"/?span={span}&zone=Asia/Tokyo")
                spent = round(1000 * (spent_s(child.pid) - before)), round(1000 * (time.monotonic() - at_s))
                told[f"{span}: processor ms, clock ms, kB"] = [*spent, round(len(page.encode()) / 1000)]
            incident = re.search(r"/incident/[0-9a-f]{16}", page)
            assert incident is not None
            assert "Timeline" in await look(incident[0]) or "course" in await look(incident[0])
        told["resident MB"] = round(resident_mb(child.pid))
    finally:
        child.terminate()
        await child.wait()
    return told


async def main() -> int:
    """See above."""
    options = argparse.ArgumentParser(prog="python -m tests.viewers.month", description=__doc__)
    options.add_argument("--domains", type=int, default=20)
    options.add_argument("--vantage-points", type=int, default=2)
    asked = options.parse_args()
    directory, port = Path(tempfile.mkdtemp(prefix="month-")), free_port()
    (directory / "customers").mkdir()
    reader = {"name": "desk", "hash": hash_token(TOKEN), "customers": ["*"]}
    agent = {
        "agent": "a1", "results": "results", "customers": "customers/", "vantage_points": [{"name": "v0"}],
        "api": {"listen": f"127.0.0.1:{port}", "page": {}, "tokens": [reader]},
    }  # fmt: skip
    (directory / "agent.yaml").write_text(yaml.safe_dump(agent))
    begun_s = time.monotonic()
    rows, incidents = await fill(directory / "results", asked.domains, asked.vantage_points)
    size = sum(file.stat().st_size for file in (directory / "results").rglob("*") if file.is_file())
    told: dict[str, object] = {
        "rows": rows,
        "incidents": incidents,
        "store MB": round(size / 1e6),
        "made in s": round(time.monotonic() - begun_s),
    }
    print(json.dumps(told), flush=True)
    told["page, served"] = await served(directory, port)
    print(json.dumps(told["page, served"]), flush=True)
    told["incidents --all"], listed = await timed(
        directory, *("incidents", "-c", "agent.yaml", "--all", "--json")
    )
    told["listed"] = len(listed.splitlines())
    told["incidents --all results"], found = await timed(directory, "incidents", "results", "--all", "--json")
    told["found"] = len(found.splitlines())
    told["page results --into"], _ = await timed(directory, "page", "results", "--into", "page")
    told["files"] = len(list((directory / "page").rglob("*.html")))
    print(json.dumps(told))
    shutil.rmtree(directory)
    return 0 if told["files"] and min(len(listed.splitlines()), len(found.splitlines())) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
