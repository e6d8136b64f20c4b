"""Rule: what is advertised is tried beside the object, in the open, and never followed.

What an edge's Alt-Svc (field or frame, RFC 7838) and the name's HTTPS records (RFC 9460) say that it serves: one HEAD
of the object by that HTTP version at that port, of the same address. Browsers try it and fall back, slower for it.
Another host is recorded and not tried: it is not the node that is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Literal

from pydantic import Field

from probe.core.content.check_kind import CheckKind, FollowUpRequest, Params, Symptom, SymptomKind
from probe.core.http.alternatives import SHOWN
from probe.core.model.task import Task
from probe.core.records.observation import Alternative, Observation, Role
from probe.core.records.verdict import Evidence
from probe.core.verdict.origin_controls import own_reply

_PLACES = 2  # of one HTTP version


class Advertised(Params):
    """What is advertised is served."""

    protocols: tuple[Literal["h2", "h3"], ...] = Field(
        default=("h2", "h3"),
        min_length=1,
        description="HTTP versions that are tried where they are advertised",
    )


def follow_ups(params: Advertised, task: Task, slot_number: int) -> Iterator[FollowUpRequest]:
    """For each version up to two places, of every edge that says so."""
    if task.request.scheme != "https":
        return
    for protocol in dict.fromkeys(params.protocols):
        for place in range(_PLACES):
            settle = partial(_settled, protocol, place, task.request.host.lower())
            yield FollowUpRequest(name=protocol, method="HEAD", edges="all", settle=settle)


def _settled(protocol: str, place: int, host: str, edge: Observation) -> FollowUpRequest | None:
    ports = dict.fromkeys(
        each.port
        for each in edge.advertised
        if each.protocol == protocol and each.host in ("", host) and not _measured(each, edge)
    )
    port = next((port for i, port in enumerate(ports) if i == place), None)
    if port is None:
        return None
    return FollowUpRequest(name=f"{protocol}:{port}", method="HEAD", protocol=protocol, port=port)


def _measured(each: Alternative, edge: Observation) -> bool:
    """The edge's own reply came by this version from this port."""
    response = edge.response
    return response is not None and (each.protocol, each.port) == (response.next_hop_protocol, edge.port)


def examine(params: Advertised, task: Task, evidence: Evidence) -> Iterator[Symptom]:
    """ADVERTISED for each place that gave no reply; whatever reply came, the version is served."""
    for index, seen in enumerate(evidence.observations):
        version = _asked(seen)
        if version is not None and seen.failure is not None and seen.response is None:
            yield Symptom(
                check=KIND.name,
                kind=SymptomKind.ADVERTISED,
                reason=seen.failure.type,
                observation=index,
                detail=_words(evidence, seen, version),
                warning=True,
            )


def _asked(seen: Observation) -> str | None:
    """By which version this further request of ours was made; None: it is none."""
    check, _, asked = (seen.ask or "").partition(".")
    return asked.partition(":")[0] if seen.role is Role.CHECK and check == KIND.name else None


def _words(evidence: Evidence, seen: Observation, version: str) -> str:
    edge = own_reply(evidence, seen)
    told = () if edge is None else edge.advertised
    by = dict.fromkeys(SHOWN[t.by] for t in told if (t.protocol, t.port) == (version, seen.port))
    return f'{", ".join(by) or "advertised"}: {version}=":{seen.port}"'


KIND = CheckKind(
    name="advertised",
    params=Advertised,
    examine=examine,
    summary="the HTTP versions that an edge or its HTTPS records advertise are served",
    follow_ups=follow_ups,
)
