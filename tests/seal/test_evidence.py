"""A bundle is vouched for by its row: what is altered is named, what is gone is on record or somebody took it."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from probe.agent.events import EventWriter
from probe.agent.housekeeping import Housekeeping
from probe.cli.main import cli
from probe.core.config.results import DAY_US, KeepConfig
from probe.core.proof.findings import Kind
from probe.core.records.rows import SlotRecord
from probe.seal import verify_sources
from probe.seal.keys import Keys, Signer
from probe.services.verification import Verification, verify
from probe.store.base.parts import EVIDENCE_PARTS, parts_of
from probe.store.base.query import Query
from probe.store.base.schema import StoreError
from probe.store.read.reader import Reader
from probe.store.store import Store
from probe.store.write.files import Limits
from tests.api.served import served
from tests.pull.test_real_server import pulled
from tests.seal.kept_evidence import HEAD, alter, failed, keep
from tests.seal.made import SetClock
from tests.support.rows import HOST, START_S


@dataclass
class World:
    """A store of one agent; files of evidence of a day."""

    directory: Path
    store: Store
    clock: SetClock
    rows: list[SlotRecord] = field(default_factory=list)

    async def day(self, number: int, count: int = 3) -> None:
        self.clock.wall_ns = round((START_S + number * 86_400 + count) * 1e9)
        for second in range(count):
            self.rows.append(await keep(self.store, failed(number * 86_400 + second)))

    async def tidy(self, **evidence: Any) -> None:
        """One round of housekeeping with these limits for evidence."""
        events = EventWriter(self.store, self.clock, lambda: HOST, lambda: ("acme",), lambda name: None)
        keeping = KeepConfig.model_validate({"evidence": evidence})
        await Housekeeping(self.directory, self.store, keeping, self.clock, events.append).round()

    def run(self, *typed: str) -> Result:
        return CliRunner().invoke(cli, ["results", "-d", str(self.directory), *typed])


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = SetClock()
    store = Store.open(tmp_path / "r", "a1", clock, limits=Limits(span_us=DAY_US))
    yield World(tmp_path / "r", store, clock)
    await store.close()


def told(found: Verification) -> list[tuple[str, int | None]]:
    return [(p.kind.value, p.seq) for report in found.streams for p in report.problems]


def notes(found: Verification) -> str:
    return " | ".join(note for report in found.streams for note in report.notes)


async def test_the_row_names_the_digest_of_its_bundle(world: World) -> None:
    await world.day(0)
    found = verify(world.directory)
    assert found.good
    assert "3 evidence bundles are as their rows say" in notes(found)
    assert {len(row.evidence_sha256 or "") for row in world.rows} == {64}


def some_byte(text: bytes) -> bytes:
    at = random.Random(len(text)).randrange(len(text))
    return text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b'"status_code":503', b'"status_code":200'),
        lambda text: text.replace(b"R0VU", b"UE9T"),
        some_byte,
        lambda text: text + b" ",
        lambda text: b"",
        lambda text: b"no bundle",
    ],
)
async def test_a_bundle_that_was_altered_is_named(
    world: World, change: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    await world.day(0)
    row = world.rows[1]
    identifier = row.evidence_id or ""
    alter(world.directory, identifier, lambda text: change(text) if change(text) != text else text + b"\n")
    found = verify(world.directory)
    assert told(found) == [("evidence", row.seq)]
    assert identifier in found.streams[0].problems[0].words
    assert "ALTERED OR INCOMPLETE: 1 problem" in world.run("verify").output
    har = tmp_path / "x.har"
    for typed in (["evidence", f"acme/{row.seq}"], ["evidence", identifier, "--har", str(har)]):
        shown = world.run(*typed)
        assert (shown.exit_code, "altered" in shown.output) == (1, True), shown.output
    assert not har.exists()
    assert world.run("evidence", f"acme/{world.rows[0].seq}").exit_code == 0


async def test_the_server_hands_no_altered_bundle_out(world: World, tmp_path: Path) -> None:
    await world.day(0)
    good, bad = (row.evidence_id or "" for row in world.rows[:2])
    alter(world.directory, bad, lambda text: text.replace(b'"status_code":503', b'"status_code":200'))
    async with served(tmp_path) as api:
        altered = [await api.ask(f"/v1/evidence/{bad}{query}") for query in ("", "?format=har")]
        theirs = await api.ask(f"/v1/evidence/{bad}", "other")
        well = await api.ask(f"/v1/evidence/{good}")
    assert [answer.status for answer in altered] == [500, 500]
    assert "altered" in altered[0].json["detail"]
    assert theirs.status == 404
    assert well.status == 200
    kept: dict[str, bytes] = {}
    alter(world.directory, good, lambda text: kept.setdefault("text", text))
    assert well.body == kept["text"], "byte for byte, so that the row's digest is that of what was received"


async def test_a_bundle_that_somebody_took_away_is_missing(world: World) -> None:
    await world.day(0)
    row = world.rows[2]
    alter(world.directory, row.evidence_id or "", lambda text: None)
    assert told(verify(world.directory)) == [("evidence", row.seq)]
    assert "nothing that the agent put on record says so" in world.run("evidence", f"acme/{row.seq}").output


@pytest.mark.parametrize("limits", [{"age": "1d"}, {"size": "100MiB", "age": "1d"}])
async def test_what_retention_took_is_on_record_by_its_id(world: World, limits: dict[str, str]) -> None:
    for day in range(4):
        await world.day(day)
        await world.tidy(**limits)
        found = verify(world.directory)
        assert found.good, (day, found)
    assert "as the agent has put on record" in notes(found)
    shown = world.run("evidence", f"acme/{world.rows[0].seq}")
    assert (shown.exit_code, "retention took it" in shown.output) == (1, True), shown.output
    last = world.rows[-1]
    alter(world.directory, last.evidence_id or "", lambda text: None)
    assert told(verify(world.directory)) == [("evidence", last.seq)], (
        "what is on record licenses itself alone"
    )


async def test_a_row_without_a_digest_stays_valid(world: World) -> None:
    """As version 0.1 wrote them: nothing vouches for the bundle, and that is said."""
    row = await keep(world.store, failed(1), digest=False)
    alter(world.directory, row.evidence_id or "", lambda text: text.replace(b"503", b"200"))
    found = verify(world.directory)
    assert found.good
    assert "under no digest" in notes(found)
    assert world.run("evidence", f"acme/{row.seq}").exit_code == 0


async def test_a_file_of_evidence_that_was_damaged_is_on_record(world: World) -> None:
    await world.day(0)
    await world.store.close()
    (part,) = parts_of(world.directory, EVIDENCE_PARTS)
    part.path.write_bytes(b"x" * 20_000)
    world.store = Store.open(world.directory, "a1", world.clock, limits=Limits(span_us=DAY_US))
    assert told(verify(world.directory)) == [("evidence", row.seq) for row in world.rows]
    await world.tidy()
    found = verify(world.directory)
    assert found.good, found
    assert "3 evidence bundles are gone" in notes(found)
    await world.store.close()


async def test_a_file_of_evidence_that_cannot_be_read_is_said_of_each_row_that_needs_it(world: World) -> None:
    """Nobody has noticed yet: the verification goes on, and names the records."""
    for day in range(3):
        await world.day(day)
    first = parts_of(world.directory, EVIDENCE_PARTS)[0]
    first.path.write_bytes(b"x" * 20_000)
    assert told(verify(world.directory)) == [("evidence", row.seq) for row in world.rows[:3]]
    shown = world.run("evidence", f"acme/{world.rows[0].seq}")
    assert (shown.exit_code, "cannot be read" in shown.output) == (1, True), shown.output
    assert world.run("evidence", f"acme/{world.rows[8].seq}").exit_code == 0
    assert world.run("evidence", world.rows[8].evidence_id or "").exit_code == 0


async def test_a_file_of_evidence_that_the_disk_does_not_give_is_not_called_altered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the disk, or missing rights, accuses nobody."""
    await world.day(0, count=1)
    real = Query.rows

    def failing(self: Query, sql: str, *values: object) -> Any:
        if self.path.parent.name == EVIDENCE_PARTS and "body" in sql:
            raise StoreError(f"{self.path}: cannot be read: disk I/O error")
        return real(self, sql, *values)

    monkeypatch.setattr(Query, "rows", failing)
    found = verify(world.directory)
    (problem,) = [problem for report in found.streams for problem in report.problems]
    assert (problem.kind, problem.seq) == (Kind.UNREADABLE, world.rows[0].seq)
    assert "could not be read, which says nothing" in problem.words
    assert "altered" not in problem.words
    shown = world.run("evidence", f"acme/{world.rows[0].seq}")
    assert shown.exit_code != 0
    assert "altered" not in shown.output
    monkeypatch.undo()
    assert verify(world.directory).good


@pytest.mark.parametrize("word", ["scheduled_at FROM bundle", "body FROM bundle"])
async def test_evidence_that_the_disk_does_not_give_is_asked_for_again_by_a_pull(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """Once it is answered that it is gone, it is never asked for again: not for an error that passes."""
    await world.day(0, count=2)
    real, failed_so_far = Query.rows, [0]

    def failing(self: Query, sql: str, *values: object) -> Any:
        if word in sql and failed_so_far[0] < 3:
            failed_so_far[0] += 1
            raise StoreError(f"{self.path}: cannot be read: disk I/O error")
        return real(self, sql, *values)

    monkeypatch.setattr(Query, "rows", failing)
    async with served(tmp_path) as api:
        assert (await api.ask(f"/v1/evidence/{world.rows[0].evidence_id}")).status == 503
        board = await pulled(api, tmp_path / "c", "everything", evidence_bytes=10_000_000)
    assert failed_so_far == [3]
    assert (board.complete, sum(stream.bundles for stream in board.streams)) == (True, 2)


@pytest.mark.parametrize("failing_page", [1, 2, 3])
async def test_records_that_the_disk_does_not_give_are_not_called_cut_off(
    world: World, monkeypatch: pytest.MonkeyPatch, failing_page: int
) -> None:
    await world.day(0, count=12)
    Keys.open(world.directory)
    (world.directory / "acme").mkdir()
    with Reader.open(world.directory) as reader:
        head = Signer(Keys.open(world.directory), world.clock).head(reader.head("acme"))
    (world.directory / "acme" / "HEAD.json").write_text(json.dumps(head.to_json()))
    real, pages = Reader.lines, [0]

    def lines(self: Reader, customer: str, after: int, limit: int) -> Any:
        pages[0] += 1
        if pages[0] == failing_page:
            raise StoreError("000001.db: cannot be read: disk I/O error")
        return real(self, customer, after, limit)

    monkeypatch.setattr(verify_sources, "PAGE", 4)
    monkeypatch.setattr(Reader, "lines", lines)
    found = verify(world.directory)
    (problem,) = [problem for report in found.streams for problem in report.problems]
    assert (problem.kind, problem.seq) == (Kind.UNREADABLE, 4 * failing_page - 3)
    assert not found.good, "and it is no word that all is well"
    monkeypatch.undo()
    assert verify(world.directory).good


async def test_a_bundle_that_says_it_is_huge_is_not_unpacked(world: World) -> None:
    """A frame that announces more than any bundle has: refused before memory is taken."""
    await world.day(0, count=1)
    (row,) = world.rows
    alter(world.directory, row.evidence_id or "", lambda text: b"\0" * (65 * 1024 * 1024))
    assert told(verify(world.directory)) == [("evidence", row.seq)]


async def test_the_bundles_own_copy_of_the_row_lacks_what_the_store_gave(world: World) -> None:
    await world.day(0, count=1)
    shown = json.loads(world.run("evidence", f"acme/{world.rows[0].seq}", "--json").output)
    lacks = {key: shown["record"][key] for key in ("seq", "previous", "complete_up_to", "evidence_sha256")}
    assert set(lacks.values()) == {None}
    assert HEAD.decode("ascii").startswith("HTTP/1.1 503")
