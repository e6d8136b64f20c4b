"""One outage that three agents see is one incident and one call, found in what each of them stored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from probe.cli.main import cli
from probe.core.calls.queue import Delivery
from probe.core.calls.target import Target, Via
from probe.core.incidents.incident import Stage, from_shown
from probe.core.incidents.rules import Rules
from probe.core.model.value import replace
from probe.core.records.codec import CodecError
from probe.core.records.rows import Record
from probe.core.records.surroundings import HostFacts
from probe.core.records.verdict import Fault, Outcome
from probe.host.clock import SystemClock
from probe.services.incidents.calling import RECORD, STATE, Calling
from probe.services.incidents.copies import CopyIncidents
from probe.store.store import Store
from tests.support.rows import START_S, at, slot

AGENTS = ("a1", "a2", "a3")
FAILED: dict[str, Any] = {
    "outcome": Outcome.FAILED,
    "fault": Fault.CDN,
    "reason": "http.error",
    "confirmed": True,
}
TARGET = Target(name="ops", via=Via.ALERTMANAGER, url="http://127.0.0.1:9")


def rows(agent: str, signs: str, first: int = 0, domain: str = "www.acme.example") -> list[Record]:
    """A row a minute; `X` failed."""
    host = HostFacts(agent=agent, agent_version="0", config_digest="c1")
    found: list[Record] = []
    for number, sign in enumerate(signs):
        row = slot((first + number) * 60, id=f"{agent}-{domain}", domain=domain, host=host)
        found.append(replace(row, **FAILED) if sign == "X" else row)
    return found


async def stored(directory: Path, agent: str, records: Sequence[Record]) -> Path:
    store = Store.open(directory / agent, agent, SystemClock())
    await store.append(records)
    await store.close()
    return directory / agent


@pytest.fixture
async def hosts(tmp_path: Path) -> list[Path]:
    """Three results directories; the same outage of minutes 3 to 6, as each agent saw it."""
    signs = {"a1": "...XXXX........", "a2": "....XXX........", "a3": "...............  "}
    return [await stored(tmp_path, agent, rows(agent, signs[agent].strip())) for agent in AGENTS]


def test_three_agents_outage_is_one_incident(hosts: list[Path]) -> None:
    of = CopyIncidents(hosts, Rules(several=True))
    told = list(of.more())
    assert [each.stage for each in told] == [Stage.OPENED, Stage.CHANGED, Stage.CLOSED]
    (one,) = of.incidents()
    assert one.agents == ("a1", "a2")
    assert one.vantage_points == ("a1/bj-ct", "a2/bj-ct")
    assert (one.looking, one.rows) == (3, 7)
    assert not list(of.more()), "each line once"
    assert of.lines == 45


def test_n_of_m_spans_hosts(hosts: list[Path]) -> None:
    found = CopyIncidents(hosts, Rules(several=True, vantage_points=2))
    assert next(each.stage for each in found.more()) is Stage.OPENED
    assert not list(CopyIncidents(hosts, Rules(several=True, vantage_points=3)).more())


async def test_who_follows_is_told_as_lines_come(tmp_path: Path) -> None:
    host = await stored(tmp_path, "a1", rows("a1", "..X"))
    of = CopyIncidents([host], Rules(several=True))
    assert [each.stage for each in of.more()] == [Stage.OPENED]
    await stored(tmp_path, "a1", rows("a1", "XX", 3))
    assert not list(of.more())
    await stored(tmp_path, "a1", rows("a1", "......", 5))
    assert [each.stage for each in of.more()] == [Stage.CLOSED]


class Heard:
    def __init__(self) -> None:
        self.heard: list[str] = []

    async def __call__(self, delivery: Delivery, now_us: int) -> None:
        self.heard.append(f"{delivery.stage} {delivery.incident.domain} {','.join(delivery.incident.agents)}")


class Clock(SystemClock):
    wall_s = float(START_S)

    def time_ns(self) -> int:
        return round(self.wall_s * 1e9)


async def test_one_outage_of_three_hosts_is_one_call_and_a_restart_repeats_none(
    hosts: list[Path], tmp_path: Path
) -> None:
    send, clock, state = Heard(), Clock(), tmp_path / "state"
    for _ in range(3):  # each time a start
        of = CopyIncidents(hosts, Rules(several=True))
        calling = Calling(of, [TARGET], state, send, clock)
        for each in of.more():
            await calling.put(each)
        assert await calling.round() is None
        clock.wall_s += 120
    assert send.heard == ["opened www.acme.example a1,a2", "closed www.acme.example a1,a2"]
    kept = [json.loads(line) for line in (state / RECORD).read_text().splitlines()]
    assert [(line["event"], line["stage"]) for line in kept] == [
        ("call.delivered", "opened"),
        ("call.delivered", "closed"),
    ]
    (state / STATE).write_bytes(b"{}")
    with pytest.raises(OSError, match="move it away"):
        Calling(of, [TARGET], state, send, clock)


async def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    copy = tmp_path / "copy/a1/acme"
    copy.mkdir(parents=True)
    (copy / "000000000001.ndjson").write_text('{"kind":"slot","seq":1}\n')
    with pytest.raises(CodecError, match=r"a1/acme, line 1"):
        list(CopyIncidents([tmp_path / "copy"], Rules()).more())


# --- the command ----------------------------------------------------------------------------------------


def command(*typed: object) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["incidents", *map(str, typed)], standalone_mode=False)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        return 2, str(done.exception)
    return int(done.return_value or 0), done.output


async def test_the_command_shows_what_is_open_in_80_columns(tmp_path: Path) -> None:
    hosts = [await stored(tmp_path, agent, rows(agent, "..XXX")) for agent in AGENTS]
    code, out = command(*hosts)
    assert code == 1
    assert max(map(len, out.splitlines())) <= 80
    assert out.startswith("open   www.acme.example (acme)  failed, cdn")
    words = " ".join(out.split())
    assert "seen from 3 of 3 vantage points (a1/bj-ct, a2/bj-ct, a3/bj-ct)" in words
    assert "9 rows: acme/3, acme/3, acme/3 ..." in words or "9 rows: acme/3, acme/4" in words
    code, out = command(*hosts, "--json")
    one = json.loads(out)
    assert from_shown(one).agents == AGENTS
    assert one["first_failing"] == at(120)
    assert command(*hosts, "--domain", "img.acme.example") == (0, "No incident.\n")


async def test_closed_ones_are_shown_when_asked_for(hosts: list[Path]) -> None:
    assert command(*hosts) == (0, "No incident.\n")
    code, out = command(*hosts, "--all")
    assert code == 0
    assert out.startswith("closed www.acme.example (acme)")


def test_following_ends_and_tells_each_step(hosts: list[Path]) -> None:
    code, out = command(*hosts, "--follow", "--seconds", "0", "--json")
    assert code == 0
    assert [json.loads(line)["event"] for line in out.splitlines()] == [
        "incident.opened",
        "incident.changed",
        "incident.closed",
    ]


def test_a_file_of_calls_is_read_and_its_mistakes_named(hosts: list[Path], tmp_path: Path) -> None:
    file = tmp_path / "calls.yaml"
    file.write_text(
        "name: fleet\nincidents: {vantage_points: 3}\ncalls:\n"
        '  - {name: ops, alertmanager: "http://127.0.0.1:9"}\n'
    )
    typed = (*hosts, "--follow", "--seconds", "0", "--calls", file, "--state", tmp_path / "s")
    assert command(*typed) == (0, "")
    assert (tmp_path / "s" / STATE).is_file()
    file.write_text('name: fleet\ncalls: [{name: ops, alertmanager: "ftp://x"}]\n')
    assert "such as https://host/path" in command(*typed)[1]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (("--follow",), "--follow needs a COPY"),
        (("x", "--calls", "y"), "--calls and --state go together"),
        (("x", "--calls", "y", "--state", "z"), "--calls needs --follow"),
        (("--vantage-points", "2"), "needs a COPY"),
    ],
)
def test_what_does_not_go_together_is_said(typed: tuple[str, ...], words: str) -> None:
    assert words in command(*typed)[1]
