"""One edge that gives other content over HTTP/2 than over HTTP/1.1, with real servers on loopback."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from probe.core.records.observation import Role
from probe.core.records.rows import SlotRecord
from tests.codes.provoking import provokes
from tests.support import build
from tests.support.http2 import PREFACE, data, head, saying, tls_of
from tests.support.http_server import Script, response
from tests.support.slots import FRESH, GOOD, Setting, measure, right

OTHER = b"what nobody ever published\n"
DIFFER = "content.protocols_differ"


def by_alpn(over_http2: bytes, over_http1: bytes = GOOD, status: str = "200", etag: str = "v1") -> Script:
    """A server that answers each version with a body of its own; `etag`: over HTTP/2."""
    fields = (("cache-control", "max-age=60"), ("etag", f'"{etag}"'))
    second = saying(PREFACE + head(*fields, status=status) + data(over_http2, end=True))
    first = response(over_http1, 'ETag: "v1"', FRESH)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        chosen = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        await (second if chosen == "h2" else first)(reader, writer)

    return script


async def measured(
    directory: Path, edge: Script, protocol: str = "h1", mode: str = "exact", origin: Script | None = None
) -> SlotRecord:
    others = {"h1": "h2", "h2": "h1"}[protocol]
    more = {"remove": {"patterns": ["zz"]}} if mode == "normalised" else {}
    checks = build.checks(availability={}, integrity={"mode": mode, "protocols": [others], **more})
    made = Setting(
        edge=edge, tls=tls_of, request={"protocol": protocol}, checks=checks, origin=origin or right()
    )
    return (await measure(made, directory))[1]


@pytest.mark.parametrize("mode", ["exact", "normalised"])
async def test_the_same_content_over_both(tmp_path: Path, mode: str) -> None:
    row = await measured(tmp_path, by_alpn(GOOD), mode=mode)
    assert (row.outcome, row.findings) == ("ok", ()), row.summary
    (other,) = [o for o in row.observations if o.role is Role.CHECK]
    assert (other.ask, other.method) == ("integrity.by:h2", "GET")
    assert other.response is not None
    assert other.response.next_hop_protocol == "h2"
    assert other.comparison is not None
    assert other.comparison.relation == "equal"
    assert other.response.content_digest == row.observations[0].response.content_digest  # type: ignore[union-attr]


@pytest.mark.parametrize("mode", ["exact", "normalised"])
@provokes(DIFFER)
async def test_other_content_over_one_of_them(tmp_path: Path, mode: str) -> None:
    row = await measured(tmp_path, by_alpn(OTHER), mode=mode)
    assert (row.outcome, row.fault, row.reason, row.confirmed) == ("failed", "cdn", DIFFER, True), row.summary
    assert row.observations[0].comparison is not None
    assert row.observations[0].comparison.relation == "equal", "the edge's own reply is well"
    assert "over HTTP/2; over http/1.1 the origin's content" in row.summary


async def test_a_version_that_nobody_saw_over_one_of_them(tmp_path: Path) -> None:
    """The node has just given the present version over HTTP/1.1: what it gives over HTTP/2 is no older copy."""
    row = await measured(tmp_path, by_alpn(OTHER, etag="v0"))
    assert (row.outcome, row.fault, row.reason, row.confirmed) == ("failed", "cdn", DIFFER, True), row.summary
    other = next(o for o in row.observations if o.role is Role.CHECK)
    assert other.comparison is not None
    assert "this node served the origin's present version at" in (other.comparison.detail or "")


async def test_wrong_over_the_version_that_is_measured_is_judged_by_itself(tmp_path: Path) -> None:
    row = await measured(tmp_path, by_alpn(OTHER), protocol="h2")
    assert (row.outcome, row.fault, row.reason) == ("failed", "cdn", "content.mismatch"), row.summary
    assert DIFFER not in {finding.reason for finding in row.findings}


async def test_another_status_over_one_of_them(tmp_path: Path) -> None:
    row = await measured(tmp_path, by_alpn(b"", status="404"))
    assert (row.outcome, row.fault, row.reason, row.confirmed) == ("failed", "cdn", DIFFER, True), row.summary
    assert "status 200 over http/1.1, 404 over HTTP/2" in row.summary


async def test_an_origin_that_never_answered_leaves_it_open(tmp_path: Path) -> None:
    """Then nobody can say which of the two is right."""
    made = Setting(
        edge=by_alpn(OTHER),
        origin=None,
        warm=False,
        tls=tls_of,
        request={"protocol": "h1"},
        checks=build.checks(availability={}, integrity={"protocols": ["h2"]}),
    )
    _, row = await measure(made, tmp_path)
    assert row.fault != "cdn", row.summary
    assert DIFFER in {finding.reason for finding in row.findings}
