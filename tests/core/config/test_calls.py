"""`incidents:`, `calls:` and `metrics:` of agent.yaml, and what is wrong with them in words."""

from __future__ import annotations

import pytest

from probe.core.calls.target import Target, Via
from probe.core.config.agent import AgentConfig
from probe.core.config.load import parse_agent, parse_calls
from probe.core.incidents.rules import MINUTE_US, Rules
from probe.core.model.task import SecretRef
from probe.core.records.verdict import Outcome
from probe.core.syntax.problem import ConfigError

AGENT = "agent: a\nresults: r\ncustomers: c/\nvantage_points: [{name: local}]\n"


def read(lines: str) -> AgentConfig:
    return parse_agent(AGENT + lines, "/etc/agent.yaml")


def problems(lines: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(lines)
    return "\n".join(map(str, caught.value.problems))


def test_without_a_word_there_are_incidents_and_no_calls() -> None:
    config = read("")
    assert config.incidents.rules() == Rules()
    assert config.calls == ()
    assert config.metrics.domains == 200


def test_as_they_are_given() -> None:
    config = read(
        "incidents: {vantage_points: 2, calm: 15m, outcomes: [failed], forget: 6h}\n"
        "metrics: {domains: 0}\n"
        "calls:\n"
        '  - {name: ops, alertmanager: "https://am.example.net:9093", user: probe, password: "env:AM", repeat: 30s}\n'
        "  - name: desk\n"
        '    webhook: "http://127.0.0.1:8000/hook?team=1"\n'
        "    secret: credential:desk\n"
        "    bearer: file:/etc/token\n"
        "    customers: [acme, bolt]\n"
        "    exclusions: silence\n"
        "    ca: own.pem\n"
    )
    assert config.incidents.rules(several=True) == Rules(
        vantage_points=2,
        calm_us=15 * MINUTE_US,
        outcomes=(Outcome.FAILED,),
        forget_us=360 * MINUTE_US,
        several=True,
    )
    ops, desk = (call.target() for call in config.calls)
    assert ops == Target(
        name="ops",
        via=Via.ALERTMANAGER,
        url="https://am.example.net:9093",
        repeat_us=30_000_000,
        user="probe",
        password=SecretRef(scheme="env", name="AM"),
    )
    assert desk == Target(
        name="desk",
        via=Via.WEBHOOK,
        url="http://127.0.0.1:8000/hook?team=1",
        customers=("acme", "bolt"),
        silent_in_exclusions=True,
        ca="/etc/own.pem",
        secret=SecretRef(scheme="credential", name="desk"),
        bearer=SecretRef(scheme="file", name="/etc/token"),
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("name: a", "either to an alertmanager or to a webhook"),
        (
            "name: a, alertmanager: 'http://x', webhook: 'http://x'",
            "either to an alertmanager or to a webhook",
        ),
        ("name: a, alertmanager: 'http://x', secret: 'env:X'", "an alertmanager reads no signature"),
        ("name: a, webhook: 'http://x', secret: hidden", "a secret is given by reference"),
        ("name: a, webhook: 'https://x', user: u", "user and password go together"),
        ("name: a, webhook: 'https://x', user: 'u:v', password: 'env:X'", "a user name holds no colon"),
        ("name: a, webhook: 'https://x', user: u, password: 'env:X', bearer: 'env:Y'", "not both"),
        ("name: a, webhook: 'http://192.0.2.1/', bearer: 'env:X'", "over the network in the open"),
        ("name: a, webhook: 'http://u:p@192.0.2.1/'", "holds no user name or password"),
        ("name: a, webhook: 'ftp://192.0.2.1/'", "such as https://host/path"),
        ("name: a, webhook: 'http://x', repeat: 1s", "repeat"),
        ("name: a, webhook: 'http://x', exclusions: hide", "exclusions"),
        ("name: a, webhook: 'http://x', customers: []", "customers"),
        ("name: a, webhook: 'http://x', colour: blue", "colour"),
    ],
)
def test_what_is_wrong_is_said(call: str, words: str) -> None:
    assert words in problems(f"calls: [{{{call}}}]\n")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://[::1]:1/", "http://localhost/", "https://x/"])
def test_what_stays_on_the_host_or_is_encrypted_may_carry_a_token(url: str) -> None:
    assert read(f"calls: [{{name: a, webhook: '{url}', bearer: 'env:X'}}]\n").calls[0].url == url


def test_two_of_one_name_are_refused() -> None:
    twice = "[{name: a, webhook: 'http://x'}, {name: a, webhook: 'http://y'}]"
    assert "a" in problems(f"calls: {twice}\n")
    with pytest.raises(ConfigError, match="two calls have one name"):
        parse_calls(f"name: fleet\ncalls: {twice}\n", "calls.yaml")


@pytest.mark.parametrize(
    "lines", ["incidents: {vantage_points: 0}", "incidents: {outcomes: []}", "metrics: {domains: -1}"]
)
def test_bounds(lines: str) -> None:
    assert problems(lines + "\n")


def test_the_file_of_copies_needs_a_name_and_calls() -> None:
    for text in ("calls: [{name: a, webhook: 'http://x'}]\n", "name: fleet\n", "name: fleet\ncalls: []\n"):
        with pytest.raises(ConfigError):
            parse_calls(text, "calls.yaml")
    read_file = parse_calls("name: fleet\ncalls: [{name: a, webhook: 'http://x'}]\n", "calls.yaml")
    assert (read_file.name, read_file.calls[0].name) == ("fleet", "a")
