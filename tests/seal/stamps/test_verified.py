"""`results verify` with the authority's certificates: each record is vouched for from when to when, and what was done
to stamps is found."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from probe.cli.main import cli
from probe.core.model.times import epoch_s
from probe.core.proof.chain import Head
from probe.core.proof.findings import Kind
from probe.core.proof.stamp import Stamp, stamped_text
from probe.host.clock import rfc3339
from probe.seal.keys import Keys
from probe.seal.stamps.files import newest, stamps_file
from probe.seal.stamps.tokens import request_for
from probe.services.verification import Verification, verify
from probe.store.store import Store
from tests.seal.made import AGENT, CUSTOMERS, STATE, SetClock, pulled, rows_of, sealed
from tests.seal.stamps.made import stamper_of
from tests.support.authority import OTHER_POLICY, Pki, make_pki

ROUNDS = 4


@dataclass(frozen=True)
class Stamped:
    """`results`: stamped after each of four times six rows; `copy`: pulled from it; `key`: of the agent."""

    results: Path
    copy: Path
    key: Path
    pki: Pki
    began_s: float

    def cloned(self, into: Path) -> Stamped:
        shutil.copytree(self.results, into / "results")
        shutil.copytree(self.copy, into / "copy")
        return Stamped(into / "results", into / "copy", self.key, self.pki, self.began_s)

    def stamps(self, where: str = "results") -> Path:
        if where == "copy":
            return self.copy / AGENT / "acme" / "stamps.ndjson"
        return stamps_file(self.results, AGENT, "acme")


async def fill(directory: Path, pki: Pki) -> None:
    clock = SetClock()
    store = Store.open(directory, AGENT, clock)
    stamper = stamper_of(store, directory, clock, pki)
    for number in range(ROUNDS):
        for customer in CUSTOMERS:
            await store.append(rows_of(customer, 6 * number, 6))
        if number % 2:
            await sealed(directory, most_rows=100)
        assert await stamper.run() is None
        clock.wall_ns += 3600 * 10**9
    await store.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Stamped:
    base = tmp_path_factory.mktemp("stamped")
    pki, began_s = make_pki(base / "tsa"), time.time()
    results = base / "results"
    asyncio.run(fill(results, pki))
    pulled(results, base / "copy", noted=True)
    for customer in CUSTOMERS:
        shutil.copy(stamps_file(results, AGENT, customer), base / "copy" / AGENT / customer / "stamps.ndjson")
    shutil.copy(results / "agent.pub", base / "key.pub")
    return Stamped(results, base / "copy", base / "key.pub", pki, began_s)


def verified(world: Stamped, where: str = "results", **more: Path) -> Verification:
    place = world.copy if where == "copy" else world.results
    return verify(place, [world.key], stamp_ca=world.pki.ca, **more)


def problems(found: Verification) -> list[tuple[Kind, int | None]]:
    assert all(not r.problems for r in found.streams if r.customer != "acme"), found
    return list(dict.fromkeys((p.kind, p.seq) for r in found.streams for p in r.problems))


@pytest.mark.parametrize("where", ["results", "copy"])
def test_each_record_is_vouched_for_from_when_to_when(world: Stamped, where: str) -> None:
    found = verified(world, where)
    assert found.good, found
    sources = {report.source for report in found.streams}
    assert sources == ({"lines"} if where == "copy" else {"store", "segments"})
    for report in found.streams:
        # 6 rows and the event that names their stamp, four times; sealed are 13 and 27.
        seqs = [6, 13, 20, 27]
        last = report.last_seq or 0
        assert report.stamps == sum(seq <= last for seq in seqs)
        ends = [(span.first_seq, span.last_seq) for span in report.vouched]
        whole = [(1, 6), (7, 13), (14, 20), (21, 27), (28, 28)]
        assert ends == [each for each in whole if each[1] <= last]
        began, ended = world.began_s - 2.5, time.time() + 2.5
        for number, span in enumerate(report.vouched):
            assert (span.not_earlier is None) == (number == 0), "the event after a stamp names it"
            assert (span.not_later is None) == (span.first_seq == 28)
            for text in filter(None, (span.not_earlier, span.not_later)):
                assert began < epoch_s(text) < ended


def test_a_head_that_was_stamped_between_two_sealings_accuses_no_segment(
    world: Stamped, tmp_path: Path
) -> None:
    """The store has its line; segments that were copied without the store have it not yet."""
    mine = world.cloned(tmp_path)

    async def on() -> None:
        clock = SetClock()
        clock.wall_ns += 10 * 3600 * 10**9
        store = Store.open(mine.results, AGENT, clock)
        stamper = stamper_of(store, mine.results, clock, mine.pki)
        for customer in CUSTOMERS:
            await store.append(rows_of(customer, 100, 3))
        assert await stamper.run() is None
        await store.close()

    asyncio.run(on())
    found = verified(mine)
    assert found.good, found
    assert {(r.source, r.last_seq, r.stamps) for r in found.streams} == {
        ("store", 32, 5),
        ("segments", 27, 4),
    }
    shutil.rmtree(mine.results / "_parts")
    for file in mine.results.glob("results.db*"):
        file.unlink()
    found = verified(mine)
    assert found.good, found
    for report in found.streams:
        assert report.source == "segments"
        assert any("record 31 was stamped" in note and "end at 27" in note for note in report.notes)
    for file in mine.results.glob("acme/*/*000027.manifest.json"):
        file.unlink()
    assert problems(verified(mine)) == [(Kind.TRUNCATED, 14)], "HEAD.json names the end of what was sealed"


def test_the_times_are_shown_to_people(world: Stamped) -> None:
    arguments = [
        "results",
        "verify",
        str(world.results),
        "--key",
        str(world.key),
        "--stamp-ca",
        str(world.pki.ca),
    ]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert done.return_value == 0
    assert "4 time stamps of the authority given; these records were written:" in done.output
    assert "1 to 6: not later than 2" in done.output
    assert "7 to 13: from 2" in done.output
    assert "28: not earlier than 2" in done.output
    as_json = CliRunner().invoke(cli, [*arguments, "--json"], standalone_mode=False)
    report = json.loads(as_json.output)["streams"][0]
    assert report["stamps"] == 4
    assert list(report["vouched"][1]) == ["first_seq", "last_seq", "not_earlier", "not_later"]


def test_without_the_certificates_it_says_that_stamps_were_not_verified(world: Stamped) -> None:
    found = verify(world.results, [world.key])
    assert found.good
    for report in found.streams:
        assert (report.stamps, report.vouched) == (0, ())
        assert "4 time stamps are here and not verified" in report.notes[0]


@pytest.mark.parametrize("where", ["results", "copy"])
def test_a_stamp_that_was_taken_away_is_missed(world: Stamped, tmp_path: Path, where: str) -> None:
    mine = world.cloned(tmp_path)
    lines = mine.stamps(where).read_bytes().splitlines(keepends=True)
    mine.stamps(where).write_bytes(b"".join(lines[:1] + lines[2:]))
    assert problems(verified(mine, where)) == [(Kind.MISSING_STAMP, 14)]


def test_all_stamps_taken_away_are_missed_and_the_newest_of_a_copy_may_come(
    world: Stamped, tmp_path: Path
) -> None:
    mine = world.cloned(tmp_path)
    for where in ("results", "copy"):
        mine.stamps(where).unlink()
        wanted = [(Kind.MISSING_STAMP, seq) for seq in (7, 14, 21, 28)]
        assert problems(verified(mine, where)) == wanted
    lines = world.stamps("copy").read_bytes().splitlines(keepends=True)
    mine.stamps("copy").write_bytes(b"".join(lines[:3]))
    found = verified(mine, "copy")
    assert found.good
    assert any(
        "record 27, which record 28 names, is not here yet" in n for r in found.streams for n in r.notes
    )


Forge = Callable[[Stamped, list[Stamp]], list[Stamp]]


def of_another_head(mine: Stamped, stamps: list[Stamp]) -> list[Stamp]:
    """A token that was given for one head, used for another."""
    return [Stamp(head=stamps[1].head, nonce=stamps[0].nonce, response=stamps[0].response)]


def of_a_foreign_authority(mine: Stamped, stamps: list[Stamp]) -> list[Stamp]:
    foreign = make_pki(mine.results.parent / "foreign")
    request, nonce = request_for(stamped_text(stamps[1].head))
    response = foreign.reply(request)
    return [Stamp(head=stamps[1].head, nonce=f"{nonce:x}", response=response)]


def with_another_nonce(mine: Stamped, stamps: list[Stamp]) -> list[Stamp]:
    return [Stamp(head=stamps[1].head, nonce="1234", response=stamps[1].response)]


@pytest.mark.parametrize(
    ("forge", "words"),
    [
        (of_another_head, "another imprint"),
        (of_a_foreign_authority, "not vouched for by the authority"),
        (with_another_nonce, "another nonce"),
    ],
)
def test_a_stamp_that_was_put_in_is_refused(world: Stamped, tmp_path: Path, forge: Forge, words: str) -> None:
    mine = world.cloned(tmp_path)
    stamps = newest(mine.stamps())
    file = mine.stamps()
    file.write_bytes(file.read_bytes() + b"".join(s.line() + b"\n" for s in forge(mine, stamps)))
    found = verified(mine)
    assert problems(found) == [(Kind.BAD_STAMP, 13)]
    assert all(words in p.words and p.line == 5 for r in found.streams for p in r.problems)


def test_another_policy_is_refused(world: Stamped) -> None:
    found = verify(world.results, [world.key], stamp_ca=world.pki.ca, stamp_policy=OTHER_POLICY)
    assert {p.kind for r in found.streams for p in r.problems} == {Kind.BAD_STAMP, Kind.MISSING_STAMP}


def test_a_history_written_anew_with_the_agents_own_key_contradicts_the_stamps_of_the_old_one(
    world: Stamped, tmp_path: Path
) -> None:
    """Root with the key: a new history, signed and even stamped by the same authority now. An old stamp that anybody
    kept is proof against it; without one, the stamps of the new history say that it is new."""
    mine = world.cloned(tmp_path)
    kept = tmp_path / "stamps.ndjson"
    shutil.copy(mine.stamps(), kept)
    shutil.rmtree(mine.results)
    mine.results.mkdir()
    for name in ("_agent.key", "agent.pub"):
        shutil.copy(world.results / name, mine.results / name)
    written_s = time.time()

    async def anew() -> None:
        clock = SetClock()
        store = Store.open(mine.results, AGENT, clock)
        for customer in CUSTOMERS:
            await store.append(rows_of(customer, 1, 28))
        await store.close()
        head = Head(agent=AGENT, customer="acme", seq=28, digest=store_digest(mine.results))
        signed = Keys.open(mine.results).sign_head(head, rfc3339(SetClock.wall_ns), STATE)
        request, nonce = request_for(stamped_text(signed))
        stamp = Stamp(head=signed, nonce=f"{nonce:x}", response=mine.pki.reply(request))
        mine.stamps().parent.mkdir()
        mine.stamps().write_bytes(stamp.line() + b"\n")

    asyncio.run(anew())
    alone = verified(mine)
    assert alone.good, "by itself it holds together"
    (report,) = [r for r in alone.streams if r.customer == "acme"]
    (span,) = report.vouched
    assert epoch_s(span.not_later or "") >= int(written_s) - 2, (
        "and nobody vouches that it is older than it is"
    )
    against = verified(mine, heads=[kept])
    assert not against.good
    assert {kind for kind, _ in problems(against)} <= {Kind.REWRITTEN, Kind.CHANGED, Kind.FORKED}


def store_digest(directory: Path) -> str:
    from probe.store.read.reader import Reader

    with Reader.open(directory, AGENT) as reader:
        return reader.head("acme").digest


def test_a_file_that_is_none_is_named(world: Stamped, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        cli, ["results", "verify", str(world.results), "--stamp-ca", str(world.key)], standalone_mode=False
    )
    assert "holds no certificate" in str(done.exception)
    mine = world.cloned(tmp_path)
    mine.stamps().write_bytes(b"{}\n" + mine.stamps().read_bytes()[:200])
    found = verified(mine)
    assert [p.kind for p in found.problems if p.file == "acme/a1.stamps.ndjson"] == [Kind.UNREADABLE]
    assert not found.good


def test_the_documented_way_without_this_program_works(world: Stamped, tmp_path: Path) -> None:
    """The lines of docs/proof.md, as they stand there."""
    page = (Path(__file__).parents[3] / "docs" / "proof.md").read_text(encoding="utf-8")
    (code,) = [text for text in re.findall(r"```python\n(.*?)```", page, re.S) if "stamps.ndjson" in text]
    shutil.copy(world.stamps(), tmp_path / "stamps.ndjson")
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=60)
    command = ["openssl", "ts", "-verify", "-data", "text", "-in", "reply.tsr", "-CAfile", str(world.pki.ca)]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert "Verification: OK" in found.stdout + found.stderr
