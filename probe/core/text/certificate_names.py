"""Rule: a name is covered by a certificate as RFC 9525 section 6 compares names, and in no other way.

What is read of certificates and cipher suites as `Tls` records them. Pure text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from ipaddress import ip_address


def covered(name: str, presented: Iterable[str]) -> bool:
    """Whether one of the certificate's names (dNSName, iPAddress) covers a DNS name or an IP address.

    A wildcard is the whole leftmost label and stands for exactly one label (RFC 9525 section 6.3); addresses are
    equal bit by bit (section 6.4).
    """
    return any(_same(name, other) for other in presented)


def _same(name: str, presented: str) -> bool:
    address, other = _address(name), _address(presented)
    if address is not None or other is not None:
        return address == other
    ours, theirs = _labels(name), _labels(presented)
    if theirs[0] == "*" and len(theirs) > 2:
        return len(ours) == len(theirs) and ours[1:] == theirs[1:] and "*" not in ours[0]
    return ours == theirs and "*" not in presented


def _labels(name: str) -> list[str]:
    return name.lower().removesuffix(".").split(".")


def _address(text: str) -> object:
    try:
        return ip_address(text)
    except ValueError:
        return None


# --- issuers --------------------------------------------------------------------------------------


def issued_by(issuer: str, wanted: str) -> bool:
    """Whether a distinguished name (RFC 4514) is the wanted one, or has it as its CN or O."""
    return wanted.lower() in {issuer.lower(), *(value.lower() for value in _names_in(issuer))}


def _names_in(distinguished: str) -> list[str]:
    parts = re.findall(r"(?:^|[,+])(?:CN|O)=((?:\\.|[^,+\\])*)", distinguished)
    return [re.sub(r"\\(.)", r"\1", part) for part in parts]


# --- cipher suites --------------------------------------------------------------------------------

_AEAD = ("GCM", "CCM", "POLY1305")


def _cbc(name: str) -> bool:
    """OpenSSL does not write CBC into most names: what is neither AEAD nor RC4 nor NULL is it."""
    return not any(word in name for word in (*_AEAD, "RC4", "NULL"))


FAMILIES: dict[str, Callable[[str], bool]] = {
    "RC4": lambda name: "RC4" in name,
    "3DES": lambda name: "DES-CBC3" in name or "3DES" in name,
    "DES": lambda name: "DES-CBC" in name or "3DES" in name,
    "CBC": _cbc,
    "NULL": lambda name: "NULL" in name,
    "EXPORT": lambda name: name.startswith("EXP") or "EXPORT" in name,
    "MD5": lambda name: name.endswith("MD5"),
    "SHA1": lambda name: name.endswith("-SHA"),
    "ANON": lambda name: name.startswith(("ADH", "AECDH")),
    # TLS 1.3 suites (TLS_...) name no key exchange: it always has forward secrecy.
    "RSA": lambda name: not name.startswith(("ECDHE", "DHE", "TLS_", "PSK", "SRP", "ADH", "AECDH")),
}


def check_cipher(text: str) -> str:
    """A family, or the name of a suite, `*` standing for any characters. Raises ValueError."""
    if text.upper() in FAMILIES:
        return text.upper()
    if (
        not re.fullmatch(r"[A-Za-z0-9_*-]{1,100}", text)
        or not re.search(r"[*_-]", text)
        or not text.strip("*")
    ):
        raise ValueError(
            f"{text[:40]!r} is neither a family ({', '.join(FAMILIES)}) nor an OpenSSL name such as "
            "AES128-SHA or *-SHA"
        )
    return text


def is_cipher(name: str, wanted: str) -> bool:
    """Whether a suite, by OpenSSL's name, is of the wanted family or matches the wanted name."""
    family = FAMILIES.get(wanted)
    return family(name.upper()) if family is not None else fnmatchcase(name.upper(), wanted.upper())
