"""Rule: a reader sees whole transactions only, and holds none longer than one page of rows.

Reads a results directory beside the running agent or without one. It never writes and never checkpoints; pages
are short, so that the writer's log can be cleared. Records are those of one agent: the one that wrote last,
unless another is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import merge
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from probe.core.bundle import Bundle
from probe.core.codec import CodecError, decode
from probe.core.coverage import Coverage
from probe.core.node_values import Learning, Sighting
from probe.core.proof import GENESIS, Head, Line
from probe.core.records import OriginVersion, Record
from probe.io import store_ledger, store_nodes
from probe.io.store_bundles import GET as GET_BUNDLE
from probe.io.store_bundles import unpack
from probe.io.store_query import Query, stored_time
from probe.io.store_schema import StoreError, database_file

PAGE = 500
_VERSION = msgspec.json.Decoder(OriginVersion)

Records = list[Record]  # within the class `list` is a method
Times = list[int]
Sightings = list[Sighting]
Learned = list[Learning]
Names = list[str]
Lines = list[Line]


class Reader:
    """Made by `Reader.open`; a context manager; for one thread.

    Every method raises StoreError if reading fails, and ValueError for a time that is not RFC 3339.
    """

    def __init__(self, query: Query, agent: str) -> None:
        self._query = query
        self.agent = agent

    @classmethod
    def open(cls, directory: Path, agent: str | None = None) -> Reader:
        """Open for reading. `agent` None: the one that wrote last. Raises StoreError."""
        path = database_file(directory)
        if not path.is_file():
            raise StoreError(f"{directory}: no results here ({path.name} is missing); has the agent run yet?")
        query = Query(path)
        try:
            return cls(query, agent or query.value("SELECT value FROM meta WHERE key = 'agent'") or "")
        except BaseException:
            query.close()
            raise

    def close(self) -> None:
        """End reading. Safe to call twice."""
        self._query.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- records ----------------------------------------------------------------------------------

    def heads(self) -> dict[str, int]:
        """Customer -> last `seq` of its stream."""
        return {customer: head for agent, customer, head in self.streams() if agent == self.agent}

    def streams(self) -> tuple[tuple[str, str, int], ...]:
        """(agent, customer, last seq) of every stream in the directory, also of other agents."""
        sql = "SELECT agent, customer, head FROM stream ORDER BY agent, customer"
        return tuple((agent, customer, head) for agent, customer, head in self._query.rows(sql))

    def head(self, customer: str) -> Head:
        """The end of a customer's stream; seq 0 where there is none."""
        sql = "SELECT head, digest, complete_up_to FROM stream WHERE agent = ? AND customer = ?"
        for seq, digest, complete_up_to in self._query.rows(sql, self.agent, customer):
            return Head(
                agent=self.agent, customer=customer, seq=seq, digest=digest, complete_up_to=complete_up_to
            )
        return Head(agent=self.agent, customer=customer, seq=0, digest=GENESIS)

    def lines(self, customer: str, after: int, limit: int) -> Lines:
        """Up to `limit` lines of a customer's stream after `seq` `after`, in order, byte for byte as stored."""
        sql = "SELECT seq, body FROM record WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?"
        for stream in self._streams(customer):
            return [Line(*row) for row in self._query.rows(sql, stream, min(after, 2**62), limit)]
        return []

    def get(self, customer: str, seq: int) -> Record | None:
        """One record, or None."""
        for stream in self._streams(customer):
            sql = "SELECT body FROM record WHERE stream = ? AND seq = ?"
            for (body,) in self._query.rows(sql, stream, min(seq, 2**62)):
                return self._record(body)
        return None

    def bundle(self, identifier: str) -> Bundle | None:
        """The evidence bundle with this id, or None."""
        for (body,) in self._query.rows(GET_BUNDLE, identifier):
            return unpack(body)
        return None

    def list(
        self,
        customer: str | None = None,
        domain: str | None = None,
        outcome: str | None = None,
        since: str | None = None,
        limit: int = 50,
        newest_first: bool = True,
    ) -> Records:
        """Up to `limit` records in the order in which they were stored. `since`: due at or after (RFC 3339)."""
        found: Records = []
        if limit > 0:
            for record in self.iterate(customer, domain, outcome, since, newest_first=newest_first):
                found.append(record)
                if len(found) >= limit:
                    break
        return found

    def iterate(
        self,
        customer: str | None = None,
        domain: str | None = None,
        outcome: str | None = None,
        since: str | None = None,
        *,
        newest_first: bool = True,
    ) -> Iterator[Record]:
        """The same without a limit, page by page; needs the memory of one page."""
        streams = self._streams(customer)
        earliest = stored_time(since)
        first = 0 if earliest is None else self._first_id(earliest)
        # In one stream `seq` has the order of `id`, and an index of its own.
        by_stream = customer is not None and domain is None and outcome is None
        key = "seq" if by_stream else "id"
        compare, order = ("<", "DESC") if newest_first else (">", "ASC")
        wanted = {"domain": domain, "outcome": outcome, "scheduled_at": earliest}
        given = {name: value for name, value in wanted.items() if value is not None}
        conditions = [f"{'' if by_stream else '+'}stream IN ({','.join('?' * len(streams))})", "id >= ?"]
        conditions += [f"{name} {'>=' if name == 'scheduled_at' else '='} ?" for name in given]
        sql = (
            f"SELECT {key}, body FROM record WHERE {' AND '.join(conditions)} AND {key} {compare} ?"  # noqa: S608
            f" ORDER BY {key} {order} LIMIT {PAGE}"
        )
        last = 2**62 if newest_first else 0
        while page := self._query.rows(sql, *streams, first, *given.values(), last):
            last = page[-1][0]
            for _, body in page:
                yield self._record(body)

    def follow(self, after: Mapping[str, int]) -> Iterator[Record]:
        """The records after `seq` of each customer (0 for one not named) up to now, in the order of storing.

        Ends; call it again with what was seen. In each stream `seq` goes on without a gap.
        """
        heads = self.heads()
        parts = [
            self._pages(stream, after.get(customer, 0), heads[customer])
            for stream, customer in self._streams(None).items()
            if heads.get(customer, 0) > after.get(customer, 0)
        ]
        for _, body in merge(*parts, key=lambda pair: pair[0]):
            yield self._record(body)

    def _pages(self, stream: int, after: int, head: int) -> Iterator[tuple[int, str]]:
        sql = (
            "SELECT id, body, seq FROM record WHERE stream = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
        )
        while page := self._query.rows(sql, stream, after, head, PAGE):
            after = page[-1][2]
            for number, body, _ in page:
                yield number, body

    # --- sums -------------------------------------------------------------------------------------

    def counts(
        self, customer: str | None = None, since: str | None = None, until: str | None = None
    ) -> dict[str, dict[str, int]]:
        """How many slots of each `state`, `outcome` and `reason`, due in [since, until) (RFC 3339)."""
        return store_ledger.counts(
            self._query, self._streams(customer), stored_time(since), stored_time(until)
        )

    def coverage(
        self,
        *,
        task: str | None = None,
        customer: str | None = None,
        since: str | None = None,
        until: str | None = None,
        due: Mapping[str, range] | None = None,
    ) -> dict[str, Coverage]:
        """Task id -> what became of its slots due in [since, until) (RFC 3339).

        `due`: task id -> its grid (`due_between`) over the same span, to find slots without any row.
        """
        return store_ledger.coverage(
            self._query,
            self._streams(customer),
            task=task,
            since=stored_time(since),
            until=stored_time(until),
            due=due or {},
        )

    def last_scheduled(self, until: str) -> dict[str, str]:
        """Task id -> when its last row not after `until` was due (RFC 3339); whichever agent wrote it."""
        return store_ledger.last_scheduled(self._query, until)

    def recent_scheduled(self, until: str, slots: int) -> dict[str, Times]:
        """Task id -> when its last rows not after `until` were due, in microseconds since the epoch."""
        return store_ledger.recent_scheduled(self._query, until, slots)

    # --- what belongs to the records --------------------------------------------------------------

    def definition(self, digest: str) -> str | None:
        """The JSON text of a task's definition, or None."""
        return _text(self._query.value("SELECT body FROM definition WHERE digest = ?", digest))

    def config(self, digest: str) -> str | None:
        """The text of a configuration, or None."""
        return _text(self._query.value("SELECT body FROM config_version WHERE digest = ?", digest))

    def origin_versions(self, customer: str, url: str, limit: int = 16) -> tuple[OriginVersion, ...]:
        """The newest versions of an object, oldest of them first."""
        sql = (
            "SELECT body FROM origin_version WHERE customer = ? AND url = ?"
            " ORDER BY last_seen DESC, rowid DESC LIMIT ?"
        )
        rows = self._query.rows(sql, customer, url, limit)
        return tuple(_VERSION.decode(body) for (body,) in reversed(rows))

    def all_origin_versions(self, limit: int = 16) -> Iterator[tuple[str, str, OriginVersion]]:
        """(customer, url, version): for each object its newest versions, oldest of them first."""
        for customer, url in self._query.rows("SELECT DISTINCT customer, url FROM origin_version"):
            for version in self.origin_versions(customer, url, limit):
                yield customer, url, version

    def nodes(self, domain: str | None = None, since: str | None = None) -> Sightings:
        """The nodes kept, the longest unseen first; of the one domain; last seen at or after (RFC 3339)."""
        return store_nodes.sightings(self._query, domain, stored_time(since) or store_ledger.EARLIEST)

    def node_learning(self) -> Learned:
        """How long and from how many look-ups the nodes of each domain are known."""
        return store_nodes.learning(self._query)

    def node_domains(self) -> Names:
        """The domains that nodes are known of."""
        return store_nodes.domains(self._query)

    # --- how --------------------------------------------------------------------------------------

    def _streams(self, customer: str | None) -> dict[int, str]:
        """Stream id -> customer, of this agent; of the one customer if it is given."""
        sql = "SELECT id, customer FROM stream WHERE agent = ? ORDER BY id"
        rows = self._query.rows(sql, self.agent)
        return {number: name for number, name in rows if customer is None or name == customer}

    def _first_id(self, earliest: str) -> int:
        sql = "SELECT min(id) FROM record INDEXED BY record_by_time WHERE scheduled_at >= ?"
        return self._query.value(sql, earliest) or 2**62

    def _record(self, body: str) -> Record:
        try:
            return decode(body)
        except CodecError as error:
            raise StoreError(f"{self._query.path}: a stored record cannot be read: {error}") from error


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
