"""Sealed files: whole or not there, made once, and never of what does not hold together."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from probe.core.config.results import SegmentsConfig
from probe.core.proof.manifest import parse_manifest
from probe.core.tables.columns import EXPORTED
from probe.host.clock import SystemClock
from probe.pull.chain import LINE_MOST_BYTES
from probe.seal import segment_files
from probe.seal.keys import Keys
from probe.seal.sealer import Sealer
from probe.seal.segment_files import LinesError, Read
from probe.seal.segments import SealRefused, Segments
from probe.services.verification import verify
from probe.store.base.parts import parts_of
from probe.store.read.reader import Reader
from probe.store.store import Store
from tests.seal.made import AGENT, CUSTOMERS, SetClock, filled, lines_of, rows_of, sealed
from tests.store.base.test_parts import change_a_body


async def more(directory: Path, count: int, first: int = 1000) -> None:
    store = Store.open(directory, AGENT, SystemClock())
    for customer in CUSTOMERS:
        await store.append(rows_of(customer, first, count))
    await store.close()


def manifests(directory: Path, customer: str = "acme") -> list[Any]:
    return [
        parse_manifest(path.read_bytes()) for path in sorted((directory / customer).glob("*/*.manifest.json"))
    ]


def sealed_lines(directory: Path, customer: str = "acme") -> list[str]:
    files = sorted((directory / customer).glob("*/*.ndjson.zst"), key=lambda path: path.name)
    return [line.decode() for file in files for line in Read(file).lines()]


def tree(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Every sealed file, with its inode: what is sealed is never touched again."""
    return {
        str(path): (path.stat().st_ino, path.read_bytes())
        for customer in CUSTOMERS
        for path in (directory / customer).glob("*/*")
    }


async def test_segments_hold_the_lines_byte_for_byte_and_follow_each_other(tmp_path: Path) -> None:
    await filled(tmp_path, 30)
    await sealed(tmp_path, 12)
    assert sealed_lines(tmp_path) == lines_of(tmp_path, "acme")
    made = manifests(tmp_path)
    assert [(m.first_seq, m.last_seq, m.count, m.files[0].rows) for m in made] == [
        (1, 12, 12, 12),
        (13, 24, 12, 12),
        (25, 30, 6, 6),
    ]
    names = sorted(path.name for path in (tmp_path / "acme").glob("*/*"))
    assert names[:6] == [
        f"a1-000000000001-000000000012.{ending}"
        for ending in (
            "events.csv.zst",
            "grains.csv.zst",
            "manifest.json",
            "ndjson.zst",
            "requests.csv.zst",
            "slots.csv.zst",
        )
    ]
    assert {path.parent.name for path in (tmp_path / "acme").glob("*/*")} == {"2023-11-14"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "acme").glob("*/*")} == {0o440}
    assert list((tmp_path / "_aside").iterdir()) == []
    head = json.loads((tmp_path / "acme" / "HEAD.json").read_text())
    assert head["seq"] == 30
    assert made[-1].head.to_json() == head
    assert (made[0].scheduled_first, made[0].scheduled_last) == (
        "2023-11-14T22:13:20.000000Z",
        "2023-11-14T22:24:20.000000Z",
    )


async def test_nothing_new_makes_nothing_and_what_is_sealed_stays_as_it_is(tmp_path: Path) -> None:
    await filled(tmp_path, 20)
    await sealed(tmp_path)
    before = tree(tmp_path)
    await sealed(tmp_path)
    assert tree(tmp_path) == before
    await more(tmp_path, 3)
    await sealed(tmp_path)
    after = tree(tmp_path)
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 2 * (2 + len(EXPORTED))
    assert sealed_lines(tmp_path) == lines_of(tmp_path, "acme")
    assert verify(tmp_path).good


async def test_old_segments_may_be_moved_away(tmp_path: Path) -> None:
    await filled(tmp_path, 20)
    await sealed(tmp_path)
    for path in (tmp_path / "acme").glob("*/*"):
        path.unlink()
    await more(tmp_path, 3)
    await sealed(tmp_path)
    assert [(m.first_seq, m.last_seq) for m in manifests(tmp_path)] == [(21, 23)]
    (report,) = [r for r in verify(tmp_path).streams if (r.customer, r.source) == ("acme", "segments")]
    assert (report.problems, report.notes) == ((), ("begins with record 21: older segments are not here",))


@pytest.mark.parametrize("lost", [["_seal.json"], ["_seal.json", "HEAD.json"], ["HEAD.json"]])
async def test_where_sealing_stands_is_known_from_what_is_sealed(tmp_path: Path, lost: list[str]) -> None:
    await filled(tmp_path, 20)
    await sealed(tmp_path)
    before = tree(tmp_path)
    for name in lost:
        for place in (tmp_path, tmp_path / "acme"):
            (place / name).unlink(missing_ok=True)
    if lost == ["_seal.json"]:
        (tmp_path / "_seal.json").write_text("{ rubbish")
    await sealed(tmp_path)
    assert tree(tmp_path) == before


class Killed(BaseException):
    """The end of the process, as far as it can be played within one."""


@pytest.mark.parametrize("parquet", [False, True])
async def test_stopped_at_any_call_that_changes_a_name_it_goes_on_as_if_nothing_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parquet: bool
) -> None:
    await filled(tmp_path, 20)
    Keys.open(tmp_path)
    real = os.replace
    at = 0
    while True:
        at += 1
        calls = 0

        def replace(old: Any, new: Any, at: int = at) -> None:
            nonlocal calls
            calls += 1
            if calls > at:
                raise Killed
            real(old, new)

        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", replace)
            try:
                await sealed(tmp_path, 7, parquet=parquet)
            except Killed:
                pass
            else:
                break
        for path in (tmp_path / "acme").glob("*/*"):
            assert path.name.startswith("a1-"), "nothing half written under a name"
        assert at < 100
    assert at >= 6, "it was stopped before and after every file of a segment"
    assert sealed_lines(tmp_path) == lines_of(tmp_path, "acme")
    assert [(m.first_seq, m.last_seq) for m in manifests(tmp_path)] == [(1, 7), (8, 14), (15, 20)]
    found = verify(tmp_path)
    assert found.good, found


SEALING = """
import asyncio, sys
from pathlib import Path
from tests.seal.made import sealed
asyncio.run(sealed(Path(sys.argv[1]), 40))
"""


@pytest.mark.long
async def test_killed_at_any_moment_it_leaves_whole_segments_or_none(tmp_path: Path) -> None:
    await filled(tmp_path, 400)
    rng = random.Random(3)
    for _ in range(12):
        process = subprocess.Popen([sys.executable, "-c", SEALING, str(tmp_path)], stderr=subprocess.DEVNULL)
        with_key = time.monotonic() + 60
        while not (tmp_path / "_aside").exists() and process.poll() is None and time.monotonic() < with_key:
            await asyncio.sleep(0.005)
        await asyncio.sleep(rng.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        if (tmp_path / "acme").exists() and any((tmp_path / "acme").glob("*/*.manifest.json")):
            found = [r for r in verify(tmp_path).streams if r.source == "segments"]
            assert all(not report.problems for report in found), found
    await sealed(tmp_path, 40)
    assert sealed_lines(tmp_path) == lines_of(tmp_path, "acme")
    assert verify(tmp_path).good
    assert list((tmp_path / "_aside").iterdir()) == []


async def test_a_full_disk_leaves_nothing_and_the_next_round_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await filled(tmp_path, 20)
    Keys.open(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(segment_files.Digesting, "write", full)
        await sealed(tmp_path)
    assert "seal.failed" in caplog.messages
    assert tree(tmp_path) == {}
    assert list((tmp_path / "_aside").iterdir()) == []
    with monkeypatch.context() as patched:
        patched.setattr("probe.seal.segments.write_whole", full)  # the manifest
        await sealed(tmp_path)
    assert manifests(tmp_path) == []
    await sealed(tmp_path)
    assert sealed_lines(tmp_path) == lines_of(tmp_path, "acme")
    assert verify(tmp_path).good


async def test_what_was_altered_is_not_signed_and_others_are_not_held_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await filled(tmp_path, 20)
    change_a_body(parts_of(tmp_path)[0], 9, lambda body: body.replace("www.acme", "www.evil"))
    await sealed(tmp_path)
    assert manifests(tmp_path) == []
    assert not (tmp_path / "acme" / "HEAD.json").exists()
    assert [m.last_seq for m in manifests(tmp_path, "other")] == [12, 20]
    (told,) = [record for record in caplog.records if record.message == "seal.refused"]
    assert "record 9 was changed" in told.fields["error"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("seq", [12, 20])
async def test_a_last_line_that_was_altered_is_not_signed(tmp_path: Path, seq: int) -> None:
    await filled(tmp_path, 20)
    change_a_body(parts_of(tmp_path)[0], seq, lambda body: body.replace("www.acme", "www.evil"))
    await sealed(tmp_path)
    assert max((m.last_seq for m in manifests(tmp_path)), default=0) < seq


async def test_a_store_put_back_from_a_copy_is_not_signed_as_another_history(tmp_path: Path) -> None:
    await filled(tmp_path, 20)
    await sealed(tmp_path)
    segments = Segments(tmp_path, Keys.open(tmp_path), SetClock())
    for path in (tmp_path / "results.db", *(tmp_path / "_parts").iterdir()):
        path.unlink()
    await filled(tmp_path, 10)  # by whoever asks nobody how far the streams went
    with (
        Reader.open(tmp_path) as reader,
        pytest.raises(SealRefused, match="ends at 10, and up to 20 it is sealed"),
    ):
        segments.seal(reader, "acme")
    await more(tmp_path, 30)
    with Reader.open(tmp_path) as reader, pytest.raises(SealRefused):
        segments.seal(reader, "acme")


@pytest.mark.long
async def test_parquet_beside_ndjson(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    await filled(tmp_path, 20)
    await sealed(tmp_path, parquet=True)
    tables = [parquet.read_table(path) for path in sorted((tmp_path / "acme").glob("*/*[0-9].parquet"))]
    assert [line for table in tables for line in table["record"].to_pylist()] == lines_of(tmp_path, "acme")
    assert [seq for table in tables for seq in table["seq"].to_pylist()] == list(range(1, 21))
    assert [[f.name.removeprefix(m.stem) for f in m.files] for m in manifests(tmp_path)] == [
        [".ndjson.zst", ".parquet", *(f".{name}.parquet" for name in EXPORTED)]
    ] * 2
    assert verify(tmp_path).good
    some = next((tmp_path / "acme").glob("*/*.parquet"))
    some.chmod(0o640)
    some.write_bytes(some.read_bytes()[:-1] + b"x")
    assert [p.file for r in verify(tmp_path).streams for p in r.problems] == [str(some.relative_to(tmp_path))]


async def test_without_pyarrow_it_says_so_and_seals_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    await filled(tmp_path, 5)
    await sealed(tmp_path, parquet=True)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["seal.no_parquet"]
    assert sealed_lines(tmp_path) == lines_of(tmp_path, "acme")


# --- beside the agent -----------------------------------------------------------------------------


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.01)


async def test_it_seals_at_once_and_with_each_period_of_the_wall_clock(tmp_path: Path) -> None:
    clock = SetClock()
    sealer = Sealer(tmp_path, SegmentsConfig(), clock)
    await filled(tmp_path, 5)
    assert sealer.delay_s() == 0
    assert await sealer.run() is None
    assert len(sealed_lines(tmp_path)) == 5
    clock.wall_ns += 600 * 10**9
    rest_s = (3600 * 10**9 - clock.wall_ns % (3600 * 10**9)) / 1e9
    assert sealer.delay_s() == pytest.approx(rest_s, abs=0.01), "until the hour is over"
    await more(tmp_path, 2)
    clock.wall_ns += 3600 * 10**9
    assert sealer.delay_s() == 0
    assert await sealer.run() is None
    assert len(sealed_lines(tmp_path)) == 7
    await more(tmp_path, 1, 2000)
    clock.wall_ns -= 30 * 86400 * 10**9  # a clock that is set back harms nothing
    assert sealer.delay_s() == 0
    assert await sealer.run() is None
    assert len(sealed_lines(tmp_path)) == 8
    assert verify(tmp_path).good


async def test_what_could_not_be_sealed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sealer = Sealer(tmp_path, SegmentsConfig(), SystemClock())
    await filled(tmp_path, 5)

    def refuses(*_: object) -> None:
        raise OSError("no room")

    with monkeypatch.context() as patched:
        patched.setattr("probe.seal.segments.Segments.seal", refuses)
        problem = await sealer.run()
        assert problem is not None
        assert "acme: no room" in problem
    assert await sealer.run() is None


async def test_it_ends_in_the_middle_of_sealing(tmp_path: Path) -> None:
    await filled(tmp_path, 400)
    sealer = Sealer(tmp_path, SegmentsConfig(), SystemClock(), most_rows=5)
    running = asyncio.create_task(sealer.run())
    await until(lambda: (tmp_path / "acme").exists())
    sealer.end_run()
    await asyncio.wait_for(running, 60)
    assert len(sealed_lines(tmp_path)) < 400
    await sealed(tmp_path)
    assert sealed_lines(tmp_path) == lines_of(tmp_path, "acme")


# --- reading files --------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".ndjson", ".ndjson.gz", ".ndjson.zst"])
def test_a_file_that_is_cut_is_never_taken_for_the_whole(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x{ending}"
    with open(path, "wb") as file, segment_files.compressed(file, path.name) as out:
        out.write(b"".join(b"%d %s\n" % (i, os.urandom(20).hex().encode()) for i in range(5000)))
    whole = path.read_bytes()
    read = Read(path)
    assert len(list(read.lines())) == 5000
    assert (read.size, read.cut) == (len(whole), False)
    for size in (len(whole) - 1, len(whole) // 2, 3):
        path.write_bytes(whole[:size])
        read = Read(path)
        try:
            list(read.lines())
        except LinesError:
            continue
        assert read.cut
        assert ending == ".ndjson"


@pytest.mark.parametrize("ending", [".ndjson", ".ndjson.zst", ".ndjson.gz"])
def test_a_line_as_long_as_a_pull_takes_is_read_and_none_that_is_longer(tmp_path: Path, ending: str) -> None:
    path, longest = tmp_path / f"x{ending}", b"y" * LINE_MOST_BYTES
    with open(path, "wb") as file, segment_files.compressed(file, path.name) as out:
        out.write(b"before\n" + longest + b"\nafter\n\nend\n")
    assert list(Read(path).lines()) == [b"before", longest, b"after", b"", b"end"]
    with open(path, "wb") as file, segment_files.compressed(file, path.name) as out:
        out.write(b"before\n" + longest + b"y\nafter\n")
    with pytest.raises(LinesError, match=f"longer than {LINE_MOST_BYTES} bytes"):
        list(Read(path).lines())


def test_a_bomb_needs_no_more_memory_than_a_line_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_files, "LINE_MOST_BYTES", 1 << 20)
    path = tmp_path / "x.ndjson.zst"
    with open(path, "wb") as file, segment_files.compressed(file, path.name) as out:
        for _ in range(50):
            out.write(b"x" * (1 << 20))
    with pytest.raises(LinesError, match="longer than"):
        list(Read(path).lines())
