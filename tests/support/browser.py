"""A real browser for tests: Debian's Chromium without a window, driven over its DevTools protocol by aiohttp alone.

Mouse and keyboard are the browser's own input events, where an element lies: what covers it gets the click.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

WAIT_S = 60.0
ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--hide-scrollbars",
    "--disable-extensions", "--disable-features=Translate,OptimizationHints,MediaRouter", "--mute-audio",
    "--remote-debugging-port=0", "--remote-allow-origins=*", "--lang=en-US", "--force-color-profile=srgb",
)  # fmt: skip
KEYS = {
    "Tab": (9, "Tab", ""),
    "Enter": (13, "Enter", "\r"),
    "Space": (32, "Space", " "),
    "ArrowDown": (40, "ArrowDown", ""),
    "Escape": (27, "Escape", ""),
}
_PLACE = """(() => {
  const found = [...document.querySelectorAll(SELECTOR)].find(e => !TEXT || e.textContent.includes(TEXT));
  if (!found) return null;
  found.scrollIntoView({block: 'center', inline: 'center'});
  const box = [...found.getClientRects()].find(r => r.width && r.height);
  return box ? [box.x + box.width / 2, box.y + box.height / 2] : null;
})()"""


class BrowserError(Exception):
    """The browser did not do what it was told."""


@dataclass(slots=True)
class Tab:
    """One page. `console`: whatever was written there, or went wrong; `hosts`: who was asked for anything.

    `loads`: how many pages were loaded so far, by whatever asked for them.
    """

    _socket: aiohttp.ClientWebSocketResponse
    console: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    responses: dict[str, int] = field(default_factory=dict)
    loads: int = 0
    _next: int = 0
    _waiting: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    _loaded: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol, and its result."""
        self._next += 1
        turn: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[self._next] = turn
        await self._socket.send_str(json.dumps({"id": self._next, "method": method, "params": params}))
        async with asyncio.timeout(WAIT_S):
            answer = await turn
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']}")
        return dict(answer["result"])

    async def open(self, url: str) -> None:
        """Go there; returns when all is loaded."""
        self._loaded.clear()
        answer = await self.send("Page.navigate", url=url)
        if answer.get("errorText") not in (None, "", "net::ERR_ABORTED"):  # a download aborts the navigation
            raise BrowserError(f"{url}: {answer['errorText']}")
        await self.loaded()

    async def loaded(self) -> None:
        """Until the page that comes is there."""
        async with asyncio.timeout(WAIT_S):
            await self._loaded.wait()

    async def run(self, script: str) -> Any:
        """What an expression gives; promises are awaited."""
        answer = await self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise BrowserError(json.dumps(answer["exceptionDetails"])[:600])
        return answer["result"].get("value")

    async def until(self, script: str, within_s: float = WAIT_S) -> Any:
        """Until an expression is true."""
        async with asyncio.timeout(within_s):
            while True:
                with suppress(BrowserError):  # between two documents
                    if found := await self.run(script):
                        return found
                await asyncio.sleep(0.05)

    async def click(self, selector: str, text: str = "", *, loads: bool = False) -> None:
        """With the mouse, in the middle of an element. `loads`: and wait for the page that comes of it."""
        script = _PLACE.replace("SELECTOR", json.dumps(selector)).replace("TEXT", json.dumps(text))
        place = await self.run(script)
        if place is None:
            raise BrowserError(f"nothing to click on: {selector} {text!r}")
        self._loaded.clear()
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            await self.send(
                "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1
            )
        if loads:
            await self.loaded()

    async def press(self, key: str, *, shift: bool = False, loads: bool = False) -> None:
        """One key."""
        code, name, text = KEYS[key]
        self._loaded.clear()
        common = {"key": " " if key == "Space" else key, "code": name, "windowsVirtualKeyCode": code}
        if shift:
            common["modifiers"] = 8
        await self.send(
            "Input.dispatchKeyEvent", type="keyDown", **common, **({"text": text} if text else {})
        )
        await self.send("Input.dispatchKeyEvent", type="keyUp", **common)
        if loads:
            await self.loaded()

    async def type(self, text: str) -> None:
        """Into whatever has the focus."""
        await self.send("Input.insertText", text=text)

    async def tab_to(self, selector: str, text: str = "", most: int = 200) -> None:
        """With the tab key alone, until an element has the focus."""
        script = (
            f"document.activeElement.matches({json.dumps(selector)}) &&"
            f" document.activeElement.textContent.includes({json.dumps(text)})"
        )
        for _ in range(most):
            if await self.run(script):
                return
            await self.press("Tab")
        raise BrowserError(f"the keyboard does not lead to {selector} {text!r}")

    async def window(self, width: int, height: int, *, dark: bool = False, zone: str | None = None) -> None:
        """How large, how bright, and where in the world."""
        await self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", features=[scheme])
        if zone is not None:
            await self.send("Emulation.setTimezoneOverride", timezoneId=zone)

    async def picture(self, file: Path, *, whole: bool = False) -> None:
        """What is seen, as PNG. `whole`: the page down to its end."""
        answer = await self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(answer["data"]))

    async def _listen(self) -> None:
        async for message in self._socket:
            told = json.loads(message.data)
            if "id" in told:
                turn = self._waiting.pop(told["id"], None)
                if turn is not None and not turn.done():
                    turn.set_result(told)
            else:
                self._event(told["method"], told["params"])

    def _event(self, method: str, told: dict[str, Any]) -> None:
        if method == "Page.loadEventFired" or method == "Page.downloadWillBegin":
            self._loaded.set()
            self.loads += method == "Page.loadEventFired"
        elif method == "Runtime.consoleAPICalled":
            self.console.append(" ".join(str(arg.get("value", "")) for arg in told["args"]))
        elif method == "Runtime.exceptionThrown":
            self.console.append(json.dumps(told["exceptionDetails"])[:500])
        elif method == "Log.entryAdded":
            self.console.append(
                f"{told['entry']['level']}: {told['entry']['text']} {told['entry'].get('url', '')}"
            )
        elif method == "Page.javascriptDialogOpening":
            self.console.append(f"dialog: {told['message']}")
        elif method == "Network.requestWillBeSent":
            self.hosts.add(urlsplit(told["request"]["url"]).netloc or told["request"]["url"][:40])
        elif method == "Network.responseReceived":
            self.responses[told["response"]["url"]] = told["response"]["status"]


@asynccontextmanager
async def browser(
    directory: Path, command: str = "chromium", more: tuple[str, ...] = (), *, quic: bool = False
) -> AsyncIterator[Tab]:
    """One browser with one tab, of a fresh profile in `directory`, which downloads into `directory/downloads`.

    `more`: further arguments; `quic`: HTTP/3 is spoken.
    """
    arguments = (*(each for each in ARGUMENTS if not (quic and each == "--disable-quic")), *more)
    profile, downloads = directory / "profile", directory / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    with (directory / "chromium.log").open("wb") as log:
        child = subprocess.Popen(
            [command, *arguments, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
                targets = await response.json()
            place = next(one["webSocketDebuggerUrl"] for one in targets if one["type"] == "page")
            async with session.ws_connect(place, max_msg_size=1 << 28) as socket:
                tab = Tab(socket)
                listening = asyncio.create_task(tab._listen())
                try:
                    for domain in ("Page", "Runtime", "Log", "Network"):
                        await tab.send(f"{domain}.enable")
                    await tab.send(
                        "Browser.setDownloadBehavior",
                        behavior="allow",
                        downloadPath=str(downloads),
                        eventsEnabled=True,
                    )
                    yield tab
                finally:
                    listening.cancel()
                    await asyncio.gather(listening, return_exceptions=True)
    finally:
        child.kill()
        await asyncio.to_thread(child.wait)


async def _port(file: Path) -> int:
    async with asyncio.timeout(WAIT_S):
        while True:
            with suppress(FileNotFoundError, ValueError, IndexError):
                return int(file.read_text().splitlines()[0])
            await asyncio.sleep(0.05)
