"""Commands out of a page's blocks of type `console`: who types each, and under which heading it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^## (?P<heading>[^\n]+)$|^```console\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_PROMPT = re.compile(r"(?P<who>host|desk)(?P<sign>[#$]) (?P<text>.*)")
_HERE = re.compile(r"<<(\w+)$")


@dataclass(frozen=True, slots=True)
class Typed:
    """A command: `text` goes to a shell on the machine `who` (`host`, `desk`), as root where `root`."""

    heading: str
    who: str
    root: bool
    text: str


def typed(page: Path) -> list[Typed]:
    """In the order of the page. What commands print is passed over; a here-document goes with its command."""
    found, heading = [], ""
    for block in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block["heading"]:
            heading = block["heading"]
            continue
        lines = iter(block["text"].splitlines())
        for line in lines:
            if (prompt := _PROMPT.fullmatch(line)) is None:
                continue
            text = prompt["text"]
            if (here := _HERE.search(text)) is not None:
                for more in lines:
                    text += f"\n{more}"
                    if more == here[1]:
                        break
            found.append(Typed(heading, prompt["who"], prompt["sign"] == "#", text))
    return found
