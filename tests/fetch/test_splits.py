"""What is put on record depends on the bytes of a response: not on their pieces, nor on what libraries are compiled."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import json
import os
import random
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from probe.core.http.content_coding import DecodedTooLargeError, DecodeError, parse_codings
from probe.core.http.head import Head, HeadError
from probe.core.http.response_reader import ResponseReader
from probe.core.model.task import Limits
from probe.fetch.body import Body
from probe.net.failures import BodyTooLargeError
from tests.support.hostile_bytes import wires
from tests.support.http_server import make_fetcher, make_target, serve, then_hang
from tests.support.split_records import CAP_BYTES, SHORT, comparable, in_pieces, record_of, records

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("changes", [{}, {"body_bytes": CAP_BYTES}], ids=["", "capped"])
@pytest.mark.parametrize("name", SHORT)
async def test_on_the_wire_whole_and_in_single_bytes(name: str, changes: dict[str, Any]) -> None:
    wire = SHORT[name]
    whole = await record_of(in_pieces(wire, len(wire)), **changes)
    assert await record_of(in_pieces(wire, 1), **changes) == whole
    assert await record_of(in_pieces(wire, 7), **changes) == whole


async def test_on_the_wire_and_then_silence() -> None:
    """What ends by a deadline of ours is the same too, up to there."""
    wire = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    wire += b"1e\r\n" + gzip.compress(bytes(range(256)) * 4, mtime=0)[:30] + b"\r\n"
    pieces = then_hang(*(wire[at : at + 1] for at in range(len(wire))))
    found = []
    for script in (then_hang(wire), pieces):
        async with serve(script) as server:
            seen = await make_fetcher().fetch(
                make_target(server.port, accept_encoding="gzip", total_us=300_000)
            )
        found.append(comparable(seen))
    assert found[0] == found[1]
    assert found[0]["failure"]["type"] == "body.timed_out"
    assert found[0]["response"]["encoded_body_bytes"] == 30


async def test_with_the_compiled_parts_of_libraries_switched_off() -> None:
    names = ("AIOHTTP", "MULTIDICT", "YARL", "FROZENLIST", "PROPCACHE")
    off = {f"{name}_NO_EXTENSIONS": "1" for name in names}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.split_records",
        cwd=ROOT, env={**os.environ, **off}, stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        given = json.dumps({name: b64encode(wire).decode() for name, wire in SHORT.items()})
        out, _ = await child.communicate(given.encode())
    assert child.returncode == 0
    assert json.loads(out) == json.loads(json.dumps(await records(SHORT)))


# --- reader and body without a server, for long ones too ------------------------------------------

LIMITS = Limits(body_bytes=200_000, decoded_bytes=10_000_000)
Result = tuple[int | None, str | None, int | None, str | None, bool, str | None]


def body_of(pieces: list[bytes]) -> Result:
    """Size and digest on the wire and decoded, whether all was well, why it was refused."""
    made: list[Body] = []
    queue: list[bytes] = []

    def on_head(head: Head) -> None:
        made.append(Body(parse_codings(head.values("content-encoding")), LIMITS, None))

    def on_body(content: bytes | memoryview) -> None:
        if made[0].is_coded:
            queue.append(bytes(content))
        else:
            made[0].add(content)

    reader = ResponseReader(LIMITS, "GET", on_head, on_body)
    error = None
    try:
        for piece in pieces:
            reader.feed(piece)
            while queue:
                drain(made[0].take(queue.pop(0)))
        reader.end()
        if reader.complete and made:
            drain(made[0].take_rest())
            made[0].finish()
    except (HeadError, BodyTooLargeError, DecodeError, DecodedTooLargeError) as exc:
        error = f"{type(exc).__name__}: {exc}"
    if not made:
        return None, None, None, None, False, error
    body = made[0]
    while queue and error is not None and error.startswith("HeadError"):
        drain(body.take(queue.pop(0)))
    with contextlib.suppress(BodyTooLargeError, DecodedTooLargeError):
        drain(body.take_rest())
    return (
        body.wire_bytes,
        body.digest,
        body.decoded_bytes,
        body.content_digest,
        reader.complete and error is None,
        error,
    )


def drain(steps: Iterator[None]) -> None:
    for _ in steps:
        pass


NOISE = random.Random(1).randbytes(90_000)
CODED = gzip.compress(NOISE * 2, 1, mtime=0)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
LONG = {
    **{name: wire for name, wire in wires().items() if "Encoding" in wire[:400].decode("latin-1")},
    "coded_until_close": HEAD + b"\r\n" + CODED,
    "coded_and_corrupt": HEAD + b"\r\n" + CODED[:50_000] + b"\0" + CODED[50_001:],
    "coded_and_cut": HEAD + b"Content-Length: 900000\r\n\r\n" + CODED[:-100],
    "coded_and_over_the_cap": HEAD + b"\r\n" + gzip.compress(NOISE * 4, 1, mtime=0),
    "over_the_cap": b"HTTP/1.1 200 OK\r\n\r\n" + NOISE * 3,
    "chunks_over_the_cap": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"2710\r\n%s\r\n" % NOISE[:10_000] * 30,
}


@pytest.mark.parametrize("name", LONG)
def test_figures_of_a_body_in_any_pieces(name: str) -> None:
    wire, chance = LONG[name], random.Random(7)
    whole = body_of([wire])
    for step in (1, 61, 1460, 16_384, 65_536) if len(wire) < 60_000 else (997, 1460, 16_384, 65_536):
        assert body_of([wire[at : at + step] for at in range(0, len(wire), step)]) == whole, step
    for _ in range(5):
        cut = chance.randrange(1, len(wire))
        assert body_of([wire[:cut], wire[cut:]]) == whole, cut


def test_a_body_over_its_limit_is_counted_to_the_limit_and_one_byte() -> None:
    for name in ("over_the_cap", "coded_and_over_the_cap", "chunks_over_the_cap"):
        wire_bytes, *_, error = body_of([LONG[name]])
        assert wire_bytes == LIMITS.body_bytes + 1
        assert error is not None
        assert "limits.body: 200000 bytes" in error
    assert body_of([LONG["over_the_cap"]])[1] == hashlib.sha256((NOISE * 3)[:200_001]).hexdigest()
