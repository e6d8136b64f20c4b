"""`cdn-probe pull` as it is typed: exit codes, words, and a token that nobody sees."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import ssl
from pathlib import Path

import pytest
import trustme

from probe.cli.main import main
from probe.cli.render.pull import Shown, board_table, lag
from probe.core.text.tokens import make_token
from probe.pull import Copy
from probe.pull.chain import StreamName
from probe.pull.client import back_off_s
from probe.pull.progress import Board, State, StreamProgress
from tests.pull.server import TOKEN, FakeAgent, make_lines, serving
from tests.pull.test_pull import texts
from tests.support.agent_process import cdn_probe, ended, start


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.touch(0o600)
    file.write_text(TOKEN + "\n")
    return file


async def test_everything_there_is(tmp_path: Path, token_file: Path) -> None:
    async with serving(FakeAgent(streams={"acme": make_lines(50), "zeta": make_lines(5, "zeta")})) as agent:
        done = await cdn_probe(
            "pull", "--from", agent.url, "--into", tmp_path / "c", "--token-file", token_file, "--ack"
        )
    assert (done.code, len(agent.acks)) == (0, 2)
    assert "complete" in done.err
    assert "signed" in done.err
    assert TOKEN not in done.out + done.err
    assert [stream.seq for stream in Copy(tmp_path / "c").streams()] == [50, 5]


async def test_tampered_is_one(tmp_path: Path) -> None:
    async with serving(FakeAgent(streams={"acme": make_lines(50)}, spoil=lambda page: page[1:])) as agent:
        done = await cdn_probe(
            "pull", "--from", agent.url, "--into", tmp_path / "c", env={"CDN_PROBE_TOKEN": TOKEN}
        )
    assert done.code == 1
    assert "refused" in done.err
    assert "at 1: 1 missing" in " ".join(done.err.split())


async def test_a_wrong_token_is_one_and_not_shown(tmp_path: Path) -> None:
    wrong = make_token(b"x" * 32)
    async with serving(FakeAgent(streams={"acme": []})) as agent:
        done = await cdn_probe(
            "pull",
            "--from",
            agent.url,
            "--into",
            tmp_path / "c",
            "--token-env",
            "WRONG",
            env={"WRONG": wrong},
        )
    assert (done.code, "401" in done.err, wrong in done.err) == (1, True, False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--token-file", "not-there"], "cannot be read"),
        (["--token-env", "NOT_SET_ANYWHERE"], "is not set"),
        (["--key", "not-there"], "not-there"),
        (["--client-key", "k.pem"], "belongs to --cert"),
        (["--ca", "not-there"], "cannot be used"),
        (["--token-env", "A", "--token-env", "B"], "is not set"),
        (["--from", "http://203.0.113.7", "--token-env", "HOME"], "in the clear"),
    ],
    ids=str,
)
def test_what_cannot_run_is_two(
    tmp_path: Path,
    options: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    typed = ["cdn-probe", "pull", "--from", "http://127.0.0.1:1", "--into", str(tmp_path / "c"), *options]
    monkeypatch.setattr("sys.argv", typed)
    with pytest.raises(SystemExit) as left:
        main()
    err = capsys.readouterr().err
    assert (left.value.code, words in err) == (2, True), err
    assert not (tmp_path / "c").exists()


async def test_two_into_one_directory_is_two(tmp_path: Path, token_file: Path) -> None:
    async with serving(FakeAgent(streams={"acme": make_lines(5)})) as agent:
        options = ("pull", "--from", agent.url, "--into", tmp_path / "c", "--token-file", token_file)
        first = await start(*options, "--follow")
        try:
            async with asyncio.timeout(60):
                while not (tmp_path / "c/a1/acme/heads.ndjson").exists():
                    await asyncio.sleep(0.02)
            second = await cdn_probe(*options)
            assert (second.code, "another pull" in second.err) == (2, True)
            first.send_signal(signal.SIGTERM)
            assert (await ended(first)).code == 0
        finally:
            if first.returncode is None:
                first.kill()
                await first.wait()
    assert texts(tmp_path / "c") == agent.streams["acme"]


async def test_following_a_host_that_was_never_reached_ends_with_the_seconds(tmp_path: Path) -> None:
    async with serving(FakeAgent(streams={"acme": []})) as agent:
        url = agent.url  # nobody listens there any more
    options = ("--follow", "--seconds", "0.7")
    done = await cdn_probe(
        "pull", "--from", url, "--into", tmp_path / "c", *options, env={"CDN_PROBE_TOKEN": TOKEN}
    )
    assert (done.code, "not reached" in done.err) == (1, True), done.err


async def test_over_tls_with_a_client_certificate(tmp_path: Path, token_file: Path) -> None:
    ca = trustme.CA()
    served, client = ca.issue_cert("127.0.0.1"), ca.issue_cert("reader@example.net")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.configure_cert(context)
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    client.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    async with serving(FakeAgent(streams={"acme": make_lines(5)}), context) as agent:
        base = ("pull", "--from", agent.url, "--into", tmp_path / "c", "--token-file", token_file)
        untrusted = await cdn_probe(*base)
        assert (untrusted.code, "--ca" in untrusted.err, len(agent.asked)) == (1, True, 0)
        done = await cdn_probe(*base, "--ca", tmp_path / "ca.pem", "--cert", tmp_path / "client.pem")
    assert done.code == 0, done.err


# --- small things -------------------------------------------------------------------------------------


def test_waits_grow_with_jitter_and_keep_to_what_was_asked() -> None:
    assert [back_off_s(n, draw=lambda: 1.0) for n in (1, 2, 3, 4, 50)] == [0.5, 1.0, 2.0, 4.0, 30.0]
    assert back_off_s(1, draw=lambda: 0.0) == 0.25
    assert back_off_s(1, 7.0, draw=lambda: 0.0) >= 7.0


def test_the_board_is_shown() -> None:
    one = StreamProgress(url="https://[h]", stream=None, state=State.REFUSED, note="HTTP 401: no [b]")
    table = board_table(Board([one]), 0.0, 0.0)
    assert (table.row_count, lag(None, 0)) == (1, "–")
    assert lag("2026-11-22T10:00:00Z", 1_795_341_600 + 3600) == "60 min"
    assert os.environ.get("CDN_PROBE_TOKEN") is None


@pytest.mark.parametrize(
    "note", ["\x1b]0;owned\x07\x1b[2J", "a\u202eb", "x\nhttps://h: complete at 9: well again"]
)
async def test_what_a_server_said_reaches_no_terminal_and_writes_no_line_of_ours(note: str) -> None:
    """The words of an agent stand in its line of the table and of the log, without what a terminal obeys."""
    out = io.StringIO()
    stream = StreamName("a", "acme")
    item = StreamProgress(url="https://h", stream=stream, state=State.REFUSED, note=note)
    shown = Shown(Board([item]), out, lambda: 0.0, lambda: 0.0)
    looking = asyncio.create_task(shown.keep_up())
    await asyncio.sleep(0)
    looking.cancel()
    logged = out.getvalue()
    shown.final()
    assert (logged.count("\n"), "refused at 0: " in logged) == (1, True)
    assert [char for char in out.getvalue() if not char.isprintable() and char != "\n"] == []
