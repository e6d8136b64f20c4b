"""A small disk of a test's own, seen by nobody else: a filesystem in a mount namespace that a holder keeps.

Needs root, and a kernel that mounts what is asked for; else the test is skipped, or fails under REQUIRE_SYSTEM=1.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.with_parent import WITH_PARENT
from tests.system.programs import find, need


@dataclass(frozen=True, slots=True)
class Disk:
    """Mounted at `place`, for whoever is `inside`."""

    place: Path
    holder: int

    @property
    def inside(self) -> list[str]:
        """What to put before a command that is to see it."""
        return ["nsenter", f"--mount=/proc/{self.holder}/ns/mnt", "--"]

    def seen(self, path: Path) -> Path:
        """The path, from outside."""
        return Path(f"/proc/{self.holder}/root{path}")

    def do(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command inside, to its end."""
        words = [*self.inside, *map(str, command)]
        return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    def must(self, *command: str | Path) -> str:
        """The same, and it has to succeed."""
        done = self.do(*command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def mount(self, *options: str | Path) -> None:
        """Mount something at its place."""
        self.must("mount", *options, self.place)


@contextmanager
def own_disk(place: Path, *options: str | Path) -> Iterator[Disk]:
    """`mount OPTIONS PLACE` in a namespace of its own; gone when the block is left, with all processes in it ended."""
    need("unshare", "nsenter", "mount")
    place.mkdir(exist_ok=True)
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo held; exec cat >/dev/null"]
    with subprocess.Popen(
        [*WITH_PARENT, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            if holder.stdout.readline() != "held\n":
                _impossible("no mount namespace can be made here")
            disk = Disk(place, holder.pid)
            made = disk.do("mount", *options, place)
            if made.returncode:
                _impossible(f"cannot be mounted here: {made.stderr.strip()}")
            yield disk
        finally:
            holder.stdin.close()
            holder.wait(30)


def ext4_image(file: Path, mebibytes: int) -> Path:
    """A file that holds an empty filesystem."""
    need("mkfs.ext4")
    with file.open("wb") as out:
        out.truncate(mebibytes << 20)
    subprocess.run([str(find("mkfs.ext4")), "-q", "-F", file], check=True, timeout=60)
    return file


def _impossible(why: str) -> None:
    if os.environ.get("REQUIRE_SYSTEM") == "1":
        pytest.fail(why)
    pytest.skip(why)
