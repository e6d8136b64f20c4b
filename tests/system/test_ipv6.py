"""IPv4 and IPv6 are two observations: each with its own question, addresses and source, and neither hides the other.

A namespace holds a whole dual-stack CDN on real nginx and nsd: two nodes of each version, an origin, anchors. `once`
measures from a vantage point in that namespace; nginx's logs are held against what the rows tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from click.testing import CliRunner, Result

from probe.cli.main import cli
from tests.system import agent
from tests.system.dns_programs import nsd_files
from tests.system.netns import assign, inside, ip, namespace, need_root, run_in
from tests.system.programs import find, need
from tests.system.sites import Site

pytestmark = pytest.mark.system

DOMAIN, CANONICAL = "www.acme.example", "www.acme.example.cdn.test"
NODES = {4: ("10.93.0.1", "10.93.0.2"), 6: ("fd93::1", "fd93::2")}
SOURCE = {4: "10.93.0.50", 6: "fd93::50"}
ORIGIN = {4: "10.93.0.9", 6: "fd93::9"}
ANCHOR = {4: ("10.93.0.71", "10.93.0.72"), 6: ("fd93::71", "fd93::72")}
RESOLVER = {4: "10.93.0.53", 6: "fd93::53"}
QTYPE = {4: "A", 6: "AAAA"}
ANCHORS = {
    4: [f"http://{ANCHOR[4][0]}/ok", f"tcp://{ANCHOR[4][1]}:80"],
    6: [f"http://[{ANCHOR[6][0]}]/ok", f"tcp://[{ANCHOR[6][1]}]:80"],
}
HEAD = "$TTL 60\n@ SOA ns1 host 1 3600 600 86400 60\n@ NS ns1\nns1 A 10.93.0.53\nns1 AAAA fd93::53\n"
ZONES = {
    # A resolver that is well answers for the root: a look-up's control question asks for that.
    ".": """$ORIGIN .
$TTL 300
@ SOA a.root.test. hostmaster.root.test. 1 3600 600 86400 60
@ NS a.root.test.
acme.example. NS a.root.test.
cdn.test. NS a.root.test.
a.root.test. A 127.0.0.1
""",
    "acme.example": f"""$ORIGIN acme.example.
{HEAD}
www CNAME {CANONICAL}.
only4 CNAME only4.cdn.test.
plain4 A {NODES[4][0]}
origin A {ORIGIN[4]}
origin AAAA {ORIGIN[6]}
origin4 A {ORIGIN[4]}
origin6 AAAA {ORIGIN[6]}
anchor A {ANCHOR[4][0]}
anchor AAAA {ANCHOR[6][0]}
anchor4 A {ANCHOR[4][0]}
""",
    "cdn.test": f"$ORIGIN cdn.test.\n{HEAD}only4 A {NODES[4][0]}\n"
    + "".join(f"{CANONICAL}. {QTYPE[v]} {node}\n" for v in (4, 6) for node in NODES[v]),
}
MORE = """
location = /old { return 301 http://www.acme.example/app.js; }
location = /elsewhere { return 302 http://[fd93::2]/app.js; }
"""
Rows = dict[int, dict[str, Any]]


def host(address: str) -> str:
    """As a URL or nginx has it."""
    return f"[{address}]" if ":" in address else address


@dataclass(frozen=True, slots=True)
class Dual:
    """The running world; a site for the nodes of each version, so that each can be stopped."""

    ns: str
    nodes: dict[int, Site]
    ca: Path

    @contextmanager
    def silent(self, *matches: str) -> Iterator[None]:
        """What arrives for one of the nft matches is lost, as on a line that is cut behind its first router."""
        rules = " ".join(f"{match} drop;" for match in matches)
        nft = str(find("nft"))
        run_in(
            self.ns,
            nft,
            f"table inet hole {{ chain hole {{ type filter hook input priority 0; {rules} }}; }}",
        )
        try:
            yield
        finally:
            run_in(self.ns, nft, "delete table inet hole")

    @contextmanager
    def stopped(self, version: int) -> Iterator[None]:
        """The nodes of one version do not run: their ports are closed."""
        self.nodes[version].stop()
        try:
            yield
        finally:
            self.nodes[version].start()


@pytest.fixture(scope="module")
def dual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dual]:
    need_root()
    need("nginx", "nsd", "dig", "nft")
    directory = tmp_path_factory.mktemp("dual")
    for parent in (directory, directory.parent, directory.parent.parent):
        parent.chmod(0o755)
    root = directory / "root"
    root.mkdir()
    (root / "app.js").write_bytes(b"console.log('both');\n" * 100)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    authority.issue_cert(DOMAIN, *NODES[6]).private_key_and_cert_chain_pem.write_to_path(
        str(directory / "leaf.pem")
    )
    addresses = [
        f"{address}/{32 if version == 4 else 128}"
        for version in (4, 6)
        for address in (
            *NODES[version],
            *ANCHOR[version],
            SOURCE[version],
            ORIGIN[version],
            RESOLVER[version],
        )
    ]
    with namespace("dual", *addresses) as name, ExitStack() as stack:

        def site(label: str, *own: str, more: str = MORE) -> Site:
            made = Site(directory / label, root, tuple(map(host, own)), inside(name), more)
            stack.callback(made.stop)
            made.start()
            return made

        tls = "".join(f"listen {host(node)}:443 ssl; " for node in NODES[6])
        tls += f"ssl_certificate {directory}/leaf.pem; ssl_certificate_key {directory}/leaf.pem;"
        nodes = {4: site("nodes4", *NODES[4]), 6: site("nodes6", *NODES[6], more=MORE + tls)}
        site("rest", *(a for v in (4, 6) for a in (*ANCHOR[v], ORIGIN[v])))
        listen = [*RESOLVER.values(), "::1"]
        stack.enter_context(nsd_files(directory / "nsd", ZONES, listen=listen, prefix=inside(name)))
        yield Dual(name, nodes, directory / "ca.pem")


def write_config(
    dual: Dual,
    directory: Path,
    *,
    point: dict[str, Any] | None = None,
    domain: dict[str, Any] | None = None,
    objects: list[dict[str, Any]] | None = None,
) -> Path:
    """agent.yaml and acme's file for both versions; `point` and `domain` hold what differs."""
    vantage = {
        "name": "dual",
        "netns": dual.ns,
        "source": list(SOURCE.values()),
        "resolvers": [f"udp://{RESOLVER[4]}"],
        "anchors": ANCHORS[4] + ANCHORS[6],
        **(point or {}),
    }
    of_agent = {
        "agent": "dual-test",
        "results": "results",
        "customers": "customers/",
        "vantage_points": [vantage],
        "allow_addresses": ["10.93.0.0/16", "fd93::/16"],
    }
    accelerated = {
        "domain": DOMAIN,
        "scheme": "http",
        "cdn": {"suffixes": ["cdn.test"], "prefixes": ["10.93.0.0/30", "fd93::/126"]},
        "origin": {"address": ORIGIN[4]},
        "ip": [4, 6],
        "objects": objects or [{"path": "/app.js"}],
        **(domain or {}),
    }
    defaults = {"interval": "60s", "timeout": "3s", "connect_timeout": "500ms"}
    customer = {"customer": "acme", "defaults": defaults, "domains": [accelerated]}
    (directory / "customers").mkdir(parents=True, exist_ok=True)
    (directory / "customers" / "acme.yaml").write_text(yaml.safe_dump(customer, sort_keys=False))
    (directory / "agent.yaml").write_text(yaml.safe_dump(of_agent, sort_keys=False))
    return directory / "agent.yaml"


def cdn_probe(*arguments: str) -> Result:
    """A command in this process: there are many, and each only reads its own files."""
    done = CliRunner().invoke(cli, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def once(config: Path, *, as_process: bool = False) -> Rows:
    """The rows of `once --json`, by IP version; one each."""
    arguments = ("once", "-c", str(config), "--json")
    done = agent.cdn_probe(*arguments) if as_process else cdn_probe(*arguments)
    rows = agent.json_lines(done.stdout)
    found = {row["ip_version"]: row for row in rows}
    assert len(found) == len(rows), done.stderr
    assert rows, done.stderr
    return found


def verdict(row: dict[str, Any]) -> tuple[str, str | None, str | None]:
    return row["outcome"], row["fault"], row["reason"]


OK = ("ok", None, None)


def edges(row: dict[str, Any], *roles: str) -> list[dict[str, Any]]:
    return [o for o in row["observations"] if o["role"] in (roles or ("edge",))]


def sources(row: dict[str, Any], *roles: str) -> set[str]:
    """Our own addresses in these roles' observations."""
    found = {o["source"] for o in edges(row, *roles) if o["source"] is not None}
    return {source.rpartition(":")[0].strip("[]") for source in found}


def its_own(row: dict[str, Any], version: int) -> None:
    """Question, answer, nodes asked and source are of this version, and of no other."""
    assert row["resolution"]["qtype"] == QTYPE[version]
    assert {q["qtype"] for q in row["resolution"]["queries"]} == {QTYPE[version]}
    assert {a["address"] for a in row["resolution"]["addresses"]} == set(NODES[version])
    assert {o["address"] for o in edges(row)} == set(NODES[version])
    assert sources(row, "edge", "confirm") <= {SOURCE[version]}


# --- two rows -----------------------------------------------------------------------------------------


def test_two_rows_each_with_its_own_question_addresses_and_source(dual: Dual, tmp_path: Path) -> None:
    before = {version: len(site.requests()) for version, site in dual.nodes.items()}
    rows = once(write_config(dual, tmp_path), as_process=True)
    assert set(rows) == {4, 6}
    assert rows[4]["task"] != rows[6]["task"]
    for version, row in rows.items():
        assert verdict(row) == OK, row["summary"]
        assert row["findings"] == []
        its_own(row, version)
        assert sources(row) == {SOURCE[version]}
        logged = dual.nodes[version].requests()[before[version] :]
        assert {own for _, own, _ in logged} == set(NODES[version])
        assert {client.replace("[", "").replace("]", "") for client, _, _ in logged} == {
            o["source"].replace("[", "").replace("]", "") for o in edges(row)
        }


@pytest.mark.parametrize("dead", [4, 6])
def test_dead_nodes_of_one_version_are_that_versions_only(dual: Dual, tmp_path: Path, dead: int) -> None:
    well = 10 - dead
    config = write_config(dual, tmp_path)
    with dual.stopped(dead):
        rows = once(config)
    assert verdict(rows[well]) == OK, rows[well]["summary"]
    assert verdict(rows[dead]) == ("failed", "cdn", "tcp.refused"), rows[dead]["summary"]
    assert rows[dead]["confirmed"] is True
    for version, row in rows.items():
        its_own(row, version)
    assert {o["address"] for o in edges(rows[dead], "edge", "confirm", "sweep")} == set(NODES[dead])
    assert (rows[dead]["reach"]["known"], rows[dead]["reach"]["answered"]) == (2, 0)


def test_a_name_without_ipv6_is_told_on_that_row_only(dual: Dual, tmp_path: Path) -> None:
    """An alias that ends without AAAA: the CDN's zone has it so; without an alias it is the customer's own."""
    rows = once(write_config(dual, tmp_path, domain={"domain": "only4.acme.example"}))
    assert verdict(rows[4]) == OK, rows[4]["summary"]
    assert verdict(rows[6]) == ("failed", "cdn", "dns.dangling_alias")
    assert rows[6]["resolution"]["failing_name"] == "only4.cdn.test"
    assert edges(rows[6]) == []
    rows = once(write_config(dual, tmp_path, domain={"domain": "plain4.acme.example", "cdn": {}}))
    assert verdict(rows[4]) == OK, rows[4]["summary"]
    assert verdict(rows[6]) == ("failed", "customer", "dns.no_data")


# --- lines that carry one version ---------------------------------------------------------------------


@pytest.mark.parametrize("carried", [4, 6])
def test_a_line_with_one_version_has_no_row_of_the_other(dual: Dual, tmp_path: Path, carried: int) -> None:
    point = {"source": SOURCE[carried], "resolvers": [f"udp://{host(RESOLVER[carried])}"], "anchors": []}
    rows = once(write_config(dual, tmp_path, point=point, domain={"origin": {"address": ORIGIN[carried]}}))
    assert set(rows) == {carried}
    assert verdict(rows[carried]) == OK, rows[carried]["summary"]
    its_own(rows[carried], carried)
    assert sources(rows[carried], "edge", "origin") == {SOURCE[carried]}


def test_a_version_that_nobody_carries_is_told_beforehand(dual: Dual, tmp_path: Path) -> None:
    config = write_config(dual, tmp_path, point={"source": SOURCE[4]})
    done = cdn_probe("check-config", "-c", str(config))
    assert done.exit_code == 1
    assert f"http://{DOMAIN}/app.js: ip 6 is asked for, and none of its vantage points carries it" in (
        done.stdout + done.stderr
    )
    assert cdn_probe("check-config", "-c", str(write_config(dual, tmp_path))).exit_code == 0


# --- everything else over IPv6 ------------------------------------------------------------------------


@pytest.mark.parametrize("resolver", ["udp://[::1]:53", "tcp://[::1]", f"udp://[{RESOLVER[6]}]"])
def test_resolvers_over_ipv6(dual: Dual, tmp_path: Path, resolver: str) -> None:
    """The line's source is not one that reaches ::1 and is bound to all the same: in one namespace all is local."""
    rows = once(write_config(dual, tmp_path, point={"resolvers": [resolver]}))
    for version, row in rows.items():
        assert verdict(row) == OK, row["summary"]
        its_own(row, version)
        spec = resolver if resolver.endswith(":53") else f"{resolver}:53"
        assert row["resolution"]["resolver"] == spec


def test_redirects_stay_with_their_version(dual: Dual, tmp_path: Path) -> None:
    checks = {"redirect": {"status": 301, "location": "http://www.acme.example/app.js"}}
    objects = [{"path": "/old", "redirects": {"follow": 2}, "checks": checks}]
    rows = once(write_config(dual, tmp_path, objects=objects))
    for version, row in rows.items():
        assert verdict(row) == OK, row["summary"]
        hops = edges(row, "redirect")
        followed = {hop["address"] for hop in hops}
        followed.discard(ORIGIN[version])  # its own chain is followed once for both rows
        assert followed == set(NODES[version])
        assert sources(row, "redirect") == {SOURCE[version]}
        assert {hop["response"]["status_code"] for hop in hops} == {200}


def test_a_redirect_to_an_ipv6_literal(dual: Dual, tmp_path: Path) -> None:
    objects = [
        {
            "path": "/elsewhere",
            "redirects": {"follow": 2, "hosts": ["fd93::2"]},
            "checks": {"availability": {}},
        }
    ]
    rows = once(write_config(dual, tmp_path, objects=objects, domain={"ip": [6]}))
    assert verdict(rows[6]) == OK, rows[6]["summary"]
    hops = edges(rows[6], "redirect")
    assert {(hop["address"], hop["url"]) for hop in hops} == {("fd93::2", "http://[fd93::2]/app.js")}


@pytest.mark.parametrize(
    "address", [ORIGIN[6], ORIGIN[4], "origin.acme.example", "origin4.acme.example", "origin6.acme.example"]
)
def test_the_origin_by_literal_and_by_name(dual: Dual, tmp_path: Path, address: str) -> None:
    """One that has a single version serves as reference for both rows: it is not what is measured."""
    rows = once(write_config(dual, tmp_path, domain={"origin": {"address": address, "interval": "100ms"}}))
    for row in rows.values():
        assert verdict(row) == OK, row["summary"]
        assert row["findings"] == [], row["findings"]
        assert {o["comparison"]["relation"] for o in edges(row)} == {"equal"}
        asked = edges(row, "origin")
        assert {o["address"] for o in asked} <= set(ORIGIN.values())


def test_https_over_ipv6(dual: Dual, tmp_path: Path) -> None:
    """The origin too, by its literal: an address is verified as such, and sends no SNI."""
    tls = {"scheme": "https", "tls": {"ca": str(dual.ca)}, "ip": [6]}
    origin = {"address": NODES[6][1], "host": NODES[6][1]}
    rows = once(write_config(dual, tmp_path, domain={**tls, "edges": "one", "origin": origin}))
    assert verdict(rows[6]) == OK, rows[6]["summary"]
    asked = edges(rows[6], "edge", "origin")
    assert {o["url"] for o in asked} == {f"https://{DOMAIN}/app.js", f"https://[{NODES[6][1]}]/app.js"}
    assert all(o["tls"] is not None and o["failure"] is None for o in asked)


# --- whose line is it ---------------------------------------------------------------------------------


def nodes_of(version: int) -> list[str]:
    return [f"{'ip6' if version == 6 else 'ip'} daddr {node}" for node in NODES[version]]


def line_of(version: int) -> str:
    return "meta nfproto ipv6" if version == 6 else "meta nfproto ipv4"


@pytest.mark.parametrize("version", [4, 6])
def test_silent_nodes_of_one_version_beside_anchors_that_answer(
    dual: Dual, tmp_path: Path, version: int
) -> None:
    config = write_config(dual, tmp_path)
    with dual.silent(*nodes_of(version)):
        rows = once(config)
    assert verdict(rows[10 - version]) == OK, rows[10 - version]["summary"]
    assert verdict(rows[version]) == ("failed", "cdn", "tcp.timed_out"), rows[version]["summary"]


@pytest.mark.parametrize("version", [4, 6])
def test_a_line_that_is_cut_for_one_version_accuses_nobody(dual: Dual, tmp_path: Path, version: int) -> None:
    """The other version's anchors answer meanwhile, and prove nothing of this one."""
    point = {"resolvers": [f"udp://{host(RESOLVER[10 - version])}"]}
    config = write_config(dual, tmp_path, point=point, domain={"origin": {"address": ORIGIN[10 - version]}})
    with dual.silent(line_of(version)):
        rows = once(config)
    assert verdict(rows[10 - version]) == OK, rows[10 - version]["summary"]
    assert verdict(rows[version]) == ("inconclusive", "vantage", "vantage.offline"), rows[version]["summary"]


@pytest.mark.parametrize("anchors", [ANCHORS[4], []])
def test_a_cut_line_of_a_version_without_anchors_accuses_nobody(
    dual: Dual, tmp_path: Path, anchors: list[str]
) -> None:
    """The origin and the anchors that answer do so over IPv4: of IPv6 nobody was seen to react."""
    config = write_config(dual, tmp_path, point={"anchors": anchors})
    with dual.silent(line_of(6)):
        rows = once(config)
    assert verdict(rows[4]) == OK, rows[4]["summary"]
    assert verdict(rows[6]) == ("inconclusive", "unknown", "vantage.no_witness"), rows[6]["summary"]


def test_anchors_whose_names_have_no_ipv6_hide_no_failure_over_ipv6(dual: Dual, tmp_path: Path) -> None:
    """They cannot be asked over IPv6: that says nothing of the line, and the nodes' refusals say enough."""
    point = {"anchors": ["http://anchor4.acme.example/ok", "tcp://anchor4.acme.example:80"]}
    config = write_config(dual, tmp_path, point=point)
    with dual.stopped(6):
        rows = once(config)
    assert verdict(rows[4]) == OK, rows[4]["summary"]
    assert verdict(rows[6]) == ("failed", "cdn", "tcp.refused"), rows[6]["summary"]


def test_anchors_by_name_are_asked_over_the_rows_own_version(dual: Dual, tmp_path: Path) -> None:
    config = write_config(dual, tmp_path, point={"anchors": ["http://anchor.acme.example/ok"]})
    for version in (4, 6):
        with dual.stopped(version):
            rows = once(config)
        assert verdict(rows[version]) == ("failed", "cdn", "tcp.refused"), rows[version]["summary"]
        assert [o["address"] for o in edges(rows[version], "anchor")] == [ANCHOR[version][0]]
        assert sources(rows[version], "anchor") == {SOURCE[version]}


@pytest.mark.parametrize("version", [4, 6])
def test_a_source_of_one_version_that_is_gone(dual: Dual, tmp_path: Path, version: int) -> None:
    point = {"resolvers": [f"udp://{host(RESOLVER[10 - version])}"]}
    config = write_config(dual, tmp_path, point=point, domain={"origin": {"address": ORIGIN[10 - version]}})
    address = f"{SOURCE[version]}/{32 if version == 4 else 128}"
    ip("address", "del", address, "dev", "lo", ns=dual.ns)
    try:
        rows = once(config)
    finally:
        assign(dual.ns, "lo", address)
    assert verdict(rows[10 - version]) == OK, rows[10 - version]["summary"]
    assert verdict(rows[version])[:2] == ("inconclusive", "vantage"), rows[version]["summary"]
    assert {o["failure"]["type"] for o in edges(rows[version])} == {"vantage.source_unavailable"}
