"""Sums, incidents and standings by hand, for tests of the page: domains of vantage points with trouble in bursts."""

from __future__ import annotations

import random
from typing import Any

from probe.core.records.verdict import Fault, Outcome
from probe.core.tables.columns import GRAINS, Row
from probe.page.model.board import Board
from probe.page.model.values import Source, Standing, Trouble

END = 5_700_000  # a grain of 2024
GRAIN_US = 300_000_000
END_US = (END + 1) * GRAIN_US


def row(domain: str, place: str, grain: int, *, node: str | None = "192.0.2.1", **counts: Any) -> Row:
    """One row of `grains`."""
    made: Row = dict.fromkeys(GRAINS.columns, 0)
    made |= {
        "agent": "a1", "customer": "acme", "domain": domain, "path": "/", "scheme": "https", "protocol": "h1",
        "vantage_point": place, "region": "CN-BJ", "carrier": "China Telecom", "ip_version": 4, "address": node,
        "grain": grain, "ttfb_counts": (0,) * 32,
    }  # fmt: skip
    return made | counts


def board(domains: int = 20, places: int = 12, grains: int = 288, *, bursts: int = 1) -> Board:
    """In each track ten requests a grain; at most so many bursts of trouble, or of slots not measured."""
    made, chance = Board(), random.Random(7)
    for of in range(domains):
        domain = f"www{of:03}.acme.example"
        for number in range(places):
            made.add(_track(domain, f"place-{number:02}", grains, chance, bursts))
    return made


def _track(domain: str, place: str, grains: int, chance: random.Random, bursts: int) -> list[Row]:
    kinds = ["failed_cdn", "slow", "stale", "failed_origin", "inconclusive", "failed_path", "missed"]
    spans = [
        (chance.randrange(grains), chance.randrange(1, 9), chance.choice(kinds))
        for _ in range(chance.randrange(bursts + 1))
    ]
    rows = []
    for at in range(grains):
        counts: dict[str, int] = {"n": 10, "ok": 10}
        slots = {"due": 5, "measured": 5}
        for begin, length, kind in spans:
            if begin <= at < begin + length:
                bad = chance.choice((3, 10))
                counts = {"n": 10, "ok": 10 - bad, kind: bad}
                if kind == "failed_cdn":
                    counts["errors_cdn"] = bad
                if kind == "missed":
                    counts, slots = {}, {"due": 5, "measured": 0, "unknown": 10}
        grain = END - grains + 1 + at
        rows.append(row(domain, place, grain, node=None, **slots))
        if counts:
            rows.append(row(domain, place, grain, **counts))
    return rows


def trouble(**more: Any) -> Trouble:
    """An open incident of the CDN."""
    usual: dict[str, Any] = {
        "id": "0123456789abcdef",
        "customer": "acme",
        "domain": "www000.acme.example",
        "well_before_us": END_US - 900_000_000,
        "first_us": END_US - 890_000_000,
        "confirmed_us": END_US - 890_000_000,
        "last_us": END_US - 10_000_000,
        "well_after_us": None,
        "closed_us": None,
        "outcome": Outcome.FAILED,
        "fault": Fault.CDN,
        "faults": ((Fault.CDN, 7),),
        "reasons": (("tcp.refused", 7),),
        "vantage_points": ("place-00", "place-01"),
        "looking": 12,
        "nodes": ("192.0.2.1",),
        "rows": 7,
        "keys": (("a1", "acme", 4),),
    }
    return Trouble(**usual | more)


def standing(**more: Any) -> Standing:
    """Of one stream that is fed."""
    source = Source(
        agent="a1",
        customer="acme",
        complete_up_to_us=END_US - 5_000_000,
        last_us=END_US - 6_000_000,
        clock="kernel",
    )
    usual: dict[str, Any] = {"as_of_us": END_US, "sources": (source,), "refresh_s": 15}
    return Standing(**usual | more)
