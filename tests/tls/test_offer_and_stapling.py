"""What we offer, how strong a chain must be, which names count, and what a stapled response says."""

from __future__ import annotations

import datetime
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from probe.tls.client import bundled_client, describe, system_client
from probe.tls.stapling import Staple, must_staple, staple_of
from probe.tls.verified import CA_KEY_TOO_SMALL, CA_MD_TOO_WEAK, EE_KEY_TOO_SMALL, weakness
from tests.support.handshake import shake_hands
from tests.support.http_server import HOST
from tests.tls.test_client_sessions import LIBRARIES, Link, client_of

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
# Chromium 156's ClientHello, TLS 1.2 (the GREASE value left out); `tests/system` asks the browser itself.
CHROMIUM_TLS_1_2 = {
    0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC013, 0xC014, 0x009C, 0x009D, 0x002F, 0x0035,
}  # fmt: skip


def key(bits: int = 0) -> Key:
    return rsa.generate_private_key(65537, bits) if bits else ec.generate_private_key(ec.SECP256R1())


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def certificate(
    subject: str,
    of: Key,
    issuer: str,
    by: Key,
    *extensions: x509.ExtensionType,
    ca: bool = False,
    days: int = 9,
) -> x509.Certificate:
    builder = x509.CertificateBuilder(
        name(issuer), name(subject), of.public_key(), x509.random_serial_number(), NOW - DAY, NOW + days * DAY
    ).add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(by, hashes.SHA256())


def named(*names: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(n) for n in names])


def pem(*what: x509.Certificate | Key) -> bytes:
    return b"".join(
        item.public_bytes(Encoding.PEM)
        if isinstance(item, x509.Certificate)
        else item.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        for item in what
    )


def der(*chain: x509.Certificate) -> tuple[bytes, ...]:
    return tuple(c.public_bytes(Encoding.DER) for c in chain)


def by_sha1(signed: x509.Certificate, issuer: x509.Certificate, by: Key) -> x509.Certificate:
    """A self-signed certificate, signed anew by an issuer with SHA-1; Python's library refuses to make these."""
    with tempfile.TemporaryDirectory() as place:
        Path(place, "signed.pem").write_bytes(pem(signed))
        Path(place, "issuer.pem").write_bytes(pem(issuer, by))
        command = ["openssl", "x509", "-in", "signed.pem", "-CA", "issuer.pem", "-CAkey", "issuer.pem"]
        made = subprocess.run([*command, "-sha1", "-days", "9"], cwd=place, check=True, capture_output=True)
    return x509.load_pem_x509_certificate(made.stdout)


class Authority:
    """A root in a file, and what it issues."""

    def __init__(self, place: Path, bits: int = 0) -> None:
        self.key = key(bits)
        self.root = certificate("Root", self.key, "Root", self.key, ca=True, days=400)
        self.file = place / "root.pem"
        self.file.write_bytes(pem(self.root))
        self._place = place

    def server(self, *chain: x509.Certificate, leaf_key: Key) -> ssl.SSLContext:
        (self._place / "server.pem").write_bytes(pem(*chain, leaf_key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL@SECLEVEL=0")
        context.load_cert_chain(self._place / "server.pem")
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# --- the offer ------------------------------------------------------------------------------------------


def offered(hello: bytes) -> set[int]:
    """The cipher suites of a ClientHello (RFC 8446 section 4.1.2)."""
    at = 5 + 4 + 2 + 32
    at += 1 + hello[at]
    size = int.from_bytes(hello[at : at + 2], "big")
    return {int.from_bytes(hello[n : n + 2], "big") for n in range(at + 2, at + 2 + size, 2)}


@pytest.mark.parametrize("minimum", ["TLSv1", "TLSv1.1", "TLSv1.2"])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
def test_every_suite_of_a_browser_is_offered(library: str, authority: Authority, minimum: str) -> None:
    session = client_of(library, str(authority.file), minimum=minimum).session(HOST, memoryview(bytearray(9)))
    session.handshake()
    assert offered(bytes(session.drain())) >= CHROMIUM_TLS_1_2


@pytest.mark.parametrize("suite", ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA"])
def test_a_server_of_a_browsers_old_suites_is_measured(
    library: str, authority: Authority, suite: str
) -> None:
    leaf_key = key(2048)
    leaf = certificate(HOST, leaf_key, "Root", authority.key, named(HOST))
    server = authority.server(leaf, leaf_key=leaf_key)
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    server.set_ciphers(suite)
    link = Link(client_of(library, str(authority.file)), server)
    link.shake()
    assert link.session.cipher() == suite


# --- strength -------------------------------------------------------------------------------------------


def refusal(link: Link) -> int | None:
    try:
        link.shake()
    except ssl.SSLCertVerificationError as exc:
        return exc.verify_code
    return None


def weak_leaf(authority: Authority) -> tuple[int, ssl.SSLContext]:
    leaf_key = key(1024)
    leaf = certificate(HOST, leaf_key, "Root", authority.key, named(HOST))
    return EE_KEY_TOO_SMALL, authority.server(leaf, leaf_key=leaf_key)


def weak_digest(authority: Authority) -> tuple[int, ssl.SSLContext]:
    leaf_key = key()
    signed = certificate(HOST, leaf_key, HOST, leaf_key, named(HOST))
    return CA_MD_TOO_WEAK, authority.server(by_sha1(signed, authority.root, authority.key), leaf_key=leaf_key)


def weak_intermediate(authority: Authority) -> tuple[int, ssl.SSLContext]:
    middle_key, leaf_key = key(1024), key()
    middle = certificate("Middle", middle_key, "Root", authority.key, ca=True)
    leaf = certificate(HOST, leaf_key, "Middle", middle_key, named(HOST))
    return CA_KEY_TOO_SMALL, authority.server(leaf, middle, leaf_key=leaf_key)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
@pytest.mark.parametrize("minimum", ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("made", [weak_leaf, weak_digest, weak_intermediate])
def test_an_old_protocol_version_lowers_no_strength(
    library: str,
    tmp_path: Path,
    made: Callable[[Authority], tuple[int, ssl.SSLContext]],
    minimum: str,
) -> None:
    authority = Authority(tmp_path, 2048 if made is weak_digest else 0)
    code, server = made(authority)
    found = refusal(Link(client_of(library, str(authority.file), minimum=minimum), server))
    # OpenSSL asks for the digest of a signature after the key that made it; either way the chain is refused.
    assert found == code


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
def test_strength_is_not_asked_where_nothing_is_verified(library: str, authority: Authority) -> None:
    _, server = weak_leaf(authority)
    client = client_of(library, str(authority.file), verify=False, minimum="TLSv1")
    assert refusal(Link(client, server)) is None


def test_the_digest_of_the_trust_anchor_is_not_asked() -> None:
    root_key, leaf_key = key(2048), key()
    root = certificate("Root", root_key, "Root", root_key, ca=True)
    root = by_sha1(root, root, root_key)
    leaf = certificate(HOST, leaf_key, "Root", root_key, named(HOST))
    assert weakness(der(leaf, root)) is None
    assert weakness(der(leaf, root, root)) == (CA_MD_TOO_WEAK, "CA signature digest algorithm too weak")
    assert weakness(()) is None


# --- names ----------------------------------------------------------------------------------------------


def test_a_common_name_alone_is_no_name(library: str, authority: Authority) -> None:
    leaf_key = key()
    leaf = certificate(HOST, leaf_key, "Root", authority.key)  # CN=HOST, no subjectAltName
    server = authority.server(leaf, leaf_key=leaf_key)
    assert refusal(Link(client_of(library, str(authority.file)), server)) == 62


# --- dates of the chain ---------------------------------------------------------------------------------


def test_the_earliest_date_of_the_chain_in_use_is_on_record(library: str, authority: Authority) -> None:
    middle_key, leaf_key = key(), key()
    middle = certificate("Middle", middle_key, "Root", authority.key, ca=True, days=3)
    unused = certificate("Other", key(), "Root", authority.key, ca=True, days=1)
    leaf = certificate(HOST, leaf_key, "Middle", middle_key, named(HOST), days=40)
    link = Link(
        client_of(library, str(authority.file)), authority.server(leaf, middle, unused, leaf_key=leaf_key)
    )
    link.shake()
    tls = describe(link.session, HOST, link.session.chain())
    assert tls.chain_not_after == (NOW + 3 * DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert tls.chain_not_after_of == "CN=Middle"
    assert tls.not_after == (NOW + 40 * DAY).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- stapling -------------------------------------------------------------------------------------------


def response(
    leaf: x509.Certificate,
    issuer: x509.Certificate,
    by: Key,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    *,
    responder: x509.Certificate | None = None,
    since: datetime.datetime = NOW,
    until: datetime.datetime | None = NOW + DAY,
) -> bytes:
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=leaf,
            issuer=issuer,
            algorithm=hashes.SHA1(),
            cert_status=status,
            this_update=since,
            next_update=until,
            revocation_time=NOW - DAY if revoked else None,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, responder or issuer)
    )
    if responder is not None:
        builder = builder.certificates([responder])
    return builder.sign(by, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("status", list(ocsp.OCSPCertStatus), ids=lambda s: s.name)
@pytest.mark.parametrize("bits", [0, 2048])
def test_a_response_of_the_issuer_is_believed(tmp_path: Path, status: ocsp.OCSPCertStatus, bits: int) -> None:
    authority = Authority(tmp_path, bits)
    leaf = certificate(HOST, key(), "Root", authority.key, named(HOST))
    said = response(leaf, authority.root, authority.key, status)
    assert staple_of(said, der(leaf, authority.root), NOW) is Staple[status.name]


def test_a_responder_whom_the_issuer_named_is_believed_and_no_other(authority: Authority) -> None:
    leaf = certificate(HOST, key(), "Root", authority.key, named(HOST))
    signer, use = key(), x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
    named_one = certificate("Responder", signer, "Root", authority.key, use)
    unnamed = certificate(
        "Server", signer, "Root", authority.key, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    )
    stranger = certificate("Responder", signer, "Root", signer, use)  # the issuer did not sign it
    chain = der(leaf, authority.root)
    for responder, believed in (
        (named_one, Staple.GOOD),
        (unnamed, Staple.INVALID),
        (stranger, Staple.INVALID),
    ):
        said = response(leaf, authority.root, signer, responder=responder)
        assert staple_of(said, chain, NOW) is believed


def test_what_proves_nothing_is_invalid(authority: Authority) -> None:
    leaf = certificate(HOST, key(), "Root", authority.key, named(HOST))
    other = certificate(HOST, key(), "Root", authority.key, named(HOST))
    other_key = key()
    namesake = certificate("Root", other_key, "Root", other_key, ca=True)
    chain = der(leaf, authority.root)
    revoked = ocsp.OCSPCertStatus.REVOKED
    assert staple_of(b"", chain, NOW) is Staple.ABSENT
    for said in (
        b"garbage",
        response(other, authority.root, authority.key, revoked),  # about another certificate
        response(leaf, namesake, other_key, revoked),  # signed by another of the issuer's name
        response(leaf, authority.root, authority.key, revoked, since=NOW - 9 * DAY, until=NOW - 8 * DAY),
        response(leaf, authority.root, authority.key, revoked, since=NOW + DAY, until=NOW + 2 * DAY),
    ):
        assert staple_of(said, chain, NOW) is Staple.INVALID
    good = response(leaf, authority.root, authority.key)
    assert staple_of(good, der(leaf), NOW) is Staple.INVALID  # whose issuer nobody knows


def test_a_certificate_that_demands_a_staple_is_known() -> None:
    own = key()
    demand = x509.TLSFeature([x509.TLSFeatureType.status_request])
    assert must_staple(certificate(HOST, own, HOST, own, demand))
    assert not must_staple(certificate(HOST, own, HOST, own))


class Stapling:
    """`openssl s_server` with a response of ours."""

    def __init__(self, place: Path, chain: bytes, said: bytes | None) -> None:
        (place / "s.pem").write_bytes(chain)
        command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", "s.pem", "-key", "s.pem", "-www"]
        if said is not None:
            (place / "r.der").write_bytes(said)
            command += ["-status_file", "r.der"]
        self._process = subprocess.Popen(
            command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(b"ACCEPT"):
                self.port = int(line.rpartition(b":")[2])
                return
        raise AssertionError("openssl s_server did not start")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def serve_stapled(tmp_path: Path) -> Iterator[Callable[[bytes, bytes | None], int]]:
    running: list[Stapling] = []

    def serve(chain: bytes, said: bytes | None) -> int:
        running.append(Stapling(tmp_path, chain, said))
        return running[-1].port

    yield serve
    for server in running:
        server.close()


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [
        (None, None, "absent"),
        (ocsp.OCSPCertStatus.GOOD, None, "good"),
        (ocsp.OCSPCertStatus.UNKNOWN, None, "unknown"),
        (ocsp.OCSPCertStatus.REVOKED, 23, "revoked"),
    ],
)
def test_what_a_server_staples_is_read(
    authority: Authority,
    serve_stapled: Callable[[bytes, bytes | None], int],
    status: ocsp.OCSPCertStatus | None,
    code: int | None,
    word: str,
) -> None:
    leaf_key = key()
    demand = x509.TLSFeature([x509.TLSFeatureType.status_request])
    leaf = certificate(HOST, leaf_key, "Root", authority.key, named(HOST), demand)
    said = response(leaf, authority.root, authority.key, status) if status is not None else None
    port = serve_stapled(pem(leaf, leaf_key), said)
    session, refusal = shake_hands(bundled_client(str(authority.file), verify=True, minimum="TLSv1.2"), port)
    assert (refusal.verify_code if isinstance(refusal, ssl.SSLCertVerificationError) else refusal) == code
    tls = describe(session, HOST, session.chain())
    assert (tls.staple, tls.must_staple) == (word, True)


def test_pythons_own_library_says_that_it_did_not_look(authority: Authority) -> None:
    leaf_key = key()
    leaf = certificate(HOST, leaf_key, "Root", authority.key, named(HOST))
    link = Link(
        system_client(str(authority.file), verify=True, minimum="TLSv1.2"),
        authority.server(leaf, leaf_key=leaf_key),
    )
    link.shake()
    assert describe(link.session, HOST, link.session.chain()).staple is None
