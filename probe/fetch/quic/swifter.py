"""Rule: what of qh3's TLS takes longest in Python is done by something equal and faster; nothing else is altered.

`install` puts it in place. Keys are derived by calls into OpenSSL (RFC 8446 section 7.1) and not by an object of Python
for each step; blocks behind their length (section 3.4) are read and written by classes, not by generators; the
extension that stands where an encrypted ClientHello could (RFC 9849 section 6.2) is made once, since nobody can read
it. Each is held against qh3's own by tests/libraries/test_qh3.py.
"""

from __future__ import annotations

import hmac
from functools import cache
from typing import Any

import qh3.quic.crypto
import qh3.tls

from probe.fetch.quic.hellos import push_client_hello

_NAMES = {256: "sha256", 384: "sha384"}


def expand_label(algorithm: int, secret: bytes, label: bytes, hash_value: bytes, length: int) -> bytes:
    """HKDF-Expand-Label; `algorithm`: 256 or 384, `length`: at most 255 bytes."""
    name = _NAMES[algorithm]
    info = b"%b%ctls13 %b%c%b" % (
        length.to_bytes(2, "big"),
        6 + len(label),
        label,
        len(hash_value),
        hash_value,
    )
    made = last = hmac.digest(secret, info + b"\x01", name)
    number = 1
    while len(made) < length:
        number += 1
        last = hmac.digest(secret, b"%b%b%c" % (last, info, number), name)
        made += last
    return made[:length]


def extract(algorithm: int, salt: bytes, key_material: bytes) -> bytes:
    """HKDF-Extract (RFC 5869 section 2.2); `algorithm`: as above."""
    return hmac.digest(salt, key_material, _NAMES[algorithm])


class PullBlock:
    """What stands behind its length of `capacity` bytes, and is read to its end."""

    __slots__ = ("_buf", "_capacity", "_end")

    def __init__(self, buf: Any, capacity: int) -> None:
        self._buf = buf
        self._capacity = capacity
        self._end = 0

    def __enter__(self) -> int:
        buf = self._buf
        length = int.from_bytes(buf.pull_bytes(self._capacity), "big")
        self._end = buf.tell() + length
        return length

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None and self._buf.tell() != self._end:
            raise qh3.tls.AlertDecodeError("extra bytes at the end of a block")


class PushBlock:
    """What is written, and its length of `capacity` bytes before it."""

    __slots__ = ("_buf", "_capacity", "_start")

    def __init__(self, buf: Any, capacity: int) -> None:
        self._buf = buf
        self._capacity = capacity
        self._start = 0

    def __enter__(self) -> None:
        self._start = self._buf.tell() + self._capacity
        self._buf.seek(self._start)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None:
            return
        buf = self._buf
        end = buf.tell()
        buf.seek(self._start - self._capacity)
        buf.push_bytes((end - self._start).to_bytes(self._capacity, "big"))
        buf.seek(end)


def push_extension(buf: Any, extension_type: int) -> PushBlock:
    """An extension and its length; its content is written within."""
    buf.push_uint16(extension_type)
    return PushBlock(buf, 2)


def install() -> None:
    """Put all of it in place of qh3's own."""
    tls: Any = qh3.tls
    tls.hkdf_expand_label, tls.hkdf_extract = expand_label, extract
    tls.push_client_hello = push_client_hello
    tls.pull_block, tls.push_block, tls.push_extension = PullBlock, PushBlock, push_extension
    tls._build_grease_ech_extension = cache(tls._build_grease_ech_extension)
    crypto: Any = qh3.quic.crypto
    crypto.hkdf_expand_label = expand_label
