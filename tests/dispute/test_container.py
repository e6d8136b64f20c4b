"""A file from the other party: bounded, and refused in words, whatever it is."""

from __future__ import annotations

import io
import random
import resource
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from probe.dispute import container
from probe.dispute.container import Container, DisputeFileError, write_container
from probe.services.verification import NothingToVerify, verify
from tests.dispute.made import pack

MEMBERS = {"index.html": b"<p>hello</p>", "a1/acme/000000000001.ndjson": random.Random(3).randbytes(60)}


def whole(path: Path) -> dict[str, bytes]:
    with Container(path) as found:
        return {name: b"".join(found.pieces(name)) for name in found.names}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    pack(tmp_path / "x.zip", MEMBERS)
    return tmp_path / "x.zip"


def test_what_was_written_is_read_and_the_bytes_are_the_same_each_time(made: Path) -> None:
    assert whole(made) == MEMBERS
    pack(made.with_name("y.zip"), MEMBERS)
    assert made.read_bytes() == made.with_name("y.zip").read_bytes()


def held_whole(members: dict[str, bytes]) -> bytes:
    """As the writer made it that held every member: the bytes of files that were given away."""
    made, directory = b"", b""
    for name, data in members.items():
        deflate = zlib.compressobj(container.LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = deflate.compress(data) + deflate.flush()
        member = container._Member(name.encode(), len(made), zlib.crc32(data), len(packed), len(data))
        made += member.header() + packed
        directory += member.entry()
    count = len(members)
    return (
        made
        + directory
        + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), len(made), 0)
    )


@pytest.mark.parametrize("piece_bytes", [1000, 65_536, 1 << 20, 1 << 24])
def test_in_whatever_pieces_it_comes_the_file_is_the_same(tmp_path: Path, piece_bytes: int) -> None:
    chance = random.Random(piece_bytes)
    text = b"".join(b'{"seq":%d,"x":"%d"}\n' % (at, chance.getrandbits(40)) for at in range(90_000))
    members = {"a": b"", "b": text, "c": chance.randbytes(2_500_000), **MEMBERS}
    assert len(text) > 2 * container.PIECE_BYTES

    def pieces(data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), piece_bytes):
            yield data[at : at + piece_bytes]
            yield b""

    write_container(tmp_path / "x.zip", ((name, pieces(data)) for name, data in members.items()))
    assert (tmp_path / "x.zip").read_bytes() == held_whole(members)


def test_no_bit_of_the_file_says_something_else_unseen(made: Path) -> None:
    """A few bits between the end of a deflated member and the next byte mean nothing; all others are seen."""
    good = made.read_bytes()
    unseen = 0
    for at in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[at] ^= 1 << bit
            made.write_bytes(bad)
            try:
                assert whole(made) == MEMBERS, (at, bit)
                unseen += 1
            except DisputeFileError:
                pass
    assert unseen <= 7 * len(MEMBERS)


def plain(**members: bytes) -> bytes:
    """As Python's own module packs."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def named(name: str, data: bytes = b"x", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """One member of our form, but for its name or method."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("placeholder", (1980, 1, 1, 0, 0, 0))
        info.filename, info.compress_type, info.external_attr, info.create_system = (
            name,
            method,
            0o100644 << 16,
            3,
        )
        archive.writestr(info, data, compresslevel=6)
    return out.getvalue()


def twice() -> bytes:
    """Two members of one name: made of two names of one length, which no tool would warn of."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("index.html", "indey.html"):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type, info.external_attr, info.create_system = (
                zipfile.ZIP_DEFLATED,
                0o100644 << 16,
                3,
            )
            archive.writestr(info, name.encode(), compresslevel=6)
    return out.getvalue().replace(b"indey", b"index")


def sized(data: bytes, says: int) -> bytes:
    """A member of our form that says another size of itself."""
    good = named("index.html", data)
    return good.replace(struct.pack("<L", len(data)) + struct.pack("<H", 10), struct.pack("<LH", says, 10))


def overlapping() -> bytes:
    """Two entries of the directory for the same bytes, as the densest bombs are made."""
    good = named("index.html", b"x" * 1000)
    at = good.index(b"PK\x01\x02")
    entry, end = good[at:-22], good[-22:]
    both = entry + entry.replace(b"index.html", b"other.html")
    return good[:at] + both + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, len(both), at, 0) + end[22:]


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "not ours": (lambda: plain(a=b"1"), "of itself|of our form|not packed"),
    "up and away": (lambda: named("../../etc/cron.d/x"), "leads elsewhere"),
    "absolute": (lambda: named("/etc/passwd"), "leads elsewhere"),
    "a drive": (lambda: named("C:/x"), "leads elsewhere"),
    "backslash": (lambda: named("a\\..\\x"), "leads elsewhere"),
    "a hidden file": (lambda: named("a1/.ssh/x"), "leads elsewhere"),
    "a directory": (lambda: named("a1/"), "leads elsewhere"),
    "too deep": (lambda: named("/".join("abcdefgh")), "leads elsewhere"),
    "not ascii": (lambda: named("a\u202etxt"), "leads elsewhere|not packed"),
    "stored": (lambda: named("index.html", method=zipfile.ZIP_STORED), "not packed"),
    "lzma": (lambda: named("index.html", method=zipfile.ZIP_LZMA), "not packed"),
    "there twice": (twice, "is there twice"),
    "two names for one member": (overlapping, "does not lie where"),
    "says more than it is": (lambda: sized(b"x" * 50, 60), "says of itself|is not what it was"),
    "says less than it is": (lambda: sized(b"x" * 50_000, 10), "says of itself|unpacks to more"),
    "says that it is huge": (lambda: sized(b"x" * 50, 0xFFFFFFF0), "unpacks to|says of itself|not packed"),
    "a comment": (lambda: _with_comment(named("index.html")), "form of a dispute file"),
    "something before": (lambda: b"#!/bin/sh\n" + named("index.html"), "before, between or behind"),
    "something behind": (lambda: named("index.html") + b"more", "form of a dispute file"),
    "cut off": (lambda: named("index.html")[:-3], "form of a dispute file"),
    "only its beginning": (lambda: b"PK\x03\x04", "form of a dispute file"),
    "noise": (lambda: b"PK\x03\x04" + random.Random(1).randbytes(5000), "form of a dispute file"),
    "an empty archive": (lambda: b"PK\x03\x04" + plain(), "before, between or behind"),
}


def _with_comment(good: bytes) -> bytes:
    return good[:-2] + struct.pack("<H", 5) + b"hello"


@pytest.mark.parametrize("which", list(HOSTILE))
def test_what_is_hostile_is_refused_in_words(tmp_path: Path, which: str) -> None:
    build, words = HOSTILE[which]
    path = tmp_path / "x.zip"
    path.write_bytes(build())
    with pytest.raises(DisputeFileError, match=words):
        whole(path)
    if path.read_bytes()[:4] == b"PK\x03\x04":
        found = verify(path)
        (problem,) = found.problems
        assert problem.words.startswith("x.zip ")
        assert problem.words.endswith("ask whoever made it for the file again")
    else:
        with pytest.raises(NothingToVerify):
            verify(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.zip"]


def test_a_bomb_takes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member of a thousand times its packed size, which lies of its size: read no further than it says."""
    data = b"\0" * (64 << 20)
    path = tmp_path / "x.zip"
    path.write_bytes(_saying(named("index.html", data), len(data), 100))
    del data
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DisputeFileError, match="unpacks to more than the 100 bytes"):
        whole(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 << 10
    monkeypatch.setattr(container, "TOTAL_MOST_BYTES", 1 << 20)
    path.write_bytes(named("index.html", b"\0" * (2 << 20)))
    with pytest.raises(DisputeFileError, match="unpacks to 2097152 bytes, and at most 1048576 are read"):
        whole(path)


def _saying(good: bytes, size: int, says: int) -> bytes:
    """Both headers say another size; the sum of the first bytes."""
    return good.replace(struct.pack("<L", size), struct.pack("<L", says))


def test_too_much_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "TOTAL_MOST_BYTES", 50)
    with pytest.raises(ValueError, match="choose a shorter span"):
        pack(tmp_path / "x.zip", MEMBERS)
    assert list(tmp_path.iterdir()) == []


def test_too_many_members_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "MEMBERS_MOST", 10)
    pack(tmp_path / "x.zip", {f"m{number}": b"" for number in range(10)})
    with pytest.raises(ValueError, match="more than 10 members"):
        pack(tmp_path / "y.zip", {f"m{number}": b"" for number in range(11)})
    assert [file.name for file in tmp_path.iterdir()] == ["x.zip"]


def test_a_directory_of_too_many_members_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack(tmp_path / "x.zip", {f"m{number}": b"" for number in range(20)})
    monkeypatch.setattr(container, "MEMBERS_MOST", 10)
    with pytest.raises(DisputeFileError, match="has 20 members, and at most 10 are read"):
        whole(tmp_path / "x.zip")


def test_random_damage_is_refused_or_read_and_never_breaks(made: Path) -> None:
    good, rng, refused = made.read_bytes(), random.Random(7), 0
    for _ in range(300):
        bad = bytearray(good)
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(bad))
            how = rng.randrange(3)
            if how == 0:
                bad[at] = rng.randrange(256)
            elif how == 1:
                del bad[at : at + rng.randint(1, 40)]
            else:
                bad[at:at] = rng.randbytes(rng.randint(1, 40))
            if not bad:
                break
        made.write_bytes(bad)
        try:
            assert whole(made) == MEMBERS
        except DisputeFileError:
            refused += 1
    assert refused > 290
