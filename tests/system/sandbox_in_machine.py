"""Runs inside the booted machine as a service with the agent's own limits; tries what they are to deny, and prints it.

One JSON object: name of an attempt -> "ok", the name of the error, or what was seen. Only the standard library.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PTRACE_SEIZE = 0x4206
PARENT = int(sys.argv[1])  # a process of another user
NETNS = sys.argv[2]


def call(name: str, *arguments: object) -> None:
    """A function of the C library that gives -1 for an error. Raises OSError."""
    if getattr(LIBC, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)


def write(path: str) -> None:
    with open(path, "w") as file:
        file.write("x")


def execute_in(directory: str) -> None:
    path = Path(directory, "fetched")
    path.write_text("#!/bin/sh\nexit 0\n")
    path.chmod(0o700)
    try:
        subprocess.run([str(path)], check=True)
    finally:
        path.unlink()


def option(level: int, name: int, value: bytes | int) -> None:
    with socket.socket() as made:
        made.setsockopt(level, name, value)


def enter_netns() -> None:
    with open(NETNS, "rb") as file:
        call("setns", file.fileno(), CLONE_NEWNET)


def writable_code() -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def child_that_is_traced() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        call("ptrace", PTRACE_SEIZE, child.pid, 0, 0)
    finally:
        child.kill()
        child.wait()


def status(name: str) -> str:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return line.split()[1]
    raise KeyError(name)


def clock_can_be_read() -> str:
    buffer = ctypes.create_string_buffer(512)
    call("adjtimex", buffer)
    return "ok"


ATTEMPTS: dict[str, Callable[[], object]] = {
    "write state": lambda: write("/var/lib/cdn-probe/scratch"),
    "write runtime": lambda: write("/run/cdn-probe/scratch"),
    "write tmp": lambda: write("/tmp/scratch"),
    "read configuration": lambda: Path("/etc/cdn-probe/agent.yaml").read_text() and None,
    "read the clock's state": clock_can_be_read,
    "connect by IPv4": lambda: socket.socket(socket.AF_INET).close(),
    "connect by IPv6": lambda: socket.socket(socket.AF_INET6).close(),
    "bind to an interface": lambda: option(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo"),
    "write /etc": lambda: write("/etc/scratch"),
    "write /etc/cdn-probe": lambda: write("/etc/cdn-probe/scratch"),
    "write /usr": lambda: write("/usr/scratch"),
    "write its own code": lambda: write("/usr/lib/cdn-probe/scratch"),
    "write /var/lib": lambda: write("/var/lib/scratch"),
    "write /proc/sys": lambda: write("/proc/sys/net/ipv4/ip_forward"),
    "read /home": lambda: os.listdir("/home"),
    "read /root": lambda: os.listdir("/root"),
    "read credentials of others": lambda: os.listdir("/etc/cdn-probe/credentials"),
    "see /tmp of others": lambda: Path("/tmp/of-another").read_text(),
    "see a process of others": lambda: Path(f"/proc/{PARENT}/cmdline").read_text(),
    "signal a process of others": lambda: os.kill(PARENT, 0),
    "trace its own child": child_that_is_traced,
    "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "new user namespace": lambda: call("unshare", CLONE_NEWUSER),
    "enter a network namespace": enter_netns,
    "set a mark": lambda: option(socket.SOL_SOCKET, socket.SO_MARK, 7),
    "raw packets": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close(),
    "packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "set the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, 1.0),
    "become root": lambda: os.setuid(0),
    "write and execute memory": writable_code,
    "execute what it stored": lambda: execute_in("/var/lib/cdn-probe"),
    "execute from /tmp": lambda: execute_in("/tmp"),
    "execute from /run": lambda: execute_in("/run/cdn-probe"),
    "raise its priority": lambda: os.nice(-5) and None,
    "lower its priority": lambda: os.nice(5) and None,
    "capabilities": lambda: status("CapEff"),
    "capabilities ever": lambda: status("CapBnd"),
    "no new privileges": lambda: status("NoNewPrivs"),
    "seccomp": lambda: status("Seccomp"),
    "open files": lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[1],
    "core size": lambda: resource.getrlimit(resource.RLIMIT_CORE)[1],
    "devices": lambda: sorted(set(os.listdir("/dev")) & {"sda", "vda", "mem", "kmsg", "null", "urandom"}),
}


def outcome(attempt: Callable[[], object]) -> object:
    try:
        seen = attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "ok" if seen is None else seen


print(json.dumps({name: outcome(attempt) for name, attempt in ATTEMPTS.items()}), flush=True)
