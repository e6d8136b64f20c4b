"""The page in a real browser: by mouse and by keyboard alone, at every width, for axe, and against what others put in.

Debian's Chromium, without a window. Nothing on the console, nothing asked of another host.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from probe.page.model.values import Looking
from probe.page.overview import Overview, overview
from probe.services.page.files import PageWriter
from tests.api.page.signed import some_rows
from tests.api.served import TOKENS, fill
from tests.fixtures.frozen import unpacked
from tests.page import hostile
from tests.page.made import END, board, standing, trouble
from tests.page.payloads import PAYLOADS
from tests.page.served_fixture import PageServed, page_served
from tests.support.browser import Tab, browser
from tests.system.programs import free_port, need

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")
WIDTHS = (390, 1280, 1920)
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd > 0"  # the event of it was sent before
ASK_AXE = """axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify(r.violations.map(
  v => [v.id, v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + n.failureSummary.slice(0, 200))])))"""

# Words of a table that stand letter below letter, since a column had no room.
ASK_SQUEEZED = """[...document.querySelectorAll('th, td')].filter(c => c.textContent.trim().length > 3
  && c.getBoundingClientRect().width > 0 && c.getBoundingClientRect().width < 30).map(c => c.textContent)"""


@pytest.fixture(autouse=True)
def _installed() -> None:
    need("chromium")


async def violations(tab: Tab) -> Any:
    """What axe-core finds."""
    await tab.run(AXE + "; true")
    return json.loads(await tab.run(ASK_AXE))


def quiet(tab: Tab, served: PageServed | None = None) -> None:
    """Nothing on the console, and nobody else was asked."""
    assert tab.console == []
    own = set() if served is None else {served.url.removeprefix("http://")}
    assert {host for host in tab.hosts if not host.startswith(("file:", "about:"))} <= own


async def sign_in(tab: Tab, served: PageServed, name: str = "all") -> None:
    await tab.open(f"{served.url}/")
    await tab.click("#credential")
    await tab.type(TOKENS[name])
    await tab.click("form button", loads=True)
    await tab.until("document.querySelector('.board') !== null")


async def downloaded(directory: Path, ending: str) -> bytes:
    async with asyncio.timeout(60):
        while True:
            for file in (directory / "downloads").glob(f"*{ending}"):
                if file.stat().st_size and not list(file.parent.glob("*.crdownload")):
                    return file.read_bytes()
            await asyncio.sleep(0.05)


async def test_by_mouse(tmp_path: Path) -> None:
    async with page_served(tmp_path) as served, browser(tmp_path / "b") as tab:
        await tab.window(1280, 900, zone="Asia/Tokyo")
        await sign_in(tab, served)
        assert await tab.run("document.cookie") == "", "no script can read it"
        assert "token" not in await tab.run("location.href")
        await tab.click("#q")
        await tab.type("vod")
        assert (
            await tab.run(
                "[...document.querySelectorAll('details[data-name]')].filter(d => !d.hidden).length"
            )
            == 1
        )
        await tab.click("form[role=search] button", loads=True)
        assert await tab.run("document.querySelectorAll('summary b').length") == 1
        await tab.click("summary")
        assert await tab.run("document.querySelectorAll('details[open] .row').length") > 2
        await tab.click("header a", "中文", loads=True)
        assert await tab.run("document.documentElement.lang") == "zh-CN"
        await tab.click(".zones a", "Asia/Shanghai", loads=True)
        assert (
            await tab.run("document.querySelector('header ~ .standing time').textContent")
            == "2026-11-29 14:17:40"
        )
        await tab.click("#own-zone a", loads=True)
        assert await tab.run("document.querySelector('.standing time').textContent") == "2026-11-29 15:17:40"
        await tab.click("header a", "English", loads=True)
        assert await tab.run("document.querySelectorAll('details[open]').length") == 1, (
            "what is open stays open"
        )
        await tab.click("details[open] .inside a", loads=True)
        assert "vod.media.example" in await tab.run("document.querySelector('h1').textContent")
        await tab.click(".incidents a", loads=True)
        assert await tab.run("document.querySelector('#course') !== null")
        await tab.click("#rows ~ * a", loads=True)
        assert await tab.run("document.querySelectorAll('svg.fall').length") >= 2
        await tab.click("a[download]", "HAR")
        assert json.loads(await downloaded(tmp_path / "b", "har"))["log"]["entries"]
        await tab.click("a[download]", "dispute file")
        assert (await downloaded(tmp_path / "b", "dispute.zip")).startswith(b"lab-agent/media/")
        await tab.click("form[action='/sign-out'] button", loads=True)
        assert await tab.run("document.querySelector('#credential') !== null")
        quiet(tab, served)


async def test_by_keyboard_alone(tmp_path: Path) -> None:
    async with page_served(tmp_path) as served, browser(tmp_path / "b") as tab:
        await tab.window(1280, 900)
        await tab.open(f"{served.url}/")
        await tab.tab_to("#credential")
        await tab.type(TOKENS["all"])
        await tab.press("Enter", loads=True)
        await tab.tab_to("#q")
        await tab.type("shop")
        await tab.press("Enter", loads=True)
        assert "q=shop" in await tab.run("location.href")
        await tab.tab_to("summary")
        await tab.press("Enter")
        assert await tab.run("document.querySelector('details[open]') !== null")
        await tab.tab_to("header a", "中文")
        await tab.press("Enter", loads=True)
        assert await tab.run("document.documentElement.lang") == "zh-CN"
        await tab.tab_to(".zones a", "Asia/Shanghai")
        await tab.press("Enter", loads=True)
        assert await tab.run("document.body.dataset.zone") == "Asia/Shanghai"
        await tab.tab_to(".incidents a", "www.shop.example")
        await tab.press("Enter", loads=True)
        await tab.tab_to("td a")
        await tab.press("Enter", loads=True)
        await tab.tab_to("a[download]", "HAR")
        await tab.press("Enter")
        assert json.loads(await downloaded(tmp_path / "b", "har"))["log"]["version"] == "1.2"
        seen = await tab.run("getComputedStyle(document.activeElement).outlineStyle")
        assert seen == "solid", "where the keyboard is can be seen"
        quiet(tab, served)


async def test_every_width_and_light_and_language(tmp_path: Path) -> None:
    """No violation for axe-core, nothing that must be scrolled sideways but maps and tables by themselves."""
    async with page_served(tmp_path) as served, browser(tmp_path / "b") as tab:
        await tab.window(1280, 900)
        await tab.open(f"{served.url}/sign-in")
        assert await violations(tab) == []
        await sign_in(tab, served)
        incident = await tab.run("document.querySelector('.incidents a').pathname")
        await tab.open(f"{served.url}{incident}")
        row = await tab.run("document.querySelector('td a').pathname")
        pages = ["/", "/domain/shop/www.shop.example", incident, row]
        found: list[Any] = []
        for language in ("en", "zh"):
            for path in pages:
                await tab.open(f"{served.url}{path}?lang={language}")
                await tab.run("document.querySelectorAll('details').forEach(d => d.open = true)")
                for dark in (False, True):
                    for width in WIDTHS:
                        await tab.window(width, 900, dark=dark)
                        wide = await tab.run("document.documentElement.scrollWidth - innerWidth")
                        assert wide <= 0, (path, width)
                        assert await tab.run(ASK_SQUEEZED) == [], (path, width)
                    found += [(path, language, dark, *one) for one in await violations(tab)]
        assert found == []
        quiet(tab, served)


async def test_a_large_map_is_painted_at_once(tmp_path: Path) -> None:
    """Twenty domains from twelve places over a day; five hundred domains, of which a page shows twenty-five."""
    day = Overview(domains=tuple(board().of(None)), troubles=(trouble(),), end=END)
    many = Overview(domains=tuple(board(500, 1, 30).of(None)), troubles=(trouble(),), end=END)
    painted = {}
    async with browser(tmp_path / "b") as tab:
        await tab.window(1280, 900)
        for name, of in (("day", day), ("many", many)):
            file = tmp_path / f"{name}.html"
            file.write_text(overview(of, Looking(static=True), standing(refresh_s=None)), encoding="utf-8")
            times = []
            for _ in range(3):
                await tab.open(f"file://{file}")
                times.append(
                    await tab.until(
                        "(() => { const p = performance.getEntriesByType('paint')[0];"
                        " const n = performance.getEntriesByType('navigation')[0];"
                        " return p && p.startTime - n.responseStart })()"
                    )
                )
            painted[name] = min(times)
        quiet(tab)
    print(f"first paint after the first byte, ms: {painted}")
    assert painted["day"] <= 300
    assert painted["many"] <= 1000


async def test_the_files_of_a_copy_are_whole(tmp_path: Path) -> None:
    PageWriter([unpacked("copy", tmp_path)], tmp_path / "page", refresh_s=None).more()
    async with browser(tmp_path / "b") as tab:
        await tab.window(1280, 900, zone="Asia/Tokyo")
        await tab.open(f"file://{tmp_path / 'page' / 'index.html'}")
        assert await tab.run("document.querySelectorAll('summary b').length") >= 3
        before = await tab.run("document.querySelector('svg.h rect title').textContent")
        await tab.click("#own-zone button")
        after = await tab.run("document.querySelector('svg.h rect title').textContent")
        assert after != before, "tooltips too"
        assert after.partition(" n ")[2] == before.partition(" n ")[2]
        assert await violations(tab) == []
        await tab.click("header a", "中文", loads=True)
        await tab.click(".incidents a", loads=True)
        await tab.click("#rows ~ * a", loads=True)
        assert await tab.run("document.querySelectorAll('svg.fall').length") >= 1
        await tab.click("header a", "总览", loads=True)
        quiet(tab)


async def test_an_agent_that_goes_away_leaves_the_page_and_comes_back_to_it(tmp_path: Path) -> None:
    """In place of the browser's own words that nobody is there, which nothing would ever take away again."""
    port = free_port()
    results = tmp_path / "r"
    await fill(results, some_rows())  # of now: an old page says that it is old, whoever is there
    async with browser(tmp_path / "b") as tab:
        await tab.window(1280, 900)
        async with page_served(tmp_path, results, "a1", port, refresh="5s") as served:
            await sign_in(tab, served)
            assert await tab.run("document.getElementById('old').hidden")
        await tab.until("!document.getElementById('old').hidden", 60)
        assert await tab.run("document.querySelectorAll('.board details').length") == 2
        loads = tab.loads
        async with page_served(tmp_path / "again", results, "a1", port, refresh="5s"):
            await tab.until(
                f"document.querySelector('#credential') !== null && {LOADED}", 60
            )  # its sessions went
        assert tab.loads == loads + 1


async def test_no_other_page_may_hold_it_in_a_frame(tmp_path: Path) -> None:
    async with page_served(tmp_path) as served, browser(tmp_path / "b") as tab:
        await sign_in(tab, served)
        other = tmp_path / "other.html"
        other.write_text(f'<iframe src="{served.url}/" onload="document.title=\'loaded\'"></iframe>')
        await tab.open(f"file://{other}")
        await tab.until("document.title === 'loaded'")
        told = " ".join(tab.console)
        assert "frame-ancestors" in told or "X-Frame-Options" in told


async def test_what_others_put_in_is_text_and_nothing_runs(tmp_path: Path) -> None:
    """In heads, aliases, certificates, paths, reasons, sentences, bytes: each page is looked at, all of it opened."""
    results = tmp_path / "hostile"
    await hostile.fill(results)
    async with page_served(tmp_path, results, agent="a1") as served, browser(tmp_path / "b") as tab:
        await tab.window(1280, 900)
        await sign_in(tab, served)
        incident = await tab.run("document.querySelector('.incidents a').pathname")
        paths = ["/", "/?span=7d", f"/?q={quote(PAYLOADS[8])}", f"/domain/acme/{hostile.DOMAIN}", incident]
        paths += [f"/row/a1/acme/{2 * number + 1}" for number in range(len(PAYLOADS))]
        for path in paths:
            await tab.open(f"{served.url}{path}")
            await tab.run("document.querySelectorAll('details').forEach(d => d.open = true)")
            assert await tab.run("document.querySelector('h1') !== null"), path
            assert await tab.run("window.pwned") is None, path
            assert await tab.run("document.querySelectorAll('script').length") == 1, path
            assert (
                await tab.run(
                    "document.querySelectorAll('img,iframe,object,embed,base,form[action^=java]').length"
                )
                == 0
            )
        assert len(PAYLOADS) >= 50
        PageWriter([results], tmp_path / "page", refresh_s=None).more()
        for file in sorted((tmp_path / "page").rglob("*.html"))[:20]:
            await tab.open(f"file://{file}")
            assert await tab.run("window.pwned") is None, file
        quiet(tab, served)
