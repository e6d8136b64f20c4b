"""Whatever a command prints for people fits 80 columns, into a pipe and at a terminal, and nothing of it is lost.

What is left out: JSON, files, a path or a digest, which is never broken, and messages on standard error, which are
one line each, so that a search finds them.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from unicodedata import combining, east_asian_width

import pytest

from probe.checks import CHECKS
from probe.cli.actions.replay import changes_table
from probe.cli.main import cli
from probe.cli.render.layout import NO_TERMINAL_COLUMNS, drawn, for_standard_output
from probe.cli.render.nodes import nodes_table, propagation_tables
from probe.cli.render.pull import board_table
from probe.cli.render.slots import list_table, observation_table, once_table
from probe.cli.render.status import status_view
from probe.cli.render.terminal import console
from probe.core.config.node_labels import GivenTo, ListedNode
from probe.core.model.value import replace
from probe.core.nodes.propagation import NodePropagation
from probe.core.records.failure import FailureType, Phase
from probe.core.records.rows import SlotRecord
from probe.core.results.live_state import CallState, VantageState, WorkerState
from probe.core.results.rows import measured_row
from probe.pull.chain import StreamName
from probe.pull.progress import Board, State, StreamProgress
from probe.services.replay import Change
from probe.services.status import Status, TaskState
from tests.core.results.test_live_state import STATE
from tests.fixtures.frozen import unpacked
from tests.interface.command import cdn_probe
from tests.support.build import AT, broken, evidence, seen, task

ROOT = Path(__file__).parents[2]
AGENT, AGREEMENTS = ROOT / "config" / "agent.yaml", ROOT / "config" / "agreements"
LONG = "a-very-long-name-of-a-customer-or-agent-that-has-63-characters1"
V6 = "2001:db8:1234:5678:9abc:def0:1234:5678"
URL = f"https://{'sub.' * 30}example.com/{'deep/' * 40}app.js"
SGR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(autouse=True)
def _as_people_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


def columns(line: str) -> int:
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in line)


def fits(text: str) -> None:
    wide = [line for line in SGR.sub("", text).splitlines() if columns(line) > NO_TERMINAL_COLUMNS]
    assert wide == []


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("kept")
    return {name: unpacked(name, directory) for name in ("results", "copy", "segments")}


COMMANDS: dict[str, tuple[str | Path, ...]] = {
    "check-config": ("check-config", "-c", AGENT),
    "incidents": ("incidents", "copy", "--all"),
    "plan": ("plan", "-c", AGENT),
    "results bundle": ("results", "bundle", "--help"),
    "results evidence": ("results", "-d", "results", "evidence", "shop/60"),
    "results list": ("results", "-d", "results", "list", "--limit", "20"),
    "results list of segments": ("results", "-d", "segments", "list", "--limit", "20"),
    "results propagation": ("results", "-d", "copy", "propagation", "--customer", "media"),
    "results show": ("results", "-d", "results", "show", "shop/60"),
    "results verify": ("results", "-d", "copy", "verify"),
    "sla check": ("sla", "check", *sorted(AGREEMENTS.glob("*.yaml"))),
    "sla report": ("sla", "report", AGREEMENTS / "a-cloud-cdn-sla.yaml", "copy", "--language", "zh"),
    "status": ("status", "-c", AGENT),
    "token": ("token", "desk", "--customer", "acme"),
    "vantage list": ("vantage", "list", "-c", AGENT),
}


@pytest.mark.parametrize("terminal", [False, True], ids=["piped", "terminal"])
@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_command_prints_fits(
    name: str, terminal: bool, kept: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    words = [kept.get(str(word), word) if at else word for at, word in enumerate(COMMANDS[name])]
    done = cdn_probe(*words, terminal=terminal)
    assert done.out, done.err
    fits(re.sub("sha256:[0-9a-f]{64}", "sha256:...", done.out.replace(str(AGENT), "agent.yaml")))


@pytest.mark.parametrize("name", ["sla check", "sla report"])
def test_a_report_fits_a_narrower_terminal_too(name: str, kept: dict[str, Path]) -> None:
    words = [kept.get(str(word), word) if at else word for at, word in enumerate(COMMANDS[name])]
    text = cdn_probe(*words, columns=60).out.replace(str(AGREEMENTS), "a")
    assert text
    assert not [line for line in text.splitlines() if columns(line) > 60]


def _commands(group: object, before: str = "") -> list[str]:
    found = []
    for name, one in getattr(group, "commands", {}).items():
        found += _commands(one, f"{before}{name} ") or [f"{before}{name}"]
    return found


# Of what they print there is a test of its own, or tables below.
ELSEWHERE = {
    "demo": "tests/cli/render/test_demo.py",
    "init": "tests/cli/setup",
    "nodes": "below",
    "once": "below",
    "page": "one line with a path",
    "pull": "below",
    "replay": "below",
    "results export": "files",
    "results follow": "as results list",
    "run": "a log, one line an event",
    "schema": "JSON",
    "serve": "an address",
    "sla ingest": "a line a stream",
    "sla plan": "tests/cli/sla/test_plan.py",
    "trace": "below: the same tables",
    "vantage check": "tests/cli/commands/test_vantage.py",
}


def test_no_command_is_forgotten() -> None:
    named = {name.partition(" of ")[0] for name in COMMANDS}
    assert sorted(named | set(ELSEWHERE)) == sorted(_commands(cli))


def _row() -> SlotRecord:
    made = measured_row(
        task(), evidence(broken(FailureType.TLS_CERT_NAME_INVALID, Phase.TLS), seen()), CHECKS, finished_at=AT
    )
    observations = tuple(replace(one, address=V6) for one in made.observations)
    return replace(
        made, customer=LONG, seq=123_456_789, domain="sub." * 30 + "example", path="/deep" * 40 + "/app.js",
        vantage_point=LONG, observations=observations,
    )  # fmt: skip


def _status() -> str:
    trouble = TaskState(
        task="t", customer=LONG, domain="sub." * 30 + "example", path="/deep" * 40, vantage_point=LONG, ip_version=6,
        at="2026-11-22T11:00:00.000000Z", state="measured", outcome="inconclusive", fault="vantage",
        reason="dns.resolver_failed", summary="The vantage point's own resolver failed",
    )  # fmt: skip
    live = replace(
        STATE,
        agent=LONG,
        vantage_points=(
            VantageState(name=LONG, ip_version=6, state="offline", since=AT, problem="eth1 is gone"),
        ),
        calls=(CallState(target=URL, delivered=1, failed=2, waiting=3, problem=f"{URL} did not answer"),),
        workers=tuple(
            WorkerState(number=n, pid=n, measuring=True, starts=2, slots=999_999) for n in range(16)
        ),
    )
    made = Status(
        agent=LONG, directory="/r", running=True, live=live, problems=(f"{URL} is away",), tasks=(trouble,),
    )  # fmt: skip
    return drawn(status_view(made, 1_795_345_300.0, all_tasks=True), NO_TERMINAL_COLUMNS)


def _board() -> Board:
    one = StreamProgress(
        url=URL, stream=StreamName(LONG, LONG), state=State.REFUSED, note="HTTP 401: not known"
    )
    one.seq, one.head, one.rows, one.dropped, one.proved = 10**12, 10**12, 10**12, 10**9, False
    one.complete_up_to = "2026-11-22T10:00:00Z"
    return Board([one])


GIVEN = GivenTo(vantage_point=LONG, first_seen=AT, last_seen=AT)
NODE = ListedNode(
    customer=LONG, domain="www.example", address=V6, ip_version=6, first_seen=AT, last_seen=AT,
    vantage_points=(GIVEN,), carrier=LONG, prefix=f"{V6}/128", swept=True, on_trial=False,
)  # fmt: skip
CHANGE = NodePropagation(
    customer=LONG, url=URL, vantage_point=LONG, address=V6, digest="0" * 64, changed_after=AT, changed_before=AT,
    last_old_at=AT, first_new_at=None, at_least_s=123456.7, at_most_s=None, allowed_s=86400.0, over_lifetime=True,
)  # fmt: skip
TABLES: dict[str, Callable[[], object]] = {
    "list": lambda: list_table([_row()]),
    "once": lambda: once_table([_row()]),
    "observations": lambda: observation_table(_row()),
    "nodes": lambda: nodes_table([NODE, dataclasses.replace(NODE, customer="b")]),
    "propagation": lambda: propagation_tables([CHANGE]),
    "replay": lambda: changes_table(
        [Change(name=f"{LONG}/1", was="ok", now="failed/cdn/tcp.refused", summary=URL)]
    ),
    "pull": lambda: board_table(_board(), 0.0, 1_795_345_300.0),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_the_longest_names_fits_and_loses_nothing(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    console().print(TABLES[name]())
    text = capsys.readouterr().out
    fits(text)
    assert "…" not in text


def test_who_reads_a_file_may_have_it_wider(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for told, width in (("200", 200), ("", 80), ("wide", 80), ("0", 80)):
        monkeypatch.setenv("COLUMNS", told)
        console().print("word " * 100)
        assert width - 5 <= max(map(len, capsys.readouterr().out.splitlines())) <= width
        assert for_standard_output()[0] == width


def test_status_of_the_longest_names_fits() -> None:
    fits(_status())
