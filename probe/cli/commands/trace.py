"""`trace URL`: everything that one look at an accelerated URL can show, from here or from a vantage point."""

from __future__ import annotations

from typing import Any

import click

from probe.cli.loading import loading
from probe.cli.options import config_option, json_option
from probe.core.model.protocols import PROTOCOLS


@click.command()
@click.argument("url")
@click.option("--origin", metavar="ADDRESS", help="Compare with this origin: ADDRESS, ADDRESS:PORT or a URL.")
@click.option("--vantage", default=None, help="From this configured vantage point; see --config.")
@config_option
@click.option(
    "--resolver",
    "resolvers",
    multiple=True,
    help="udp://192.0.2.53, tcp://..., tls://... or https://...; default: the system's.",
)
@click.option(
    "--source", "sources", multiple=True, help="Source address to look from; one of each IP version."
)
@click.option("--interface", default=None, help="Network interface to look from.")
@click.option(
    "--netns", default=None, help="Network namespace to look from: a name below /run/netns, or a path."
)
@click.option("--mark", default=None, help="Firewall mark of every packet, such as 7 or 0x7.")
@click.option("--proxy", default=None, help="socks5://host:port, or http://host:port for CONNECT.")
@click.option("--client-subnet", default=None, help="EDNS client subnet to send, such as 203.0.113.0/24.")
@click.option(
    "--ip",
    "ip_version",
    type=click.Choice(["4", "6"]),
    default=None,
    help="Default: what the line carries, 4 first.",
)
@click.option(
    "--protocol",
    type=click.Choice(PROTOCOLS),
    default="h1",
    show_default=True,
    help="HTTP version; auto: h2 or h1, as the server chooses.",
)
@click.option("--ca", default=None, help="PEM file of authorities to trust in place of the system's.")
@click.option("--insecure", is_flag=True, help="Do not verify certificates.")
@click.option("--timeout", default="10s", show_default=True)
@json_option("The record as JSON.")
def trace(**typed: Any) -> None:
    """Resolve URL through its CNAME chain, fetch it from every address, show phases, certificate and cache."""
    with loading():
        from probe.cli.actions import trace as action
    action.trace(**typed)
