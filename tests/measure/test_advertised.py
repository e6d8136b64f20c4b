"""An edge that advertises HTTP/3 and does not serve it, with real servers on loopback."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("qh3")
pytest.importorskip("aioquic")

from tests.codes.provoking import provokes
from tests.measure import test_http3_slots as http3
from tests.measure.test_http3_slots import World, measured
from tests.support.http_server import Script, response
from tests.support.quic_server import OK_BODY, well


def advertising() -> Script:
    """A reply that advertises HTTP/3 at its own port."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = writer.get_extra_info("sockname")[1]
        await response(OK_BODY, f'Alt-Svc: h3=":{port}"; ma=86400')(reader, writer)

    return script


@provokes("http.advertised_unserved")
async def test_what_is_advertised_and_not_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The note stands beside the verdict, which its own witnesses make."""
    monkeypatch.setattr(http3, "tcp_reply", advertising)
    row = await measured(World(quic="silent", anchor=well), tmp_path)
    assert (row.outcome, row.fault) == ("failed", "cdn"), row.summary
    (note,) = [finding for finding in row.findings if finding.reason == "http.advertised_unserved"]
    assert (note.fault, note.severity, note.observation) == (None, "warning", 0)
    assert note.detail is not None
    assert note.detail.startswith('Alt-Svc: h3=":')


async def test_nobody_is_accused_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http3, "tcp_reply", advertising)
    row = await measured(World(quic="silent"), tmp_path)
    assert row.fault != "cdn"
    assert "http.advertised_unserved" in {finding.reason for finding in row.findings}
