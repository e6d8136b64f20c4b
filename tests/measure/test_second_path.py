"""The same edge by another way: right there and wrong here, twice, is the path's doing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from probe.core.model.task import Request, Task, VantagePoint
from probe.core.model.value import replace
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.rows import SlotRecord
from probe.fetch.target import FetchTarget
from tests.measure.test_pipeline import Answer, Bench, reply
from tests.support import build

HERE = build.task().vantage_point
UNICOM, MOBILE, THIRD = (VantagePoint(name=name) for name in ("bj-cu", "bj-cm", "bj-xx"))
ONLY_V6 = VantagePoint(name="v6", ip_versions=(6,))
# Other bytes under the validator of the origin's present version: no cache may do that.
WRONG = reply(b"injected", etag=f'"{hashlib.sha256(b"content").hexdigest()[:8]}"')


def by_line(wrong: Callable[[FetchTarget], bool]) -> Answer:
    def answer(target: FetchTarget, count: int) -> Observation:
        return WRONG if target.role is not Role.ORIGIN and wrong(target) else reply()

    return answer


async def measure(answer: Answer, *lines: VantagePoint, task: Task | None = None) -> tuple[SlotRecord, Bench]:
    bench = Bench(answer, resolution=build.resolution(build.EDGE))
    bench.pipeline._lines = lines
    made = task or build.task()
    # The origin is known before the edge can have stored anything else.
    await bench.pipeline.references.look(made, 0)
    return await bench.measure(made), bench


def elsewhere(row: SlotRecord) -> list[tuple[str | None, str]]:
    return [(o.vantage_point, o.url) for o in row.observations if o.role is Role.ELSEWHERE]


async def test_wrong_on_this_line_only_is_the_paths() -> None:
    row, bench = await measure(by_line(lambda t: t.vantage.name == HERE.name), HERE, UNICOM)
    assert (row.outcome, row.fault, row.reason) == ("failed", "path", "content.hijacked")
    assert row.confirmed is True
    assert [name for name, _ in elsewhere(row)] == ["bj-cu"]
    assert "the right content by another way" in (row.summary or "")
    (asked,) = [t for t in bench.fetcher.targets if t.role is Role.ELSEWHERE]
    assert (asked.vantage, asked.address) == (UNICOM, build.EDGE)


async def test_wrong_on_every_line_is_the_nodes() -> None:
    row, _ = await measure(by_line(lambda t: True), UNICOM)
    assert (row.outcome, row.fault, row.reason) == ("failed", "cdn", "content.mismatch")
    assert len(elsewhere(row)) == 1


async def test_wrong_once_and_right_again_on_the_same_line_is_no_proof_of_a_path() -> None:
    row, _ = await measure(by_line(lambda t: t.role is Role.EDGE), UNICOM)
    assert (row.outcome, row.fault, row.reason, row.confirmed) == ("failed", "cdn", "content.mismatch", False)


async def test_no_answer_by_another_way_proves_nothing() -> None:
    def answer(target: FetchTarget, count: int) -> Observation:
        if target.role is Role.ELSEWHERE:
            return build.broken(FailureType.TCP_TIMED_OUT, Phase.TCP)
        return reply() if target.role is Role.ORIGIN else WRONG

    row, _ = await measure(answer, UNICOM)
    assert (row.fault, row.reason) == ("cdn", "content.mismatch")


@pytest.mark.parametrize("why", ["healthy", "refused"])
async def test_nobody_asks_elsewhere_without_wrong_bytes(why: str) -> None:
    def answer(target: FetchTarget, count: int) -> Observation:
        dead = why == "refused" and target.role is not Role.ORIGIN
        return build.broken(FailureType.TCP_REFUSED, Phase.TCP) if dead else reply()

    row, _ = await measure(answer, UNICOM)
    assert elsewhere(row) == []


async def test_at_most_two_other_lines_of_the_same_ip_version_are_asked() -> None:
    row, _ = await measure(by_line(lambda t: True), HERE, ONLY_V6, UNICOM, MOBILE, THIRD)
    assert [name for name, _ in elsewhere(row)] == ["bj-cu", "bj-cm"]


async def test_tls_beside_plain_http_shows_who_changed_it() -> None:
    plain = Request(scheme="http", host="www.acme.example", port=80, path="/a.js")
    task = replace(build.task(), request=plain)
    row, bench = await measure(by_line(lambda t: t.request.scheme == "http"), task=task)
    assert (row.outcome, row.fault, row.reason) == ("failed", "path", "content.hijacked")
    (asked,) = [t for t in bench.fetcher.targets if t.role is Role.ELSEWHERE]
    assert (asked.request.scheme, asked.request.port) == ("https", 443)
    assert asked.tls.verify, "an unverified server would prove nothing"


async def test_an_odd_port_has_no_known_companion() -> None:
    plain = Request(scheme="http", host="www.acme.example", port=8080, path="/a.js")
    row, _ = await measure(by_line(lambda t: True), task=replace(build.task(), request=plain))
    assert elsewhere(row) == []
