"""Rule: a page is read by selectors within bounds on its tree: what is over them is too costly, everywhere.

The parser (Lexbor) takes no budget, so its work is bounded by what it made: with so few nodes, so little depth and so
few attributes on one element, parsing takes a small part of what the reading process may use at all. The work of a
selector is estimated from the tree's shape, upwards: each descendant combinator may go back to any ancestor, each `~`
and `:nth-child` to any sibling, each `:has` into the whole subtree.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import comb
from typing import Any

from selectolax.lexbor import LexborHTMLParser, SelectolaxError

from probe.core.content.unreadable import TOO_COSTLY, UnreadableError

NODES_AT_MOST = 500_000  # 4 MiB of ordinary HTML have 285,000
DEPTH_AT_MOST = 512
ATTRIBUTES_AT_MOST = 2_000  # of one element: what the parser does grows with their square
SELECTOR_STEPS = 500_000_000  # over all selectors of one reading
_FRAMESET_TAGS = 10_000  # a frameset takes the body out of the tree, and its work out of our sight

_TAG = re.compile(rb"<[A-Za-z]")
_FRAMESET = re.compile(rb"<frameset", re.IGNORECASE)
_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'', re.DOTALL)
_IN_BRACKETS = re.compile(r"\[[^\]]*\]")
_AROUND = re.compile(r"\s*([>+~,()|])\s*")
_NESTED_HAS = re.compile(r":has\((?:[^()]|\([^()]*\))*:has\(", re.IGNORECASE)
_AMONG_SIBLINGS = re.compile(r":nth-|-of-type|:only-|:last-", re.IGNORECASE)
_IN_SUBTREE = re.compile(r":has\(|contains\(", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """`depths`: how many nodes lie how deep; `families`: how many elements have how many children."""

    depths: Counter[int]
    families: Counter[int]

    def steps_of(self, selector: str) -> int:
        """At most so many comparisons of an element with a part of the selector."""
        bare = _AROUND.sub(r"\1", _IN_BRACKETS.sub("[]", _QUOTED.sub("''", selector)).strip())
        spaces, tildes = len(bare.split()) - 1, bare.count("~")
        parts = spaces + 1 + sum(bare.count(sign) for sign in ">+~,(")
        deepest, widest = max(self.depths), max(self.families, default=1)
        back = max(comb(deepest, spaces), 1)
        if tildes:
            plain = back * sum(times * _power(size, tildes + 1) for size, times in self.families.items())
        else:
            plain = sum(times * max(comb(depth, spaces), 1) for depth, times in self.depths.items())
        squares = sum(times * size * size for size, times in self.families.items())
        subtrees = sum(times * (depth + 1) for depth, times in self.depths.items())
        again = back * _power(max(widest, 1), tildes)
        siblings = len(_AMONG_SIBLINGS.findall(bare)) * squares // 2
        return plain * parts + again * (siblings + len(_IN_SUBTREE.findall(bare)) * subtrees)


def _power(base: int, exponent: int) -> int:
    return int(base**exponent)


def check_selector(text: str) -> str:
    """The text, if it is a CSS selector. Raises ValueError."""
    try:
        LexborHTMLParser(b"<p></p>").css(text)
    except SelectolaxError as error:
        raise ValueError(f"not a CSS selector: {error}") from None
    if _NESTED_HAS.search(text):
        raise ValueError(
            "not a CSS selector that can be used: :has inside :has (Selectors Level 4 forbids it)"
        )
    return text


def without_elements(selectors: Iterable[str], body: bytes) -> bytes:
    """The page without what the selectors match, written again by the parser. Raises UnreadableError."""
    if b"\x00" in body[:1024]:
        raise UnreadableError("not_html")
    if _FRAMESET.search(body) and sum(1 for _ in _TAG.finditer(body)) > _FRAMESET_TAGS:
        raise UnreadableError(TOO_COSTLY)
    try:
        tree = LexborHTMLParser(body)
    except SelectolaxError:  # it parses anything that it has memory for
        raise UnreadableError(TOO_COSTLY) from None
    shape, steps_left = _measured(tree), SELECTOR_STEPS
    for selector in selectors:
        steps_left -= shape.steps_of(selector)
        if steps_left < 0:
            raise UnreadableError(TOO_COSTLY)
        for node in tree.css(selector):
            node.decompose()
    html = tree.html
    if html is None:  # too large to be written again: not the same as nothing
        raise UnreadableError(TOO_COSTLY)
    return html.encode()


def _measured(tree: LexborHTMLParser) -> _Shape:
    """The tree's shape, templates included. Raises UnreadableError where it is over a bound."""
    depth_of: dict[int, int] = {}
    children: Counter[int] = Counter()
    for node, parent in _nodes(tree):
        depth = depth_of.get(parent, 0) + 1
        depth_of[node.mem_id] = depth
        children[parent] += 1
        over = depth > DEPTH_AT_MOST or len(depth_of) > NODES_AT_MOST
        if over or len(node.attributes) > ATTRIBUTES_AT_MOST:
            raise UnreadableError(TOO_COSTLY)
    return _Shape(depths=Counter(depth_of.values()) or Counter([1]), families=Counter(children.values()))


def _nodes(tree: LexborHTMLParser) -> Iterator[tuple[Any, int]]:
    """Each element with its parent's address, parents first; what is in a template follows the rest."""
    roots: list[tuple[Any, int]] = [] if tree.root is None else [(tree.root, 0)]
    for root, above in roots:  # grows while it is gone through
        for node in root.traverse():
            parent = node.parent
            yield node, above if parent is None or node.mem_id == root.mem_id else parent.mem_id
            if node.tag == "template":
                roots += [(inner, node.mem_id) for inner in node.template_fragments()]
