"""Rule: the server lives exactly as long as the measuring that needs it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.server import NAME
from probe.lab.pki import Pki

_PROGRAM = Path(__file__).with_name("server.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the server listens, and the CA file that its certificate is verified with.

    `h2`: HTTPS where HTTP/2 can be agreed on; 0: nowhere. A port of its own, so that peers that offer it too go on
    being asked over HTTP/1.1.
    """

    http: int
    https: int
    dns: int
    ca: Path
    h2: int = 0

    def of(self, scheme: str, protocol: str = "h1") -> int:
        """The port for http or https, and the HTTP version."""
        if protocol == "h2":
            return self.h2
        return self.https if scheme == "https" else self.http


@contextmanager
def serving(directory: Path, sizes: Sequence[int]) -> Iterator[Ports]:
    """A server of objects of these sizes in a process of its own. Raises RuntimeError if it does not start."""
    pki = Pki(directory / "pki")
    certificate = pki.leaf("server", [NAME])
    command = [sys.executable, str(_PROGRAM), str(certificate), *map(str, sizes)]
    with started(command, pki.ca_file) as ports:
        yield ports


@contextmanager
def started(command: Sequence[str], ca: Path, directory: Path | None = None) -> Iterator[Ports]:
    """A program of ours that prints its ports, in `directory`, until its input ends. Raises RuntimeError."""
    with subprocess.Popen(  # noqa: S603 - our own program, no foreign words
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=directory
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            line = child.stdout.readline()
            if not line:
                raise RuntimeError("the benchmark's server did not start; its message stands above")
            yield Ports(**json.loads(line), ca=ca)
        finally:
            child.stdin.close()
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
