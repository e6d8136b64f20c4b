"""What measuring will cost, by hand and beside a run; what samples can show, against the exact distribution."""

from __future__ import annotations

import json
from fractions import Fraction
from math import comb
from pathlib import Path

import pytest
from click.testing import CliRunner

from probe.checks import CHECKS
from probe.cli.main import cli
from probe.cli.render.layout import drawn
from probe.cli.render.plan import plan_view
from probe.core.config.agent import AgentConfig
from probe.core.model.task import EdgePolicy, OriginSpec, Request, VantagePoint
from probe.core.model.value import replace
from probe.core.sla.binomial import least_errors
from probe.services.forecast import forecast, origin_rate, seen_from
from tests.support.build import ORIGIN, checks, task

S_US = 1_000_000


def agent(**changes: object) -> AgentConfig:
    anchors = {"anchors": ["http://192.0.2.9/ok"], "anchor_interval": "30s"}
    return AgentConfig.model_validate(
        {
            "agent": "a",
            "results": "/r",
            "customers": "c/",
            "vantage_points": [{"name": "bj-ct", **anchors}],
            **changes,
        }
    )


def test_requests_of_a_plan_by_hand() -> None:
    """Two objects a minute at four edges, one without further requests, one asked at one edge alone."""
    plain = checks(availability={})
    tasks = [
        task(id="t1", checks=plain),
        task(id="t2", edges=EdgePolicy(kind="one"), phase_us=30 * S_US),
        task(id="t3", edges=EdgePolicy(kind="sample", count=2), origin=None),
    ]
    found = forecast(agent(), tasks, CHECKS, edges=4, body_bytes=10_000)
    assert found.slots_per_s == pytest.approx(3 / 60)
    assert found.edges_per_s == pytest.approx((4 + 1 + 2) / 60)
    assert found.measured_bytes_a_day == pytest.approx(86_400 / 60 * 7 * 10_600)
    assert found.anchors_per_s == {"http://192.0.2.9:80/ok": pytest.approx(1 / 30)}
    assert found.resolvers_per_s == {"the host's": pytest.approx(3 / 60)}
    [domain] = found.domains
    assert domain.requests == pytest.approx(35)
    assert found.learned == 0
    assert any("3 tasks were never measured" in words for words in found.assumptions)


def test_an_origin_is_asked_once_an_interval_whichever_task_asks() -> None:
    """By hand: t1 at :00, t2 at :30 of each minute, versions trusted for a minute: every third slot asks."""
    both = [task(id="t1"), task(id="t2", phase_us=30 * S_US)]
    assert origin_rate(both, 60 * S_US) == pytest.approx(1 / 90, rel=0.01)
    assert origin_rate(both, 20 * S_US) == pytest.approx(1 / 30, rel=0.01)
    assert origin_rate(both[:1], 60 * S_US) == pytest.approx(1 / 120, rel=0.01), (
        "the answer came after the slot began"
    )
    assert origin_rate(both[:1], 59 * S_US) == pytest.approx(1 / 60, rel=0.01)
    assert origin_rate(both[:1], 3600 * S_US) == pytest.approx(1 / 3660, rel=0.05)
    origin = OriginSpec(address=ORIGIN, request=task().request, interval_us=20 * S_US, requests_per_minute=1)
    few = forecast(agent(), [replace(each, origin=origin) for each in both], CHECKS)
    assert few.origins_per_s == {ORIGIN: pytest.approx(1 / 60)}


def test_resolvers_are_all_asked_or_the_first_alone() -> None:
    resolvers = [{"resolvers": ["udp://192.0.2.53:53", "udp://192.0.2.54:53"], "name": "bj-ct", "resolver_policy": p}
                 for p in ("in_order", "all")]  # fmt: skip
    rates = []
    for point in resolvers:
        config = agent(vantage_points=[point])
        made: VantagePoint = config.vantage_points[0].vantage_point()
        rates.append(forecast(config, [task(vantage_point=made)], CHECKS).resolvers_per_s)
    assert rates[0] == {"udp://192.0.2.53:53": pytest.approx(1 / 60)}
    assert rates[1] == {f"udp://192.0.2.{n}:53": pytest.approx(1 / 60) for n in (53, 54)}


def test_further_requests_of_checks_are_counted_where_a_healthy_reply_gets_them() -> None:
    """Four ranges of one edge in turn, and the same of the origin; exact comparison asks no more of a small body."""
    sampled, exact = (task(checks=checks(integrity={"mode": mode})) for mode in ("sampled", "exact"))
    found = forecast(agent(), [sampled], CHECKS, edges=3, body_bytes=10**6)
    assert found.edges_per_s == pytest.approx((3 + 4) / 60)
    assert found.origins_per_s[ORIGIN] == pytest.approx(4 / 60 + 1 / 120, rel=0.01)
    assert forecast(agent(), [exact], CHECKS, edges=3).edges_per_s == pytest.approx(3 / 60)


def test_what_is_advertised_is_tried_at_each_edge_and_content_is_read_once_more_by_another_version() -> None:
    tls = Request(scheme="https", host="www.acme.example", port=443, path="/a")
    tried = task(request=tls, checks=checks(advertised={}))
    plain = task(request=tls, checks=checks(availability={}))
    assert forecast(agent(), [tried], CHECKS, edges=3).edges_per_s == pytest.approx((3 + 3) / 60)
    assert forecast(agent(), [plain], CHECKS, edges=3).edges_per_s == pytest.approx(3 / 60)
    over_quic = task(request=replace(tls, protocol="h3"), checks=checks(advertised={}))
    assert forecast(agent(), [over_quic], CHECKS, edges=3).edges_per_s == pytest.approx(3 / 60)
    bare = task(request=replace(tls, scheme="http"), checks=checks(advertised={}))
    assert forecast(agent(), [bare], CHECKS, edges=3).edges_per_s == pytest.approx(3 / 60)
    by_two = task(request=tls, checks=checks(integrity={"protocols": ["h2"]}))
    once = task(request=tls, checks=checks(integrity={}))
    more, less = (
        forecast(agent(), [each], CHECKS, edges=3, body_bytes=10**6).measured_bytes_a_day
        for each in (by_two, once)
    )
    assert more - less == pytest.approx(1_440 * 10**6, rel=0.01)


def test_the_view_fits_80_columns() -> None:
    long = task(domain="a" * 60 + ".example", origin=None)
    text = drawn(plan_view(forecast(agent(), [long], CHECKS)), 80)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "no error, month" in text


def test_a_budget_of_bytes_bounds_what_is_measured() -> None:
    found = forecast(agent(), [task(bytes_per_day=1_000_000)], CHECKS, body_bytes=10**6)
    assert found.measured_bytes_a_day == 1_000_000


@pytest.mark.parametrize("samples", [3, 5, 60, 300, 2000])
def test_an_error_rate_that_is_seen_is_the_least_by_the_exact_distribution(samples: int) -> None:
    rate = Fraction(seen_from(samples) or 0)
    errors = least_errors(samples, Fraction(1, 2000), Fraction(1, 1000))

    def at_least(p: Fraction) -> Fraction:
        return 1 - sum(
            (comb(samples, k) * p**k * (1 - p) ** (samples - k) for k in range(errors)), Fraction(0)
        )

    assert at_least(rate + Fraction(1, 10**6)) >= Fraction(9, 10) >= at_least(rate - Fraction(1, 10**6))


def test_each_protocol_of_a_domain_has_samples_of_its_own() -> None:
    """A contract counts HTTP/1.1 unless it names others: requests over HTTP/3 make no grain of it finer."""
    request = task().request
    tasks = [
        task(id="t1"),
        task(id="t2", request=replace(request, protocol="h3")),
        task(id="t3", request=replace(request, protocol="h3")),
        task(id="t4", request=replace(request, scheme="http", protocol="auto")),
    ]
    found = forecast(agent(), tasks, CHECKS, edges=1).domains
    assert [(one.protocol, one.requests) for one in found] == [
        ("h1", pytest.approx(10)),
        ("h3", pytest.approx(10)),
    ]


def test_samples_that_can_show_nothing_say_so() -> None:
    assert seen_from(0) is None
    assert seen_from(2) is None, "a grain of fewer than three requests shows nothing"


def typed(tmp_path: Path, keep: str, *command: str) -> tuple[int, str, str]:
    (tmp_path / "customers").mkdir(exist_ok=True)
    (tmp_path / "customers" / "acme.yaml").write_text(
        "customer: acme\ndefaults: {interval: 1s}\n"
        "domains: [{domain: www.acme.example, objects: [{path: /a}, {path: /b}], cdn: {suffixes: [cdn.example]}}]\n"
    )
    file = tmp_path / "agent.yaml"
    file.write_text(
        f"agent: a\nresults: r\ncustomers: customers/\nvantage_points: [{{name: local}}]\nkeep: {keep}\n"
    )
    done = CliRunner().invoke(cli, [*command, "-c", str(file)])
    return done.exit_code, done.stdout, done.stderr


def test_check_config_warns_of_a_retention_that_the_size_cannot_hold(tmp_path: Path) -> None:
    code, _, told = typed(tmp_path, "{size: 1GiB, hard_size: 2GiB}", "check-config")
    assert code == 0
    [line] = [line for line in told.splitlines() if "keep.size" in line]
    assert "keep.size of 1GiB holds about" in line
    assert "keep.healthy wants 100: the oldest go earlier" in line
    _, _, told = typed(tmp_path, "{size: 1000GiB, hard_size: 2000GiB}", "check-config")
    assert "keep.size" not in told


def test_the_plan_as_typed(tmp_path: Path) -> None:
    code, out, _ = typed(tmp_path, "{size: 1GiB, hard_size: 2GiB}", "plan")
    assert code == 0
    for words in ("2/s", "6/s requests", "keep.size is full in", "acme www.acme.example", "assumed: "):
        assert words in out
    _, out, _ = typed(tmp_path, "{}", "plan", "--json", "--edges", "5")
    assert json.loads(out)["edges_per_s"] == 10
    code, _, told = typed(tmp_path, "{}", "plan", "--body", "huge")
    assert code == 2
    assert "not a size" in told
    _, out, _ = typed(tmp_path, "{}", "plan", "--customer", "nobody")
    assert "tasks" in out
