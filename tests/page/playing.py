"""Faults of the lab that begin and end while the page is open: what is shown when, without a hand on the browser.

`python -m tests.page.playing [FAULT ...]` plays them one after the other (all) and prints a line for each; it exits
with 1 if one is not shown as what it is, or stays when it is over, or later than ten seconds and two refreshes after
the end of the row that makes it an incident (confirmed, or the second), or after the event that it is over. The
interval is long for a machine that others use as well: a lab that asks more than its host can shows the host's trouble.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from probe.core.incidents.incident import from_detail
from probe.core.model.times import epoch_s
from probe.core.records.rows import EventRecord, Record, SlotRecord
from probe.core.records.verdict import Fault, Outcome
from probe.core.text.tokens import hash_token, make_token
from probe.lab.faults import FAULTS, LabFault
from probe.lab.lab import Lab
from tests.support.agent_process import edit, ended, listens, start, until, until_measuring
from tests.support.browser import Tab, browser
from tests.support.stored import stored_since
from tests.system.programs import free_port

TOKEN = make_token(b"p" * 32)
MOST_LOADS = 2  # a refresh that had begun may miss it
MOST_S = 10.0
WITHIN_S = 120.0
POLL_S = 0.2
SIGNS = {Fault.CDN: "C", Fault.ORIGIN: "O", Fault.CUSTOMER: "K", Fault.PATH: "P", Fault.VANTAGE: "V"}
LISTS = """(() => {
  const list = name => [...document.querySelectorAll(`section[aria-labelledby=${name}] li`)].map(li =>
    [li.querySelector('.sign').textContent, li.querySelector('strong').textContent, li.querySelector('a').pathname]);
  const whole = document.readyState === 'complete' && document.querySelector('#legend');
  return whole && {open: list('open'), over: list('over')};
})()"""
Listed = tuple[str, str, str]
"""Sign, sentence, place."""


@dataclass(slots=True)
class Played:
    """One fault. Seconds and loads of the page from the end of the row that shows it, and from the event of its end.

    Seconds begin with the time that row or event bears; loads are counted from when it was read here.
    """

    name: str
    shown_s: float
    shown_loads: int
    gone_s: float
    gone_loads: int
    said: str

    @property
    def in_time(self) -> bool:
        """Within ten seconds, or on a host that stands still meanwhile as soon as a browser asked again."""
        shown = self.shown_s <= MOST_S or self.shown_loads <= MOST_LOADS
        return shown and (self.gone_s <= MOST_S or self.gone_loads <= MOST_LOADS)


@dataclass(slots=True)
class Scene:
    """A lab, an agent that measures it and calls incidents over a second later, and its page in a browser."""

    lab: Lab
    results: Path
    tab: Tab
    url: str
    seqs: dict[str, int] = field(default_factory=dict)

    async def play(self, name: str) -> Played:
        """One fault from its begin to its end. Raises TimeoutError where it is not seen at all."""
        names = named_in(FAULTS[name])
        await self._until(lambda opened: not any(_about(one, names) for one in opened))
        await self.drain()
        async with self.lab.fault(name) as fault:
            row = await self._row(fault)
            loads = self.tab.loads
            said, place = await self._shown(fault)
            shown_s, shown_loads = _since(row), self.tab.loads - loads
        gone_s, gone_loads = await self._over(place)
        return Played(name, shown_s, shown_loads, gone_s, gone_loads, said)

    async def _over(self, place: str) -> tuple[float, int]:
        """Until it is shown as over; seconds and loads from the newest event that says so: it may come back before."""
        identifier = place.rpartition("/")[2]

        def closes(record: Record) -> bool:
            if not isinstance(record, EventRecord) or record.event != "incident.closed":
                return False
            return from_detail(record.detail).id == identifier

        closed, loads = await self._stored(closes), self.tab.loads
        async with asyncio.timeout(WITHIN_S):
            while True:
                shown = await self.tab.until(LISTS, WITHIN_S)
                if place in [one[2] for one in shown["over"]]:
                    return _since(closed), self.tab.loads - loads
                for again in filter(closes, await self.drain()):
                    closed, loads = again, self.tab.loads
                await asyncio.sleep(POLL_S)

    async def _row(self, fault: LabFault) -> Record:
        """The row that makes it an incident: one that a second look confirmed, or the second of a domain's."""
        seen: set[tuple[str, str]] = set()

        def makes(record: Record) -> bool:
            if not isinstance(record, SlotRecord) or not fault.expected.met_by(record):
                return False
            line = record.domain, record.vantage_point
            enough = bool(record.confirmed) or fault.expected.fault is Fault.VANTAGE or line in seen
            seen.add(line)
            return enough

        return await self._stored(makes)

    async def drain(self) -> list[Record]:
        """What was stored since the last time, read beside the lab's loop."""
        return await asyncio.to_thread(lambda: list(stored_since(self.results, self.seqs)))

    async def _stored(self, wanted: Callable[[Record], bool]) -> Record:
        """The first that is wanted."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                for record in await self.drain():
                    if wanted(record):
                        return record
                await asyncio.sleep(POLL_S)

    async def _shown(self, fault: LabFault) -> tuple[str, str]:
        """The sentence that names it, and its incident's place."""
        sign, names = sign_of(fault), named_in(fault)

        def of(opened: list[Listed]) -> list[Listed]:
            return [one for one in opened if one[0] == sign and _about(one, names)]

        opened = await self._until(lambda opened: bool(of(opened)))
        [(_, said, place), *_] = of(opened)
        return said, place

    async def _until(self, wanted: Callable[[list[Listed]], bool]) -> list[Listed]:
        """Until the incidents that are shown as open are as wanted."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                shown = await self.tab.until(LISTS, WITHIN_S)
                if wanted(shown["open"]):
                    return list(map(tuple, shown["open"]))
                await asyncio.sleep(POLL_S)


def _about(one: Listed, names: tuple[str, ...]) -> bool:
    return any(name in one[1] for name in names)


def _since(record: Record) -> float:
    """Seconds since the end of a row, or since an event."""
    at = record.at if isinstance(record, EventRecord) else record.finished_at
    return time.time() - epoch_s(at or "")


def sign_of(fault: LabFault) -> str:
    """By which the page marks it."""
    known = {Outcome.STALE: "=", Outcome.SLOW: "~"}
    return known.get(fault.expected.outcome) or SIGNS[fault.expected.fault]


def named_in(fault: LabFault) -> tuple[str, ...]:
    """What its sentence names: the domain, or whose line it is; one of them where a whole edge is concerned."""
    if fault.expected.fault is Fault.VANTAGE:
        return fault.reach.vantage_points or ()
    return ("example",) if fault.reach.domain is None else (fault.reach.domain,)


@asynccontextmanager
async def scene(directory: Path, *, interval: str = "3s") -> AsyncIterator[Scene]:
    """All of it, the page signed into."""
    port = free_port()
    reader = {"name": "desk", "hash": hash_token(TOKEN), "customers": ["*"]}
    api: dict[str, Any] = {"listen": f"127.0.0.1:{port}", "page": {}, "tokens": [reader]}
    async with Lab() as lab:
        await lab.warm()
        file = lab.write_config(directory / "agent", interval=interval, timeout="4s", api=api)
        edit(file, lambda content: content.update({"incidents": {"calm": "1s"}}))
        agent = await start("run", "-c", file)
        try:
            await until_measuring(directory / "agent" / "results", 1, WITHIN_S)
            await until(lambda: listens(port), WITHIN_S)
            async with browser(directory / "b") as tab:
                await tab.window(1280, 900)
                await tab.open(f"http://127.0.0.1:{port}/")
                await tab.click("#credential")
                await tab.type(TOKEN)
                await tab.click("form button", loads=True)
                made = Scene(lab, directory / "agent" / "results", tab, f"http://127.0.0.1:{port}")
                yield made
                assert tab.console == []
        finally:
            agent.send_signal(signal.SIGTERM)
            made_end = await ended(agent)
    assert made_end.code == 0, made_end.err


async def main() -> int:
    """See above."""
    options = argparse.ArgumentParser(prog="python -m tests.page.playing", description=__doc__)
    options.add_argument("faults", nargs="*", metavar="FAULT", help=", ".join(FAULTS))
    options.add_argument("--interval", default="3s", help="of each object; 3s where it is not given")
    asked, wrong = options.parse_args(), 0
    with tempfile.TemporaryDirectory(prefix="playing-") as place:
        async with scene(Path(place), interval=asked.interval) as on:
            for name in asked.faults or list(FAULTS):
                try:
                    one = await on.play(name)
                except TimeoutError:
                    wrong += 1
                    print(f"{name:20} not shown: {await on.tab.run(LISTS)}", flush=True)
                    continue
                wrong += not one.in_time
                print(
                    f"{name:20} shown after {one.shown_s:4.1f} s ({one.shown_loads} loads), gone after"
                    f" {one.gone_s:4.1f} s ({one.gone_loads}): {one.said}",
                    flush=True,
                )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
