"""Without anybody to trust nothing is asked, and that is said as our own lack."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from probe.core.model.task import TlsPolicy
from probe.tls.client import CaFileError, client_for
from probe.tls.trust import system_store, trust_problem


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    return file


def system(monkeypatch: pytest.MonkeyPatch, file: Path, directory: Path) -> None:
    """The system's store is here."""
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("SSL_CERT_DIR", str(directory))


def test_a_file_with_a_certificate_can_be_trusted(ca: Path) -> None:
    assert trust_problem(str(ca)) is None


@pytest.mark.parametrize("content", ["", "no certificate\n", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_file_without_one_cannot(tmp_path: Path, content: str) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(content)
    assert trust_problem(str(file)) == f"{file} holds no certificate in PEM form"
    with pytest.raises(CaFileError, match="holds no certificate"):
        client_for(TlsPolicy(ca=str(file)))


def test_a_file_that_is_not_there_or_is_a_directory(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none.pem", "No such file"), (tmp_path, "cannot be|no certificate")):
        problem = trust_problem(str(path))
        assert problem is not None
        with pytest.raises(CaFileError, match=words):
            client_for(TlsPolicy(ca=str(path)))


def test_an_empty_system_store_trusts_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    for file in (empty, tmp_path / "none.pem"):
        system(monkeypatch, file, tmp_path)
        problem = trust_problem(None)
        assert problem is not None
        assert problem.startswith(f"this host trusts no authority: neither {file} nor {tmp_path} holds")
        with pytest.raises(CaFileError, match="trusts no authority"):
            client_for(TlsPolicy())
        client_for(TlsPolicy(verify=False))  # nothing is to be verified


def test_a_file_or_a_directory_is_enough(ca: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system(monkeypatch, ca, tmp_path / "none")
    assert (trust_problem(None), system_store()) == (None, (str(ca), None))
    hashed = tmp_path / "hashed"
    hashed.mkdir()
    (hashed / "0a1b2c3d.0").write_bytes(ca.read_bytes())
    (tmp_path / "bad.pem").write_text("no certificate\n")
    system(monkeypatch, tmp_path / "bad.pem", hashed)
    assert (trust_problem(None), system_store()) == (None, (None, str(hashed)))
    client_for(TlsPolicy())


def test_what_happens_to_the_systems_file_is_noticed(ca: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upgrade may leave it empty for a moment: afterwards all is well again."""
    system(monkeypatch, ca, ca.parent / "none")
    first = client_for(TlsPolicy())
    assert client_for(TlsPolicy()) is first
    whole = ca.read_bytes()
    ca.write_bytes(b"")
    with pytest.raises(CaFileError):
        client_for(TlsPolicy())
    ca.write_bytes(whole)
    assert client_for(TlsPolicy()) is not None


def test_openssl_of_python_trusts_the_same(ca: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked by `system_client`, which leaves the places to OpenSSL."""
    system(monkeypatch, ca, ca.parent / "none")
    context = ssl.create_default_context()
    assert context.cert_store_stats()["x509"] == 1
