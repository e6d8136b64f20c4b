"""What many look at is drawn once, and who may see other things gets another page."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from probe.api.http.problem import Refused, not_found
from probe.api.page.drawn import ASKED_S, KEPT_S, MOST, Drawn
from tests.api.page.signed import cookie_of, look, sign_in, some_rows, well
from tests.api.served import fill, served


class Drawing:
    """A clock, and what is drawn when."""

    def __init__(self, cost_s: float = 0.0) -> None:
        self.now_s = 100.0
        self.cost_s = cost_s
        self.drawn = Counter[str]()
        self.pages = Drawn(lambda: self.now_s)

    async def ask(self, name: str) -> str:
        async def draw() -> tuple[str, float]:
            await asyncio.sleep(0)
            self.drawn[name] += 1
            return f"{name} {self.drawn[name]}", self.cost_s

        return await self.pages.page(name, draw)


async def test_fifty_who_ask_at_once_get_one_page() -> None:
    drawing = Drawing()
    assert set(await asyncio.gather(*(drawing.ask("a") for _ in range(50)))) == {"a 1"}
    drawing.now_s += KEPT_S - 0.01
    assert await drawing.ask("a") == "a 1"
    drawing.now_s += 0.02
    assert await drawing.ask("a") == "a 2"


async def test_drawing_takes_a_third_of_a_processor_however_many_pages_are_asked_for() -> None:
    drawing = Drawing(cost_s=0.2)
    names = [f"page-{number}" for number in range(20)]
    seconds = 120
    for _ in range(seconds):
        drawing.now_s += 1
        for name in names:
            await drawing.ask(name)
    spent_s = drawing.cost_s * sum(drawing.drawn.values())
    assert len(drawing.drawn) == len(names)
    assert spent_s < seconds / 3 + 2 * drawing.cost_s * len(names)
    drawing.now_s += ASKED_S + 1
    await drawing.ask("page-0")
    assert drawing.pages.kept_s == KEPT_S, "what nobody asks for any more counts no more"


async def test_what_is_kept_is_bounded() -> None:
    drawing = Drawing()
    for number in range(2 * MOST):
        await drawing.ask(str(number))
    assert await drawing.ask(str(2 * MOST - 1)) == f"{2 * MOST - 1} 1"
    assert await drawing.ask("0") == "0 2"


async def test_a_refusal_is_told_to_all_who_wait_and_not_kept() -> None:
    pages, tries = Drawn(), 0

    async def refuse() -> tuple[str, float]:
        nonlocal tries
        tries += 1
        raise not_found()

    found = await asyncio.gather(*(pages.page("x", refuse) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(one, Refused) for one in found)
    with pytest.raises(Refused):
        await pages.page("x", refuse)
    assert tries == 2


async def test_who_leaves_takes_the_page_from_nobody() -> None:
    drawing = Drawing()
    first, second = (asyncio.create_task(drawing.ask("a")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == "a 1"


async def test_readers_of_equal_rights_share_a_page_and_each_is_called_by_name(tmp_path: Path) -> None:
    await fill(tmp_path / "r", [*some_rows(), well(10, customer="acme", domain="b.example", id="3" * 16)])
    async with served(tmp_path, page={}) as api:
        signed = {
            name: cookie_of(await sign_in(api, name)) for name in ("all", "everything", "acme", "other")
        }
        shown = {name: (await look(api, "/", cookie)).body.decode() for name, cookie in signed.items()}
    for name, text in shown.items():
        assert text.count(f"signed in as {name} ") == 1
        assert not any(f"signed in as {other} " in text for other in signed if other != name)
    assert "z.example" not in shown["acme"]
    assert "a.example" not in shown["other"]
    assert "z.example" in shown["all"]
