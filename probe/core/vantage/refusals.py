"""Rule: a reply that refuses us as a visitor says nothing of the object that was requested.

Another visitor need not get our 429 (RFC 6585 section 4) or our challenge page; a 503 with Retry-After (RFC 9110
section 15.6.4) to a further request of ours says only that we asked too much. How long we wait before the next request
is in Retry-After (RFC 9110 section 10.2.3), within a bound of ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from probe.core.http.fields import first_value
from probe.core.model.times import retry_after_s
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.response import Response
from probe.core.vantage.challenge_marks import CHALLENGE_MARKS, Mark

RATE_LIMITED = "http.rate_limited"
CHALLENGED = "http.challenged"
WAIT_AT_MOST_S = 300.0
WITHOUT_A_TIME_S = 10.0  # after a 429 that does not say when to come back
_TOO_MANY, _UNAVAILABLE = 429, 503
_UPGRADE_REQUIRED, _VERSION_NOT_SUPPORTED = 426, 505
_LEFT = frozenset({FailureType.TCP_CLOSED, FailureType.TCP_RESET})
_FURTHER = frozenset({Role.CHECK, Role.CONTROL, Role.CONFIRM, Role.SWEEP, Role.ELSEWHERE})


def refusal(response: Response | None, *, further: bool) -> str | None:
    """The reason, where this reply refuses us as a visitor; `further`: it came to a request beside the object's own."""
    if response is None:
        return None
    if any(_marked(response, mark) for mark in CHALLENGE_MARKS):
        return CHALLENGED
    if response.status_code == _TOO_MANY:
        return RATE_LIMITED
    asks_for_time = any(name == "retry-after" for name, _ in response.fields)
    return RATE_LIMITED if further and response.status_code == _UNAVAILABLE and asks_for_time else None


def wants_another_protocol(observation: Observation) -> bool:
    """Whether the server serves browsers, which speak HTTP/2 over TLS, and not a client of HTTP/1.1.

    505 (RFC 9110 section 15.6.6), or 426 that names HTTP/2 (section 15.5.22). Over plain HTTP
    browsers speak HTTP/1.1 as we do.
    """
    response, tls = observation.response, observation.tls
    offered_more = tls is not None and tls.alpn is not None
    if response is None or offered_more or not observation.url.startswith("https:"):
        return False
    upgrades = (value.lower() for name, value in response.fields if name == "upgrade")
    if response.status_code == _UPGRADE_REQUIRED:
        return any("h2" in value or "http/2" in value for value in upgrades)
    return response.status_code == _VERSION_NOT_SUPPORTED


def left_without_http1(observation: Observation) -> bool:
    """Whether a server was offered HTTP/1.1 by ALPN, agreed on nothing, and left at the request without a byte.

    Who speaks HTTP/1.1 and knows ALPN agrees on it (RFC 7301 section 3.2). Who speaks HTTP/2 alone may just leave, as
    HAProxy does; so may a broken server that does not know ALPN: `speaks_http2_alone` tells them apart.
    """
    failure, tls = observation.failure, observation.tls
    if failure is None or failure.phase is not Phase.HTTP or failure.type not in _LEFT:
        return False
    return tls is not None and tls.alpn is None and observation.timing.response_start_us is None


def speaks_http2_alone(observations: Sequence[Observation], index: int | None) -> bool:
    """Whether the server of observation `index` left so, and answered over HTTP/2 in this slot, where that was offered.

    A server that does not know ALPN agrees on HTTP/2 neither.
    """
    return (
        index is not None
        and left_without_http1(observations[index])
        and any(
            o.role is Role.ELSEWHERE
            and o.of == index
            and o.response is not None
            and o.tls is not None
            and o.tls.alpn == "h2"
            for o in observations
        )
    )


def says_nothing(observation: Observation) -> bool:
    """Whether this further question or second look was refused: neither convicts nor acquits."""
    return observation.role in _FURTHER and refusal(observation.response, further=True) is not None


def wait_s(observation: Observation) -> float | None:
    """For how many seconds this reply asks to be left alone; None: it does not. At most WAIT_AT_MOST_S.

    Of a 429 and a 503: elsewhere, as with 301, Retry-After says something else.
    """
    response = observation.response
    if response is None or response.status_code not in (_TOO_MANY, _UNAVAILABLE):
        return None
    date = first_value(response.fields, "date")
    asked_s = retry_after_s(first_value(response.fields, "retry-after"), date, WAIT_AT_MOST_S)
    return WITHOUT_A_TIME_S if asked_s is None and response.status_code == _TOO_MANY else asked_s


def _marked(response: Response, mark: Mark) -> bool:
    if mark.statuses and response.status_code not in mark.statuses:
        return False
    values = (value for name, value in response.fields if name == mark.field)
    return any(value.strip().lower().startswith(mark.begins) for value in values)
