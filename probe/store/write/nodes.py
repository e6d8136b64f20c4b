"""Rule: the inventory of nodes is kept beside the records and never holds one up; what is kept is bounded.

Tables `node` (one row for each node and vantage point that it was given to) and `node_learning` (how long and from
how many look-ups). Nodes no longer in use stay, for people to look up, until NODES_KEPT of a domain are newer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probe.core.nodes.inventory import NODES_AT_MOST
from probe.core.nodes.values import Changes, Learning, Sighting
from probe.store.base.query import Query

if TYPE_CHECKING:
    from sqlite_utils import Database

    from probe.store.write.commit import Statement

NODES_KEPT = NODES_AT_MOST  # addresses of each (customer, domain, IP version)
PENDING = 50_000  # that wait to be written, where the disk refuses
_COLUMNS = (
    "customer", "domain", "ip_version", "address", "vantage_point", "suffix", "first_seen", "last_seen", "on_trial",
)  # fmt: skip
_PUT = (
    f"INSERT INTO node ({', '.join(_COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
    " ON CONFLICT DO UPDATE SET suffix = excluded.suffix, last_seen = excluded.last_seen,"
    " first_seen = min(first_seen, excluded.first_seen), on_trial = excluded.on_trial"
)
_PUT_LEARNING = (
    "INSERT OR REPLACE INTO node_learning"
    " (customer, domain, ip_version, vantage_point, since, last, resolutions) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_OF = "customer = ? AND domain = ? AND ip_version = ?"
_COUNT = f"SELECT count(DISTINCT address) FROM node WHERE {_OF}"  # noqa: S608
_TRIM = (
    f"DELETE FROM node WHERE {_OF} AND address NOT IN (SELECT address FROM node WHERE {_OF}"  # noqa: S608
    " GROUP BY address ORDER BY min(on_trial), max(last_seen) DESC LIMIT ?)"
)


def write(db: Database, changes: Changes, kept: int = NODES_KEPT) -> None:
    """Insert or update, within the caller's transaction, and keep the newest `kept` addresses of each domain."""
    db.conn.executemany(_PUT, [_row(sighting) for sighting in changes.nodes])
    db.conn.executemany(_PUT_LEARNING, [_learning_row(known) for known in changes.learning])
    for key in {(s.customer, s.domain, s.ip_version) for s in changes.nodes}:
        if db.execute(_COUNT, key).fetchone()[0] > kept:
            db.execute(_TRIM, (*key, *key, kept)).close()


class PendingNodes:
    """What waits to be written: the latest state of each counts, and there is a bound to how many."""

    def __init__(self, at_most: int = PENDING) -> None:
        self._at_most = at_most
        self._nodes: dict[tuple[object, ...], Sighting] = {}
        self._learning: dict[tuple[object, ...], Learning] = {}

    def __bool__(self) -> bool:
        return bool(self._nodes or self._learning)

    def add(self, changes: Changes) -> None:
        """Add or replace. Nodes beyond the bound are left out: they are given again as long as they are seen."""
        for s in changes.nodes:
            key = (s.customer, s.domain, s.ip_version, s.address, s.vantage_point)
            if key in self._nodes or len(self._nodes) < self._at_most:
                self._nodes[key] = s
        for known in changes.learning:
            self._learning[known.customer, known.domain, known.ip_version, known.vantage_point] = known

    def take(self) -> Statement:
        """The statement that writes them all; nothing waits any more."""
        changes = Changes(nodes=tuple(self._nodes.values()), learning=tuple(self._learning.values()))
        self._nodes, self._learning = {}, {}
        return lambda db: write(db, changes)


def _row(sighting: Sighting) -> tuple[str | int, ...]:
    return (*(getattr(sighting, name) for name in _COLUMNS[:-1]), int(sighting.on_trial))


def _learning_row(known: Learning) -> tuple[str | int, ...]:
    names = (known.customer, known.domain, known.ip_version, known.vantage_point)
    return (*names, known.since, known.last, known.resolutions)


# --- reading --------------------------------------------------------------------------------------


def sightings(query: Query, domain: str | None, since: str) -> list[Sighting]:
    """Nodes last seen at or after `since` (as stored), the longest unseen first; of the one domain if given."""
    if not _has_tables(query):
        return []
    sql = f"SELECT {', '.join(_COLUMNS)} FROM node WHERE last_seen >= ?"  # noqa: S608
    if domain is None:
        rows = query.rows(f"{sql} ORDER BY last_seen", since)
    else:
        rows = query.rows(f"{sql} AND domain = ? ORDER BY last_seen", since, domain)
    return [_sighting(dict(zip(_COLUMNS, row, strict=True))) for row in rows]


def _sighting(row: dict[str, Any]) -> Sighting:
    return Sighting(**{**row, "on_trial": bool(row["on_trial"])})


def learning(query: Query) -> list[Learning]:
    """How long each vantage point's nodes of each domain are known."""
    if not _has_tables(query):
        return []
    sql = "SELECT customer, domain, ip_version, vantage_point, since, last, resolutions FROM node_learning"
    return [
        Learning(
            customer=customer,
            domain=domain,
            ip_version=ip_version,
            vantage_point=vantage_point,
            since=since,
            last=last,
            resolutions=resolutions,
        )
        for customer, domain, ip_version, vantage_point, since, last, resolutions in query.rows(sql)
    ]


def domains(query: Query) -> list[str]:
    """The domains that nodes are known of."""
    if not _has_tables(query):
        return []
    return [name for (name,) in query.rows("SELECT DISTINCT domain FROM node ORDER BY domain")]


def _has_tables(query: Query) -> bool:
    """A store that an earlier version wrote has none until this one writes to it."""
    return query.value("SELECT 1 FROM sqlite_master WHERE name = 'node_learning'") is not None
