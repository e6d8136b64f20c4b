"""docs/conformance.md as the table has it: `python -m tests.conformance.write` writes it, a test compares it."""

from __future__ import annotations

from pathlib import Path

from tests.conformance.replies import REPLIES, SECTIONS, Reply

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
HEAD = """\
# Breaches of HTTP/1.1: what we call an outage

An outage is what a user would not get ([decision 0025](decisions/0025-what-a-user-would-get.md)). So each odd reply was
given to curl and to headless Chromium, both as Debian 12 has them (curl 7.88.1, Chromium 156). What either of them
delivers whole counts as delivered; the breach is a warning, `http.nonconforming`, with its
[words](records.md#breaches). Where that does not hold, the last column says why.

The content is {size} bytes of text; the origin gives it without a fault. The server closes after each reply. Words:

- `whole`: the client gives its user exactly the content, with status 200; `whole, error 18`: curl does, and ends with
  that exit code. Another status stands in front;
- `part`: a beginning of it; `other bytes`: something else, the framing or coded bytes above all; `nothing`: no byte;
- `refused`: Chromium's `fetch` fails, at the head or in the body;
- `ok`: the slot is `ok` and nothing is said; *warning*: it is `ok` and `http.nonconforming` names the breach;
  **failed**: the slot is `failed`, fault `cdn`, with this reason.

{count} replies. This page is written by `python -m tests.conformance.write`; `tests/conformance` holds it against both
clients and our own verdict in `make long`, so that a new version of any of the three cannot change it unseen.
"""


def document() -> str:
    """The whole page."""
    parts = [HEAD.format(size=len(REPLIES[0].raw.partition(b"\r\n\r\n")[2]), count=len(REPLIES))]
    for title, replies in SECTIONS.items():
        lines = ["| what is odd | curl | Chromium | we say | why |", "|---|---|---|---|---|"]
        parts.append("\n".join([f"## {title}", "", *lines, *map(_line, replies), ""]))
    return "\n".join(parts)


def _line(reply: Reply) -> str:
    why = reply.why or ("" if _as_it_should_be(reply) else "delivered, so a warning")
    return f"| {reply.sent} | {reply.curl} | {reply.chromium} | {_ours(reply)} | {why} |"


def _as_it_should_be(reply: Reply) -> bool:
    return not reply.breaches and reply.failure is None


def _ours(reply: Reply) -> str:
    if reply.failure is not None:
        return f"**failed** `{reply.failure}`"
    if reply.breaches:
        return "*warning* " + ", ".join(f"`{word}`" for word in reply.breaches)
    return "ok"
