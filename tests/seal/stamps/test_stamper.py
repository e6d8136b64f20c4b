"""Heads are stamped by a third party on schedule; whatever the authority does, rows never wait, and trouble is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from probe.agent.events import EventWriter
from probe.core.config.results import TimestampConfig
from probe.core.proof.stamp import STAMPED, Stamp, parse_stamp
from probe.seal.stamps.files import newest, page, stamps_file
from probe.seal.stamps.stamper import AFTER_S, Stamper
from probe.seal.stamps.tokens import Authority
from probe.services.verification import verify
from probe.store.read.reader import Reader
from probe.store.store import Store
from tests.seal.made import AGENT, CUSTOMERS, STATE, SetClock, rows_of, sealed
from tests.support.authority import POLICY, Pki, TestAuthority, authority, make_pki
from tests.support.rows import HOST

HOUR_S = 3600


@dataclass
class World:
    """A store that is written, its stamper, and the authority that it asks. `told`: events put on record."""

    directory: Path
    store: Store
    clock: SetClock
    tsa: TestAuthority
    config: TimestampConfig
    told: list[dict[str, str]] = field(default_factory=list)

    def stamper(self) -> Stamper:
        return Stamper(self.directory, AGENT, self.config, self.clock, self.record, state=lambda: STATE)

    async def record(
        self, event: str, detail: dict[str, str], customers: tuple[str, ...] | None = None
    ) -> None:
        assert event == STAMPED
        self.told.append(detail)
        events = EventWriter(self.store, self.clock, lambda: HOST, lambda: CUSTOMERS, lambda name: None)
        await events.append(event, detail, customers)

    async def rows(self, count: int = 5) -> None:
        for customer in CUSTOMERS:
            await self.store.append(rows_of(customer, 0, count))

    def stamps(self, customer: str = "acme") -> list[Stamp]:
        return newest(stamps_file(self.directory, AGENT, customer))

    def head(self, customer: str = "acme") -> int:
        with Reader.open(self.directory, AGENT) as reader:
            return reader.head(customer).seq

    def later(self, seconds: float) -> None:
        self.clock.wall_ns += round(seconds * 1e9)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("tsa") / "good")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("tsa") / "foreign")


@asynccontextmanager
async def opened(tmp_path: Path, pki: Pki, foreign: Pki | None = None) -> AsyncIterator[World]:
    clock = SetClock()
    store = Store.open(tmp_path / "r", AGENT, clock)
    async with authority(pki, foreign) as tsa:
        config = TimestampConfig(url=tsa.url, ca=str(pki.ca), policy=POLICY)
        yield World(tmp_path / "r", store, clock, tsa, config)
    await store.close()


async def test_every_stream_is_stamped_and_the_stream_names_the_stamp(tmp_path: Path, pki: Pki) -> None:
    async with opened(tmp_path, pki) as world:
        await world.rows()
        stamper = world.stamper()
        assert await stamper.run() is None
        for customer in CUSTOMERS:
            (stamp,) = world.stamps(customer)
            assert (stamp.head.customer, stamp.head.seq) == (customer, 5)
            given = Authority.read(pki.ca).check(stamp)
            with Reader.open(world.directory, AGENT) as reader:
                (line,) = reader.lines(customer, 5, 10)
            detail = json.loads(line.text)["detail"]
            assert detail == next(each for each in world.told if each["sha256"] == stamp.sha256)
            assert detail["seq"] == "5"
            assert detail["digest"] == stamp.head.digest
            assert detail["given_at"].startswith("20")
            assert given.policy == POLICY
        state = stamper.state()
        assert (state.stamped, state.failed, state.waiting, state.problem) == (2, 0, 0, None)


async def test_it_asks_once_a_period_and_not_where_nothing_is_new(tmp_path: Path, pki: Pki) -> None:
    async with opened(tmp_path, pki) as world:
        await world.rows()
        stamper = world.stamper()
        assert stamper.delay_s() == AFTER_S
        await stamper.run()
        until_next = stamper.delay_s()
        assert 0 < until_next <= HOUR_S
        world.later(until_next)
        assert stamper.delay_s() == 0
        await stamper.run()  # all that is new is the event that names the stamp
        assert (len(world.stamps()), world.tsa.asked) == (1, 2)
        await world.rows(1)
        world.later(HOUR_S)
        await stamper.run()
        assert [stamp.head.seq for stamp in world.stamps()] == [5, 7]
        assert world.tsa.asked == 4
        assert 0 < stamper.delay_s() <= HOUR_S


async def test_each_sealed_head_has_a_stamp_of_its_own_the_newest_first(tmp_path: Path, pki: Pki) -> None:
    async with opened(tmp_path, pki) as world:
        await world.rows(20)
        await sealed(world.directory, most_rows=6)  # 6, 12, 18, 20
        await world.stamper().run()
        assert [stamp.head.seq for stamp in world.stamps()] == [20, 18, 12, 6]
        anew = world.stamper()
        await anew.run()  # a restart forgets nothing, and stamps nothing twice
        assert [stamp.head.seq for stamp in world.stamps()] == [20, 18, 12, 6]


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("down", "HTTP 503"),
        ("redirect", "HTTP 302: it points elsewhere"),
        ("endless", "longer than 65536 bytes"),
        ("html", "text/html, not application/timestamp-reply"),
        ("wrong_nonce", "another nonce"),
        ("wrong_imprint", "another imprint"),
        ("foreign", "not vouched for by the authority"),
        ("garbage", "cannot be read"),
        ("cut", "cannot be read"),
        ("rejection", "not granted: rejection"),
    ],
)
async def test_what_is_no_stamp_is_refused_told_and_tried_again(
    tmp_path: Path, pki: Pki, foreign: Pki, mode: str, words: str
) -> None:
    async with opened(tmp_path, pki, foreign) as world:
        await world.rows()
        world.tsa.mode = mode
        stamper = world.stamper()
        problem = await stamper.run()
        assert problem is not None
        assert words in problem
        assert world.tsa.url in problem
        assert world.tsa.asked == 1, "the first failure ends the round"
        assert world.stamps() == []
        assert world.told == []
        state = stamper.state()
        assert (state.stamped, state.failed, state.waiting, state.problem) == (0, 1, 2, problem)
        assert stamper.delay_s() == 30.0
        world.tsa.mode = "stamp"
        world.later(30)
        assert await stamper.run() is None
        assert len(world.stamps()) == 1
        assert stamper.state().problem is None


async def test_a_token_that_was_given_before_is_refused(tmp_path: Path, pki: Pki) -> None:
    async with opened(tmp_path, pki) as world:
        await world.rows()
        stamper = world.stamper()
        await stamper.run()
        world.tsa.mode = "replayed"
        await world.rows(1)
        world.later(HOUR_S)
        problem = await stamper.run()
        assert problem is not None
        assert "another imprint" in problem
        assert len(world.stamps()) == 1


async def test_an_authority_that_is_not_there_is_named(tmp_path: Path, pki: Pki) -> None:
    async with opened(tmp_path, pki) as world:
        await world.rows()
        gone = world.tsa.url
    world.store = Store.open(world.directory, AGENT, world.clock)
    problem = await world.stamper().run()
    await world.store.close()
    assert problem is not None
    assert problem.startswith(f"{gone}: it was not reached")


async def test_an_authority_down_for_an_hour_is_caught_up_with_and_rows_never_wait(
    tmp_path: Path, pki: Pki
) -> None:
    """Virtual time: rounds as the job would run them, a row every minute, sealed every ten minutes."""
    async with opened(tmp_path, pki) as world:
        world.tsa.mode = "down"
        stamper = world.stamper()
        end_s, due_s, now_s = 2 * HOUR_S, stamper.delay_s(), 0.0
        rounds, refused = 0, 0
        while now_s < end_s:
            if now_s >= HOUR_S:
                world.tsa.mode = "stamp"
            await asyncio.wait_for(world.rows(1), 60)
            if now_s % 600 == 0:
                await sealed(world.directory)
            if now_s >= due_s:
                rounds += 1
                refused += await stamper.run() is not None
                due_s = now_s + stamper.delay_s()
            now_s += 60
            world.later(60)
        assert 5 <= refused <= 9, "tried again after longer and longer pauses"
        assert rounds <= refused + 4
        state = stamper.state()
        assert (state.waiting, state.problem) == (0, None)
        seqs = {stamp.head.seq for stamp in world.stamps()}
        manifests = {
            json.loads(path.read_bytes())["last_seq"]
            for path in (world.directory / "acme").glob("*/*.manifest.json")
            if json.loads(path.read_bytes())["last_seq"] <= max(seqs)
        }
        assert len(manifests) > 6
        assert manifests <= seqs, "each sealed head has one"
        assert world.head() == 120 + len(world.stamps()), "every row is there, and every stamp is named"


async def test_rows_are_stored_while_the_authority_does_not_answer(tmp_path: Path, pki: Pki) -> None:
    async with opened(tmp_path, pki) as world:
        await world.rows()
        world.tsa.mode = "hang"
        stamping = asyncio.create_task(world.stamper().run())
        while not world.tsa.asked:
            await asyncio.sleep(0)
        for _ in range(4):
            await world.rows()
        assert not stamping.done()
        assert world.head() == 25
        world.tsa.hanging.set()
        assert await stamping is None


async def test_only_so_many_old_sealed_heads_wait(
    tmp_path: Path, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probe.seal.stamps.stamper.BACKLOG", 4)
    async with opened(tmp_path, pki) as world:
        await world.rows(9)
        await sealed(world.directory, most_rows=1)
        world.tsa.mode = "down"
        stamper = world.stamper()
        await stamper.run()
        assert stamper.state().waiting == 2 * 4


async def test_a_line_that_a_kill_cut_off_is_removed_before_the_next(tmp_path: Path, pki: Pki) -> None:
    async with opened(tmp_path, pki) as world:
        await world.rows()
        await world.stamper().run()
        file = stamps_file(world.directory, AGENT, "acme")
        whole = file.read_bytes()
        file.write_bytes(whole + whole[:100])
        await world.rows(1)
        world.later(HOUR_S)
        await world.stamper().run()
        lines, count = page(file, 0, 10)
        assert count == 2
        assert lines[0] + b"\n" == whole
        assert [parse_stamp(line).head.seq for line in lines] == [5, 7]
        assert page(file, 1, 10) == (lines[1:], 2)
        assert page(file, 0, 1) == (lines[:1], 2)
        assert page(file.with_name("none"), 0, 1) == ([], 0)


async def test_a_missing_file_of_certificates_is_told(tmp_path: Path, pki: Pki) -> None:
    async with opened(tmp_path, pki) as world:
        await world.rows()
        world.config = TimestampConfig(url=world.tsa.url, ca=str(tmp_path / "none.pem"))
        problem = await world.stamper().run()
        assert problem is not None
        assert "none.pem cannot be read" in problem
        assert world.tsa.asked == 0


async def test_a_stamp_that_the_stream_could_not_name_counts_and_is_not_asked_for_again(
    tmp_path: Path, pki: Pki
) -> None:
    """As after a kill between the file and the event: the records before it are vouched for all the same."""
    async with opened(tmp_path, pki) as world:
        await world.rows()

        async def refused(
            event: str, detail: dict[str, str], customers: tuple[str, ...] | None = None
        ) -> None:
            raise OSError("no room")

        failing = Stamper(world.directory, AGENT, world.config, world.clock, refused, state=lambda: STATE)
        assert await failing.run() == "no room"
        assert [stamp.head.seq for stamp in world.stamps()] == [5]
        again = world.stamper()
        assert await again.run() is None
        assert [stamp.head.seq for stamp in world.stamps()] == [5]
        found = verify(world.directory, [world.directory / "agent.pub"], stamp_ca=pki.ca)
    assert found.good, found
    (report,) = [report for report in found.streams if report.customer == "acme"]
    assert (report.stamps, report.vouched[0].not_later is not None) == (1, True)


async def test_a_secret_in_the_authoritys_address_is_not_shown(tmp_path: Path, pki: Pki) -> None:
    async with opened(tmp_path, pki) as world:
        await world.rows()
        world.tsa.mode = "down"
        world.config = TimestampConfig(url=f"{world.tsa.url}?api_key=s3cr3t-of-ours", ca=str(pki.ca))
        stamper = world.stamper()
        problem = await stamper.run()
        assert world.tsa.asked == 1
        assert "s3cr3t" not in f"{problem} {stamper.state()}"
