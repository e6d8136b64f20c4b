"""Rule: a vantage point without resolvers of its own uses the host's, as the host's own programs would.

Only `nameserver` lines are read (resolv.conf(5)); search lists have no meaning for complete names.
"""

from __future__ import annotations

from pathlib import Path

from probe.core.model.task import ResolverSpec, VantagePoint
from probe.net.netns import NAMED, namespace_path
from probe.resolver.bootstrap import is_address

SYSTEM = Path("/etc/resolv.conf")
OF_NAMESPACES = Path("/etc/netns")
_MOST = 3  # MAXNS of resolv.conf(5)


def resolv_conf_of(vantage: VantagePoint, system: Path = SYSTEM, namespaces: Path = OF_NAMESPACES) -> Path:
    """The file that names the resolvers of a vantage point's line: a namespace has its own, as ip-netns(8) does it.

    One that is given by its path below /run/netns has the name too; any other path has none.
    """
    if vantage.netns is None:
        return system
    file = namespace_path(vantage.netns)
    own = namespaces / file.name / "resolv.conf"
    return own if file.parent == NAMED and own.is_file() else system


def system_resolvers(path: Path = SYSTEM) -> tuple[ResolverSpec, ...]:
    """The host's resolvers in order; without any, or without the file, the one on this host."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = [
        words[1] for words in map(str.split, text.splitlines()) if words[:1] == ["nameserver"] and words[1:]
    ]
    literals = list(dict.fromkeys(filter(is_address, found)))[:_MOST]
    return tuple(
        ResolverSpec(transport="udp", address=address, port=53) for address in literals or ["127.0.0.1"]
    )
