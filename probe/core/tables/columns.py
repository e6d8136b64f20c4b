"""Rule: a column is never renamed, nor its meaning or unit changed; a new one goes to the end of its table.

The tables as data: each column with its type and what it says. Absent is null, never 0. Instants are whole microseconds
since 1970 (UTC) in rows; how a file shows them is the file format's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

Cell = str | int | float | bool | bytes | tuple[str, ...] | tuple[int, ...] | dict[str, str] | None
Row = dict[str, Cell]


class Type(StrEnum):
    """What a column holds. `ENUM` is text of few values (a dictionary in Parquet); `TIME` an instant."""

    TEXT = "text"
    ENUM = "enum"
    BOOL = "bool"
    U8 = "u8"
    U16 = "u16"
    U32 = "u32"
    I64 = "i64"
    F64 = "f64"
    TIME = "time"
    SHA256 = "sha256"
    TEXTS = "list of text"
    COUNTS = "list of u32"
    MAP = "map of text"


WHOLE_NUMBERS = frozenset({Type.U8, Type.U16, Type.U32, Type.I64})


@dataclass(frozen=True, slots=True)
class Table:
    """`key`: the columns that name a row. `columns`: name -> type, in order; `what`: name -> words for people."""

    name: str
    key: tuple[str, ...]
    columns: Mapping[str, Type]
    what: Mapping[str, str]


def _table(name: str, key: tuple[str, ...], *columns: tuple[str, Type, str]) -> Table:
    return Table(name, key, {c[0]: c[1] for c in columns}, {c[0]: c[2] for c in columns})


T = Type
_STREAM = (
    ("agent", T.ENUM, "whose stream: the agent that measured"),
    ("customer", T.ENUM, "whose domain"),
    ("seq", T.I64, "number of the record in the stream"),
)

SLOTS = _table(
    "slots",
    ("agent", "customer", "seq"),
    *_STREAM,
    ("task", T.ENUM, "id of the task: one object from one vantage point over one IP version"),
    ("domain", T.ENUM, "accelerated domain"),
    ("path", T.ENUM, "what was to be asked for"),
    ("vantage_point", T.ENUM, "from where"),
    ("region", T.ENUM, "declared, ISO 3166-2"),
    ("carrier", T.ENUM, "declared"),
    ("asn", T.I64, "declared number of the autonomous system"),
    ("ip_version", T.U8, "4 or 6"),
    ("scheme", T.ENUM, "`http` or `https`; null in rows of 0.1 where nothing was asked"),
    ("protocol", T.ENUM, "HTTP version asked for: `h1`, `h2`, `h3`, or `auto`, where the server chooses"),
    ("scheduled_at", T.TIME, "when the slot was due"),
    ("started_at", T.TIME, "when it began"),
    ("state", T.ENUM, "`measured`, `missed`, `aborted`"),
    ("missed_reason", T.ENUM, "why it was not measured"),
    ("outcome", T.ENUM, "`ok`, `slow`, `stale`, `failed`, `inconclusive`"),
    ("fault", T.ENUM, "where the evidence puts the cause"),
    ("reason", T.ENUM, "code of the verdict"),
    ("confirmed", T.BOOL, "whether a second look found the same; null: nobody looked again"),
    ("exclusions", T.TEXTS, "reasons declared for this time when it was measured"),
    ("reach_known", T.U16, "nodes known"),
    ("reach_asked", T.U16, "nodes asked in this slot"),
    ("reach_answered", T.U16, "nodes that gave a complete reply below 500"),
    ("offline_meanwhile", T.BOOL, "whether anchors were unreachable at some moment of the slot"),
    ("tainted", T.BOOL, "whether our own loop stalled in a counted request: its times are not the network's"),
    ("clock_synchronised", T.BOOL, "what the kernel said of the agent's clock"),
    ("clock_max_error_us", T.I64, "the kernel's bound"),
    ("left_out", T.TEXTS, "what was due within the slot and not asked, because of a limit"),
    ("evidence_id", T.TEXT, "of the evidence bundle"),
    ("definition", T.ENUM, "digest of the task's definition"),
    ("config_digest", T.ENUM, "the configuration in force"),
    ("schema_version", T.U16, "of the record"),
    ("line_sha256", T.SHA256, "of the record's line: the digest that the chain holds"),
    ("clock_vouched_by", T.ENUM, "who vouches for the agent's clock: `kernel`, `dates` of other hosts, or nobody"),
    ("clock_bound_us", T.I64, "by how much it may be off at most, by their word"),
    ("finished_at", T.TIME, "when it ended"),
    ("edges", T.U16, "how many requests of it are counted"),
    ("due_again", T.BOOL, "the clock was set back: this due time has an earlier row, which is the one that counts"),
)  # fmt: skip

REQUESTS = _table(
    "requests",
    ("agent", "customer", "seq", "number"),
    *_STREAM,
    ("number", T.U16, "index in the record's `observations`"),
    ("role", T.ENUM, "why it was made: `edge`, `origin`, `redirect`, `confirm`, `sweep`, `anchor`, ..."),
    ("counted", T.BOOL, "whether it is what the slot was for (`role` is `edge`)"),
    ("rests_on", T.BOOL, "whether the verdict rests on it"),
    ("address", T.ENUM, "the address connected to"),
    ("port", T.U16, "of that address"),
    ("of", T.U16, "`number` of the request that it repeats or follows"),
    ("vantage_point", T.ENUM, "over whose line"),
    ("proxied", T.BOOL, "whether it went through a proxy"),
    ("status_code", T.U16, "of the reply"),
    ("failure_phase", T.ENUM, "where it failed: `dns`, `tcp`, `tls`, `http`, `body`, `content`, `host`"),
    ("failure_type", T.ENUM, "how, see records.md"),
    ("outcome", T.ENUM, "of the gravest finding that names this request; null: nothing was found"),
    ("fault", T.ENUM, "of that finding"),
    ("resolve_us", T.I64, "the slot's look-up; of counted requests only"),
    ("connect_us", T.I64, "TCP handshake"),
    ("tls_us", T.I64, "TLS handshake"),
    ("processing_us", T.I64, "request sent to first byte"),
    ("transfer_us", T.I64, "first to last byte"),
    ("ttfb_us", T.I64, "start of the connection to first byte"),
    ("total_us", T.I64, "start of the connection to last byte"),
    ("ttfb_unsure_us", T.I64, "by how much `ttfb_us` may be too long; null: by less than 1 ms"),
    ("total_unsure_us", T.I64, "the same of `total_us`"),
    ("encoded_body_bytes", T.I64, "body as it came"),
    ("decoded_body_bytes", T.I64, "body decoded"),
    ("content_digest", T.SHA256, "SHA-256 of the decoded body"),
    ("relation", T.ENUM, "to the origin's content"),
    ("behind_s", T.F64, "seconds since the origin was first seen to serve a newer version"),
    ("propagated_after_s_at_least", T.F64, "seconds until this node served a new version, at least"),
    ("propagated_after_s_at_most", T.F64, "the same, at most"),
    ("cache_hit", T.BOOL, "what the nearest cache said"),
    ("age_s", T.I64, "Age field, seconds"),
    ("http_version", T.ENUM, "of the reply, ALPN name"),
    ("tainted", T.BOOL, "our own loop stalled meanwhile: the times are not the network's"),
    ("domain", T.ENUM, "as in `slots`"),
    ("scheduled_at", T.TIME, "as in `slots`"),
    ("path", T.ENUM, "as in `slots`"),
    ("task", T.ENUM, "as in `slots`"),
    ("reason", T.ENUM, "code of the gravest finding"),
    ("confirmed", T.BOOL, "whether a second look found what it says"),
    ("scheme", T.ENUM, "`http` or `https`, of this very request"),
    ("final_status_code", T.U16, "where redirects were followed: of the last reply; else as `status_code`"),
    ("final_failure_phase", T.ENUM, "the same for `failure_phase`"),
)  # fmt: skip

EVENTS = _table(
    "events",
    ("agent", "customer", "seq", "slot_at"),
    *_STREAM,
    ("at", T.TIME, "when it happened; null: of a span that is gone"),
    ("event", T.ENUM, "what happened; `dropped`: rows that the agent no longer had, see `detail`"),
    ("task", T.ENUM, "of `ledger.gap`: whose slots have no row"),
    ("slot_at", T.TIME, "of `ledger.gap`: when the slot without a row was due; one row each"),
    ("detail", T.MAP, "what else is said of it; of `dropped`: `first_seq`, `last_seq`, `reason`"),
)  # fmt: skip

GRAINS = _table(
    "grains",
    (
        "agent", "customer", "domain", "path", "scheme", "protocol", "vantage_point", "region", "carrier", "ip_version",
        "address", "grain",
    ),
    ("agent", T.ENUM, "whose stream"),
    ("customer", T.ENUM, "whose domain"),
    ("domain", T.ENUM, "accelerated domain"),
    ("path", T.ENUM, "object"),
    ("scheme", T.ENUM, "`http` or `https`"),
    ("protocol", T.ENUM, "HTTP version asked for: `h1`, `h2`, `h3`, or `auto`, where the server chooses"),
    ("vantage_point", T.ENUM, "from where"),
    ("region", T.ENUM, "declared, ISO 3166-2"),
    ("carrier", T.ENUM, "declared"),
    ("ip_version", T.U8, "4 or 6"),
    ("address", T.ENUM, "of the node asked; null: sums of slots, and of what came to no request"),
    ("grain", T.U32, "number of the five minutes: microseconds since 1970 // 300,000,000"),
    ("due", T.I64, "slots due; in the row without an address, 0 in the others"),
    ("measured", T.I64, "of those, slots that were measured; likewise"),
    ("n", T.I64, "requests that count: neither unknown nor excluded"),
    ("errors_cdn", T.I64, "of those: failed by the CDN's fault with a 5xx or without a complete reply"),
    ("errors_origin", T.I64, "of those: failed by the origin's fault"),
    ("errors_other", T.I64, "of those: failed otherwise, such as by content that is not the origin's"),
    ("unknown", T.I64, "requests that say nothing; a slot without any weighs as many as its task made last, or one"),
    ("excluded", T.I64, "requests at times that were declared when they were measured"),
    ("clock_unsure", T.I64, "of `unknown`: nobody vouched for the agent's clock"),
    ("first_bad_us", T.I64, "when the first of `errors_cdn` was due, since 1970"),
    ("last_bad_us", T.I64, "when the last was"),
    ("ttfb_counts", T.COUNTS, "of `n`: how many had `ttfb_us` below 1 ms, 1.4 ms, 2 ms ... (each bound the root of two"
     " times the one before), 32.8 s, and longer: 32 counts"),
    ("seq_first", T.I64, "the first record that is summed here"),
    ("seq_last", T.I64, "the last one"),
    ("ok", T.I64, "of all requests of measured slots, whatever was declared and whoever vouches for the clock: well"),
    ("slow", T.I64, "of the same: slower than is allowed"),
    ("stale", T.I64, "of the same: an older version than may be served"),
    ("inconclusive", T.I64, "of the same: the evidence does not say"),
    ("failed_cdn", T.I64, "of the same: failed, the CDN's fault, whatever a contract counts of it"),
    ("failed_origin", T.I64, "of the same: failed, the origin's fault"),
    ("failed_customer", T.I64, "of the same: failed, the customer's fault"),
    ("failed_path", T.I64, "of the same: failed on the way between"),
    ("failed_vantage", T.I64, "of the same: failed by our own line"),
    ("failed_agent", T.I64, "of the same: failed by our own host or program"),
    ("failed_unknown", T.I64, "of the same: failed, and nobody can say by whose fault"),
)  # fmt: skip

# What a line gives by itself; and all that can be had of lines.
TABLES: Mapping[str, Table] = {table.name: table for table in (SLOTS, REQUESTS, EVENTS)}
EXPORTED: Mapping[str, Table] = {**TABLES, GRAINS.name: GRAINS}
