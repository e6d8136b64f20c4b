"""A token counts only from the authority that is trusted, for exactly this head, with a certificate that held then."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from probe.core.proof.chain import Head
from probe.core.proof.stamp import Stamp, parse_stamp, stamped_text
from probe.seal.keys import Keys
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
