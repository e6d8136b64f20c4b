"""A time-stamping authority beside the runs that are killed: a process of its own, which none of them ends.

`python -m tests.kills.stamping DIRECTORY` serves one on loopback until its standard input ends; it prints its address.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from probe.seal.stamps.authority import HttpAuthority
from tests.support.authority import Pki, authority, make_pki
from tests.support.with_parent import WITH_PARENT


@dataclass(frozen=True, slots=True)
class Beside:
    """Where it is asked, and the file of the certificate that it is trusted by."""

    url: str
    ca: Path


class Watched:
    """Asks the authority; the moments around it are moments to die at too."""

    def __init__(self, beside: Beside, moment: Callable[[str], None]) -> None:
        self._authority = HttpAuthority(beside.url)
        self._moment = moment

    async def ask(self, request: bytes) -> bytes:
        """Its reply."""
        self._moment("before the authority is asked")
        reply = await self._authority.ask(request)
        self._moment("after the authority answered")
        return reply


@contextmanager
def authority_beside(place: Path) -> Iterator[Beside]:
    """One with files of its own at `place`, until the block is left."""
    pki = make_pki(place)
    command = [*WITH_PARENT, sys.executable, "-m", "tests.kills.stamping", str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            yield Beside(child.stdout.readline().strip(), pki.ca)
        finally:
            child.stdin.close()
            child.wait(30)


async def _main(place: Path) -> None:
    async with authority(Pki(place)) as made:
        print(made.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
