"""`status`: beside a running agent and without one, in words and as JSON."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.tree import Tree

from probe.cli.render.layout import drawn
from probe.cli.render.status import status_view
from probe.cli.render.terminal import HarmlessConsole
from probe.core.model.value import replace
from probe.core.proof.chain import Head
from probe.core.results.concerns import concerns
from probe.core.results.live_state import CallState, CustomerState, StampState, WorkerState
from probe.lab.lab import Lab
from probe.services.status import Status, TaskState, look
from probe.store.acks import ApiDb
from probe.store.confirmations import Ack
from tests.agent.test_agent import config_of
from tests.agent.test_live import running
from tests.core.calls.made import story
from tests.core.results.test_live_state import STATE
from tests.support.agent_process import cdn_probe

NOW_S = 1_795_345_300.0  # 2026-11-22T11:01:40Z
CLOCK = "the host's clock is not synchronised: every row says so; start an NTP client"
HEAD = Head(
    agent="bj-mon-01", customer="acme", seq=120, digest="0" * 64, complete_up_to="2026-11-22T11:00:00.000000Z"
)
TASK = TaskState(
    task="t",
    customer="acme",
    domain="www.acme.example",
    path="/a[bold]b[/bold].js",
    vantage_point="bj-ct",
    ip_version=4,
    at="2026-11-22T11:00:00.000000Z",
    state="measured",
    outcome="failed",
    fault="cdn",
    reason="tcp.refused",
    summary="refused \x1b[2J\x9b3J\u202e[red]here",
)


def shown(status: Status, *, all_tasks: bool = False) -> str:
    return drawn(status_view(status, NOW_S, all_tasks=all_tasks), 160)


def status(**changes: object) -> Status:
    made = Status(
        agent="bj-mon-01",
        directory="/r",
        running=True,
        problems=(),
        live=STATE,
        heads=(HEAD,),
        pulls=(
            Ack(
                reader="evaluator",
                agent="bj-mon-01",
                customer="acme",
                seq=100,
                digest="",
                at="2026-11-22T11:00:40Z",
            ),
        ),
        tasks=(TASK, replace(TASK, path="/ok", outcome="ok", fault=None, summary="well")),
    )
    return replace(made, **changes)


def test_everything_stands_in_it() -> None:
    text = shown(status())
    for words in (
        "bj-mon-01 measuring",
        "process 4711, for 62 min",
        "p50 0.1 ms, p99 0.9 ms",
        "1 agent.stalled",
        "online",
        "8 ok",
        "evaluator: 100 (20 behind), 60 s ago",
        "failed/cdn",
        "/a[bold]b[/bold].js",
        "1 of 2 tasks were ok",
    ):
        assert words in text, words
    assert "/ok" not in text
    assert "/ok" in shown(status(), all_tasks=True)


def test_what_recurs_is_shown_with_its_last_and_next_run_within_80_columns() -> None:
    lines = drawn(status_view(status(), NOW_S), 80).splitlines()
    assert max(map(len, lines)) <= 80
    begin = next(i for i, line in enumerate(lines) if line.startswith("beside measuring"))
    assert [" ".join(line.split()) for line in lines[begin : begin + 5]] == [
        "beside measuring last run took next run",
        "sealing 100 s ago 120.0 ms in 58 min",
        "anchors, 2 lines 2 s ago 30.0 ms in 5 s",
        "housekeeping 1 s ago – runs now",
        "lines – – in 1 s",
    ]
    assert "beside measuring" not in shown(status(live=replace(STATE, jobs=())))


def test_what_did_not_work_in_a_job_is_to_be_acted_on() -> None:
    jobs = (replace(STATE.jobs[0], problem="acme: no room"), replace(STATE.jobs[1], problem="cut"))
    assert [one.words for one in concerns(replace(STATE, jobs=jobs)) if one.kind == "job"] == [
        "sealing did not do all its work when it ran last: acme: no room; it is tried again by itself",
        "anchors bj-ct IPv4 did not do all its work when it ran last: cut; it is tried again by itself",
    ]


def test_time_stamps_are_shown_where_they_are_asked_for() -> None:
    assert "stamps" not in shown(status())
    stamps = StampState(url="https://tsa.example.net/", stamped=7, waiting=2, last_at="2026-11-22T11:00:40Z")
    lines = drawn(status_view(status(live=replace(STATE, stamps=stamps)), NOW_S), 80).splitlines()
    (line,) = [" ".join(line.split()) for line in lines if line.startswith("stamps")]
    assert line == "stamps 7 received, the last 60 s ago; 2 heads wait"


def test_open_incidents_and_calls_are_shown() -> None:
    opened = tuple(story(f"d{number}.example.net")[0].incident for number in range(7))
    call = CallState(target="ops", delivered=3, failed=2, waiting=1, problem="it was not reached: x")
    lines = drawn(
        status_view(status(live=replace(STATE, incidents=opened, calls=(call,))), NOW_S), 80
    ).splitlines()
    text = " ".join(" ".join(lines).split())
    assert "incidents 7 open: d0.example.net, d1.example.net" in text
    assert "and 2 more (cdn-probe incidents)" in text
    assert "ops: 3 delivered, 2 failed, 1 wait: it was not reached" in text
    assert max(map(len, lines)) <= 80
    assert "incidents" not in shown(status())


def test_workers_are_shown_where_there_are_some() -> None:
    workers = (
        WorkerState(number=0, measuring=True, starts=1, slots=70, rss_bytes=50 << 20),
        WorkerState(number=1, starts=3, slots=65, problem="ended by SIGKILL"),
    )
    text = shown(status(live=replace(STATE, workers=workers)))
    assert "1 of 2 measure, begun again 2 times; slots 70, 65; memory" in text
    assert "workers" not in shown(status())


def test_what_a_server_sent_does_not_reach_the_terminal() -> None:
    text = shown(status())
    assert "\x9b" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "refused �[2J�3J�[red]here" in text


def test_the_console_lets_no_command_through_wherever_text_comes_from() -> None:
    def printed(console: type[Console]) -> str:
        out = io.StringIO()
        table = Table("a", "b\x1b]0;title\x07")
        table.add_row("x\x1b[2Jy", Tree("t\x9b3J"))
        console(file=out, width=80, force_terminal=True, color_system=None).print(table)
        return out.getvalue()

    assert "\x1b" in printed(Console), "this test can fail"
    text = printed(HarmlessConsole)
    assert not {"\x1b", "\x9b", "\x07"} & set(text)
    assert "x[2Jy" in text


def test_one_trouble_is_one_row_whatever_path_and_vantage_point() -> None:
    down = replace(TASK, outcome="failed", fault="cdn", reason="tcp.refused", summary="refused by every edge")
    tasks = tuple(
        replace(
            down, task=f"{path}{point}", path=f"/{path}", vantage_point=point, at=f"2026-11-22T10:0{n}:00Z"
        )
        for n, (path, point) in enumerate((p, v) for p in "abc" for v in ("north", "south"))
    )
    other = replace(down, task="x", fault="origin", reason="http.error", summary="origin says 500")
    text = shown(status(tasks=(*tasks, other)))
    assert text.count("refused by every edge") == 1
    assert f"{TASK.domain}, 3 objects" in text
    assert "2 vantage points" in text
    assert "origin says 500" in text
    assert "0 of 7 tasks were ok" in text
    assert shown(status(tasks=(*tasks, other)), all_tasks=True).count("refused by every edge") == 6


def test_verdicts_stand_whole_at_80_columns_however_long_names_are() -> None:
    long = replace(
        TASK, domain="a" * 60 + ".example", path="/" + "b" * 90, outcome="inconclusive", fault="vantage"
    )
    lines = drawn(status_view(status(tasks=(long,)), NOW_S), 80).splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert any("inconclusive/vantage" in line for line in lines)


def test_an_agent_that_does_not_run() -> None:
    text = shown(status(running=False, live=None, problems=("no agent runs here",), last_event="agent.stopped",
                        last_event_at="2026-11-22T11:00:40Z"))  # fmt: skip
    assert "not running  last on record: agent.stopped, 60 s ago" in text
    assert "! no agent runs here" in text
    assert "evaluator: 100 (20 behind)" in text
    assert "does not answer" in shown(status(live=None))


def test_customers_without_any_outcome() -> None:
    live = replace(STATE, customers=(CustomerState(name="acme", tasks=1, missed=4),))
    assert "4 missed" in shown(status(live=live))
    assert "acme" in shown(status(live=replace(STATE, customers=())))


async def test_beside_a_running_agent_and_after_it(tmp_path: Path) -> None:
    async with Lab() as lab:
        await lab.warm()
        file = config_of(lab, tmp_path)
        nowhere = await cdn_probe("status", "-c", file)
        assert nowhere.code == 1
        assert "not running" in nowhere.out
        assert "no results here" in nowhere.out
        async with running(file, 4) as directory:
            made = await cdn_probe("status", "-c", file, "--json")
            found = json.loads(made.out)
            assert set(found["problems"]) <= {CLOCK}, "whether this host is synchronised is its own matter"
            assert made.code == (1 if found["problems"] else 0)
            assert found["running"] is True
            assert found["live"]["ready"] is True
            jobs = {job["name"] for job in found["live"]["jobs"]}
            assert jobs == {"housekeeping", "incidents", "lines", "files", "anchors", "store"}
            assert {head["customer"] for head in found["heads"]} == {"shop", "media"}
            assert found["tasks"]
            assert found["last_event"] == "agent.started"
            db = await ApiDb.open(directory, "2026-11-22T11:00:40Z")
            agent = found["agent"]
            await db.acknowledge(
                Ack(
                    reader="evaluator",
                    agent=agent,
                    customer="shop",
                    seq=1,
                    digest="",
                    at="2026-11-22T11:00:40Z",
                )
            )
            await db.close()
            words = await cdn_probe("status", "-c", file)
            assert words.code == made.code
            assert "measuring" in words.out
            assert "housekeeping" in words.out
            assert "evaluator: 1 (" in words.out
        after = await cdn_probe("status", "-c", file, "--json")
        assert after.code == 1
        found = json.loads(after.out)
        assert found["running"] is False
        assert found["live"] is None
        assert found["last_event"] == "agent.stopped"
        assert "no agent runs here" in found["problems"][0]
        assert found["tasks"]
        assert found["pulls"][0]["reader"] == "evaluator"


def test_a_look_at_what_is_damaged_tells_it_and_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / "results.db").write_bytes(b"not a database" * 100)
    (tmp_path / "_api.db").write_bytes(b"neither" * 1000)
    found = look(tmp_path, "bj-mon-01")
    assert not found.running
    assert len(found.problems) == 3
    shutil.rmtree(tmp_path)
    assert len(look(tmp_path, "bj-mon-01").problems) == 2


def test_the_sample_state_has_its_concern() -> None:
    assert concerns(STATE)[-1].words == "not in force: acme.yaml:1:2: no"
