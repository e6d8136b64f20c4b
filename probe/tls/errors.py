"""Rule: an error of OpenSSL is raised as Python's `ssl` raises it, whichever copy of OpenSSL met it.

So one table (`probe.net.failures`) serves both. Reasons are OpenSSL's names (openssl/sslerr.h): its texts in capitals.

One is told apart here. A server that asked for a client certificate and refused the handshake then refused it for want
of one: up to TLS 1.2 that has the alert of any mismatch (RFC 5246 section 7.4.6). But what the server sends before
ChangeCipherSpec can be read, and it asks for a certificate once the cipher was agreed. In TLS 1.3 that is encrypted,
and the refusal has an alert of its own (RFC 8446 section 6.2).
"""

from __future__ import annotations

import ssl

# Since OpenSSL 3.2 alerts that SSL 3.0 had already are worded without it; the names stayed.
_REWORDED = (("TLS_ALERT_", "SSLV3_ALERT_"), ("SSL/TLS_ALERT_", "SSLV3_ALERT_"))
_X509_V_ERR_HOSTNAME_MISMATCH, _X509_V_ERR_IP_ADDRESS_MISMATCH = 62, 64
KEPT_BYTES = 64 * 1024  # of a server's part of a handshake; none is nearly as long
WANTED = "CLIENT_CERTIFICATE_WANTED"  # no word of OpenSSL's
_HANDSHAKE, _CERTIFICATE_REQUEST = 22, 13
_REFUSED = "SSLV3_ALERT_HANDSHAKE_FAILURE"


def ssl_error(library: str, words: str) -> ssl.SSLError:
    """From OpenSSL's words, such as "tlsv1 alert protocol version", which may be none."""
    reason = reason_of(words)
    kind = ssl.SSLEOFError if reason == "UNEXPECTED_EOF_WHILE_READING" else ssl.SSLError
    exc = kind(ssl.SSL_ERROR_SSL, f"[{library}: {reason}] {words}")
    exc.library, exc.reason = library, reason
    return exc


def reason_of(words: str) -> str:
    """OpenSSL's words -> its name for them."""
    name = words.upper().replace(" ", "_")
    for new, old in _REWORDED:
        if name.startswith(new):
            return old + name.removeprefix(new)
    return name


def verification_error(code: int, words: str, server_name: str) -> ssl.SSLCertVerificationError:
    """`code`: X509_V_ERR_*; `words`: OpenSSL's for it, which do not say what name was expected."""
    if code == _X509_V_ERR_HOSTNAME_MISMATCH:
        words = f"Hostname mismatch, certificate is not valid for '{server_name}'."
    elif code == _X509_V_ERR_IP_ADDRESS_MISMATCH:
        words = f"IP address mismatch, certificate is not valid for '{server_name}'."
    reason = "CERTIFICATE_VERIFY_FAILED"
    exc = ssl.SSLCertVerificationError(
        ssl.SSL_ERROR_SSL, f"[SSL: {reason}] certificate verify failed: {words}"
    )
    exc.library, exc.reason = "SSL", reason
    exc.verify_code, exc.verify_message = code, words
    return exc


def asked_for_certificate(received: bytes) -> bool:
    """Whether a CertificateRequest is in what a server sent, records from the first on (RFC 5246 section 6.2.1)."""
    at, messages = 0, bytearray()
    while len(received) - at >= 5 and received[at] == _HANDSHAKE:
        length = int.from_bytes(received[at + 3 : at + 5], "big")
        messages += received[at + 5 : at + 5 + length]
        at += 5 + length
    at = 0
    while len(messages) - at >= 4:
        if messages[at] == _CERTIFICATE_REQUEST:
            return True
        at += 4 + int.from_bytes(messages[at + 1 : at + 4], "big")
    return False


def explained(error: ssl.SSLError, received: bytes) -> ssl.SSLError:
    """The error of a handshake, with the reason `WANTED` where that is what the server meant by its alert."""
    if getattr(error, "reason", None) == _REFUSED and asked_for_certificate(received):
        error.reason = WANTED
    return error
