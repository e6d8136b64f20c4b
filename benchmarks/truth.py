"""Rule: an error is what was measured minus what a server says that it did; both clocks are the host's monotonic one.

Each request waits random times in each phase. Rates are shares of what our fetcher manages at most here and now
(`saturation`). Beside ours stands the exporter, asked for the same at the same rates; its phases are of the same
names. Samples that the record itself calls uncertain by more than MARKED_US are counted as marked, and shown apart; of
all ours is told in how many the truth lay between what was told less its uncertainty, and what was told.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Protocol

from benchmarks.blackbox import Blackbox
from benchmarks.measure import WrongResultError
from benchmarks.peer_process import Ports
from benchmarks.server import NAME
from probe.core.model.task import Deadlines, Limits, Request, ResolverSpec, TlsPolicy, VantagePoint
from probe.core.records.observation import Observation, Role
from probe.core.records.transport import UNSURE_US, TimingUncertainty
from probe.fetch.fetcher import HttpFetcher
from probe.fetch.target import FetchTarget
from probe.host.clock import SystemClock
from probe.lab.pki import Pki
from probe.resolver.resolver import Resolver
from probe.settings.secrets import reveal

SHARES = (0.0, 0.3, 0.6, 0.9)
TLS_MS = 3.0
SECONDS = 4.0
IDLE_PER_S = 20.0
MARKED_US = float(UNSURE_US)
STAMPED_WITHIN_US = 100.0  # on either side two clocks are read for a stamp
AT_LEAST, AT_MOST_S = 320, 20.0  # samples at each rate, as far as they can be had in this time
_PHASE = re.compile(r'probe_http_duration_seconds\{phase="(\w+)"\} ([0-9.e+-]+)')
_HERE = ("127.0.0.0/8",)
_PROGRAM = Path(__file__).with_name("truth_server.py")
Times = dict[str, float]  # phase -> microseconds


class Ask(Protocol):
    """One request of this name, what was measured going into the run."""

    async def __call__(self, name: str, run: Run) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """Measured minus true, microseconds, over `samples`, of which `marked` were told to be uncertain.

    `median_us` and `p99_us` are over those not marked, `p99_all_us` over all. `share` of saturation; `who`: ours or the
    peer's. `held`: the share of samples whose truth lay within what was told; the peer tells nothing.
    """

    who: str
    what: str
    share: float
    per_s: float
    samples: int
    marked: int
    median_us: float
    p99_us: float
    p99_all_us: float
    held: float | None = None


@dataclass(slots=True)
class Run:
    """What was measured at one rate: by id the phases, and by how much each may be too long."""

    share: float
    per_s: float
    who: str
    scheme: str
    times: dict[str, Times] = field(default_factory=dict)
    unsure: dict[str, Times] = field(default_factory=dict)


async def run(
    directory: Path, peer: Callable[[Ports], Blackbox] | None = None, seconds: float = SECONDS
) -> list[Error]:
    """Every rate over HTTP, HTTPS, HTTP/2 and DNS. `peer`: the running exporter, pointed at these ports."""
    runs: list[Run] = []
    with _server(directory) as (ports, told):
        clock = SystemClock()
        fetcher, resolver = HttpFetcher(clock, reveal, _HERE), Resolver(clock, _HERE)
        beside = peer(ports) if peer is not None else None
        for scheme in ("http", "https", "h2", "dns"):
            ask = (
                _lookup(ports, resolver, clock) if scheme == "dns" else _fetch(ports, scheme, fetcher, clock)
            )
            most_per_s = await _saturation(ask)
            for share in SHARES:
                per_s = most_per_s * share or IDLE_PER_S
                ours = Run(share, per_s, "ours", scheme)
                runs.append(ours)
                lasting_s = max(seconds, min(AT_MOST_S, AT_LEAST / per_s)) if share else seconds
                await _paced(partial(ask, run=ours), per_s, lasting_s)
                if beside is not None and scheme in ("http", "https"):
                    theirs = Run(share, per_s, "peer", scheme)
                    runs.append(theirs)
                    await _paced(_probe(beside, ports, scheme, theirs), per_s, lasting_s)
        await fetcher.close()
        truth = told()
    return [error for run in runs for error in _errors(run, truth)]


def _errors(run: Run, truth: dict[str, dict[str, int]]) -> Iterator[Error]:
    true = {name: _true(instants) for name, instants in truth.items()}
    found = {name: times for name, times in run.times.items() if name in true}
    for what in next(iter(found.values()), {}):
        errors = {
            n: times[what] - true[n][what] for n, times in found.items() if what in times and what in true[n]
        }
        unsure = {name: run.unsure.get(name, {}).get(what, 0.0) for name in errors}
        sure = [error for name, error in errors.items() if unsure[name] <= MARKED_US]
        if errors:
            yield Error(
                who=run.who,
                what=f"{run.scheme} {what}",
                share=run.share,
                per_s=run.per_s,
                samples=len(errors),
                marked=len(errors) - len(sure),
                median_us=median(sure or [0.0]),
                p99_us=_p99(sure),
                p99_all_us=_p99(list(errors.values())),
                held=None if run.who == "peer" else _held(errors, unsure),
            )


def _held(errors: Times, unsure: Times) -> float:
    """The share of samples that are not too short, and too long by no more than they say."""
    good = [
        -STAMPED_WITHIN_US <= error <= max(unsure[name], MARKED_US) + STAMPED_WITHIN_US
        for name, error in errors.items()
    ]
    return sum(good) / len(good)


def _p99(values: list[float]) -> float:
    ordered = sorted(map(abs, values)) or [0.0]
    return ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]


def _true(at: dict[str, int]) -> Times:
    spans = {"ttfb": ("asked", "first"), "total": ("asked", "last"), "tls": ("hello", "shaken")}
    return {what: (at[b] - at[a]) / 1000 for what, (a, b) in spans.items() if a in at and b in at}


# --- asking ---------------------------------------------------------------------------------------

_count = iter(range(10**9))


def _name() -> str:
    return f"n{next(_count)}"


def _path(name: str) -> str:
    first, body = random.uniform(0, 20), random.uniform(0, 20)  # noqa: S311 - delays, no secrets
    return f"/t/{name}/{first:.2f}/{body:.2f}"


def _fetch(ports: Ports, scheme: str, fetcher: HttpFetcher, clock: SystemClock) -> Ask:
    protocol = "h2" if scheme == "h2" else "h1"

    async def ask(name: str, run: Run) -> None:
        request = Request(
            scheme="https" if protocol == "h2" else scheme,
            host=NAME,
            port=ports.of(scheme, protocol),
            path=_path(name),
            protocol=protocol,
        )
        start_ns = clock.monotonic_ns()
        seen = await fetcher.fetch(
            FetchTarget(
                role=Role.EDGE,
                address="127.0.0.1",
                request=request,
                tls=TlsPolicy(ca=str(ports.ca)),
                deadlines=Deadlines(),
                limits=Limits(),
                vantage=VantagePoint(name="here"),
                slot_start_ns=start_ns,
            )
        )
        if seen.failure is None:
            run.times[name] = _measured(seen)
            unsure = seen.timing.uncertainty or TimingUncertainty()
            run.unsure[name] = {
                "tls": float(unsure.tls_us),
                "ttfb": float(unsure.response_start_us),
                "total": float(unsure.response_end_us),
            }

    return ask


def _measured(seen: Observation) -> Times:
    t = seen.timing
    assert t.request_start_us is not None
    assert t.response_start_us is not None
    assert t.response_end_us is not None
    times = {
        "ttfb": float(t.response_start_us - t.request_start_us),
        "total": float(t.response_end_us - t.request_start_us),
    }
    if t.secure_connection_start_us is not None and t.connect_end_us is not None:
        times["tls"] = float(t.connect_end_us - t.secure_connection_start_us)
    return times


def _lookup(ports: Ports, resolver: Resolver, clock: SystemClock) -> Ask:
    spec = ResolverSpec(transport="udp", address="127.0.0.1", port=ports.dns)
    vantage = VantagePoint(name="here", resolvers=(spec,))

    async def ask(name: str, run: Run) -> None:
        start_ns = clock.monotonic_ns()
        host = f"{name}.d{random.randint(0, 20)}.bench.example"  # noqa: S311
        found = await resolver.resolve(host, "A", vantage, slot_start_ns=start_ns)
        (query, *more) = found.queries
        if found.failure is None and not more and query.start_us is not None and query.end_us is not None:
            run.times[name] = {"ttfb": float(query.end_us - query.start_us)}

    return ask


def _probe(peer: Blackbox, ports: Ports, scheme: str, run: Run) -> Callable[[str], Awaitable[None]]:
    async def ask(name: str) -> None:
        try:
            (page,) = await peer.probe(1, f"{scheme}://127.0.0.1:{ports.of(scheme)}{_path(name)}")
        except WrongResultError:
            return  # no figure of a probe that failed; the samples that are there are counted
        phases = {phase: float(value) * 1e6 for phase, value in _PHASE.findall(page.decode())}
        run.times[name] = {
            "ttfb": phases["processing"],
            "total": phases["processing"] + phases["transfer"],
            **({"tls": phases["tls"]} if scheme == "https" else {}),
        }

    return ask


async def _saturation(ask: Ask, seconds: float = 1.5) -> float:
    """Requests a second with so many in flight that more would not help."""
    until, done = time.monotonic() + seconds, 0
    scrap = Run(1.0, 0.0, "", "")

    async def one_after_another() -> None:
        nonlocal done
        while time.monotonic() < until:
            await ask(_name(), scrap)
            done += 1

    await asyncio.gather(*(one_after_another() for _ in range(40)))
    return done / seconds


async def _paced(ask: Callable[[str], Awaitable[None]], per_s: float, seconds: float) -> None:
    """Begin them evenly, whatever becomes of those before."""
    begun, asked = time.monotonic(), []
    for number in range(max(1, int(per_s * seconds))):
        delay = begun + number / per_s - time.monotonic()
        if delay > 0:
            await asyncio.sleep(delay)
        asked.append(asyncio.ensure_future(ask(_name())))
    await asyncio.gather(*asked)


@contextmanager
def _server(directory: Path) -> Iterator[tuple[Ports, Callable[[], dict[str, dict[str, int]]]]]:
    pki = Pki(directory / "pki")
    command = [sys.executable, str(_PROGRAM), str(pki.leaf("server", [NAME, "127.0.0.1"])), str(TLS_MS)]
    with subprocess.Popen(  # noqa: S603 - our own program
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        ports = Ports(**json.loads(child.stdout.readline()), ca=pki.ca_file)

        def told() -> dict[str, dict[str, int]]:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.close()
            return dict(json.loads(child.stdout.readline()))

        try:
            yield ports, told
        finally:
            child.kill()
