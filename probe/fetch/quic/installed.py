"""Whether HTTP/3 can be spoken by this installation: it needs the extra `http3`."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

from probe.tls.client import verifies_chains

HOW = "HTTP/3 needs qh3: install cdn-probe[http3] (pip install 'cdn-probe[http3]')"


@cache
def problem() -> str | None:
    """Why it cannot, for people; None: it can."""
    if find_spec("qh3") is None:
        return HOW
    if not verifies_chains():
        return "HTTP/3 needs a release of cryptography whose OpenSSL verifies certificates for us"
    return None
