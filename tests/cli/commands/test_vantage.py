"""`vantage list`, `vantage check` and `trace --vantage` as they are typed, beside real servers on loopback."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from probe.cli.actions.trace import with_line
from probe.cli.main import cli
from probe.core.model.task import ProxySpec, VantagePoint
from probe.core.vantage.report import notes_of
from tests.support.agent_process import Ended, cdn_probe
from tests.support.dns_server import DnsServer, Query, reply, zone
from tests.support.http_server import response, serve
from tests.support.resolving import face, make_authority

WWW = "www.acme.example"
NAMES = {f"{WWW} A": ["127.0.0.11"], f"{WWW} AAAA": ["::1"]}


def write(directory: Path, *points: dict[str, Any], **agent: Any) -> Path:
    """agent.yaml with these vantage points, and one customer measured from all of them."""
    content = {"agent": "a1", "results": "r", "customers": "c/", "vantage_points": list(points)}
    file = directory / "agent.yaml"
    file.write_text(yaml.safe_dump({**content, "allow_addresses": ["127.0.0.0/8", "::1/128"], **agent}))
    (directory / "c").mkdir(exist_ok=True)
    domain = {"domain": WWW, "scheme": "http", "objects": [{"path": "/a"}, {"path": "/b"}]}
    (directory / "c" / "acme.yaml").write_text(yaml.safe_dump({"customer": "acme", "domains": [domain]}))
    return file


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def typed(*arguments: str | Path) -> Ended:
    """In this process, in a thread with a loop of its own: no interpreter is started for it."""
    made = await asyncio.to_thread(CliRunner().invoke, cli, [str(a) for a in arguments])
    assert made.exception is None or isinstance(made.exception, SystemExit), made.exception
    return Ended(code=made.exit_code, out=made.stdout, err=made.stderr)


async def check(file: Path, *more: str, env: dict[str, str] | None = None) -> Ended:
    arguments = ("vantage", "check", "-c", file, *more)
    return await (typed(*arguments) if env is None else cdn_probe(*arguments, env=env))


def looks(made: Ended) -> dict[str, dict[str, Any]]:
    return {one["vantage_point"]: one for one in map(json.loads, made.out.splitlines())}


# --- list ---------------------------------------------------------------------------------------------

FULL = {
    "name": "bj-ct",
    "region": "CN-BJ",
    "carrier": "China Telecom",
    "asn": 4134,
    "source": ["127.0.0.9", "::1"],
    "interface": "eth1",
    "mark": 16,
    "netns": "ct",
    "resolvers": ["udp://192.0.2.53", "tls://dns.example.net@192.0.2.54"],
    "resolver_policy": "all",
    "client_subnet": "203.0.113.0/24",
    "anchors": ["https://anchor.example.net/ok", "dns://192.0.2.53/example.net"],
    "proxy": {
        "url": "socks5://192.0.2.80:1080",
        "resolve": "proxy",
        "user": "me",
        "password": "env:PROBE_TEST_PASSWORD",
    },
}


def test_list_shows_all_that_is_configured_and_asks_nothing(tmp_path: Path) -> None:
    file = write(tmp_path, FULL, {"name": "bare"})
    made = CliRunner().invoke(
        cli, ["vantage", "list", "-c", str(file)], env={"PROBE_TEST_PASSWORD": "s3cr3t"}
    )
    assert made.exit_code == 0, made.output
    for word in (
        "bj-ct", "CN-BJ", "China Telecom", "AS4134", "netns ct", "interface eth1", "mark 0x10",
        "source 127.0.0.9 ::1", "proxy socks5://192.0.2.80:1080", "names looked up by it", "all:",
        "udp://192.0.2.53:53", "tls://192.0.2.54:853", "203.0.113.0/24", "https://anchor.example.net:443/ok",
        "dns://192.0.2.53:53/example.net", "bare", "the host's own", "the system's",
    ):  # fmt: skip
        assert word in made.output, word
    assert "s3cr3t" not in made.output


def test_list_as_json(tmp_path: Path) -> None:
    file = write(tmp_path, FULL, {"name": "bare"})
    made = CliRunner().invoke(cli, ["vantage", "list", "-c", str(file), "--json"])
    full, bare = map(json.loads, made.stdout.splitlines())
    assert (full["name"], full["tasks"], full["ip_versions"]) == ("bj-ct", 2, [4])
    assert full["proxy"]["password"] == {"scheme": "env", "name": "PROBE_TEST_PASSWORD"}
    assert (bare["name"], bare["anchors"], bare["mark"]) == ("bare", [], None)


# --- check --------------------------------------------------------------------------------------------


async def test_all_is_well(tmp_path: Path) -> None:
    async with DnsServer(zone(NAMES)) as dns, serve(response()) as web:
        point = {
            "name": "here",
            "source": "127.0.0.9",
            "resolvers": [f"udp://127.0.0.1:{dns.port}"],
            "anchors": [f"http://127.0.0.1:{web.port}/ok", f"tcp://127.0.0.2:{web.port}"],
        }
        point["anchors"][1] = f"dns://127.0.0.1:{dns.port}"
        file = write(tmp_path, point)
        made = await check(file)
        told = await check(file, "--json")
    assert made.code == told.code == 0, made.out + made.err
    assert "here  well  IPv4 online" in made.out
    assert "FAIL" not in made.out
    assert "1 of 1 vantage points well" in made.out
    assert "note: all anchors are on 127.0.0.1" in made.out
    look = looks(told)["here"]
    assert (look["well"], look["line_problem"]) == (True, None)
    (line,) = look["lines"]
    assert (line["local"], line["state"], line["asked"], line["reached"]) == ("127.0.0.9", "online", 2, 2)
    (resolver,) = look["resolvers"]
    assert (resolver["rcode"], resolver["transport"], resolver["rewrites"]) == ("NOERROR", "udp", False)
    assert resolver["question"] == f"{WWW} A"
    assert resolver["taken_us"] > 0
    assert [(a["reached"], a["status_code"]) for a in look["anchors"]] == [(True, 200), (True, None)]
    assert look["anchors"][0]["local"].startswith("127.0.0.9:")
    assert {q.peer for q in dns.queries} == {"127.0.0.9"}


async def test_what_is_broken_is_told_in_words_and_the_rest_is_still_asked(tmp_path: Path) -> None:
    def refuse(query: Query) -> object:
        return reply(query, rcode="REFUSED")

    gone, dead = closed_port(), closed_port()
    async with DnsServer(zone(NAMES)) as good, DnsServer(refuse) as bad:
        file = write(
            tmp_path,
            {
                "name": "sick",
                "resolvers": [f"udp://127.0.0.1:{p}" for p in (good.port, bad.port, gone)],
                "anchors": [f"tcp://127.0.0.1:{dead}", f"dns://127.0.0.2:{dead}"],
            },
            {
                "name": "fine",
                "resolvers": [f"udp://127.0.0.1:{good.port}"],
                "anchors": [f"dns://127.0.0.1:{good.port}"],
            },
            {"name": "cut", "source": "203.0.113.77", "resolvers": [f"udp://127.0.0.1:{good.port}"]},
        )
        made = await check(file)
        told = looks(await check(file, "--json"))
    assert made.code == 1
    assert {name: look["well"] for name, look in told.items()} == {"sick": False, "fine": True, "cut": False}
    assert [r["well"] for r in told["sick"]["resolvers"]] == [True, False, False]
    assert told["sick"]["resolvers"][1]["rcode"] == "REFUSED"
    assert told["sick"]["resolvers"][2]["failure"] == "dns.unreachable"
    assert {a["failure"] for a in told["sick"]["anchors"]} == {"tcp.refused", "dns.unreachable"}
    assert told["sick"]["lines"][0]["state"] == "offline"
    assert "203.0.113.77" in told["cut"]["line_problem"]
    assert told["cut"]["lines"][0]["state"] == "unknown"
    for words in (
        "sick  NOT WELL  IPv4 offline",
        "nobody answers at this address and port",
        "refused the connection",
        "it answers REFUSED",
        "source 203.0.113.77: it is not assigned",
        "note: one anchor alone",
        "note: no anchors",
        "1 of 3 vantage points well",
    ):
        assert words in made.out, (words, made.out)


async def test_a_resolver_that_invents_addresses_is_not_well(tmp_path: Path) -> None:
    def invent(query: Query) -> object:
        return reply(query, *([f"{query.name}. 60 A 127.0.0.66"] if query.qtype == "A" else []))

    async with DnsServer(invent) as server:
        point = {
            "name": "p",
            "resolvers": [f"udp://127.0.0.1:{server.port}"],
            "anchors": [f"dns://127.0.0.1:{server.port}"],
        }
        file = write(tmp_path, point)
        made = await check(file)
    assert made.code == 1
    assert made.out.count("FAIL") == 1
    assert "it invents addresses for names that do not exist" in made.out


@pytest.mark.parametrize("how", ["tls", "https"])
async def test_a_resolvers_certificate_is_judged_in_words(how: str, tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    async with face(zone(NAMES), how, authority) as server:
        points = [
            {"name": name, "resolvers": [f"{how}://{host}@127.0.0.1:{server.port}"]}
            for name, host in (("right", "dns.example"), ("wrong", "other.example"))
        ]
        file = write(tmp_path, *points)
        trusting = {"SSL_CERT_FILE": authority.file}
        told = looks(await check(file, "--json", env=trusting))
        strange = await check(file, "--vantage", "right", env={"SSL_CERT_FILE": "/dev/null"})
    right, wrong = (told[name]["resolvers"][0] for name in ("right", "wrong"))
    assert (right["well"], right["rcode"], right["transport"]) == (True, "NOERROR", how)
    assert (wrong["well"], wrong["failure"]) == (False, "dns.tls_failed")
    assert "certificate" in wrong["words"]
    assert "other.example" in wrong["words"]
    assert (strange.code, "its certificate or handshake is not accepted" in strange.out) == (1, True)


async def test_one_vantage_point_alone_and_a_name_that_there_is_not(tmp_path: Path) -> None:
    async with DnsServer(zone(NAMES)) as server:
        resolvers = [f"udp://127.0.0.1:{server.port}"]
        file = write(
            tmp_path, {"name": "one", "resolvers": resolvers}, {"name": "two", "resolvers": resolvers}
        )
        made = await check(file, "--vantage", "two", "--json")
        wrong = await check(file, "--vantage", "three", env={})
    assert (made.code, list(looks(made))) == (0, ["two"])
    assert (wrong.code, wrong.out) == (2, "")
    assert "no vantage point is named 'three'; configured: one, two" in wrong.err


async def test_what_cannot_run_says_so(tmp_path: Path) -> None:
    made = await check(tmp_path / "none.yaml", env={})
    assert made.code == 2
    assert "none.yaml" in made.err
    made = await check(write(tmp_path, FULL), env={})
    assert made.code == 2
    assert "PROBE_TEST_PASSWORD" in made.err


def _noted(asked: list[int], number: int, _query: Query) -> None:
    asked.append(number)


async def test_silent_ones_end_in_bounded_time_and_do_not_add_up(tmp_path: Path) -> None:
    """Each is asked a few times, and all are asked before the first one is given up."""
    asked: list[int] = []
    async with AsyncExitStack() as stack:
        mute = [await stack.enter_async_context(DnsServer(partial(_noted, asked, n))) for n in range(3)]
        points = [
            {
                "name": f"p{n}",
                "resolvers": [f"udp://127.0.0.1:{server.port}"],
                "anchors": [f"dns://127.0.0.1:{server.port}"],
            }
            for n, server in enumerate(mute)
        ]
        made = await check(write(tmp_path, *points), "--json")
    assert made.code == 1
    assert {look["lines"][0]["state"] for look in looks(made).values()} == {"offline"}
    assert {look["resolvers"][0]["failure"] for look in looks(made).values()} == {"dns.timed_out"}
    last = [len(asked) - 1 - asked[::-1].index(n) for n in range(3)]
    assert max(asked.index(n) for n in range(3)) < min(last)

    assert all(asked.count(n) <= 10 for n in range(3))


def test_notes() -> None:
    def notes(*anchors: str, versions: tuple[int, ...] = (4,), **more: Any) -> str:
        from probe.core.syntax.values import parse_anchor

        made = VantagePoint(name="v", anchors=tuple(map(parse_anchor, anchors)), **more)
        return " | ".join(notes_of(made, versions))

    assert notes("tcp://192.0.2.7:1", "tcp://192.0.2.8:1") == ""
    assert "one anchor alone" in notes("tcp://192.0.2.7:1")
    assert "all anchors are on 192.0.2.7" in notes("tcp://192.0.2.7:1", "tcp://192.0.2.7:2")
    assert "IPv6" in notes("tcp://192.0.2.7:1", "tcp://192.0.2.8:1", versions=(4, 6))
    assert notes("tcp://192.0.2.7:1", "tcp://a.example:1", versions=(4, 6)) == ""
    proxy = ProxySpec(scheme="socks5", host="192.0.2.80", port=1080)
    assert "do not go through the proxy" in notes("dns://192.0.2.7", "dns://192.0.2.8", proxy=proxy)


# --- trace --------------------------------------------------------------------------------------------


async def test_trace_looks_from_a_configured_vantage_point(tmp_path: Path) -> None:
    async with DnsServer(zone(NAMES)) as dns, serve(response(), host="127.0.0.11") as web:
        point = {
            "name": "bj-ct",
            "region": "CN-BJ",
            "source": "127.0.0.9",
            "resolvers": [f"udp://127.0.0.1:{dns.port}"],
            "client_subnet": "203.0.113.0/24",
            "anchors": [f"dns://127.0.0.1:{dns.port}"],
        }
        file = write(tmp_path, point)
        url = f"http://{WWW}:{web.port}/a"
        made = await typed("trace", url, "--vantage", "bj-ct", "-c", file, "--json")
        own = await typed("trace", url, "--vantage", "bj-ct", "-c", file, "--source", "127.0.0.8", "--json")
        unknown = await cdn_probe("trace", url, "--vantage", "sh", "-c", file)
    assert made.code == 0, made.out + made.err
    row = json.loads(made.out)
    assert (row["vantage_point"], row["region"], row["outcome"]) == ("bj-ct", "CN-BJ", "ok")
    assert row["observations"][0]["source"].startswith("127.0.0.9:")
    assert row["resolution"]["ecs_source"] == "203.0.113.0/24"
    assert json.loads(own.out)["observations"][0]["source"].startswith("127.0.0.8:")
    assert (unknown.code, "configured: bj-ct" in unknown.err) == (2, True)


async def test_trace_asks_the_vantage_points_anchors_when_something_is_off(tmp_path: Path) -> None:
    async with DnsServer(zone(NAMES)) as dns:
        point = {
            "name": "p",
            "resolvers": [f"udp://127.0.0.1:{dns.port}"],
            "anchors": [f"tcp://127.0.0.1:{closed_port()}", f"tcp://127.0.0.2:{closed_port()}"],
        }
        file = write(tmp_path, point)
        url = f"http://{WWW}:{closed_port()}/a"
        made = await typed("trace", url, "--vantage", "p", "-c", file, "--json")
    row = json.loads(made.out)
    assert (made.code, row["outcome"], row["reason"]) == (1, "inconclusive", "vantage.offline")
    assert sum(o["role"] == "anchor" for o in row["observations"]) == 2


@pytest.mark.parametrize(
    ("options", "check"),
    [
        ({"interface": "eth9"}, lambda p: p.interface == "eth9"),
        ({"netns": "ct"}, lambda p: p.netns == "ct"),
        ({"mark": "0x10"}, lambda p: p.mark == 16),
        ({"mark": "7"}, lambda p: p.mark == 7),
        (
            {"proxy": "http://192.0.2.80:3128"},
            lambda p: p.proxy == ProxySpec(scheme="http", host="192.0.2.80", port=3128),
        ),
        (
            {"sources": ("192.0.2.9", "2001:db8::9")},
            lambda p: (p.source_v4, p.source_v6) == ("192.0.2.9", "2001:db8::9"),
        ),
        ({"sources": ("2001:db8::9",)}, lambda p: p.ip_versions == (6,) and p.source_v4 is None),
        ({"resolvers": ("https://192.0.2.53",)}, lambda p: p.resolvers[0].path == "/dns-query"),
        ({"client_subnet": "203.0.113.0/24"}, lambda p: p.client_subnet == "203.0.113.0/24"),
        ({}, lambda p: p.source_v4 == "192.0.2.1" and p.mark == 5),
    ],
)
def test_what_is_typed_takes_the_place_of_what_is_configured(
    options: dict[str, Any], check: Callable[[VantagePoint], bool]
) -> None:
    point = VantagePoint(name="p", source_v4="192.0.2.1", ip_versions=(4,), mark=5)
    assert check(with_line(point, **options))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--mark", "x"], "--mark 'x' is no number"),
        (["--mark", "0"], "--mark '0' is no number"),
        (["--source", "nowhere"], "give one address of each IP version at most"),
        (["--source", "127.0.0.1", "--source", "127.0.0.2"], "give one address of each IP version at most"),
        (["--proxy", "ftp://x:1"], "a proxy is socks5://host:port"),
        (["--proxy", "http://me:secret@x:1"], "holds no user name or password"),
        (["--client-subnet", "x/33"], "x/33"),
        (["--resolver", "quic://192.0.2.1"], "no transport of a resolver"),
    ],
)
async def test_what_is_typed_wrongly_is_told_in_words(options: list[str], words: str) -> None:
    made = await typed("trace", "http://127.0.0.1:1/", *options)
    assert made.code != 0
    assert made.out == ""
    assert words in made.err


async def test_an_interface_and_a_namespace_that_there_are_not_are_the_lines() -> None:
    for option, name in (("--interface", "none0"), ("--netns", "cdn-probe-none")):
        made = await typed("trace", "http://127.0.0.1:1/", option, name, "--json")
        row = json.loads(made.out)
        assert (made.code, row["fault"], row["reason"]) == (1, "vantage", "vantage.source_unavailable")
        assert name in row["observations"][0]["failure"]["detail"]
