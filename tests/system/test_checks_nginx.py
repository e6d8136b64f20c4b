"""Each kind of check against a real nginx that is set up wrongly for it; none against one that is set up rightly."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from probe.checks import CHECKS
from probe.core.config.plan import make_plan
from probe.core.model.task import Task
from probe.core.records.rows import SlotRecord
from probe.fetch.fetcher import HttpFetcher
from probe.host.clock import SystemClock, rfc3339
from probe.host.loop_lag import LoopLag
from probe.measure.oneshot import host_probe
from probe.measure.pipeline import Pipeline
from probe.resolver.resolver import Resolver
from probe.settings.config_files import load_config
from tests.codes.provoking import provokes, saw
from tests.system.agent import cdn_probe, json_lines
from tests.system.programs import find, free_port, need, nsd, process, wait_for_tcp

pytestmark = pytest.mark.system

DOMAIN, EDGE, ORIGIN = "www.acme.example", "127.0.4.11", "127.0.4.19"
OURS, FOREIGN = "https://www.acme.example/", "https://elsewhere.example/"
SECRET = "nobody-knows"
SLOTS = 200
FILES = {"app.js": b"console.log('cdn-probe');\n" * 4000, "big.bin": bytes(range(256)) * 6144}

CONFIG = """
daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log warn; {user}
events {{ worker_connections 512; }}
http {{
  log_format asked '$server_addr $request_method $uri $status "$http_referer" "$http_range"';
  access_log {dir}/access.log asked;
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
  uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
  types {{ application/javascript js; application/octet-stream bin; }}
  gzip on; gzip_types application/javascript; keepalive_timeout 0; absolute_redirect off;
  ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem;
  server {{
    listen {edge}:{tls} ssl; ssl_protocols TLSv1.2 TLSv1.3;
    root {root};
    location /guarded/ {{
      valid_referers www.acme.example; if ($invalid_referer) {{ return 403; }}
      rewrite ^/guarded(/.*)$ $1 break;
    }}
    location /closed/ {{
      valid_referers none other.example; if ($invalid_referer) {{ return 403; }}
      rewrite ^/closed(/.*)$ $1 break;
    }}
    location /signed/ {{
      secure_link $arg_sign,$arg_expires; secure_link_md5 "$secure_link_expires$uri {secret}";
      if ($secure_link = "") {{ return 403; }} if ($secure_link = "0") {{ return 403; }}
      rewrite ^/signed(/.*)$ $1 break;
    }}
    location /open/ {{ rewrite ^/open(/.*)$ $1 break; }}
    location /stale/ {{ alias {old_root}/; etag off; }}
    location /cached/ {{ rewrite ^/cached(/.*)$ $1 break; expires 1d; }}
    location /stripped/ {{ rewrite ^/stripped(/.*)$ $1 break; add_header Server-Secret x; }}
    location /slow/ {{ rewrite ^/slow(/.*)$ $1 break; limit_rate 256k; }}
    location /noranges/ {{ rewrite ^/noranges(/.*)$ $1 break; max_ranges 0; }}
    location /nodates/ {{ rewrite ^/nodates(/.*)$ $1 break; if_modified_since off; }}
    location /nohead/ {{ if ($request_method = HEAD) {{ return 404; }} rewrite ^/nohead(/.*)$ $1 break; }}
    location = /old {{ return 302 /elsewhere; }}
    location = /moved {{ return 301 /hop; }}
    location = /hop {{ return 302 /app.js; }}
  }}
  server {{
    listen {edge}:{old} ssl; ssl_protocols TLSv1.2;
    ssl_ciphers ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256;
    root {root}; rewrite ^/(tls|cbc)(/.*)$ $2 break;
  }}
  server {{
    listen {origin}:{plain};
    root {root};
    location /stale/ {{ alias {new_root}/; etag off; }}
    location /stripped/ {{ rewrite ^/stripped(/.*)$ $1 break; add_header Strict-Transport-Security max-age=1; }}
    location = /old {{ return 301 https://{domain}/new; }}
    location = /moved {{ return 301 /hop; }}
    rewrite ^/(guarded|closed|signed|open|cached|slow|noranges|nodates|nohead|tls|cbc)(/.*)$ $2 break;
  }}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One nginx that is edge and origin, and the name that leads to it."""

    directory: Path
    ca_file: Path
    dns_port: int
    tls: int
    old: int
    plain: int

    def write(self, directory: Path, objects: list[dict[str, Any]], old: list[dict[str, Any]]) -> Path:
        """The configuration of an agent that measures these objects; `old`: over the port with TLS 1.2."""
        directory.mkdir(exist_ok=True)
        (directory / "customers").mkdir()
        common = {
            "domain": DOMAIN,
            "tls": {"ca": f"file:{self.ca_file}"},
            "cdn": {"suffixes": ["cdn.test"]},
            "origin": {"address": ORIGIN, "scheme": "http", "port": self.plain, "interval": "100ms"},
        }
        domains = [{**common, "port": self.tls, "objects": objects}]
        domains += [{**common, "port": self.old, "objects": old}] if old else []
        customer = {"customer": "acme", "defaults": {"timeout": "20s"}, "domains": domains}
        file = directory / "customers" / "acme.yaml"
        file.touch(mode=0o600)  # its URLs hold secrets
        file.write_text(yaml.safe_dump(customer, sort_keys=False))
        point = {"name": "vp", "resolvers": [f"udp://127.0.0.1:{self.dns_port}"],
                 "anchors": [f"tcp://{ORIGIN}:{self.plain}"]}  # fmt: skip
        agent = {"agent": "t", "results": "results", "customers": "customers/", "vantage_points": [point],
                 "allow_addresses": ["127.0.0.0/8"],
                 "limits": {"further_per_minute": 100_000}}  # as many as a fast machine makes  # fmt: skip
        (directory / "agent.yaml").write_text(yaml.safe_dump(agent, sort_keys=False))
        return directory / "agent.yaml"

    def requests(self, address: str) -> int:
        """How many requests nginx logged at an address."""
        lines = (self.directory / "access.log").read_text().splitlines()
        return sum(line.startswith(f"{address} ") for line in lines)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    need("nginx", "nsd")
    directory = tmp_path_factory.mktemp("checks")
    for parent in (directory, directory.parent, directory.parent.parent):
        parent.chmod(0o755)
    for name in ("root", "old_root", "new_root"):
        (directory / name).mkdir()
    for name, body in FILES.items():
        (directory / "root" / name).write_bytes(body)
        os.utime(directory / "root" / name, (1_790_000_000, 1_790_000_000))
    authority = trustme.CA()
    leaf = authority.issue_cert(DOMAIN, not_after=datetime.now(UTC) + timedelta(days=100))
    (directory / "cert.pem").write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    (directory / "key.pem").write_bytes(leaf.private_key_pem.bytes())
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    tls, plain = free_port(EDGE), free_port(ORIGIN)
    old = next(port for port in iter(lambda: free_port(EDGE), None) if port != tls)
    text = CONFIG.format(
        dir=directory, root=directory / "root", old_root=directory / "old_root", new_root=directory / "new_root",
        edge=EDGE, origin=ORIGIN, tls=tls, old=old, plain=plain, secret=SECRET, domain=DOMAIN,
        user="user root;" if os.geteuid() == 0 else "",
    )  # fmt: skip
    (directory / "nginx.conf").write_text(text)
    program = find("nginx")
    assert program is not None
    zones = {"acme.example": "www 120 CNAME www.cdn.test.\n", "cdn.test": f"www.cdn.test. 30 A {EDGE}\n"}
    log = directory / "out.log"
    with (
        process([program, "-c", str(directory / "nginx.conf"), "-p", str(directory)], log) as child,
        nsd(directory / "nsd", zones) as dns_port,
    ):
        wait_for_tcp(EDGE, tls, child, log)
        yield World(
            directory=directory, ca_file=directory / "ca.pem", dns_port=dns_port, tls=tls, old=old, plain=plain
        )  # fmt: skip


def signed(name: str, expires: int) -> str:
    """The path as nginx's secure_link wants it."""
    told = hashlib.md5(f"{expires}/signed/{name} {SECRET}".encode()).digest()
    sign = base64.urlsafe_b64encode(told).decode().rstrip("=")
    return f"/signed/{name}?sign={sign}&expires={expires}"


def thing(path: str, **checks: Any) -> dict[str, Any]:
    return {"path": path, "checks": {"availability": {}, "integrity": {"mode": "none"}, **checks}}


FUTURE, PAST = 4_000_000_000, 1_000_000_000
WRONG: dict[str, tuple[dict[str, Any], tuple[str, str | None, str | None]]] = {
    "redirect": (
        {"path": "/old", "checks": {"redirect": {"location": f"https://{DOMAIN}/new"}}},
        ("failed", "cdn", "http.redirect_unexpected"),
    ),
    "chain": (
        {
            "path": "/moved",
            "redirects": {"follow": 3},
            "checks": {"redirect": {"location": "/hop", "chain": {"url_pattern": ".*/other"}}},
        },
        ("failed", "cdn", "http.redirect_chain_unexpected"),
    ),
    "denied": (
        thing("/open/app.js", hotlink={"allowed": [OURS], "denied": [FOREIGN]}),
        ("failed", "cdn", "hotlink.denied_served"),
    ),
    "allowed": (
        thing("/closed/app.js", hotlink={"allowed": [OURS, ""], "denied": [FOREIGN]}),
        ("failed", "cdn", "hotlink.allowed_refused"),
    ),
    "unsigned": (
        thing("/open/big.bin", hotlink={"signed": {"unsigned_path": "/open/app.js"}}),
        ("failed", "cdn", "hotlink.denied_served"),
    ),
    "expired": (
        thing("/app.js", hotlink={"signed": {"allowed_path": signed("app.js", PAST)}}),
        ("failed", "cdn", "hotlink.allowed_refused"),
    ),
    "lifetime": (
        thing("/cached/app.js", freshness={"max_age": {"at_most": "1h"}}),
        ("failed", "cdn", "freshness.lifetime_outside"),
    ),
    "missing": (
        thing("/stripped/app.js", headers={"present": ["Strict-Transport-Security"]}),
        ("failed", "cdn", "headers.missing"),
    ),
    "forbidden": (
        thing("/stripped/big.bin", headers={"absent": ["Server-Secret"]}),
        ("failed", "cdn", "headers.forbidden"),
    ),
    "differs": (
        thing("/nohead/big.bin", headers={"equal": {"Content-Type": "video/mp4"}}),
        ("failed", "origin", "origin.same_reply"),
    ),
    "slow": (  # by seconds: what may have been our own loop's lag is taken off before anybody is called slow
        thing("/slow/big.bin", throughput={"at_least": "100Mbps"}),
        ("slow", "cdn", "throughput.under_limit"),
    ),
    "head": (thing("/nohead/app.js", negotiation={}), ("failed", "cdn", "negotiation.head_differs")),
    "ranges": (
        thing("/noranges/app.js", negotiation={"ranges": "required"}),
        ("failed", "cdn", "negotiation.range_wrong"),
    ),
    "dates": (
        thing("/nodates/app.js", negotiation={"conditional": "required"}),
        ("failed", "cdn", "negotiation.conditional_wrong"),
    ),
}
CERTIFICATE: dict[str, tuple[dict[str, Any], tuple[str, str | None, str | None]]] = {
    "name": (
        thing("/app.js", certificate={"names": [DOMAIN, "static.acme.example"]}),
        ("failed", "cdn", "certificate.name_missing"),
    ),
    "issuer": (
        thing("/big.bin", certificate={"issuers": ["Let's Encrypt"]}),
        ("failed", "cdn", "certificate.issuer_unexpected"),
    ),
    "protocol": (
        thing("/tls/app.js", certificate={"minimum_version": "TLSv1.3"}),
        ("failed", "cdn", "certificate.protocol_below"),
    ),
    "cipher": (
        thing("/cbc/app.js", certificate={"ciphers": {"forbid": ["RC4", "CBC"]}}),
        ("failed", "cdn", "certificate.cipher_forbidden"),
    ),
}


@provokes(*dict.fromkeys(reason for _, (_, _, reason) in (WRONG | CERTIFICATE).values()))
def test_once_tells_each_wrong_setting_by_its_own_reason(world: World, tmp_path: Path) -> None:
    wrong = [*WRONG.values(), *CERTIFICATE.values()]
    config = world.write(
        tmp_path, [made for made, _ in WRONG.values()], [made for made, _ in CERTIFICATE.values()]
    )
    done = cdn_probe("once", "-c", str(config), "--json")
    rows = saw(json_lines(done.stdout))
    told = [(row["path"], row["outcome"], row["fault"], row["reason"]) for row in rows]
    assert sorted(told) == sorted((made["path"], *verdict) for made, verdict in wrong), done.stderr
    assert done.returncode == 1
    assert "sign=[redacted]" in done.stdout
    assert "sign=" not in done.stdout.replace("sign=[redacted]", "")


def test_once_says_it_in_a_sentence(world: World, tmp_path: Path) -> None:
    config = world.write(tmp_path, [WRONG["denied"][0]], [])
    done = cdn_probe("once", "-c", str(config))
    assert done.returncode == 1
    assert "failed · cdn · hotlink.denied_served" in done.stdout
    shown = " ".join(done.stdout.split())
    assert f"Edge {EDGE} served the object to a request that must be refused" in shown


@provokes("certificate.expires_soon")
def test_a_certificate_near_its_end_is_a_warning_and_one_that_is_not_gives_none(
    world: World, tmp_path: Path
) -> None:
    soon = thing("/app.js", certificate={"days_left": 101})
    later = thing("/big.bin", certificate={"days_left": 99, "names": [DOMAIN], "minimum_version": "TLSv1.3"})
    done = cdn_probe("once", "-c", str(world.write(tmp_path, [soon, later], [])), "--json")
    found = {row["path"]: row["findings"] for row in saw(json_lines(done.stdout))}
    assert [(f["reason"], f["severity"]) for f in found["/app.js"]] == [
        ("certificate.expires_soon", "warning")
    ]
    assert (found["/big.bin"], done.returncode) == ([], 0)


def test_check_config_says_where_a_parameter_is_wrong(world: World, tmp_path: Path) -> None:
    config = world.write(tmp_path, [thing("/app.js")], [])
    text = (
        "customer: acme\n"
        "domains:\n"
        "  - domain: www.acme.example\n"
        "    objects:\n"
        "      - path: /a.js\n"
        "        checks:\n"
        "          redirect: {location_pattern: '('}\n"
        "          hotlink: {denied: [''], refused: {status: [200]}}\n"
        "          freshness: {refresh: 600}\n"
        "          certificate: {ciphers: {forbid: [RC2]}}\n"
        "          headers: {match: {X-A: '['}}\n"
        "          throughput: {at_least: 10MB}\n"
        "          negotiation: {ranges: requried}\n"
    )
    (tmp_path / "customers" / "acme.yaml").write_text(text)
    done = cdn_probe("check-config", "-c", str(config))
    assert done.returncode == 2
    places = {line.partition("acme.yaml:")[2].partition(": ")[0]: line for line in done.stderr.splitlines()}
    wanted = {
        "7:40": "not a regular expression",
        "8:54": "at least 300",
        "9:32": "a duration needs its unit",
        "10:44": "neither a family",
        "11:34": "not a regular expression",
        "12:34": "not a rate",
        "13:33": "expected one of",
    }
    assert {place for place in places if place} == set(wanted), done.stderr
    for place, words in wanted.items():
        assert words in places[place]


# --- in one process: slot after slot --------------------------------------------------------------


@asynccontextmanager
async def measuring(config: Path) -> AsyncIterator[tuple[Pipeline, tuple[Task, ...]]]:
    """A pipeline as the agent has it, and the tasks of a configuration."""
    clock = SystemClock()
    lag = LoopLag(clock)
    allowed = ("127.0.0.0/8",)
    fetcher = HttpFetcher(clock, str, allowed)
    pipeline = Pipeline(
        kinds=CHECKS,
        resolver=Resolver(clock, allowed),
        fetcher=fetcher,
        clock=clock,
        host=host_probe("test", "0" * 64, lag),
    )
    await lag.start()
    try:
        yield pipeline, make_plan(load_config(config, CHECKS)).tasks
    finally:
        await fetcher.close()
        await lag.stop()


async def slot(pipeline: Pipeline, task: Task) -> SlotRecord:
    return await pipeline.measure(task, rfc3339(SystemClock().time_ns()))


async def test_an_edge_that_keeps_an_old_version_past_the_agreed_time_is_stale(
    world: World, tmp_path: Path
) -> None:
    for name in ("old_root", "new_root"):
        (world.directory / name / "a.js").write_bytes(b"version 1")
        os.utime(world.directory / name / "a.js", (1_790_000_000, 1_790_000_000))
    fresh = {"path": "/stale/a.js", "checks": {"availability": {}, "freshness": {"refresh": "300ms"}}}
    async with measuring(world.write(tmp_path, [fresh], [])) as (pipeline, (task,)):
        first = await slot(pipeline, task)
        assert (first.outcome, first.findings) == ("ok", ())
        (world.directory / "new_root" / "a.js").write_bytes(b"version 2")
        await asyncio.sleep(0.12)  # the origin's interval: then it is asked again
        second = await slot(pipeline, task)
        assert second.outcome == "ok", "within the agreed time"
        await asyncio.sleep(0.4)
        third = await slot(pipeline, task)
        assert (third.outcome, third.fault, third.reason) == ("stale", "cdn", "freshness.over_refresh_time")
        (world.directory / "old_root" / "a.js").write_bytes(b"version 2")
        assert (await slot(pipeline, task)).outcome == "ok"


ALL = {
    "availability": {},
    "response_time": {"total": "20s"},
    "integrity": {},
    "hotlink": {
        "allowed": [OURS],
        "denied": [FOREIGN, ""],
        "refused": {"status": [403]},
        "signed": {
            "allowed_path": signed("app.js", FUTURE),
            "expired_path": signed("app.js", PAST),
            "unsigned_path": "/signed/app.js",
        },
    },
    "freshness": {"refresh": "1s"},
    "certificate": {
        "names": [DOMAIN],
        "days_left": 1,
        "minimum_version": "TLSv1.3",
        "ciphers": {"forbid": ["CBC"]},
    },
    "headers": {
        "present": ["ETag"],
        "absent": ["Age"],
        "equal": {"Content-Type": "application/javascript"},
        "match": {"Last-Modified": ".* GMT"},
        "same_as_origin": ["Content-Type", "Last-Modified"],
    },
    "throughput": {"at_least": "10kbps", "size_at_least": "50kB"},
    "negotiation": {"conditional": "required"},
}


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_healthy_nginx_has_no_finding_of_any_kind_in_two_hundred_slots(
    world: World, tmp_path: Path
) -> None:
    guarded = {"path": "/guarded/app.js", "headers": {"Referer": OURS}}
    required = {**ALL, "negotiation": {"ranges": "required", "conditional": "required"}}
    moved = {
        "path": "/moved",
        "redirects": {"follow": 3},
        "checks": {
            "redirect": {
                "location": "/hop",
                "chain": {"hops": [{"status": 302, "location": "/app.js"}], "url_pattern": ".*/app.js"},
            }
        },
    }
    zipped = {**guarded, "path": "/guarded/app.js?zipped", "accept_encoding": "gzip", "checks": ALL}
    objects = [{**guarded, "checks": required}, zipped, moved]
    before = world.requests(EDGE)
    async with measuring(world.write(tmp_path, objects, [])) as (pipeline, tasks):
        rows = [await slot(pipeline, tasks[number % 2 if number % 20 else 2]) for number in range(SLOTS)]
    assert [(r.path, r.outcome, [(f.reason, f.detail) for f in r.findings]) for r in rows if r.findings] == []
    assert {r.outcome for r in rows} == {"ok"}
    # What redirected from the origin, whose own chain is followed too, has its address.
    kinds = ("edge", "check", "redirect")
    asked = [o for r in rows for o in r.observations if o.role in kinds and o.address == EDGE]
    assert world.requests(EDGE) - before == len(asked)
    assert {o.ask for o in asked} >= {"hotlink.denied_2", "hotlink.signed", "negotiation.unmatched"}
    assert not any(o.role == "control" for r in rows for o in r.observations)
