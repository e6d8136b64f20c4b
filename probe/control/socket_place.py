"""Rule: there is one control socket in a results directory, ours from its first moment, and gone when we are.

Made beside its place with its final mode, then renamed into it. Bound through `/proc/self/fd`, so that a directory's
path may be longer than the 107 bytes that an address of a socket holds (unix(7)).
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SOCKET = "_control.sock"
WAITING = 64


class ControlError(OSError):
    """The agent cannot be asked, or refused; the message says why and what to do."""


class NotRunning(ControlError):  # noqa: N818
    """No agent runs on the directory."""


@contextmanager
def address_in(directory: Path) -> Iterator[str]:
    """By which the directory's socket is connected to, however long its path is. Raises OSError."""
    handle = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{handle}/{SOCKET}"
    finally:
        os.close(handle)


class Place:
    """The results directory, held open, and our socket in it."""

    def __init__(self, directory: Path) -> None:
        self._shown = directory / SOCKET
        try:
            self._handle = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise ControlError(
                f"{directory}: no control socket can be made here: {error.strerror}"
            ) from error
        self._inode: int | None = None

    def listen(self) -> socket.socket:
        """Bound, mode 0600 from its first moment, in the place of one that nobody answers on. Raises ControlError."""
        new = f"{SOCKET}.{os.getpid()}"
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._refuse_occupied()
            os.fchmod(made.fileno(), 0o600)  # Linux gives the bound file the mode that the socket has
            with suppress(FileNotFoundError):
                os.unlink(new, dir_fd=self._handle)
            made.bind(f"/proc/self/fd/{self._handle}/{new}")
            made.listen(WAITING)
            made.setblocking(False)
            self._inode = os.stat(new, dir_fd=self._handle).st_ino
            os.rename(new, SOCKET, src_dir_fd=self._handle, dst_dir_fd=self._handle)
        except BaseException as error:
            made.close()
            with suppress(OSError):
                os.unlink(new, dir_fd=self._handle)
            if isinstance(error, OSError) and not isinstance(error, ControlError):
                raise ControlError(
                    f"{self._shown}: the control socket cannot be made: {error.strerror}"
                ) from error
            raise
        return made

    def _refuse_occupied(self) -> None:
        try:
            found = os.stat(SOCKET, dir_fd=self._handle, follow_symlinks=False)
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(found.st_mode):
            raise ControlError(f"{self._shown}: this is no socket, and none of ours: move it away")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
            trial.settimeout(1.0)
            try:
                trial.connect(f"/proc/self/fd/{self._handle}/{SOCKET}")
            except ConnectionRefusedError:
                return  # its process is dead
            except FileNotFoundError:
                return
            except (TimeoutError, BlockingIOError):
                pass  # its queue is full: somebody lives there
        raise ControlError(f"{self._shown}: another process answers there: stop that agent")

    def remove(self) -> None:
        """Take our socket away; another one's in its place stays."""
        with suppress(OSError):
            if os.stat(SOCKET, dir_fd=self._handle, follow_symlinks=False).st_ino == self._inode:
                os.unlink(SOCKET, dir_fd=self._handle)

    def close(self) -> None:
        """Give the directory free."""
        os.close(self._handle)
