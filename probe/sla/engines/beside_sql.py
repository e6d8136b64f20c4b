"""Rule: what a report would find out again from each row is written beside it, once; rows alone give the same answers.

Columns that `sla ingest` adds to facts and looks. Tables of an earlier version have none of them, or some.
"""

from __future__ import annotations

from probe.core.sla.facts.histogram import bucket_sql
from probe.sla.engines import sql

NEAR = "near_trouble"
BESIDE = {"facts": (*sql.BUCKETS.values(), sql.PLAIN), "looks": (NEAR,)}
"""By table. Of facts: buckets, and `sql.plain_text`. NEAR: see `near_text`."""


def beside_text(dialect: str, table: str) -> str:
    """The columns BESIDE of a table, by expressions; a bucket is null where the fact tells nothing."""
    if table == "looks":
        return f"{near_text()} AS {NEAR}"
    made = []
    for quantity, name in sql.BUCKETS.items():
        value, told = sql.told_text(sql.DIVIDE[dialect], quantity)
        bucket = bucket_sql(f"({value})", sql.DIVIDE[dialect])
        made.append(f"CAST(CASE WHEN {told} THEN {bucket} END AS SMALLINT) AS {name}")
    return ", ".join((*made, f"{sql.plain_text()} AS {sql.PLAIN}"))


def near_text() -> str:
    """An expression over looks: not well, or next to such a one in its track, or to another protocol's, or to none.

    Those that are left out are well, and so is what stands before and behind each of them in whatever is asked for.
    """
    track = "(PARTITION BY customer, domain, vantage_point, task ORDER BY scheduled_us, agent, seq)"
    alike = " AND ".join(
        f"COALESCE({beside}({sql.WELL}) OVER {track} AND {beside}(protocol) OVER {track} = protocol, FALSE)"
        for beside in ("LAG", "LEAD")
    )
    return f"NOT ({sql.WELL} AND {alike})"


def interleaved_text(source: str) -> str:
    """How many tracks go from one file to another and back: looks next to each other in them stand in two files.

    `source`: looks that are near trouble, among them the first and the last of each track in each file, with `file`.
    """
    files = (
        "SELECT customer, domain, vantage_point, task, file, MIN(scheduled_us) AS first_us,"  # noqa: S608
        f" MAX(scheduled_us) AS last_us FROM ({source}) AS source GROUP BY customer, domain, vantage_point, task, file"
    )
    following = (
        "SELECT last_us, LEAD(first_us) OVER (PARTITION BY customer, domain, vantage_point, task"  # noqa: S608
        f" ORDER BY first_us, last_us) AS next_us FROM ({files}) AS files"
    )
    return f"SELECT COUNT(*) AS tracks FROM ({following}) AS following WHERE next_us <= last_us"  # noqa: S608
