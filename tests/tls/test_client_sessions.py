"""TLS without a socket: both libraries, held against each other and against a server in memory that neither wrote."""

from __future__ import annotations

import gc
import os
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.core.records.failure import Phase
from probe.net.failures import failure_of
from probe.tls import bundled as tls_bundled
from probe.tls.client import bundled_client, system_client
from probe.tls.errors import reason_of, ssl_error
from probe.tls.session import OVER, TlsClient, TlsSession
from tests.support.http_server import HOST, Pki, sign
from tests.support.sizes import scaled

ROOM_BYTES = 64 * 1024
LIBRARIES = ("bundled", "system")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


def client_of(library: str, ca: str | None, *, verify: bool = True, minimum: str = "TLSv1.2") -> TlsClient:
    make = system_client if library == "system" else bundled_client
    return make(ca, verify=verify, minimum=minimum)


class Link:
    """A client's session and a server's, with the bytes between them in our hand."""

    def __init__(self, client: TlsClient, server: ssl.SSLContext, name: str = HOST) -> None:
        self.room = memoryview(bytearray(ROOM_BYTES))
        self.session: TlsSession = client.session(name, self.room)
        self._to_server, self._from_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = server.wrap_bio(self._to_server, self._from_server, server_side=True)
        self.refused: ssl.SSLError | None = None  # by the server

    def pass_on(self, most: int = ROOM_BYTES) -> None:
        """What each has to say, to the other; at most so many bytes to the client."""
        self._to_server.write(self.session.drain())
        came = self._from_server.read(most)
        self.room[: len(came)] = came
        self.session.feed(len(came))

    def shake(self, most: int = ROOM_BYTES) -> None:
        ours = theirs = False
        for _ in range(10_000):
            ours = ours or self.session.handshake()
            self.pass_on(most)
            if not theirs and self.refused is None:
                try:
                    self.server.do_handshake()
                    theirs = True
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLError as exc:
                    self.refused = exc
            if ours and theirs:
                return
        raise AssertionError("no end")

    def read(self) -> bytes | None:
        """All that can be decrypted; None at the end."""
        got = b""
        while (count := self.session.read(0, ROOM_BYTES)) > 0:
            got += bytes(self.room[:count])
        return None if count == OVER and not got else got


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("most", [1, 7, ROOM_BYTES])
def test_a_whole_conversation(pki: Pki, library: str, newest: ssl.TLSVersion, most: int) -> None:
    server = pki.issued()
    server.maximum_version = newest
    server.set_alpn_protocols(["h2", "http/1.1"])
    link = Link(client_of(library, pki.ca), server)
    assert (link.session.cipher(), link.session.chain()) == (None, ())
    link.shake(most)
    session = link.session
    assert session.version() == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[newest.name]
    assert session.cipher() == (link.server.cipher() or ("",))[0]
    assert link.server.selected_alpn_protocol() == "http/1.1"
    assert [len(der) > 100 for der in session.chain()] == [True]
    session.write(b"GET / HTTP/1.1\r\n\r\n")
    link.pass_on()
    assert link.server.read(100) == b"GET / HTTP/1.1\r\n\r\n"
    text = os.urandom(40_000)
    link.server.write(text)
    got = b""
    while len(got) < len(text):
        link.pass_on(max(most, 1000))
        got += link.read() or b""
    assert got == text
    assert (session.unread_bytes(), session.decrypted_bytes(), session.announced_end()) == (0, 0, False)
    with pytest.raises(ssl.SSLWantReadError):
        link.server.unwrap()  # its word, then it waits for ours
    link.pass_on()
    assert link.read() is None
    assert session.announced_end()
    session.say_end()
    link.pass_on()
    link.server.unwrap()


def test_what_is_decrypted_and_what_is_not_is_counted(pki: Pki, library: str) -> None:
    link = Link(client_of(library, pki.ca), pki.issued())
    link.shake()
    link.pass_on()
    assert link.read() == b""  # session tickets
    link.server.write(b"0123456789")
    link.pass_on()
    assert link.session.unread_bytes() > 10
    assert link.session.read(5, 4) == 4
    assert bytes(link.room[5:9]) == b"0123"
    assert (link.session.unread_bytes(), link.session.decrypted_bytes()) == (0, 6)


def test_bytes_that_no_server_sends_are_an_error_and_nothing_worse(pki: Pki, library: str) -> None:
    link = Link(client_of(library, pki.ca), pki.issued())
    link.shake()
    link.pass_on()
    link.read()
    link.room[:40] = b"\x17\x03\x03\x00\x23" + bytes(35)
    link.session.feed(40)
    with pytest.raises(ssl.SSLError) as caught:
        link.session.read(0, 100)
    assert caught.value.reason == "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"
    link.session.say_end()  # cannot be said any more: nothing happens


@settings(max_examples=scaled(300), deadline=None)
@given(said=st.lists(st.binary(min_size=1, max_size=400), max_size=4), begun=st.booleans())
def test_garbage_is_an_ssl_error_or_not_enough(said: list[bytes], begun: bool) -> None:
    client = client_of("bundled", None)
    room = memoryview(bytearray(ROOM_BYTES))
    session = client.session(HOST, room)
    assert not session.handshake()
    assert session.drain()
    for piece in said:
        data = b"\x16\x03\x03" + len(piece).to_bytes(2, "big") + piece if begun else piece
        room[: len(data)] = data
        session.feed(len(data))
        refused = None
        try:
            assert not session.handshake()
        except ssl.SSLError as exc:
            refused = exc
        if refused is not None:
            assert refused.reason
            assert not isinstance(refused, ssl.SSLCertVerificationError)
            return


# --- the same verdicts --------------------------------------------------------------------------------


def _refusal(
    library: str, ca: str | None, server: ssl.SSLContext, name: str = HOST
) -> tuple[object, ...] | None:
    link = Link(client_of(library, ca), server, name)
    try:
        link.shake()
    except ssl.SSLCertVerificationError as exc:
        failure = failure_of(exc, Phase.TLS, "handshake")
        words = (failure.detail or "").removesuffix(" or the system clock is incorrect")  # of newer OpenSSL
        return type(exc), exc.verify_code, words, exc.reason, failure.type
    return None


def _alike(ca: str | None, server: ssl.SSLContext, name: str = HOST) -> tuple[object, ...] | None:
    """What both say of it, which is the same."""
    said = [_refusal(library, ca, server, name) for library in LIBRARIES]
    assert said[0] == said[1]
    return said[0]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("expired", 10),
        ("not_yet", 9),
        ("wrong_host", 62),
        ("self_signed", 18),
        ("untrusted", 20),
        ("untrusted_with_root", 19),
        ("incomplete", 20),
    ],
)
def test_certificates_are_refused_in_the_same_words(pki: Pki, kind: str, code: int) -> None:
    said = _alike(pki.ca, pki.odd(kind))
    assert said is not None
    assert said[1] == code
    assert _alike(None, pki.odd(kind)) is not None  # nor does the host itself trust them


@pytest.mark.parametrize(
    ("certificate", "name", "code"),
    [
        ("*.acme.example", "www.acme.example", None),
        ("*.acme.example", "WWW.Acme.Example", None),
        ("*.acme.example", "a.b.acme.example", 62),
        ("*.acme.example", "acme.example", 62),
        ("*.example", "www.acme.example", 62),
        ("192.0.2.7", "192.0.2.7", None),
        ("192.0.2.7", "192.0.2.8", 64),
        ("2001:db8::7", "2001:db8:0::7", None),
        ("2001:db8::7", "2001:db8::8", 64),
        ("www.acme.example", "192.0.2.7", 64),
        ("192.0.2.7", "www.acme.example", 62),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", None),
        ("xn--bcher-kva.example", "bücher.example", None),
    ],
)
def test_names_match_alike(pki: Pki, certificate: str, name: str, code: int | None) -> None:
    said = _alike(pki.ca, pki.issued(certificate), name)
    assert (None if said is None else said[1]) == code


def test_a_part_of_a_label_is_no_wildcard(tmp_path: Path) -> None:
    key, root_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = sign("root", root_key, "root", root_key, ca=True)
    leaf = sign("w*.acme.example", key, "root", root_key)
    ca, chain = tmp_path / "ca.pem", tmp_path / "chain.pem"
    ca.write_bytes(root.public_bytes(Encoding.PEM))
    chain.write_bytes(
        leaf.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    said = _alike(str(ca), server)
    assert said is not None
    assert said[1] == 62


def test_a_trusted_intermediate_is_enough(pki: Pki, tmp_path: Path) -> None:
    """As since Python 3.13, whatever the Python."""
    intermediate = pki.trusted.create_child_ca()
    path = tmp_path / "intermediate.pem"
    intermediate.cert_pem.write_to_path(str(path))
    assert _alike(str(path), pki.issued(ca=intermediate)) is None


def test_nothing_is_verified_where_that_is_switched_off(pki: Pki, library: str) -> None:
    for kind in ("expired", "wrong_host", "self_signed"):
        link = Link(client_of(library, None, verify=False), pki.odd(kind))
        link.shake()
        assert len(link.session.chain()) == 1


def test_the_hosts_own_authorities_are_trusted(
    pki: Pki, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = pki.issued()
    with pytest.raises(ssl.SSLCertVerificationError):
        Link(client_of(library, None), server).shake()
    monkeypatch.setenv("SSL_CERT_FILE", pki.ca)
    Link(client_of(library, None), server).shake()


def _reason(library: str, ca: str, server: ssl.SSLContext, minimum: str = "TLSv1.2") -> str | None:
    link = Link(client_of(library, ca, minimum=minimum), server)
    try:
        for _ in range(3):
            link.session.handshake()
            link.pass_on()
            with pytest.raises(ssl.SSLError):
                link.server.do_handshake()
            link.pass_on()
    except ssl.SSLError as exc:
        return exc.reason
    return None


def test_a_handshake_without_common_ground_is_told_alike(pki: Pki) -> None:
    old = pki.issued()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    rsa = pki.issued()
    rsa.maximum_version = ssl.TLSVersion.TLSv1_2
    rsa.set_ciphers("ECDHE-RSA-AES128-SHA")
    for server, minimum, reason in (
        (old, "TLSv1.3", "TLSV1_ALERT_PROTOCOL_VERSION"),
        (rsa, "TLSv1.2", "SSLV3_ALERT_HANDSHAKE_FAILURE"),
    ):
        assert {_reason(library, pki.ca, server, minimum) for library in LIBRARIES} == {reason}


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
@pytest.mark.parametrize("minimum", ["TLSv1.1", "TLSv1.2", "TLSv1.3"])
def test_both_offer_a_server_the_same(pki: Pki, minimum: str) -> None:
    offers = []
    for library in LIBRARIES:
        session = client_of(library, pki.ca, minimum=minimum).session(HOST, memoryview(bytearray(10)))
        session.handshake()
        offers.append(_offer(bytes(session.drain())))
    bundled, system = offers
    assert bundled["suites"] - {0x00FF, 0x5600} == system["suites"] - {0x00FF, 0x5600}  # signals, no suites
    for extension in ("names", "groups", "protocols", "versions"):
        assert bundled[extension] == system[extension], extension


def _offer(hello: bytes) -> dict[str, frozenset[int] | bytes | None]:
    """What a ClientHello (RFC 8446 section 4.1.2) offers."""
    at = 5 + 4 + 2 + 32
    at += 1 + hello[at]
    size = int.from_bytes(hello[at : at + 2], "big")
    suites = hello[at + 2 : at + 2 + size]
    at += 2 + size
    at += 1 + hello[at] + 2
    found: dict[int, bytes] = {}
    while at < len(hello):
        kind, size = int.from_bytes(hello[at : at + 2], "big"), int.from_bytes(hello[at + 2 : at + 4], "big")
        found[kind] = hello[at + 4 : at + 4 + size]
        at += 4 + size
    return {
        "suites": _numbers(suites),
        "names": found.get(0),
        "groups": found[10],
        "protocols": found[16],
        "versions": _numbers(found[43][1:]),
    }


def _numbers(data: bytes) -> frozenset[int]:
    return frozenset(int.from_bytes(data[n : n + 2], "big") for n in range(0, len(data), 2))


# --- what is ours -------------------------------------------------------------------------------------


def test_what_is_no_name_is_no_servers_fault(library: str) -> None:
    client = client_of(library, None)
    for name in ("", ".acme.example", "a" * 64 + ".example"):
        with pytest.raises(ValueError):
            client.session(name, memoryview(bytearray(10)))


def test_what_we_set_wrongly_is_never_booked_as_tls(pki: Pki) -> None:
    with pytest.raises(RuntimeError, match="refused what we set"):
        tls_bundled.BundledClient(
            ca_file=pki.ca, ca_directory=None, verify=True, minimum="TLSv1.2", ciphers="none-such"
        )
    with pytest.raises(ssl.SSLError):
        tls_bundled.BundledClient(
            ca_file=__file__, ca_directory=None, verify=True, minimum="TLSv1.2", ciphers="DEFAULT"
        )


def test_an_old_error_is_not_taken_for_a_new_one(pki: Pki) -> None:
    """OpenSSL keeps errors for each thread until somebody asks, and others ask it too."""
    with pytest.raises(ssl.SSLError):
        tls_bundled.BundledClient(
            ca_file="/none/such", ca_directory=None, verify=True, minimum="TLSv1.2", ciphers="DEFAULT"
        )
    tls_bundled._lib.SSL_CTX_load_verify_locations(
        tls_bundled._ffi.gc(
            tls_bundled._lib.SSL_CTX_new(tls_bundled._lib.TLS_client_method()), tls_bundled._lib.SSL_CTX_free
        ),
        b"/none/such",
        tls_bundled._NULL,
    )
    link = Link(client_of("bundled", pki.ca), pki.issued())
    link.shake()
    link.pass_on()
    assert link.read() == b""


def test_alerts_have_the_names_that_the_table_knows() -> None:
    assert reason_of("tls alert handshake failure") == "SSLV3_ALERT_HANDSHAKE_FAILURE"
    assert reason_of("ssl/tls alert bad certificate") == "SSLV3_ALERT_BAD_CERTIFICATE"
    assert reason_of("sslv3 alert bad certificate") == "SSLV3_ALERT_BAD_CERTIFICATE"
    assert reason_of("tlsv1 alert protocol version") == "TLSV1_ALERT_PROTOCOL_VERSION"
    early = ssl_error("SSL", "unexpected eof while reading")
    assert isinstance(early, ssl.SSLEOFError)
    assert failure_of(early, Phase.TLS, "handshake").type.value == "tls.closed"


def test_a_session_in_a_cycle_is_collected(pki: Pki, library: str) -> None:
    """Of which a traceback makes one easily; with a view of a view the interpreter itself crashed here."""
    for _ in range(3):
        room = memoryview(bytearray(ROOM_BYTES))
        session = client_of(library, pki.ca).session(HOST, room)
        circle: list[object] = [room, session]
        circle.append(circle)
        del room, session, circle
        assert gc.collect()


def test_sessions_leave_nothing_behind(pki: Pki) -> None:
    client, server = client_of("bundled", pki.ca), pki.issued()

    def some(count: int) -> None:
        for _ in range(count):
            link = Link(client, server)
            link.shake()
            link.session.chain()

    some(100)
    gc.collect()
    before = _resident_bytes()
    some(500)
    gc.collect()
    assert _resident_bytes() - before < 500 * 4096, "a session of OpenSSL is more than 10 kB"


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
