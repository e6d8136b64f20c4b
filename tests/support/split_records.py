"""Records of hostile responses fetched from a real server, without what differs from one fetch to the next.

As a program: those of the responses given as JSON on standard input (name: base64), each sent whole, as JSON on
standard output.
"""

from __future__ import annotations

import asyncio
import json
import sys
from base64 import b64decode
from typing import Any

import msgspec

from probe.core.content.reading import Reading
from probe.core.records.observation import Observation
from tests.support.hostile_bytes import wires
from tests.support.http_server import Script, make_fetcher, make_target, serve

LONGEST_BYTES = 4096
CAP_BYTES = 600  # on bodies: more than most of these have, and less than some
SHORT = {name: wire for name, wire in wires().items() if len(wire) <= LONGEST_BYTES}


def in_pieces(wire: bytes, size: int) -> Script:
    """Written in pieces of so many bytes, each in a turn of the loop of its own, so that the reader sees each."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for at in range(0, len(wire), size):
            writer.write(wire[at : at + size])
            await writer.drain()
            await asyncio.sleep(0)

    return script


def comparable(seen: Observation) -> dict[str, Any]:
    """The record as builtins; of times, whether they are there."""
    record: dict[str, Any] = msgspec.to_builtins(seen)
    for name in ("source", "port", "url", "tcp_info"):
        record.pop(name)
    timing = record.pop("timing")
    timing.pop("uncertainty", None)
    return {**record, "timed": sorted(name for name, value in timing.items() if value is not None)}


async def record_of(script: Script, **changes: Any) -> dict[str, Any]:
    """What one fetch from a server with this script puts on record."""
    target = {"accept_encoding": "gzip", "reading": Reading(markers=("content",)), **changes}
    fetcher = make_fetcher()
    try:
        async with serve(script) as server:
            return comparable(await fetcher.fetch(make_target(server.port, **target)))
    finally:
        await fetcher.close()


async def records(wires: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    """Of these responses, whole."""
    return {name: await record_of(in_pieces(wire, len(wire))) for name, wire in wires.items()}


if __name__ == "__main__":
    assert "aiohttp" not in sys.modules, "what measures does not load it"
    given = {name: b64decode(wire) for name, wire in json.load(sys.stdin).items()}
    json.dump(asyncio.run(records(given)), sys.stdout)
