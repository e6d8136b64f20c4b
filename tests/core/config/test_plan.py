"""The plan is a value: what it holds, what keeps its name, and how it spreads."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from probe.checks import CHECKS
from probe.core.config.load import Config, ConfigError, make_config, parse_agent, parse_customer
from probe.core.config.plan import define, make_plan, phase_us, task_from_json, task_to_json
from probe.core.model.task import SecretRef, Task
from probe.core.scheduling.admission import Ceilings
from tests.support.work import linear

AGENT = "agent: a\nresults: r\ncustomers: c\nvantage_points: [{name: one}, {name: two}]\n"
DOMAIN = {
    "domain": "www.acme.example",
    "vantage_points": ["one"],
    "objects": [{"path": "/a"}],
}


def config(domains: list[dict[str, Any]], *, agent: str = AGENT, **more: Any) -> Config:
    text = json.dumps({"customer": "acme", "domains": domains, **more})
    read = parse_agent(agent, "agent.yaml")
    names = [point.name for point in read.vantage_points]
    customer = parse_customer(text, "acme.yaml", kinds=CHECKS, vantage_points=names)
    return make_config(read, [customer], {"acme.yaml": text}, {"acme.yaml": "acme"})


def tasks(domain: dict[str, Any] | None = None, *, agent: str = AGENT, **more: Any) -> tuple[Task, ...]:
    return make_plan(config([{**DOMAIN, **(domain or {})}], agent=agent, **more)).tasks


def only(domain: dict[str, Any] | None = None, *, agent: str = AGENT, **more: Any) -> Task:
    [task] = tasks(domain, agent=agent, **more)
    return task


def test_a_task_for_each_object_vantage_point_and_ip_version() -> None:
    made = tasks(
        {"vantage_points": ["one", "two"], "ip": [4, 6], "objects": [{"path": "/a"}, {"path": "/b"}]}
    )
    assert [(t.request.path, t.vantage_point.name, t.ip_version) for t in made] == [
        (path, point, version) for path in ("/a", "/b") for point in ("one", "two") for version in (4, 6)
    ]
    assert len({t.id for t in made}) == len({t.definition for t in made}) == 8


def test_all_vantage_points_where_none_are_named() -> None:
    domain = {key: value for key, value in DOMAIN.items() if key != "vantage_points"}
    assert [t.vantage_point.name for t in make_plan(config([domain])).tasks] == ["one", "two"]


def test_the_same_configuration_gives_the_same_plan() -> None:
    assert tasks() == tasks()


HOW: list[dict[str, Any]] = [
    {"interval": "5s"},
    {"timeout": "3s"},
    {"connect_timeout": "3s"},
    {"edges": "one"},
    {"headers": {"X-A": "a"}},
    {"accept_encoding": "gzip"},
    {"checks": {"availability": {"status": [204]}}},
    {"checks": {"response_time": {"ttfb": "1s"}}},
    {"redirects": {"follow": 3}},
    {"tls": {"minimum_version": "TLSv1.3"}},
    {"cdn": {"suffixes": ["cdn.example.net"]}},
    {"origin": {"address": "198.51.100.10"}},
]


@pytest.mark.parametrize("change", HOW, ids=lambda c: next(iter(c)))
def test_how_something_is_measured_changes_its_definition_and_not_its_id(change: dict[str, Any]) -> None:
    before, after = only(), only(change)
    assert after.id == before.id
    assert after.definition != before.definition


def test_limits_exclusions_and_resolvers_change_the_definition_and_not_the_id() -> None:
    before = only()
    exclusion = {"from": "2026-11-25T00:00:00Z", "to": "2026-11-25T01:00:00Z", "reason": "a", "source": "b"}
    for after in (
        only(agent=AGENT + "limits: {body: 1MiB}\n"),
        only(agent=AGENT.replace("{name: one}", "{name: one, resolvers: ['udp://192.0.2.53']}")),
        only(exclusions=[exclusion]),
    ):
        assert after.id == before.id
        assert after.definition != before.definition


WHAT: list[dict[str, Any]] = [
    {"domain": "w2.acme.example"},
    {"scheme": "http"},
    {"port": 8443},
    {"objects": [{"path": "/b"}]},
    {"objects": [{"path": "/a", "method": "HEAD"}]},
    {"vantage_points": ["two"]},
    {"ip": [6]},
    {"protocol": "h2"},
    {"protocol": "auto"},
]


@pytest.mark.parametrize("change", WHAT, ids=lambda c: next(iter(c)))
def test_what_is_measured_changes_the_id(change: dict[str, Any]) -> None:
    assert only(change).id != only().id


def test_ids_are_what_they_were_in_the_first_version() -> None:
    # History hangs on them: a change here cuts every series of results in two.
    assert only().id == "65c52468254b1c72"
    assert only().phase_us == 37224811


def test_http_1_is_the_same_task_written_or_not_and_each_further_version_one_of_its_own() -> None:
    made = tasks({"protocol": ["h2", "h1", "auto"]})
    assert [task.request.protocol for task in made] == ["h2", "h1", "auto"]
    assert made[1] == only() == only({"protocol": "h1"})
    assert len({task.id for task in made}) == 3
    near = only({"protocol": "h2", "objects": [{"path": "/a", "protocol": "auto"}]})
    assert near.request.protocol == "auto"


def test_the_origin_is_asked_over_http_1_whatever_the_edges_are() -> None:
    task = only({"protocol": "h2", "origin": {"address": "198.51.100.10"}})
    assert task.origin is not None
    assert task.origin.request.protocol == "h1"


def test_phases_are_spread_over_the_period() -> None:
    made = tasks({"interval": "60s", "objects": [{"path": f"/{n}"} for n in range(2_000)]})
    assert all(0 <= task.phase_us < task.period_us for task in made)
    seconds = Counter(task.phase_us // 1_000_000 for task in made)
    assert len(seconds) == 60
    assert max(seconds.values()) < 70  # 33 on average


def test_a_phase_stays_within_any_period() -> None:
    for period_us in (1, 100_000, 86_400_000_000):
        assert 0 <= phase_us("00ff00ff00ff00ff", period_us) < period_us


def test_a_definition_is_over_everything_else() -> None:
    task = only()
    assert define(task) == task.definition


RICH = {
    "headers": {"Authorization": "env:ACME_TOKEN", "X-Plain": "text"},
    "origin": {"address": "198.51.100.10", "headers": {"Cookie": "file:/etc/acme/cookie"}, "interval": "5s"},
    "cdn": {"suffixes": ["cdn.example.net"], "prefixes": ["192.0.2.0/24"]},
    "edges": "sample:3",
    "redirects": {"follow": 2, "hosts": ["b.example"]},
    "checks": {
        "availability": {"status": [200, 204]},
        "response_time": {"ttfb": "500ms", "total": "2s"},
        "redirect": {"location": "/n"},
    },
}


def test_a_task_comes_back_from_json_as_it_was() -> None:
    vantage = (
        "{name: one, source: 192.0.2.1, resolvers: ['tls://dns.example.net@192.0.2.53'], "
        "anchors: ['tcp://192.0.2.7:443']}"
    )
    task = only(RICH, agent=AGENT.replace("{name: one}", vantage))
    told = json.dumps(task_to_json(task))
    again = task_from_json(json.loads(told), CHECKS)
    assert again == task
    assert define(again) == task.definition


def test_secrets_stay_references() -> None:
    task = only(RICH)
    assert dict(task.request.fields)["Authorization"] == SecretRef(scheme="env", name="ACME_TOKEN")
    assert task.origin is not None
    assert dict(task.origin.request.fields)["Cookie"] == SecretRef(scheme="file", name="/etc/acme/cookie")
    fields = task_to_json(task)["request"]["fields"]
    assert ["Authorization", {"scheme": "env", "name": "ACME_TOKEN"}] in [list(pair) for pair in fields]


@pytest.mark.parametrize("told", [None, [], {}, {"id": 1}, "x"])
def test_what_is_no_definition_is_refused(told: object) -> None:
    with pytest.raises(ValueError, match="not a task"):
        task_from_json(told, CHECKS)


def test_a_definition_with_an_unknown_check_is_refused() -> None:
    told = task_to_json(only())
    told["checks"][0]["kind"] = "smell"
    with pytest.raises(ValueError, match="smell"):
        task_from_json(told, CHECKS)


def test_a_definition_with_bad_parameters_is_refused() -> None:
    told = task_to_json(only())
    told["checks"][0]["params"] = {"status": "good"}
    with pytest.raises(ValueError, match="status"):
        task_from_json(told, CHECKS)


@pytest.mark.long
def test_the_work_of_reading_and_planning_ten_thousand_objects_is_in_line_with_their_number() -> None:
    """What it takes of a processor is in docs/performance.md (`python -m benchmarks`)."""
    lines = ["customer: acme", "defaults: {vantage_points: [one]}", "domains:"]
    for domain in range(100):
        lines += [
            f"  - domain: w{domain}.acme.example",
            "    cdn: {suffixes: [cdn.example.net]}",
            "    origin: {address: 198.51.100.10}",
            "    objects:",
        ]
        for item in range(100):
            lines += [
                f"      - path: /static/{item}.js",
                "        checks:",
                "          availability: {status: [200]}",
                "          response_time: {ttfb: 500ms, total: 2s}",
                "          integrity: {mode: exact}",
            ]
    agent = parse_agent(AGENT, "agent.yaml")

    def made() -> Any:
        customer = parse_customer("\n".join(lines), "acme.yaml", kinds=CHECKS, vantage_points=["one"])
        return make_plan(make_config(agent, [customer], {}, {}))

    plan = linear(made, 10_000, each=5000)  # seen are 3350
    assert len({task.id for task in plan.tasks}) == 10_000


def test_hosts_that_share_make_the_whole_plan_between_them_each_task_as_it_would_be_alone() -> None:
    domain = {"objects": [{"path": f"/{n}"} for n in range(200)]}
    alone = {task.id: task for task in tasks(domain)}
    parts = [tasks(domain, agent=f"{AGENT}shard: {index}/5\n") for index in range(1, 6)]
    assert sorted(task.id for part in parts for task in part) == sorted(alone)
    assert all(task == alone[task.id] for part in parts for task in part), "the same phases and definitions"
    assert all(20 <= len(part) <= 60 for part in parts)


def test_the_plan_and_the_digest_tell_the_shard() -> None:
    one, two = (config([DOMAIN], agent=f"{AGENT}shard: {index}/2\n") for index in (1, 2))
    assert [str(make_plan(c).shard) for c in (one, two)] == ["1/2", "2/2"]
    assert make_plan(config([DOMAIN])).shard is None
    assert tasks(agent=f"{AGENT}shard: 1/1\n") == tasks()


def test_ceilings_of_the_configuration() -> None:
    limits = "limits: {concurrency: 9, per_customer: 5, per_origin: 2, per_vantage_point: 4, drain: 30s}\n"
    read = parse_agent(AGENT + limits, "agent.yaml").limits
    assert read.ceilings() == Ceilings(total=9, per_customer=5, per_origin=2, per_vantage_point=4)
    assert read.drain == 30_000_000
    assert parse_agent(AGENT, "agent.yaml").limits.ceilings() == Ceilings(total=200)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("shard: 6/5", "there is no host 6 among 5"),
        ("shard: two of five", "written i/n"),
        ("limits: {per_origin: 0}", "at least 1"),
        ("limits: {drain: 20m}", "too long"),
    ],
)
def test_what_is_no_shard_or_ceiling_is_refused_with_its_place(line: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_agent(f"{AGENT}{line}\n", "agent.yaml")
    (problem,) = caught.value.problems
    assert problem.line == 5
    assert says in problem.message
