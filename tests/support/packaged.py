"""The Debian package, built once for all tests that want it."""

from __future__ import annotations

import atexit
import fcntl
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.system.programs import need

CHECKOUT = Path(__file__).parents[2]
PYTHON = "/usr/bin/python3"


def build_environment() -> dict[str, str]:
    """What the scripts in packaging/ are run with; pip is that of the interpreter that runs the tests."""
    return {
        **os.environ,
        "PIP": f"{sys.executable} -m pip",
        "DEB_OPTIONS": "-Zgzip -z1",
        "SOURCE_DATE_EPOCH": "1790000000",
    }


@functools.cache
def debian_package() -> Path:
    """The package of this checkout for Debian's own Python. Skips where this is no Debian.

    Built once for all workers of a run; each has the file for itself, since they end at different times.
    """
    need("dpkg", "dpkg-deb", PYTHON)
    out = Path(tempfile.mkdtemp(prefix="cdn-probe-deb-"))
    atexit.register(shutil.rmtree, out, ignore_errors=True)
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        return built(CHECKOUT, out)
    shared = Path(tempfile.gettempdir()) / f"cdn-probe-deb-of-{run}"
    shared.mkdir(mode=0o700, exist_ok=True)
    atexit.register(shutil.rmtree, shared, ignore_errors=True)
    with (shared.with_suffix(".lock")).open("w") as lock:
        atexit.register(shared.with_suffix(".lock").unlink, missing_ok=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
        shared.mkdir(mode=0o700, exist_ok=True)
        for package in shared.glob("*.deb"):
            return Path(shutil.copy(package, out))
        made = built(CHECKOUT, out)
        Path(shutil.copy(made, shared / "part")).rename(shared / made.name)
        return made


def built(tree: Path, out: Path) -> Path:
    """The Debian package of this tree, by its own scripts, in `out`."""
    done = subprocess.run(
        [tree / "packaging" / "deb", out, PYTHON],
        capture_output=True,
        text=True,
        check=False,
        env=build_environment(),
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1])
