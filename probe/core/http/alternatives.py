"""Rule: what a server advertises is read and recorded; nobody follows it or keeps it.

Other places and HTTP versions that it is said to serve the same content by: in the Alt-Svc field (RFC 7838 section 3),
in the ALTSVC frame of HTTP/2 (section 4), in HTTPS records (RFC 9460).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from probe.core.model.protocols import HTTP_1_1
from probe.core.records.dns import HttpsRecord
from probe.core.records.observation import Alternative

_ALTERNATIVE = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*=\s*"([^"\\]*):([0-9]{1,5})"\s*(;[^,]*)?')
_MAX_AGE = re.compile(r';\s*ma\s*=\s*"?([0-9]{1,10})"?\s*(?:;|$)')
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")
_AT_MOST = 32
FIELD, FRAME, RECORD = "alt-svc", "altsvc", "https"
SHOWN = {FIELD: "Alt-Svc", FRAME: "ALTSVC", RECORD: "HTTPS record"}


def alternatives(fields: Iterable[tuple[str, str]], frames: Sequence[str] = ()) -> tuple[Alternative, ...]:
    """Those of a response's fields (names in lower case), then of ALTSVC frames, in order.

    What is no alternative is passed over. `frames`: the field values in them.
    """
    values = []
    for name, value in fields:  # of most replies none, and of each it is asked
        if name == FIELD:
            values.append(value)
    if not values and not frames:
        return ()
    found = (*_of_values(values, FIELD), *_of_values(frames, FRAME))
    return tuple(dict.fromkeys(found))[:_AT_MOST]


def _of_values(values: Iterable[str], by: str) -> Iterator[Alternative]:
    for value in values:
        for found in _ALTERNATIVE.finditer(value):
            if 0 < int(found[3]) < 65_536:
                lasts = _MAX_AGE.search(found[4] or "")
                yield Alternative(
                    protocol=_PERCENT.sub(lambda code: chr(int(code[1], 16)), found[1]),
                    host=found[2].lower(),
                    port=int(found[3]),
                    max_age_s=int(lasts[1]) if lasts else None,
                    by=by,
                )


def of_records(
    records: Iterable[HttpsRecord], hosts: Iterable[str], default_port: int
) -> tuple[Alternative, ...]:
    """Those of HTTPS records, by priority (RFC 9460 section 7.1). `hosts`: the names that mean the server itself.

    An alias names no HTTP version.
    """
    own = set(hosts)
    found = [
        Alternative(
            protocol=protocol,
            host="" if record.target in ("", *own) else record.target,
            port=record.port or default_port,
            max_age_s=record.ttl_s,
            by=RECORD,
        )
        for record in sorted(records, key=lambda record: record.priority)
        if record.priority
        for protocol in dict.fromkeys((*record.alpn, *([HTTP_1_1] if record.default_alpn else [])))
    ]
    return tuple(dict.fromkeys(found))[:_AT_MOST]
