"""What a reader may look at: domains, incidents, rows, their files; and what of others is answered as what is not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from selectolax.lexbor import LexborHTMLParser

from probe.api.server import Options
from tests.api.page.signed import cookie_of, look, sign_in, some_rows
from tests.api.served import Served, fill, served


@pytest.fixture(autouse=True)
async def _filled(tmp_path: Path) -> None:
    await fill(tmp_path / "r", some_rows())


async def links_of(api: Served, cookie: str, path: str = "/") -> list[str]:
    page = LexborHTMLParser((await look(api, path, cookie)).body.decode())
    return [node.attributes["href"] or "" for node in page.css("main a[href]")]


async def test_from_the_overview_to_the_bytes_by_links_alone(tmp_path: Path) -> None:
    async with served(tmp_path, page={}) as api:
        signed = cookie_of(await sign_in(api))
        first = await links_of(api, signed)
        domain = next(href for href in first if href.startswith("/domain/"))
        incident = next(href for href in first if href.startswith("/incident/"))
        assert b"Times" not in (await look(api, "/", signed)).body
        assert (await look(api, domain, signed)).status == 200
        row = next(href for href in await links_of(api, signed, incident) if href.startswith("/row/"))
        files = [href for href in await links_of(api, signed, row) if href.endswith("/har")]
        har = await look(api, files[0], signed)
        assert har.headers["Content-Disposition"] == 'attachment; filename="acme-2.har"'
        assert json.loads(har.body)["log"]["version"] == "1.2"
        text = (await look(api, row, signed)).body.decode()
        assert "192.0.2.1 refused the connection" in text
        assert "tcp.refused" in text


async def test_what_is_anothers_is_answered_as_what_is_not(tmp_path: Path) -> None:
    async with served(tmp_path, page={}) as api:
        everything = cookie_of(await sign_in(api, "all"))
        theirs = [href for href in await links_of(api, everything) if "acme" in href or "/incident/" in href]
        theirs += ["/row/a1/acme/2", "/row/a1/acme/2/har", "/row/a1/acme/2/evidence.json"]
        assert len(theirs) >= 5
        other = cookie_of(await sign_in(api, "other"))
        missing = await look(api, "/domain/nobody/nowhere.example", other)
        for path in theirs:
            answer = await look(api, path, other)
            assert (answer.status, answer.body) == (404, missing.body), path
        for path in (
            "/row/a1/acme/99999",
            "/row/a1/acme/0",
            "/row/../../etc",
            "/row/a1/acme/2/key",
            "/incident/0",
        ):
            assert (await look(api, path, everything)).status in (400, 404), path


async def test_bytes_are_for_those_who_may_ask_for_evidence(tmp_path: Path) -> None:
    async with served(tmp_path, page={}) as api:
        signed = cookie_of(await sign_in(api, "results-only"))
        assert (await look(api, "/row/a1/acme/2", signed)).status == 200
        assert b"to download" not in (await look(api, "/row/a1/acme/2", signed)).body
        assert (await look(api, "/row/a1/acme/2/har", signed)).status == 403


async def test_a_dispute_file_is_made_for_whoever_asks(tmp_path: Path) -> None:
    asked: list[tuple[str, str, int]] = []

    def make(agent: str, customer: str, seq: int, into: Path) -> None:
        asked.append((agent, customer, seq))
        into.write_bytes(b"PK")

    async with served(tmp_path, page={}, options=Options(dispute=make)) as api:
        signed = cookie_of(await sign_in(api))
        answer = await look(api, "/row/a1/acme/2/dispute.zip", signed)
        assert (answer.status, answer.body) == (200, b"PK")
        assert asked == [("a1", "acme", 2)]


async def test_anybody_sees_states_and_no_row(tmp_path: Path) -> None:
    async with served(tmp_path, page={"anonymous": ["a.example"]}) as api:
        page = (await look(api, "/")).body.decode()
        assert "a.example fails" in page
        incident = re.search(r"/incident/[0-9a-f]{16}", page)
        assert incident is not None
        shown = (await look(api, incident[0])).body.decode()
        assert "/row/" not in shown
        assert (await look(api, "/domain/acme/a.example")).status == 200
        assert (await look(api, "/row/a1/acme/2")).status == 404
