"""Rule: a part is whole when SQLite says so and every line in it is vouched for by the line after it.

SQLite's own check finds broken pages; only the chain of digests finds a flipped bit inside a record.
"""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path

from probe.core.proof.chain import line_digest
from probe.store.base.dictionary import beside, digest_of, put_beside, read_beside
from probe.store.base.grains import wrong_grains
from probe.store.base.part_query import PartQuery, dictionary_of
from probe.store.base.query import Query
from probe.store.base.schema import StoreDamaged, StoreError
from probe.store.upkeep.reading import is_reading_error

log = logging.getLogger("probe.store")

PAGE = 2_000


def check_catalogue(path: Path) -> str | None:
    """What is damaged in a file of SQLite, in words, as one reading finds it (`each_time`). Raises nothing.

    None: nothing, or it could not be read for now (busy, no rights), which says nothing of it.
    """
    query = None
    try:
        query = Query(path)
        found = str(query.value("PRAGMA quick_check(1)"))
        return None if found == "ok" or is_reading_error(found) else found
    except StoreError as error:
        return str(error) if isinstance(error, StoreDamaged) else None
    finally:
        if query is not None:
            query.close()


def check_part(path: Path) -> str | None:
    """The same for a part, for the chain of every stream in it, and for its sums."""
    problem = check_catalogue(path)
    if problem is not None:
        return problem
    query = None
    try:
        query = PartQuery(path)
        if query.value("SELECT 1 FROM sqlite_master WHERE name = 'stream'") is None:
            return None  # begun, and nothing written yet
        return _dictionary(query) or _chains(query) or wrong_grains(query)
    except StoreError as error:
        return str(error) if isinstance(error, StoreDamaged) else None
    finally:
        if query is not None:
            query.close()


def keep_other_copy(path: Path) -> None:
    """Put the other copy of a whole part's dictionary where it is missing or is another. Raises OSError.

    Nothing where the part cannot be read, or is gone: that is for others to say.
    """
    try:
        with closing(PartQuery(path)) as query:
            found = dictionary_of(query) if query.dense else None
    except StoreError:
        return
    if found is not None and digest_of(found[0]) == found[1] and read_beside(path) != found[0]:
        put_beside(path, found[0])
        log.warning("store.dictionary_restored", extra={"fields": {"file": beside(path).name}})


def _dictionary(query: PartQuery) -> str | None:
    if not query.dense:
        return None
    found = dictionary_of(query)
    whole = found is not None and digest_of(found[0]) == found[1]
    return None if whole else "its dictionary is not what was written"


def _chains(query: PartQuery) -> str | None:
    sql = "SELECT id, customer, base, base_digest, head, digest FROM stream"
    for stream, customer, base, base_digest, head, digest in query.rows(sql):
        dropped = {
            first: (previous, last_seq, last_digest)
            for first, previous, last_seq, last_digest in query.rows(
                "SELECT first_seq, previous, last_seq, digest FROM dropped WHERE stream = ?", stream
            )
        }
        seq, reached = base, base_digest  # the line last looked at, and its digest
        while seq < head:
            if seq + 1 in dropped:
                previous, last_seq, last_digest = dropped[seq + 1]
                if previous != reached:
                    return f"record {seq} of {customer} is not what was written"
                seq, reached = last_seq, last_digest
                continue
            page = query.rows_with_line(
                "SELECT seq, body FROM record WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?",
                stream, seq, PAGE,
            )  # fmt: skip
            if not page:
                return f"records {seq + 1} to {head} of {customer} are missing"
            for number, body in page:
                if number != seq + 1:
                    break
                if previous_of(body) not in (reached, None):
                    return f"record {seq} of {customer} is not what was written"
                seq, reached = number, line_digest(body.encode())
            else:
                continue
            if seq + 1 not in dropped:
                return f"record {seq + 1} of {customer} is missing"
        if reached != digest:
            return f"record {head} of {customer} is not what was written"
    return None


_KEY = '"previous":"'


def previous_of(body: str) -> str | None:
    """The digest that a line carries; None for a line of an earlier version. `previous` is a record's last key."""
    place = body.rfind(_KEY)
    return None if place < 0 else body[place + len(_KEY) : place + len(_KEY) + 64]
