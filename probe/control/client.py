"""Asks the running agent of a results directory: a question in, its answer out, each one JSON object on one line.

`ask` waits, `ask_async` runs on an event loop. What goes wrong is a ControlError in words; NotRunning where nobody is
there to ask.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from probe.control.socket_place import ControlError, NotRunning, address_in

ANSWER_BYTES = 16 * 1024 * 1024
WITHIN_S = 5.0


def ask(directory: Path, question: Mapping[str, Any], timeout_s: float = WITHIN_S) -> dict[str, Any]:
    """Ask the agent of a results directory and wait for its answer. Raises ControlError."""
    until_s = time.monotonic() + timeout_s
    with (
        _in_words(directory, timeout_s),
        address_in(directory) as address,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer,
    ):
        peer.settimeout(timeout_s)
        peer.connect(address)
        peer.sendall(_line(question))
        return _answer_of(directory, _read_line(peer, until_s))


def _read_line(peer: socket.socket, until_s: float) -> bytes:
    data = bytearray()
    while not data.endswith(b"\n") and len(data) <= ANSWER_BYTES:
        peer.settimeout(max(0.001, until_s - time.monotonic()))
        part = peer.recv(1 << 16)
        if not part:
            break
        data += part
        if time.monotonic() > until_s:
            raise TimeoutError
    return bytes(data)


async def ask_async(
    directory: Path, question: Mapping[str, Any], timeout_s: float = WITHIN_S
) -> dict[str, Any]:
    """The same on the event loop. Raises ControlError."""
    import asyncio  # here: who asks without a loop need not load it

    with _in_words(directory, timeout_s), address_in(directory) as address:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_unix_connection(address, limit=ANSWER_BYTES)
            try:
                writer.write(_line(question))
                await writer.drain()
                return _answer_of(directory, await reader.readline())
            finally:
                writer.close()


def _line(question: Mapping[str, Any]) -> bytes:
    return json.dumps(question).encode() + b"\n"


def _answer_of(directory: Path, line: bytes) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise ControlError(f"{directory}: the agent ended while it was asked, or its answer is too long")
    answer = json.loads(line)
    if not isinstance(answer, dict):
        raise ValueError("no object")
    if isinstance(answer.get("problem"), str):
        raise ControlError(f"{directory}: the agent refused: {answer['problem']}")
    return answer


@contextmanager
def _in_words(directory: Path, timeout_s: float) -> Iterator[None]:
    """What goes wrong within, in words."""
    try:
        yield
    except ControlError:
        raise
    except TimeoutError:
        raise ControlError(f"{directory}: the agent did not answer within {timeout_s:g} s") from None
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        raise NotRunning(
            f"{directory}: no agent runs here that could be asked; start it, or name the directory of one that runs"
        ) from None
    except PermissionError:
        words = "the agent's own user and root may ask it: use `sudo -u` with its user"
        raise ControlError(f"{directory}: {words}") from None
    except OSError as error:
        raise ControlError(f"{directory}: the agent cannot be asked: {error.strerror or error}") from None
    except ValueError:
        raise ControlError(f"{directory}: what answers there is not our agent") from None
