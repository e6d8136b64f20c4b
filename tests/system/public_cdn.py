"""A CDN of programs that no one here wrote, for a booted machine: names, caching edges, an origin.

Two namespaces beside the machine's own network: `net` with the resolver (unbound), the authoritative server (nsd), the
edges and the origin (nginx); `evaluator`, from where results can be pulled. Each program is a unit of the machine's
systemd, so that one edge can be stopped alone. A second machine can be joined to it by a line of its own. The addresses
are those of documentation and of benchmarks (RFC 5737, RFC 2544); nothing leaves.
"""

from __future__ import annotations

import subprocess

import trustme

from tests.system.booted import Machine
from tests.system.programs import need

DOMAIN = "www.acme.example"
CANONICAL = "www.acme.example.cdn.example.net"
ORIGIN = "198.51.100.10"
EDGES = {"edge1": "198.51.100.1", "edge2": "198.51.100.2"}
HERE = "192.0.2.1"
LINE = ("198.18.0.1", "198.18.0.2")  # the ends of the line to a second machine
AUTHORITY = "/usr/local/share/ca-certificates/machine.crt"
BODY = "console.log('acme');\n" * 400

NETWORK = """
set -e
ip netns add net; ip netns add evaluator
ip link add up0 type veth peer name down0 netns net
ip address add 203.0.113.2/24 dev up0; ip link set up0 up; ip route add 198.51.100.0/24 via 203.0.113.1
ip -n net address add 203.0.113.1/24 dev down0; ip -n net address add 203.0.113.53/24 dev down0
ip -n net link set down0 up; ip -n net link set lo up
for a in 1 2 10; do ip -n net address add 198.51.100.$a/32 dev lo; done
ip link add to-evaluator type veth peer name eth0 netns evaluator
ip address add 192.0.2.1/24 dev to-evaluator; ip link set to-evaluator up
ip -n evaluator address add 192.0.2.2/24 dev eth0; ip -n evaluator link set eth0 up; ip -n evaluator link set lo up
mkdir -p /srv/www /srv/zones && chmod -R a+rX /srv
update-ca-certificates >/dev/null 2>&1
"""
NGINX = """
daemon off; worker_processes 1; pid /run/{name}.pid; error_log /run/{name}.error warn; user root;
events {{ worker_connections 256; }}
http {{
  access_log off; keepalive_timeout 0; types {{ application/javascript js; }}
  client_body_temp_path /run/{name}.1; proxy_temp_path /run/{name}.2; fastcgi_temp_path /run/{name}.3;
  uwsgi_temp_path /run/{name}.4; scgi_temp_path /run/{name}.5;
  proxy_cache_path /run/{name}.cache keys_zone=c:1m;
  server {{
    listen {address}:443 ssl; server_name {domain};
    ssl_certificate /srv/cert.pem; ssl_certificate_key /srv/key.pem;
    location / {{ {serve} }}
  }}
}}
"""
CACHES = (
    "proxy_pass https://198.51.100.10; proxy_set_header Host $host; proxy_ssl_server_name on; proxy_cache c; "
    "proxy_cache_valid 200 10m; add_header X-Cache $upstream_cache_status;"
)
NSD = """
server:
  ip-address: 198.51.100.10@53
  username: ""
  zonesdir: "/srv/zones"
  database: ""
  pidfile: "/run/nsd-cdn.pid"
  xfrdfile: "/run/xfrd-cdn.state"
  xfrdir: "/run"
  server-count: 1
remote-control:
  control-enable: no
"""
UNBOUND = """
server:
  interface: 203.0.113.53
  access-control: 0.0.0.0/0 allow
  username: ""
  chroot: ""
  directory: "/srv"
  pidfile: ""
  use-syslog: no
  module-config: "iterator"
  num-threads: 1
remote-control:
  control-enable: no
"""
ZONES = {
    ".": "@ NS ns.acme.example.\n",
    "acme.example": f"@ NS ns\nns A {ORIGIN}\nwww 60 CNAME {CANONICAL}.\n",
    "cdn.example.net": "@ NS ns.acme.example.\n"
    + "".join(f"www.acme.example 20 A {address}\n" for address in EDGES.values()),
}


def start(machine: Machine) -> None:
    """Everything answers when it returns, by the resolver and the authorities of the machine's own settings."""
    need("nginx", "nsd", "unbound", "ip")
    authority = trustme.CA(organization_name="The machine's authority")
    leaf = authority.issue_cert(DOMAIN, HERE)
    machine.write(AUTHORITY, authority.cert_pem.bytes().decode())
    machine.write("/srv/cert.pem", "".join(pem.bytes().decode() for pem in leaf.cert_chain_pems))
    machine.write("/srv/key.pem", leaf.private_key_pem.bytes().decode(), 0o600)
    machine.run("sh", "-c", NETWORK)
    machine.write("/srv/www/app.js", BODY)
    zones = "".join(f'zone:\n  name: "{zone}"\n  zonefile: "{zone.strip(".") or "root"}"\n' for zone in ZONES)
    for zone, records in ZONES.items():
        head = f"$ORIGIN {zone.strip('.')}.\n$TTL 300\n@ SOA ns.acme.example. host.acme.example. 1 3600 600 86400 60\n"
        machine.write(f"/srv/zones/{zone.strip('.') or 'root'}", head + records)
    machine.write("/srv/nsd.conf", NSD + zones)
    stubs = "".join(f'stub-zone:\n  name: "{zone}"\n  stub-addr: {ORIGIN}\n' for zone in ZONES)
    machine.write("/srv/unbound.conf", UNBOUND + stubs)
    _nginx(machine, "origin", ORIGIN, "root /srv/www;")
    for name, address in EDGES.items():
        _nginx(machine, name, address, CACHES)
    _unit(machine, "names", "nsd", "-d", "-c", "/srv/nsd.conf")
    _unit(machine, "resolver", "unbound", "-d", "-c", "/srv/unbound.conf")
    machine.write("/etc/resolv.conf", "nameserver 203.0.113.53\n")
    fetch = ("curl", "-sf", "-o", "/dev/null", f"https://{DOMAIN}/app.js")
    machine.run("sh", "-c", f"for i in $(seq 100); do {' '.join(fetch)} && exit 0; sleep 0.1; done; exit 1")


def join(machine: Machine, other: Machine) -> None:
    """A line between the two, over which `other` reaches HERE; it trusts whom the machine trusts."""
    # From outside both, where each one's first process has a number that the kernel can tell.
    line = ("ip", "link", "add", "line", "type", "veth", "peer", "name", "line", "netns", str(other.leader))
    subprocess.run(["nsenter", "-t", str(machine.leader), "-n", *line], check=True, timeout=60)
    for one, address in zip((machine, other), LINE, strict=True):
        one.run("ip", "address", "add", f"{address}/30", "dev", "line")
        one.run("ip", "link", "set", "line", "up")
    other.run("ip", "route", "add", f"{HERE}/32", "via", LINE[0])
    other.write(AUTHORITY, (machine.root / AUTHORITY.lstrip("/")).read_text())
    other.run("update-ca-certificates")


def _nginx(machine: Machine, name: str, address: str, serve: str) -> None:
    text = NGINX.format(name=name, address=address, domain=DOMAIN, serve=serve)
    machine.write(f"/srv/{name}.conf", text)
    _unit(machine, name, "nginx", "-c", f"/srv/{name}.conf")


def _unit(machine: Machine, name: str, *command: str) -> None:
    """It can be stopped and started again by its name."""
    lines = f"[Service]\nNetworkNamespacePath=/run/netns/net\nExecStart=/usr/sbin/{' '.join(command)}\n"
    machine.write(f"/run/systemd/system/{name}.service", lines)
    machine.run("systemctl", "start", name)
