"""Rule: the groups that we name are ours, and a server that asks for another key share gets it (HelloRetryRequest).

qh3 offers the shares of all groups that it names, and answers no HelloRetryRequest (RFC 8446 section 4.1.4): an edge
that agrees on P-384 alone serves every browser. Here three groups are named, two shares are sent, and the third is made
where it is asked for. `offer` prepares a connection's TLS; `push_client_hello` takes the place of qh3's and calls it.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from typing import Any

import qh3.tls
from qh3.tls import ExtensionType, Group

# Named as over TCP (`probe.tls.bundled`): no group whose share fills a datagram of its own, which few servers choose.
NAMED = (int(Group.X25519), int(Group.SECP256R1), int(Group.SECP384R1))
SHARED = [Group.X25519, Group.SECP256R1]
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")  # section 4.1.3
_RANDOM = slice(6, 38)  # behind type, length and version
_COOKIE = 44  # section 4.2.2
_MESSAGE_HASH = b"\xfe\x00\x00"  # section 4.4.1
_push: Any = qh3.tls.push_client_hello


def push_client_hello(buf: Any, hello: Any) -> None:
    """Write it, with all groups that we name. `buf` and `hello`: a `Buffer` and a `ClientHello` of qh3's."""
    _push(buf, replace(hello, supported_groups=list(NAMED)))


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
