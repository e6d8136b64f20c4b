"""What is done in place of qh3's own TLS gives what qh3's own gives, byte for byte. Upgrades are looked at here."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("qh3")

import qh3.tls

from probe.fetch.quic import hellos, swifter
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


@pytest.mark.parametrize("algorithm", [256, 384])
@pytest.mark.parametrize("length", [12, 16, 32, 48, 100, 255])
def test_keys_are_derived_as_by_qh3(shipped: Any, algorithm: int, length: int) -> None:
    secret, context = os.urandom(algorithm // 8), os.urandom(32)
    for label in (b"quic key", b"derived", b"c ap traffic"):
        for hashed in (b"", context):
            ours = swifter.expand_label(algorithm, secret, label, hashed, length)
            assert ours == shipped.hkdf_expand_label(algorithm, secret, label, hashed, length)
    assert swifter.extract(algorithm, secret, context) == shipped.hkdf_extract(algorithm, secret, context)


def test_keys_are_derived_as_in_rfc_8448() -> None:
    """Section 3: the early secret of a handshake without a PSK, and what is derived from it."""
    early = swifter.extract(256, bytes(32), bytes(32))
    assert early.hex() == "33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a"
    derived = swifter.expand_label(256, early, b"derived", hashlib.sha256().digest(), 32)
    assert derived.hex() == "6f2615a108c702c5678f54fc9dbab69716c076189c48250cebeac3576c3611ba"


@pytest.mark.parametrize("capacity", [1, 2, 3])
def test_blocks_are_written_and_read_as_by_qh3(shipped: Any, capacity: int) -> None:
    made = []
    for push in (swifter.PushBlock, shipped.push_block):
        buf = qh3_tls.Buffer(capacity=300)
        with push(buf, capacity):
            buf.push_bytes(b"within")
            with push(buf, 1):
                pass
        made.append(buf.data)
    assert made[0] == made[1]
    for pull, alert in (
        (swifter.PullBlock, qh3_tls.AlertDecodeError),
        (shipped.pull_block, shipped.AlertDecodeError),
    ):
        buf = qh3_tls.Buffer(data=made[0])
        with pull(buf, capacity) as length:
            assert buf.pull_bytes(length) == b"within\0"
        buf = qh3_tls.Buffer(data=made[0])
        with pytest.raises(alert), pull(buf, capacity):
            buf.pull_uint8()


@pytest.mark.parametrize("name", ["www.example", None])
def test_a_client_hello_is_written_as_by_qh3(shipped: Any, name: str | None) -> None:
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
    for push in (hellos.push_client_hello, shipped.push_client_hello):
        buf = qh3_tls.Buffer(capacity=2000)
        push(buf, hello)
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
