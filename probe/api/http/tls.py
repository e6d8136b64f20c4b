"""Rule: TLS 1.2 or later, and a renewed certificate is shown from the next connection on.

The files are checked at every connection and read when they have changed; where they cannot be used, the former ones
stay in use, which is logged.
"""

from __future__ import annotations

import logging
import os
import ssl
from pathlib import Path

from probe.core.config.results import TlsServerConfig
from probe.settings.permissions import exposed_key
from probe.telemetry.logs import fields

log = logging.getLogger("probe.api")


class TlsFiles:
    """The context for new connections. Raises OSError (ssl.SSLError is one) when made of files that are no good."""

    def __init__(self, config: TlsServerConfig) -> None:
        self._config = config
        self._signature = self._look()
        self._context = self._made()

    def context(self) -> ssl.SSLContext:
        """The one in force."""
        signature = self._look()
        if signature != self._signature:
            self._signature = signature
            try:
                self._context = self._made()
                log.info("api.certificate_read", extra=fields(file=self._config.certificate))
            except OSError as error:
                log.error("api.certificate_not_used", extra=fields(problem=str(error)))
        return self._context

    def _look(self) -> tuple[object, ...]:
        return tuple(_signature(name) for name in self._files())

    def _files(self) -> tuple[str, ...]:
        names = (self._config.certificate, self._config.key, self._config.client_ca)
        return tuple(name for name in names if name is not None)

    def _made(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        if (problem := exposed_key(Path(self._config.key))) is not None:
            raise OSError(f"api.tls: {problem}")
        try:
            # A key with a passphrase would make OpenSSL ask at the terminal: a wrong one is given instead.
            context.load_cert_chain(self._config.certificate, self._config.key, password="")
            if self._config.client_ca is not None:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(self._config.client_ca)
        except OSError as error:
            files = ", ".join(self._files())
            raise OSError(f"api.tls: {files} cannot be used: {error}") from error
        return context


def _signature(name: str) -> object:
    try:
        status = os.stat(name)
    except OSError:
        return None
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
