"""Rule: a secret is read at the moment of use, from a place that only its owner can read, and is never shown."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from probe.core.task import SecretRef

MAX_BYTES = 64 * 1024


class SecretError(Exception):
    """A secret cannot be had; says where it was looked for and what to do, never what was found."""


def reveal(ref: SecretRef) -> str:
    """The value of `env:NAME`, `file:/path` or `credential:NAME` (systemd). Raises SecretError."""
    if ref.scheme == "env":
        value = os.environ.get(ref.name)
        if value is None:
            raise SecretError(f"{ref}: the environment has no {ref.name}; set it for the agent")
        return value
    if ref.scheme == "credential":
        return _read(_credential(ref), ref)
    return _read(Path(ref.name), ref)


def _credential(ref: SecretRef) -> Path:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if directory is None:
        raise SecretError(
            f"{ref}: no credentials here; run under systemd with LoadCredential={ref.name}:/path"
        )
    if "/" in ref.name or ref.name in ("", ".", ".."):
        raise SecretError(f"{ref}: a credential's name has no slash")
    return Path(directory) / ref.name


def _read(path: Path, ref: SecretRef) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise SecretError(f"{ref}: is no regular file")
            if mode & 0o007:
                raise SecretError(f"{ref}: everybody on this host can read it; run: chmod o= {path}")
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SecretError(f"{ref}: cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise SecretError(f"{ref}: larger than {MAX_BYTES >> 10} KiB; that is no secret")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise SecretError(f"{ref}: is not UTF-8 text") from None
    value = text.removesuffix("\n").removesuffix("\r")
    if any(c in value for c in "\r\n\0"):
        raise SecretError(f"{ref}: has more than one line, which no header field can carry")
    return value
