"""What a page in Markdown holds: headings with their anchors, links, blocks of code, tables."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
START = ROOT / "docs" / "README.md"
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        ROOT / "results" / "README.md",
        ROOT / "benchmarks" / "results" / "README.md",
    ]
)


@dataclass(frozen=True)
class Heading:
    """A heading: its level from 1, its text without marks, its anchor as forges and Sphinx make it."""

    level: int
    text: str
    anchor: str


@dataclass(frozen=True)
class Link:
    """A link or a picture, and the line on which its paragraph begins."""

    target: str
    text: str
    line: int


@dataclass(frozen=True)
class Page:
    """One page. `blocks`: (language, text) of each block of code; `codes`: what stands in `code` in running text."""

    headings: tuple[Heading, ...]
    links: tuple[Link, ...]
    blocks: tuple[tuple[str, str], ...]
    codes: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@cache
def read(path: Path) -> Page:
    """The page at `path`."""
    return parse(path.read_text(encoding="utf-8"))


def parse(text: str) -> Page:
    """The page of this text."""
    headings: list[Heading] = []
    links: list[Link] = []
    blocks: list[tuple[str, str]] = []
    codes: list[str] = []
    seen: Counter[str] = Counter()
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "fence":
            blocks.append((token.info.strip(), token.content))
        if token.type != "inline":
            continue
        children = token.children or []
        codes += [child.content for child in children if child.type == "code_inline"]
        links += _links(children, (token.map or [0])[0] + 1)
        if before is not None and before.type == "heading_open":
            words = "".join(child.content for child in children if child.type in ("text", "code_inline"))
            headings.append(Heading(int(before.tag[1]), words, _anchor(words, seen)))
    return Page(tuple(headings), tuple(links), tuple(blocks), tuple(codes), tuple(_rows(tokens)))


def _links(children: list[Token], line: int) -> list[Link]:
    found = []
    for place, child in enumerate(children):
        if child.type == "image":
            found.append(Link(str(child.attrs["src"]), child.content, line))
        elif child.type == "link_open":
            words = []
            for inner in children[place + 1 :]:
                if inner.type == "link_close":
                    break
                words.append(inner.content)
            found.append(Link(str(child.attrs["href"]), "".join(words), line))
    return found


def _anchor(words: str, seen: Counter[str]) -> str:
    """As GitHub and MyST make it: lower case, hyphens for blanks, no other signs, a number to the second."""
    anchor = re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")
    seen[anchor] += 1
    return anchor if seen[anchor] == 1 else f"{anchor}-{seen[anchor] - 1}"


def _rows(tokens: list[Token]) -> list[tuple[str, ...]]:
    """The rows of all tables, heads too, each as the source of its cells."""
    rows: list[tuple[str, ...]] = []
    cells: list[str] = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "tr_open":
            cells = []
        elif token.type == "inline" and before is not None and before.type in ("td_open", "th_open"):
            cells.append(token.content)
        elif token.type == "tr_close":
            rows.append(tuple(cells))
    return rows
