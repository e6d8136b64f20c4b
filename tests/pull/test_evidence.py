"""Evidence travels with the rows: only what a row vouches for, within a budget, and never in the rows' way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import zstandard
from click.testing import CliRunner, Result

from probe.cli.main import cli
from probe.core.model.value import replace
from probe.core.proof.chain import line_digest
from probe.core.records.rows import SlotRecord
from probe.evidence.copied import CopiedEvidence
from probe.host.clock import SystemClock
from probe.pull import Copy, State
from probe.pull.chain import Cursor, Followed, StreamName
from probe.pull.evidence import EvidencePull
from probe.services.verification import verify
from probe.store.store import Store
from tests.api.served import served
from tests.pull.test_real_server import pulled, signed
from tests.seal.kept_evidence import alter, failed, keep
from tests.support.rows import slot

MIB = 1 << 20


async def filled(directory: Path, count: int = 4, first: int = 0, customer: str = "acme") -> list[SlotRecord]:
    """Failed rows with their bundles, and a row that is well behind each."""
    store = Store.open(directory, "a1", SystemClock())
    made = []
    for second in range(first, first + 2 * count, 2):
        made.append(await keep(store, failed(second, customer)))
        await store.append([slot(second + 1, customer=customer)])
    await store.close()
    return made


def files(copy: Path) -> list[Path]:
    return sorted((copy / "a1" / "acme" / "evidence").glob("*.zst"))


def run(copy: Path, *typed: str) -> Result:
    return CliRunner().invoke(cli, ["results", "-d", str(copy), *typed])


async def test_bundles_come_with_the_rows_and_are_read_from_the_copy(tmp_path: Path) -> None:
    rows = await filled(tmp_path / "r")
    copy = tmp_path / "c"
    async with served(tmp_path, options=signed(tmp_path)) as api:
        board = await pulled(api, copy, "acme", evidence_bytes=MIB)
        assert board.complete, board
    assert (board.streams[0].rows, board.streams[0].bundles) == (8, 4)
    assert [int(file.name[:12]) for file in files(copy)] == [row.seq for row in rows]
    text = Copy(copy).evidence("a1", rows[0])
    assert text is not None
    assert json.loads(text)["id"] == rows[0].evidence_id
    assert Copy(copy).verify()[0].ok
    found = verify(copy)
    assert found.good
    assert "4 evidence bundles are as their rows say" in " ".join(found.streams[0].notes)
    har = tmp_path / "x.har"
    for which in ("acme/1", "a1/acme/1", rows[0].evidence_id or ""):
        shown = run(copy, "evidence", which, "--har", str(har))
        assert shown.exit_code == 0, shown.output
        assert json.loads(har.read_text())["log"]["entries"][0]["response"]["status"] == 503


async def test_a_copy_without_evidence_says_how_to_have_it_and_can_catch_up(tmp_path: Path) -> None:
    rows = await filled(tmp_path / "r")
    copy = tmp_path / "c"
    async with served(tmp_path, options=signed(tmp_path)) as api:
        assert (await pulled(api, copy, "acme")).complete
        assert files(copy) == []
        shown = run(copy, "evidence", "acme/1")
        assert (shown.exit_code, "pull --evidence" in shown.output) == (1, True), shown.output
        rows += await filled(tmp_path / "r", 3, first=50)
        board = await pulled(api, copy, "acme", evidence_bytes=MIB)
        assert board.complete
        assert len(files(copy)) == len(rows) == 7
        assert (await pulled(api, copy, "acme", evidence_bytes=MIB)).streams[0].bundles == 0


async def test_a_bundle_altered_at_the_host_is_named_and_the_rows_come_all_the_same(tmp_path: Path) -> None:
    rows = await filled(tmp_path / "r")
    copy = tmp_path / "c"
    alter(tmp_path / "r", rows[1].evidence_id or "", lambda text: text.replace(b"503", b"200"))
    async with served(tmp_path, options=signed(tmp_path)) as api:
        for _ in range(2):
            board = await pulled(api, copy, "acme", evidence_bytes=MIB)
            (stream,) = board.streams
            assert (stream.state, stream.seq) == (State.REFUSED, 8)
            assert f"of record {rows[1].seq}" in (stream.note or "")
            assert "altered" in (stream.note or "")
    assert [int(file.name[:12]) for file in files(copy)] == [rows[n].seq for n in (0, 2, 3)]
    assert verify(copy).good, "what is here is as it was"


async def test_a_bundle_altered_in_the_copy_is_named(tmp_path: Path) -> None:
    rows = await filled(tmp_path / "r")
    copy = tmp_path / "c"
    async with served(tmp_path, options=signed(tmp_path)) as api:
        await pulled(api, copy, "acme", evidence_bytes=MIB)
    file = files(copy)[2]
    good = file.read_bytes()
    text = zstandard.decompress(good)
    for bad in (
        zstandard.compress(text.replace(b"503", b"200")),
        good[:-3],
        b"",
        zstandard.compress(b"\0" * 65 * MIB),
    ):
        file.write_bytes(bad)
        (seen,) = Copy(copy).verify()
        assert (seen.ok, seen.first_bad) == (False, rows[2].seq)
        assert [(p.kind.value, p.seq) for p in verify(copy).streams[0].problems] == [
            ("evidence", rows[2].seq)
        ]
        assert run(copy, "evidence", f"acme/{rows[2].seq}").exit_code == 1
    file.unlink()
    found = verify(copy)
    assert found.good, "a copy may have no room for it"
    assert "not here" in " ".join(found.streams[0].notes)


async def test_beyond_the_budget_the_oldest_go(tmp_path: Path) -> None:
    rows = await filled(tmp_path / "r", 6)
    copy = tmp_path / "c"
    async with served(tmp_path, options=signed(tmp_path)) as api:
        await pulled(api, copy, "acme", evidence_bytes=MIB)
        room = sum(file.stat().st_size for file in files(copy)[-3:])
        await pulled(api, tmp_path / "small", "acme", evidence_bytes=room)
    assert [int(file.name[:12]) for file in files(tmp_path / "small")] == [row.seq for row in rows[-3:]]
    assert CopiedEvidence(tmp_path / "small" / "a1" / "acme").bytes == room


async def test_a_token_that_may_not_read_evidence_keeps_the_rows(tmp_path: Path) -> None:
    await filled(tmp_path / "r")
    async with served(tmp_path, options=signed(tmp_path)) as api:
        board = await pulled(api, tmp_path / "c", "results-only", evidence_bytes=MIB)
    assert (board.streams[0].state, board.streams[0].seq) == (State.REFUSED, 8)
    assert "evidence" in (board.streams[0].note or "")


@pytest.mark.parametrize("identifier", ["../../../tmp/x", "a" * 33, "", "A" * 32, "0" * 31 + "/"])
def test_a_name_that_is_none_is_never_asked_for(tmp_path: Path, identifier: str) -> None:
    row = replace(failed(1), seq=1, evidence_id=identifier, evidence_sha256="0" * 64)
    assert wanted(tmp_path, [row]) == []
    assert wanted(tmp_path, [replace(row, evidence_id="0" * 32)]) == ["0" * 32]
    assert wanted(tmp_path, [replace(row, evidence_id="0" * 32, evidence_sha256=None)]) == []


def wanted(directory: Path, rows: Sequence[SlotRecord]) -> list[str]:
    from probe.core.records.codec import encode

    page = [
        Followed(encode(row), "slot", row.seq or 0, Cursor(seq=row.seq or 0, digest=line_digest(encode(row))))
        for row in rows
    ]
    return [named.identifier for named in EvidencePull(directory, StreamName("a1", "acme")).wanted(page, 0)]


async def test_a_host_that_is_asked_too_often_is_asked_later_and_nothing_is_lost(tmp_path: Path) -> None:
    """Each bundle is a request: refusals for the rate are waited out, and what came stays."""
    rows = await filled(tmp_path / "r", 6)
    copy = tmp_path / "c"
    async with served(tmp_path, options=signed(tmp_path), requests_per_minute=4) as api:
        first = await pulled(api, copy, "acme", evidence_bytes=MIB, tries=2)
    assert not first.complete
    assert 0 < len(files(copy)) < len(rows)
    assert first.streams[0].seq == 12
    (tmp_path / "agent.yaml").unlink()
    async with served(tmp_path, options=signed(tmp_path)) as api:
        assert (await pulled(api, copy, "acme", evidence_bytes=MIB)).complete
    assert len(files(copy)) == len(rows)
