"""Rule: a resolver's certificate is verified always; which authorities may have issued it is the only choice.

One context an authority file and protocol, loaded when first needed: what is wrong with the file is then that
look-up's failure.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable

from probe.core.model.task import ResolverSpec
from probe.resolver.doh import ALPN

_PROTOCOLS = {"tls": ("dot",), "https": ALPN}  # RFC 7858 section 8.1; HTTP/2 first (RFC 8484 section 5.2)


class ResolverContexts:
    """TLS contexts for DNS over TLS and DNS over HTTPS."""

    def __init__(self) -> None:
        self._loaded: dict[tuple[str, str | None], ssl.SSLContext] = {}

    def loader(self, spec: ResolverSpec) -> Callable[[], ssl.SSLContext]:
        """Gives the context for the resolver when called; OSError or ssl.SSLError where the file is no good."""

        def load() -> ssl.SSLContext:
            key = (spec.transport, spec.tls_ca)
            if key not in self._loaded:
                context = ssl.create_default_context(cafile=spec.tls_ca)
                context.set_alpn_protocols(list(_PROTOCOLS[spec.transport]))
                self._loaded[key] = context
            return self._loaded[key]

        return load
