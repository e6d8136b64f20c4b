"""The agent as its user starts it: configuration on disk, the command, its process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.support.with_parent import WITH_PARENT
from tests.system.conftest import DOMAIN, ORIGIN, SmallCdn

COMMAND = [*WITH_PARENT, sys.executable, "-m", "probe"]


def write_config(
    directory: Path,
    cdn: SmallCdn,
    *,
    scheme: str,
    paths: Sequence[str],
    interval: str = "60s",
    vantage_points: int = 1,
) -> Path:
    """agent.yaml and customers/acme.yaml for the small CDN; gives the path of agent.yaml."""
    (directory / "customers").mkdir(parents=True, exist_ok=True)
    points = [
        {
            "name": f"vp{i}",
            "source": f"127.0.5.{i + 1}",
            "resolvers": [f"udp://127.0.0.1:{cdn.dns_port}"],
            "anchors": [f"tcp://{ORIGIN}:{cdn.origin.port}"],
        }
        for i in range(vantage_points)
    ]
    agent = {
        "agent": "system-test",
        "results": "results",
        "customers": "customers/",
        "vantage_points": points,
        "allow_addresses": ["127.0.0.0/8"],
    }
    tls = {"ca": f"file:{cdn.ca_file}"} if scheme == "https" else {}
    domain = {
        "domain": DOMAIN,
        "scheme": scheme,
        "port": cdn.edges.tls_port if scheme == "https" else cdn.edges.port,
        "tls": tls,
        "cdn": {"suffixes": ["cdn.test"]},
        "origin": {"address": ORIGIN, "scheme": "http", "port": cdn.origin.port, "interval": "60s"},
        "objects": [{"path": path} for path in paths],
    }
    customer = {"customer": "acme", "defaults": {"interval": interval, "timeout": "10s"}, "domains": [domain]}
    (directory / "customers" / "acme.yaml").write_text(yaml.safe_dump(customer, sort_keys=False))
    (directory / "agent.yaml").write_text(yaml.safe_dump(agent, sort_keys=False))
    return directory / "agent.yaml"


def cdn_probe(*arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=timeout_s, check=False
    )


def json_lines(text: str) -> list[dict[str, Any]]:
    """One object a line."""
    return [json.loads(line) for line in text.splitlines() if line.strip()]
