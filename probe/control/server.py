"""Rule: the running agent is asked over a socket that its own user alone can reach, one bounded line each way.

`_control.sock` in the results directory, mode 0600; who asks is looked at besides (SO_PEERCRED, unix(7)): the agent's
user or root. `{"ask": "live"}` and the like, one JSON line; the answer is one JSON line, and the connection ends. What
goes wrong is answered as `{"problem": "..."}`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from probe.control.socket_place import Place
from probe.core.records.codec import encode_any

log = logging.getLogger("probe.control")

QUESTION_BYTES = 4096
QUESTION_S = 5.0  # from connecting to the end of the question
ANSWER_S = 60.0  # to make the answer and to have it taken
AT_ONCE = 16

Handler = Callable[[], Awaitable[Mapping[str, Any]]]


class ControlServer:
    """Answers questions on the running loop. `start`, then `stop`; or `run` until an event is set."""

    def __init__(self, directory: Path, handlers: Mapping[str, Handler]) -> None:
        """`handlers`: question -> what makes its answer; called on the loop, one call a question."""
        self._directory = directory
        self._handlers = dict(handlers)
        self._server: asyncio.Server | None = None
        self._place: Place | None = None
        self._talks: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Answer until `stop` is set. Raises ControlError where it cannot begin."""
        await self.start()
        try:
            await stop.wait()
        finally:
            await self.stop()

    async def start(self) -> None:
        """Begin; a socket that a dead process left is replaced. Raises ControlError."""
        place = Place(self._directory)
        try:
            listening = place.listen()
            self._server = await asyncio.start_unix_server(
                self._accepted, sock=listening, limit=QUESTION_BYTES
            )
        except BaseException:
            place.close()
            raise
        self._place = place

    async def stop(self) -> None:
        """End it, with whoever is being answered; the socket is gone then. Safe to call twice."""
        server, self._server = self._server, None
        place, self._place = self._place, None
        if server is not None:
            server.close()
        for talk in list(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)
        if place is not None:
            place.remove()
            place.close()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._talks) >= 2 * AT_ONCE:
            writer.transport.abort()  # no room even to say so
            return
        talk = asyncio.get_running_loop().create_task(self._talk(reader, writer), name="control")
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(0)  # drained means taken
        try:
            writer.write(await self._answer(reader, writer) + b"\n")
            async with asyncio.timeout(ANSWER_S):
                await writer.drain()
        except (OSError, TimeoutError):  # whoever asked is gone, or does not read
            writer.transport.abort()
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        try:
            async with asyncio.timeout(QUESTION_S):
                line = await reader.readline()  # read first: closing before would cut the refusal off
        except TimeoutError:
            return _problem(f"no question within {QUESTION_S:g} s")
        except ValueError:
            return _problem(f"a question is one line of at most {QUESTION_BYTES} bytes")
        refused = _refused(writer.get_extra_info("socket"))
        if refused is not None:
            return _problem(refused)
        if len(self._talks) > AT_ONCE:
            return _problem(f"more than {AT_ONCE} questions at once: ask again later")
        asked = _asked(line)
        handler = self._handlers.get(asked) if asked is not None else None
        if handler is None:
            return _problem(f'a question is {{"ask": ...}} with one of: {", ".join(sorted(self._handlers))}')
        return await _handled(str(asked), handler)


async def _handled(asked: str, handler: Handler) -> bytes:
    try:
        async with asyncio.timeout(ANSWER_S):
            return encode_any(await handler())
    except TimeoutError:
        return _problem(f"{asked}: not answered within {ANSWER_S:g} s")
    except Exception as error:  # a defect of ours must not end the server
        log.error("control.failed", exc_info=error, extra={"fields": {"ask": asked}})
        return _problem(f"{asked}: this failed by our own fault; see the agent's log")


def _problem(words: str) -> bytes:
    return encode_any({"problem": words})


def _asked(line: bytes) -> str | None:
    try:
        question = json.loads(line)
    except (ValueError, RecursionError):
        return None
    asked = question.get("ask") if isinstance(question, dict) else None
    return asked if isinstance(asked, str) else None


def _refused(peer: Any) -> str | None:
    """Why this peer is not answered; None: it is our own user, or root."""
    packed = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid = struct.unpack("3i", packed)[1]
    if uid in (0, os.geteuid()):
        return None
    return f"the agent answers its own user ({os.geteuid()}) and root, and this is user {uid}"
