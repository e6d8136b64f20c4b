"""People who have the page open: each signs in once, then asks for it again whenever a browser would."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from tests.viewers.world import World

FORM = {"Sec-Fetch-Site": "same-origin"}
REFRESH = re.compile(r'data-refresh="(\d+)"')
PLACES = ("/", "/", "/?lang=zh", "/?span=7d", "/?only=trouble", "/?span=30d&lang=zh", "/?zone=Asia/Shanghai")


@dataclass(slots=True)
class Looked:
    """What was seen of it. `sent`: bytes as they came, compressed; `whole`: without that."""

    statuses: Counter[int] = field(default_factory=Counter)
    took_s: list[float] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)


async def sign_in(session: aiohttp.ClientSession, world: World, token: str) -> None:
    """The cookie is the session's then."""
    async with session.post(
        f"{world.url}/sign-in", data={"credential": token}, headers=FORM, allow_redirects=False
    ) as answer:
        assert answer.status == 303, await answer.text()


async def look(session: aiohttp.ClientSession, world: World, path: str, into: Looked) -> str:
    """The page once."""
    begun_s = time.monotonic()
    async with session.get(world.url + path, allow_redirects=False) as answer:
        text = await answer.text()
        into.took_s.append(time.monotonic() - begun_s)
        into.statuses[answer.status] += 1
        into.sent.append(int(answer.headers.get("Content-Length", len(text))))
        into.whole.append(len(text.encode()))
    return text


async def _viewer(world: World, number: int, tokens: Sequence[str], into: Looked) -> None:
    chance = random.Random(number)
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        await sign_in(session, world, tokens[number % len(tokens)])
        path = PLACES[number % len(PLACES)]
        text = await look(session, world, path, into)
        found = REFRESH.search(text)
        assert found is not None, text[:500]
        refresh_s = int(found[1])
        await asyncio.sleep(chance.random() * refresh_s)  # people do not open it in one moment
        while True:
            await look(session, world, path, into)
            await asyncio.sleep(refresh_s)


@asynccontextmanager
async def looked_at(world: World, viewers: int) -> AsyncIterator[Looked]:
    """So many look as long as the block lasts; whatever fails one of them fails it."""
    into = Looked()
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_viewer(world, number, world.tokens, into), name=f"viewer-{number}")
            for number in range(viewers)
        ]
        yield into
        for task in tasks:
            task.cancel()
