"""What people may get wrong in a configuration, and where exactly they are told so (hostile rows 1 to 8)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probe.checks import CHECKS
from probe.core.config.load import ConfigError, Problem, parse_agent, parse_customer
from probe.core.content.check_kind import CheckKind, Kinds, Params, Symptom
from tests.support.sizes import scaled
from tests.support.work import linear

AGENT = """\
agent: bj-mon-01
results: ../results                 # relative to this file
customers: customers/               # one YAML file a customer
vantage_points:
  - name: bj-ct
    region: CN-BJ
    carrier: China Telecom
    asn: 4134
    source: 203.0.113.10            # an address; or interface: eth1; or netns: ct
    resolvers: ["udp://203.0.113.53", "tls://dns.example.net", "udp://127.0.0.1:5300"]
    client_subnet: 203.0.113.0/24
    anchors: ["https://anchor.example.net/ok", "tcp://192.0.2.7:443"]
allow_addresses: [127.0.0.0/8]      # else loopback, private and link-local answers are refused
api: {listen: "127.0.0.1:8640", tokens: [{name: evaluator, hash: "...", customers: [acme]}]}
"""
CUSTOMER = """\
customer: acme
defaults: {interval: 60s, timeout: 10s, vantage_points: [bj-ct]}
domains:
  - domain: www.acme.example
    scheme: https
    port: 443
    tls: {ca: file:/etc/cdn-probe/acme-ca.pem}
    cdn: {suffixes: [cdn.example.net], prefixes: []}
    origin: {address: 198.51.100.10, scheme: https, port: 443, host: www.acme.example, interval: 60s}
    edges: all                      # all | one | sample:3
    ip: [4]
    objects:
      - path: /static/app.js
        checks:
          availability: {status: [200]}
          response_time: {ttfb: 500ms, total: 2s}
          integrity: {mode: exact}
      - path: /old
        checks:
          redirect: {status: 301, location: "https://www.acme.example/new"}
exclusions:
  - {from: 2026-11-25T00:00:00+08:00, to: 2026-11-25T02:00:00+08:00, reason: maintenance, source: "notice of 2026-11-20"}
"""  # noqa: E501
SMALL = """\
customer: acme
domains:
  - domain: www.acme.example
    objects:
      - path: /
"""


def customer_problems(text: str, kinds: Kinds = CHECKS) -> list[str]:
    """Every problem as people read it."""
    with pytest.raises(ConfigError) as caught:
        parse_customer(text, "acme.yaml", kinds=kinds, vantage_points=["bj-ct", "bj-cu"])
    return [str(problem) for problem in caught.value.problems]


def agent_problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_agent(text, "agent.yaml")
    return [str(problem) for problem in caught.value.problems]


def problems_of(read: Callable[[], object]) -> tuple[Problem, ...] | None:
    """None: it could be read. Anything but a ConfigError goes through."""
    try:
        read()
    except ConfigError as error:
        return error.problems
    return None


def with_key(line: str) -> str:
    """SMALL with one more line in its domain: line 4 of the file, column 5."""
    return SMALL.replace("    objects:", f"    {line}\n    objects:")


def with_object(line: str) -> str:
    """SMALL with one more line in its object: line 6 of the file, column 9."""
    return f"{SMALL}        {line}\n"


def test_the_agreed_examples_are_accepted_as_they_stand() -> None:
    agent = parse_agent(AGENT, "agent.yaml")
    assert [point.name for point in agent.vantage_points] == ["bj-ct"]
    made = parse_customer(CUSTOMER, "acme.yaml", kinds=CHECKS, vantage_points=["bj-ct"])
    assert made.customer == "acme"


def test_the_smallest_file_is_accepted() -> None:
    assert parse_customer(SMALL, "acme.yaml", kinds=CHECKS, vantage_points=["bj-ct"]).customer == "acme"


WRONG_CUSTOMERS = {
    # row 1: words with two meanings
    "a no": (with_key("tls: {verify: no}"), "4:19", r"\bno\b.*(quote|true or false)"),
    "an octal": (with_key("port: 012"), "4:11", r"012.*quote"),
    "a base-60 number": (with_key("port: 1:30"), "4:11", r"1:30.*quote"),
    # row 2
    "a doubled key": (with_key("scheme: http") + "    scheme: https\n", "7:5", r"scheme.*twice.*4:5"),
    # row 4
    "a python object": (with_key("edges: !!python/object:os.system {}"), "4:12", r"!!python/object"),
    "a tag of one's own": (with_key("edges: !mine all"), "4:12", r"!mine"),
    # row 5: keys
    "an unknown key": (with_key("orign: {}"), "4:5", r"orign.*[Dd]id you mean .origin.*edges.*objects"),
    "an unknown key at the top": (SMALL + "exclusion: []\n", "6:1", r"exclusion.*exclusions"),
    "an unknown key deep": (with_key("tls: {veryfy: true}"), "4:11", r"veryfy.*verify"),
    "an unknown check": (with_object("checks: {availabilty: {}}"), "6:18", r"availabilty.*availability"),
    "an unknown parameter": (
        with_object("checks: {response_time: {tfb: 1s}}"),
        "6:34",
        r"tfb.*ttfb",
    ),
    "a missing key": ("customer: acme\n", "1:1", r"domains.*missing|missing.*domains"),
    "a missing parameter": (
        with_object("checks: {redirect: {status: 301}}"),
        "6:",
        r"location.*missing|missing.*location",
    ),
    # row 5: values
    "a negative interval": (with_key("interval: -5s"), "4:15", r"interval"),
    "an interval of nothing": (with_key("interval: 0s"), "4:15", r"interval.*100ms"),
    "an interval too small": (with_key("interval: 99ms"), "4:15", r"interval.*100ms"),
    "an interval without unit": (with_key("interval: 60"), "4:15", r"interval.*unit|interval.*60s"),
    "a timeout with a wrong unit": (with_key("timeout: 10sec"), "4:14", r"timeout"),
    "a timeout of nothing": (with_key("timeout: 0s"), "4:14", r"timeout"),
    "an endless timeout": (with_key("timeout: 999999999d"), "4:14", r"timeout"),
    "a port in quotes": (with_key('port: "443"'), "4:11", r"port"),
    "a port too great": (with_key("port: 65536"), "4:11", r"port.*65535"),
    "a truth as a port": (with_key("port: true"), "4:11", r"port"),
    "a truth as a text": (with_key("accept_encoding: true"), "4:22", r"accept_encoding"),
    "a number as a path": (SMALL.replace("path: /", "path: 7"), "5:15", r"path"),
    "a path without slash": (SMALL.replace("path: /", "path: app.js"), "5:15", r"path.*/"),
    "a word as a truth": (with_key('tls: {verify: "false"}'), "4:19", r"verify"),
    "a number as a truth": (with_key("tls: {verify: 1}"), "4:19", r"verify"),
    "authorities in the environment": (with_key("tls: {ca: 'env:CA'}"), "4:15", r"ca: .*file:/"),
    "authorities nowhere": (with_key("tls: {ca: 'file:'}"), "4:15", r"ca: .*file:/"),
    "an HTTP version twice": (with_key("protocol: [h2, h2]"), "4:", r"twice"),
    "an HTTP version unknown": (with_key("protocol: http2"), "4:15", r"h1.*h2.*h3.*auto"),
    "no HTTP version": (with_key("protocol: []"), "4:15", r"protocol"),
    "HTTP/2 over plain HTTP": (with_key("scheme: http\n    protocol: [h1, h2]"), "5:20", r"plain HTTP.*h1"),
    "an IP version twice": (with_key("ip: [4, 4]"), "4:", r"ip.*(twice|once)|twice"),
    "an IP version unknown": (with_key("ip: [5]"), "4:10", r"4.*6"),
    "no IP version": (with_key("ip: []"), "4:9", r"ip"),
    "an IP version alone": (with_key("ip: 4"), "4:9", r"ip"),
    "a sample of none": (with_key("edges: sample:0"), "4:12", r"edges.*all.*one.*sample"),
    "an edge policy unknown": (with_key("edges: some"), "4:12", r"edges.*all.*one.*sample"),
    "a scheme unknown": (with_key("scheme: ftp"), "4:13", r"scheme.*http"),
    "a domain with a path": (SMALL.replace("www.acme.example", "www.acme.example/x"), "3:13", r"domain"),
    "a prefix with host bits": (with_key("cdn: {prefixes: [192.0.2.1/24]}"), "4:22", r"192\.0\.2"),
    "no objects": (
        with_key("x: 1").replace("    x: 1\n", "").replace("objects:\n      - path: /", "objects: []"),
        "4:14",
        r"objects",
    ),
    "no domains": ("customer: acme\ndomains: []\n", "2:10", r"domains"),
    "domains as a mapping": ("customer: acme\ndomains: {}\n", "2:10", r"domains.*list"),
    "checks as a list": (with_object("checks: [availability]"), "6:17", r"checks"),
    "a status out of range": (with_object("checks: {availability: {status: [2000]}}"), "6:42", r"status"),
    "an end before its start": (
        SMALL
        + "exclusions:\n  - {from: 2026-11-25T02:00:00Z, to: 2026-11-25T01:00:00Z, reason: a, source: b}\n",
        "7:",
        r"later",
    ),
    "a time without offset": (
        SMALL
        + "exclusions:\n  - {from: 2026-11-25T02:00:00, to: 2026-11-25T03:00:00Z, reason: a, source: b}\n",
        "7:12",
        r"offset",
    ),
    # sections with nothing in them
    "defaults of nothing": ("defaults:\n" + SMALL, "1:", r"defaults.*(no value|leave)|no value"),
    "objects of nothing": (with_key("cdn:"), "4:", r"no value"),
    "an interval of no value": (with_key("interval:"), "4:", r"no value"),
    # references
    "a vantage point unknown": (
        with_key("vantage_points: [bj-tc]"),
        "4:22",
        r"bj-tc.*bj-ct.*bj-cu|bj-tc.*bj-ct",
    ),
    "a vantage point twice": (with_key("vantage_points: [bj-ct, bj-ct]"), "4:", r"bj-ct.*twice|twice"),
    "an object twice": (SMALL + "      - path: /\n", "6:", r"twice"),
    "a domain twice": (SMALL + "  - domain: www.acme.example\n    objects: [{path: /}]\n", "6:", r"twice"),
    "a domain twice by its default port": (
        SMALL + "  - domain: WWW.acme.example\n    port: 443\n    objects: [{path: /}]\n",
        "7:11",
        r"twice",
    ),
    # row 7
    "a customer that climbs": (SMALL.replace("acme\n", "../acme\n", 1), "1:11", r"customer"),
    "a customer with a slash": (SMALL.replace("acme\n", "a/b\n", 1), "1:11", r"customer"),
    "a customer in capitals": (SMALL.replace("acme\n", "Acme\n", 1), "1:11", r"customer"),
    # row 8
    "a secret in a field": (with_key('headers: {Authorization: "Bearer s3cr3t"}'), "4:", r"env:"),
    "a field of the agent's own": (with_key("headers: {Host: a.example}"), "4:", r"[Hh]ost"),
    "a field of two lines": (with_key('headers: {X-A: "a\\r\\nX-B: b"}'), "4:", r"X-A"),
    # shapes
    "no text": ("", "1:1", r"empty"),
    "only a comment": ("# nothing\n", "1:1", r"empty"),
    "a list": ("- a\n", "1:1", r"keys?"),
    "a word": ("acme\n", "1:1", r"keys?"),
    "a tab": ("customer: acme\ndomains:\n\t- a\n", "3:1", r"tab"),
    "two documents": (SMALL + "---\na: 1\n", "6:1", r"document"),
}


@pytest.mark.parametrize("name", WRONG_CUSTOMERS)
def test_a_wrong_customer_file_is_refused_with_place_and_words(name: str) -> None:
    text, place, words = WRONG_CUSTOMERS[name]
    problems = customer_problems(text)
    assert len(problems) == 1, problems
    assert problems[0].startswith(f"acme.yaml:{place}"), problems
    assert re.search(words, problems[0]), problems
    assert "s3cr3t" not in problems[0]


WRONG_AGENTS = {
    "an unknown key": (AGENT + "log_levl: info\n", "15:1", r"log_levl.*log_level"),
    "an unknown level": (AGENT + "log_level: loud\n", "15:12", r"log_level.*debug"),
    "a vantage point's wrong key": (AGENT.replace("carrier:", "carier:"), "7:5", r"carier.*carrier"),
    "no vantage point": ("agent: a\nresults: r\ncustomers: c\nvantage_points: []\n", "4:17", r"vantage_points"),
    "a vantage point twice": (
        "agent: a\nresults: r\ncustomers: c\nvantage_points: [{name: v}, {name: v}]\n", "", r"twice",
    ),
    "a source that is no address": (AGENT.replace("203.0.113.10 ", "eth1 "), "9:13", r"address"),
    "a resolver by name over UDP": (AGENT.replace("udp://203.0.113.53", "udp://dns.example.net"), "10:17", r"address"),
    "a resolver over QUIC": (AGENT.replace("udp://203.0.113.53", "quic://192.0.2.53"), "10:17", r"udp://"),
    "an anchor without port": (AGENT.replace("tcp://192.0.2.7:443", "tcp://192.0.2.7"), "12:48", r"port"),
    "a prefix with host bits": (AGENT.replace("[127.0.0.0/8]", "[127.0.0.1/8]"), "13:19", r"127\.0\.0"),
    "a netns": (AGENT.replace("asn: 4134", "netns: ../ct"), "8:", r"network namespace"),
    "an asn in quotes": (AGENT.replace("asn: 4134", 'asn: "4134"'), "8:10", r"asn"),
    "a concurrency of none": (AGENT + "limits: {concurrency: 0}\n", "15:23", r"concurrency"),
    "a body without unit": (AGENT + "limits: {body: 65536}\n", "15:16", r"body.*unit|body.*KiB"),
    "a body of nothing": (AGENT + "limits: {body: 0B}\n", "15:16", r"body"),
    "an address to listen on without port": (AGENT.replace("127.0.0.1:8640", "127.0.0.1"), "14:15", r"listen"),
    "an agent's name that climbs": (AGENT.replace("bj-mon-01", "../x"), "1:8", r"agent"),
    "results of nothing": (AGENT.replace("../results", "          "), "2:9", r"no value"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_AGENTS)
def test_a_wrong_agent_file_is_refused_with_place_and_words(name: str) -> None:
    text, place, words = WRONG_AGENTS[name]
    problems = agent_problems(text)
    assert len(problems) == 1, problems
    assert problems[0].startswith(f"agent.yaml:{place}"), problems
    assert re.search(words, problems[0]), problems


def test_a_secret_is_not_told_whatever_is_wrong_with_it() -> None:
    for text in (
        AGENT.replace('hash: "..."', "hash: 0123456"),
        AGENT.replace('hash: "..."', "hash: 123456"),
        AGENT.replace("udp://203.0.113.53", "udp://user:123456@dns.example.net"),
    ):
        assert all("123456" not in problem for problem in agent_problems(text))
    for line in (
        "headers: {Authorization: 123456}",
        "headers: {X-Token: '123456'}",
        "headers: {Cookie: 0123456}",
    ):
        assert all("123456" not in problem for problem in customer_problems(with_key(line)))


def test_all_problems_of_a_file_are_told_at_once_in_their_order() -> None:
    text = "customer: Acme\ndomains:\n  - domain: a b\n    portt: 1\n    objects:\n"
    text += "      - {path: x, checks: {no-such: {}}}\n"
    places = [problem.split(": ")[0] for problem in customer_problems(text)]
    assert places == ["acme.yaml:1:11", "acme.yaml:3:13", "acme.yaml:4:5", "acme.yaml:6:16", "acme.yaml:6:28"]


# --- a check kind of somebody else's ------------------------------------------------------------------


class Pattern(Params):
    """A kind whose parameter is a regular expression."""

    pattern: re.Pattern[str]


class Careless(Params):
    """A kind whose validation raises what pydantic does not expect."""

    text: str

    def model_post_init(self, context: Any) -> None:
        if self.text == "unforeseen":
            raise RuntimeError("not thought of")
        re.compile(self.text)


def _nothing(params: Any, task: Any, evidence: Any) -> Iterator[Symptom]:
    return iter(())


KINDS: Kinds = {
    "pattern": CheckKind(name="pattern", params=Pattern, examine=_nothing, summary="a pattern"),
    "careless": CheckKind(
        name="careless", params=Careless, examine=_nothing, summary="a pattern, carelessly"
    ),
}


@pytest.mark.parametrize(
    ("keep", "words"),
    [
        ("{healthy: 10s}", 'at least 1m, found "10s"'),
        ("{size: 1kB}", 'at least 1MiB, found "1kB"'),
        ("{healthy: 20000d}", 'at most 10000d, found "20000d"'),
    ],
)
def test_a_bound_is_told_in_the_unit_that_was_typed(keep: str, words: str) -> None:
    (problem,) = agent_problems(AGENT + f"keep: {keep}\n")
    assert words in problem


NEVER_JUDGED = [
    "integrity: {}",
    "integrity: {mode: sampled}",
    "integrity: {mode: headers}",
    "headers: {same_as_origin: [etag]}",
    "freshness: {refresh: 60s}",
]


@pytest.mark.parametrize("check", NEVER_JUDGED)
def test_a_check_that_compares_with_an_origin_is_refused_where_there_is_none(check: str) -> None:
    [problem] = customer_problems(with_object(f"checks: {{{check}}}"))
    assert re.match(r"acme.yaml:6:\d+: .* compares with the origin, and www.acme.example / has none", problem)
    with_origin = with_object(f"checks: {{{check}}}").replace(
        "    objects:", "    origin: {address: 192.0.2.9}\n    objects:"
    )
    assert parse_customer(with_origin, "acme.yaml", kinds=CHECKS, vantage_points=["bj-ct"]).customer == "acme"


@pytest.mark.parametrize(
    "check",
    [
        "integrity: {mode: none}",
        "integrity: {mode: markers, contain: [x]}",
        "headers: {present: [etag]}",
        "freshness: {max_age: {at_most: 60s}}",
    ],
)
def test_what_an_edges_own_reply_decides_needs_no_origin(check: str) -> None:
    text = with_object(f"checks: {{{check}}}")
    assert parse_customer(text, "acme.yaml", kinds=CHECKS, vantage_points=["bj-ct"]).customer == "acme"


def test_an_inherited_one_is_refused_once_and_where_it_is_written() -> None:
    text = SMALL.replace("domains:", "defaults: {checks: {integrity: {}}}\ndomains:") + "      - path: /b\n"
    [problem] = customer_problems(text)
    assert problem.startswith("acme.yaml:2:")


def test_an_impossible_regex_is_refused_where_it_stands() -> None:
    [problem] = customer_problems(with_object('checks: {pattern: {pattern: "(a"}}'), KINDS)
    assert problem.startswith("acme.yaml:6:37: ")
    assert "regular expression" in problem


@pytest.mark.parametrize("text", ["(a", "unforeseen"])
def test_what_a_check_kind_trips_over_is_a_problem_and_no_traceback(text: str) -> None:
    [problem] = customer_problems(with_object(f'checks: {{careless: {{text: "{text}"}}}}'), KINDS)
    assert problem.startswith("acme.yaml:6:28: careless: ")


def test_a_path_told_in_an_error_keeps_its_token_to_itself() -> None:
    text = SMALL.replace("path: /", 'path: "/?token=s3cr3t"')
    [problem] = customer_problems(text + '      - path: "/?token=s3cr3t"\n')
    assert "twice" in problem
    assert "s3cr3t" not in problem


# --- bounds -------------------------------------------------------------------------------------------

BOMBS = {
    "a billion laughs": "a0: &a0 [lol, lol]\n"
    + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 30)),
    "merges upon merges": "a0: &a0 {k: v}\n"
    + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 30)),
    "an alias of itself": "a: &a [*a]\n",
    "a merge of itself": "a: &a {<<: *a}\n",
    "brackets": "a: " + "[" * 1_000_000,
    "braces": "a: " + "{a: " * 250_000,
    "dashes": "a:\n" + "- " * 500_000 + "x",
    "question marks": "? " * 500_000,
    "steps": "\n".join(" " * i + "a:" for i in range(2_000)),
    "tags": "!!a " * 200_000,
    "anchors": "".join(f"a{i}: &a{i} x\n" for i in range(300_000)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_with_work_in_line_with_its_size(name: str) -> None:
    """The last costs most: each of its 5.8 million characters is looked at."""
    assert linear(lambda: customer_problems(BOMBS[name]), len(BOMBS[name]), each=12)


# --- any text -----------------------------------------------------------------------------------------

_WORDS = st.sampled_from(
    [
        "customer",
        "domains",
        "domain",
        "objects",
        "path",
        "checks",
        "defaults",
        "headers",
        "ip",
        "exclusions",
        "<<",
    ]
)
_PIECES = st.one_of(
    _WORDS,
    st.sampled_from([": ", "\n", "  ", "- ", "[", "]", "{", "}", ", ", "&a ", "*a", "!!x ", "'"]),
    st.sampled_from(['"', "|", "#", "\t", "\0"]),
    st.sampled_from(["no", "012", "1:30", "60s", "/x", "acme", "4", "null", "1e9", "\ufeff", "\ud800", "é"]),
    st.text(max_size=5),
)  # fmt: skip


@settings(max_examples=scaled(400), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_PIECES, max_size=60).map("".join))
def test_no_text_raises_anything_but_a_config_error(text: str) -> None:
    for read in (
        lambda: parse_customer(text, "f", kinds=CHECKS, vantage_points=["v"]),
        lambda: parse_agent(text, "f"),
    ):
        problems = problems_of(read)
        assert problems is None or (problems and all(p.line >= 1 and p.column >= 1 for p in problems))


_VALUES: Any = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8))
    | st.sampled_from(["60s", "/", "all", "acme"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(_WORDS, st.text(max_size=4)), inner, max_size=4)
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=scaled(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_VALUES, _VALUES, _VALUES)
def test_no_value_anywhere_raises_anything_but_a_config_error(first: Any, second: Any, third: Any) -> None:
    tree = {
        "customer": "acme",
        "defaults": first,
        "domains": [{"domain": "a.example", "tls": second, "objects": [{"path": "/", "checks": third}]}],
        "exclusions": second,
    }  # fmt: skip
    text = json.dumps(tree)
    problems = problems_of(lambda: parse_customer(text, "f", kinds=CHECKS, vantage_points=["v"]))
    assert all("\n" not in str(problem) for problem in problems or ())
