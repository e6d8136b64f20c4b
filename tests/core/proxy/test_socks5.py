"""SOCKS5 as bytes: what is sent, how much is taken, and what each answer means."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.proxy.dialogue import ProxyError
from probe.core.proxy.socks5 import Socks5
from probe.core.records.failure import FailureType as F

METHOD, PASSWORD_METHOD = b"\x05\x00", b"\x05\x02"
BOUND_V4 = b"\x05\x00\x00\x01" + bytes(4) + b"\x00\x50"
BOUND_V6 = b"\x05\x00\x00\x04" + bytes(16) + b"\x00\x50"
BOUND_NAME = b"\x05\x00\x00\x03\x05proxy\x00\x50"
TUNNEL = b"220 a server that speaks first\r\n"


def play(dialogue: Socks5, answers: bytes, *, at_once: int = 4096) -> tuple[bytes, int]:
    """Everything that was sent, and how many bytes of `answers` were taken, `at_once` shown at a time."""
    sent, taken = dialogue.outgoing(), 0
    while not dialogue.done and taken < len(answers):
        taken += dialogue.take(answers[taken : taken + at_once])
        sent += dialogue.outgoing()
    return sent, taken


def fails(answers: bytes, **credentials: str) -> F:
    with pytest.raises(ProxyError) as caught:
        play(Socks5("192.0.2.1", 443, **credentials), answers)
    return caught.value.type


@pytest.mark.parametrize(
    ("address", "port", "request_bytes"),
    [
        ("192.0.2.1", 443, b"\x05\x01\x00\x01\xc0\x00\x02\x01\x01\xbb"),
        ("2001:db8::1", 80, b"\x05\x01\x00\x04\x20\x01\x0d\xb8" + bytes(11) + b"\x01\x00\x50"),
        ("www.acme.example", 8080, b"\x05\x01\x00\x03\x10www.acme.example\x1f\x90"),
    ],
)
def test_what_is_asked_for(address: str, port: int, request_bytes: bytes) -> None:
    dialogue = Socks5(address, port)
    sent, taken = play(dialogue, METHOD + BOUND_V4)
    assert sent == b"\x05\x01\x00" + request_bytes
    assert (taken, dialogue.done) == (len(METHOD + BOUND_V4), True)


def test_user_and_password_are_sent_only_where_they_are_wanted() -> None:
    wanted = Socks5("192.0.2.1", 443, "probe", "s3cr3t")
    sent, _ = play(wanted, PASSWORD_METHOD + b"\x01\x00" + BOUND_V4)
    assert sent.startswith(b"\x05\x02\x00\x02" + b"\x01\x05probe\x06s3cr3t" + b"\x05\x01\x00\x01")
    assert wanted.done
    not_wanted = Socks5("192.0.2.1", 443, "probe", "s3cr3t")
    sent, _ = play(not_wanted, METHOD + BOUND_V4)
    assert b"s3cr3t" not in sent
    assert not_wanted.done


def test_the_version_of_socks_before_a_status_is_forgiven() -> None:
    dialogue = Socks5("192.0.2.1", 443, "probe", "s3cr3t")
    play(dialogue, PASSWORD_METHOD + b"\x05\x00" + BOUND_V4)
    assert dialogue.done


@pytest.mark.parametrize("at_once", [1, 2, 3, 7, 4096])
@pytest.mark.parametrize("bound", [BOUND_V4, BOUND_V6, BOUND_NAME], ids=["v4", "v6", "name"])
def test_not_a_byte_of_the_tunnel_is_taken(bound: bytes, at_once: int) -> None:
    dialogue = Socks5("192.0.2.1", 443)
    _, taken = play(dialogue, METHOD + bound + TUNNEL, at_once=at_once)
    assert (taken, dialogue.done) == (len(METHOD + bound), True)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (1, F.VANTAGE_PROXY_REFUSED),
        (2, F.VANTAGE_PROXY_REFUSED),
        (3, F.TCP_ADDRESS_UNREACHABLE),
        (4, F.TCP_ADDRESS_UNREACHABLE),
        (5, F.TCP_REFUSED),
        (6, F.TCP_ADDRESS_UNREACHABLE),
        (7, F.VANTAGE_PROXY_REFUSED),
        (8, F.VANTAGE_PROXY_REFUSED),
        (9, F.VANTAGE_PROXY_REFUSED),
        (255, F.VANTAGE_PROXY_REFUSED),
    ],
)
def test_replies(reply: int, kind: F) -> None:
    assert fails(METHOD + bytes((5, reply, 0, 1)) + bytes(6)) is kind
    assert fails(METHOD + bytes((5, reply))) is kind, "two bytes say it, some proxies send no more"


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        (b"\x05\xff", F.VANTAGE_PROXY_REFUSED),
        (b"\x05\x02", F.VANTAGE_PROXY_UNREACHABLE),  # not offered
        (b"\x05\x01", F.VANTAGE_PROXY_UNREACHABLE),
        (b"\x04\x5a", F.VANTAGE_PROXY_UNREACHABLE),  # SOCKS4
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", F.VANTAGE_PROXY_UNREACHABLE),
        (b"SSH-2.0-OpenSSH\r\n", F.VANTAGE_PROXY_UNREACHABLE),
        (METHOD + b"\x04\x00", F.VANTAGE_PROXY_UNREACHABLE),
        (METHOD + b"\x05\x00\x00\x07", F.VANTAGE_PROXY_UNREACHABLE),
    ],
)
def test_what_is_no_answer(answers: bytes, kind: F) -> None:
    assert fails(answers) is kind


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        (b"\x01\x01", F.VANTAGE_PROXY_REFUSED),
        (b"\x01\xff", F.VANTAGE_PROXY_REFUSED),
        (b"\x02\x00", F.VANTAGE_PROXY_UNREACHABLE),
    ],
)
def test_statuses(answers: bytes, kind: F) -> None:
    assert fails(PASSWORD_METHOD + answers, user="probe", password="s3cr3t") is kind


@pytest.mark.parametrize(("user", "password"), [("", "x"), ("u", ""), ("u", "p" * 256), ("u" * 256, "p")])
def test_credentials_that_do_not_fit_are_refused_without_showing_them(user: str, password: str) -> None:
    with pytest.raises(ProxyError) as caught:
        Socks5("192.0.2.1", 443, user, password)
    assert caught.value.type is F.VANTAGE_PROXY_REFUSED
    assert "pppp" not in str(caught.value)


def test_a_name_that_is_too_long_is_refused_with_words() -> None:
    with pytest.raises(ProxyError, match="a name of 300 characters, and no name has more than 253") as caught:
        Socks5(("a" * 59 + ".") * 5, 443)
    assert caught.value.type is F.TCP_ADDRESS_BLOCKED


@pytest.mark.parametrize(
    "name",
    [
        "localhost", "www.LOCALHOST.", "2130706433", "0x7f.1", "127.1", "0x7f000001", "a b.example", "",
        "www..example", "www.example\r\nX: y", "-a.example", "a" * 64 + ".example", "user@host", "w\u00e4.example",
    ],
)  # fmt: skip
def test_names_that_no_proxy_is_given(name: str) -> None:
    with pytest.raises(ProxyError) as caught:
        Socks5(name, 80)
    assert caught.value.type is F.TCP_ADDRESS_BLOCKED


def test_asked_means_that_the_target_may_be_what_is_silent() -> None:
    dialogue = Socks5("192.0.2.1", 443)
    dialogue.outgoing()
    assert not dialogue.asked
    dialogue.take(METHOD)
    dialogue.outgoing()
    assert dialogue.asked
    dialogue.take(b"\x05")
    assert not dialogue.asked, "the proxy began to answer and then stopped: that is its own"


def test_an_answer_ahead_of_its_question_waits_until_that_was_sent() -> None:
    dialogue = Socks5("192.0.2.1", 443)
    dialogue.outgoing()
    assert dialogue.take(METHOD + BOUND_V4 + TUNNEL) == len(METHOD)
    assert dialogue.outgoing().startswith(b"\x05\x01")
    assert dialogue.take(BOUND_V4 + TUNNEL) == len(BOUND_V4)
    assert dialogue.done


@given(st.binary(max_size=600), st.booleans())
def test_whatever_comes_it_is_taken_or_a_proxy_error(answers: bytes, begin_well: bool) -> None:
    dialogue = Socks5("192.0.2.1", 443, "u", "p")
    answers = METHOD + answers if begin_well else answers
    with contextlib.suppress(ProxyError):
        _, taken = play(dialogue, answers)
        assert dialogue.done or taken == len(answers)
