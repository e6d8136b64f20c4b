"""Rule: which HTTP version is spoken is written in the configuration or agreed on by ALPN, and never guessed.

The words of the configuration for HTTP versions, and what is offered by ALPN (RFC 7301) for each. `auto` is what the
server chooses over TCP; HTTP/3 is spoken where it is written alone.
"""

from __future__ import annotations

from typing import Literal

Protocol = Literal["h1", "h2", "h3", "auto"]

H1, H2, H3, AUTO = "h1", "h2", "h3", "auto"
PROTOCOLS = (H1, H2, H3, AUTO)
HTTP_1_1 = "http/1.1"
# What a task offers, in our order of preference: as browsers, HTTP/2 first.
ALPN: dict[str, tuple[str, ...]] = {
    H1: (HTTP_1_1,),
    H2: ("h2",),
    H3: ("h3",),
    AUTO: ("h2", HTTP_1_1),
}
SHOWN: dict[str, str] = {H1: "HTTP/1.1", H2: "HTTP/2", H3: "HTTP/3", AUTO: "HTTP/2 or HTTP/1.1"}


def spoken(protocol: str, scheme: str) -> str:
    """What is spoken of a request with this protocol: over plain HTTP clients speak HTTP/1.1 (RFC 9113 section 3.1)."""
    return protocol if scheme == "https" else H1
