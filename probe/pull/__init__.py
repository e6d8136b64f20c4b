"""Rule: an evaluator needs two names: `pull` brings results over, `Copy` reads them.

In: addresses of agents (`Source`) and a directory. `client` makes the requests, `page` and `chain` verify what came
before any of it is kept, `copy_dir` writes it, `puller` and `stream` do this for every stream. Out: a verified copy
on the disk (`Copy`), how it went (`Board`), and, offline, a `Verified` for each stream. Without the store, the server
and the agent.

from probe.pull import Copy, pull

board = pull(["https://bj-mon-01.example.net:8640"], into="copy", token=lambda: os.environ["TOKEN"])
for record in Copy("copy").records("bj-mon-01", "acme", since="2026-11-01T00:00:00+08:00"):
    ...
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from probe.pull.client import Source
from probe.pull.copy import CopiedStream, Copy, CopyCoverage, Dropped
from probe.pull.layout import CopyError
from probe.pull.progress import Board, State, StreamProgress
from probe.pull.puller import pull_all
from probe.pull.stream import PullOptions
from probe.pull.verify import Verified

__all__ = [
    "Board",
    "CopiedStream",
    "Copy",
    "CopyCoverage",
    "CopyError",
    "Dropped",
    "PullOptions",
    "Source",
    "State",
    "StreamProgress",
    "Verified",
    "pull",
    "pull_all",
]


def pull(
    urls: Sequence[str],
    into: str | Path,
    *,
    token: Callable[[], str] | None = None,
    customers: Collection[str] = (),
    tls: ssl.SSLContext | None = None,
    key_pem: bytes | None = None,
    ack: bool = False,
) -> Board:
    """Bring the copy in `into` up to what the hosts have now; safe to kill, and goes on where it ended.

    `token`: gives the bearer token at the moment of use. `key_pem`: the agent's public key; else the one seen first
    is kept. `ack`: confirm to the hosts what is on the disk. How it went is on the board: `board.complete`, and what
    was refused in `board.refused`. Raises CopyError where another pull writes there, OSError where nothing can be
    written, `probe.pull.client.RefusedError` for an address that would send the token in the clear. Where an event
    loop runs already, use `pull_all`.
    """
    sources = [Source(url=url, token=token, tls=tls, key_pem=key_pem) for url in urls]
    return asyncio.run(pull_all(sources, Path(into), customers=customers, options=PullOptions(ack=ack)))
