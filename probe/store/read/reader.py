"""Rule: a reader sees whole transactions only, and holds none longer than one page of rows.

Reads a results directory beside the running agent or without one. It never writes and never checkpoints; pages
are short, so that the writer's log can be cleared. Records are those of one agent: the one that wrote last,
unless another is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from probe.core.proof.chain import GENESIS, Head, Line
from probe.core.records.codec import CodecError, decode
from probe.core.records.origin import OriginStanding, OriginVersion
from probe.core.records.rows import Record, SlotRecord
from probe.store.base.part_query import EARLIEST
from probe.store.base.query import Query, stored_time
from probe.store.base.schema import StoreError, catalogue_file
from probe.store.read import lines as store_lines
from probe.store.read import listing as store_list
from probe.store.read.listing import RowFilter
from probe.store.read.sources import Sources, place_of, places

if TYPE_CHECKING:  # and in the methods that need them: `status` and `results list` do not
    from probe.core.nodes.values import Learning, Sighting
    from probe.core.results.bundle import Bundle
    from probe.core.results.coverage import Coverage
    from probe.store.base.ledger import Parts
    from probe.store.read.grains import Grains

    Sightings = list[Sighting]
    Learned = list[Learning]

_VERSION = msgspec.json.Decoder(OriginVersion)
Standings = list[tuple[str, str, OriginStanding]]
_STANDING = msgspec.json.Decoder(OriginStanding)

Records = list[Record]  # within the class `list` is a method
Times = list[int]
Names = list[str]
Lines = list[Line]
Texts = list[tuple[int, bytes]]
Spans = list[tuple[int, int]]
ConfigVersions = list[tuple[str, str, str]]


class Reader:
    """Made by `Reader.open`; a context manager; for one thread.

    Every method raises StoreError if reading fails, and ValueError for a time that is not RFC 3339.
    """

    def __init__(self, sources: Sources, agent: str) -> None:
        self._sources = sources
        self._catalogue = sources.catalogue
        self.agent = agent

    @classmethod
    def open(cls, directory: Path, agent: str | None = None) -> Reader:
        """Open for reading. `agent` None: the one that wrote last. Raises StoreError."""
        path = catalogue_file(directory)
        if not path.is_file():
            raise StoreError(f"{directory}: no results here ({path.name} is missing); has the agent run yet?")
        sources = Sources(directory)
        try:
            last = sources.catalogue.value("SELECT value FROM meta WHERE key = 'agent'")
            return cls(sources, agent or last or "")
        except BaseException:
            sources.close()
            raise

    def close(self) -> None:
        """End reading. Safe to call twice."""
        self._sources.close()

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
        newest = self._sources.newest()
        if newest is None:
            return ()
        sql = "SELECT agent, customer, head FROM stream ORDER BY agent, customer"
        return tuple((agent, customer, head) for agent, customer, head in newest.rows(sql))

    def head(self, customer: str) -> Head:
        """The end of a customer's stream; seq 0 where there is none."""
        newest = self._sources.newest()
        place = None if newest is None else place_of(newest, self.agent, customer)
        return Head(
            agent=self.agent,
            customer=customer,
            seq=0 if place is None else place.head,
            digest=GENESIS if place is None else place.digest,
            complete_up_to=None if place is None else place.complete_up_to,
        )

    def lines(self, customer: str, after: int, limit: int) -> Lines:
        """Up to `limit` lines of a customer's stream after `seq` `after`, in order, byte for byte as stored.

        For a span whose rows are gone one line stands, `{"kind":"dropped",...}` with the span's last `seq`.
        """
        return store_lines.lines(self._sources, self.agent, customer, min(after, 2**62), limit)

    def texts(self, customer: str, after: int, limit: int) -> Texts:
        """The same for whoever hands them on: the last `seq` of each, and its bytes."""
        return store_lines.texts(self._sources, self.agent, customer, min(after, 2**62), limit)

    def get(self, customer: str, seq: int) -> Record | None:
        """One record, or None."""
        sql = "SELECT seq, body FROM record WHERE stream = ? AND seq = ?"
        for query in self._sources.parts(newest_first=True):
            place = place_of(query, self.agent, customer)
            if place is not None and place.base < seq <= place.head:
                for _, line in query.rows_with_line(sql, place.id, seq):
                    return self._record(query, line)
                return None
        return None

    def events(self, customer: str, after: int, limit: int) -> Lines:
        """Up to `limit` lines of a customer's events after `seq` `after`, in order, as stored."""
        return store_lines.events(self._sources, self.agent, customer, min(after, 2**62), limit)

    def last_events(self, customer: str, names: tuple[str, ...], limit: int) -> Lines:
        """The last `limit` lines of a customer's events of these names, the newest first, as stored."""
        return store_lines.last_events(self._sources, self.agent, customer, names, limit)

    def dropped(self, customer: str) -> Spans:
        """(first, last) `seq` of each span without rows, in order: taken by retention, or lost by damage."""
        return store_lines.dropped(self._sources, self.agent, customer)

    def bundle(self, identifier: str) -> Bundle | None:
        """The evidence bundle with this id; None where it is not here, or no row names it.

        Raises EvidenceAlteredError where it is not the one that its row names by its digest.
        """
        from probe.core.results.bundle import BundleError, read_bundle

        row = self.evidence_row(identifier)
        text = None if row is None else self.evidence(row.evidence_id, row.evidence_sha256)
        try:
            return None if text is None else read_bundle(text)
        except BundleError as error:
            raise StoreError(str(error)) from error

    def evidence(self, identifier: str | None, sha256: str | None) -> bytes | None:
        """The text of the bundle that a row names so (`evidence_id`, `evidence_sha256`); None: it is not here.

        Raises EvidenceAlteredError where it is another.
        """
        from probe.store.read import evidence as store_evidence

        return store_evidence.text_of(self._sources, identifier, sha256)

    def evidence_row(self, identifier: str) -> SlotRecord | None:
        """The row that names this bundle, whichever agent wrote it."""
        from probe.store.read import evidence as store_evidence

        return store_evidence.row_of(self._sources, identifier)

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
        found = self.iterate(customer, domain, outcome, since, newest_first=newest_first)
        return [*islice(found, max(0, limit))]

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
        wanted = RowFilter(customer, domain, outcome, stored_time(since), newest_first)
        for query in self._sources.parts(newest_first=newest_first):
            for body in store_list.bodies(query, self.agent, wanted):
                yield self._record(query, body)

    def bodies(
        self, customer: str | None, domain: str | None, outcome: str | None, since: str | None
    ) -> Iterator[str]:
        """The lines that `iterate` decodes, the last stored first, for whoever looks before decoding."""
        wanted = RowFilter(customer, domain, outcome, stored_time(since), newest_first=True)
        for query in self._sources.parts(newest_first=True):
            yield from store_list.bodies(query, self.agent, wanted)

    def follow(self, after: Mapping[str, int]) -> Iterator[Record]:
        """The records after `seq` of each customer (0 for one not named) up to now, in the order of storing.

        Ends; call it again with what was seen. In each stream `seq` goes on without a gap.
        """
        heads = self.heads()
        for query in self._sources.parts():
            for body in store_list.bodies_after(query, self.agent, after, heads):
                yield self._record(query, body)

    # --- sums -------------------------------------------------------------------------------------

    def counts(
        self, customer: str | None = None, since: str | None = None, until: str | None = None
    ) -> dict[str, dict[str, int]]:
        """How many slots of each `state`, `outcome` and `reason`, due in [since, until) (RFC 3339)."""
        from probe.store.base import ledger as store_ledger

        return store_ledger.counts(self._parts(customer), stored_time(since), stored_time(until))

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
        from probe.store.base import ledger as store_ledger

        return store_ledger.coverage(
            self._parts(customer),
            task=task,
            since=stored_time(since),
            until=stored_time(until),
            due=due or {},
        )

    def last_scheduled(self, until: str) -> dict[str, str]:
        """Task id -> when its last row not after `until` was due (RFC 3339); whichever agent wrote it."""
        from probe.store.base import ledger as store_ledger

        return store_ledger.last_scheduled(self._sources.parts(newest_first=True), until)

    def recent_scheduled(self, until: str, slots: int) -> dict[str, Times]:
        """Task id -> when its last rows not after `until` were due, in microseconds since the epoch."""
        from probe.store.base import ledger as store_ledger

        return store_ledger.recent_scheduled(self._sources.parts(newest_first=True), until, slots)

    def grains(self, customer: str) -> Grains:
        """The sums of five minutes of a customer's stream."""
        from probe.store.read.grains import Grains

        return Grains(self._sources, self.agent, customer)

    # --- what belongs to the records --------------------------------------------------------------

    def definition(self, digest: str) -> str | None:
        """The JSON text of a task's definition, or None."""
        return _text(self._catalogue.value("SELECT body FROM definition WHERE digest = ?", digest))

    def config_versions(self) -> ConfigVersions:
        """(digest, when it came into force, redacted text) of every configuration, oldest first."""
        sql = "SELECT digest, at, body FROM config_version ORDER BY at"
        return [(str(digest), str(at), str(body)) for digest, at, body in self._catalogue.rows(sql)]

    def config(self, digest: str) -> str | None:
        """The text of a configuration, or None."""
        return _text(self._catalogue.value("SELECT body FROM config_version WHERE digest = ?", digest))

    def origin_versions(self, customer: str, url: str, limit: int = 16) -> tuple[OriginVersion, ...]:
        """The newest versions of an object, oldest of them first."""
        sql = (
            "SELECT body FROM origin_version WHERE customer = ? AND url = ?"
            " ORDER BY last_seen DESC, rowid DESC LIMIT ?"
        )
        rows = self._catalogue.rows(sql, customer, url, limit)
        return tuple(_VERSION.decode(body) for (body,) in reversed(rows))

    def all_origin_versions(self, limit: int = 16) -> Iterator[tuple[str, str, OriginVersion]]:
        """(customer, url, version): for each object its newest versions, oldest of them first."""
        for customer, url in self._catalogue.rows("SELECT DISTINCT customer, url FROM origin_version"):
            for version in self.origin_versions(customer, url, limit):
                yield customer, url, version

    def origin_standings(self) -> Standings:
        """(customer, origin, standing) of every origin that was ever asked; none in a store of an earlier version."""
        if self._catalogue.value("SELECT 1 FROM sqlite_master WHERE name = ?", "origin_standing") is None:
            return []
        rows = self._catalogue.rows("SELECT customer, origin, body FROM origin_standing")
        return [(str(customer), str(origin), _STANDING.decode(body)) for customer, origin, body in rows]

    def nodes(self, domain: str | None = None, since: str | None = None) -> Sightings:
        """The nodes kept, the longest unseen first; of the one domain; last seen at or after (RFC 3339)."""
        from probe.store.write import nodes as store_nodes

        return store_nodes.sightings(self._catalogue, domain, stored_time(since) or EARLIEST)

    def node_learning(self) -> Learned:
        """How long and from how many look-ups the nodes of each domain are known."""
        from probe.store.write import nodes as store_nodes

        return store_nodes.learning(self._catalogue)

    def node_domains(self) -> Names:
        """The domains that nodes are known of."""
        from probe.store.write import nodes as store_nodes

        return store_nodes.domains(self._catalogue)

    # --- how --------------------------------------------------------------------------------------

    def _parts(self, customer: str | None) -> Parts:
        """Each part with the numbers that the streams asked for have in it."""
        for query in self._sources.parts():
            streams = [p.id for p in places(query, self.agent) if customer is None or p.customer == customer]
            if streams:
                yield query, streams

    def _record(self, query: Query, body: str) -> Record:
        try:
            return decode(body)
        except CodecError as error:
            raise StoreError(f"{query.path}: a stored record cannot be read: {error}") from error


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
