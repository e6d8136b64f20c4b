"""Rule: a secret is read at the moment of use, from a place that only we can read, and is never kept or shown.

`env:NAME`, `file:/path` and `credential:name` (systemd's LoadCredential=, in $CREDENTIALS_DIRECTORY).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from probe.core.model.task import SecretRef

MAX_BYTES = 64 * 1024


class SecretError(Exception):
    """A secret cannot be read. The message names the reference, what is wrong and what to do; never the value."""


def reveal(ref: SecretRef) -> str:
    """The value, without one newline at its end. Raises SecretError."""
    if ref.scheme == "env":
        value = _from_environment(ref)
    elif ref.scheme == "file":
        value = _from_file(ref, Path(ref.name))
    elif ref.scheme == "credential":
        value = _from_file(ref, _credential(ref))
    else:
        raise SecretError(f"{ref}: secrets are env:NAME, file:/path or credential:name")
    value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise SecretError(f"{ref} is empty: put the secret there")
    if any(char in value for char in "\r\n\0"):
        raise SecretError(f"{ref} holds more than one line: a secret for a header is one line")
    return value


def _from_environment(ref: SecretRef) -> str:
    value = os.environ.get(ref.name)
    if value is None:
        raise SecretError(f"{ref}: the environment variable {ref.name} is not set for this process")
    return value


def _credential(ref: SecretRef) -> Path:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise SecretError(
            f"{ref}: $CREDENTIALS_DIRECTORY is not set; run under systemd with LoadCredential={ref.name}:/path"
        )
    if "/" in ref.name or ref.name in ("", ".", ".."):
        raise SecretError(f"{ref}: the name of a credential has no slashes")
    return Path(directory) / ref.name


def _from_file(ref: SecretRef, path: Path) -> str:
    try:
        # Not blocking, so that a FIFO cannot hang us; checked on the open file, so that it cannot be swapped.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            _refuse_exposed(ref, path, os.fstat(descriptor))
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise SecretError(f"{ref} cannot be read: {why}") from None
    if len(data) > MAX_BYTES:
        raise SecretError(f"{ref} is larger than {MAX_BYTES} bytes: that is no secret for a header")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise SecretError(f"{ref} is not UTF-8 text") from None


def _refuse_exposed(ref: SecretRef, path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise SecretError(f"{ref} is no regular file")
    if status.st_mode & 0o007:
        raise SecretError(
            f"{ref} can be reached by everybody on this host (mode {stat.S_IMODE(status.st_mode):04o}): "
            f"chmod 0600 {path}, and replace the secret if others may have read it"
        )
    parent = os.stat(path.parent)
    if parent.st_mode & stat.S_IWOTH and not parent.st_mode & stat.S_ISVTX:
        raise SecretError(f"{ref}: everybody on this host may replace it: chmod o-w {path.parent}")
