"""What can be wrong, as parts: each changes the lab while its block lasts. A scenario is a list of these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from tests.truth import behaviours, names
from tests.truth.delay import delayed
from tests.truth.edges import Server
from tests.truth.internet import BEHIND_ORIGIN, CDN_LEAVES_BY, EDGES, ORIGIN, PORTAL, RESOLVER, SECOND
from tests.truth.lab import Lab
from tests.truth.scenario import Part

EVERY = tuple(EDGES)
RESOLVER_AT_SECOND = {"resolvers": [f"udp://{SECOND}"]}  # the vantage point asks the one that has the fault

# --- edges ------------------------------------------------------------------------------------------


def refused(*edges: str) -> Part:
    """These edges do not run: their ports are closed."""
    return lambda lab: _all(lab.edges[edge].stopped() for edge in edges)


def silent(*edges: str) -> Part:
    """Nothing that is sent to these edges arrives."""
    return lambda lab: lab.net.dropped("cdn", *(f"ip daddr {EDGES[edge]}" for edge in edges))


def frozen(*edges: str) -> Part:
    """These edges take connections and answer nothing."""
    return lambda lab: _all(lab.edges[edge].frozen() for edge in edges)


def behaving(how: str, *edges: str) -> Part:
    """These edges run with another behaviour: a row of `behaviours.EDGES`."""

    def part(lab: Lab) -> AbstractContextManager[Any]:
        texts = {edge: behaviours.EDGES[edge, how].replace("ROOT", str(lab.root)) for edge in edges}
        return _all(lab.edges[edge].behaving(text) for edge, text in texts.items())

    return part


def edge_as(text: str, program: str = "nginx") -> Part:
    """This edge runs with a configuration of its own, in which ROOT and ORIGIN stand for the lab's."""
    return lambda lab: lab.edges[program].behaving(_filled(text, lab))


def origin_as(text: str) -> Part:
    """The origin runs with a configuration of its own, ROOT as above."""
    return lambda lab: lab.origin.behaving(_filled(text, lab))


def _filled(text: str, lab: Lab) -> str:
    return text.replace("ROOT", str(lab.root)).replace("ORIGIN", ORIGIN)


def certificate(kind: str, *edges: str) -> Part:
    """These edges present a certificate with which something is wrong: a kind of `Lab.certificate`."""
    return lambda lab: _all(lab.edges[edge].behaving(certificate=lab.certificate(kind)) for edge in edges)


def large_packets_lost_at(*edges: str) -> Part:
    """Large packets of these edges never arrive, and no ICMP tells."""
    return lambda lab: lab.net.dropped(
        "cdn", *(f"ip saddr {EDGES[edge]} meta length > 900" for edge in edges)
    )


def kept_by_edges(edge: str, path: str, host: str = "single.acme.example") -> Part:
    """A user asked this edge for the object before: it is in its cache."""

    @contextmanager
    def part(lab: Lab) -> Iterator[None]:
        lab.net.run(
            "two", "curl", "-sf", "-o", "/dev/null", "-H", f"Host: {host}", f"http://{EDGES[edge]}{path}"
        )
        yield

    return part


# --- the origin -------------------------------------------------------------------------------------


def origin_stopped(lab: Lab) -> AbstractContextManager[None]:
    """The origin does not run, for anybody."""
    return lab.origin.stopped()


def origin_frozen(lab: Lab) -> AbstractContextManager[None]:
    """The origin takes connections and answers nobody."""
    return lab.origin.frozen()


def origin_firewalled(lab: Lab) -> AbstractContextManager[None]:
    """The origin lets the CDN in only."""
    return lab.net.dropped("org", f"ip daddr {ORIGIN} ip saddr != {CDN_LEAVES_BY} ip saddr != 10.94.101.0/24")


def origin_behaving(how: str) -> Part:
    """The origin runs with another behaviour: a row of `behaviours.ORIGINS`."""
    return lambda lab: lab.origin.behaving(behaviours.ORIGINS[how].replace("ROOT", str(lab.root)))


@contextmanager
def origin_slow(lab: Lab) -> Iterator[None]:
    """The origin begins every reply late, whoever asks."""
    behind = Server(
        "nginx", lab.directory / "behind", (BEHIND_ORIGIN,), lab.origin.prefix, lab.origin.behaviour
    )
    slow = Server(
        "varnish", lab.directory / "slow-origin", (ORIGIN,), lab.origin.prefix,
        behaviours.EDGES["varnish", "slow_and_plain"], upstream=BEHIND_ORIGIN,
    )  # fmt: skip
    with lab.origin.replaced_by(behind, slow):
        yield


# --- the line of the vantage point ------------------------------------------------------------------


def lossy(percent: int, line: str = "one") -> Part:
    """So many of a hundred packets are lost, each way."""
    return lambda lab: lab.net.dropped(line, f"numgen random mod 100 < {percent}")


def lossy_towards(address: str, percent: int, line: str = "one") -> Part:
    """So many of a hundred packets to and from this host are lost, and no others."""
    chance = f"numgen random mod 100 < {percent}"
    return lambda lab: lab.net.dropped(line, f"ip daddr {address} {chance}", f"ip saddr {address} {chance}")


def large_packets_lost(line: str = "one") -> Part:
    """Large packets never arrive over this line, whoever sends them, and no ICMP tells."""
    return lambda lab: lab.net.dropped(line, "meta length > 900")


def cut(line: str = "one") -> Part:
    """Nothing passes this line."""
    return lambda lab: lab.net.dropped(line, "ip version 4")


def cdn_out_of_reach(line: str = "one") -> Part:
    """The carrier has lost its way to the CDN: all else passes this line."""
    return lambda lab: lab.net.dropped(line, f"ip daddr {{ {', '.join(EDGES.values())} }}")


def slow_line(delay_ms: int, line: str = "one") -> Part:
    """Every packet takes so much longer, each way."""
    return lambda lab: delayed(lab.net, line, delay_ms)


def blocked(match: str, line: str = "one") -> Part:
    """Packets of this kind do not pass the line."""
    return lambda lab: lab.net.dropped(line, match)


def portal(*matches: str, line: str = "one") -> Part:
    """A captive portal answers in the name of everybody for these packets: `tcp dport 80`."""

    def part(lab: Lab) -> AbstractContextManager[Any]:
        rules = " ".join(f"{match} dnat to {PORTAL};" for match in matches)
        return lab.net.nft(line, "ip", f"type nat hook output priority -100; {rules}")

    return part


def port_53_intercepted(by: str = RESOLVER, line: str = "one") -> Part:
    """Whatever is sent to port 53 is answered by the carrier's resolver, in the name of whom it was sent to."""
    return lambda lab: lab.net.nft(
        line, "ip", f"type nat hook output priority -100; udp dport 53 dnat to {by};"
    )


# --- resolvers and anchors --------------------------------------------------------------------------


def resolver(fault: str, address: str = SECOND) -> Part:
    """A further resolver with a fault: a row of `names.FAULTS`, `refuses`, or `dead`: nobody is there."""

    @contextmanager
    def part(lab: Lab) -> Iterator[None]:
        with names.unbound(lab.net, lab.directory / f"unbound-{address}", address, fault):
            yield

    return part


def anchors_stopped(lab: Lab) -> AbstractContextManager[Any]:
    """No anchor runs: their hosts refuse."""
    return _all(server.stopped() for server in lab.anchors.values())


def anchor_stopped(address: str) -> Part:
    """One anchor does not run."""
    return lambda lab: lab.anchors[address].stopped()


@contextmanager
def _all(
    parts: Iterator[AbstractContextManager[Any]] | Sequence[AbstractContextManager[Any]],
) -> Iterator[None]:
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(part)
        yield
