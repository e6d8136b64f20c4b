"""Rule: before a node is accused of wrong bytes, or of a redirect in their place, it is fetched by other paths too.

Over the lines of other vantage points of this agent, and with TLS beside plain HTTP, where nobody in between can
change what is sent. Right there and wrong here, twice, is the path's fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from probe.core.model.protocols import AUTO, H1
from probe.core.model.task import VantagePoint
from probe.core.model.value import replace
from probe.core.records.observation import Observation, Relation, Role
from probe.core.redirects.next_hop import STATUS_CODES as REDIRECTS
from probe.core.vantage.over_udp import silent_over_quic
from probe.core.vantage.refusals import left_without_http1
from probe.core.vantage.via_proxy import can_be_given
from probe.core.verdict.corroboration import OF_THE_LINE_TOO
from probe.fetch.target import FetchTarget
from probe.measure.edge_pace import EdgePace
from probe.measure.slot import Slot
from probe.measure.stagger import Staggered

LINES_AT_MOST = 2
_PORTS = (80, 443)


async def look_elsewhere(slot: Slot, lines: Sequence[VantagePoint], pace: EdgePace) -> None:
    """Ask each edge whose content nothing explains by other ways, and append what was seen to the slot."""
    edges = [o for o in slot.observations if o.role is Role.EDGE]
    all_silent = all(o.failure is not None and o.failure.type in OF_THE_LINE_TOO for o in edges)
    targets = [
        (target, index)
        for index, observation in enumerate(slot.observations)
        if observation.role is Role.EDGE
        and (all_silent or _unexplained(observation) or _led_away(slot, observation))
        for target in _ways(slot, observation, index, lines)
    ]
    targets += [
        (_as_browsers_ask(slot, observation, index), index)
        for index, observation in enumerate(slot.observations)
        if observation.role is Role.EDGE and _answers_over_another_version(slot, observation)
    ]
    async with Staggered() as staggered:
        asked = pace.admitted(target for target, _ in targets)
        made = [(await staggered.start(pace.fetch(target)), target) for target in asked]
    own = slot.task.vantage_point.name
    slot.append(
        replace(fetch.result(), vantage_point=None if target.vantage.name == own else target.vantage.name)
        for fetch, target in made
    )
    slot.compare_all()


def _answers_over_another_version(slot: Slot, observation: Observation) -> bool:
    """Whether it may: its host may be well that is silent over QUIC, and speak HTTP/2 that leaves at HTTP/1.1."""
    asked_h1 = slot.task.request.protocol == H1
    return silent_over_quic(observation) or (asked_h1 and left_without_http1(observation))


def _as_browsers_ask(slot: Slot, observation: Observation, index: int) -> FetchTarget:
    """The same node and object over TCP, HTTP/2 and HTTP/1.1 offered."""
    target = slot.target(Role.ELSEWHERE, observation.address, of=index)
    return replace(target, request=replace(target.request, protocol=AUTO))


def _unexplained(observation: Observation) -> bool:
    comparison = observation.comparison
    return comparison is not None and comparison.relation is Relation.UNKNOWN_VERSION


def _led_away(slot: Slot, observation: Observation) -> bool:
    """A redirect in place of what the origin serves: the CDN may send it, and so may anybody in between."""
    response, versions = observation.response, slot.reference.versions
    if response is None or response.status_code not in REDIRECTS or not versions:
        return False
    return versions[-1].status_code not in REDIRECTS


def _ways(
    slot: Slot, observation: Observation, index: int, lines: Sequence[VantagePoint]
) -> Iterator[FetchTarget]:
    task = slot.task
    target = slot.target(Role.ELSEWHERE, observation.address, of=index)
    others = [
        line
        for line in lines
        if line.name != task.vantage_point.name
        and (not line.ip_versions or task.ip_version in line.ip_versions)
        and can_be_given(line, observation.address)
    ]
    for line in others[:LINES_AT_MOST]:
        yield replace(target, vantage=line)
    plain, secure = _PORTS
    if (task.request.scheme, task.request.port) == ("http", plain):
        yield replace(target, request=replace(task.request, scheme="https", port=secure))
