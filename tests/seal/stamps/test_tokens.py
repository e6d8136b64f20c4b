"""A token counts only from the authority that is trusted, for exactly this head, with a certificate that held then."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import rfc3161_client
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from probe.core.proof.chain import Head
from probe.core.proof.stamp import Stamp, parse_stamp, stamped_text
from probe.seal.keys import Keys
from probe.seal.stamps.signing_certificate import CertificateNotNamed, check_names_its_certificate
from probe.seal.stamps.tokens import Authority, AuthorityFileError, Given, TokenError, request_for
from tests.seal.made import STATE
from tests.support.authority import (
    OTHER_POLICY,
    POLICY,
    Pki,
    another_imprint,
    another_nonce,
    make_pki,
    signed_by,
    with_another_certificate,
)

TEXT = b"cdn-probe stamp v1\n{}"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("tsa") / "good")


def refused(pki: Pki, response: bytes, nonce: int, text: bytes = TEXT, policy: str | None = None) -> str:
    with pytest.raises(TokenError) as caught:
        Authority.read(pki.ca, policy).check_response(response, text, nonce)
    return str(caught.value)


def test_a_token_that_was_asked_for_is_accepted(pki: Pki) -> None:
    request, nonce = request_for(TEXT)
    response = pki.reply(request)
    for policy in (None, POLICY):
        given = Authority.read(pki.ca, policy).check_response(response, TEXT, nonce)
        assert given == Given(
            given_us=given.given_us, accuracy_us=1_500_000, serial=given.serial, policy=POLICY
        )
        assert given.given_us > 1_700_000_000_000_000


def test_it_is_what_openssl_verifies_too(pki: Pki, tmp_path: Path) -> None:
    request, _ = request_for(TEXT)
    (tmp_path / "text").write_bytes(TEXT)
    (tmp_path / "reply").write_bytes(pki.reply(request))
    command = ["openssl", "ts", "-verify", "-data", "text", "-in", "reply", "-CAfile", str(pki.ca)]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert "Verification: OK" in found.stdout + found.stderr


def test_another_nonce_is_refused(pki: Pki) -> None:
    request, nonce = request_for(TEXT)
    assert "another nonce" in refused(pki, pki.reply(another_nonce(request)), nonce)


def test_another_imprint_is_refused(pki: Pki) -> None:
    request, nonce = request_for(TEXT)
    assert "another imprint" in refused(pki, pki.reply(another_imprint(request)), nonce)


def test_a_reply_to_an_earlier_request_is_refused(pki: Pki) -> None:
    """For the same text: only the nonce tells."""
    earlier, _ = request_for(TEXT)
    _, nonce = request_for(TEXT)
    assert "used again" in refused(pki, pki.reply(earlier), nonce)


def test_a_foreign_authority_is_refused(pki: Pki, tmp_path: Path) -> None:
    request, nonce = request_for(TEXT)
    other = make_pki(tmp_path / "other")
    assert "not vouched for" in refused(pki, other.reply(request), nonce)


def test_a_certificate_that_had_expired_is_refused(tmp_path: Path) -> None:
    ended = make_pki(tmp_path / "ended", ended=True)
    request, nonce = request_for(TEXT)
    assert "expired" in refused(ended, ended.reply(request), nonce)


@pytest.mark.parametrize(
    ("usage", "critical", "words"),
    [
        ((ExtendedKeyUsageOID.TIME_STAMPING,), True, None),
        ((ExtendedKeyUsageOID.TIME_STAMPING,), False, "unsuitable certificate purpose"),
        ((ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING), True, "unsuitable certificate purpose"),
        ((ExtendedKeyUsageOID.SERVER_AUTH,), True, "unsuitable certificate purpose"),
    ],
)  # fmt: skip
def test_a_certificate_that_is_not_for_times_alone_is_refused(
    pki: Pki,
    tmp_path: Path,
    usage: tuple[ExtendedKeyUsageOID, ...],
    critical: bool,
    words: str | None,
) -> None:
    """OpenSSL's authority does not sign with such a one: the token is made anew with it."""
    other = make_pki(tmp_path / "other", usage=usage, critical=critical)
    request, nonce = request_for(TEXT)
    reply = signed_by(other, pki.reply(request), tmp_path)
    if words is None:
        assert Authority.read(other.ca).check_response(reply, TEXT, nonce).policy == POLICY
    else:
        assert re.search(words, refused(other, reply, nonce))


@pytest.mark.parametrize("names_by", ["sha1", "sha384", "sha512"])
def test_a_certificate_may_be_named_by_any_digest_that_is_in_use(tmp_path: Path, names_by: str) -> None:
    """SHA-1: ESSCertID (RFC 3161); the others: ESSCertIDv2 (RFC 5816)."""
    pki = make_pki(tmp_path / "tsa", names_by=names_by)
    request, nonce = request_for(TEXT)
    reply = pki.reply(request)
    assert Authority.read(pki.ca).check_response(reply, TEXT, nonce).policy == POLICY
    assert "another certificate" in refused(pki, with_another_certificate(pki, reply), nonce)


def test_another_certificate_of_the_same_key_is_refused(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was put in the place of the one that the token names; the signature holds, and the library says yes."""
    request, nonce = request_for(TEXT)
    forged = with_another_certificate(pki, pki.reply(request))
    words = refused(pki, forged, nonce)
    assert (
        words
        == "is signed under another certificate than the one that comes with it: that one was put in its place"
    )
    monkeypatch.setattr("probe.seal.stamps.tokens.check_names_its_certificate", lambda *about: None)
    assert Authority.read(pki.ca).check_response(forged, TEXT, nonce).policy == POLICY


def test_a_token_that_names_no_certificate_is_refused(pki: Pki, tmp_path: Path) -> None:
    request, nonce = request_for(TEXT)
    words = refused(pki, signed_by(pki, pki.reply(request), tmp_path, named=False), nonce)
    assert words == "does not name the certificate that signed it (RFC 3161 section 2.4.2)"


def test_what_names_a_certificate_is_read_with_care(pki: Pki) -> None:
    """Whatever stands there: words, and no other error."""
    signer = x509.load_pem_x509_certificate((pki.place / "signer.pem").read_bytes())
    der = signer.public_bytes(serialization.Encoding.DER)
    token = rfc3161_client.decode_timestamp_response(pki.reply(request_for(TEXT)[0])).time_stamp_token()
    check_names_its_certificate(token, [der], signer.issuer, signer.serial_number)
    for certificates in ([], [der, der]):
        with pytest.raises(CertificateNotNamed, match=r"holds \d certificates of its signer"):
            check_names_its_certificate(token, certificates, signer.issuer, signer.serial_number)
    cut = [token[:size] for size in range(0, len(token), 9)]
    for other in (*cut, b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"\x1f\x81\x01\x00", b"\x30\x03abc"):
        with pytest.raises(CertificateNotNamed, match="cannot be read where it names its certificate"):
            check_names_its_certificate(other, [der], signer.issuer, signer.serial_number)


def test_another_policy_is_refused_where_one_is_asked_for(pki: Pki) -> None:
    request, nonce = request_for(TEXT)
    words = refused(pki, pki.reply(request), nonce, policy=OTHER_POLICY)
    assert f"under the policy {POLICY}" in words


def test_what_is_no_reply_is_refused_in_words(pki: Pki) -> None:
    request, nonce = request_for(TEXT)
    good = pki.reply(request)
    for garbage in (b"", b"\x30", good[:-30], good + b"more", b"<html>", bytes(70_000), good[:30]):
        assert refused(pki, garbage, nonce)
    sha512 = request.replace(bytes.fromhex("0609608648016503040201"), bytes.fromhex("0609608648016503040203"))
    assert "not granted: rejection" in refused(pki, pki.reply(sha512), nonce)


def test_no_byte_of_what_is_signed_can_be_changed(pki: Pki) -> None:
    request, nonce = request_for(TEXT)
    good = pki.reply(request)
    whole = Authority.read(pki.ca).check_response(good, TEXT, nonce)
    for at in range(0, len(good), 7):
        altered = good[:at] + bytes([good[at] ^ 0x04]) + good[at + 1 :]
        try:
            assert Authority.read(pki.ca).check_response(altered, TEXT, nonce) == whole
        except TokenError:
            continue


def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    with pytest.raises(AuthorityFileError, match=r"none\.pem cannot be read"):
        Authority.read(tmp_path / "none.pem")
    (tmp_path / "empty.pem").write_text("nothing\n")
    with pytest.raises(AuthorityFileError, match=r"holds no certificate"):
        Authority.read(tmp_path / "empty.pem")


def test_a_stamp_is_one_line_and_comes_back_from_it(pki: Pki, tmp_path: Path) -> None:
    head = Keys.open(tmp_path).sign_head(
        Head(agent="a1", customer="acme", seq=7, digest="d" * 64), "2026-11-22T10:00:00.000000Z", STATE
    )
    request, nonce = request_for(stamped_text(head))
    stamp = Stamp(head=head, nonce=f"{nonce:x}", response=pki.reply(request))
    assert b"\n" not in stamp.line()
    assert parse_stamp(stamp.line()) == stamp
    assert Authority.read(pki.ca).check(stamp).policy == POLICY
    for other in (stamp.line() + b" ", b" " + stamp.line(), stamp.line().replace(b'":', b'": ', 1)):
        with pytest.raises(ValueError, match="it was changed"):
            parse_stamp(other)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", "not a time stamp"),
        (b"[]", "not a time stamp"),
        (b'{"kind":"slot"}', "not a time stamp"),
        (b'{"kind":"stamp","version":2}', "version 1, not 2"),
        (b'{"kind":"stamp","version":1}', "other fields: head, nonce, response"),
        (b"[" * 100_000, "not a time stamp"),
        (b'{"kind":"stamp","version":1,"head":{},"nonce":"x","response":""}', "hexadecimal"),
        (b'{"kind":"stamp","version":1,"head":{},"nonce":"1","response":"*"}', "other fields|Base64"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_stamp_says_why(line: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_stamp(line)
