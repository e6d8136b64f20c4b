"""Network namespaces, lines between them, addresses and routes for one test, by iproute2; gone when the block ends.

Names carry this process's id and a number, so that tests beside each other do not meet. Addresses inside namespaces are
the test's own business. Needs root; else the test is skipped (`need_root`).
"""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.system.programs import find, need

_numbers = itertools.count()


def need_root() -> None:
    """Skip, or fail under REQUIRE_SYSTEM=1, where namespaces cannot be made."""
    need("ip", "nsenter")
    if os.geteuid() != 0:
        if os.environ.get("REQUIRE_SYSTEM") == "1":
            pytest.fail("network namespaces need root")
        pytest.skip("network namespaces need root")


def ip(*words: str, ns: str | None = None) -> str:
    """`ip [-n NS] WORDS`: its output; fails with its own words."""
    arguments = [str(find("ip")), *(["-n", ns] if ns else []), *words]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


def inside(ns: str) -> list[str]:
    """What to put before a command that is to run there."""
    return [str(find("nsenter")), f"--net=/run/netns/{ns}", "--"]


def run_in(ns: str, *command: str) -> str:
    """A command's output; it has to succeed."""
    done = subprocess.run([*inside(ns), *command], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"{ns}: {command}: {done.stdout}{done.stderr}"
    return done.stdout


class Places:
    """Namespaces of one test; their names begin with `name`."""

    name: str

    def ns(self, place: str) -> str:
        """The namespace's name as `ip netns` has it."""
        return f"{self.name}-{place}"

    def inside(self, place: str) -> list[str]:
        """What to put before a command that is to run there."""
        return inside(self.ns(place))

    def run(self, place: str, *command: str) -> str:
        """A command's output; it has to succeed."""
        return run_in(self.ns(place), *command)


def add(ns: str, *addresses: str) -> None:
    """Make the namespace `ns`, lo up, with these addresses (CIDR) on it."""
    ip("netns", "add", ns)
    ip("link", "set", "lo", "up", ns=ns)
    assign(ns, "lo", *addresses)


def assign(ns: str, device: str, *addresses: str) -> None:
    """Addresses in CIDR; IPv6 ones without duplicate address detection, so that they are there at once."""
    for address in addresses:
        ip("address", "add", address, "dev", device, *(["nodad"] if ":" in address else []), ns=ns)


def delete(ns: str) -> None:
    """Remove it by name, if it is there."""
    subprocess.run([str(find("ip")), "netns", "del", ns], capture_output=True, check=False, timeout=30)


@contextmanager
def namespace(name: str, *addresses: str) -> Iterator[str]:
    """A namespace; gives its full name, as `ip netns` and the agent's configuration have it."""
    need_root()
    full = f"cp{os.getpid()}n{next(_numbers)}-{name}"
    try:
        add(full, *addresses)
        yield full
    finally:
        delete(full)


def link(one: str, device: str, other: str, peer: str) -> None:
    """A line between two namespaces, down as yet: `device` in `one`, `peer` in `other`. It goes with either of them."""
    ip("link", "add", device, "netns", one, "type", "veth", "peer", "name", peer, "netns", other)
