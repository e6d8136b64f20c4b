"""Rule: the ClientHello is ours to write, and a server that asks for another key share gets it (HelloRetryRequest).

qh3 offers the shares of all groups that it names, and answers no HelloRetryRequest (RFC 8446 section 4.1.4): an edge
that agrees on P-384 alone serves every browser. Here three groups are named, two shares are sent, and the third is made
where it is asked for. `offer` prepares a connection's TLS; `push_client_hello` stands in place of qh3's (`swifter`),
and writes the same extensions in the same order, but for what is no part of our offer: early data and tickets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import partial
from typing import Any

import qh3.tls
from qh3.tls import ExtensionType, Group

# Named as over TCP (`probe.tls.bundled`): no group whose share fills a datagram of its own, which few servers choose.
NAMED = (int(Group.X25519), int(Group.SECP256R1), int(Group.SECP384R1))
SHARED = [Group.X25519, Group.SECP256R1]
_CLIENT_HELLO = b"\x01"
_TLS_1_2 = b"\x03\x03"
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")  # section 4.1.3
_RANDOM = slice(6, 38)  # behind type, length and version
_COOKIE = 44  # section 4.2.2
_MESSAGE_HASH = b"\xfe\x00\x00"  # section 4.4.1


def _block(data: bytes, capacity: int) -> bytes:
    return len(data).to_bytes(capacity, "big") + data


def _numbers(values: Iterable[int]) -> bytes:
    return b"".join(int(value).to_bytes(2, "big") for value in values)


def _names(values: Iterable[str]) -> bytes:
    return _block(b"".join(_block(value.encode("ascii"), 1) for value in values), 2)


def push_client_hello(buf: Any, hello: Any) -> None:
    """Write it: a `ClientHello` of qh3's into a `Buffer` of qh3's."""
    others = dict(hello.other_extensions)
    encrypted = others.pop(ExtensionType.ENCRYPTED_CLIENT_HELLO, None)
    transport = others.pop(ExtensionType.QUIC_TRANSPORT_PARAMETERS, None)
    shares = b"".join(_numbers((group,)) + _block(share, 2) for group, share in hello.key_share)
    name = hello.server_name
    extensions: list[tuple[int, bytes | None]] = [
        (hello.grease_extension1, b""),
        (ExtensionType.SIGNATURE_ALGORITHMS, _block(_numbers(hello.signature_algorithms), 2)),
        (ExtensionType.APPLICATION_SETTINGS, _names(hello.alps_protocols)),
        (ExtensionType.KEY_SHARE, _block(shares, 2)),
        (ExtensionType.STATUS_REQUEST, b"\x01\x00\x00\x00\x00" if hello.certificate_status_request else None),
        (ExtensionType.ALPN, _names(hello.alpn_protocols)),
        (ExtensionType.ENCRYPTED_CLIENT_HELLO, encrypted),
        (ExtensionType.SERVER_NAME, None if name is None else _block(b"\0" + _block(name.encode("ascii"), 2), 2)),
        (ExtensionType.SUPPORTED_VERSIONS, _block(_numbers(hello.supported_versions), 1)),
        (ExtensionType.SUPPORTED_GROUPS, _block(_numbers(NAMED), 2)),
        (ExtensionType.QUIC_TRANSPORT_PARAMETERS, transport),
        *others.items(),
        (hello.grease_extension2, b"\0"),
    ]  # fmt: skip
    written = b"".join(
        int(kind).to_bytes(2, "big") + _block(data, 2) for kind, data in extensions if data is not None
    )
    body = b"".join(
        (
            _TLS_1_2,
            hello.random,
            _block(hello.legacy_session_id, 1),
            _block(_numbers(hello.cipher_suites), 2),
            _block(bytes(hello.legacy_compression_methods), 1),
            _block(written, 2),
        )
    )
    buf.push_bytes(_CLIENT_HELLO + _block(body, 3))


def offer(context: Any) -> None:
    """Our groups, no tickets, and an answer to one HelloRetryRequest. `context`: of qh3, that has sent nothing."""
    context._supported_groups = SHARED
    context._psk_key_exchange_modes = None
    context._client_handle_hello = partial(_on_hello, context)


def _on_hello(context: Any, came: Any, answer: Any) -> None:
    message = bytes(came.data_slice(0, came.capacity))
    again = message[_RANDOM] == _RETRY
    context._client_handle_hello = partial(type(context)._client_handle_hello, context)
    if not again:
        context._client_handle_hello(came, answer)
        return
    suite, extensions = _read(message)
    group = int.from_bytes(extensions.get(int(ExtensionType.KEY_SHARE), b""), "big")
    if group not in NAMED or group in SHARED:
        raise qh3.tls.AlertIllegalParameter(
            "HelloRetryRequest names a group that was not offered, or was shared"
        )
    schedules = getattr(context, "_key_schedule_proxy", None)
    first = _schedule(schedules, suite)
    digest = first.hash.digest()
    context._supported_groups = [Group(group)]
    if (cookie := extensions.get(_COOKIE)) is not None:
        context.handshake_extensions = [*context.handshake_extensions, (_COOKIE, cookie)]
    send: Any = getattr(context, "_client_send_hello", None)
    send(answer)
    transcript = hashlib.new(first.hash.name)
    for part in (_MESSAGE_HASH, bytes((len(digest),)), digest, message, answer.data):
        transcript.update(part)
    _schedule(getattr(context, "_key_schedule_proxy", None), suite).hash = transcript
    came.seek(came.capacity)


def _schedule(schedules: Any, suite: int) -> Any:
    try:
        return schedules.select(suite)
    except KeyError:
        raise qh3.tls.AlertIllegalParameter("HelloRetryRequest chose a suite that was not offered") from None


def _read(message: bytes) -> tuple[int, dict[int, bytes]]:
    """A HelloRetryRequest: its suite, its extensions. Raises IndexError where it is cut."""
    at = _RANDOM.stop + 1 + message[_RANDOM.stop]
    suite = int.from_bytes(message[at : at + 2], "big")
    at += 5  # suite, compression, the length of the extensions
    extensions: dict[int, bytes] = {}
    while at < len(message):
        kind, length = (
            int.from_bytes(message[at : at + 2], "big"),
            int.from_bytes(message[at + 2 : at + 4], "big"),
        )
        extensions[kind] = message[at + 4 : at + 4 + length]
        at += 4 + length
    return suite, extensions
