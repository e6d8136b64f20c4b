"""Content is read apart: what is costly costs the reading process its life, and nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from probe.core.content.reading import Reading, read_content
from probe.sandbox import content_reader
from probe.sandbox.content_reader import ContentReader

HTML = Reading(selectors=("div > p", "[b=c]"))
SIMPLE = b"<html><body><p>a</p><div><p>b</p></div></body></html>"


@pytest.fixture
async def reader() -> AsyncIterator[ContentReader]:
    made = ContentReader()
    yield made
    await made.close()
    await made.close()


@pytest.mark.parametrize(
    ("reading", "body"),
    [
        (HTML, SIMPLE),
        (Reading(json_paths=("$..a",)), b'{"a": 1, "b": [{"a": 2, "c": "\xc3\xa9"}]}'),
        (Reading(json_paths=("$..a",)), b"no json"),
        (Reading(patterns=("[0-9]+",), markers=("é", "x")), "é 12".encode()),
        (Reading(patterns=("(a+)+$",)), b"a" * 40 + b"!"),
        (HTML, b""),
        (HTML, b"\x00" * 100),
        (HTML, b"<" + b"a" * 4_000_000 + b">x"),
    ],
)
async def test_it_reads_as_the_pure_function_does(
    reader: ContentReader, reading: Reading, body: bytes
) -> None:
    assert await reader.read(reading, body) == read_content(reading, body)
    assert reader.starts == 1


async def test_what_needs_no_parser_needs_no_process(reader: ContentReader) -> None:
    fields = (("etag", '"v1"'),)
    for reading, body in (
        (Reading(markers=("a",)), b"a" * 100),
        (Reading(fields=("etag",)), b"x"),
        (HTML, None),
    ):
        assert await reader.read(reading, body, fields) == read_content(reading, body, fields)
    assert reader.starts == 0


COSTLY = {
    "half a megabyte of nested elements": b"<div>" * 100_000,
    "ninety thousand attributes of one element": b"<a "
    + b"".join(b"b%d=c " % n for n in range(90_000))
    + b">",
    "formatting taken up again and again": b"<p>"
    + b"".join(b"<b id=%d>" % n for n in range(3_000))
    + b"<p>x" * 3_000,
}


@pytest.mark.long  # the last safety net is reached twice
async def test_what_is_costly_is_told_so_and_the_loop_goes_on(reader: ContentReader) -> None:
    """A loop that stood still while one is parsed would beat three times in all."""
    beats, done = 0, False

    async def beat() -> None:
        nonlocal beats
        while not done:
            await asyncio.sleep(0.01)
            beats += 1

    beating = asyncio.ensure_future(beat())
    for name, body in COSTLY.items():
        facts = await reader.read(HTML, body)
        assert facts.normalised_digest is None, name
        assert facts.flags in (("too_costly",), ("not_read",)), name
        assert await reader.read(HTML, SIMPLE) == read_content(HTML, SIMPLE), "and the next one is read"
    done = True
    await beating
    assert beats > 30


async def test_a_process_at_its_limit_of_the_processor_says_nothing_about_the_content(
    reader: ContentReader, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await reader.read(HTML, SIMPLE)
    assert reader._child is not None
    asking = asyncio.ensure_future(reader.read(HTML, b"<div>" * 100_000))
    while not _has_used(reader._child.pid, 0.3):
        await asyncio.sleep(0.01)
    os.kill(reader._child.pid, signal.SIGPROF)  # what the kernel does at the end of the time
    assert (await asking).flags == ("not_read",)
    assert caplog.records[-1].message == "content.not_read"
    assert (await reader.read(HTML, SIMPLE)) == read_content(HTML, SIMPLE)


def _has_used(pid: int, cpu_s: float) -> bool:
    with open(f"/proc/{pid}/stat") as file:
        user, system = file.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK") >= cpu_s


async def test_a_page_of_four_megabytes_is_read(reader: ContentReader) -> None:
    body = b"<html><body>" + b"<div class=a><p>words of the page</p></div>" * 95_000 + b"</body></html>"
    assert len(body) < HTML.limit_bytes
    assert (await reader.read(HTML, body)).normalised_digest is not None


async def test_many_at_once_have_their_turns(reader: ContentReader) -> None:
    bodies = [SIMPLE + str(number).encode() for number in range(50)]
    found = await asyncio.gather(*(reader.read(HTML, body) for body in bodies))
    assert found == [read_content(HTML, body) for body in bodies]
    assert reader.starts == 1


async def test_a_process_that_was_killed_is_begun_again(reader: ContentReader) -> None:
    await reader.read(HTML, SIMPLE)
    assert reader._child is not None
    os.kill(reader._child.pid, signal.SIGKILL)
    await reader._child.wait()
    assert (await reader.read(HTML, SIMPLE)).normalised_digest is not None
    assert reader.starts == 2


async def test_who_is_cancelled_leaves_nothing_for_the_next(reader: ContentReader) -> None:
    await reader.read(HTML, SIMPLE)
    reading = asyncio.ensure_future(reader.read(HTML, b"<div>" * 60_000))
    await asyncio.sleep(0.05)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    other = SIMPLE + b"other"
    assert await reader.read(HTML, other) == read_content(HTML, other)


async def test_waiting_has_an_end(caplog: pytest.LogCaptureFixture) -> None:
    reader = ContentReader(wall_s=0.3)
    await reader._turn.acquire()
    assert (await reader.read(HTML, SIMPLE)).flags == ("not_read",)
    await reader.close()
    assert caplog.records[-1].message == "content.not_read"


async def test_no_process_no_reading_and_nothing_raised(
    reader: ContentReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content_reader.sys, "executable", "/nowhere/python")
    assert (await reader.read(HTML, SIMPLE)).flags == ("not_read",)


async def test_it_has_no_secrets_and_few_rights(
    reader: ContentReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROBE_TEST_TOKEN", "s3cret")
    await reader.read(HTML, SIMPLE)
    assert reader._child is not None
    place = f"/proc/{reader._child.pid}"
    with open(f"{place}/environ", "rb") as file:
        assert b"s3cret" not in file.read()
    with open(f"{place}/limits") as file:
        limits = file.read()
    assert f"Max address space         {768 * 1024 * 1024}" in limits
    assert "Max file size             0 " in limits
    assert "Max core file size        0 " in limits
    links = [os.readlink(f"{place}/fd/{number}") for number in os.listdir(f"{place}/fd")]
    assert sum(link.startswith("socket:") for link in links) == 0, "what it inherits are its pipes"


async def test_it_ends_with_its_parent() -> None:
    reader = ContentReader()
    await reader.read(HTML, SIMPLE)
    child = reader._child
    assert child is not None
    assert child.stdin is not None
    child.stdin.close()
    assert await asyncio.wait_for(child.wait(), 60) == 0
    await reader.close()
