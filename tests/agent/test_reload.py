"""One look at a time, nothing lost by a look that fails, and a farewell only to those who stay away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from probe.agent.reload import ConfigUpdate, Departures, Reloader, read_again, rejection
from probe.checks import CHECKS
from probe.core.config.load import Config, Problem
from probe.core.config.plan import Plan, make_plan
from probe.core.model.task import AnchorSpec, VantagePoint
from probe.core.model.value import replace
from probe.host.clock import SystemClock
from probe.schedule.jobs import Jobs
from probe.settings.config_files import load_config
from probe.watch.anchor_watch import AnchorWatch
from probe.watch.line_watch import LineWatch
from tests.support.build import task
from tests.support.jobs import running_jobs

AGENT = "agent: a\nresults: results\ncustomers: customers/\nvantage_points: [{name: one}, {name: two}]\n"


def customer(name: str, path: str = "/") -> str:
    return f"customer: {name}\ndomains:\n  - domain: www.{name}.example\n    objects: [{{path: {path}}}]\n"


@pytest.fixture
def agent_file(tmp_path: Path) -> Path:
    (tmp_path / "customers").mkdir()
    (tmp_path / "agent.yaml").write_text(AGENT)
    for name in ("acme", "beta"):
        (tmp_path / "customers" / f"{name}.yaml").write_text(customer(name))
    return tmp_path / "agent.yaml"


def in_force(agent_file: Path) -> tuple[Config, Plan]:
    config = load_config(agent_file, CHECKS)
    return config, make_plan(config)


def test_a_look_tells_who_comes_goes_and_changes(agent_file: Path) -> None:
    config, plan = in_force(agent_file)
    directory = agent_file.parent / "customers"
    (directory / "acme.yaml").write_text(customer("acme", "/new"))
    (directory / "beta.yaml").unlink()
    (directory / "gamma.yaml").write_text(customer("gamma"))
    update = read_again(config, plan, agent_file, CHECKS)
    assert (update.added, update.removed, update.changed, update.problems) == (
        ("gamma",),
        ("beta",),
        ("acme",),
        (),
    )
    assert len(update.definitions) == 4
    again = read_again(update.config, update.plan, agent_file, CHECKS)
    assert (again.added, again.removed, again.changed, again.definitions) == ((), (), (), ())
    assert again.plan is update.plan


def test_another_shard_makes_customers_go_who_have_nothing_left_here(agent_file: Path) -> None:
    config, plan = in_force(agent_file)
    agent_file.write_text(f"{AGENT}shard: 1/500\n")
    update = read_again(config, plan, agent_file, CHECKS)
    assert {t.customer for t in update.plan.tasks} | set(update.removed) == {"acme", "beta"}
    assert update.removed


def test_agent_yaml_changes_everybody(agent_file: Path) -> None:
    config, plan = in_force(agent_file)
    agent_file.write_text(f"{AGENT}allow_addresses: [127.0.0.0/8]\n")
    assert read_again(config, plan, agent_file, CHECKS).changed == ("acme", "beta")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (AGENT.replace("agent: a", "agent: b"), "agent.yaml:1:1"),
        (AGENT.replace("results: results", "results: elsewhere"), "agent.yaml:2:1"),
        (AGENT + "api: {listen: '127.0.0.1:1'}\n", "agent.yaml:5:7"),
        (AGENT + "limits: {concurrency: 9, workers: 2}\n", "agent.yaml:5:26"),
    ],
)
def test_what_needs_a_restart_keeps_everything(agent_file: Path, text: str, place: str) -> None:
    config, plan = in_force(agent_file)
    agent_file.write_text(text)
    (agent_file.parent / "customers" / "acme.yaml").write_text(customer("acme", "/new"))
    update = read_again(config, plan, agent_file, CHECKS)
    assert update.config is config
    (problem,) = update.problems
    assert str(problem).startswith(f"{agent_file.parent}/{place}: ")
    assert "restart" in problem.message


def test_others_hear_of_a_bad_agent_yaml_by_its_place_only() -> None:
    problem = Problem("/etc/x/agent.yaml", 3, 5, "token 'of-customer-a' ...")
    event, detail, customers = rejection("", (problem,), Path("/etc/x"))
    assert (event, customers) == ("config.rejected", None)
    assert detail == {"file": "agent.yaml", "at": "agent.yaml:3:5"}


def test_thousands_of_problems_are_cut() -> None:
    problems = tuple(Problem("/c/acme.yaml", n, 1, "wrong " * 20) for n in range(1, 2_000))
    _, detail, customers = rejection("acme", problems, Path("/c"))
    assert customers == ("acme",)
    assert len(detail["problems"]) < 5_000


async def test_those_who_ask_while_a_look_goes_on_share_the_next_one(agent_file: Path) -> None:
    force, go_on, began = in_force(agent_file), asyncio.Event(), asyncio.Event()

    async def take_over(update: ConfigUpdate) -> None:
        began.set()
        await go_on.wait()

    reloader = Reloader(agent_file, CHECKS, lambda: force, take_over)
    first = asyncio.create_task(reloader.reload())
    await began.wait()
    others = [asyncio.create_task(reloader.reload()) for _ in range(50)]
    await asyncio.sleep(0)
    go_on.set()
    assert await asyncio.gather(first, *others) == [()] * 51
    assert reloader.counts["reloads"] == 2
    await reloader.finish()


async def test_a_look_that_fails_is_told_and_the_next_one_works(
    agent_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    force = in_force(agent_file)
    fails = [True, False]

    async def take_over(update: ConfigUpdate) -> None:
        if fails.pop(0):
            raise RuntimeError("broken")

    reloader = Reloader(agent_file, CHECKS, lambda: force, take_over)
    (problem,) = await reloader.reload()
    assert "our own fault" in problem.message
    assert "config.reload_failed" in caplog.text
    assert await reloader.reload() == ()
    assert (reloader.counts["reloads"], reloader.counts["failed"]) == (2, 1)


async def test_a_farewell_waits_for_the_last_slot_and_is_said_once() -> None:
    said, open_slots = list[str](), {"acme"}

    async def say(name: str, change: dict[str, str]) -> None:
        said.append(name)

    departures = Departures(say)
    for _ in range(2):
        departures.begin("acme", {}, open_slots.__contains__)
    await asyncio.sleep(0.25)
    assert (said, departures.pending) == ([], ("acme",))
    open_slots.clear()
    await departures.finish()
    assert (said, departures.pending) == (["acme"], ())


async def test_a_line_that_is_as_it_was_goes_on_under_watch_and_others_begin_anew() -> None:
    one, two = VantagePoint(name="one"), VantagePoint(name="two", source_v4="192.0.2.77")
    told: list[tuple[str, str | None]] = []
    watch = LineWatch(
        Jobs(SystemClock()),
        SystemClock(),
        (one, two),
        lambda point, problem: told.append((point.name, problem)),
    )
    await watch.check()
    assert [name for name, _ in told] == ["two"]
    since = watch.since("one")
    mended = VantagePoint(name="two", source_v4="127.0.0.1")
    watch.replace((one, mended))
    assert (watch.since("one"), watch.since("two"), watch.problem("two")) == (since, None, None)
    await watch.check()
    assert watch.problem("two") is None
    assert len(told) == 1


async def test_anchors_of_a_line_that_is_as_it_was_are_asked_on() -> None:
    anchors = (AnchorSpec(scheme="tcp", host="192.0.2.7", port=443),)
    one = replace(task().vantage_point, anchors=anchors, anchor_interval_us=3_600_000_000)
    gone, new = (replace(one, name=name) for name in ("gone", "new"))
    async with running_jobs() as jobs:
        clock, lines = SystemClock(), [(one, 4), (gone, 4)]
        watch = AnchorWatch(jobs, clock, None, None, lines, lambda *_: None)  # type: ignore[arg-type]
        await watch.start()
        assert {job.subject for job in jobs.states()} == {"bj-ct IPv4", "gone IPv4"}
        kept = watch._lines["bj-ct", 4]
        watch.replace([(one, 4), (new, 6)])
        assert watch._lines["bj-ct", 4] is kept
        assert set(watch._lines) == {("bj-ct", 4), ("new", 6)}
        assert {job.subject for job in jobs.states()} == {"bj-ct IPv4", "new IPv6"}
        await watch.stop()
        assert jobs.states() == ()
