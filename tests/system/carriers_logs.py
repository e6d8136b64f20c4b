"""What the rows say beside what the servers of `carriers.py` logged: each connection, each question, by itself."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from typing import Any

from probe.core.records.codec import encode
from probe.core.records.rows import SlotRecord
from tests.system.carriers import HOME, RESOLVER, SOURCE, World
from tests.system.carriers_agent import NAME
from tests.system.sites import until

Seen = Counter[tuple[str, str]]
Questions = Counter[tuple[str, str, str | None, int | None]]  # name, type, subnet, scope
EDGE_ROLES = ("edge", "confirm", "sweep")


def node_log(made: World) -> Seen:
    """(client:port, node) of every request that a node answered: each connection by itself."""
    return Counter((client, own) for site in made.nodes.values() for client, own, _ in site.requests())


def origin_log(made: World) -> Seen:
    return Counter((client, own) for client, own, _ in made.origin.requests())


def told(rows: list[dict[str, Any]], *roles: str) -> Seen:
    """(source:port, address) of the rows' answered observations in these roles."""
    return Counter(
        (o["source"], o["address"])
        for row in rows
        for o in row["observations"]
        if o["role"] in roles and o["response"] is not None
    )


def asked(rows: list[dict[str, Any]], carrier: str) -> Questions:
    """(name, type, subnet, scope) of every question that this vantage point's rows tell."""
    return Counter(
        (q["qname"], q["qtype"], q["ecs_source"], q["ecs_scope"])
        for row in rows
        if row["vantage_point"] == NAME[carrier]
        for q in row["resolution"]["queries"]
    )


def answered(made: World, carrier: str) -> Questions:
    """The same as gdnsd's wire tells it: its answers to this source at the address that is this carrier's."""
    return Counter(
        (p.qname, p.qtype, p.subnet, p.scope)
        for p in made.dns()
        if p.response and p.source == SOURCE[carrier] and p.server == RESOLVER[carrier]
    )


def questions_are_the_servers(made: World, rows: list[dict[str, Any]], before: dict[str, Questions]) -> None:
    """Of those that ask gdnsd itself: every question and answer told crossed its wire, and no other did."""
    for carrier in ("ct", "cm"):
        ours = asked(rows, carrier)
        assert ours
        until(partial(_same, made, carrier, before[carrier], ours), f"{carrier}: {ours}")


def _same(made: World, carrier: str, before: Questions, ours: Questions) -> bool:
    return answered(made, carrier) - before == ours


def host(client: str) -> str:
    return client.rpartition(":")[0]


def as_told(rows: list[SlotRecord]) -> list[dict[str, Any]]:
    """Rows as everybody else gets them."""
    return [json.loads(encode(row)) for row in rows]


def nobody_came_from_home(made: World) -> None:
    """No packet of a vantage point left by the host's own line."""
    sites = (*made.nodes.values(), made.origin, made.anchors)
    clients = {host(client) for site in sites for client, _, _ in site.requests()}
    clients |= {p.source for p in made.dns()}
    assert HOME not in clients
    assert clients <= {*SOURCE.values(), RESOLVER["cu"]}


# --- rows as values ---------------------------------------------------------------------------------


def health(row: SlotRecord) -> tuple[str, bool, int, int] | None:
    """State of the line, offline meanwhile, anchors asked and reached."""
    line = row.vantage_health
    if line is None:
        return None
    return str(line.state), line.offline_meanwhile, line.anchors_asked, line.anchors_reached


def accusers(rows: list[SlotRecord]) -> list[str | None]:
    """Rows that put anything on the CDN, be it in one finding."""
    return [r.summary for r in rows if r.fault == "cdn" or any(f.fault == "cdn" for f in r.findings)]
