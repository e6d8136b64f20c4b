"""What curl and headless Chromium make of raw replies, in few words; one server gives the same bytes to both.

The words: `whole`, the bytes are the content's; `whole, error 18`, they are and curl ends with that exit code; `part`,
a beginning; `other bytes`; `nothing`; `refused`, Chromium's fetch fails, before or in the body. A status that is not
200 stands in front.
"""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.system.programs import find, process

HOST = "127.0.0.1"
WAIT_S = 90.0  # for all replies in one browser
# Each reply is asked for by itself; what does not end within 5 s is given up.
PAGE = """<!doctype html><meta charset=utf-8><script>(async () => {
const found = [];
for (let i = 0; i < COUNT; i++) {
  const giveUp = new AbortController(), timer = setTimeout(() => giveUp.abort(), 5000);
  try {
    const reply = await fetch("/reply/" + i, {signal: giveUp.signal, cache: "no-store", redirect: "manual"});
    const bytes = new Uint8Array(await reply.arrayBuffer());
    found.push([reply.status, Array.from(bytes, byte => byte.toString(16).padStart(2, "0")).join("")]);
  } catch (error) { found.push(null); }
  clearTimeout(timer);
}
await fetch("/found", {method: "POST", body: JSON.stringify(found)});
})()</script>"""
CHROMIUM = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
)  # fmt: skip


class RawServer:
    """Gives `replies[n]` for /reply/n and closes; the page that asks for all of them for /; takes what it found."""

    def __init__(self, replies: Sequence[bytes]) -> None:
        self._replies = replies
        self._listening = socket.create_server((HOST, 0), backlog=64)
        self.port: int = self._listening.getsockname()[1]
        self.found: list[list[object] | None] = []
        self.done = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> RawServer:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._listening.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(20)
        with connection:
            try:
                connection.sendall(self._answer(connection))
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):  # until the client closes: a reset would take its reply away
                    pass
            except OSError:
                return  # the client went away

    def _answer(self, connection: socket.socket) -> bytes:
        asked = bytearray()
        while b"\r\n\r\n" not in asked:
            piece = connection.recv(65536)
            if not piece:
                return b""
            asked += piece
        head, _, body = bytes(asked).partition(b"\r\n\r\n")
        path = head.split(b" ", 2)[1]
        if path.startswith(b"/reply/"):
            return self._replies[int(path.removeprefix(b"/reply/"))]
        if path == b"/found":
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            while len(body) < int(fields[b"content-length"]):
                body += connection.recv(65536)
            self.found = json.loads(body)
            self.done.set()
            return b"HTTP/1.1 204 No Content\r\n\r\n"
        page = PAGE.replace("COUNT", str(len(self._replies))).encode() if path == b"/" else b""
        return b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page) + page


def asked_of_curl(server: RawServer, number: int, content: bytes) -> str:
    """What `curl --compressed` writes of one reply."""
    done = subprocess.run(
        [find("curl") or "curl", "-q", "-s", "-m", "5", "--noproxy", "*", "--compressed", "-o", "-",
         "-w", "%{stderr}%{http_code}", f"http://{HOST}:{server.port}/reply/{number}"],
        capture_output=True, check=False, timeout=20,
    )  # fmt: skip
    status = int(done.stderr[-3:] or b"0")
    words = _bytes_in_words(done.stdout, content)
    if done.returncode:
        words += f", error {done.returncode}"
    return words if status in (0, 200) else f"status {status}, {words}"


def asked_of_chromium(server: RawServer, content: bytes, directory: Path) -> list[str]:
    """What a page's fetch gets of each reply, in order. `directory`: an empty one for the profile and the log."""
    with _chromium(server.port, directory):
        assert server.done.wait(WAIT_S), (directory / "chromium.log").read_text(errors="replace")[-2000:]
    return [_fetched(one, content) for one in server.found]


@contextmanager
def _chromium(port: int, directory: Path) -> Iterator[None]:
    command = [find("chromium") or "chromium", *CHROMIUM, f"--user-data-dir={directory / 'profile'}"]
    with process([*command, f"http://{HOST}:{port}/"], directory / "chromium.log"):
        yield


def _fetched(one: list[object] | None, content: bytes) -> str:
    if one is None:
        return "refused"
    status, body = one
    words = _bytes_in_words(bytes.fromhex(str(body)), content)
    return words if status == 200 else f"status {status}, {words}"


def _bytes_in_words(body: bytes, content: bytes) -> str:
    if body == content:
        return "whole"
    if not body:
        return "nothing"
    return "part" if content.startswith(body) else "other bytes"
