"""A page is what is stored, byte for byte, and says where the next one begins and up to when it is complete."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path

import pytest
import zstandard

from probe.api.request.ports import AgentView
from probe.core.proof.chain import GENESIS, line_digest
from probe.host.clock import SystemClock
from probe.store.read.reader import Reader
from probe.store.store import Store
from tests.api.served import fill, rows, served
from tests.support.awake import Awake
from tests.support.rows import at


def stored(directory: Path, customer: str = "acme") -> list[str]:
    with Reader.open(directory, "a1") as reader:
        return [line.text for line in reader.lines(customer, 0, 100_000)]


async def test_a_page_is_the_stored_lines_and_a_last_one(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(25))
    async with served(tmp_path) as api:
        answer = await api.ask("/v1/results?customer=acme&after=10&limit=5")
    lines = stored(tmp_path / "r")
    assert answer.status == 200
    assert answer.lines[:-1] == lines[10:15]
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.page == {
        "kind": "page", "agent": "a1", "customer": "acme", "after": 10, "next": 15, "rows": 5,
        "complete_up_to": json.loads(lines[14])["complete_up_to"],
        "head": {
            "agent": "a1", "customer": "acme", "seq": 25, "digest": line_digest(lines[-1].encode()),
            "complete_up_to": json.loads(lines[-1])["complete_up_to"], "signature": None,
        },
    }  # fmt: skip


async def test_pages_one_after_another_are_the_stream(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(1234))
    got: list[str] = []
    async with served(tmp_path) as api:
        after, digest = 0, GENESIS
        for _ in range(20):
            answer = await api.ask(f"/v1/results?customer=acme&after={after}&limit=100&digest={digest}")
            got += answer.lines[:-1]
            after = answer.page["next"]
            if not answer.page["rows"]:
                break
            digest = line_digest(answer.lines[-2].encode())
    assert got == stored(tmp_path / "r")
    assert after == 1234


async def test_an_empty_stream_is_an_empty_page(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(1, "zeta"))
    async with served(tmp_path) as api:
        answer = await api.ask("/v1/results?customer=acme")
    assert (answer.status, len(answer.lines)) == (200, 1)
    assert (answer.page["next"], answer.page["head"]["digest"]) == (0, GENESIS)


async def test_before_the_agent_has_run_the_results_are_not_there_yet(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    async with served(tmp_path) as api:
        answer = await api.ask("/v1/results?customer=acme")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        await fill(tmp_path / "r", rows(2))
        assert (await api.ask("/v1/results?customer=acme")).page["next"] == 2


CODINGS = [
    ("zstd", "zstd"),
    ("gzip", "gzip"),
    ("gzip;q=1.0, zstd;q=0.5", "gzip"),
    ("gzip, zstd", "zstd"),
    ("*", "zstd"),
    ("*;q=0.5, zstd;q=0", "gzip"),
    ("br", None),
    ("", None),
    ("identity;q=1, gzip;q=0.5", None),
    ("gzip;q=nonsense", None),
    ("x-gzip", "gzip"),
    ("identity;q=0, gzip", "gzip"),
]


async def test_compressed_as_preferred(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(700))
    unpack = {
        "gzip": gzip.decompress,
        "zstd": lambda b: zstandard.ZstdDecompressor().decompressobj().decompress(b),
    }
    async with served(tmp_path) as api:
        for accept, coding in CODINGS:
            answer = await api.ask("/v1/results?customer=acme", headers={"Accept-Encoding": accept})
            assert answer.headers.get("Content-Encoding") == coding, accept
            assert answer.headers["Vary"] == "Accept-Encoding"
            body = unpack.get(coding or "", lambda b: b)(answer.body)
            assert body.decode().split("\n")[:-2] == stored(tmp_path / "r")
        for accept in ("identity;q=0", "br, *;q=0", "*;q=0"):
            answer = await api.ask("/v1/results?customer=acme", headers={"Accept-Encoding": accept})
            assert answer.status == 406, accept


# --- the cursor -----------------------------------------------------------------------------------


async def test_a_cursor_beyond_the_head_is_loud(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(3))
    async with served(tmp_path) as api:
        answer = await api.ask("/v1/results?customer=acme&after=4")
    assert (answer.status, answer.headers["Content-Type"]) == (409, "application/problem+json")
    assert answer.json["head"]["seq"] == 3
    assert "lost" in answer.json["detail"]


@pytest.mark.parametrize(("after", "good"), [(0, GENESIS), (2, None), (3, None)])
async def test_the_digest_at_the_cursor_is_compared(tmp_path: Path, after: int, good: str | None) -> None:
    await fill(tmp_path / "r", rows(3))
    digest = good or line_digest(stored(tmp_path / "r")[after - 1].encode())
    async with served(tmp_path) as api:
        right = await api.ask(f"/v1/results?customer=acme&after={after}&digest={digest}")
        wrong = await api.ask(f"/v1/results?customer=acme&after={after}&digest={'f' * 64}")
    assert (right.status, wrong.status) == (200, 409)
    assert wrong.json["head"]["seq"] == 3


# --- complete up to -------------------------------------------------------------------------------


async def test_at_the_head_the_agent_says_up_to_when_it_is_complete(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(10))
    async with served(tmp_path) as api:
        api.agent.seen = AgentView(complete_up_to={"acme": at(500)})
        at_head = await api.ask("/v1/results?customer=acme&limit=100")
        in_the_middle = await api.ask("/v1/results?customer=acme&limit=5")
        api.agent.seen = None
        alone = await api.ask("/v1/results?customer=acme&limit=100")
    own = json.loads(stored(tmp_path / "r")[-1])["complete_up_to"]
    assert at_head.page["complete_up_to"] == at(500)
    assert in_the_middle.page["complete_up_to"] != at(500)
    assert alone.page["complete_up_to"] == own


async def test_the_agent_is_asked_before_the_rows_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that lands between the two must be in the page, or the promise would not hold of it."""
    store = Store.open(tmp_path / "r", "a1", SystemClock())
    await store.append(rows(3))
    try:
        async with served(tmp_path) as api:

            async def view() -> AgentView:
                await store.append(rows(1, first=100))
                return AgentView(complete_up_to={"acme": at(101)})

            monkeypatch.setattr(api.agent, "view", view)
            answer = await api.ask("/v1/results?customer=acme")
        assert (answer.page["rows"], answer.page["complete_up_to"]) == (4, at(101))
    finally:
        await store.close(within_s=5)


# --- waiting --------------------------------------------------------------------------------------


async def test_waiting_ends_at_once_with_a_new_row(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "r", "a1", SystemClock())
    await store.append(rows(3))
    try:
        async with served(tmp_path) as api:
            asked = asyncio.create_task(api.ask("/v1/results?customer=acme&after=3&wait=60"))
            done, _ = await asyncio.wait({asked}, timeout=0.5)
            assert not done
            async with Awake() as awake:
                await store.append(rows(1, first=10))
                answer = await asked
            assert awake.seconds < 20
        assert (answer.page["rows"], answer.page["next"]) == (1, 4)
    finally:
        await store.close(within_s=5)


async def test_waiting_in_vain_ends_with_an_empty_page_and_a_later_watermark(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(3))
    async with served(tmp_path) as api:
        api.agent.seen = AgentView(complete_up_to={"acme": at(900)})
        answer = await api.ask("/v1/results?customer=acme&after=3&wait=1")
    assert (answer.status, answer.page["rows"], answer.page["next"]) == (200, 0, 3)
    assert answer.page["complete_up_to"] == at(900)


async def test_the_server_ends_while_somebody_waits(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(3))
    async with Awake() as awake, served(tmp_path) as api:
        asked = asyncio.create_task(api.ask("/v1/results?customer=acme&after=3&wait=60"))
        await asyncio.wait({asked}, timeout=0.5)
    assert awake.seconds < 15
    await asyncio.gather(asked, return_exceptions=True)
