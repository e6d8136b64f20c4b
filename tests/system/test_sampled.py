"""A large object by ranges: little is moved, wrong bytes are found, and the servers' logs say the same as the rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme
import yaml

from tests.system.agent import cdn_probe, json_lines
from tests.system.programs import Nginx, nginx, nsd

GIGABYTE = 1 << 30
DOMAIN, CANONICAL = "www.acme.example", "www.acme.example.cdn.test"
EDGE, ORIGIN = "127.0.6.1", "127.0.6.9"
Pair = tuple[Nginx, Nginx, int]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    directory = tmp_path_factory.mktemp("sampled")
    for parent in (directory, directory.parent, directory.parent.parent):
        parent.chmod(0o755)
    leaf = trustme.CA().issue_cert(DOMAIN)
    cert = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    key = leaf.private_key_pem.bytes()
    for side in ("edge", "origin"):
        (directory / side).mkdir()
        for name in ("right.bin", "wrong.bin"):
            with (directory / side / name).open("wb") as out:
                out.truncate(GIGABYTE)  # sparse: zeros
                if side == "edge" and name == "wrong.bin":
                    for offset in range(0, GIGABYTE, 64 * 1024):
                        out.seek(offset)
                        out.write(b"\x01")
            os.utime(directory / side / name, (1_790_000_000, 1_790_000_000))
    zones = {"acme.example": f"www 120 CNAME {CANONICAL}.\n", "cdn.test": f"{CANONICAL}. 30 A {EDGE}\n"}
    with ExitStack() as stack:
        yield (
            stack.enter_context(nginx(directory / "n1", directory / "edge", (EDGE,), cert, key)),
            stack.enter_context(nginx(directory / "n2", directory / "origin", (ORIGIN,), cert, key)),
            stack.enter_context(nsd(directory / "nsd", zones)),
        )


def configure(directory: Path, servers: Pair, path: str) -> Path:
    edge, origin, dns_port = servers
    (directory / "customers").mkdir()
    agent = {
        "agent": "sampling",
        "results": "results",
        "customers": "customers/",
        "vantage_points": [{"name": "here", "resolvers": [f"udp://127.0.0.1:{dns_port}"]}],
        "allow_addresses": ["127.0.0.0/8"],
    }
    customer = {
        "customer": "acme",
        "domains": [
            {
                "domain": DOMAIN,
                "scheme": "http",
                "port": edge.port,
                "cdn": {"suffixes": ["cdn.test"]},
                "origin": {"address": ORIGIN, "port": origin.port},
                "objects": [{"path": path, "checks": {"availability": {}, "integrity": {"mode": "sampled"}}}],
            }
        ],
    }
    (directory / "agent.yaml").write_text(yaml.safe_dump(agent, sort_keys=False))
    (directory / "customers" / "acme.yaml").write_text(yaml.safe_dump(customer, sort_keys=False))
    return directory / "agent.yaml"


def moved_bytes(lines: list[str]) -> int:
    """Body bytes of the log's requests: `$body_bytes_sent`."""
    return sum(int(line.split()[5]) for line in lines)


def test_a_gigabyte_is_checked_with_less_than_five_megabytes(servers: Pair, tmp_path: Path) -> None:
    edge, origin, _ = servers
    before = len(edge.requests()), len(origin.requests())
    done = cdn_probe("once", "-c", str(configure(tmp_path, servers, "/right.bin")), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = json_lines(done.stdout)
    ranges = [o for o in row["observations"] if o["role"] in ("check", "control")]
    assert [o["role"] for o in ranges] == ["check", "control"] * 4
    assert {o["response"]["status_code"] for o in ranges} == {206}
    assert len({o["ask"] for o in ranges}) == 4
    assert [o["method"] for o in row["observations"] if o["role"] == "edge"] == ["HEAD"]
    moved = moved_bytes(edge.requests()[before[0] :]) + moved_bytes(origin.requests()[before[1] :])
    assert moved == sum(o["response"]["encoded_body_bytes"] for o in ranges) < 5_000_000


def test_wrong_bytes_all_over_are_found_and_seen_again(servers: Pair, tmp_path: Path) -> None:
    edge, origin, _ = servers
    before = len(edge.requests()), len(origin.requests())
    done = cdn_probe("once", "-c", str(configure(tmp_path, servers, "/wrong.bin")), "--json")
    assert done.returncode == 1
    (row,) = json_lines(done.stdout)
    assert (row["outcome"], row["fault"], row["reason"]) == ("failed", "cdn", "content.mismatch")
    assert row["confirmed"] is True
    again = [o for o in row["observations"] if o["role"] == "confirm"]
    assert {o["ask"] for o in again} == {
        row["observations"][f["observation"]]["ask"]
        for f in row["findings"]
        if f["reason"] == "content.mismatch"
    }
    moved = moved_bytes(edge.requests()[before[0] :]) + moved_bytes(origin.requests()[before[1] :])
    assert moved < 5_000_000, "also when everything is asked again"
