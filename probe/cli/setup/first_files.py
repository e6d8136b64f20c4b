"""Rule: the first two files are what a person would have written: few keys, each with the reason beside it.

Pure. In: what was typed and what a look at the domain showed. Out: the texts of agent.yaml and of a customer's file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]*[A-Za-z0-9]|[A-Za-z0-9]")
_NO_TEXT = re.compile(r"[0-9.eE+-]+|true|false|yes|no|on|off|null|y|n", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstAgent:
    """What agent.yaml is to say. `schema`: where its JSON Schema lies, for editors."""

    agent: str
    results: str
    vantage_point: str
    region: str | None
    carrier: str | None
    resolvers: tuple[str, ...]
    allow_addresses: tuple[str, ...]
    schema: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstCustomer:
    """What a customer's file is to say. `targets`: the CNAME chain as it was seen, in order; empty: not looked up."""

    customer: str
    domain: str
    scheme: str
    port: int
    path: str
    ip_version: int
    origin_address: str
    origin_scheme: str
    origin_port: int
    vantage_point: str
    targets: tuple[str, ...]
    suffixes: tuple[str, ...]
    ca: str | None
    schema: str | None


def proposed_suffixes(domain: str, targets: Sequence[str]) -> tuple[str, ...]:
    """The zone of the CDN that the chain enters first: `cdn.suffixes` to begin with; empty where it leaves no zone.

    `www.acme.example -> www.acme.example.cdn.example.net` gives `cdn.example.net`, and so does
    `www.acme.example -> e42.cdn.example.net`. Names in the customer's own zone are passed over.
    """
    own = ".".join(domain.split(".")[-2:])
    for target in (name.rstrip(".").lower() for name in targets):
        if target == own or target.endswith(f".{own}"):
            continue
        rest = target.removeprefix(f"{domain.lower()}.")
        if rest == target:
            rest = target.partition(".")[2]
        return (rest if "." in rest else target,)
    return ()


def agent_text(first: FirstAgent) -> str:
    """agent.yaml, commented."""
    point = [f"  - name: {_scalar(first.vantage_point)}   # one line of this host; every result names it"]
    point += [f"    {key}: {_scalar(value)}" for key, value in _declared(first)]
    if first.resolvers:
        point.append(f"    resolvers: {_list(first.resolvers)}")
    else:
        point.append('    # resolvers: ["udp://192.0.2.53"]           # default: those of this host')
    lines = [
        *_schema(first.schema),
        "# This host: who it is, from where it looks, whom it measures for.",
        f"agent: {_scalar(first.agent)}",
        f"results: {_scalar(first.results)}",
        "customers: customers/   # one YAML file a customer",
        "",
        "vantage_points:",
        *point,
        "    # By two anchors of other parties or more the agent tells a dead line of its own from a dead CDN:",
        '    # anchors: ["https://anchor.example.net/ok", "tcp://192.0.2.7:443"]',
        "",
        "# Answers that lead to loopback, private or reserved addresses are refused, but for these networks.",
        f"allow_addresses: {_list(first.allow_addresses)}",
        "",
        "# To let an evaluator pull the results (`cdn-probe token NAME --customer NAME` makes a token):",
        "# api: {listen: 127.0.0.1:8640, tokens: [...]}",
    ]
    return "\n".join(lines) + "\n"


def customer_text(first: FirstCustomer) -> str:
    """A customer's file, commented."""
    lines = [
        *_schema(first.schema),
        f"customer: {_scalar(first.customer)}",
        f"defaults: {{interval: 60s, timeout: 10s, vantage_points: [{_scalar(first.vantage_point)}]}}",
        "",
        "domains:",
        f"  - domain: {_scalar(first.domain)}",
        f"    scheme: {first.scheme}",
        f"    port: {first.port}",
        *([] if first.ca is None else [f"    tls: {{ca: {_scalar(first.ca)}}}"]),
        *_cdn(first),
        "    # Asked directly, never through the CDN: what it serves is what the CDN has to serve.",
        f"    origin: {{address: {_scalar(first.origin_address)}, scheme: {first.origin_scheme}, "
        f"port: {first.origin_port}, host: {_scalar(first.domain)}}}",
        "    edges: all          # every address of the answer: all | one | sample:3",
        f"    ip: [{first.ip_version}]",
        "    objects:",
        f"      - path: {_scalar(first.path)}",
        "        checks:",
        "          availability: {status: [200]}",
        "          response_time: {ttfb: 1s, total: 5s}      # what the contract promises",
        "          integrity: {mode: exact}                  # the origin's bytes; text and json compare less",
    ]
    if first.suffixes:
        lines.append("          alias: {}                                 # the name leads to the CDN at all")
    if first.scheme == "https":
        lines.append("          certificate: {days_left: 14}")
    return "\n".join(lines) + "\n"


def _declared(first: FirstAgent) -> list[tuple[str, str]]:
    return [(k, v) for k, v in (("region", first.region), ("carrier", first.carrier)) if v is not None]


def _cdn(first: FirstCustomer) -> list[str]:
    if first.targets:
        chain = [f"    #   -> {name.rstrip('.')}" for name in first.targets]
        seen = [f"    # When this file was made, {first.domain} led", *chain]
    else:
        seen = []
    if first.suffixes:
        rule = "    # A chain that passes no name under one of these no longer leads to the CDN."
        return [*seen, rule, f"    cdn: {{suffixes: {_list(first.suffixes)}}}"]
    return [
        *seen,
        "    # The CDN's own zone, which the chain must pass:",
        "    # cdn: {suffixes: [cdn.example.net]}",
    ]


def _schema(place: str | None) -> list[str]:
    return [] if place is None else [f"# yaml-language-server: $schema={place}"]


def _list(values: Sequence[str]) -> str:
    return f"[{', '.join(json.dumps(value, ensure_ascii=False) for value in values)}]"


def _scalar(text: str) -> str:
    """As a plain scalar where YAML reads that as this text, else in double quotes (JSON is YAML)."""
    plain = _PLAIN.fullmatch(text) and not _NO_TEXT.fullmatch(text)
    return text if plain else json.dumps(text, ensure_ascii=False)
