"""A machine with systemd as its first process, booted on a copy of this host that is thrown away.

The copy is an overlay on `/` with its changes in memory, mounted in a mount namespace that ends with the machine.
systemd-nspawn boots it with processes, network (loopback only), and cgroups of its own. Nothing that the host has
enabled is started in it, and this checkout cannot be seen from it. Needs root; the host's own first process may be
anything.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.system.programs import need

BOOTS_WITHIN_S = 60.0
CHECKOUT = Path(__file__).parent.parent.parent
CGROUPS = Path("/sys/fs/cgroup")
_NUMBER = itertools.count()  # of machines of this process, two of which may run side by side

# $1: a directory of ours, the rest: what hides from the machine, then nspawn's own arguments.
BOOT = """
set -e
for procs in $CGROUP_PROCS; do echo $$ > "$procs"; done
mount --make-rprivate /
mount -t tmpfs -o mode=0755,size=2g tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
rm -rf "$1"/root/etc/systemd/system/*.wants "$1"/root/etc/systemd/system/cdn-probe.service*
rm -rf "$1"/root/etc/cdn-probe "$1"/root/var/lib/cdn-probe "$1"/root/var/log/journal "$1"/root/usr/sbin/policy-rc.d
echo "$MACHINE_ID" > "$1/root/etc/machine-id"
directory=$1
shift
exec systemd-nspawn --directory="$directory/root" "$@"
"""


ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "COLUMNS": "160",  # as for all tests: words are looked for where they stand
}


class Machine:
    """A booted machine. `run` runs a command in it as root, `root` is its file system seen from here."""

    def __init__(self, nspawn: subprocess.Popen[bytes], log: Path) -> None:
        self._nspawn = nspawn
        self._log = log
        self.leader = self._find_leader()
        self.root = Path(f"/proc/{self.leader}/root")

    def run(self, *command: str, timeout_s: float = 60, check: bool = True) -> str:
        """What it printed, standard error too. Fails with it unless the exit code is 0, where `check`."""
        done = subprocess.run(
            self._inside(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
            cwd="/",
            env=ENVIRONMENT,
        )
        if check and done.returncode != 0:
            pytest.fail(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    @contextmanager
    def talking_to(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        """A program that goes on, with its standard input and output; it ends with its input."""
        child = subprocess.Popen(
            self._inside(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            env=ENVIRONMENT,
        )
        with child:
            try:
                yield child
                assert child.stdin is not None
                child.stdin.close()  # its end: killing nsenter would leave the program
                child.wait(60)
            finally:
                child.kill()

    def _inside(self, command: tuple[str, ...]) -> list[str]:
        return ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "--", *command]

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", unit, "--value", "-p", name).strip()

    def journal(self, unit: str) -> str:
        """What a unit, and systemd about it, has written."""
        return self.run("journalctl", "--no-pager", "-q", "-o", "cat", "-u", unit)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file in the machine, with its directory."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)

    def until(self, true: Callable[[], bool], what: str, within_s: float = 60.0) -> None:
        """Ask again and again; fails with the journal of the agent."""
        until = time.monotonic() + within_s
        while not true():
            if time.monotonic() > until:
                pytest.fail(f"not within {within_s} s: {what}\n{self.journal('cdn-probe')[-4000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Power off, at once if it will not."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.leader, signal.SIGRTMIN + 4)
        try:
            self._nspawn.wait(10)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait(60)

    def _find_leader(self) -> int:
        """The process that is number 1 in there."""
        until = time.monotonic() + BOOTS_WITHIN_S
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        while time.monotonic() < until and self._nspawn.poll() is None:
            for child in children.read_text().split():
                with contextlib.suppress(OSError):
                    status = Path(f"/proc/{child}/status").read_text()
                    numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[
                        1:
                    ]
                    if (
                        len(numbers) > 1
                        and numbers[-1] == "1"
                        and "systemd" in os.readlink(f"/proc/{child}/exe")
                    ):
                        return int(child)
            time.sleep(0.02)
        self._nspawn.kill()
        self._nspawn.wait(60)
        raise RuntimeError(f"the machine did not boot: {self._log.read_text(errors='replace')[-3000:]}")


@contextmanager
def booted(directory: Path) -> Iterator[Machine]:
    """Boot to basic.target; ends the machine and all that it made on leaving."""
    need("systemd-nspawn", "systemctl", "nsenter", "unshare", "journalctl")
    if os.geteuid() != 0:
        if os.environ.get("REQUIRE_SYSTEM") == "1":
            pytest.fail("booting a machine needs root")
        pytest.skip("booting a machine needs root")
    name = f"cdn-probe-{os.getpid()}-{next(_NUMBER)}"
    log = directory / "boot.log"
    with _cgroups(name) as procs, log.open("wb") as out:
        nspawn = subprocess.Popen(
            [
                "unshare",
                "--mount",
                "sh",
                "-c",
                BOOT,
                "boot",
                str(_empty(directory / "machine")),
                *_arguments(name),
            ],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={
                "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin",
                "CGROUP_PROCS": " ".join(map(str, procs)),
                "MACHINE_ID": os.urandom(16).hex(),
            },
        )
        machine = Machine(nspawn, log)
        try:
            machine.until(lambda: _is_up(machine), "systemd is up", BOOTS_WITHIN_S)
            yield machine
        finally:
            machine.stop()


def _arguments(name: str) -> list[str]:
    hidden = [path for path in ("/root", str(CHECKOUT), sys.base_prefix) if path not in ("/usr", "/")]
    # Without systemd on the host there is nobody to ask for a scope, and our own cgroup serves.
    keep = [] if Path("/run/systemd/system").is_dir() else ["--keep-unit"]
    return [
        *("--boot", "--quiet", f"--machine={name}", "--register=no", *keep),
        "--system-call-filter=adjtimex clock_adjtime",  # a container may not even read the clock's state, a host may
        *("--private-network", "--console=pipe", "--link-journal=no", "--resolv-conf=off", "--timezone=off"),
        *(f"--tmpfs={path}:mode=0700" for path in dict.fromkeys(hidden)),
        "systemd.unit=basic.target",
    ]


def _is_up(machine: Machine) -> bool:
    state = machine.run("systemctl", "is-system-running", check=False).strip()
    return state in ("running", "degraded")


def _empty(directory: Path) -> Path:
    directory.mkdir()
    return directory


@contextmanager
def _cgroups(name: str) -> Iterator[list[Path]]:
    """A cgroup of our own in every hierarchy, so that nothing is left in the host's; removed from the leaves up."""
    tops = [
        top
        for top in (CGROUPS, *sorted(CGROUPS.glob("*")))
        if (top / "cgroup.procs").exists() and top.is_mount()
    ]
    if Path("/run/systemd/system").is_dir():
        tops = []  # the host's systemd minds them
    made = [top / name for top in tops if not (top / "cpuset.cpus").exists()]
    for group in made:
        group.mkdir()
    try:
        yield [group / "cgroup.procs" for group in made]
    finally:
        for group in made:
            for leaf in sorted((g for g in group.rglob("*") if g.is_dir()), reverse=True):
                _rmdir(leaf)
            _rmdir(group)


def _rmdir(group: Path) -> None:
    """The last process of a cgroup may take a moment to go."""
    until = time.monotonic() + 60
    while group.exists():
        try:
            group.rmdir()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def json_rows(text: str) -> list[dict[str, Any]]:
    """One JSON object a line."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
