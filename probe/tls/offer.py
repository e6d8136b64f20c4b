"""What we offer a server: the same with each TLS library, whatever the defaults of its build.

Gives cipher suites and the security level as OpenSSL's cipher string. The offer is that of browsers: every TLS 1.2
suite of Chromium's ClientHello, and the forward secret ones that other clients (curl) offer beside them. A server
with whom browsers agree on a suite is then never called incompatible; what is weak among them is a finding of the
`certificate` check, not a failed handshake.
"""

from __future__ import annotations

# OpenSSL's security level 2 (112 bits): RSA and DH keys of 2048 bits, no SHA-1 signatures (SSL_CTX_set_security_level).
SECURITY_LEVEL = 2
# Chromium's, in its order; without forward secrecy the last four.
_BROWSERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
)
_OTHER_CLIENTS = (
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-ECDSA-AES128-SHA",
)
# Only where the library itself refuses small groups: a DH group is the server's and not in any certificate.
_FINITE_FIELD = (
    "DHE-RSA-AES128-GCM-SHA256",
    "DHE-RSA-AES256-GCM-SHA384",
    "DHE-RSA-AES128-SHA256",
    "DHE-RSA-AES256-SHA256",
)
OLD_VERSIONS = frozenset({"TLSv1", "TLSv1.1"})


def cipher_string(minimum_version: str) -> str:
    """OpenSSL's cipher string for a policy; `minimum_version`: such as TLSv1.2.

    OpenSSL 3 speaks TLS 1.0 and 1.1 at security level 0 only, since both sign handshakes with MD5 and SHA-1. The level
    of certificates and keys does not follow: `probe.tls.verified` asks it of the verified chain.
    """
    if minimum_version in OLD_VERSIONS:
        return ":".join(("@SECLEVEL=0", *_BROWSERS, *_OTHER_CLIENTS))
    return ":".join((f"@SECLEVEL={SECURITY_LEVEL}", *_BROWSERS, *_OTHER_CLIENTS, *_FINITE_FIELD))
