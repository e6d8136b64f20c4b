"""The small Internet with its servers, all well: what every scenario begins and ends with."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from tests.system.netns import need_root
from tests.system.programs import need
from tests.truth.edges import WELL, Server
from tests.truth.internet import ANCHORS, EDGES, ORIGIN, PORTAL, STRANGER, Internet, internet
from tests.truth.names import resolving

PROGRAMS = (
    *("nginx", "varnishd", "haproxy", "nsd", "gdnsd", "unbound", "dig", "curl"),
    *("nft", "ip", "nsenter", "sysctl", "prlimit", "faketime"),
)
NAMES = tuple(f"{name}.acme.example" for name in ("www", "secure", "single", "lonely"))
_KEEP = "add_header Cache-Control max-age=60;"
_ORIGIN = f"""
  root {{root}}; {_KEEP}
  location /s/ {{{{ rewrite ^/s/[^/]+/(.*)$ /$1 last; }}}}
  location ~ /live.txt$ {{{{ add_header Cache-Control no-store; rewrite ^ /small.txt break; }}}}
  location = /old {{{{ return 301 http://$host/new; }}}}
"""
_ANCHOR = "location / { return 200 ok; }"
_PORTAL = "location / { return 302 http://portal.hotel.test/login; }"
_STRANGER = "location / { root %s; try_files /parked.html =404; }"


@dataclass(frozen=True, slots=True)
class Lab:
    """The running lab. `edges` by program; `authority` signs certificates that the agent trusts."""

    net: Internet
    directory: Path
    root: Path
    edges: dict[str, Server]
    origin: Server
    anchors: dict[str, Server]
    portal: Server
    stranger: Server
    authority: trustme.CA
    foreigner: trustme.CA
    made: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)

    @property
    def ca_file(self) -> Path:
        """The authority's certificate, PEM."""
        return self.directory / "ca.pem"

    def certificate(self, kind: str) -> tuple[bytes, bytes]:
        """Chain and key: `well`, or what is wrong with it. Made once."""
        if kind not in self.made:
            self.made[kind] = _pem(self._issued(kind))
        return self.made[kind]

    def _issued(self, kind: str) -> trustme.LeafCert:
        now = datetime.datetime.now(datetime.UTC)
        names = ("shop.other.example",) if kind == "other_name" else NAMES
        issuer = self.foreigner if kind == "unknown_authority" else self.authority
        begins, ends = now - datetime.timedelta(days=30), now + datetime.timedelta(days=60)
        if kind == "expired":
            begins, ends = now - datetime.timedelta(days=90), now - datetime.timedelta(days=2)
        if kind == "not_yet":
            begins, ends = now + datetime.timedelta(days=20), now + datetime.timedelta(days=90)
        hosts = (ORIGIN, *ANCHORS) if kind == "well" else ()
        return issuer.issue_cert(*names, *hosts, not_before=begins, not_after=ends)


def _pem(leaf: trustme.LeafCert) -> tuple[bytes, bytes]:
    return b"".join(one.bytes() for one in leaf.cert_chain_pems), leaf.private_key_pem.bytes()


@contextmanager
def lab(directory: Path) -> Iterator[Lab]:
    """Everything started; ended whatever happens. Skips the test where a program or root is missing."""
    need(*PROGRAMS)
    need_root()
    directory.mkdir(parents=True, exist_ok=True)
    for parent in (directory, directory.parent):
        parent.chmod(0o755)
    root = _content(directory / "root")
    with ExitStack() as stack:
        net = stack.enter_context(internet(directory))
        made = _servers(net, directory, root)
        made.authority.cert_pem.write_to_path(str(made.ca_file))
        for server in (*made.edges.values(), made.origin, *made.anchors.values(), made.portal, made.stranger):
            stack.callback(server.stop)
            server.start()
        stack.enter_context(resolving(net, directory))
        yield made


def _servers(net: Internet, directory: Path, root: Path) -> Lab:
    authority, foreigner = trustme.CA(), trustme.CA()
    made = Lab(
        net=net,
        directory=directory,
        root=root,
        edges={},
        origin=Server("nginx", directory / "origin", (ORIGIN,), net.inside("org"), _ORIGIN.format(root=root)),
        anchors={},
        portal=Server("nginx", directory / "portal", (PORTAL,), net.inside("net"), _PORTAL),
        stranger=Server("nginx", directory / "stranger", (STRANGER,), net.inside("cdn"), _STRANGER % root),
        authority=authority,
        foreigner=foreigner,
    )
    well = made.certificate("well")
    made.origin.certificate = well
    made.portal.certificate = _pem(foreigner.issue_cert("portal.hotel.test"))
    for program, address in EDGES.items():
        made.edges[program] = Server(
            program, directory / program, (address,), net.inside("cdn"), WELL[program], well
        )
    for address in ANCHORS:
        made.anchors[address] = Server(
            "nginx", directory / f"anchor-{address}", (address,), net.inside("net"), _ANCHOR, well
        )
    return made


def _content(root: Path) -> Path:
    root.mkdir(parents=True)
    other, following = root / "other", root / "next"
    other.mkdir()
    following.mkdir()
    for name, body in (
        ("small.txt", b"hello\n"),
        ("app.js", b"console.log('cdn-probe');\n" * 800),
        ("300k.bin", bytes(range(256)) * 1200),
        ("1m.bin", bytes(range(256)) * 4096),
    ):
        (root / name).write_bytes(body)
        (other / name).write_bytes(bytes(reversed(body)))  # as large, and another's
        for file in (root / name, other / name):
            os.utime(file, (1_790_000_000, 1_790_000_000))
        (following / name).write_bytes(body + b"the next version\n")
        os.utime(following / name, (1_790_100_000, 1_790_100_000))
    (root / "parked.html").write_text("<title>This domain is parked</title>\n")
    return root
