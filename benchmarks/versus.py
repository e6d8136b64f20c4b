"""Rule: a whole slot of ours stands against the bare probe of an exporter, same objects, same name, same servers.

Ours: look-up through the CNAME, fetch, SHA-256, comparison with the origin's kept version, judgement, row on the disk;
the CPU of this process, writer thread included. The peer: prometheus-blackbox-exporter, scraped by us, its CPU alone.
Both work on IN_FLIGHT at a time, as under load; one at a time shows what an idle agent pays for each wakening.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.blackbox import PROGRAM, Blackbox, blackbox
from benchmarks.measure import Effort, Result, Work, compare
from benchmarks.programs import Servers
from benchmarks.slots import our_slots

SIZES = {10_000: 150, 100_000: 120, 1_000_000: 50}
LABELS = {10_000: "10 kB", 100_000: "100 kB", 1_000_000: "1 MB"}
IN_FLIGHT = 10
PROTOCOLS = ("h2",)
PEER = f"{PROGRAM} (bare probe of the same {{}})"


async def run(servers: Servers, directory: Path, effort: Effort) -> list[Result]:
    """Every size over HTTP and HTTPS under load, and the smallest one at a time."""
    results = []
    with blackbox(directory / "blackbox", servers) as peer:
        for scheme in ("http", "https"):
            for size in SIZES:
                results.append(await _case(servers, peer, directory, effort, scheme, size, IN_FLIGHT))
            results.append(await _case(servers, peer, directory, effort, scheme, min(SIZES), 1))
    for protocol in PROTOCOLS:
        for size in (min(SIZES), max(SIZES)):
            results.append(await _beside_http_1(servers, directory, effort, protocol, size))
    return results


async def _beside_http_1(
    servers: Servers, directory: Path, effort: Effort, protocol: str, size: int
) -> Result:
    """Slots over another HTTP version beside our own over HTTP/1.1 and TLS."""
    place = directory / f"{protocol}-{size}"
    async with (
        our_slots(servers.ports, "https", size, place / "ours", IN_FLIGHT, protocol) as ours,
        our_slots(servers.ports, "https", size, place / "h1", IN_FLIGHT) as peer,
    ):
        return await compare(
            f"{protocol} slot, {LABELS[size]}",
            ours=ours,
            peer=peer,
            peer_name="the same slot over HTTP/1.1 and TLS",
            operations=max(IN_FLIGHT, effort.operations(SIZES[size])),
            rounds=effort.rounds,
        )


async def _case(
    servers: Servers, peer: Blackbox, directory: Path, effort: Effort, scheme: str, size: int, in_flight: int
) -> Result:
    place = directory / f"{scheme}-{size}-{in_flight}"
    alone = ", one by one" if in_flight == 1 else ""
    async with our_slots(servers.ports, scheme, size, place, in_flight) as ours:
        return await compare(
            f"whole slot, {LABELS[size]} over {scheme.upper()}{alone}",
            ours=ours,
            peer=_probes(peer, scheme, size, in_flight),
            peer_name=PEER.format("host name" if peer.by_name else "address"),
            operations=max(in_flight, effort.operations(SIZES[size])),
            rounds=effort.rounds,
            peer_clock=peer.cpu_ns,
        )


def _probes(peer: Blackbox, scheme: str, size: int, in_flight: int) -> Work:
    target = peer.target(scheme, size)

    async def work(operations: int) -> None:
        await peer.probe(operations, target, in_flight=in_flight)

    return work
