"""Requests and errors by node, from exported CSV alone, in SQL that shares nothing with the program's own."""

from __future__ import annotations

from pathlib import Path

import duckdb

TEXT = """
WITH s AS (SELECT * FROM read_csv(?, header = true, all_varchar = true)),
r AS (SELECT * FROM read_csv(?, header = true, all_varchar = true) WHERE counted = 'true'),
named AS (SELECT seq, bool_or(outcome IS NOT NULL) AS any_named FROM r GROUP BY seq),
seen AS (
  SELECT r.address, r.domain,
    CASE WHEN NOT any_named THEN s.outcome
         WHEN r.outcome IS NOT NULL THEN r.outcome
         WHEN r.failure_phase IS NULL THEN 'ok' ELSE 'inconclusive' END AS outcome,
    CASE WHEN any_named THEN r.fault ELSE s.fault END AS fault,
    r.status_code, r.failure_phase
  FROM r JOIN s ON r.seq = s.seq AND r.agent = s.agent JOIN named ON named.seq = r.seq
  WHERE s.state = 'measured' AND s.clock_vouched_by IS NOT NULL AND CAST(s.clock_bound_us AS BIGINT) <= 60000000
)
SELECT address,
  count(*) FILTER (outcome IN ('ok', 'slow', 'stale') OR (outcome = 'failed' AND fault <> 'unknown')),
  count(*) FILTER (outcome = 'failed' AND fault = 'cdn' AND (
    failure_phase IN ('dns', 'tcp', 'tls', 'http', 'body') OR status_code IS NULL OR status_code LIKE '5__'))
FROM seen WHERE domain = ? GROUP BY address ORDER BY address
"""


def by_node(slots: Path, requests: Path, domain: str) -> dict[str, tuple[int, int]]:
    """Address -> (requests of which something is known, errors)."""
    rows = duckdb.execute(TEXT, [str(slots), str(requests), domain]).fetchall()
    return {address: (known, errors) for address, known, errors in rows}
