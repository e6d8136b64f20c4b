"""A time-stamping authority for tests: `openssl ts` behind a small HTTP server on loopback, well or misbehaving."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from probe.seal.stamps.authority import QUERY, REPLY

POLICY, OTHER_POLICY = "1.3.6.1.4.1.99999.1", "1.3.6.1.4.1.99999.2"
DAY = datetime.timedelta(days=1)
CONFIG = """
[ts]
default_tsa = t
[t]
serial = {place}/serial
crypto_device = builtin
signer_cert = {place}/signer.pem
signer_key = {place}/signer.key
signer_digest = sha256
default_policy = {policy}
digests = sha256
accuracy = secs:1, millisecs:500
ess_cert_id_alg = {names_by}
"""


@dataclass
class Pki:
    """The files of an authority: `ca` (PEM of its root), and what `openssl ts` signs with."""

    place: Path

    @property
    def ca(self) -> Path:
        return self.place / "root.pem"

    def reply(self, query: bytes) -> bytes:
        """As the authority answers. A few milliseconds; safe for several at once only by themselves."""
        name = self.place / f"query-{hashlib.sha256(query).hexdigest()[:16]}"
        name.write_bytes(query)
        command = [
            "openssl",
            "ts",
            "-reply",
            "-queryfile",
            name,
            "-config",
            self.place / "ts.cnf",
            "-section",
            "t",
        ]
        found = subprocess.run(command, capture_output=True, timeout=60, check=False)
        name.unlink()
        assert found.returncode == 0 or found.stdout, found.stderr
        return found.stdout


def signed_by(other: Pki, reply: bytes, work: Path, *, named: bool = True) -> bytes:
    """What a reply says, signed with the certificate of another: one that `openssl ts` itself would not sign with.

    `named`: the signed attributes name the certificate (SigningCertificateV2).
    """

    def openssl(*arguments: str | Path, data: bytes) -> bytes:
        (work / "in").write_bytes(data)
        subprocess.run(
            ["openssl", *arguments, "-in", work / "in", "-out", work / "out"], check=True, timeout=60
        )
        return (work / "out").read_bytes()

    token = openssl("ts", "-reply", "-token_out", data=reply)
    said = openssl("cms", "-verify", "-noverify", "-binary", "-inform", "DER", data=token)
    signing = ["cms", "-sign", "-binary", "-nodetach", "-nosmimecap", "-outform", "DER"]
    signing += ["-cades"] if named else []
    kind = ["-econtent_type", "id-smime-ct-TSTInfo", "-md", "sha256"]
    mine = openssl(
        *signing,
        *kind,
        "-signer",
        other.place / "signer.pem",
        "-inkey",
        other.place / "signer.key",
        data=said,
    )
    body = bytes.fromhex("3003020100") + mine  # granted
    return b"\x30\x82" + len(body).to_bytes(2, "big") + body


def make_pki(
    place: Path,
    *,
    usage: Iterable[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.TIME_STAMPING,),
    critical: bool = True,
    ended: bool = False,
    policy: str = POLICY,
    names_by: str = "sha256",
) -> Pki:
    """An authority of its own. `ended`: its certificate expired yesterday.

    `names_by`: the digest by which its tokens name its certificate; sha1 is ESSCertID, any other ESSCertIDv2.
    """
    place.mkdir(parents=True)
    now = datetime.datetime.now(datetime.UTC)
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Root of {place.name}")])
    root = (
        x509.CertificateBuilder()
        .subject_name(root_name)
        .issuer_name(root_name)
        .public_key(root_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 30 * DAY)
        .not_valid_after(now + 30 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    signer = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Time Stamps")]))
        .issuer_name(root_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 20 * DAY)
        .not_valid_after(now + (-DAY if ended else 20 * DAY))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(list(usage)), critical=critical)
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (place / "root.pem").write_bytes(root.public_bytes(pem))
    (place / "signer.pem").write_bytes(signer.public_bytes(pem))
    (place / "serial").write_text("01\n")
    (place / "ts.cnf").write_text(CONFIG.format(place=place, policy=policy, names_by=names_by))
    for name, of in (("root", root_key), ("signer", key)):
        private = of.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (place / f"{name}.key").write_bytes(private)
    return Pki(place)


def with_another_certificate(pki: Pki, reply: bytes) -> bytes:
    """The reply with another certificate of the same key in place of the one that it was signed under.

    Nothing that is signed is touched: the signer's number, by which the certificate is found, is not.
    """
    old = x509.load_pem_x509_certificate((pki.place / "signer.pem").read_bytes())
    root_key = serialization.load_pem_private_key((pki.place / "root.key").read_bytes(), None)
    assert isinstance(root_key, ec.EllipticCurvePrivateKey)
    was, number = old.public_bytes(serialization.Encoding.DER), _number(old)
    while True:  # until everything has the same length
        made = x509.CertificateBuilder(
            old.issuer, old.subject, old.public_key(), x509.random_serial_number(),
            old.not_valid_before_utc, old.not_valid_after_utc, list(old.extensions),
        ).sign(root_key, hashes.SHA256())  # fmt: skip
        now = made.public_bytes(serialization.Encoding.DER)
        if (len(now), len(_number(made))) == (len(was), len(number)):
            break
    assert was in reply
    forged = reply.replace(was, now)
    assert forged.count(number) == 1
    return forged.replace(number, _number(made))


def _number(certificate: x509.Certificate) -> bytes:
    """Its serial number as DER has it."""
    number = certificate.serial_number
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def another_nonce(query: bytes) -> bytes:
    """The same request with another nonce of the same length."""
    text = bytearray(query)
    at = len(text) - 4  # before cert_req, which is the last
    text[at] ^= 0x55
    return bytes(text)


def another_imprint(query: bytes) -> bytes:
    """The same request for the SHA-256 of something else."""
    at = query.index(bytes.fromhex("0420")) + 2
    return query[:at] + hashlib.sha256(b"something else").digest() + query[at + 32 :]


@dataclass
class TestAuthority:
    """Answers as `mode` says. `asked`: how many requests came."""

    __test__ = False

    pki: Pki
    foreign: Pki | None = None
    mode: str = "stamp"
    url: str = ""
    asked: int = 0
    replies: list[bytes] = field(default_factory=list)
    hanging: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked += 1
        query = await request.read()
        assert request.method == "POST"
        assert request.headers["Content-Type"] == QUERY
        if self.mode == "down":
            return web.Response(status=503, text="come back later")
        if self.mode == "redirect":
            return web.Response(status=302, headers={"Location": self.url})
        if self.mode == "hang":
            await self.hanging.wait()
        if self.mode == "endless":
            response = web.StreamResponse(headers={"Content-Type": REPLY})
            await response.prepare(request)
            for _ in range(100):
                await response.write(os.urandom(4096))
            return response
        if self.mode == "html":
            return web.Response(text="<p>sign in</p>", content_type="text/html")
        data = await asyncio.to_thread(self._reply, query)
        self.replies.append(data)
        return web.Response(body=data, content_type=REPLY)

    def _reply(self, query: bytes) -> bytes:
        if self.mode == "wrong_nonce":
            return self.pki.reply(another_nonce(query))
        if self.mode == "wrong_imprint":
            return self.pki.reply(another_imprint(query))
        if self.mode == "replayed":
            return self.replies[0]
        if self.mode == "foreign":
            assert self.foreign is not None
            return self.foreign.reply(query)
        if self.mode == "garbage":
            return b"\x30\x03\x02\x01"
        if self.mode == "cut":
            return self.pki.reply(query)[:-40]
        if self.mode == "rejection":
            at = query.index(bytes.fromhex("0609608648016503040201"))
            return self.pki.reply(query[: at + 10] + b"\x03" + query[at + 11 :])  # says that it is SHA-512
        return self.pki.reply(query)


@asynccontextmanager
async def authority(pki: Pki, foreign: Pki | None = None) -> AsyncIterator[TestAuthority]:
    """One that listens until the block is left."""
    made = TestAuthority(pki, foreign)
    server = web.Server(made.handle)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/tsr"
    try:
        yield made
    finally:
        made.hanging.set()
        listening.close()
        await server.shutdown(1)
