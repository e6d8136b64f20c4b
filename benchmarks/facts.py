"""Rule: a figure without its machine is none; a machine is described, never named."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from probe.tls.client import openssl_version

_LIBRARIES = ("aiohttp", "dnspython", "msgspec", "pydantic", "PyYAML", "sqlite-utils")


def machine_facts() -> dict[str, str]:
    """Processor, cores, load, interpreter and the versions of what is timed."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": _cpu_model(),
        "cores": str(len(os.sched_getaffinity(0))),
        "load_1min": f"{os.getloadavg()[0]:.2f}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "kernel": re.split(r"[-+]", platform.release())[0],
        "openssl": openssl_version(),
        "sqlite": sqlite3.sqlite_version,
        "cdn-probe": version("cdn-probe"),
        **{name: version(name) for name in _LIBRARIES},
    }


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.machine()
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.M)
    return match[1].strip() if match else platform.machine()


def file_name(facts: dict[str, str]) -> str:
    """`<date>-<processor>-<cores>c-py<version>.json`: tells the kind of machine, and not whose."""
    python = ".".join(facts["python"].split()[-1].split(".")[:2])
    stem = f"{facts['date']}-{facts['cpu']}-{facts['cores']}c-py{python}".lower()
    return re.sub(r"[^a-z0-9.]+", "-", stem).strip("-") + ".json"
