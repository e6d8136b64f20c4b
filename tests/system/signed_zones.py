"""Zones signed by a key of the test's own, for a resolver that validates (RFC 4034)."""

from __future__ import annotations

import dns.dnssec
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec


def sign(name: str, text: str) -> tuple[str, str]:
    """The zone as a signed file, and its trust anchor as a DS record."""
    made = dns.zone.from_text(f"$ORIGIN {name}.\n$TTL 60\n{text}", origin=f"{name}.", relativize=False)
    key = ec.generate_private_key(ec.SECP256R1())
    dnskey = dns.dnssec.make_dnskey(key.public_key(), dns.dnssec.Algorithm.ECDSAP256SHA256, flags=257)
    dns.dnssec.sign_zone(made, keys=[(key, dnskey)], lifetime=86400, add_dnskey=True)
    anchor = dns.dnssec.make_ds(f"{name}.", dnskey, "SHA256").to_text()
    return f"$ORIGIN {name}.\n{made.to_text()}", f"{name}. DS {anchor}"
