"""The store taken away: whatever still knows of its end keeps a second history from beginning."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from probe.core.proof.findings import Kind
from probe.core.proof.manifest import ENDING
from probe.core.records.verdict import Outcome
from probe.core.results.bundle import Bundle
from probe.host.clock import SystemClock
from probe.seal.keys import Keys, Signer
from probe.seal.known_ends import known_ends
from probe.seal.position import HEAD, STATE
from probe.services.verification import verify
from probe.store.acks import ApiDb
from probe.store.base.ends import SKIPPED
from probe.store.confirmations import Ack, Pulled
from probe.store.read.reader import Reader
from probe.store.store import Store
from tests.seal.made import AGENT, filled, lines_of, sealed
from tests.support.rows import at, event, slot

SEALED = 20


async def emptied(directory: Path) -> None:
    """Filled, sealed, and then without catalogue and parts."""
    await filled(directory, SEALED)
    await sealed(directory)
    (directory / "results.db").unlink()
    shutil.rmtree(directory / "_parts")


def keep(*names: str) -> Callable[[Path], None]:
    """Only these of what knows of the end are left."""

    def others_away(directory: Path) -> None:
        for pattern in {STATE, f"*/{HEAD}", f"*/*/*{ENDING}"} - set(names):
            for path in directory.glob(pattern):
                path.unlink()

    return others_away


async def go_on(directory: Path) -> tuple[int, list[tuple[str, str]]]:
    """The agent starts, puts the loss on record and goes on; gives the first new seq of acme, and the spans."""
    store = Store.open(directory, AGENT, SystemClock(), known=known_ends(directory))
    first, spans = 0, []
    for notice in store.take_notices():
        loss = event(notice.event, notice.customer or "")
        (row,) = await store.append([type(loss)(**{**_fields(loss), "detail": notice.detail})])
        if notice.customer == "acme":
            first = row.seq or 0
            spans.append((notice.detail["first_seq"], notice.detail["last_seq"]))
    await store.append([slot(5000), slot(5000, customer="other")])
    await store.close()
    return first, spans


def _fields(record: object) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__struct_fields__}  # type: ignore[attr-defined]


@pytest.mark.parametrize("left", [STATE, f"*/{HEAD}", f"*/*/*{ENDING}"])
async def test_each_of_them_alone_is_enough(tmp_path: Path, left: str) -> None:
    await emptied(tmp_path)
    keep(left)(tmp_path)
    first, spans = await go_on(tmp_path)
    assert first == SEALED + SKIPPED + 1
    assert spans == [("1", str(SEALED + SKIPPED))]
    assert verify(tmp_path).good, "the loss is declared, nothing is signed twice"


async def test_sealing_goes_on_behind_the_loss_and_the_head_that_was_given_away_still_fits(
    tmp_path: Path,
) -> None:
    await emptied(tmp_path)
    witness = tmp_path.parent / "witness.json"
    shutil.copy(tmp_path / "acme" / HEAD, witness)
    await go_on(tmp_path)
    await sealed(tmp_path)
    found = verify(tmp_path, [tmp_path / "agent.pub"], [witness])
    assert found.good, [problem.words for stream in found.streams for problem in stream.problems]
    told = json.loads((tmp_path / "acme" / HEAD).read_text())
    assert told["seq"] > SEALED + SKIPPED
    kinds = [json.loads(line)["kind"] for line in lines_of(tmp_path, "acme")]
    assert kinds == ["dropped", "event", "slot"]


async def test_a_head_that_others_signed_moves_nothing(tmp_path: Path) -> None:
    await emptied(tmp_path)
    keep(f"*/{HEAD}")(tmp_path)
    head = json.loads((tmp_path / "acme" / HEAD).read_text())
    (tmp_path / "acme" / HEAD).write_text(json.dumps({**head, "seq": 10**9}))
    assert [end.customer for end in known_ends(tmp_path)] == ["other"]


async def test_what_readers_confirmed_or_pulled_counts(tmp_path: Path) -> None:
    await filled(tmp_path, 10)
    db = await ApiDb.open(tmp_path, at(0))
    await db.acknowledge(Ack(reader="x", agent=AGENT, customer="acme", seq=7, digest="d" * 64, at=at(0)))
    await db.pulled(Pulled(reader="y", agent=AGENT, customer="acme", first=1, last=9, at=at(0)))
    await db.close()
    (tmp_path / "results.db").unlink()
    shutil.rmtree(tmp_path / "_parts")
    first, _ = await go_on(tmp_path)
    assert first == 9 + SKIPPED + 1


async def test_evidence_whose_rows_are_gone_counts(tmp_path: Path) -> None:
    store = Store.open(tmp_path, AGENT, SystemClock())
    failed = slot(600, outcome=Outcome.FAILED, evidence_id="e" * 32)
    await store.append([slot(0), slot(300)])
    store.put_bundle(Bundle(bundle_version=1, id="e" * 32, record=failed, definition="{}"))
    await store.append([failed])
    await store.close()
    assert [(end.customer, end.seq) for end in known_ends(tmp_path)] == [("acme", 2)], (
        "as far as it went before"
    )
    (tmp_path / "results.db").unlink()
    shutil.rmtree(tmp_path / "_parts")
    await Store.open(tmp_path, AGENT, SystemClock()).close()  # an empty one in its place
    first, spans = await go_on(tmp_path)
    assert first == 2 + SKIPPED + 1
    assert spans == [("1", str(2 + SKIPPED))]


async def test_a_start_that_ended_before_it_put_the_loss_on_record_leaves_that_to_the_next(
    tmp_path: Path,
) -> None:
    await emptied(tmp_path)
    await Store.open(tmp_path, AGENT, SystemClock(), known=known_ends(tmp_path)).close()
    first, spans = await go_on(tmp_path)
    assert first == SEALED + SKIPPED + 1
    assert spans == [("1", str(SEALED + SKIPPED))]
    assert verify(tmp_path).good
    store = Store.open(tmp_path, AGENT, SystemClock(), known=known_ends(tmp_path))
    assert store.take_notices() == [], "said once"
    await store.close()


@pytest.mark.parametrize("later", [5, 86_400], ids=["soon", "of a task that is due once a day"])
async def test_a_kill_between_bundle_and_row_is_no_loss(tmp_path: Path, later: int) -> None:
    store = Store.open(tmp_path, AGENT, SystemClock())
    await store.append([slot(0)])
    store.put_bundle(Bundle(bundle_version=1, id="e" * 32, record=slot(later), definition="{}"))
    await store.close()
    _, spans = await go_on(tmp_path)
    assert spans == []


async def test_what_cannot_be_read_keeps_no_agent_from_starting(tmp_path: Path) -> None:
    await filled(tmp_path, 5)
    (tmp_path / "agent.pub").write_text("no key")
    (tmp_path / "_api.db").write_text("no database")
    assert known_ends(tmp_path) == []


async def test_a_head_that_is_newer_than_what_is_sealed_is_held_against_the_store_beside(
    tmp_path: Path,
) -> None:
    """Sealing lags an hour behind what readers pull: their heads accused the segments of a cut end."""
    results, witness = tmp_path / "results", tmp_path / "witness.json"
    await filled(results, SEALED)
    await sealed(results)
    store = Store.open(results, AGENT, SystemClock())
    await store.append([slot(5000)])
    await store.close()
    with Reader.open(results) as reader:
        head = reader.head("acme")
    witness.write_text(json.dumps(Signer(Keys.open(results), SystemClock()).sign(head)))
    assert head.seq > SEALED
    assert verify(results, [results / "agent.pub"], [witness]).good
    shutil.rmtree(results / "_parts")
    (results / "results.db").unlink()
    found = verify(results, [results / "agent.pub"], [witness])
    assert [problem.kind for stream in found.streams for problem in stream.problems] == [Kind.TRUNCATED]
