"""Rule: what a proxy reports of a target counts once somebody really answered through that proxy.

Pure. A proxy can report failures that are its own, and can end or starve a tunnel by itself; it cannot make up a
certificate or a reply. So a failure of that kind accuses nobody unless an anchor, the origin or another edge gave a
real reply through the same proxy in the same slot, and never where the proxy itself was lost meanwhile.
"""

from __future__ import annotations

from probe.core.model.task import Task
from probe.core.proxy.dialogue import is_literal
from probe.core.records.failure import Failure, FailureType, Phase
from probe.core.records.observation import Observation
from probe.core.records.verdict import Evidence
from probe.core.vantage.via_proxy import left_to_proxy

_PROXY_REPORTED = frozenset(
    {
        FailureType.TCP_REFUSED,
        FailureType.TCP_TIMED_OUT,
        FailureType.TCP_RESET,
        FailureType.TCP_CLOSED,
        FailureType.TCP_ADDRESS_UNREACHABLE,
        FailureType.TCP_FAILED,
        FailureType.TLS_TIMED_OUT,
        FailureType.TLS_CLOSED,
        FailureType.HTTP_TIMED_OUT,
        FailureType.BODY_TRUNCATED,
        FailureType.BODY_TIMED_OUT,
    }
)
# What a proxy also says of a name that it cannot look up.
_OF_THE_NAME = frozenset(
    {FailureType.TCP_ADDRESS_UNREACHABLE, FailureType.TCP_FAILED, FailureType.TCP_TIMED_OUT}
)


def is_proxy_report(task: Task, kind: FailureType) -> bool:
    """Whether a proxy can have brought this failure about by itself."""
    return task.vantage_point.proxy is not None and kind in _PROXY_REPORTED


def proxy_lost(evidence: Evidence) -> bool:
    """Whether the proxy itself could not be spoken with at some moment of the slot."""
    return any(
        o.failure is not None and o.failure.type is FailureType.VANTAGE_PROXY_UNREACHABLE
        for o in evidence.observations
        if o.vantage_point is None
    )


def answered_through_proxy(task: Task, evidence: Evidence) -> bool:
    """Whether somebody really answered through the proxy; one given by name, where the proxy looks names up.

    Only that shows that the proxy's look-up works, without which every name fails alike.
    """
    by_name = left_to_proxy(task.vantage_point) and not is_literal(task.domain)
    return any(
        _real(o) and not (by_name and is_literal(o.address))
        for o in evidence.observations
        if o.proxy == str(task.vantage_point.proxy) and o.vantage_point is None
    )


def _real(observation: Observation) -> bool:
    shown = observation.tls is not None and bool(observation.tls.chain_sha256)
    return observation.failure is None or observation.response is not None or shown


def may_be_the_name(task: Task, observation: Observation, failure: Failure) -> bool:
    """Whether the proxy may have failed to look the name up, whose zone may be the customer's or the CDN's."""
    return (
        failure.phase is Phase.TCP
        and failure.type in _OF_THE_NAME
        and left_to_proxy(task.vantage_point)
        and not is_literal(observation.address)
    )
