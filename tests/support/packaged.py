"""The Debian package, built once for all tests that want it."""

from __future__ import annotations

import atexit
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
    """The package of this checkout for Debian's own Python. Skips where this is no Debian."""
    need("dpkg", "dpkg-deb", PYTHON)
    out = Path(tempfile.mkdtemp(prefix="cdn-probe-deb-"))
    atexit.register(shutil.rmtree, out, ignore_errors=True)
    done = subprocess.run(
        [CHECKOUT / "packaging" / "deb", out, PYTHON],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=build_environment(),
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1])
