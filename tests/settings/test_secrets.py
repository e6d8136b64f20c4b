"""A secret is had from where only we can read it, or not at all; whatever goes wrong, its value is not told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from probe.core.model.task import SecretRef
from probe.settings.secrets import SecretError, reveal


def secret_file(path: Path, content: bytes = b"s3cr3t\n", mode: int = 0o600) -> SecretRef:
    path.write_bytes(content)
    path.chmod(mode)
    return SecretRef(scheme="file", name=str(path))


def refused(ref: SecretRef) -> str:
    with pytest.raises(SecretError) as caught:
        reveal(ref)
    assert "s3cr3t" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("content", [b"s3cr3t", b"s3cr3t\n", b"s3cr3t\r\n"])
def test_a_file_is_read_without_its_last_newline(tmp_path: Path, content: bytes) -> None:
    assert reveal(secret_file(tmp_path / "s", content)) == "s3cr3t"


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602, 0o601, 0o666])
def test_a_file_that_everybody_can_reach_is_refused_with_what_to_do(tmp_path: Path, mode: int) -> None:
    assert f"chmod 0600 {tmp_path / 's'}" in refused(secret_file(tmp_path / "s", mode=mode))


def test_a_file_of_a_group_is_read(tmp_path: Path) -> None:
    assert reveal(secret_file(tmp_path / "s", mode=0o640)) == "s3cr3t"


def test_a_file_that_everybody_may_replace_is_refused(tmp_path: Path) -> None:
    ref = secret_file(tmp_path / "s")
    tmp_path.chmod(0o777)
    try:
        assert f"chmod o-w {tmp_path}" in refused(ref)
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n", "empty"),
        (b"s3cr3t\nmore", "more than one line"),
        (b"s3cr3t\0", "more than one line"),
        (b"s3cr3t\xff", "UTF-8"),
        (b"s3cr3t" * 20_000, "larger"),
    ],
)
def test_what_no_header_can_carry_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    assert words in refused(secret_file(tmp_path / "s", content))


def test_a_missing_file_and_a_directory(tmp_path: Path) -> None:
    assert "No such file" in refused(SecretRef(scheme="file", name=str(tmp_path / "none")))
    assert "Is a directory" in refused(SecretRef(scheme="file", name=str(tmp_path)))


@pytest.mark.timeout(60)
def test_a_pipe_does_not_hold_us_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "no regular file" in refused(SecretRef(scheme="file", name=str(tmp_path / "pipe")))


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBE_TEST_SECRET", "s3cr3t")
    assert reveal(SecretRef(scheme="env", name="PROBE_TEST_SECRET")) == "s3cr3t"
    monkeypatch.delenv("PROBE_TEST_SECRET")
    assert "PROBE_TEST_SECRET" in refused(SecretRef(scheme="env", name="PROBE_TEST_SECRET"))


def test_a_credential_of_systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert "LoadCredential=token:" in refused(SecretRef(scheme="credential", name="token"))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    secret_file(tmp_path / "token", mode=0o400)
    assert reveal(SecretRef(scheme="credential", name="token")) == "s3cr3t"


@pytest.mark.parametrize("name", ["../token", "/etc/passwd", "..", "", "a/b"])
def test_a_credential_does_not_climb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "in"))
    secret_file(tmp_path / "token")
    assert "no slashes" in refused(SecretRef(scheme="credential", name=name))
