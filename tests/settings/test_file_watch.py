"""A change of a file is told once, when it is whole, however it was made."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from probe.settings.file_watch import UNSETTLED_LOOKS, FileWatch


class Watched:
    """A file and a directory under watch, looked at when the test says so."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "agent.yaml"
        self.customers = directory / "customers"
        self.customers.mkdir()
        self.file.write_text("a")
        (self.customers / "acme.yaml").write_text("a")
        self.told = 0
        self.watch = FileWatch(lambda: (self.file, self.customers), self._tell)

    def _tell(self) -> None:
        self.told += 1

    async def looks(self, count: int) -> int:
        """How often it told within so many looks."""
        before = self.told
        for _ in range(count):
            await self.watch.look()
        return self.told - before


@pytest.fixture
async def watched(tmp_path: Path) -> Watched:
    made = Watched(tmp_path)
    assert await made.looks(3) == 1, "what changed since it was read is not known"
    return made


async def test_nothing_changed_nothing_told(watched: Watched) -> None:
    assert await watched.looks(5) == 0


def replaced(watched: Watched) -> None:
    new = watched.customers / ".acme.yaml.new"
    new.write_text("b")
    stamp = (watched.customers / "acme.yaml").stat()
    os.utime(new, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    new.replace(watched.customers / "acme.yaml")


def linked(watched: Watched) -> None:
    (watched.customers / "acme.yaml").unlink()
    (watched.customers / "acme.yaml").symlink_to(watched.file)


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.file.write_text("longer"),
        lambda w: w.file.unlink(),
        lambda w: (w.customers / "acme.yaml").write_text("b"),
        lambda w: (w.customers / "beta.yml").write_text("b"),
        lambda w: (w.customers / "acme.yaml").unlink(),
        lambda w: (w.customers / "acme.yaml").rename(w.customers / "beta.yaml"),
        lambda w: (w.customers / "acme.yaml").chmod(0o666),
        lambda w: w.customers.rename(w.customers.with_name("gone")),
        replaced,
        linked,
    ],
)
async def test_each_change_is_told_once(watched: Watched, change: Callable[[Watched], object]) -> None:
    change(watched)
    assert await watched.looks(1) == 0, "it may be half written"
    assert await watched.looks(1) == 1
    assert await watched.looks(5) == 0


async def test_what_is_changed_and_changed_back_between_two_looks_is_no_matter(watched: Watched) -> None:
    (watched.customers / "notes.txt").write_text("x")
    assert await watched.looks(4) == 0


async def test_many_files_written_one_after_the_other_are_told_once(watched: Watched) -> None:
    for number in range(4):
        (watched.customers / f"c{number}.yaml").write_text("x")
        assert await watched.looks(1) == 0
    assert await watched.looks(3) == 1


async def test_a_file_that_is_written_to_all_the_time_is_told_of_all_the_same(watched: Watched) -> None:
    told = 0
    for number in range(2 * (UNSETTLED_LOOKS + 1)):
        watched.file.write_text("x" * (number + 2))
        told += await watched.looks(1)
    assert told == 2


async def test_whoever_is_told_and_fails_does_not_end_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calls = []

    def failing() -> None:
        calls.append("called")
        raise RuntimeError("broken")

    watch = FileWatch(lambda: (tmp_path,), failing)
    for _ in range(3):
        await watch.look()
    assert len(calls) == 1
    assert [record.message for record in caplog.records] == ["files.defect"]
    (tmp_path / "new.yaml").write_text("x")
    for _ in range(3):
        await watch.look()
    assert len(calls) == 2
