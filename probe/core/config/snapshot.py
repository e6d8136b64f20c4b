"""Rule: the kept text of a configuration can be taken apart again, so that a reader is shown its own files only.

Each file follows a line `# file NAME, customer ACME, 123 characters` (or `# file NAME, 123 characters`). The lengths
say where a file ends: nothing that stands in one can pass for the beginning of another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_HEAD = re.compile(r"# file (.+?)(?:, customer ([a-z0-9-]+))?, ([0-9]+) characters\n")


@dataclass(frozen=True, slots=True)
class ShownFile:
    """One file of a configuration, redacted. `customer` None: agent.yaml."""

    name: str
    customer: str | None
    text: str


def together(texts: Mapping[str, str], sources: Mapping[str, str]) -> str:
    """The text to keep. `texts`: file name -> redacted text; `sources`: file name -> customer."""
    parts = []
    for name, text in texts.items():
        shown = name.encode("unicode_escape").decode()
        owner = f", customer {sources[name]}" if name in sources else ""
        parts.append(f"# file {shown}{owner}, {len(text)} characters\n{text}\n")
    return "".join(parts)


def apart(text: str) -> list[ShownFile]:
    """The files of a kept text; none where it was not made by `together`."""
    found: list[ShownFile] = []
    at = 0
    while at < len(text):
        match = _HEAD.match(text, at)
        end = at if match is None else match.end() + int(match[3])
        if match is None or text[end : end + 1] != "\n":
            return []
        found.append(ShownFile(match[1], match[2], text[match.end() : end]))
        at = end + 1
    return found
