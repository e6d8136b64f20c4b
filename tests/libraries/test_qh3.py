"""What is done in place of qh3's own TLS gives what its own gives, or what it lacks. Upgrades are looked at here."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("qh3")

import qh3.tls

from probe.fetch.quic import hellos
from probe.fetch.quic.library import make

qh3_tls: Any = qh3.tls
RETRY = hashlib.sha256(b"HelloRetryRequest").digest()


@pytest.fixture(scope="module")
def shipped() -> Any:
    """qh3's TLS as it was installed, beside the one that we altered."""
    name = "qh3.tls_as_shipped"
    spec = importlib.util.spec_from_file_location(name, qh3_tls.__file__)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[name]


@pytest.mark.parametrize("name", ["www.example", None])
def test_a_client_hello_names_all_our_groups_and_else_is_written_as_by_qh3(
    shipped: Any, name: str | None
) -> None:
    hello = shipped.ClientHello(
        random=os.urandom(32),
        legacy_session_id=b"",
        cipher_suites=[0x1A1A, 0x1301, 0x1302, 0x1303],
        legacy_compression_methods=[0],
        alpn_protocols=["h3"],
        alps_protocols=["h3"],
        certificate_status_request=True,
        compress_certificate_algorithms=None,
        grease_extension1=0x1A1A,
        grease_extension2=0x2A2A,
        key_share=[(29, os.urandom(32)), (23, os.urandom(65))],
        psk_key_exchange_modes=None,
        server_name=name,
        signature_algorithms=[0x0403, 0x0804],
        supported_groups=list(hellos.NAMED),
        supported_versions=[0x3A3A, 0x0304],
        other_extensions=[(57, b"parameters"), (65037, b"no ECH"), (44, b"a cookie")],
    )
    made = []
    shared = replace(hello, supported_groups=list(hellos.SHARED))
    for push, told in ((hellos.push_client_hello, shared), (shipped.push_client_hello, hello)):
        buf = qh3_tls.Buffer(capacity=2000)
        push(buf, told)
        made.append(buf.data)
    assert made[0] == made[1]


# --- HelloRetryRequest -----------------------------------------------------------------------------------


def first_flight() -> Any:
    quic: Any = make("www.example")
    quic.connect(("127.0.0.1", 4), 0.0)
    return quic.tls


def retry(group: int, *, suite: int = 0x1301, cookie: bytes | None = None) -> bytes:
    extensions = b"\x00\x2b\x00\x02\x03\x04" + b"\x00\x33\x00\x02" + group.to_bytes(2, "big")
    if cookie is not None:
        held = len(cookie).to_bytes(2, "big") + cookie
        extensions += b"\x00\x2c" + len(held).to_bytes(2, "big") + held
    body = b"\x03\x03" + RETRY + b"\0" + suite.to_bytes(2, "big") + b"\0"
    body += len(extensions).to_bytes(2, "big") + extensions
    return b"\x02" + len(body).to_bytes(3, "big") + body


CUT = b"\x02\x00\x00\x26\x03\x03" + RETRY + b"\0\x13\x01\0"


def give(context: Any, message: bytes) -> bytes:
    buffers = {epoch: qh3_tls.Buffer(capacity=4096) for epoch in qh3_tls.Epoch}
    context.handle_message(message, buffers, epoch=qh3_tls.Epoch.INITIAL)
    return bytes(buffers[qh3_tls.Epoch.INITIAL].data)


def test_a_share_that_is_asked_for_is_sent_alone_with_the_cookie() -> None:
    context = first_flight()
    again = give(context, retry(24, cookie=b"remember"))
    hello = qh3_tls.pull_client_hello(qh3_tls.Buffer(data=again))
    assert [group for group, _ in hello.key_share] == [24]
    assert hello.supported_groups == list(hellos.NAMED)
    assert (44, b"\0\x08remember") in hello.other_extensions
    assert hello.server_name == "www.example"
    assert hello.random == context.client_random


@pytest.mark.parametrize(
    "message",
    [retry(29), retry(23), retry(25), retry(0x11EC), retry(24, suite=0x1399), CUT],
    ids=["shared", "shared P-256", "P-521", "hybrid", "suite", "cut"],
)
def test_what_may_not_be_asked_for_ends_the_handshake(message: bytes) -> None:
    context = first_flight()
    with pytest.raises((qh3_tls.Alert, ValueError, IndexError)):
        give(context, message)


def test_nobody_asks_twice() -> None:
    context = first_flight()
    give(context, retry(24))
    with pytest.raises((qh3_tls.Alert, ValueError)):
        give(context, retry(24))
