"""Rule: an HTTPS record is recorded as it was answered; one that cannot be read is left out, and nobody is accused.

RFC 9460: what is asked for (section 2.3), and the record's text as `core.dns.message` gives it -> `HttpsRecord`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import dns.rdata
import dns.rdtypes.svcbbase

from probe.core.records.dns import AddressRecord, HttpsRecord
from probe.core.text.dns_names import normal_name

HTTPS = "HTTPS"
PURPOSE = "https"
_PORT = 443
_AT_MOST = 16
_Key = dns.rdtypes.svcbbase.ParamKey


def question_name(host: str, port: int) -> str:
    """Whose HTTPS records are those of `https://host:port`."""
    return host if port == _PORT else f"_{port}._https.{host}"


def https_records(owner: str, answered: Iterable[AddressRecord]) -> tuple[HttpsRecord, ...]:
    """The records in a walk's answer, whose RDATA stand there as text."""
    return tuple(_read(owner, answered))[:_AT_MOST]


def _read(owner: str, answered: Iterable[AddressRecord]) -> Iterator[HttpsRecord]:
    for record in answered:
        data = _data(record.address)
        if data is None:
            continue
        params = data.params
        alpn, port = params.get(_Key.ALPN), params.get(_Key.PORT)
        hints = (params.get(key) for key in (_Key.IPV4HINT, _Key.IPV6HINT))
        target = normal_name(data.target.to_text())
        yield HttpsRecord(
            owner=owner,
            ttl_s=record.ttl_s,
            priority=data.priority,
            target="" if target == "." else target,
            alpn=tuple(each.decode("latin-1") for each in alpn.ids) if alpn is not None else (),
            default_alpn=_Key.NO_DEFAULT_ALPN not in params,
            port=port.port if port is not None else None,
            hints=tuple(address for each in hints if each is not None for address in each.addresses),
            ech=_Key.ECH in params,
            keys=tuple(_name(key) for key in params),
        )


def _data(text: str) -> Any:
    """RDATA in dnspython's own terms; None: it cannot be read, and advertises nothing."""
    try:
        return dns.rdata.from_text("IN", HTTPS, text)
    except Exception:  # dnspython raises many kinds
        return None


def _name(key: int) -> str:
    try:
        return _Key(key).name.lower().replace("_", "-")
    except ValueError:
        return f"key{int(key)}"
