"""Every parser of what strangers send: the worst input that its limits let through is little work, and raises nothing.

Work is calls and lines of Python, at most EACH for a character given (tests/support/work.py). What takes the square of
the length inside one call of C (a pattern, a text) shows in no count: with fields of 128 KB it does not end within the
120 s that pytest-timeout gives each test.
Limits of sizes are tested beside each parser; here is what such an amount can do at most. SECURITY.md lists them.
What parses bodies (HTML, JSON, patterns) has a process of its own: tests/sandbox/test_content_reader.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import pytest

from probe.core.caching.cache_control import cache_control
from probe.core.caching.cache_status import caches, caches_passed, field_flags, proxy_status
from probe.core.caching.freshness import declared, freshness
from probe.core.caching.vendor_lifetimes import vendor_lifetimes
from probe.core.content.reading import Reading, read_content
from probe.core.http.chunked import ChunkDecoder
from probe.core.http.content_coding import parse_codings
from probe.core.http.validators import usable_date, usable_tag
from probe.core.model.task import Limits, RedirectPolicy
from probe.core.model.times import http_date_s
from probe.core.proof.manifest import parse_manifest
from probe.core.proof.signed_head import parse_head
from probe.core.records.response import Response
from probe.core.redirects.next_hop import next_hop
from probe.core.redirects.target import resolved
from probe.core.text.patterns import matches
from probe.tls.client import parse_certificate
from tests.support import build
from tests.support.work import linear

FIELD = Limits().field_bytes - 64
LINES = Limits().head_bytes // Limits().field_bytes
EACH = 8  # the most that is seen is four, where each second character parts two members
NAMES = (
    "cache-control", "cache-status", "proxy-status", "cdn-cache-control", "surrogate-control", "x-cache",
    "x-cache-lookup", "x-cache-status", "cf-cache-status", "x-swift-cachetime", "via", "age", "date",
    "expires", "last-modified", "etag", "content-encoding", "vary", "location", "x-via", "x-cdn-cache",
    "x-hits", "x-served-by", "x-accel-expires",
)  # fmt: skip


def _noise(seed: int) -> str:
    rng = random.Random(seed)
    return "".join(rng.choices('",;=()\\:@?*!-_ aZ09\t\xff', k=FIELD))


VALUES: dict[str, str] = {
    "one long word": "a" * FIELD,
    "digits": "9" * FIELD,
    "max-age of many digits": "max-age=" + "9" * (FIELD - 8),
    "commas": "," * FIELD,
    "quotes": '"' * FIELD,
    "an open quote": '"' + "a" * (FIELD - 1),
    "escapes": '"' + "\\" * (FIELD - 1),
    "open lists": "(" * FIELD,
    "many members": "a=1," * (FIELD // 4),
    "many parameters": "a" + ";b=1" * (FIELD // 4 - 1),
    "many empty parameters": "a" + ";" * (FIELD - 1),
    "spaces": " " * (FIELD - 1) + "a",
    "words": "HIT from a " * (FIELD // 11),
    "almost a hit": "HIT" * (FIELD // 3) + "!",
    "binary": ":" + "=" * (FIELD - 2) + ":",
    "dates": "Sun, 22 Nov 2026 10:00:00 GMT, " * (FIELD // 31),
    "a huge year": "Sun, 22 Nov " + "9" * 4000 + " 10:00:00 GMT",
    "a huge zone": "Sun, 22 Nov 2026 10:00:00 +" + "9" * 4000,
    "brackets": "[" * FIELD,
    "slashes": "/" * FIELD,
    "dots": "../" * (FIELD // 3),
    "percents": "%" * FIELD,
    "codes": "%aa" * (FIELD // 3),
    "question marks": "?" * FIELD,
    "keys that say secret": "?auth" * (FIELD // 5),
    "keys of queries": "?key&" * (FIELD // 5),
    **{f"noise {seed}": _noise(seed) for seed in range(4)},
}
Fields = tuple[tuple[str, str], ...]


def reply(fields: Fields) -> Response:
    return Response(status_code=302, fields=fields)


READERS: dict[str, Callable[[Fields], object]] = {
    "cache_control": cache_control,
    "caches": caches,
    "caches_passed": caches_passed,
    "proxy_status": proxy_status,
    "field_flags": field_flags,
    "freshness": freshness,
    "declared": declared,
    "vendor_lifetimes": lambda fields: list(vendor_lifetimes(fields)),
    "codings": lambda fields: parse_codings([value for _, value in fields]),
    "dates": lambda fields: [http_date_s(value) for _, value in fields],
    "tags": lambda fields: [(usable_tag(value), usable_date(value)) for _, value in fields],
    "places": lambda fields: [resolved("https://www.acme.example/a", value) for _, value in fields],
    "redirects": lambda fields: next_hop(
        build.task().request, reply((("location", fields[0][1]),)), RedirectPolicy(limit=3), ()
    ),
}


def of_fields(reader: str, fields: Fields) -> None:
    linear(lambda: READERS[reader](fields), sum(len(value) for _, value in fields), each=EACH)


@pytest.mark.parametrize("reader", READERS)
def test_header_fields(reader: str) -> None:
    """A head full of one field, for each field that is read and each value."""
    for name in NAMES:
        if reader in ("codings", "dates", "tags", "places", "redirects") and name != "location":
            continue
        for text in VALUES.values():
            fields = ((name, text),) * LINES
            of_fields(reader, fields)


@pytest.mark.parametrize("reader", READERS)
def test_a_head_with_every_field_at_once(reader: str) -> None:
    fields = tuple((name, _noise(7)[: FIELD // 2]) for name in NAMES)
    of_fields(reader, fields)


JSON = {
    "nested lists": b"[" * 2_000_000 + b"]" * 2_000_000,
    "nested objects": b'{"a":' * 600_000 + b"1" + b"}" * 600_000,
    "nested as far as it can be read": b'{"a":' * 900 + b"1" + b"}" * 900,
    "a number of many digits": b"9" * 4_000_000,
    "a float out of range": b"[1e999999999, -1e999999999, NaN]",
    "one key a million times": b"{" + b'"a":1,' * 500_000 + b'"a":1}',
    "lone surrogates": b'["\\ud800", {"\\udfff": "\\ud800"}]',
    "cut": b'{"a": "',
    "no UTF-8": b'["\xff\xfe"]',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "nothing": b"",
}


CHUNKS = {
    "of one byte": b"1\r\nx\r\n" * 150_000,
    "with long sizes": (b"0" * 8000 + b"1\r\nx\r\n") * 100,
    "with long extensions": (b"1;" + b"a" * 8000 + b"\r\nx\r\n") * 100,
    "a size without an end": b"0" * 8000,
    "a trailer of every size": b"0\r\n" + b"a: " + b"x" * 8000 + b"\r\n" * 15,
}


@pytest.mark.parametrize("step", [1, 1460, 131_072])
@pytest.mark.parametrize("wire", CHUNKS.values(), ids=CHUNKS)
def test_chunks(wire: bytes, step: int) -> None:
    data = wire if step > 1 else wire[:30_000]

    def read() -> int:
        decoder = ChunkDecoder(Limits())
        return sum(
            decoder.feed(data[at : at + step], lambda content: None)
            for at in range(0, len(data), step)
            if not decoder.done
        )

    assert linear(read, len(data), each=100) > 0  # 65 where each byte comes by itself


def test_no_pattern_runs_away() -> None:
    """Whatever RE2 does is one call: a pattern that went back and forth would not end within the test's time-out."""
    for pattern in ("(a+)+$", "(a|aa)+$", "(a*)*b", "(.*)*x", "(a|a|b)*c{1,100}"):
        assert matches(pattern, "a" * 4000 + "!") is False
        body = b"a" * 10_000 + b"!" * 10
        assert read_content(Reading(patterns=(pattern,)), body).flags == ()


@pytest.mark.parametrize(
    "data", [*JSON.values(), b'{"version": 1}', b"[1]", b'{"version":' + b"9" * 5000 + b"}"]
)
def test_manifests_and_heads_of_strangers(data: bytes) -> None:
    for parse in (parse_manifest, parse_head):
        with pytest.raises(ValueError, match=r"not a|is a JSON object|reads manifests|has other fields"):
            linear(partial(parse, data), len(data), each=EACH)


@pytest.mark.parametrize(
    "der", [b"", b"\x30\x80" * 50_000, b"\x30\x84\xff\xff\xff\xff", bytes(100_000), b"\xff" * 100_000]
)
def test_certificates_of_strangers(der: bytes) -> None:
    made = linear(lambda: parse_certificate(der), len(der), each=EACH)
    assert made.subject is None
    assert len(made.sha256) == 64
