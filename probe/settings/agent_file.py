"""agent.yaml as text, and the two things in it that `status` needs: the agent's name and the results directory.

In: the path of agent.yaml. Out: its text, or `Whereabouts`. Loads no model of the configuration: a command that only
asks a running agent must not pay for that. Where the two cannot be read this way, the whole file is read and
validated as every other command does it, which reports what is wrong.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

MAX_BYTES = 8 * 1024 * 1024
VARIABLE = "CDN_PROBE_CONFIG"
SYSTEM_FILE = Path("/etc/cdn-probe/agent.yaml")
OWN_FILE = Path("config/agent.yaml")
LOOKED_FOR = (
    "`cdn-probe init` writes a first one; "
    f"without -c it is the file that ${VARIABLE} names, else {SYSTEM_FILE}, else {OWN_FILE}"
)
CLOSED = "it may not be read by this user: run this as root, or as the agent does (sudo -u cdn-probe)"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")  # as probe.core.syntax.values, which loads more


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """An agent's name and its results directory."""

    agent: str
    results: Path


def usual_file() -> Path:
    """agent.yaml where none is named: where a package puts it, or a working copy has it."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    if OWN_FILE.exists() and not os.path.exists(SYSTEM_FILE):
        return OWN_FILE
    # Nobody's is there yet, or the package's directory is closed to this user: it is the package's that is meant.
    return SYSTEM_FILE if SYSTEM_FILE.parent.is_dir() else OWN_FILE


def read_agent_text(file: Path) -> str:
    """The text of agent.yaml. Raises OSError in words where it must not or cannot be read."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise OSError(f"{file} does not exist; {LOOKED_FOR}") from None
    except PermissionError:
        raise OSError(f"{file}: {CLOSED}") from None
    with open(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            raise OSError(f"{file} is no regular file, or larger than {MAX_BYTES} bytes")
        if status.st_mode & stat.S_IWOTH:
            raise OSError(f"everybody on this host may change {file}: chmod o-w {file}")
        data = stream.read(MAX_BYTES + 1)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise OSError(f"{file} is not UTF-8 text") from None


def directory_of(file: Path) -> Path:
    """The directory that paths in agent.yaml are relative to."""
    return Path(os.path.abspath(file)).parent


def whereabouts(file: Path) -> Whereabouts:
    """Name and results directory from agent.yaml. Raises ConfigError or OSError.

    The rest of the file is not validated: a running agent can be asked for its state while its file has other errors.
    """
    from probe.core.syntax.yaml import read_document

    text, base = read_agent_text(file), directory_of(file)
    document, problems = read_document(text, str(file))
    data = document.plain() if document is not None and not problems else {}
    agent, results = data.get("agent"), data.get("results")
    if (
        isinstance(agent, str)
        and _NAME.fullmatch(agent)
        and isinstance(results, str)
        and 0 < len(results) <= 4096
    ):
        return Whereabouts(agent, base / results)
    return _judged(text, file, base)


def _judged(text: str, file: Path, base: Path) -> Whereabouts:
    from probe.core.config.load import parse_agent

    config = parse_agent(text, str(file), base=base)
    return Whereabouts(config.agent, Path(config.results))
