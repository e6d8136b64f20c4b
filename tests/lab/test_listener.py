"""A listener of the lab serves who is still there."""

from __future__ import annotations

import asyncio
import socket
import struct

from probe.lab.servers.listener import Listener
from tests.system.programs import free_port


async def test_a_client_that_reset_before_its_turn_is_not_served() -> None:
    served: list[object] = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(writer.get_extra_info("peername"))

    listener = Listener("127.0.0.1", free_port(), serve)
    listener.open()
    try:
        place = "127.0.0.1", listener.port
        gone = socket.create_connection(place)
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.close()  # the loop has not run: it waits to be accepted, and is reset
        with socket.create_connection(place) as stays:
            stays.setblocking(False)
            assert await asyncio.get_running_loop().sock_recv(stays, 1) == b""
            name = stays.getsockname()
    finally:
        await listener.close()
    assert served == [name]
