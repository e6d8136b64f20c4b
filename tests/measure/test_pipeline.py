"""One slot end to end with made I/O: what is asked, in which round, and that every answer is in the row."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from probe.checks import CHECKS
from probe.core.config.plan import task_to_json
from probe.core.content.origin_keys import history_key
from probe.core.content.reading import Reading
from probe.core.model.task import (
    AnchorSpec,
    EdgePolicy,
    Limits,
    OriginSpec,
    ProxySpec,
    RedirectPolicy,
    Request,
    Task,
    VantagePoint,
)
from probe.core.model.value import replace
from probe.core.records.codec import encode
from probe.core.records.dns import HttpsRecord, Resolution, ResolverAnswer
from probe.core.records.failure import Failure, FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.response import Response
from probe.core.records.rows import SlotRecord, State
from probe.core.records.surroundings import Reach
from probe.fetch.target import FetchTarget
from probe.measure.pipeline import HostProbe, Pipeline
from probe.store.store import Store
from tests.support import build

DUE = "2026-11-22T10:00:00.000000Z"
Answer = Callable[[FetchTarget, int], Observation]


class StillClock:
    """Stands where it is put."""

    def __init__(self) -> None:
        self.now_ns = 1_795_428_000_000_000_000

    def monotonic_ns(self) -> int:
        return self.now_ns

    def time_ns(self) -> int:
        return self.now_ns


class MadeResolver:
    """Gives one resolution for the task's domain and remembers what was asked."""

    def __init__(self, answer: Resolution) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.interrogated = 0
        self.examined = 0
        self.others: tuple[ResolverAnswer, ...] = ()
        self.records: tuple[HttpsRecord, ...] = ()

    async def resolve(self, qname: str, qtype: str, vantage: VantagePoint, **_: Any) -> Resolution:
        self.asked.append(f"{qname} {qtype}")
        return self.answer

    async def diagnose(self, resolution: Resolution, vantage: VantagePoint, **_: Any) -> Resolution:
        self.interrogated += 1
        return resolution

    async def ask_https_records(
        self, resolution: Resolution, owner: str, vantage: VantagePoint, **_: Any
    ) -> Resolution:
        self.asked.append(f"{owner} HTTPS")
        return replace(resolution, https_records=self.records)

    async def examine_resolver(self, resolution: Resolution, vantage: VantagePoint, **_: Any) -> Resolution:
        self.examined += 1
        return replace(resolution, answers=self.others)


class MadeFetcher:
    """Answers by role and address; counts."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.targets: list[FetchTarget] = []

    async def fetch(self, target: FetchTarget) -> Observation:
        count = sum(t.role is target.role and t.address == target.address for t in self.targets)
        self.targets.append(target)
        made = self._answer(target, count)
        return replace(made, role=target.role, address=target.address, of=target.of)

    async def connect_only(self, target: FetchTarget) -> Observation:
        return await self.fetch(target)

    async def close(self) -> None:
        return None


def reply(body: bytes = b"content", status: int = 200, **fields: str) -> Observation:
    digest = hashlib.sha256(body).hexdigest()
    given = {"etag": f'"{digest[:8]}"', "cache-control": "max-age=60"} | fields
    response = Response(
        status_code=status,
        fields=tuple(given.items()),
        digest=digest,
        content_digest=digest,
        body_complete=True,
    )
    return replace(build.seen(), response=response)


def well(target: FetchTarget, count: int) -> Observation:
    return reply()


class Bench:
    """A pipeline with made I/O around it."""

    def __init__(self, answer: Answer = well, resolution: Resolution | None = None, lag_us: int = 0) -> None:
        self.clock = StillClock()
        self.fetcher = MadeFetcher(answer)
        self.resolver = MadeResolver(resolution or build.resolution(build.EDGE, build.EDGE_2))
        self.kept: list[str] = []
        self.pipeline = Pipeline(
            kinds=CHECKS,
            resolver=self.resolver,  # type: ignore[arg-type]
            fetcher=self.fetcher,
            clock=self.clock,
            host=HostProbe(
                agent="a",
                agent_version="0",
                config_digest=lambda: "c",
                worst_lag_us=lambda since, until: lag_us,
                clock_state=lambda: (True, 10),
            ),
            keep=lambda customer, url, version: self.kept.append(version.content_digest),
        )

    async def measure(self, task: Task | None = None) -> SlotRecord:
        return await self.pipeline.measure(task or build.task(), DUE)

    def roles(self) -> Counter[str]:
        return Counter(target.role.value for target in self.fetcher.targets)


def test_the_answer_of_a_made_fetcher_is_complete() -> None:
    assert reply().response is not None


async def test_a_healthy_slot_asks_each_edge_and_the_origin_once() -> None:
    bench = Bench()
    row = await bench.measure()
    assert (row.state, row.outcome, row.fault) == (State.MEASURED, "ok", None)
    assert bench.roles() == {"edge": 2, "origin": 1}
    assert [o.role.value for o in row.observations] == ["edge", "edge", "origin"]
    assert bench.resolver.asked == ["www.acme.example A"]
    assert all(o.comparison is not None and o.comparison.relation == "equal" for o in row.observations[:2])


async def test_a_kept_origin_version_is_trusted_for_its_interval_then_revalidated() -> None:
    def answer(target: FetchTarget, count: int) -> Observation:
        if target.role is Role.ORIGIN and target.validators:
            return replace(reply(), response=Response(status_code=304, body_complete=True))
        return reply()

    bench = Bench(answer)
    await bench.measure()
    await bench.measure()
    assert bench.roles()["origin"] == 1
    bench.clock.now_ns += 61_000_000_000
    row = await bench.measure()
    assert bench.roles()["origin"] == 2
    assert bench.fetcher.targets[-1].role is Role.EDGE
    asked = [t for t in bench.fetcher.targets if t.role is Role.ORIGIN]
    digest = hashlib.sha256(b"content").hexdigest()
    assert asked[-1].validators == (("If-None-Match", f'"{digest[:8]}"'),)
    assert row.outcome == "ok"
    assert bench.kept == [digest, digest]


async def test_a_failing_edge_gets_a_second_look_with_origin_anchors_and_other_nodes() -> None:
    def answer(target: FetchTarget, count: int) -> Observation:
        return build.refused() if target.address == build.EDGE else reply()

    point = VantagePoint(name="bj-ct", anchors=(AnchorSpec(scheme="tcp", host="192.0.2.99", port=443),))
    bench = Bench(answer)
    row = await bench.measure(build.task(vantage_point=point))
    assert bench.roles() == {"edge": 2, "origin": 2, "confirm": 1, "anchor": 1}
    assert (row.outcome, row.fault, row.reason, row.confirmed) == ("failed", "cdn", "tcp.refused", True)
    (confirm,) = [o for o in row.observations if o.role is Role.CONFIRM]
    assert (confirm.address, confirm.of) == (build.EDGE, 0)
    assert len(row.observations) == len(bench.fetcher.targets), "an observation was made and not recorded"


async def test_the_first_failure_stays_although_the_second_look_is_well() -> None:
    def answer(target: FetchTarget, count: int) -> Observation:
        first = target.role is Role.EDGE and target.address == build.EDGE
        return build.refused() if first else reply()

    row = await Bench(answer).measure()
    assert (row.outcome, row.reason, row.confirmed) == ("failed", "tcp.refused", False)


async def test_other_known_nodes_are_swept_when_the_name_leads_to_a_dead_one() -> None:
    bench = Bench()
    await bench.measure()
    bench.resolver.answer = build.resolution("192.0.2.7")
    bench.fetcher._answer = lambda target, count: (
        build.refused() if target.address == "192.0.2.7" else reply()
    )
    row = await bench.measure()
    swept = sorted(o.address for o in row.observations if o.role is Role.SWEEP)
    assert swept == [build.EDGE, build.EDGE_2]
    assert (row.outcome, row.fault) == ("failed", "cdn")


async def test_an_origin_that_changes_between_two_looks_accuses_nobody() -> None:
    """Kept version A, edge serves the new B, the origin asked again says B (hostile case 41)."""
    bench = Bench()
    await bench.measure()
    bench.fetcher._answer = lambda target, count: reply(b"new content")
    row = await bench.measure()
    assert (row.outcome, row.fault) == ("ok", None)
    assert bench.roles()["origin"] == 2
    assert row.reference is not None
    assert row.reference.changed_during_slot is True


async def test_an_origin_that_changes_every_time_accuses_nobody() -> None:
    numbers = iter(range(10_000))
    bench = Bench(lambda target, count: reply(str(next(numbers)).encode()))
    for _ in range(200):
        row = await bench.measure()
        assert (row.outcome, row.fault) == ("ok", None)


async def test_same_etag_other_bytes_is_a_mismatch() -> None:
    """Hostile case 42."""

    def answer(target: FetchTarget, count: int) -> Observation:
        return reply(b"content" if target.role is Role.ORIGIN else b"tampered", etag='"v1"')

    row = await Bench(answer).measure()
    assert (row.outcome, row.fault, row.reason, row.confirmed) == ("failed", "cdn", "content.mismatch", True)


@pytest.mark.parametrize(
    "broken",
    [
        build.refused(),
        build.broken(FailureType.TLS_CERT_DATE_INVALID, Phase.TLS),
        build.broken(FailureType.HTTP_TIMED_OUT, Phase.HTTP),
        reply(b"", status=503),
    ],
)
async def test_an_origin_that_cannot_be_asked_leaves_a_good_edge_ok(broken: Observation) -> None:
    """Hostile case 40: from the first slot, and with a version kept from before."""

    def answer(target: FetchTarget, count: int) -> Observation:
        return broken if target.role is Role.ORIGIN else reply()

    row = await Bench(answer).measure()
    assert (row.outcome, row.fault, [f.reason for f in row.findings]) == (
        "ok",
        None,
        ["integrity.unverified"] * 2,
    )
    bench = Bench()
    await bench.measure()
    bench.fetcher._answer = answer
    bench.clock.now_ns += 61_000_000_000
    row = await bench.measure()
    assert (row.outcome, row.fault) == ("ok", None)


async def test_a_name_without_address_fetches_no_edge_and_asks_the_other_resolvers() -> None:
    gone = build.unresolved(FailureType.DNS_DANGLING_ALIAS, "acme.cdn.example.net", "no_other_resolver")
    bench = Bench(resolution=gone)
    row = await bench.measure()
    assert bench.roles() == {"origin": 2}
    assert bench.resolver.interrogated == 1
    assert (row.outcome, row.fault, row.reason) == ("failed", "cdn", "dns.dangling_alias")


async def test_refused_addresses_are_not_visited() -> None:
    base = build.resolution(build.EDGE, "127.0.0.1")
    marked = replace(base, addresses=(base.addresses[0], replace(base.addresses[1], refused="loopback")))
    bench = Bench(resolution=marked)
    await bench.measure()
    assert [t.address for t in bench.fetcher.targets if t.role is Role.EDGE] == [build.EDGE]


async def test_edge_policy_one_visits_one() -> None:
    bench = Bench()
    await bench.measure(build.task(edges=EdgePolicy(kind="one")))
    assert bench.roles()["edge"] == 1


async def test_a_followed_redirect_is_an_observation_of_its_own() -> None:
    def answer(target: FetchTarget, count: int) -> Observation:
        if target.request.path == "/a.js":
            return reply(b"", status=302, location="/b.js")
        return reply()

    bench = Bench(answer)
    task = build.task(redirects=RedirectPolicy(limit=3), edges=EdgePolicy(kind="one"), origin=None)
    row = await bench.measure(task)
    assert [(o.role.value, o.of) for o in row.observations] == [("edge", None), ("redirect", 0)]
    assert (row.outcome, bench.fetcher.targets[1].request.path) == ("ok", "/b.js")


async def test_a_redirect_loop_fails_with_its_code_and_keeps_the_hops() -> None:
    bench = Bench(lambda target, count: reply(b"", status=302, location="/a.js"))
    task = build.task(redirects=RedirectPolicy(limit=3), edges=EdgePolicy(kind="one"), origin=None)
    row = await bench.measure(task)
    assert (row.outcome, row.reason) == ("failed", "http.response.redirect_loop")


async def test_a_loop_that_stalls_marks_its_observations() -> None:
    row = await Bench(lag_us=150_000).measure()
    assert all(o.tainted for o in row.observations)
    assert row.host.loop_lag_us == 150_000


async def test_an_address_for_a_domain_needs_no_resolver() -> None:
    bench = Bench()
    request = Request(scheme="http", host="192.0.2.1", port=80, path="/")
    await bench.measure(build.task(domain="192.0.2.1", request=request, cdn_suffixes=()))
    assert (bench.resolver.asked, bench.fetcher.targets[1].address) == ([], "192.0.2.1")


async def test_an_origin_by_name_is_resolved_and_one_that_is_not_found_is_no_failure_of_the_cdn() -> None:
    bench = Bench(resolution=build.resolution(build.EDGE))
    named = OriginSpec(address="origin.acme.example", request=build.task().request)
    await bench.measure(build.task(origin=named))
    assert "origin.acme.example A" in bench.resolver.asked

    async def fails(host: str, task: Task, start_ns: int) -> str | Failure:
        return Failure(phase=Phase.DNS, type=FailureType.DNS_NAME_NOT_RESOLVED)

    bench = Bench(resolution=build.resolution(build.EDGE))
    bench.pipeline.references._lookup = fails
    row = await bench.measure(build.task(origin=named))
    assert (row.outcome, row.fault, [f.reason for f in row.findings]) == (
        "ok",
        None,
        ["integrity.unverified"],
    )


def test_a_missed_slot_is_a_row_with_its_reason() -> None:
    row = Bench().pipeline.missed(build.task(), DUE, "agent.overloaded")
    assert (row.state, row.missed_reason, row.outcome, row.observations) == (
        "missed",
        "agent.overloaded",
        None,
        (),
    )
    assert Bench().pipeline.missed(build.task(), DUE, "agent.aborted").state == "aborted"


async def test_an_origin_at_an_edges_address_compares_with_nothing() -> None:
    """Hostile case 43: the content may be right or wrong, this cannot tell."""
    itself = OriginSpec(address=build.EDGE, request=build.task().request)
    row = await Bench().measure(build.task(origin=itself))
    assert row.reference is not None
    assert row.reference.self_comparison is True
    assert (row.outcome, row.fault, {f.reason for f in row.findings}) == (
        "ok",
        None,
        {"integrity.unverified", "origin.is_the_cdn"},
    )


async def test_a_token_in_the_path_is_sent_and_stored_nowhere() -> None:
    """Hostile case 8."""
    secret = "s3cr3t-value"
    request = replace(build.task().request, path=f"/a.js?x=1&token={secret}")
    task = build.task(request=request, origin=OriginSpec(address=build.ORIGIN, request=request))
    bench = Bench(lambda target, count: build.refused() if target.role is Role.EDGE else reply())
    row = await bench.measure(task)
    assert all(secret in target.request.path for target in bench.fetcher.targets)
    assert task.origin is not None
    stored = encode(row).decode() + str(task_to_json(task)) + history_key(task.origin)
    assert secret not in stored
    assert row.path == "/a.js?x=1&token=[redacted]"


async def test_what_a_check_wants_read_is_read_of_the_edges_and_of_the_origin() -> None:
    wanted = Reading(patterns=("x",))
    table = {**CHECKS, "availability": replace(CHECKS["availability"], reading=lambda params: wanted)}
    bench = Bench()
    bench.pipeline._kinds = table
    await bench.measure()
    assert {(t.role.value, t.reading) for t in bench.fetcher.targets} == {
        ("edge", wanted),
        ("origin", wanted),
    }
    origin = build.task().origin
    assert origin is not None
    assert history_key(origin, wanted) != history_key(origin), "other rules, another history"
    assert history_key(origin, wanted).startswith(history_key(origin))


# --- a name that is led elsewhere -------------------------------------------------------------------


def elsewhere(target: FetchTarget, count: int) -> Observation:
    """Wrong bytes from whatever the name led to; the origin is right."""
    right = reply()
    assert right.response is not None
    known = dict(right.response.fields)["etag"]
    return reply() if target.role is Role.ORIGIN else reply(b"foreign", etag=known)


def answer_of_another(*addresses: str) -> ResolverAnswer:
    return ResolverAnswer(
        resolver="udp://192.0.2.54:53",
        rcode="NOERROR",
        canonical_name="acme.cdn.example.net",
        addresses=addresses,
        ttl_s=60,
    )


async def test_before_an_address_outside_the_prefixes_is_blamed_its_resolver_is_examined() -> None:
    bench = Bench(elsewhere, resolution=build.resolution(build.EDGE))
    row = await bench.measure(build.task(cdn_prefixes=("203.0.113.0/24",)))
    assert bench.resolver.examined == 1
    assert (row.outcome, row.fault, row.reason) == ("failed", "path", "dns.hijacked")


async def test_an_alias_that_only_our_resolver_hides_is_not_booked_on_the_customer() -> None:
    bare = build.resolution(build.EDGE, cname_chain=(), canonical_name="www.acme.example")
    bench = Bench(elsewhere, resolution=bare)
    bench.resolver.others = (answer_of_another(build.EDGE_2),)
    row = await bench.measure()
    assert bench.resolver.examined == 1
    assert (row.outcome, row.fault, row.reason) == ("failed", "path", "dns.hijacked")


async def test_an_alias_that_nobody_gives_is_the_customers() -> None:
    bare = build.resolution(build.EDGE, cname_chain=(), canonical_name="www.acme.example")
    row = await Bench(elsewhere, resolution=bare).measure()
    assert (row.outcome, row.fault, row.reason) == ("inconclusive", "customer", "dns.alias_changed")


async def test_wrong_bytes_of_a_known_node_are_no_reason_to_examine_the_resolver() -> None:
    bench = Bench(elsewhere, resolution=build.resolution(build.EDGE))
    row = await bench.measure(build.task(cdn_prefixes=("192.0.2.0/24",)))
    assert (row.fault, bench.resolver.examined) == ("cdn", 0)


# --- the origin's ceiling ---------------------------------------------------------------------------


def few_requests(count: int, interval_us: int = 0) -> Task:
    task = build.task()
    assert task.origin is not None
    return build.task(origin=replace(task.origin, requests_per_minute=count, interval_us=interval_us))


async def test_the_origin_is_not_asked_beyond_its_ceiling_and_the_row_says_so() -> None:
    bench = Bench()
    rows = [await bench.measure(few_requests(3)) for _ in range(5)]
    assert bench.roles()["origin"] == 3
    assert [row.reference.left_out for row in rows if row.reference] == [False] * 3 + [True] * 2
    assert {row.outcome for row in rows} == {"ok"}
    bench.clock.now_ns += 20_000_000_000
    row = await bench.measure(few_requests(3))
    assert bench.roles()["origin"] == 4, "a third of a minute is worth one of three"
    assert row.reference is not None
    assert not row.reference.left_out


async def test_other_bytes_that_the_origin_could_not_be_asked_about_accuse_nobody() -> None:
    def answer(target: FetchTarget, count: int) -> Observation:
        return reply() if target.role is Role.ORIGIN else reply(b"other", etag=known_etag())

    bench = Bench(answer)
    row = await bench.measure(few_requests(1, interval_us=60_000_000))
    assert (row.outcome, row.reason) == ("ok", None)
    assert "integrity.unverified" in {f.reason for f in row.findings}
    assert (await Bench(answer).measure(few_requests(2))).reason == "content.mismatch"


def known_etag() -> str:
    right = reply()
    assert right.response is not None
    return dict(right.response.fields)["etag"]


# --- every node -----------------------------------------------------------------------------------

NODES = ("192.0.2.1", "192.0.2.2", "192.0.2.3")


async def three_known(bench: Bench) -> None:
    """Two vantage points learn three nodes between them."""
    for name, addresses in (("bj-ct", NODES[:2]), ("sh-cu", NODES[1:])):
        bench.resolver.answer = build.resolution(*addresses)
        await bench.measure(build.task(vantage_point=VantagePoint(name=name)))


def down(*addresses: str) -> Answer:
    """These nodes refuse; all else is well."""
    return lambda target, count: build.refused() if target.address in addresses else reply()


def swept(row: SlotRecord) -> dict[str, bool]:
    return {o.address: o.failure is None for o in row.observations if o.role is Role.SWEEP}


async def test_one_node_is_down_and_the_sweep_shows_the_others_well() -> None:
    bench = Bench()
    await three_known(bench)
    bench.fetcher._answer = down(NODES[0])
    bench.resolver.answer = build.resolution(NODES[0])
    row = await bench.measure(build.task(vantage_point=VantagePoint(name="bj-ct")))
    assert swept(row) == {NODES[1]: True, NODES[2]: True}
    assert (row.outcome, row.fault, row.reason) == ("failed", "cdn", "tcp.refused")
    assert row.reach == Reach(known=3, asked=3, answered=2, unanswered=(NODES[0],))
    assert [f.reason for f in row.findings if f.check == "nodes"] == ["nodes.some_unanswered"]
    assert "1 of 3 known nodes gave no answer, the others did" in (row.summary or "")

    bench.resolver.answer = build.resolution(NODES[1])
    well_row = await bench.measure(build.task(vantage_point=VantagePoint(name="sh-cu")))
    assert (well_row.outcome, swept(well_row)) == ("ok", {})
    assert well_row.reach == Reach(known=3, asked=1, answered=1)


async def test_all_nodes_are_down_and_the_verdict_says_so() -> None:
    bench = Bench()
    await three_known(bench)
    bench.fetcher._answer = down(*NODES)
    row = await bench.measure()
    assert swept(row) == {NODES[0]: False}, "the answer held the two others"
    assert row.reach == Reach(known=3, asked=3, answered=0, unanswered=(*NODES[1:], NODES[0]))
    assert [f.reason for f in row.findings if f.check == "nodes"] == ["nodes.all_unanswered"]
    assert "all 3 known nodes gave no answer" in (row.summary or "")


async def test_after_a_name_that_fails_the_nodes_are_asked_by_address() -> None:
    bench = Bench()
    await three_known(bench)
    bench.resolver.answer = build.unresolved(FailureType.DNS_DANGLING_ALIAS, "acme.cdn.example.net")
    row = await bench.measure()
    assert swept(row) == dict.fromkeys(NODES, True)
    assert row.nodes is not None
    assert (row.reason, row.nodes.known, row.nodes.strangers) == ("dns.dangling_alias", 3, ())
    assert "all 3 known nodes, asked by address, did answer" in (row.summary or "")


async def test_content_that_disagrees_is_swept_too() -> None:
    bench = Bench()
    await three_known(bench)
    bench.resolver.answer = build.resolution(NODES[0])
    bench.fetcher._answer = lambda target, count: reply(
        b"tampered" if target.address == NODES[0] else b"content", etag='"v1"'
    )
    row = await bench.measure()
    assert (row.reason, swept(row)) == ("content.mismatch", {NODES[1]: True, NODES[2]: True})


async def test_what_is_only_our_own_trouble_or_a_note_sweeps_nothing() -> None:
    bench = Bench()
    await three_known(bench)
    ours = build.broken(FailureType.VANTAGE_PROXY_UNREACHABLE, Phase.HOST)
    bench.fetcher._answer = lambda target, count: ours if target.role is not Role.ORIGIN else reply()
    row = await bench.measure()
    assert (row.outcome, row.fault, swept(row), row.reach) == ("inconclusive", "vantage", {}, None)


async def test_more_nodes_than_may_be_asked_take_turns() -> None:
    many = [f"192.0.2.{i}" for i in range(10, 20)]
    bench = Bench(resolution=build.resolution(*many))
    task = build.task(limits=Limits(sweep=4), origin=None)
    await bench.measure(task)
    bench.resolver.answer = build.resolution(NODES[0])
    bench.fetcher._answer = down(*many, NODES[0])
    rows = [await bench.measure(task) for _ in range(3)]
    assert [len(swept(row)) for row in rows] == [4, 4, 4]
    assert {address for row in rows for address in swept(row)} == set(many)
    assert rows[0].reach is not None
    assert (rows[0].reach.known, rows[0].reach.asked, rows[0].reach.answered) == (11, 5, 0)
    assert [f.reason for f in rows[0].findings if f.check == "nodes"] == ["nodes.some_unanswered"]
    none = await bench.measure(build.task(limits=Limits(sweep=0), origin=None))
    assert swept(none) == {}


async def test_nodes_of_another_customer_domain_or_ip_version_are_left_alone() -> None:
    bench = Bench()
    await three_known(bench)
    bench.fetcher._answer = down(NODES[0])
    bench.resolver.answer = build.resolution(NODES[0])
    for other in (build.task(customer="other"), build.task(domain="b.example"), build.task(ip_version=6)):
        row = await bench.measure(other)
        assert (row.outcome, swept(row)) == ("failed", {})


async def test_the_inventory_outlives_the_agent(tmp_path: Path) -> None:
    bench = Bench()
    store = Store.open(tmp_path, "a", bench.clock)
    await three_known(bench)
    store.put_nodes(bench.pipeline.nodes.take_changes(final=True))
    await store.close()

    again = Bench(down(NODES[0]), resolution=build.resolution(NODES[0]))
    store = Store.open(tmp_path, "a", again.clock)
    again.pipeline.nodes.restore(*store.nodes())
    await store.close()
    row = await again.measure()
    assert swept(row) == {NODES[1]: True, NODES[2]: True}
    assert row.reach == Reach(known=3, asked=3, answered=2, unanswered=(NODES[0],))


async def test_a_new_node_that_serves_is_no_stranger_in_the_next_slot_and_one_that_lies_is() -> None:
    bench = Bench(resolution=build.resolution(NODES[0]))
    for _ in range(31):
        await bench.measure()
        bench.clock.now_ns += 130_000_000_000
    bench.resolver.answer = build.resolution(*NODES)
    lies = NODES[2]
    bench.fetcher._answer = lambda target, count: reply(b"tampered" if target.address == lies else b"content")
    told = []
    for _ in range(3):
        row = await bench.measure()
        bench.clock.now_ns += 60_000_000_000
        told.append([f.detail for f in row.findings if f.reason == "node.unknown"])
    words = "was not among the nodes known so far"
    assert told == [
        [f"{NODES[1]} {words}", f"{lies} {words}"],
        [f"{lies} {words}"],
        [f"{lies} {words}"],
    ]


async def test_a_proxy_that_looks_names_up_teaches_nothing() -> None:
    by_proxy = build.resolution("www.acme.example", flags=("resolved_by_proxy",))
    bench = Bench(resolution=by_proxy)
    row = await bench.measure()
    assert row.reach is None
    assert row.nodes is not None
    assert (row.nodes.known, row.nodes.strangers) == (0, ())
    assert not bench.pipeline.nodes.take_changes(final=True)


async def test_behind_a_proxy_that_looks_names_up_no_node_is_asked_nor_counted() -> None:
    bench = Bench()
    await three_known(bench)
    proxy = ProxySpec(scheme="socks5", host="192.0.2.80", port=1080, resolve="proxy")
    bench.fetcher._answer = lambda target, count: (
        build.broken(FailureType.HTTP_TIMED_OUT, Phase.HTTP) if target.role is Role.EDGE else reply()
    )
    row = await bench.measure(build.task(vantage_point=VantagePoint(name="px", proxy=proxy)))
    assert (swept(row), row.reach) == ({}, None), "which node the proxy chose is not known"
    assert row.nodes is not None
    assert row.nodes.known == 3


# --- an origin that is the CDN ----------------------------------------------------------------------


async def test_an_origin_whose_name_leads_to_an_edge_is_found_and_stays_so_until_asked_again() -> None:
    def answer(target: FetchTarget, count: int) -> Observation:
        return reply() if target.role is Role.ORIGIN else reply(b"other", etag=known_etag())

    bench = Bench(answer)
    task = build.task()
    assert task.origin is not None
    named = build.task(origin=replace(task.origin, address=build.EDGE, interval_us=60_000_000))
    first, second = await bench.measure(named), await bench.measure(named)
    for row in (first, second):
        assert row.outcome == "ok", "nothing proves anything about a CDN compared with itself"
        assert row.reference is not None
        assert row.reference.self_comparison
        assert "origin.is_the_cdn" in {f.reason for f in row.findings}


async def test_an_origin_that_is_itself_is_not_called_the_cdn() -> None:
    row = await Bench().measure()
    assert "origin.is_the_cdn" not in {f.reason for f in row.findings}
