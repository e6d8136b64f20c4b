"""Evidence bundles from the wire to the disk and back: what a verdict of fault rests on."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from probe.cli.main import cli
from probe.cli.render.bundle import readable
from probe.core.model.task import OriginSpec, Request, Task
from probe.core.model.value import replace
from probe.core.records.codec import encode_any
from probe.core.records.dns import DnsQuery
from probe.core.records.rows import SlotRecord
from probe.core.results.bundle import Bundle, bundle_digest, bundle_id, bundle_text
from probe.evidence.bundle_builder import bundle_of
from probe.evidence.capture import Captured, CapturedMessages, Collector
from probe.host.clock import SystemClock
from probe.measure.edge_pace import EdgePace
from probe.store.base.packing import pack, unpack
from probe.store.read.reader import Reader
from probe.store.store import Store, StoreError
from tests.measure.test_pipeline import Bench
from tests.support import build
from tests.support.har_schema import HAR_1_2
from tests.support.http_server import make_fetcher, response, serve

GOOD = b"<html>the customer's own page</html>\n" * 30
BAD = GOOD[:500] + b"<script src=//evil.example></script>" + GOOD[500:]
KNOWN = 'ETag: "v1"'


class WireBench(Bench):
    """A bench whose fetcher is the real one, and which keeps bundles."""

    def __init__(self) -> None:
        super().__init__(resolution=build.resolution("127.0.0.1"))
        self.bundles: list[Bundle] = []
        self.room = True
        fetcher = make_fetcher()
        self.pipeline._fetcher = EdgePace(fetcher, SystemClock())
        self.pipeline.references._fetcher = fetcher
        self.pipeline._keep_bundle = self._keep
        self.pipeline._clock = self.pipeline.references._clock = SystemClock()

    def _keep(self, bundle: Bundle) -> str | None:
        self.bundles.append(bundle)
        return bundle_digest(bundle_text(bundle)) if self.room else None


def task_at(edge_port: int, origin_port: int) -> Task:
    asked = Request(scheme="http", host="www.acme.example", port=edge_port, path="/a.html")
    origin = OriginSpec(address="127.0.0.2", request=replace(asked, port=origin_port))
    return build.task(request=asked, origin=origin, checks=build.checks(availability={}, integrity={}))


async def tampered(room: bool = True) -> tuple[SlotRecord, list[Bundle]]:
    bench = WireBench()
    bench.room = room
    async with serve(response(BAD, KNOWN)) as edge, serve(response(GOOD, KNOWN), host="127.0.0.2") as origin:
        row = await bench.measure(task_at(edge.port, origin.port))
    return row, bench.bundles


async def test_a_bundle_holds_the_bytes_of_every_request() -> None:
    row, (bundle,) = await tampered()
    assert (row.outcome, row.reason) == ("failed", "content.mismatch")
    assert row.evidence_id == bundle.id == bundle_id(row)
    assert (bundle.record.seq, bundle.record.evidence_sha256) == (None, None)
    assert replace(bundle.record, evidence_sha256=bundle_digest(bundle_text(bundle))) == row
    assert [e.observation for e in bundle.exchanges] == list(range(len(row.observations)))
    for exchange in bundle.exchanges:
        assert exchange.request_head.startswith("GET /a.html HTTP/1.1\r\nHost: www.acme.example")
        assert exchange.response_head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert exchange.body_head in (GOOD, BAD)


async def test_the_first_differing_byte_is_told_with_its_surroundings() -> None:
    row, (bundle,) = await tampered()
    roles = {row.observations[e.observation].role.value: e for e in bundle.exchanges}
    found = roles["confirm"].difference
    assert found is not None
    assert (found.offset, found.edge_bytes, found.origin_bytes) == (500, len(BAD), len(GOOD))
    assert b"<script src=//evil.example>" in found.edge
    assert b"<script" not in found.origin
    assert roles["origin"].difference is None


async def test_a_slot_that_is_well_keeps_nothing() -> None:
    bench = WireBench()
    async with serve(response(GOOD, KNOWN)) as edge, serve(response(GOOD, KNOWN), host="127.0.0.2") as origin:
        row = await bench.measure(task_at(edge.port, origin.port))
    assert (row.outcome, row.evidence_id, bench.bundles) == ("ok", None, [])


async def test_a_bundle_that_could_not_be_kept_is_not_named() -> None:
    row, _ = await tampered(room=False)
    assert row.evidence_id is None


def test_dns_messages_are_found_again_by_their_record() -> None:
    query = DnsQuery(qname="a", qtype="A", resolver="udp://192.0.2.53:53", transport="udp", start_us=5)
    row = build_row(queries=(replace(query, start_us=1), query))
    collected = Collector(
        messages=[
            CapturedMessages(query=query, sent=b"q", received=b"r"),
            CapturedMessages(query=replace(query, qname="elsewhere"), sent=b"x", received=None),
        ]
    )
    (kept,) = bundle_of(row, "{}", collected).dns
    assert (kept.query, kept.sent, kept.received) == (1, b"q", b"r")


def build_row(queries: tuple[DnsQuery, ...] = ()) -> SlotRecord:
    from probe.checks import CHECKS
    from probe.core.results.rows import measured_row

    found = build.evidence(build.refused(), resolution=build.resolution(queries=queries))
    return measured_row(build.task(), found, CHECKS, finished_at=build.AT)


def test_bytes_that_belong_to_no_observation_are_left_out() -> None:
    stray = Captured(
        source="127.0.0.1:9",
        address="192.0.2.9",
        port=1,
        request_head="",
        response_head=b"",
        body=b"",
        whole=False,
        certificates=(),
    )
    unconnected = replace(stray, source=None, address=build.EDGE, port=443)
    collected = Collector()
    collected.keep(lambda: stray)
    collected.keep(lambda: unconnected)
    assert collected.exchanges == [stray, unconnected]
    assert bundle_of(build_row(), "{}", collected).exchanges == ()


async def test_packed_and_unpacked_it_is_the_same() -> None:
    _, (bundle,) = await tampered()
    assert unpack(pack(bundle)) == bundle
    assert len(pack(bundle)) < len(encode_any(bundle)) / 2
    for broken in (b"", b"no zstd", pack(bundle)[:-5]):
        with pytest.raises(StoreError, match="cannot be read"):
            unpack(broken)


async def stored(directory: Path) -> SlotRecord:
    row, (bundle,) = await tampered()
    store = Store.open(directory, "a", SystemClock())
    assert store.put_bundle(bundle)
    (kept,) = await store.append([row])
    await store.append([replace(row, evidence_id=None)])
    await store.close()
    assert isinstance(kept, SlotRecord)
    return kept


async def test_what_was_kept_can_be_read_shown_and_exported(tmp_path: Path) -> None:
    row = await stored(tmp_path / "r")
    with Reader.open(tmp_path / "r") as reader:
        bundle = reader.bundle(row.evidence_id or "")
        assert reader.bundle("0" * 32) is None
    assert bundle is not None
    run = CliRunner()
    base = ["results", "-d", str(tmp_path / "r")]
    shown = run.invoke(cli, [*base, "show", f"acme/{row.seq}", "--evidence"], catch_exceptions=False)
    assert "leaves the origin's (1110 bytes) at byte 500" in shown.output
    assert "> GET /a.html HTTP/1.1" in shown.output
    har_file = tmp_path / "slot.har"
    told = run.invoke(
        cli, [*base, "evidence", row.evidence_id or "", "--har", str(har_file)], catch_exceptions=False
    )
    assert told.exit_code == 0
    har = json.loads(har_file.read_text())
    jsonschema.Draft202012Validator(HAR_1_2).validate(har)
    assert len(har["log"]["entries"]) == len(row.observations)
    assert "evil.example" in har["log"]["entries"][0]["response"]["content"]["text"]
    as_json = run.invoke(cli, [*base, "evidence", f"acme/{row.seq}", "--json"], catch_exceptions=False)
    assert json.loads(as_json.output)["id"] == row.evidence_id


@pytest.mark.parametrize(
    ("which", "words"), [("acme/2", "none was kept"), ("acme/9", "no record"), ("0" * 32, "no evidence")]
)
async def test_what_is_not_there_is_said_in_words(tmp_path: Path, which: str, words: str) -> None:
    await stored(tmp_path / "r")
    told = CliRunner().invoke(cli, ["results", "-d", str(tmp_path / "r"), "evidence", which])
    assert told.exit_code != 0
    assert words in told.output


def test_bytes_are_readable() -> None:
    assert readable(b"plain\r\ntext") == "plain\ntext"
    assert readable(b"\x00\xff") == "00 ff"
    assert readable(b"\x1b[31m") == "1b 5b 33 31 6d", "no terminal is told anything"
    assert readable(b"x" * 300).endswith("x … and 44 bytes more")


async def test_what_was_moved_today_is_counted_again_at_a_start(tmp_path: Path) -> None:
    row, _ = await tampered()
    store = Store.open(tmp_path / "r", "a", SystemClock())
    await store.append([row, row, replace(row, scheduled_at="2026-11-21T23:59:59.000000Z")])
    moved = store.body_bytes_since("acme", "2026-11-22T00:00:00.000000Z")
    assert moved == 2 * sum(o.response.encoded_body_bytes or 0 for o in row.observations if o.response)
    assert store.body_bytes_since("nobody", "2026-11-22T00:00:00.000000Z") == 0
    await store.close()
