"""Rule: the certificates of a session of Python's `ssl` are read by the public way where Python has one.

`ssl.SSLObject` has had `get_unverified_chain` and `get_verified_chain` in public since Python 3.13; 3.11 and 3.12 have
them on the private `_sslobj` alone, with certificates that are not yet bytes. Takes the session's SSLObject, gives DER,
leaf first. Why: docs/decisions/0019. Held by tests/libraries/test_private_parts.py.
"""

from __future__ import annotations

import ssl

_DER = 1 << 1  # _ssl.ENCODING_DER (X509_FILETYPE_ASN1)


def sent_chain(session: ssl.SSLObject) -> tuple[bytes, ...]:
    """As sent; the leaf alone where Python hides the rest; nothing before the handshake."""
    found = _chain(session, "get_unverified_chain")
    if found is not None:
        return found
    leaf = session.getpeercert(binary_form=True)
    return (leaf,) if leaf else ()


def verified_chain(session: ssl.SSLObject) -> tuple[bytes, ...]:
    """As OpenSSL verified it, up to the trusted certificate; nothing where Python hides it."""
    return _chain(session, "get_verified_chain") or ()


def _chain(session: ssl.SSLObject, method: str) -> tuple[bytes, ...] | None:
    public = getattr(session, method, None)
    if public is not None:
        return tuple(public() or ())
    private = getattr(getattr(session, "_sslobj", None), method, None)
    if private is None:
        return None
    return tuple(certificate.public_bytes(_DER) for certificate in private() or ())
