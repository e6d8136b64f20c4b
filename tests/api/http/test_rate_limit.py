"""Parts of the API alone: ceilings, negotiation, targets, and the `token` command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from probe.api.http.compression import PREFERENCE, negotiate
from probe.api.http.problem import Refused
from probe.api.http.rate_limit import Buckets, address_key
from probe.api.request.params import Target, parse_target
from probe.api.request.settings import read_agent
from probe.cli.main import cli
from probe.core.text.tokens import find


class Ticking:
    """A clock that a test moves."""

    at = 0.0

    def __call__(self) -> float:
        return self.at


def test_a_bucket_fills_again_with_time() -> None:
    clock = Ticking()
    buckets = Buckets(clock)
    assert [buckets.take("a", 60) for _ in range(61)] == [0.0] * 60 + [1.0]
    assert buckets.take("b", 60) == 0.0
    clock.at = 0.5
    assert buckets.take("a", 60) == pytest.approx(0.5)
    clock.at = 1.0
    assert buckets.take("a", 60) == 0.0
    clock.at = -5.0  # a clock that went back gives nothing and takes nothing
    assert buckets.take("a", 60) > 0
    clock.at = 10_000
    assert [buckets.take("a", 60) for _ in range(61)][-2:] == [0.0, 1.0]


def test_what_costs_little_counts_little_in_the_same_bucket() -> None:
    clock = Ticking()
    buckets = Buckets(clock)
    assert [buckets.take("a", 6, weight=0.5) for _ in range(10)] == [0.0] * 10
    assert buckets.take("a", 6) == 0.0
    assert buckets.take("a", 6, weight=0.5) == pytest.approx(5.0), (
        "a whole one takes ten seconds to come back"
    )
    clock.at = 5.0
    assert buckets.take("a", 6) == pytest.approx(5.0)
    assert buckets.take("a", 6, weight=0.5) == 0.0


def test_the_memory_of_who_asked_is_bounded() -> None:
    buckets = Buckets(Ticking(), keys=10)
    for number in range(1000):
        buckets.take(str(number), 1)
    assert len(buckets._levels) == 10
    assert buckets.take("999", 1) > 0
    assert buckets.take("0", 1) == 0.0


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("nonsense", "nonsense"),
    ],
)
def test_who_an_address_stands_for(address: str, key: str) -> None:
    assert address_key(address) == key


@given(st.text(max_size=60))
def test_no_accept_encoding_breaks_it(text: str) -> None:
    status = 406
    try:
        assert negotiate(text) in PREFERENCE
    except Refused as refused:
        status = refused.status
    assert status == 406


@given(st.text(st.characters(min_codepoint=1, max_codepoint=300), max_size=60))
def test_a_target_is_taken_as_it_stands_or_refused(text: str) -> None:
    try:
        target = parse_target(text)
    except Refused as refused:
        status, target = refused.status, Target("")
    else:
        status = 400
    assert status == 400
    assert text.startswith(target.path)
    assert "%" not in target.path
    assert ".." not in target.path.split("/")


# --- the command ----------------------------------------------------------------------------------------


def _made(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, ["token", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_what_the_command_shows_lets_the_reader_in(tmp_path: Path) -> None:
    code, out, err = _made(
        "evaluator", "--customer", "acme", "--customer", "zeta", "--may", "results", "--may", "ack"
    )
    assert (code, err) == (0, "")
    _, token, _, *entry = out.splitlines()
    file = tmp_path / "agent.yaml"
    head = "agent: a\nresults: r\ncustomers: c/\nvantage_points: [{name: v}]\napi:\n  tokens:\n"
    file.write_text(head + "\n".join(entry) + "\n")
    api = read_agent(file).api
    assert api is not None
    (made,) = api.tokens
    assert (made.name, made.customers, made.may) == ("evaluator", ("acme", "zeta"), ("results", "ack"))
    assert find(token, [made.hash]) == 0
    assert token not in file.read_text()


def test_each_token_is_another() -> None:
    tokens = {json.loads(_made("x", "--customer", "*", "--json")[1])["token"] for _ in range(20)}
    assert len(tokens) == 20


def test_as_json() -> None:
    code, out, _ = _made("prometheus", "--may", "metrics", "--json")
    made = json.loads(out)
    assert code == 0
    assert made["entry"] == {
        "name": "prometheus",
        "hash": made["entry"]["hash"],
        "customers": [],
        "may": ["metrics"],
    }
    assert find(made["token"], [made["entry"]["hash"]]) == 0
    assert yaml.safe_load(out) == made


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["Not A Name"], "a name is 1 to 63 characters"),
        (["x", "--customer", "../y"], "a name is 1 to 63 characters"),
        (["x", "--may", "everything"], "is not one of"),
        ([], "Missing argument"),
    ],
)
def test_what_cannot_be_is_told_and_no_token_is_shown(arguments: list[str], words: str) -> None:
    code, out, err = _made(*arguments)
    assert code != 0
    assert words in err
    assert "cdnp_" not in out + err


def test_a_token_that_sees_nothing_is_pointed_out() -> None:
    assert "may see no results" in _made("x")[2]
