"""Rule: files that others on this host could read or replace are refused before use, with the command that mends it.

Modes and owners of files and directories. Each function returns a message for a person, or None where nothing is wrong.
"""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path


def replaceable(directory: Path) -> str | None:
    """Why a file in this directory could be replaced by anybody. A sticky directory, as /tmp, keeps each one's own."""
    status = _status(directory)
    if status is None or not _writable_by_all(directory, status) or status.st_mode & stat.S_ISVTX:
        return None
    return f"everybody on this host may replace what lies in {directory}: chmod o-w {directory}"


def open_to_additions(directory: Path) -> str | None:
    """Why a file could be put into this directory by anybody, sticky or not."""
    status = _status(directory)
    if status is None or not _writable_by_all(directory, status):
        return None
    return f"everybody on this host may put files into {directory}: chmod o-w {directory}"


def exposed_key(file: Path) -> str | None:
    """Why this private key is no longer private. Its group may read it, as Debian's `ssl-cert` does."""
    status = _status(file)
    if status is None or not status.st_mode & 0o007:
        return None
    mode = stat.S_IMODE(status.st_mode)
    return (
        f"{file} can be reached by everybody on this host (mode {mode:04o}): chmod 0640 {file}, and replace the key"
        " if others may have read it"
    )


def not_our_own(directory: Path) -> str | None:
    """Why this directory is no place for results: another user's, or open to everybody. None if it is not there."""
    status = _status(directory)
    if status is None:
        return None
    if status.st_uid != os.geteuid():
        owner = _name(status.st_uid)
        return (
            f"{directory} belongs to the user {owner} and this runs as {_name(os.geteuid())}: run as {owner}"
            f" (sudo -u {owner} cdn-probe ...), or give the agent a directory of its own"
        )
    return open_to_additions(directory) or replaceable(directory.absolute().parent)


def _writable_by_all(directory: Path, status: os.stat_result) -> bool:
    """By its mode, and mounted so that one can: a ConfigMap of Kubernetes is a read-only mount of mode 0777."""
    return bool(status.st_mode & stat.S_IWOTH) and not os.statvfs(directory).f_flag & os.ST_RDONLY


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None  # opening it will raise the error


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
