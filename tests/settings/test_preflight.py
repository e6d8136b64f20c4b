"""What the configuration refers to and the host does not have is told by check-config."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from probe.cli.main import cli
from probe.core.scheduling.open_slots import longest_without_gap_us, overlap_of
from tests.interface.command import cdn_probe

AGENT = "agent: a\nresults: r\ncustomers: customers/\nvantage_points: [{name: local}]\n"


def checked(directory: Path, line: str) -> Result:
    (directory / "customers").mkdir(exist_ok=True)
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


def test_http_3_without_its_library_is_refused_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probe.settings.preflight.find_spec", lambda name: None)
    result = checked(tmp_path, "protocol: [h1, h3]")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0] == (
        "customers/acme.yaml:4:14: www.acme.example: protocol: h3 needs the extra http3: pip install 'cdn-probe[http3]'"
    )
    traced = CliRunner().invoke(cli, ["trace", "https://127.0.0.1:1/", "--protocol", "h3"])
    assert traced.exit_code == 1
    assert "pip install 'cdn-probe[http3]'" in traced.stderr


def test_http_3_through_a_proxy_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probe.settings.preflight.find_spec", lambda name: object())
    monkeypatch.setitem(
        globals(), "AGENT", AGENT.replace("local}", "local, proxy: {url: 'http://192.0.2.80:1'}}")
    )
    result = checked(tmp_path, "protocol: h3")
    assert result.exit_code == 1
    assert (
        "customers/acme.yaml:4:14: www.acme.example: protocol: h3 is not measured from local" in result.stderr
    )
    assert "a proxy carries TCP alone" in result.stderr
    assert "good" not in result.stdout
    assert "`run` refuses it here" in result.stdout
    well = checked(tmp_path, "protocol: h2")
    assert well.exit_code == 0
    assert "agent.yaml: good. " in well.stdout


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_trace_over_http_3_says_what_to_type_where_a_proxy_is_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """One that was typed is left out; one of a vantage point is not, so another vantage point is named."""
    monkeypatch.setattr("probe.settings.preflight.find_spec", lambda name: object())
    proxy = f"{scheme}://192.0.2.80:1080"
    monkeypatch.setitem(globals(), "AGENT", AGENT.replace("local}", f"local, proxy: {{url: '{proxy}'}}}}"))
    checked(tmp_path, "protocol: h2")
    of_vantage = ("--vantage", "local", "-c", str(tmp_path / "agent.yaml"))
    for typed, instead in (
        (("--proxy", proxy), "leave out --proxy"),
        (of_vantage, "name a --vantage without one"),
    ):
        traced = CliRunner().invoke(cli, ["trace", "https://127.0.0.1:1/", "--protocol", "h3", *typed])
        assert traced.exit_code == 1
        assert " ".join(traced.stderr.split()) == (
            f"Error: --protocol h3: HTTP/3 goes over UDP, and through the {scheme} proxy goes TCP alone; {instead},"
            " or take --protocol h2"
        )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tls: {ca: file:/nowhere/ca.pem}", "2:22: tls.ca: /nowhere/ca.pem cannot be read: No such file"),
        ("tls: {ca: acme.yaml}", "2:22: tls.ca: {}/customers/acme.yaml holds no certificate in PEM form"),
        ("tls: {ca: ./empty.pem}", "2:22: tls.ca: {}/customers/empty.pem holds no certificate in PEM form"),
        (
            "timeout: 5s",
            "4:14: www.acme.example: this host trusts no authority: neither {}/none nor {}/none holds",
        ),
    ],
)
def test_who_trusts_nobody_is_told_where_and_nothing_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, words: str
) -> None:
    """`once` and `run` alike: every verdict over TLS would be wrong."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    (tmp_path / "customers").mkdir()
    (tmp_path / "customers" / "empty.pem").touch()
    result = checked(tmp_path, line)
    told = [text for text in result.stderr.splitlines() if text.startswith("customers/acme.yaml:")]
    assert len(told) == 1, result.output
    assert told[0].startswith(f"customers/acme.yaml:{words.replace('{}', str(tmp_path))}"), told
    assert result.exit_code == 1
    for command in (["run", "--seconds", "1"], ["once"]):
        done = cdn_probe(*command, "-c", tmp_path / "agent.yaml")
        assert done.code == 2
        assert told[0] in done.err
        assert "1 problem in the configuration; nothing was started" in done.err
    assert not (tmp_path / "r").exists()


def test_where_nothing_is_verified_nobody_need_be_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    assert checked(tmp_path, "tls: {verify: false}").exit_code == 0


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
    good = checked(tmp_path, "timeout: 2s")
    assert (good.exit_code, good.stderr) == (0, "")
    (tmp_path / "agent.yaml").write_text(f"{AGENT}api: {api}\n")
    result = CliRunner().invoke(cli, ["check-config", "-c", str(tmp_path / "agent.yaml")])
    (told,) = result.stderr.splitlines()
    assert words in told
    assert told.startswith("agent.yaml: ")
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("line", "warned"),
    [
        ("interval: 1s, timeout: 16s", True),
        ("interval: 1s, timeout: 15.5s", False),
        ("interval: 60s, timeout: 60s", False),
    ],
)
def test_a_timeout_that_costs_slots_while_an_edge_hangs_is_warned_of(
    tmp_path: Path, line: str, warned: bool
) -> None:
    """A warning: the exit code stays."""
    result = checked(tmp_path, line)
    told = [text for text in result.stderr.splitlines() if "agent.overlap" in text]
    assert [text.partition(": www")[0] for text in told] == ["warning: customers/acme.yaml:4:14"] * warned
    assert all("a timeout of 16s spans" in text and "15500ms or less loses none" in text for text in told)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("line", "limit"),
    [
        ("connect_timeout: 700ms", "700ms"),
        ("timeout: 1s", "1s"),
        ("connect_timeout: 1500ms", None),
        ("timeout: 10s", None),
    ],
)
def test_a_connection_that_one_lost_packet_ends_is_warned_of(
    tmp_path: Path, line: str, limit: str | None
) -> None:
    result = checked(tmp_path, line)
    told = [text for text in result.stderr.splitlines() if "a lost SYN is sent again after 1s" in text]
    assert [f"connections have {limit}" in text for text in told] == [True] * (limit is not None)
    assert all(text.startswith("warning: customers/acme.yaml:4:14") for text in told)
    assert result.exit_code == 0, result.output


@given(st.integers(100_000, 10**9), st.integers(1_000, 10**9))
def test_it_is_warned_of_exactly_where_the_schedule_would_miss_slots(period_us: int, total_us: int) -> None:
    wanted = 1 + -(-2 * total_us // period_us)
    loses = overlap_of(period_us, total_us, least=1) < wanted
    assert (total_us > longest_without_gap_us(period_us)) == loses


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("  url: http://127.0.0.1/\n  ca: none.pem\n", "7:7: timestamp.ca: {}/none.pem cannot be read: No such"),
        ("  ca: agent.yaml\n  url: http://127.0.0.1/\n", "6:7: timestamp.ca: {}/agent.yaml holds no certificate"),
    ],
)  # fmt: skip
def test_an_authority_that_cannot_be_verified_is_told_where(tmp_path: Path, lines: str, words: str) -> None:
    checked(tmp_path, "timeout: 2s")
    (tmp_path / "agent.yaml").write_text(f"{AGENT}timestamp:\n{lines}")
    result = CliRunner().invoke(cli, ["check-config", "-c", str(tmp_path / "agent.yaml")])
    assert result.exit_code == 1
    assert result.stderr.startswith("agent.yaml:" + words.replace("{}", str(tmp_path))), result.stderr


def test_time_stamps_without_their_library_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probe.settings.preflight.find_spec", lambda name: None)
    checked(tmp_path, "timeout: 2s")
    config = f"{AGENT}timestamp: {{url: 'http://127.0.0.1/', ca: {tmp_path / 'none.pem'}}}\n"
    (tmp_path / "agent.yaml").write_text(config)
    result = CliRunner().invoke(cli, ["check-config", "-c", str(tmp_path / "agent.yaml")])
    assert result.exit_code == 1
    assert "agent.yaml:5:18: timestamp: it needs rfc3161-client: install cdn-probe[stamps]" in result.stderr


@pytest.mark.parametrize(
    ("timestamp", "words"),
    [
        ("{url: 'ftp://tsa.example.net', ca: a.pem}", "5:18: url: a time-stamping authority is http://host"),
        ("{url: 'http://', ca: a.pem}", "5:18: url: "),
        ("{url: 'http://a:b@tsa.example.net', ca: a.pem}", "5:18: url: an authority's address holds no user"),
        ("{url: 'http://tsa.example.net'}", "5:12: 'ca' is missing here"),
        ("{url: 'http://tsa.example.net', ca: a.pem, every: 5s}", "every"),
        ("{url: 'http://tsa.example.net', ca: a.pem, evry: 1h}", "evry"),
        ("{url: 'http://tsa.example.net', ca: a.pem, policy: 1.x}", "policy"),
    ],
)  # fmt: skip
def test_a_wrong_key_of_the_authority_is_told_where(tmp_path: Path, timestamp: str, words: str) -> None:
    checked(tmp_path, "timeout: 2s")
    (tmp_path / "agent.yaml").write_text(f"{AGENT}timestamp: {timestamp}\n")
    done = cdn_probe("check-config", "-c", tmp_path / "agent.yaml")
    assert done.code == 2
    assert words in done.err
    assert "agent.yaml:5:" in done.err


def test_segments_as_parquet_are_refused_with_the_place_where_nothing_can_write_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "customers").mkdir()
    file = tmp_path / "agent.yaml"
    for installed, code in ((None, 1), (pytest, 0)):  # any module will do where only its presence counts
        monkeypatch.setitem(sys.modules, "pyarrow", installed)
        checked(tmp_path, "")
        file.write_text(AGENT + "segments:\n  parquet: true\n")
        result = CliRunner().invoke(cli, ["check-config", "-c", str(file)])
        assert result.exit_code == code
        told = "agent.yaml:6:12: segments.parquet: it needs pyarrow: install cdn-probe[parquet]"
        assert (told in result.stderr) == bool(code)


def test_an_anchor_over_http_3_without_its_library_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probe.settings.preflight.find_spec", lambda name: None)
    monkeypatch.setitem(globals(), "AGENT", AGENT.replace("local}", "local, anchors: ['quic://192.0.2.1']}"))
    result = checked(tmp_path, "protocol: h1")
    assert result.exit_code == 1
    assert "anchors of local: quic://192.0.2.1:443/: h3 needs the extra http3" in result.stderr


def test_who_cannot_be_called_is_told_where(tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text(
        f"{AGENT}calls:\n"
        "  - {name: desk, webhook: 'https://desk.example.net/', secret: 'env:PROBE_TEST_NONE'}\n"
        "  - name: ops\n    alertmanager: https://am.example.net\n    ca: none.pem\n"
    )
    (tmp_path / "customers").mkdir()
    (tmp_path / "customers/acme.yaml").write_text(
        "customer: acme\ndomains: [{domain: www.acme.example, objects: [{path: /}]}]\n"
    )
    result = CliRunner().invoke(cli, ["check-config", "-c", str(tmp_path / "agent.yaml")])
    assert "call desk: secret: env:PROBE_TEST_NONE: the environment variable" in result.stderr
    assert "agent.yaml:9:9: call ops: ca: " in result.stderr
    assert result.exit_code == 1
