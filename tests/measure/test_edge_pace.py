"""Our own further questions keep to an edge's Retry-After and to our own rate; the object itself is always asked."""

from __future__ import annotations

from collections import Counter

import pytest

from probe.core.model.task import Limits, VantagePoint
from probe.core.model.value import replace
from probe.core.records.observation import Observation, Role
from probe.core.records.response import Response
from probe.fetch.target import FetchTarget, target_of
from probe.measure.edge_pace import EDGES_AT_MOST, EdgePace
from tests.measure.test_pipeline import Bench, MadeFetcher, StillClock, reply
from tests.support import build

SECOND_NS = 1_000_000_000
ALWAYS = build.checks(availability={}, negotiation={})


def limited(status: int = 429, **fields: str) -> Observation:
    response = Response(status_code=status, fields=tuple(fields.items()), body_complete=True)
    return replace(build.seen(), response=response)


def target(address: str = build.EDGE, line: str = "bj-ct", per_minute: int = 600) -> FetchTarget:
    task = build.task(vantage_point=VantagePoint(name=line), limits=Limits(further_per_minute=per_minute))
    return target_of(task, Role.CONFIRM, address, 0)


async def test_after_a_429_an_edge_is_left_alone_on_this_line_for_as_long_as_it_says() -> None:
    clock = StillClock()
    pace = EdgePace(MadeFetcher(lambda target, count: limited(**{"retry-after": "7"})), clock)
    await pace.fetch(target())
    assert not pace.admits(target())
    assert pace.admits(target(build.EDGE_2))
    assert pace.admits(target(line="sh-cu"))
    clock.now_ns += 7 * SECOND_NS - 1
    assert not pace.admits(target())
    clock.now_ns += 1
    assert pace.admits(target())


async def test_a_later_shorter_word_does_not_shorten_an_earlier_one() -> None:
    clock, said = StillClock(), iter(["30", "1"])
    pace = EdgePace(MadeFetcher(lambda target, count: limited(503, **{"retry-after": next(said)})), clock)
    await pace.fetch(target())
    await pace.fetch(target())
    clock.now_ns += 29 * SECOND_NS
    assert not pace.admits(target())


def test_the_rate_is_of_each_edge_and_line() -> None:
    clock = StillClock()
    pace = EdgePace(MadeFetcher(lambda target, count: reply()), clock)
    assert sum(pace.admits(target(per_minute=60)) for _ in range(100)) == 60
    assert pace.admits(target(build.EDGE_2, per_minute=60))
    clock.now_ns += 2 * SECOND_NS
    assert sum(pace.admits(target(per_minute=60)) for _ in range(100)) == 2


def test_what_is_remembered_of_edges_is_bounded() -> None:
    pace = EdgePace(MadeFetcher(lambda target, count: reply()), StillClock())
    for number in range(EDGES_AT_MOST + 100):
        pace.admits(target(f"192.0.{number // 256}.{number % 256}"))
    assert len(pace._edges) == EDGES_AT_MOST


async def test_a_slot_that_is_refused_asks_nothing_further_and_says_so() -> None:
    """A limiter passes the object's request and refuses what follows: of three questions one is asked."""

    def answer(asked: FetchTarget, count: int) -> Observation:
        return limited(**{"retry-after": "60"}) if asked.role is Role.CHECK else reply()

    bench = Bench(answer, build.resolution(build.EDGE))
    task = build.task(checks=ALWAYS)
    row = await bench.measure(task)
    assert (row.outcome, row.fault, row.reason) == ("inconclusive", "unknown", "http.rate_limited")
    assert (bench.roles()["check"], bench.roles()["confirm"]) == (1, 0)
    assert row.left_out == ("check_requests", "second_looks")
    notes = {finding.reason for finding in row.findings if finding.outcome == "ok"}
    assert {"pace.check_requests_left_out", "pace.second_looks_left_out"} <= notes


async def test_until_then_the_object_itself_is_asked_in_every_slot_and_nothing_else() -> None:
    def answer(asked: FetchTarget, count: int) -> Observation:
        return limited(**{"retry-after": "60"}) if asked.role is Role.CHECK else reply()

    bench = Bench(answer, build.resolution(build.EDGE))
    task = build.task(checks=ALWAYS)
    await bench.measure(task)
    before = Counter(bench.roles())
    for _ in range(3):
        bench.clock.now_ns += 10 * SECOND_NS
        row = await bench.measure(task)
        assert (row.outcome, row.left_out) == ("ok", ("check_requests",))
    after = bench.roles()
    assert (after["edge"] - before["edge"], after["check"] - before["check"]) == (3, 0)
    bench.clock.now_ns += 31 * SECOND_NS
    await bench.measure(task)
    assert bench.roles()["check"] == before["check"] + 1


@pytest.mark.parametrize("status", [500, 503])
async def test_an_error_that_asks_for_nothing_is_looked_at_again(status: int) -> None:
    def answer(asked: FetchTarget, count: int) -> Observation:
        return reply() if asked.role in (Role.ORIGIN, Role.ANCHOR) else limited(status)

    bench = Bench(answer, build.resolution(build.EDGE))
    row = await bench.measure(build.task(checks=build.checks(availability={})))
    assert (row.outcome, row.fault, row.confirmed, row.left_out) == ("failed", "cdn", True, ())
