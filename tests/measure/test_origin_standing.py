"""An origin that never answers us, with real servers: a dead edge beside it stays the CDN's."""

from __future__ import annotations

from pathlib import Path

import pytest

from probe.core.records.origin import OriginAsk, OriginStanding
from probe.core.records.rows import SlotRecord
from probe.host.clock import SystemClock
from probe.store.store import Store
from tests.support.http_server import Script, hang, response
from tests.support.slots import ORIGIN, Setting, measure, right

BAD_GATEWAY = response(b"", status="502 Bad Gateway")


def triple(row: SlotRecord) -> tuple[str | None, str | None, str | None]:
    return row.outcome, row.fault, row.reason


@pytest.mark.parametrize("origin", [None, hang])
async def test_a_dead_edge_beside_a_firewalled_origin_is_the_cdns(
    tmp_path: Path, origin: Script | None
) -> None:
    _, row = await measure(Setting(edge=None, origin=origin, warm=False), tmp_path)
    assert triple(row) == ("failed", "cdn", "tcp.refused"), row.summary
    assert row.reference is not None
    assert row.reference.standing is not None
    assert [ask.answered for ask in row.reference.standing.asks] == [False, False]
    assert row.reference.standing.never_answered
    assert "never answered us" in (row.summary or "")
    assert not [i for i in row.rests_on if row.observations[i].role == "origin"]


async def test_its_502_is_not_the_origins_either(tmp_path: Path) -> None:
    _, row = await measure(Setting(edge=BAD_GATEWAY, origin=None, warm=False), tmp_path)
    assert triple(row) == ("failed", "unknown", "http.error"), row.summary


async def test_an_origin_that_answers_stands_on_record(tmp_path: Path) -> None:
    _, row = await measure(Setting(edge=right(), warm=False), tmp_path)
    assert row.reference is not None
    standing = row.reference.standing
    assert standing is not None
    assert (standing.last_answered_address, len(standing.asks)) == (ORIGIN, 1)
    assert standing.last_answered_at == standing.asks[0].at


async def test_the_store_keeps_it_over_a_restart(tmp_path: Path) -> None:
    standing = OriginStanding(
        asks=(OriginAsk(at="2026-11-22T10:00:00Z", address=ORIGIN, answered=False, failure="tcp.timed_out"),),
        last_answered_at="2026-11-20T10:00:00Z",
        last_answered_address=ORIGIN,
    )
    store = Store.open(tmp_path, "a", SystemClock())
    store.put_origin_standing("acme", f"{ORIGIN} http 80", OriginStanding())
    store.put_origin_standing("acme", f"{ORIGIN} http 80", standing)
    await store.close()
    again = Store.open(tmp_path, "a", SystemClock())
    assert again.origin_standings() == [("acme", f"{ORIGIN} http 80", standing)]
    await again.close()
