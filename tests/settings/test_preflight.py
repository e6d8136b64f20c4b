"""What the configuration refers to and the host does not have is told by check-config."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from probe.cli.main import cli

AGENT = "agent: a\nresults: r\ncustomers: customers/\nvantage_points: [{name: local}]\n"


def checked(directory: Path, line: str) -> Result:
    (directory / "customers").mkdir()
    (directory / "agent.yaml").write_text(AGENT)
    (directory / "customers" / "acme.yaml").write_text(
        f"customer: acme\ndefaults: {{{line}}}\ndomains:\n"
        "  - {domain: www.acme.example, objects: [{path: /a}, {path: /b}], origin: {address: 198.51.100.10}}\n"
    )
    return CliRunner().invoke(cli, ["check-config", "-c", str(directory / "agent.yaml")])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("headers: {Authorization: env:PROBE_TEST_NONE}", "env:PROBE_TEST_NONE: the environment variable"),
        ("headers: {X-Key: file:/nowhere/key}", "file:/nowhere/key cannot be read: No such file"),
        ("tls: {ca: file:/nowhere/ca.pem}", "tls.ca: /nowhere/ca.pem cannot be read: No such file"),
        ("tls: {ca: acme.yaml}", "holds no certificate in PEM form"),
    ],
)
def test_what_is_not_there_is_told_once_and_the_exit_code_says_so(
    tmp_path: Path, line: str, words: str
) -> None:
    result = checked(tmp_path, line)
    told = [text for text in result.stderr.splitlines() if words in text]
    assert len(told) == 1, result.output
    assert told[0].startswith("customers/acme.yaml: ")
    assert result.exit_code == 1


def test_what_is_there_is_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBE_TEST_SECRET", "s3cr3t")
    result = checked(tmp_path, "headers: {Authorization: env:PROBE_TEST_SECRET}")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "s3cr3t" not in result.output


def test_a_secret_that_everybody_can_read_is_refused_and_not_shown(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("s3cr3t\n")
    secret.chmod(0o644)
    result = checked(tmp_path, f"headers: {{Authorization: 'file:{secret}'}}")
    assert result.exit_code == 1
    assert f"chmod 0600 {secret}" in result.stderr
    assert "s3cr3t" not in result.output


@pytest.mark.parametrize(
    ("api", "words"),
    [
        ("{listen: '192.0.2.1:8640'}", "is not loopback: it does not listen there without api.tls"),
        ("{listen: '[::]:8640'}", "is not loopback: it does not listen there without api.tls"),
        (
            "{tokens: [{name: evaluator, hash: secret}]}",
            "the hash of evaluator is not sha256: and 64 hexadecimal",
        ),
        ("{tokens: [{name: e, hash: 'sha256:ABC'}]}", "`cdn-probe token e` makes both"),
        ("{tls: {certificate: no.pem, key: agent.yaml}}", "no.pem cannot be read"),
    ],
)
def test_what_the_api_lacks_is_told(tmp_path: Path, api: str, words: str) -> None:
    good = checked(tmp_path, "timeout: 1s")
    assert (good.exit_code, good.stderr) == (0, "")
    (tmp_path / "agent.yaml").write_text(f"{AGENT}api: {api}\n")
    result = CliRunner().invoke(cli, ["check-config", "-c", str(tmp_path / "agent.yaml")])
    (told,) = result.stderr.splitlines()
    assert words in told
    assert told.startswith("agent.yaml: ")
    assert result.exit_code == 1
