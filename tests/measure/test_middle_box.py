"""A box on one vantage point's path rewrites what an edge sends: the path is to blame, and the edge is not.

The box is what a vantage point's traffic really passes through: everything that it asks goes by it (SOCKS5), and what
the edge answers leaves it changed. Edge, origin and the other vantage point's line know nothing of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from probe.core.model.task import VantagePoint
from probe.core.records.observation import Relation
from probe.core.records.rows import SlotRecord
from tests.codes.provoking import provokes
from tests.support.http_server import serve
from tests.support.proxy_server import BOUND_V4, Proxy, _pump, _socks5, spec_of
from tests.support.slots import EDGE, GOOD, Setting, measure

Rewrite = Callable[[bytes], bytes]
CLEAN = VantagePoint(name="bj-cu", source_v4="127.0.0.78")


def other_words(data: bytes) -> bytes:
    """The same length: even the validators stay true to the eye."""
    return data.replace(b"customer's own", b"advertiser's x")


def injected_script(data: bytes) -> bytes:
    """Longer, with its length mended, as injecting boxes do."""
    script = b"<script src=//evil.example></script>"
    length = b"Content-Length: %d" % len(GOOD)
    return data.replace(length, b"Content-Length: %d" % (len(GOOD) + len(script))).replace(
        b"\r\n\r\n", b"\r\n\r\n" + script, 1
    )


@contextlib.asynccontextmanager
async def box(rewrite: Rewrite) -> AsyncIterator[int]:
    """A box that rewrites what comes from the edge, once it is whole; its port."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        where = await _socks5(Proxy(scheme="socks5"), reader, writer)
        assert where is not None
        up_reader, up_writer = await asyncio.open_connection(*where)
        writer.write(BOUND_V4)
        change = rewrite if where[0] == EDGE else bytes
        asking = asyncio.ensure_future(_pump(reader, up_writer))
        try:
            writer.write(change(await up_reader.read()))
            await writer.drain()
        finally:
            asking.cancel()
            up_writer.close()

    async with serve(script, read=False) as server:
        yield server.port


async def slot(directory: Path, rewrite: Rewrite, *lines: VantagePoint) -> SlotRecord:
    async with box(rewrite) as port:
        setting = Setting(line={"proxy": spec_of("socks5", port)}, lines=lines)
        _, row = await measure(setting, directory)
    return row


@provokes("content.hijacked")
@pytest.mark.parametrize("rewrite", [other_words, injected_script])
async def test_what_a_box_on_the_path_rewrites_is_the_paths(tmp_path: Path, rewrite: Rewrite) -> None:
    row = await slot(tmp_path, rewrite, CLEAN)
    assert (row.outcome, row.fault, row.reason) == ("failed", "path", "content.hijacked"), row.summary
    assert row.confirmed is True
    (other,) = [o for o in row.observations if o.role == "elsewhere"]
    assert other.vantage_point == "bj-cu"
    assert other.comparison is not None
    assert other.comparison.relation is Relation.EQUAL
    assert other.source is not None
    assert other.source.startswith("127.0.0.78:")
    assert "the fault of the path between" in (row.summary or "")
    assert {f.fault for f in row.findings if f.outcome != "ok"} == {"path"}


def redirected(data: bytes) -> bytes:
    """The whole reply replaced, as boxes do that lead to a page of their own."""
    del data
    return b"HTTP/1.1 302 Found\r\nLocation: http://ads.example/\r\nContent-Length: 0\r\n\r\n"


@provokes("http.hijacked")
async def test_a_redirect_that_a_box_injects_is_the_paths(tmp_path: Path) -> None:
    row = await slot(tmp_path, redirected, CLEAN)
    assert (row.outcome, row.fault, row.reason) == ("failed", "path", "http.hijacked"), row.summary
    (other,) = [o for o in row.observations if o.role == "elsewhere"]
    assert other.vantage_point == "bj-cu"
    assert row.observations.index(other) in row.rests_on


async def test_a_redirect_without_another_line_is_the_edges(tmp_path: Path) -> None:
    row = await slot(tmp_path, redirected)
    assert (row.outcome, row.fault, row.reason) == ("failed", "cdn", "http.error"), row.summary


async def test_a_box_that_rewrites_nothing_is_not_seen(tmp_path: Path) -> None:
    row = await slot(tmp_path, bytes, CLEAN)
    assert (row.outcome, row.fault, row.reason) == ("ok", None, None), row.summary


async def test_without_another_line_nobody_can_tell_the_box_from_the_edge(tmp_path: Path) -> None:
    """Said as it is: one pair of eyes sees wrong bytes from this address, and the origin's are others."""
    row = await slot(tmp_path, other_words)
    assert (row.outcome, row.fault, row.reason) == ("failed", "cdn", "content.mismatch")
    assert not [o for o in row.observations if o.role == "elsewhere"]
