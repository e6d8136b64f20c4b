"""What an earlier commit of this project had, out of the history of the checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


class NotInHistoryError(Exception):
    """This checkout has no such commit; the message says what git says."""


def taken(commit: str, into: Path, *names: str) -> Path:
    """The files of a commit, of all or these directories, in `into`, which is made. Raises NotInHistoryError."""
    packed = subprocess.run(
        ["git", "-C", ROOT, "archive", commit, *names], capture_output=True, check=False, timeout=60
    )
    if packed.returncode != 0:
        raise NotInHistoryError(packed.stderr.decode(errors="replace").strip())
    into.mkdir(parents=True)
    subprocess.run(["tar", "-x", "-C", into], input=packed.stdout, check=True, timeout=60)
    return into
