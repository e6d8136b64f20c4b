"""Rule: bytes are shown as they came: text where it is text, hexadecimal where it is not, and what was cut says so.

An evidence bundle for the terminal, and what a dispute file of several holds. Reads values, decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from probe.core.records.observation import Observation
from probe.core.results.bundle import Bundle, Difference, Exchange

if TYPE_CHECKING:
    from probe.services.dispute import Made

SHOWN_BYTES = 256
_ROW = 16


def bundle_view(bundle: Bundle) -> RenderableType:
    """Everything of a bundle that is not in the row itself."""
    parts: list[RenderableType] = [Text(f"evidence {bundle.id}", style="bold")]
    for exchange in bundle.exchanges:
        parts += _exchange(bundle.record.observations[exchange.observation], exchange)
    if bundle.dns:
        parts.append(Text(f"{len(bundle.dns)} DNS messages kept as they crossed the wire", style="dim"))
    return Group(*parts)


def _exchange(observation: Observation, exchange: Exchange) -> Iterator[RenderableType]:
    title = f"[{exchange.observation}] {observation.role} {observation.address}:{observation.port}"
    yield Text(f"\n{title}", style="bold")
    if exchange.request_head:
        yield Text(_prefixed("> ", exchange.request_head.strip()), style="cyan")
    if exchange.response_head:
        yield Text(_prefixed("< ", exchange.response_head.decode("latin-1").strip()), style="green")
    if exchange.certificates:
        sizes = ", ".join(f"{len(der)} bytes" for der in exchange.certificates)
        yield Text(f"certificates, leaf first: {sizes}", style="dim")
    if exchange.difference is not None:
        yield from _difference(exchange.difference)
    elif exchange.body_head:
        yield Text(readable(exchange.body_head))


def _difference(found: Difference) -> Iterator[RenderableType]:
    yield Text(
        f"the body ({found.edge_bytes} bytes) leaves the origin's ({found.origin_bytes} bytes) "
        f"at byte {found.offset}",
        style="bold red",
    )
    before = min(found.offset - found.from_byte, _ROW)
    start = found.offset - found.from_byte - before
    for name, data in (("edge  ", found.edge), ("origin", found.origin)):
        yield Text(f"{name} {readable(data[start : start + before + 4 * _ROW])}")


def readable(data: bytes, limit: int = SHOWN_BYTES) -> str:
    """Bytes as text where every character can be shown, else as hexadecimal; cut at `limit`."""
    shown = data[:limit]
    more = f" … and {len(data) - limit} bytes more" if len(data) > limit else ""
    try:
        text = shown.decode("utf-8")
    except UnicodeDecodeError:
        return shown.hex(" ") + more
    plain = text.replace("\r\n", "\n").replace("\t", " ")
    return (plain if plain.replace("\n", "").isprintable() else shown.hex(" ")) + more


def _prefixed(prefix: str, text: str) -> str:
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(prefix + "".join(c if c.isprintable() else "·" for c in line) for line in lines)


def made_in_words(made: Made) -> str:
    """A dispute file that was written."""
    signed = (
        "signed"
        if made.signed
        else "NOT SIGNED: no head signs them, and the agent's private key is not here to sign one"
    )
    stamps = f", {made.stamps} time stamps" if made.stamps else ""
    before = "".join(f" --key KEY-{key}.pub" for key in made.other_keys)
    return (
        f"{made.file}: records {made.first_seq} to {made.last_seq} of {made.customer}, {signed};"
        f" {made.evidence} evidence bundles{stamps}; {made.bytes} bytes.\n"
        f"Verify it with: cdn-probe results verify {made.file} --key agent.pub{before}"
        + ("\nThe agent had other keys before, which signed some of what is stamped." if before else "")
    )
