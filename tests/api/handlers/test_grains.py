"""Sums over the API: those that are kept, in pages, to whom they belong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from probe.core.model.value import replace
from probe.core.sla.facts.grain_rows import RULE
from probe.core.tables.columns import GRAINS
from probe.core.tables.text import json_line
from probe.host.clock import SystemClock
from probe.store.read.reader import Reader
from probe.store.store import Store
from tests.api.served import Served, served
from tests.core.tables.test_rows import measured
from tests.support.build import refused, seen
from tests.support.rows import START_S, at
from tests.support.sums import kept

DOMAINS = ("www.example.com", "img.example.com")
FIRST = START_S // 300


async def fill(directory: Path, customer: str = "acme") -> None:
    """Two domains, two edges each, over twelve grains with a gap of a day; the last three without `img`."""
    store = Store.open(directory, "a1", SystemClock())
    for grain in (*range(6), *range(294, 300)):
        for number, domain in enumerate(DOMAINS[: 1 if grain > 296 else 2]):
            row = measured(seen(address="192.0.2.1"), refused(address="192.0.2.2"), customer=customer)
            due = at(300 * grain)
            await store.append([replace(row, task=f"{number:016}", domain=domain, scheduled_at=due)], due)
    await store.close()


async def paged(api: Served, query: str, token: str = "acme") -> tuple[list[str], list[dict[str, Any]]]:
    lines: list[str] = []
    pages: list[dict[str, Any]] = []
    after = ""
    while not pages or pages[-1]["next"] is not None:
        answer = await api.ask(f"/v1/grains?customer=acme{query}{after}", token)
        assert answer.status == 200, answer.body
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        lines += answer.lines[:-1]
        pages.append(answer.page)
        assert answer.page["rows"] == len(answer.lines) - 1
        after = f"&after={answer.page['next']}"
    return lines, pages


@pytest.mark.parametrize("limit", [1, 4, 7, 30, 1000])
async def test_pages_one_after_another_are_all_sums(tmp_path: Path, limit: int) -> None:
    await fill(tmp_path / "r")
    with Reader.open(tmp_path / "r") as reader:
        rows = sorted(kept(reader.grains("acme")), key=lambda row: int(str(row["grain"])))
    async with served(tmp_path) as api:
        lines, pages = await paged(api, f"&limit={limit}")
    assert lines == [json_line(GRAINS, row).decode().rstrip("\n") for row in rows]
    assert len(lines) == 9 * 6 + 3 * 3, "a row of slots and two of addresses for each domain and grain"
    assert all(page["rows"] <= limit for page in pages)
    assert pages[-1]["summed"] == [{"first_seq": 1, "last_seq": 21}]
    assert pages[-1]["complete_up_to"] == at(300 * 299)


async def test_of_a_span_whole_grains_and_of_one_domain(tmp_path: Path) -> None:
    await fill(tmp_path / "r")
    grain = RULE.length_us // 1_000_000
    begins = FIRST * grain - START_S
    async with served(tmp_path) as api:

        async def grains_of(query: str) -> list[int]:
            return sorted({json.loads(line)["grain"] - FIRST for line in (await paged(api, query))[0]})

        since, until = at(begins + grain), at(begins + 3 * grain)
        assert await grains_of(f"&since={since}&until={until}") == [1, 2]
        later = at(begins + grain + 1)
        assert await grains_of(f"&since={later}&until={until}") == [2], (
            "the grain that it lies in began before"
        )
        assert await grains_of(f"&since={at(begins + 297 * grain)}") == [297, 298, 299]
        assert await grains_of(f"&domain={DOMAINS[1]}&limit=2") == [*range(6), 294, 295, 296]
        assert await grains_of("&domain=nobody.example") == []
        refused_ = await api.ask(f"/v1/grains?customer=acme&since={until}&until={since}")
        assert refused_.status == 400


@pytest.mark.parametrize("after", ["x", "5.", ".5", "-1.0", "1.0.0", "12345678901.0"])
async def test_a_cursor_that_no_page_gave_is_refused(tmp_path: Path, after: str) -> None:
    await fill(tmp_path / "r")
    async with served(tmp_path) as api:
        assert (await api.ask(f"/v1/grains?customer=acme&after={after}")).status == 400


async def test_before_anything_is_summed_there_is_an_empty_page(tmp_path: Path) -> None:
    await fill(tmp_path / "r")
    async with served(tmp_path) as api:
        answer = await api.ask("/v1/grains?customer=zeta", "both")
        assert (answer.page["rows"], answer.page["next"], answer.page["summed"]) == (0, None, [])
