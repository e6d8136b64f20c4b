"""Looks of one domain by minutes: `.` well, `x` failed, `X` failed and confirmed, `?` says nothing, `v` the line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from probe.core.incidents.incident import Transition
from probe.core.incidents.looks import Look, Sight
from probe.core.incidents.tracker import Tracker
from probe.core.records.verdict import Fault, Outcome

MINUTE_US = 60_000_000
START_US = 1_790_000_040_000_000
SIGHTS = {".": Sight.WELL, "x": Sight.TROUBLE, "X": Sight.TROUBLE, "?": Sight.UNKNOWN, "v": Sight.UNKNOWN}


def look(
    sign: str,
    at: float,
    point: str = "bj",
    *,
    seq: int = 0,
    agent: str = "probe-1",
    customer: str = "acme",
    domain: str = "www.example.net",
    fault: Fault = Fault.CDN,
    reason: str = "http.error",
    nodes: tuple[str, ...] = ("192.0.2.1",),
    exclusions: tuple[str, ...] = (),
    path: str = "/",
) -> Look:
    """One row, `at` minutes after the start."""
    trouble, line = sign in "xX", sign == "v"
    return Look(
        agent=agent,
        customer=customer,
        domain=domain,
        path=path,
        task=f"{domain}{path}@{point}",
        vantage_point=point,
        region="CN-BJ" if point == "bj" else "CN-SH",
        carrier="unicom",
        at_us=START_US + round(at * MINUTE_US),
        seq=seq or round(at * 100) + 1,
        domain_sight=SIGHTS[sign],
        line_sight=Sight.TROUBLE if line else Sight.UNKNOWN if sign == "?" else Sight.WELL,
        confirmed=sign == "X",
        outcome=Outcome.FAILED if trouble else Outcome.INCONCLUSIVE if sign in "?v" else Outcome.OK,
        fault=fault if trouble else Fault.VANTAGE if line else None,
        reason=reason if trouble else "vantage.lossy" if line else None,
        nodes=nodes if trouble else (),
        evidence_id=f"e{point}{at:g}" if trouble else None,
        exclusions=exclusions,
        summary=f"{domain} failed" if trouble else None,
    )


def minutes(points: dict[str, str], **more: object) -> Iterator[Look]:
    """Rows of several vantage points, a sign a minute, in order of due time."""
    length = max(map(len, points.values()))
    for at in range(length):
        for number, (point, signs) in enumerate(points.items()):
            if at < len(signs) and signs[at] != " ":
                yield look(signs[at], at, point, seq=at * 100 + number + 1, **more)  # type: ignore[arg-type]


def fed(tracker: Tracker, looks: Iterable[Look]) -> list[Transition]:
    return [each for one in looks for each in tracker.feed(one)]
