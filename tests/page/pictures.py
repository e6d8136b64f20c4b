"""`python -m tests.page.pictures`: the four pictures of docs/page.md, made anew by a real browser. Look at them."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from probe.page.model.values import Looking
from probe.page.overview import Overview, overview
from tests.api.served import TOKENS
from tests.page.made import END, END_US, board, standing, trouble
from tests.page.served_fixture import page_served
from tests.support.browser import browser

INTO = Path(__file__).parent.parent.parent / "docs" / "page"


async def main() -> None:
    """All four."""
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        over = trouble(id="f" * 16, domain="www007.acme.example", closed_us=END_US, well_after_us=END_US)
        of = Overview(domains=tuple(board(8, 6, bursts=2).of(None)), troubles=(trouble(), over), end=END)
        async with page_served(directory) as served, browser(directory / "b") as tab:
            for language, dark, width, height in (("en", False, 1280, 800), ("zh", True, 390, 780)):
                file = directory / f"{language}.html"
                looking = Looking(language=language, static=True)
                file.write_text(overview(of, looking, standing(refresh_s=None)), encoding="utf-8")
                await tab.window(width, height, dark=dark)
                await tab.open(f"file://{file}")
                await tab.run("document.querySelector('details').open = true")
                await tab.picture(INTO / f"overview-{language}.png")
            await tab.window(1280, 800)
            await tab.open(f"{served.url}/")
            await tab.click("#credential")
            await tab.type(TOKENS["all"])
            await tab.click("form button", loads=True)
            await tab.click(".incidents a", "www.shop.example", loads=True)
            await tab.picture(INTO / "incident.png")
            await tab.window(1280, 800, dark=True)
            await tab.click("td a", loads=True)
            await tab.picture(INTO / "row.png")


if __name__ == "__main__":
    asyncio.run(main())
