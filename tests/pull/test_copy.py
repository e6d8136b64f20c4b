"""The copy on disk: killed, cut, full, altered, moved about; and what an evaluator reads from it."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import zstandard

from probe.core.proof.chain import GENESIS, line_digest
from probe.core.records.codec import encode
from probe.core.records.rows import EventRecord, SlotRecord
from probe.pull import Copy, CopyError, State, copy_dir, layout
from probe.pull.chain import StreamName
from probe.pull.copy_dir import StreamFiles
from probe.pull.layout import lines_backwards, pack, whole_size
from probe.services.verification import verify
from tests.pull.server import FakeAgent, Signing, make_line, make_lines, serving
from tests.pull.test_pull import pull_options, pulled, texts
from tests.support.rows import at, event, missed, slot

LINES = make_lines(40)
STREAM = StreamName("a1", "acme")
SIGNING = Signing()


async def copied(into: Path, lines: list[str] = LINES, signing: Signing = SIGNING, **more: Any) -> Path:
    """A copy of a whole stream; gives the stream's directory."""
    async with serving(FakeAgent(streams={"acme": lines}, signing=signing)) as agent:
        assert (await pulled(agent, into, **more)).complete
    return into / "a1" / "acme"


def edit(file: Path, change: Callable[[str], str]) -> None:
    """Change the lines of a file, plain or packed."""
    data = file.read_bytes()
    if file.suffix != ".zst":
        file.write_bytes(change(data.decode()).encode())
        return
    packed = zstandard.ZstdDecompressor().decompressobj()
    file.write_bytes(zstandard.compress(change(packed.decompress(data).decode()).encode()))


def opened(into: Path) -> int:
    """The cursor that the files give."""
    files = StreamFiles.open(into, STREAM)
    files.close()
    return files.cursor.seq


async def test_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    path = await copied(tmp_path)
    file = path / "000000000001.ndjson"
    with open(file, "ab") as stream:
        stream.write(b'{"kind":"slot","seq":41,"cust')
    assert texts(tmp_path) == LINES
    assert opened(tmp_path) == 40
    assert file.read_text().splitlines() == LINES


async def test_what_was_never_on_the_disk_for_certain_is_pulled_again(tmp_path: Path) -> None:
    """After a loss of power anything may stand behind the last fsync."""
    path = await copied(tmp_path)
    with open(path / "000000000001.ndjson", "ab") as stream:
        stream.write(b"\0" * 50 + b"\n" + b"rubbish\n" + LINES[3].encode() + b"\n")
    assert opened(tmp_path) == 40


async def test_an_empty_file_begun_before_a_kill(tmp_path: Path) -> None:
    path = await copied(tmp_path)
    (path / "000000000041.ndjson").write_bytes(b"")
    more = make_lines(50)
    await copied(tmp_path, more)
    assert texts(tmp_path) == more
    assert not (path / "000000000041.ndjson").exists()


@pytest.mark.parametrize("cut", [0, 1, 39])
async def test_a_copy_whose_tail_was_cut_is_told(tmp_path: Path, cut: int) -> None:
    path = await copied(tmp_path)
    (path / "000000000001.ndjson").write_text("".join(f"{line}\n" for line in LINES[:cut]))
    with pytest.raises(CopyError):
        opened(tmp_path)
    (verified,) = Copy(tmp_path).verify()
    assert (verified.ok, verified.first_bad) == (False, cut + 1)
    async with serving(FakeAgent(streams={"acme": LINES}, signing=SIGNING)) as agent:
        board = await pulled(agent, tmp_path)
    assert board.streams[0].state is State.REFUSED
    assert "restore" in str(board.streams[0].note).lower()


async def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    path = await copied(tmp_path, file_rows=10)
    for seq, bad in ((11, 11), (31, 31)):
        (away,) = path.glob(f"{seq:012d}.ndjson*")
        kept = away.read_bytes()
        away.unlink()
        assert Copy(tmp_path).verify()[0].first_bad == bad
        away.write_bytes(kept)
    (path / "000000000001.ndjson.zst").unlink()
    (verified,) = Copy(tmp_path).verify()
    assert (verified.ok, verified.begins_at, verified.rows) == (True, 11, 30)


@pytest.mark.parametrize("place", [1, 2, 17, 38, 39, 40])
async def test_an_edited_line_is_named(tmp_path: Path, place: int) -> None:
    path = await copied(tmp_path, file_rows=10)
    for file in path.glob("0*.ndjson*"):
        edit(
            file, lambda text: re.sub(rf'"kind":"slot","seq":{place},', f'"kind":"slit","seq":{place},', text)
        )
    assert Copy(tmp_path).verify()[0].first_bad == place
    if place > 30:
        with pytest.raises(CopyError, match="altered"):
            opened(tmp_path)


async def test_heads_that_were_altered_are_told(tmp_path: Path) -> None:
    path = await copied(tmp_path)
    file = path / "heads.ndjson"
    file.write_text(file.read_text().replace('"clock_max_error_us":5', '"clock_max_error_us":6'))
    assert Copy(tmp_path).verify()[0].problem is not None
    file.write_text("{}\n")
    assert "damaged or altered" in str(Copy(tmp_path).verify()[0].problem)
    with pytest.raises(CopyError, match="damaged or altered"):
        opened(tmp_path)


async def test_a_copy_with_another_key_beside_it_is_told(tmp_path: Path) -> None:
    await copied(tmp_path / "one")
    await copied(tmp_path / "two", signing=Signing())
    shutil.copy(tmp_path / "one/a1/agent.pub", tmp_path / "two/a1/agent.pub")
    assert Copy(tmp_path / "two").verify()[0].first_bad == 40


@pytest.mark.parametrize("call", ["write", "fsync", "open"])
async def test_a_full_disk_is_said_and_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    lines = make_lines(200)
    into = tmp_path / "into"
    left = [3]
    real = getattr(os, call)

    def full(*arguments: Any, **more: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            if call == "write":
                real(arguments[0], bytes(arguments[1])[:100])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments, **more)

    async with serving(FakeAgent(streams={"acme": lines})) as agent:
        for room in (0, 1, 2, 3, 5, 8):
            left[0] = room
            with monkeypatch.context() as patched:
                patched.setattr(copy_dir.os, call, full)
                board = None
                with suppress(OSError):  # not even the lock
                    board = await pulled(agent, into, lines=20, page_bytes=5200)
                if board is not None:
                    assert board.streams[0].state is State.INCOMPLETE
                    assert "No space left on device" in str(board.streams[0].note)
            if (into / "a1" / "acme").is_dir():
                had = texts(into)
                assert had == lines[: len(had)]
        assert (await pulled(agent, into)).complete
    assert texts(into) == lines
    assert Copy(into).verify()[0].ok


async def test_what_is_refused_is_kept_aside_with_the_reason(tmp_path: Path) -> None:
    agent = FakeAgent(
        streams={"acme": LINES}, spoil=lambda page: [*page[:7], page[7].replace("slot", "slit"), *page[8:]]
    )
    async with serving(agent):
        for _ in range(3):
            board = await pulled(agent, tmp_path)
    place = tmp_path / "a1/acme/rejected"
    (told,) = [json.loads(file.read_text()) for file in place.glob("*.json")]
    assert told["seq"] == 8
    assert "8 was altered" in told["reason"]
    assert "slit" in (place / told["received"]).read_text()
    assert str(place) in str(board.streams[0].note)
    assert texts(tmp_path) == []


def test_lines_backwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "f"
    for size in (1, 2, 3, 7, 100):
        monkeypatch.setattr("probe.pull.layout.READ_BYTES", size)
        for data in (b"", b"\n", b"a\n", b"a\nbb\n\nccc\n", b"torn", b"a\nbb\ntorn"):
            file.write_bytes(data)
            whole = data[: data.rfind(b"\n") + 1]
            assert whole_size(file) == len(whole), (size, data)
            assert list(lines_backwards(file)) == whole.split(b"\n")[:-1][::-1], (size, data)


# --- reading ------------------------------------------------------------------------------------------


def stored(records: list[Any], complete: str | None) -> list[str]:
    """Records as the store writes them."""
    lines: list[str] = []
    previous = GENESIS
    for seq, record in enumerate(records, 1):
        made = {**json.loads(encode(record)), "seq": seq, "previous": previous, "complete_up_to": complete}
        lines.append(json.dumps(made, separators=(",", ":")))
        previous = line_digest(lines[-1].encode())
    return lines


ROWS = [
    slot(0),
    slot(300),
    missed(600),
    slot(900),
    event("agent.started"),
    missed(1200, "agent.stopped"),
    slot(1500),
]


async def test_records_of_a_span(tmp_path: Path) -> None:
    await copied(tmp_path, stored(ROWS, at(1800)))
    copy = Copy(tmp_path)
    everything = list(copy.records("a1", "acme"))
    assert len(everything) == len(ROWS)
    assert [type(record) for record in everything].count(EventRecord) == 1
    some = list(copy.records("a1", "acme", since=at(300), until=at(1200)))
    assert [r.scheduled_at for r in some if isinstance(r, SlotRecord)] == [at(300), at(600), at(900)]
    assert copy.complete_up_to("a1", "acme") == at(1800)


async def test_coverage_shows_the_denominators(tmp_path: Path) -> None:
    gap = {"reason": "agent.crashed", "records": "5", "first": at(700), "last": at(800)}
    rows = [*ROWS, event("ledger.gap").__class__(**{**_fields(event("ledger.gap")), "detail": gap})]
    await copied(tmp_path, stored(rows, at(1500)))
    copy = Copy(tmp_path)
    found = copy.coverage("a1", "acme", at(0), at(1500))
    (sums,) = found.tasks.values()
    assert (sums.due, sums.measured, sums.missed) == (5, 3, 2)
    assert sums.reasons == {"agent.stalled": 1, "agent.stopped": 1}
    assert (found.complete, len(found.gaps), found.dropped) == (True, 1, ())
    assert not copy.coverage("a1", "acme", at(0), at(1501)).complete
    assert copy.coverage("a1", "acme", at(900), at(1500)).gaps == ()


def _fields(record: EventRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


async def test_the_example_of_the_guide_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await copied(tmp_path, stored(ROWS, at(1800)))
    guide = (Path(__file__).parents[2] / "docs" / "pulling.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", guide, re.S)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)
    names["report"](tmp_path, "a1", "acme", at(0), at(1800))
    out = capsys.readouterr().out
    assert "4 of 6 measured" in out
    grains = names["grains"](tmp_path, "a1", "acme", at(0), at(1800))
    counts = next(iter(grains.values()))
    assert sum(n["due"] for n in counts.values()) == 6
    assert sum(n["not_measured"] for n in counts.values()) == 2
    names["report"](tmp_path, "a1", "acme", at(0), at(9000))
    assert "not complete" in capsys.readouterr().out


async def test_a_copy_without_that_stream(tmp_path: Path) -> None:
    await copied(tmp_path)
    with pytest.raises(CopyError, match="nothing of a1/zeta"):
        list(Copy(tmp_path).records("a1", "zeta"))
    with pytest.raises(ValueError, match="no name"):
        Copy(tmp_path).complete_up_to("..", "acme")
    assert Copy(tmp_path / "not there").streams() == []


async def test_a_record_of_another_version_is_named(tmp_path: Path) -> None:
    await copied(tmp_path, [make_line(1, GENESIS)])
    with pytest.raises(CopyError, match=r"000000000001\.ndjson"):
        list(Copy(tmp_path).records("a1", "acme"))


def test_manner_is_not_shared() -> None:
    assert pull_options().stop is not pull_options().stop


# --- files that are packed ----------------------------------------------------------------------------


async def test_a_full_file_is_packed_and_read_as_before(tmp_path: Path) -> None:
    path = await copied(tmp_path, file_rows=10)
    names = sorted(file.name for file in path.glob("0*"))
    assert names == [*(f"{seq:012d}.ndjson.zst" for seq in (1, 11, 21)), "000000000031.ndjson"]
    plain = zstandard.decompress((path / names[0]).read_bytes())  # one frame that tells its size
    assert plain.decode().splitlines() == LINES[:10]
    copy = Copy(tmp_path)
    assert texts(tmp_path) == LINES
    assert [line.text for line in copy.lines_backwards("a1", "acme")] == LINES[::-1]
    assert [line.seq for line in copy.lines("a1", "acme", after=14)] == list(range(15, 41))
    assert copy.verify()[0].ok
    assert copy.streams()[0].seq == 40
    assert verify(tmp_path).good


@pytest.mark.parametrize("moment", ["not begun", "half", "both", "no next"])
async def test_a_kill_while_a_file_is_packed_loses_nothing(tmp_path: Path, moment: str) -> None:
    """The plain file stays until the packed one is whole; of both, the packed one is read."""
    path = await copied(tmp_path, LINES[:20], file_rows=10)
    packed, last = path / "000000000001.ndjson.zst", path / "000000000011.ndjson"
    whole = packed.read_bytes()
    text = "".join(f"{line}\n" for line in LINES[:10])
    if moment == "no next":
        pack(last)
    else:
        (path / "000000000001.ndjson").write_text(text)
        if moment != "both":
            packed.unlink()
        if moment == "half":
            (path / ".000000000001.ndjson.zst.new").write_bytes(whole[:50])
    assert texts(tmp_path) == LINES[:20]
    assert Copy(tmp_path).verify()[0].ok
    assert verify(tmp_path).good
    assert opened(tmp_path) == 20
    await copied(tmp_path, file_rows=10)
    assert texts(tmp_path) == LINES
    assert Copy(tmp_path).verify()[0].ok
    assert len(list(path.glob("000000000001.ndjson*"))) == 1


@pytest.mark.parametrize("how", ["cut", "flipped", "more", "other frame", "empty"])
async def test_a_packed_file_that_is_damaged_is_named(tmp_path: Path, how: str) -> None:
    path = await copied(tmp_path, file_rows=10)
    file = path / "000000000011.ndjson.zst"
    data = file.read_bytes()
    middle = len(data) // 2
    file.write_bytes(
        {
            "cut": data[:-3],
            "flipped": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
            "more": data + b"x",
            "other frame": data + zstandard.compress(b"{}\n"),
            "empty": b"",
        }[how]
    )
    (verified,) = Copy(tmp_path).verify()
    assert not verified.ok
    assert verified.first_bad is not None
    assert 11 <= verified.first_bad <= 21
    assert not verify(tmp_path).good
    with pytest.raises(CopyError, match="000000000011"):
        texts(tmp_path)


async def test_lines_are_read_while_files_are_packed(tmp_path: Path) -> None:
    """A file that was plain when the directory was read is found under its other name."""
    path = await copied(tmp_path, LINES[:20])
    lines = Copy(tmp_path).lines("a1", "acme")
    files = layout.data_files(path)
    pack(files[0][1])
    assert [line.text for line in lines] == LINES[:20]
    assert [text.decode() for text, _ in layout.read_lines(files[0][1])] == LINES[:20]
    assert [text.decode() for text in layout.lines_backwards(files[0][1])] == LINES[19::-1]


async def test_a_copy_of_before_is_gone_on_with(tmp_path: Path) -> None:
    """Its files, larger and plain, stay as they are."""
    path = await copied(tmp_path, LINES[:30], file_rows=10)
    for file in sorted(path.glob("0*.zst")):
        old = zstandard.ZstdDecompressor().decompressobj().decompress(file.read_bytes())
        file.with_suffix("").write_bytes(old)
        file.unlink()
    before = {file: file.read_bytes() for file in path.glob("0*")}
    await copied(tmp_path, file_rows=10)
    assert texts(tmp_path) == LINES
    assert Copy(tmp_path).verify()[0].ok
    first, second, third = sorted(before)
    assert (first.read_bytes(), second.read_bytes()) == (before[first], before[second])
    assert not third.exists(), "full by what this version counts, and written to now: packed"
