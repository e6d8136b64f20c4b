"""Hostile rows 1 to 8 of configuration: each error with its exact place, and with the valid choices."""

from __future__ import annotations

import pytest

from probe.core.config.load import ConfigError, make_config, parse_agent, parse_customer
from tests.support.kinds import AGENT, CUSTOMER, KINDS


def customer_problems(text: str) -> list[tuple[int, int, str]]:
    with pytest.raises(ConfigError) as caught:
        parse_customer(text, "acme.yaml", kinds=KINDS, vantage_points=["bj-ct", "sh-cu"])
    assert all(p.file == "acme.yaml" for p in caught.value.problems)
    assert "Traceback" not in str(caught.value)
    return [(p.line, p.column, p.message) for p in caught.value.problems]


def agent_problems(text: str) -> list[tuple[int, int, str]]:
    with pytest.raises(ConfigError) as caught:
        parse_agent(text, "agent.yaml")
    return [(p.line, p.column, p.message) for p in caught.value.problems]


def with_object(*lines: str) -> str:
    """CUSTOMER with more keys at its object; they begin on line 6, column 9."""
    return CUSTOMER + "".join(f"        {line}\n" for line in lines)


def one(found: list[tuple[int, int, str]], line: int, column: int, *words: str) -> None:
    assert [place[:2] for place in found] == [(line, column)], found
    for word in words:
        assert word in found[0][2], found


def test_row_1_words_with_two_meanings() -> None:
    one(customer_problems(CUSTOMER.replace("acme\n", "no\n", 1)), 1, 11, "write true or false, or quote it")
    one(customer_problems(with_object("interval: 012")), 6, 19, "different numbers")
    one(customer_problems(with_object("timeout: 1:30")), 6, 18, "different numbers")


def test_row_2_a_key_given_twice() -> None:
    found = customer_problems(with_object("interval: 60s", "interval: 5s"))
    one(found, 7, 9, "'interval' is given twice; the first is at 6:9")


def test_row_3_an_alias_bomb() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 40))
    one(customer_problems(bomb), 7, 18, "more than 400000 values")


def test_row_4_a_python_object() -> None:
    found = customer_problems(CUSTOMER.replace("acme\n", "!!python/object:os.system acme\n", 1))
    one(found, 1, 11, "the tag !!python/object:os.system is not allowed")


def test_row_5_an_unknown_key_with_the_valid_ones() -> None:
    one(
        customer_problems(with_object("intervall: 60s")), 6, 9,
        "unknown key 'intervall': did you mean 'interval'?", "Valid here: accept_encoding, checks,",
    )  # fmt: skip
    one(
        agent_problems(AGENT + "limit: {}\n"),
        7,
        1,
        "unknown key 'limit': did you mean 'limits'?",
        "vantage_points",
    )
    one(
        customer_problems(with_object("checks: {availability: {stat: [200]}}")), 6, 33,
        "unknown key 'stat': did you mean 'status'?", "Valid here: status",
    )  # fmt: skip


@pytest.mark.parametrize("value", ["-5s", "0s", "60", "60 parsecs", "99d", "1us"])
def test_row_5_an_impossible_interval(value: str) -> None:
    found = customer_problems(with_object(f"interval: {value}"))
    assert [place[:2] for place in found] == [(6, 19)]


def test_row_5_an_impossible_regex() -> None:
    found = customer_problems(with_object("checks:", "  content:", "    pattern: '(unclosed'"))
    one(found, 8, 22, "not a regular expression: missing ), unterminated subpattern")
    found = customer_problems(with_object("checks: {content: {unchecked: '(unclosed'}}"))
    one(found, 6, 27, "not a regular expression")


def test_row_5_in_an_aliased_check_the_place_is_where_it_is_written() -> None:
    text = CUSTOMER.replace("domains:", "defaults: {checks: &std {availability: {status: [99]}}}\ndomains:")
    found = customer_problems(text + "        checks: *std\n")
    one(found, 2, 50, "at least 100, found 99")


def test_row_7_a_path_as_customer_id() -> None:
    for name in ("../etc", "a/b", ".", "ACME", "a b", '""', "-a", "a" * 64):
        found = customer_problems(CUSTOMER.replace("acme\n", f"{name}\n", 1))
        assert [place[:2] for place in found] == [(1, 11)], (name, found)


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "proxy-authorization",
        "Cookie",
        "X-Api-Key",
        "X-My-Token",
        "X-SECRET-Sauce",
        "X-Auth-Key",
    ],
)
def test_row_8_a_secret_in_the_open_is_refused_and_not_repeated(name: str) -> None:
    found = customer_problems(with_object(f"headers: {{{name}: hunter2}}"))
    one(found, 6, 18 + len(name) + 3, f"{name} carries a secret: write a reference", "env:NAME")
    assert "hunter2" not in str(found)
    for reference in ("env:TOKEN", "file:/run/secret", "credential:token"):
        text = with_object(f"headers: {{{name}: '{reference}'}}")
        parse_customer(text, "acme.yaml", kinds=KINDS, vantage_points=[])


def test_row_8_a_secret_of_the_wrong_type_is_not_repeated() -> None:
    found = customer_problems(with_object("headers: {Authorization: 4711, X-Password: [hunter2]}"))
    assert len(found) == 2
    assert "4711" not in str(found)
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("lines", "column"),
    [
        (("checks: {redirect: {location: 'https://user:hunter2@www.acme.example/'}}",), 39),
        (("method: https://hunter2@x/",), 17),
    ],
)
def test_row_8_a_password_in_a_url(lines: tuple[str, ...], column: int) -> None:
    found = customer_problems(with_object(*lines))
    assert [place[:2] for place in found] == [(6, column)]
    assert "hunter2" not in str(found)


def test_row_8_a_password_in_a_path_or_an_anchor() -> None:
    for path in ("//user:hunter2@www/x", "https://user:hunter2@www/x"):
        found = customer_problems(CUSTOMER.replace("/a.js", path))
        one(found, 5, 15)
        assert "hunter2" not in str(found)
    found = agent_problems(AGENT + "  - {name: x, anchors: ['https://u:hunter2@h/']}\n")
    one(found, 7, 25, "no user name or password")
    assert "hunter2" not in str(found)


def test_row_8_what_is_kept_of_the_text_is_redacted() -> None:
    text = CUSTOMER.replace("/a.js", "/a.js?v=1&token=hunter2&b=2&X-Amz-Signature=hunter2")
    agent = AGENT + "api: {tokens: [{name: e, hash: hunter2, customers: []}]}\n"
    customer = parse_customer(text, "acme.yaml", kinds=KINDS, vantage_points=[])
    config = make_config(
        parse_agent(agent, "agent.yaml"), [customer], {"agent.yaml": agent, "customers/acme.yaml": text}, {}
    )
    assert "hunter2" not in str(config.texts)
    assert "/a.js?v=1&token=[redacted]&b=2&X-Amz-Signature=[redacted]" in config.texts["customers/acme.yaml"]
    assert "hash: [redacted], customers: []" in config.texts["agent.yaml"]


def test_bad_references_name_the_valid_ones() -> None:
    one(
        customer_problems(with_object("vantage_points: [bj-ct, bj-cu]")), 6, 33,
        "unknown vantage point 'bj-cu': did you mean 'bj-ct'? Valid here: bj-ct, sh-cu",
    )  # fmt: skip
    one(
        customer_problems(with_object("checks: {availabilty: {}}")), 6, 18,
        "unknown check 'availabilty': did you mean 'availability'?", "response_time",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "column", "words"),
    [
        ("vantage_points: [bj-ct, bj-ct]", 33, "given twice"),
        ("vantage_points: []", 25, "at least 1 wanted here, found an empty list"),
        ("ip: [4, 4]", 17, "given twice"),
        ("ip: [5]", 14, "expected one of 4, 6, found 5"),
        ("ip: 4", 13, "expected a list, found 4"),
        ("edges: sample:0", 16, "all, one, or sample:N"),
        ("edges: some", 16, "all, one, or sample:N"),
        ("method: POST", 17, "expected one of 'GET', 'HEAD', found \"POST\""),
        ("redirects: {follow: -1}", 29, "at least 0"),
        ("redirects: {follow: true}", 29, "expected a whole number, found true"),
        ("redirects: {follow: '3'}", 29, 'expected a whole number, found "3"'),
        ("accept_encoding: snappy", 26, "no coding that we can decode"),
        ("headers: {Host: x}", 25, ""),
        ("headers: {X-A: \"a\\r\\nB: c\"}", 24, "no control characters"),
        ("headers: {X-A: b, x-a: c}", 32, "given twice"),
        ("headers: {X-A: env:not a name}", 24, "write env:NAME"),
        ("tls: {minimum_version: SSLv3}", 32, "expected one of 'TLSv1'"),
        ("tls: {verify: 1}", 23, "expected true or false, found 1"),
        ("checks: []", 17, "expected keys and values, found an empty list"),
        ("checks: {availability: {status: [200, '200']}}", 47, 'expected a whole number, found "200"'),
        ("checks: {redirect: {}}", 28, "'location' is missing here"),
    ],
)  # fmt: skip
def test_bad_values_at_an_object(lines: str, column: int, words: str) -> None:
    found = customer_problems(with_object(lines))
    if "Host" in lines:
        one(found, 6, 19, "Host cannot be set here")
        return
    one(found, 6, column, words)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("a.js", "begins with /"),
        ("'/a b'", "percent-encoded"),
        ("/é", "percent-encoded"),
        ("'/a#b'", "percent-encoded"),
    ],
)
def test_bad_paths(path: str, words: str) -> None:
    one(customer_problems(CUSTOMER.replace("/a.js", path)), 5, 15, words)


def test_doubles() -> None:
    one(
        customer_problems(CUSTOMER + "      - path: /b\n      - path: /a.js\n"),
        7,
        15,
        "object GET /a.js is given twice",
    )
    again = "  - domain: WWW.acme.example\n    port: 443\n    objects: [{path: /}]\n"
    one(customer_problems(CUSTOMER + again), 7, 11, "domain www.acme.example https 443 is given twice")
    for other in (again.replace("443", "8443"), again.replace("port: 443", "scheme: http")):
        parse_customer(CUSTOMER + other, "acme.yaml", kinds=KINDS, vantage_points=[])
    one(agent_problems(AGENT + "  - {name: bj-ct}\n"), 7, 12, "vantage point bj-ct is given twice")


@pytest.mark.parametrize(
    ("line", "column", "words"),
    [
        ("{from: 2026-11-25T00:00:00, to: 2026-11-25T02:00:00Z, reason: r, source: s}", 12, "RFC 3339 with its offset"),
        ("{from: 2026-11-25, to: 2026-11-25T02:00:00Z, reason: r, source: s}", 12, "RFC 3339 with its offset"),
        ("{from: 2026-13-25T00:00:00Z, to: 2026-11-25T02:00:00Z, reason: r, source: s}", 12, "there is no such time"),
        ("{from: 2026-11-25T01:00:00+00:00, to: 2026-11-25T02:00:00+08:00, reason: r, source: s}", 5, "ends after"),
        ("{from: 2026-11-25T00:00:00Z, to: 2026-11-25T02:00:00Z, source: s}", 5, "'reason' is missing here"),
    ],
)  # fmt: skip
def test_bad_exclusions(line: str, column: int, words: str) -> None:
    one(customer_problems(f"{CUSTOMER}exclusions:\n  - {line}\n"), 7, column, words)


@pytest.mark.parametrize(
    ("line", "column", "words"),
    [
        ("{name: x, netns: a/b}", 22, "a name below /run/netns, or the path"),
        ("{name: x, netns: '..'}", 22, "a name below /run/netns, or the path"),
        ("{name: x, mark: 0}", 21, "mark"),
        ("{name: x, resolver_policy: first}", 32, "'in_order', 'all'"),
        ("{name: x, resolvers: ['https://192.0.2.53@dns.example.net/']}", 27, "after @ stands"),
        ("{name: x, anchors: ['dns://dns.example.net']}", 25, "by its IP address"),
        ("{name: x, source: 192.0.2.1, ip: [6]}", 5, "an IP version that source has no address of"),
        ("{name: x, proxy: {url: 'https://192.0.2.80:1'}}", 28, "socks5://host:port"),
        ("{name: x, proxy: {url: 'socks5://u:hunter2@192.0.2.80:1'}}", 28, "no user name or password"),
        ("{name: x, proxy: {url: 'socks5://192.0.2.80', user: u}}", 22, "go together"),
        ("{name: x, proxy: {url: 'socks5://h', user: u, password: hunter2}}", 61, "given by reference"),
        ("{name: x, resolvers: ['udp://dns.example.net']}", 27, "given by its IP address"),
        ("{name: x, resolvers: ['ftp://192.0.2.1']}", 27, "no transport of a resolver"),
        ("{name: x, source: [192.0.2.1, 192.0.2.2]}", 5, "two addresses of one IP version"),
        ("{name: x, source: host}", 23, "no IP address"),
        ("{name: x, region: no}", 23, "quote it"),
        ("{name: x, client_subnet: 203.0.113.1/24}", 30, "beyond the prefix length"),
        ("{name: x, anchors: ['tcp://192.0.2.7']}", 25, "has no port"),
        ("{name: X}", 12, "a name is 1 to 63 characters"),
    ],
)
def test_bad_vantage_points(line: str, column: int, words: str) -> None:
    one(agent_problems(f"{AGENT}  - {line}\n"), 7, column, words)


def test_a_domain_without_objects_would_be_silence() -> None:
    one(customer_problems("customer: acme\ndomains: []\n"), 2, 10, "at least 1")
    found = customer_problems("customer: acme\ndomains: [{domain: a.example, objects: []}]\n")
    one(found, 2, 40, "at least 1")


def test_all_problems_are_told_in_order_and_not_twice() -> None:
    found = customer_problems(with_object("interval: no", "edges: some", "checks: {nope: {}}", "colour: red"))
    assert [place[:2] for place in found] == [(6, 19), (7, 16), (8, 18), (9, 9)]


def test_a_flood_of_problems_is_counted_not_printed() -> None:
    found = customer_problems(CUSTOMER + "".join(f"      - path: x{i}\n" for i in range(500)))
    assert len(found) == 201
    assert found[-1][2] == "and 300 problems more in this file"
