"""`python -m tests.viewers [--domains 50] [--viewers 50] [--seconds 60]`: the page open in front of many people.

In turns with viewers and without; then the page of one who just came, and the metrics. Prints what came of it and one
line of JSON. Exits with 1 if somebody was accused, a slot was missed in a turn with viewers and in none without, a page
was not given, or slots began more than 5 ms later (p99 of all turns; neighbouring ones are told too).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import aiohttp

from tests.support.browser import browser
from tests.viewers.beside import Turn, accused, lateness, rows_of, turn
from tests.viewers.looking import Looked, look, sign_in
from tests.viewers.world import Size, World, measuring

MOST_LATER_MS = 5.0
PICTURES = ((1280, 900, False), (390, 844, True))


async def main() -> int:
    """See above."""
    options = argparse.ArgumentParser(prog="python -m tests.viewers", description=__doc__)
    options.add_argument("--domains", type=int, default=50)
    options.add_argument("--vantage-points", type=int, default=4)
    options.add_argument("--interval", type=int, default=10, help="seconds")
    options.add_argument("--viewers", type=int, default=50)
    options.add_argument("--tokens", type=int, default=50)
    options.add_argument("--seconds", type=float, default=20.0, help="of each turn")
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--pictures", type=Path, help="directory for pictures by Chromium")
    asked = options.parse_args()
    size = Size(
        domains=asked.domains,
        vantage_points=asked.vantage_points,
        interval_s=asked.interval,
        tokens=asked.tokens,
    )
    directory = Path(tempfile.mkdtemp(prefix="viewers-"))
    async with measuring(directory, size) as world:
        os.nice(
            19
        )  # viewers have hosts of their own: what they do here must not be taken for what they cause
        await asyncio.sleep(2 * asked.interval)  # past the start, every object was looked at
        turns = []
        for number in range(2 * asked.rounds):
            turns.append(await turn(world, asked.viewers if number % 2 else 0, asked.seconds))
        told = {**_beside(world, turns), **await _one(world)}
        if asked.pictures is not None:
            await _pictures(world, asked.pictures)
    for name, value in told.items():
        print(f"{name:42} {value}")
    print(json.dumps(told))
    shutil.rmtree(directory)
    return 1 if told["faults"] else 0


def _beside(world: World, turns: list[Turn]) -> dict[str, object]:
    rows = rows_of(world)
    without, with_viewers = ([one for one in turns if bool(one.viewers) is seen] for seen in (False, True))
    plain, seen = lateness(rows, without), lateness(rows, with_viewers)
    pairs = [
        lateness(rows, [b]).p99_ms - lateness(rows, [a]).p99_ms
        for a, b in zip(without, with_viewers, strict=True)
    ]
    later_ms = round(seen.p99_ms - plain.p99_ms, 2)
    looked = Looked()
    for one in with_viewers:
        looked.statuses += one.looked.statuses
        looked.took_s += one.looked.took_s
        looked.sent += one.looked.sent
    took = sorted(looked.took_s)
    missed = sum(row.state != "measured" for row in rows)
    faults = [f"accused: {row.domain} {row.reason}" for row in accused(rows)]
    faults += [f"pages: {dict(looked.statuses)}"] if set(looked.statuses) != {200} else []
    if later_ms > MOST_LATER_MS:
        faults.append(f"slots began {later_ms} ms later")
    if set(seen.verdicts) - set(plain.verdicts):
        faults.append(f"only with viewers: {set(seen.verdicts) - set(plain.verdicts)}")
    return {
        "slots without viewers, with": [plain.slots, seen.slots],
        "lateness p50, ms: without, with": [round(plain.p50_ms, 2), round(seen.p50_ms, 2)],
        "lateness p99, ms: without, with": [round(plain.p99_ms, 2), round(seen.p99_ms, 2)],
        "p99 later by, ms: in all, of each": [later_ms, *(round(one, 2) for one in pairs)],
        "verdicts without, with": [dict(plain.verdicts), dict(seen.verdicts)],
        "missed in all": missed,
        "pages": dict(looked.statuses),
        "pages a second": round(len(took) / sum((b.to_us - b.from_us) / 1e6 for b in with_viewers), 1),
        "page took, ms: p50, p99": [round(1000 * took[len(took) * n // 100], 1) for n in (50, 99)],
        "page sent, kB: least, most": [round(min(looked.sent) / 1000), round(max(looked.sent) / 1000)],
        "agent, of a core: without, with": [_share(without, "agent"), _share(with_viewers, "agent")],
        "API, of a core: without, with": [_share(without, "api"), _share(with_viewers, "api")],
        "faults": faults,
    }


def _share(turns: list[Turn], who: str) -> float:
    return round(median(one.agent_share if who == "agent" else one.api_share for one in turns), 3)


async def _one(world: World) -> dict[str, object]:
    """Somebody who just comes, three times, and Prometheus."""
    looked = Looked()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        await sign_in(session, world, world.tokens[0])
        before = world.processor_s()["api"]
        for number in range(3):
            await look(session, world, f"/?q=&page=1&span=24h&zone=Etc/GMT%2B{number + 1}", looked)
        spent_s = world.processor_s()["api"] - before
        metrics = []
        for _ in range(3):
            await asyncio.sleep(1.1)  # it is made once a second at most
            begun_s, spent = time.monotonic(), world.processor_s()["agent"]
            async with session.get(f"{world.url}/metrics") as answer:
                text = await answer.text()
            metrics.append((time.monotonic() - begun_s, world.processor_s()["agent"] - spent))
    return {
        "one page, ms on the clock": [round(1000 * one) for one in looked.took_s],
        "three pages, processor ms of the API": round(1000 * spent_s),
        "one page, kB: sent, whole": [round(looked.sent[-1] / 1000, 1), round(looked.whole[-1] / 1000, 1)],
        "API resident, MB": round(world.api_resident_mb()),
        "metrics: series, kB": [
            sum(not line.startswith("#") for line in text.splitlines()),
            round(len(text) / 1000),
        ],
        "metrics, ms: on the clock, processor": [[round(1000 * a), round(1000 * b)] for a, b in metrics],
    }


async def _pictures(world: World, into: Path) -> None:
    async with browser(into / "chromium") as tab:
        await tab.open(f"{world.url}/sign-in")
        await tab.click("#credential")
        await tab.type(world.tokens[0])
        await tab.click("form button", loads=True)
        for width, height, dark in PICTURES:
            await tab.window(width, height, dark=dark)
            await tab.open(f"{world.url}/")
            await tab.picture(into / f"{width}.png")
        await tab.picture(into / "whole.png", whole=True)
        await tab.window(1280, 900)
        await tab.open(f"{world.url}/?page=20&span=7d&lang=zh")
        await tab.picture(into / "last.png")
        shown = await tab.run("document.querySelectorAll('summary b').length")
        print(f"domains on the last page: {shown}; console: {tab.console}")
    shutil.rmtree(into / "chromium")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "default")
    sys.exit(asyncio.run(main()))
