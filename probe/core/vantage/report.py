"""What `cdn-probe vantage check` found at a vantage point, as values, and the notes on its configuration.

Pure. A look is one thing tried: a resolver, an anchor, the line over an IP version. Durations in microseconds. `words`
are for people: what happened and, where it is known, what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from probe.core.model.task import VantagePoint
from probe.core.records.failure import Failure, FailureType
from probe.core.records.surroundings import LineState
from probe.core.vantage.health import version_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverLook:
    """One question to one resolver. `rewrites`: it gave an address for a name that cannot exist (RFC 6761)."""

    resolver: str
    question: str
    well: bool
    rcode: str | None = None
    transport: str | None = None
    taken_us: int | None = None
    nsid: str | None = None
    rewrites: bool | None = None
    failure: FailureType | None = None
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorLook:
    """One anchor over one IP version; `address` is the one that its name led to, `local` our own end."""

    anchor: str
    ip_version: int
    reached: bool
    address: str
    local: str | None = None
    taken_us: int | None = None
    status_code: int | None = None
    failure: FailureType | None = None
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineLook:
    """The line over one IP version: our own address towards its first anchor or resolver, and what anchors say."""

    ip_version: int
    local: str | None
    towards: str | None
    state: LineState
    asked: int
    reached: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PointLook:
    """Everything that one look at a vantage point found."""

    vantage_point: str
    well: bool
    line_problem: str | None
    lines: tuple[LineLook, ...]
    resolvers: tuple[ResolverLook, ...]
    anchors: tuple[AnchorLook, ...]
    notes: tuple[str, ...]


def is_well(
    line_problem: str | None, resolvers: Iterable[ResolverLook], anchors: Iterable[AnchorLook]
) -> bool:
    """Whether nothing is to be done: the line is there, every resolver answers, every anchor reacts."""
    return line_problem is None and all(r.well for r in resolvers) and all(a.reached for a in anchors)


def notes_of(vantage: VantagePoint, ip_versions: Iterable[int]) -> tuple[str, ...]:
    """What the configuration of a vantage point leaves open, for people; nothing of it is a failure."""
    anchors = vantage.anchors
    if not anchors:
        return (
            "no anchors: if nothing answers, nobody can tell whether this line is offline; give two or more",
        )
    notes = []
    if len(anchors) == 1:
        notes.append("one anchor alone: when it is down, this line counts as offline; give two or more")
    elif len({anchor.host for anchor in anchors}) == 1:
        notes.append(f"all anchors are on {anchors[0].host}: one fault takes them all; give another host")
    if vantage.proxy is not None and all(anchor.scheme == "dns" for anchor in anchors):
        notes.append("dns:// anchors do not go through the proxy: give one that does (http, https, tcp)")
    for version in ip_versions:
        if all(version_of(anchor.host) not in (None, version) for anchor in anchors):
            notes.append(f"no anchor tells of IPv{version}: those of the other version are asked instead")
    return tuple(notes)


_MEANING = {
    FailureType.DNS_TLS_FAILED: "its certificate or handshake is not accepted",
    FailureType.DNS_HTTPS_FAILED: "it speaks HTTPS, and no DNS over it",
    FailureType.DNS_UNREACHABLE: "nobody answers at this address and port",
    FailureType.DNS_TIMED_OUT: "no answer in time",
    FailureType.DNS_MALFORMED: "what came back is no DNS message",
    FailureType.DNS_NAME_NOT_RESOLVED: "its name does not exist",
    FailureType.TCP_REFUSED: "refused the connection: nothing listens there, or a firewall answered",
    FailureType.TCP_TIMED_OUT: "no reaction in time",
    FailureType.TCP_ADDRESS_UNREACHABLE: "no way there",
    FailureType.TCP_ADDRESS_BLOCKED: "our own policy forbids this address: name its prefix in allow_addresses",
    FailureType.VANTAGE_NETWORK_DOWN: "this host has no route there",
    FailureType.VANTAGE_SOURCE_UNAVAILABLE: "the line is not there as configured",
    FailureType.VANTAGE_PROXY_UNREACHABLE: "the proxy cannot be spoken with",
    FailureType.VANTAGE_PROXY_REFUSED: "the proxy will not serve us",
}


def words_of(failure: Failure) -> str:
    """A failure for people: what it means, and what was said."""
    meaning = _MEANING.get(failure.type)
    detail = failure.detail or ""
    if meaning is None:
        return detail or failure.type.value
    return f"{meaning} ({detail})" if detail and failure.type not in _SAID_ENOUGH else meaning


_SAID_ENOUGH = frozenset(
    {FailureType.TCP_TIMED_OUT, FailureType.TCP_REFUSED, FailureType.TCP_ADDRESS_UNREACHABLE}
)
