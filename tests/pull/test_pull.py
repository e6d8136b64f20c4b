"""Pulling from a host that is well, and from hosts that are not: the copy is an exact prefix, whatever happens."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from probe.core.proof.chain import line_digest
from probe.pull import Copy, CopyError, PullOptions, Source, State, pull_all
from probe.pull.client import RefusedError
from probe.pull.progress import Board
from tests.pull.server import TOKEN, FakeAgent, Signing, make_line, make_lines, serving


def source(agent: FakeAgent, **more: Any) -> Source:
    return Source(url=agent.url, token=lambda: TOKEN, **more)


def pull_options(**more: Any) -> PullOptions:
    return PullOptions(back_off=lambda failures, after: 0.0, **more)


async def pulled(agent: FakeAgent, into: Path, **more: Any) -> Board:
    return await pull_all([source(agent)], into, options=pull_options(**more))


def texts(into: Path, customer: str = "acme", agent: str = "a1") -> list[str]:
    """What is on the disk, all files one after another."""
    return [line.text for line in Copy(into).lines(agent, customer)]


async def test_a_stream_comes_over_byte_for_byte(tmp_path: Path) -> None:
    lines = make_lines(1234)
    async with serving(FakeAgent(streams={"acme": lines})) as agent:
        board = await pulled(agent, tmp_path)
    assert board.complete
    assert texts(tmp_path) == lines
    assert (tmp_path / "a1" / "agent.pub").read_bytes() == agent.signing.pem  # type: ignore[union-attr]
    (stream,) = Copy(tmp_path).streams()
    assert (stream.seq, stream.complete_up_to) == (1234, json.loads(lines[-1])["complete_up_to"])
    (verified,) = Copy(tmp_path).verify()
    assert (verified.ok, verified.rows, verified.witnessed_up_to) == (True, 1234, 1234)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_compressed(tmp_path: Path, coding: str) -> None:
    lines = make_lines(700)
    async with serving(FakeAgent(streams={"acme": lines}, coding=coding)) as agent:
        assert (await pulled(agent, tmp_path)).complete
    assert texts(tmp_path) == lines


async def test_a_second_pull_brings_only_what_is_new(tmp_path: Path) -> None:
    lines = make_lines(300)
    async with serving(FakeAgent(streams={"acme": lines[:100]})) as agent:
        await pulled(agent, tmp_path)
        agent.streams["acme"] = lines
        agent.asked.clear()
        board = await pulled(agent, tmp_path)
        assert agent.asked[1].startswith("/v1/results?customer=acme&after=100&")
        assert line_digest(lines[99].encode()) in agent.asked[1]
    assert board.streams[0].rows == 200
    assert texts(tmp_path) == lines


async def test_an_empty_stream_is_complete(tmp_path: Path) -> None:
    async with serving(FakeAgent(streams={"acme": []})) as agent:
        assert (await pulled(agent, tmp_path)).complete
    assert texts(tmp_path) == []
    assert Copy(tmp_path).verify()[0].ok


async def test_files_are_cut_by_rows_and_by_day(tmp_path: Path) -> None:
    lines = make_lines(25)
    async with serving(FakeAgent(streams={"acme": lines})) as agent:
        assert (await pulled(agent, tmp_path, file_rows=10)).complete
        previous = line_digest(lines[-1].encode())
        agent.streams["acme"] = [*lines, make_line(26, previous, scheduled_at="2031-01-01T00:00:00.000000Z")]
        assert (await pulled(agent, tmp_path, file_rows=10)).complete
    names = sorted(path.name for path in (tmp_path / "a1" / "acme").glob("0*.ndjson*"))
    assert names == [*(f"{seq:012d}.ndjson.zst" for seq in (1, 11, 21)), "000000000026.ndjson"]
    assert texts(tmp_path) == agent.streams["acme"]
    assert [line.seq for line in Copy(tmp_path).lines("a1", "acme", after=19)] == list(range(20, 27))
    assert Copy(tmp_path).verify()[0].ok


async def test_transfers_that_are_cut_are_gone_on_with(tmp_path: Path) -> None:
    lines = make_lines(400)
    cuts = [0, 1, 5000, 17_003, 100, 60_000, 3]
    async with serving(FakeAgent(streams={"acme": lines}, cut_after=cuts, piece=700)) as agent:
        board = await pulled(agent, tmp_path)
    assert board.complete
    assert texts(tmp_path) == lines
    assert not (tmp_path / "a1" / "acme" / "rejected").exists()


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_compressed_transfers_that_are_cut(tmp_path: Path, coding: str) -> None:
    lines = make_lines(300)
    agent = FakeAgent(streams={"acme": lines}, coding=coding, cut_after=[1, 3000, 9000])
    async with serving(agent):
        assert (await pulled(agent, tmp_path)).complete
    assert texts(tmp_path) == lines


async def test_a_host_that_only_ever_cuts_is_given_up(tmp_path: Path) -> None:
    async with serving(FakeAgent(streams={"acme": make_lines(9)}, cut_after=[10] * 100)) as agent:
        board = await pulled(agent, tmp_path, tries=3)
    assert (board.streams[0].state, len(agent.asked)) == (State.INCOMPLETE, 4)
    assert "given up after 3 tries" in str(board.streams[0].note)


async def test_busy_hosts_are_asked_again_when_they_say(tmp_path: Path) -> None:
    waits: list[tuple[int, float | None]] = []

    def back_off(failures: int, after_s: float | None) -> float:
        waits.append((failures, after_s))
        return 0.0

    refuse = [(429, {"Retry-After": "7"}, "slower"), (503, {}, "not yet"), (500, {}, "oh")]
    async with serving(FakeAgent(streams={"acme": make_lines(5)}, refuse=refuse)) as agent:
        board = await pull_all([source(agent)], tmp_path, options=PullOptions(back_off=back_off))
    assert board.complete
    assert waits == [(1, 7.0), (2, None), (3, None)]


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_refusals_are_final(tmp_path: Path, status: int) -> None:
    agent = FakeAgent(streams={"acme": make_lines(5)}, refuse=[(status, {}, "not you")] * 2)
    async with serving(agent):
        board = await pulled(agent, tmp_path)
    assert (board.streams[0].state, board.streams[0].note) == (State.REFUSED, f"HTTP {status}: not you")
    assert len(agent.asked) == 1


async def test_one_bad_host_does_not_stop_the_others(tmp_path: Path) -> None:
    good = FakeAgent(agent="good", streams={"acme": make_lines(50, agent="good")})
    bad = FakeAgent(agent="bad", streams={"acme": make_lines(50, agent="bad")}, spoil=lambda page: page[5:])
    async with serving(good), serving(bad):
        dead = Source(url="http://127.0.0.1:1", token=lambda: TOKEN)
        board = await pull_all([dead, source(bad), source(good)], tmp_path, options=pull_options(tries=2))
    states = {item.url: item.state for item in board.streams}
    assert states == {
        dead.url: State.INCOMPLETE, bad.url: State.REFUSED, good.url: State.COMPLETE
    }  # fmt: skip
    assert texts(tmp_path, agent="good") == good.streams["acme"]
    assert texts(tmp_path, agent="bad") == []


async def test_only_the_customers_asked_for(tmp_path: Path) -> None:
    streams = {name: make_lines(3, name) for name in ("acme", "zeta", "beta")}
    async with serving(FakeAgent(streams=streams)) as agent:
        board = await pull_all([source(agent)], tmp_path, customers=["zeta"], options=pull_options())
        assert board.complete
        assert [item.customer for item in Copy(tmp_path).streams()] == ["zeta"]
        board = await pull_all([source(agent)], tmp_path, customers=["zeta", "gone"], options=pull_options())
    assert {item.state for item in board.streams} == {State.COMPLETE, State.INCOMPLETE}
    assert any("no customer gone" in str(item.note) for item in board.streams)


async def test_an_agent_that_lost_results_is_told_loudly_and_the_copy_stays(tmp_path: Path) -> None:
    lines = make_lines(60)
    async with serving(FakeAgent(streams={"acme": lines})) as agent:
        await pulled(agent, tmp_path)
        agent.streams["acme"] = lines[:40]
        board = await pulled(agent, tmp_path)
        assert (board.streams[0].state, "409" in str(board.streams[0].note)) == (State.REFUSED, True)
        agent.streams["acme"] = make_lines(70, more=1)
        assert (await pulled(agent, tmp_path)).streams[0].state is State.REFUSED
    assert texts(tmp_path) == lines


async def test_an_agent_that_hides_its_loss_is_found_by_its_heads(tmp_path: Path) -> None:
    """It answers an old cursor with another stream; the head kept before says otherwise."""
    lines, other = make_lines(60), make_lines(60, more=1)
    agent = FakeAgent(streams={"acme": lines})
    async with serving(agent):
        stopped = pull_options(lines=10, page_bytes=2600)
        stopped.stop = stop_after(agent, 2, stopped.stop)
        await pull_all([source(agent)], tmp_path, options=stopped)
        had = texts(tmp_path)
        assert 0 < len(had) < 60
        agent.streams["acme"] = had + _rechained(other, had)
        board = await pulled(agent, tmp_path)
    assert board.streams[0].state is State.REFUSED
    assert board.streams[0].note is not None
    assert "two signed heads" in board.streams[0].note or "seen before" in board.streams[0].note
    assert texts(tmp_path) == had


def stop_after(agent: FakeAgent, pages: int, stop: asyncio.Event) -> asyncio.Event:
    """Set after so many pages were asked for."""
    sent = agent.spoil

    def count(page: list[str]) -> list[str]:
        if sum(path.startswith("/v1/results") for path in agent.asked) > pages + 1:
            stop.set()
        return page if sent is None else sent(page)

    agent.spoil = count
    return stop


def _rechained(lines: list[str], had: list[str]) -> list[str]:
    """Other lines that follow these as if they always had."""
    made: list[str] = []
    previous = line_digest(had[-1].encode())
    for line in lines[len(had) :]:
        made.append(json.dumps({**json.loads(line), "previous": previous}, separators=(",", ":")))
        previous = line_digest(made[-1].encode())
    return made


async def test_another_key_is_refused(tmp_path: Path) -> None:
    async with serving(FakeAgent(streams={"acme": make_lines(5)})) as agent:
        await pulled(agent, tmp_path)
        agent.signing = Signing()
        board = await pulled(agent, tmp_path)
        assert board.refused
        assert "another than the one known here" in str(board.streams[0].note)
        agent.tell_key = False
        assert "signs with the key" in str((await pulled(agent, tmp_path)).streams[0].note)
        agent.signing = None
        assert "not signed" in str((await pulled(agent, tmp_path)).streams[0].note)


async def test_the_id_of_a_key_is_kept_where_nobody_gives_the_key(tmp_path: Path) -> None:
    async with serving(FakeAgent(streams={"acme": make_lines(5)}, tell_key=False)) as agent:
        assert agent.signing is not None
        board = await pulled(agent, tmp_path)
        assert (board.complete, board.streams[0].proved) == (True, False)
        assert (tmp_path / "a1" / "agent.key-id").read_text() == agent.signing.id + "\n"
        given = source(agent, key_pem=agent.signing.pem)
        board = await pull_all([given], tmp_path, options=pull_options())
        assert (board.complete, board.streams[0].proved) == (True, True)
        agent.signing = Signing()
        assert (await pulled(agent, tmp_path)).refused


async def test_a_key_that_is_given_must_be_the_agents(tmp_path: Path) -> None:
    async with serving(FakeAgent(streams={"acme": make_lines(5)})) as agent:
        board = await pull_all([source(agent, key_pem=Signing().pem)], tmp_path, options=pull_options())
    assert board.refused
    assert texts(tmp_path) == []


async def test_a_host_without_a_key_is_pulled_and_said_to_be_unproved(tmp_path: Path) -> None:
    async with serving(FakeAgent(streams={"acme": make_lines(5)}, signing=None)) as agent:
        board = await pulled(agent, tmp_path)
    assert (board.complete, board.streams[0].proved) == (True, False)
    assert Copy(tmp_path).verify()[0].witnessed_up_to == 0


async def test_two_pulls_into_one_directory_refuse(tmp_path: Path) -> None:
    async with serving(FakeAgent(streams={"acme": make_lines(5)}, stall=True)) as agent:
        first = pull_options()
        running = asyncio.create_task(pull_all([source(agent)], tmp_path, options=first))
        while not (tmp_path / ".lock").exists():
            await asyncio.sleep(0.01)
        with pytest.raises(CopyError, match="another pull"):
            await pulled(agent, tmp_path)
        first.stop.set()
        board = await running
    assert {item.state for item in board.streams} <= {State.INCOMPLETE}


async def test_two_addresses_of_one_agent_refuse(tmp_path: Path) -> None:
    lines = make_lines(5)
    one, two = FakeAgent(streams={"acme": lines}), FakeAgent(streams={"acme": lines})
    two.signing = one.signing
    async with serving(one), serving(two):
        board = await pull_all([source(one), source(two)], tmp_path, options=pull_options())
    assert sorted(item.state for item in board.streams) == [State.COMPLETE, State.REFUSED]
    assert texts(tmp_path) == lines


async def test_confirmed_after_it_is_on_the_disk(tmp_path: Path) -> None:
    lines = make_lines(45)
    async with serving(FakeAgent(streams={"acme": lines})) as agent:
        assert (await pulled(agent, tmp_path, ack=True, lines=20, page_bytes=2600)).complete
    assert agent.acks[-1] == {"customer": "acme", "seq": 45, "digest": line_digest(lines[-1].encode())}
    kept = [json.loads(line)["seq"] for line in (tmp_path / "a1/acme/heads.ndjson").read_text().splitlines()]
    assert {ack["seq"] for ack in agent.acks} <= set(kept)


async def test_following_brings_what_comes(tmp_path: Path) -> None:
    lines = make_lines(30)
    following = pull_options(follow=True, pace_s=0.0)
    async with serving(FakeAgent(streams={"acme": lines[:10]})) as agent:
        running = asyncio.create_task(pull_all([source(agent)], tmp_path, options=following))
        for count in (10, 11, 30):
            agent.grow("acme", lines[len(agent.streams["acme"]) : count])
            async with asyncio.timeout(60):
                while not (tmp_path / "a1/acme/heads.ndjson").exists() or texts(tmp_path) != lines[:count]:
                    agent.grown.set()
                    await asyncio.sleep(0.02)
        following.stop.set()
        board = await running
    assert board.complete
    assert texts(tmp_path) == lines


@pytest.mark.parametrize("reached", [True, False])
async def test_following_a_host_that_never_answered_ends_when_it_shall(tmp_path: Path, reached: bool) -> None:
    stop = asyncio.Event()
    failures: list[int] = []

    def back_off(failure: int, after_s: float | None) -> float:
        failures.append(failure)
        if failure == 3:
            asyncio.get_running_loop().call_soon(stop.set)
        return 3600.0 if failure >= 3 else 0.0

    options = PullOptions(follow=True, stop=stop, back_off=back_off)
    async with serving(FakeAgent(streams={"acme": []}, refuse=[(503, {}, "not yet")] * 99)) as agent:
        pull = pull_all([source(agent)], tmp_path, options=options)
        if reached:
            board = await pull
    if not reached:
        board = await pull
    assert failures == [1, 2, 3]
    assert [(item.state, item.stream) for item in board.streams] == [(State.INCOMPLETE, None)]


async def test_a_host_that_lists_streams_without_end_is_refused(tmp_path: Path) -> None:
    streams: dict[str, list[str]] = {f"c{number}": [] for number in range(20_000)}
    async with serving(FakeAgent(streams=streams, signing=None)) as agent:
        board = await pulled(agent, tmp_path)
        assert [(item.state, item.stream) for item in board.streams] == [(State.REFUSED, None)]
        assert "20000 streams" in str(board.streams[0].note)
        assert len(agent.asked) == 1
        one = await pull_all([source(agent)], tmp_path, customers=["c7"], options=pull_options())
        assert [(item.state, str(item.stream)) for item in one.streams] == [(State.COMPLETE, "a1/c7")]


async def test_no_more_lines_than_were_asked_for_are_held(tmp_path: Path) -> None:
    lines = make_lines(50)

    def everything(page: list[str]) -> list[str]:
        return [*lines[json.loads(page[0])["seq"] - 1 :], page[-1]] if len(page) > 1 else page

    async with serving(FakeAgent(streams={"acme": lines}, spoil=everything)) as agent:
        board = await pulled(agent, tmp_path, lines=10, page_bytes=1 << 12)
    assert texts(tmp_path) == lines
    assert board.complete
    assert len(agent.asked) > 5, "a page at a time"


def _dropped(lines: list[str], first: int, last: int) -> str:
    gone = {
        "kind": "dropped", "first_seq": first, "last_seq": last, "previous": line_digest(lines[first - 2].encode()),
        "digest": line_digest(lines[last - 1].encode()), "reason": "keep.age",
    }  # fmt: skip
    return json.dumps(gone, separators=(",", ":"))


async def test_what_was_dropped_is_gone_and_told(tmp_path: Path) -> None:
    lines = make_lines(50)
    event = {
        "kind": "event", "agent": "a1", "host": None, "at": "2023-11-14T22:20:00Z", "event": "retention.dropped",
        "detail": {"first_seq": "11", "last_seq": "30", "what": "all", "digest": line_digest(lines[29].encode())},
    }  # fmt: skip
    lines.append(make_line(51, line_digest(lines[-1].encode()), **event))
    kept = [*lines[:10], _dropped(lines, 11, 30), *lines[30:]]
    async with serving(FakeAgent(streams={"acme": kept})) as agent:
        board = await pulled(agent, tmp_path)
    assert (board.complete, board.streams[0].rows, board.streams[0].dropped) == (True, 31, 20)
    (dropped,) = Copy(tmp_path).dropped("a1", "acme")
    assert (dropped.first_seq, dropped.last_seq, dropped.reason) == (11, 30, "keep.age")
    (verified,) = Copy(tmp_path).verify()
    assert (verified.problem, verified.dropped) == (None, 20)


async def test_rows_that_only_the_messenger_says_were_dropped_are_found(tmp_path: Path) -> None:
    lines = make_lines(50)
    async with serving(
        FakeAgent(streams={"acme": [*lines[:10], _dropped(lines, 11, 30), *lines[30:]]})
    ) as agent:
        await pulled(agent, tmp_path)
    (verified,) = Copy(tmp_path).verify()
    assert (verified.ok, verified.first_bad) == (False, 11)


async def test_records_of_an_old_version_are_taken_until_one_is_chained(tmp_path: Path) -> None:
    old = [make_line(seq, None) for seq in (1, 2, 3)]
    new = [make_line(4, line_digest(old[-1].encode()))]
    new.append(make_line(5, line_digest(new[-1].encode())))
    async with serving(FakeAgent(streams={"acme": old + new})) as agent:
        assert (await pulled(agent, tmp_path)).complete
        agent.streams["acme"] = [*old, *new, make_line(6, None)]
        board = await pulled(agent, tmp_path)
    assert board.streams[0].state is State.REFUSED
    assert texts(tmp_path) == old + new


async def test_an_answer_that_is_no_api(tmp_path: Path) -> None:
    agent = FakeAgent(streams={"acme": make_lines(5)})
    async with serving(agent):
        portal = Source(url=agent.url + "/portal", token=lambda: TOKEN)
        board = await pull_all([portal], tmp_path, options=pull_options())
    assert "404" in str(board.streams[0].note)


@pytest.mark.parametrize("name", ["../up", "", "a/b", ".", "rejected/x", "A"])
async def test_names_that_leave_the_directory_are_refused(tmp_path: Path, name: str) -> None:
    into = tmp_path / "into"
    agent = FakeAgent(agent=name, streams={"acme": []})
    async with serving(agent):
        board = await pulled(agent, into)
    assert board.streams[0].state is State.REFUSED
    assert [path.name for path in tmp_path.rglob("*")] == ["into", ".lock"]


@pytest.mark.parametrize(
    "url",
    ["http://203.0.113.1", "ftp://x", "https://name:secret-1@h", "https://h/?token=secret-1", "nonsense"],
)
async def test_addresses_that_would_tell_the_token(tmp_path: Path, url: str) -> None:
    with pytest.raises(RefusedError) as caught:
        await pull_all([Source(url=url, token=lambda: TOKEN)], tmp_path / "x", options=pull_options())
    assert "secret-1" not in str(caught.value)
    assert not (tmp_path / "x").exists()


async def test_a_host_that_stalls_is_given_up_and_the_others_come_over(tmp_path: Path) -> None:
    stalled = FakeAgent(agent="bad", streams={"acme": make_lines(5, agent="bad")}, stall=True)
    good = FakeAgent(streams={"acme": make_lines(5)})
    async with serving(stalled), serving(good):
        board = await pull_all(
            [source(stalled), source(good)], tmp_path, options=pull_options(idle_s=0.2, tries=2)
        )
    assert {item.url: (item.state, item.note) for item in board.streams} == {
        stalled.url: (State.INCOMPLETE, "given up after 2 tries: no answer in time"),
        good.url: (State.COMPLETE, None),
    }


async def test_one_customers_stream_that_is_tampered_with_does_not_stop_the_others(tmp_path: Path) -> None:
    def spoil(page: list[str]) -> list[str]:
        return page[1:] if '"zeta"' in page[0] else page

    streams = {name: make_lines(20, name) for name in ("acme", "zeta", "beta")}
    following = pull_options(follow=True, pace_s=0.01)
    async with serving(FakeAgent(streams=streams, spoil=spoil)) as agent:
        running = asyncio.create_task(pull_all([source(agent)], tmp_path, options=following))
        async with asyncio.timeout(60):
            while not (tmp_path / "a1/beta").is_dir() or texts(tmp_path, "beta") != streams["beta"]:
                await asyncio.sleep(0.02)
            while not list((tmp_path / "a1/zeta").glob("rejected/*")):
                await asyncio.sleep(0.02)
        following.stop.set()
        board = await running
    assert {str(item.stream): item.state for item in board.streams} == {
        "a1/acme": State.COMPLETE, "a1/zeta": State.REFUSED, "a1/beta": State.COMPLETE
    }  # fmt: skip
    assert not board.complete


async def test_a_host_that_cannot_wait_is_asked_ever_less_often(tmp_path: Path) -> None:
    pauses: list[float] = []

    class Patient(PullOptions):
        async def pause(self, seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) > 8:
                self.stop.set()
            await asyncio.sleep(0)

    following = Patient(follow=True, pace_s=0.5)
    async with serving(FakeAgent(streams={"acme": make_lines(3)}, impatient=True)) as agent:
        board = await pull_all([source(agent)], tmp_path, options=following)
    assert board.complete
    assert pauses[-1] > 20 > pauses[0] > 0.3
