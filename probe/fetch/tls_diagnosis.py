"""Rule: what is looked at only because something failed is looked at apart, and never changes what was measured."""

from __future__ import annotations

import asyncio
import logging
import ssl
import traceback

from probe.core.model.value import replace
from probe.core.records.failure import Failure, FailureType
from probe.core.records.transport import Tls
from probe.fetch.connector import Dial, Opening, read_certificates
from probe.fetch.target import FetchTarget
from probe.net.failures import CHAIN_VERIFY_CODES
from probe.settings.redactor import Redactor
from probe.tls.client import chain_verdict, client_for, describe, sni_of
from probe.tls.session import TlsSession

_log = logging.getLogger("probe.fetch")


async def examine(
    exc: ssl.SSLCertVerificationError, target: FetchTarget, total_at: float, dial: Dial
) -> tuple[Tls, FailureType | None, tuple[bytes, ...]]:
    """What the server presented, read over a second connection on which nothing is asked, with the chain (DER).

    Between them a more exact type of failure, where the certificates tell one. `total_at`: loop time of the deadline.
    `dial` makes the connection as it made the first one.
    Whatever goes wrong here, the verdict of the first handshake stands.
    """
    words = exc.verify_message
    try:
        session = await _second_handshake(target, total_at, dial)
    except Exception:
        return Tls(server_name=sni_of(target.server_name), verify_error=words), None, ()
    chain = session.chain()
    exact = chain_verdict(chain) if exc.verify_code in CHAIN_VERIFY_CODES else None
    return describe(session, target.server_name, chain, verify_error=words, second=True), exact, chain


async def _second_handshake(target: FetchTarget, total_at: float, dial: Dial) -> TlsSession:
    loop = asyncio.get_running_loop()
    client = client_for(replace(target.tls, verify=False))
    until = min(total_at, loop.time() + target.deadlines.connect_us / 1e6)
    sock = await dial(target, until, Opening())
    seconds = min(total_at - loop.time(), target.deadlines.tls_us / 1e6)
    return await read_certificates(sock, client, target.server_name, seconds)


def report_defect(failure: Failure, exc: BaseException, redact: Redactor) -> None:
    """Log a failure of our own with its traceback, redacted; others are facts and belong to the record only."""
    if failure.type is FailureType.AGENT_INTERNAL_ERROR:
        trace = "".join(traceback.format_exception(exc))
        _log.error("fetch failed by our own fault: %s\n%s", failure.detail, redact(trace))
