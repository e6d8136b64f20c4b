"""Rule: an error of OpenSSL is raised as Python's `ssl` raises it, whichever copy of OpenSSL met it.

So one table (`probe.net.failures`) serves both. Reasons are OpenSSL's names (openssl/sslerr.h): its texts in capitals.
"""

from __future__ import annotations

import ssl

# Since OpenSSL 3.2 alerts that SSL 3.0 had already are worded without it; the names stayed.
_REWORDED = (("TLS_ALERT_", "SSLV3_ALERT_"), ("SSL/TLS_ALERT_", "SSLV3_ALERT_"))
_X509_V_ERR_HOSTNAME_MISMATCH, _X509_V_ERR_IP_ADDRESS_MISMATCH = 62, 64


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
