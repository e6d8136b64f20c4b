"""Two agents, one customer, one domain: both pulled, one report on both, a dispute file of each.

Each agent looks once a minute from 10:00 to 11:00, at the same due times, by a task of the same name; they disagree.
`bj-1` (Beijing, China Telecom) fails from 10:20 to 10:41, `sh-1` (Shanghai, China Unicom) from 10:30 to 10:33. The
clock of `bj-1` was set back once: 10:10 has a second row, which says that it failed. All answers are worked by hand.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from probe.core.model.times import utc_text_us
from probe.core.model.value import replace
from probe.core.records.rows import SlotRecord
from probe.core.records.surroundings import ClockStanding, Reach
from probe.core.records.verdict import Fault, Finding, Outcome, Severity
from probe.core.results.bundle import bundle_id
from probe.core.sla.periods import instant_us
from probe.host.clock import SystemClock
from probe.store.store import Store
from tests.api.served import served, write_agent
from tests.interface.command import cdn_probe
from tests.pull.test_real_server import pulled, signed
from tests.seal.kept_evidence import keep
from tests.seal.made import sealed
from tests.support.build import seen
from tests.support.rows import HOST, slot

DAY = "2026-11-11"
MIB = 1 << 20
MINUTE_US = 60_000_000
DOMAIN = "www.acme.example"
AGENTS = {
    "bj-1": ("bj", "CN-BJ", "China Telecom", range(20, 42)),
    "sh-1": ("sh", "CN-SH", "China Unicom", range(30, 34)),
}
SPAN = f"{{unit: span, from: {DAY}T10:00:00+08:00, to: {DAY}T11:00:00+08:00}}"
AGREEMENT = """\
agreement: two
profile: {profile}
customer: acme
domains: [www.acme.example]
service: {{from: 2026-01-01T00:00:00+08:00}}
fee: {{amount: "30000.00"}}
incidents: [{{from: {day}T10:20:00+08:00, reported_at: {day}T10:25:00+08:00, source: ticket}}]
overrides: {{period: {span}}}
"""
OF_C = AGREEMENT.replace("incidents:", "complaints: [] #")


def row(agent: str, minute: int, *, failed: bool) -> SlotRecord:
    point, region, carrier, _ = AGENTS[agent]
    at = utc_text_us(instant_us(f"{DAY}T10:00:00+08:00") + minute * MINUTE_US)
    made = slot(
        scheduled_at=at, started_at=at, vantage_point=point, region=region, carrier=carrier,
        host=replace(HOST, agent=agent), clock=ClockStanding(vouched_by="kernel", bound_us=0),
        observations=(seen(status=503 if failed else 200),), reach=Reach(known=3, asked=3, answered=3 * (not failed)),
    )  # fmt: skip
    if not failed:
        return made
    finding = Finding(
        check="availability", reason="http.error", severity=Severity.ERROR, outcome=Outcome.FAILED,
        fault=Fault.CDN, observation=0, confirmed=True,
    )  # fmt: skip
    told = replace(
        made,
        outcome=Outcome.FAILED,
        fault=Fault.CDN,
        reason="http.error",
        confirmed=True,
        findings=(finding,),
    )
    return replace(told, evidence_id=bundle_id(told))


async def measured(directory: Path, agent: str) -> None:
    """What the agent stored; a row behind 11:00 says that all before is there."""
    store = Store.open(directory, agent, SystemClock())
    failing = AGENTS[agent][3]
    for minute in range(61):
        one = row(agent, minute, failed=minute in failing)
        if one.evidence_id is not None:
            await keep(store, one)
        else:
            await store.append([one])
        if (agent, minute) == ("bj-1", 30):
            (again,) = await store.append([row(agent, 10, failed=True)])
            assert isinstance(again, SlotRecord)
            assert again.due_again
    await store.append([row(agent, 61, failed=False)], utc_text_us(instant_us(f"{DAY}T12:00:00+08:00")))
    await store.close()


@dataclass(frozen=True)
class World:
    """`copies`: as each was pulled; `results`: where they were measured; `keys`: as they were given beforehand."""

    copies: tuple[Path, ...]
    results: tuple[Path, ...]
    keys: tuple[Path, ...]


async def made(base: Path) -> AsyncIterator[tuple[Path, Path, Path]]:
    for agent in AGENTS:
        place = base / agent
        place.mkdir()
        write_agent(place / "agent.yaml")
        text = (place / "agent.yaml").read_text().replace("agent: a1", f"agent: {agent}")
        (place / "agent.yaml").write_text(text)
        await measured(place / "r", agent)
        async with served(place, options=signed(place)) as api:
            board = await pulled(api, place / "copy", "acme", evidence_bytes=MIB)
            assert board.complete, board
        await sealed(place / "r", most_rows=25)
        shutil.copy(place / "r" / "agent.pub", place / "key.pub")
        yield place / "copy", place / "r", place / "key.pub"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    async def both() -> list[tuple[Path, Path, Path]]:
        return [one async for one in made(tmp_path_factory.mktemp("two"))]

    copies, results, keys = zip(*asyncio.run(both()), strict=True)
    return World(copies, results, keys)


def reported(world: World, profile: str, directory: Path, *more: str | Path, text: str = AGREEMENT) -> Any:
    file = directory / f"{profile}.yaml"
    file.write_text(text.format(profile=profile, day=DAY, span=SPAN), encoding="utf-8")
    keys = [word for key in world.keys for word in ("--key", str(key))]
    done = cdn_probe("sla", "report", file, *world.copies, *keys, *more, "--format", "json")
    assert not done.err, done.err
    told = json.loads(done.out)
    assert told["code"] == done.code
    return told


def test_each_due_time_of_each_agent_counts_once(world: World, tmp_path: Path) -> None:
    """60 due times of each of two agents are 120; the second row of 10:10 is none. Errors: 22 and 4.

    Five of ten requests failed in the grains of 10:20, 10:25 and 10:35; in that of 10:30 nine of ten; in that of 10:40
    two of ten. Each is over 0.05 %, and two of ten are not chance: P(X >= 2 | 10, 1/2000) is one in 89,000. 25 minutes.
    """
    told = reported(world, "cloud-cdn-sla", tmp_path)
    (subject,) = told["subjects"]
    grains = subject["grains"]
    assert (grains["total"], grains["due"], grains["measured"]) == (12, 120, 120)
    assert (grains["requests"], grains["errors"], grains["unknown_requests"]) == (120, 26, 0)
    figures = {one["view"]: (one["bad_grains"], one["availability"]) for one in subject["figures"]}
    assert figures == dict.fromkeys(("literal", "shown", "best", "worst"), (5, "7/12"))
    assert (subject["word"], told["code"]) == ("breach shown", 1)
    parts = {
        (one["dimension"], one["name"]): (one["requests"], one["errors"], one["unavailable_us"] // MINUTE_US)
        for one in subject["slices"]
    }
    assert parts["vantage_point", "bj"] == parts["region", "CN-BJ"] == (60, 22, 25)
    assert parts["vantage_point", "sh"] == parts["carrier", "China Unicom"] == (60, 4, 0), (
        "five minutes alone"
    )


def test_each_agent_alone_says_something_else(world: World, tmp_path: Path) -> None:
    """What one of them saw is no breach by the other's rows: 4 of 5 requests in one grain are a run of five minutes."""
    alone = World(world.copies[1:], world.results[1:], world.keys[1:])
    (subject,) = reported(alone, "cloud-cdn-sla", tmp_path)["subjects"]
    assert (subject["word"], subject["grains"]["requests"], subject["grains"]["errors"]) == (
        "kept shown",
        60,
        4,
    )


def test_the_same_rows_in_several_inputs_count_once(world: World, tmp_path: Path) -> None:
    """Copies given twice, and the directories that they were pulled from, add nothing; every input is listed."""
    once = reported(world, "cloud-cdn-sla", tmp_path)
    often = reported(world, "cloud-cdn-sla", tmp_path, *world.copies, *world.results)
    assert often["subjects"] == once["subjects"]
    assert [one["agent"] for one in once["inputs"]] == ["bj-1", "sh-1"]
    assert {one["agent"] for one in often["inputs"]} == {"bj-1", "sh-1"}
    assert [one["source"] for one in often["inputs"]].count("lines") == 4
    assert all(one["witnessed"] for one in often["inputs"])


def test_what_one_region_saw_is_a_fault_and_no_interruption(world: World, tmp_path: Path) -> None:
    """All nodes silent from both at once: 10:30 to 10:33, not over ten. Beijing alone: 10:20 to 10:41, over 20."""
    (subject,) = reported(world, "cdn-annex", tmp_path)["subjects"]
    down = {
        one["kind"]: (one["shown_us"] // MINUTE_US, one["possible_us"] // MINUTE_US)
        for one in subject["down"]
    }
    assert down["interruption"] == (0, 0)
    assert down["fault"] == (21, 23)
    assert [one // MINUTE_US for one in subject["together_us"]] == [21, 23]
    assert subject["word"] == "breach shown"


def test_connected_is_what_anybody_gets_through(world: World, tmp_path: Path) -> None:
    """Both fail from 10:30 to 10:33: three minutes at least, five at most (10:29 to 10:34), of 44."""
    (subject,) = reported(world, "network-agreement", tmp_path, text=OF_C)["subjects"]
    (down,) = subject["down"]
    assert (down["shown_us"] // MINUTE_US, down["possible_us"] // MINUTE_US) == (3, 5)
    assert subject["word"] == "kept shown"
    assert (subject["credit"]["shown"], subject["credit"]["possible"]) == ("0.00", "0.00")


def test_one_incident_of_both_gives_a_dispute_file_of_each(world: World, tmp_path: Path) -> None:
    """Merged over vantage points: 26 rows, both regions; each file is verified by the key of its own agent alone."""
    into = tmp_path / "dispute.zip"
    name = f"{DOMAIN}/span/1"
    told = cdn_probe(
        "sla", "report", tmp_path / "cloud-cdn-sla.yaml", *world.copies, "--dispute", name, "--into", into
    )
    assert told.code == 2, "the agreement is not there yet"
    (subject,) = reported(world, "cloud-cdn-sla", tmp_path)["subjects"]
    (incident,) = subject["incidents"]
    assert incident["name"] == name
    assert incident["regions"] == ["CN-BJ", "CN-SH"]
    assert (incident["first_failing"], incident["last_failing"]) == (
        f"{DAY}T10:20:00+08:00",
        f"{DAY}T10:41:00+08:00",
    )
    assert len(incident["rows"]) + incident["more_rows"] == 26
    assert [agent for agent, _, _ in incident["records"]] == ["bj-1", "sh-1"]
    done = cdn_probe(
        "sla", "report", tmp_path / "cloud-cdn-sla.yaml", *world.copies, "--dispute", name, "--into", into
    )
    assert done.code == 1, done.err
    files = sorted(tmp_path.glob("dispute*.zip"))
    assert [file.name for file in files] == ["dispute-bj-1.zip", "dispute-sh-1.zip"]
    for number, file in enumerate(files):
        right, wrong = world.keys[number], world.keys[1 - number]
        assert cdn_probe("results", "verify", file, "--key", right).code == 0
        assert cdn_probe("results", "verify", file, "--key", wrong).code != 0
