"""The key is made once, readable by its owner only; what it signs is one exact text."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from probe.core.model.value import replace
from probe.core.proof.chain import Head
from probe.core.proof.signed_head import HEAD_PREFIX, canonical, key_id, parse_head
from probe.seal.keys import PRIVATE, PUBLIC, KeyFileError, Keys, PublicKey, Signer
from tests.seal.made import STATE, SetClock

HEAD = Head(agent="a1", customer="acme", seq=7, digest="d" * 64, complete_up_to="2026-11-22T10:00:00.000000Z")


def test_the_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    keys = Keys.open(tmp_path)
    assert stat.S_IMODE((tmp_path / PRIVATE).stat().st_mode) == 0o600
    assert Keys.open(tmp_path).id == keys.id == PublicKey.read(tmp_path / PUBLIC).id
    assert sorted(path.name for path in tmp_path.iterdir()) == [PRIVATE, PUBLIC]
    pem = (tmp_path / PRIVATE).read_bytes()
    assert pem.startswith(b"-----BEGIN PRIVATE KEY-----")  # PKCS #8


def test_the_id_is_of_the_raw_key(tmp_path: Path) -> None:
    keys = Keys.open(tmp_path)
    public = serialization.load_pem_public_key((tmp_path / PUBLIC).read_bytes())
    assert isinstance(public, Ed25519PublicKey)
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    assert keys.id == key_id(raw)
    assert len(keys.id) == 16


def test_all_who_start_at_once_have_one_key(tmp_path: Path) -> None:
    code = "import sys, pathlib; from probe.seal.keys import Keys; print(Keys.open(pathlib.Path(sys.argv[1])).id)"
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    ids = {process.communicate(timeout=60)[0].strip() for process in started}
    assert ids == {Keys.open(tmp_path).id}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o620])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    Keys.open(tmp_path)
    (tmp_path / PRIVATE).chmod(mode)
    with pytest.raises(KeyFileError, match=f"others can reach the key .mode {mode:04o}"):
        Keys.open(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_key_of_somebody_else_is_refused(tmp_path: Path) -> None:
    Keys.open(tmp_path)
    os.chown(tmp_path / PRIVATE, 12345, -1)
    with pytest.raises(KeyFileError, match="belongs to user 12345 and this runs as 0"):
        Keys.open(tmp_path)


def test_what_is_no_key_is_refused_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / PRIVATE
    other = generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for data, words in ((b"", "no private key"), (b"rubbish", "no private key"), (other, "Ed25519")):
        path.write_bytes(data)
        path.chmod(0o600)
        with pytest.raises(KeyFileError, match=words):
            Keys.open(tmp_path)
        assert path.read_bytes() == data
    path.unlink()
    path.mkdir()
    with pytest.raises(KeyFileError, match="plain file"):
        Keys.open(tmp_path)
    path.rmdir()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyFileError, match="plain file"):
        Keys.open(tmp_path)


def test_a_public_key_that_is_anothers_is_put_right(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    a, b = Keys.open(tmp_path / "a"), Keys.open(tmp_path / "b")
    (tmp_path / "a" / PUBLIC).write_bytes(b.public.pem())
    Keys.open(tmp_path / "a")
    assert PublicKey.read(tmp_path / "a" / PUBLIC).id == a.id


def test_a_head_is_signed_whole(tmp_path: Path) -> None:
    keys = Keys.open(tmp_path)
    head = Signer(keys, SetClock(), lambda: STATE).head(HEAD)
    assert list(head.to_json()) == [
        "agent", "customer", "seq", "digest", "complete_up_to", "at", "clock_synchronised", "clock_max_error_us",
        "key", "signature",
    ]  # fmt: skip
    assert parse_head(json.dumps(head.to_json())) == head
    assert keys.public.verifies(head.signature, head.text())
    others = {
        "agent": "a2", "customer": "x", "seq": 8, "digest": "e" * 64, "complete_up_to": None, "at": "x",
        "clock_synchronised": False, "clock_max_error_us": 1, "key": "0" * 16,
    }  # fmt: skip
    for name, value in others.items():
        assert not keys.public.verifies(head.signature, replace(head, **{name: value}).text()), name
    assert not keys.public.verifies(head.signature, head.text().removeprefix(HEAD_PREFIX)), (
        "the kind is signed too"
    )
    for signature in ("", "x", base64.b64encode(b"\0" * 64).decode(), base64.b64encode(b"\0" * 63).decode()):
        assert not keys.public.verifies(signature, head.text())


def test_the_text_that_is_signed_can_be_made_by_anybody(tmp_path: Path) -> None:
    """By another program, from docs/proof.md alone."""
    head = Signer(Keys.open(tmp_path), SetClock(), lambda: STATE).sign(HEAD)
    signature = base64.b64decode(head.pop("signature"))
    text = b"cdn-probe head v1\n" + json.dumps(head, sort_keys=True, separators=(",", ":")).encode()
    public = serialization.load_pem_public_key((tmp_path / PUBLIC).read_bytes())
    assert isinstance(public, Ed25519PublicKey)
    public.verify(signature, text)  # raises where it does not fit


@pytest.mark.parametrize("text", ["{}", "[]", "null", "x", '{"agent": 1}', "\udc80"])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_head(text)


def test_a_head_with_a_field_that_we_do_not_know_is_refused(tmp_path: Path) -> None:
    told = Signer(Keys.open(tmp_path), SetClock(), lambda: STATE).sign(HEAD)
    with pytest.raises(ValueError, match="other fields: more"):
        parse_head({**told, "more": 1})


def test_canonical_json() -> None:
    assert canonical({"b": [True, None, 1], "a": "ä"}) == '{"a":"ä","b":[true,null,1]}'.encode()
    with pytest.raises(ValueError, match="whole numbers"):
        canonical({"a": [{"b": 1.5}]})
