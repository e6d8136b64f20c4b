"""What `nodes` does: the inventory of a domain's nodes: which, since when, given to whom, and whether still in use."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import click

from probe.checks import CHECKS
from probe.cli.render.json_lines import print_json
from probe.cli.render.nodes import nodes_table
from probe.cli.render.terminal import console
from probe.core.config.load import Config
from probe.core.config.node_labels import ListedNode, listed
from probe.core.nodes.values import gather
from probe.core.records.codec import encode_any
from probe.host.clock import SystemClock
from probe.settings.config_files import load_config
from probe.store.read.reader import Reader


def nodes(domain: str, config_file: Path, as_json: bool, also_gone: bool) -> None:
    """The nodes known of DOMAIN; works beside a running agent and without one."""
    config = load_config(config_file, CHECKS)
    wanted = domain.lower().removesuffix(".")
    with Reader.open(Path(config.agent.results)) as reader:
        kept = gather(reader.nodes(wanted))
        if not kept:
            _nothing_known(wanted, config, reader.node_domains())
    found = listed(kept, config.customers, SystemClock().time_ns() / 1e9)
    shown = [node for node in found if also_gone or node.swept]
    if as_json:
        for node in shown:
            print_json(encode_any(node))
    else:
        _print(wanted, found, shown)


def _print(domain: str, found: list[ListedNode], shown: list[ListedNode]) -> None:
    if shown:
        console().print(nodes_table(shown))
    swept = sum(node.swept for node in found)
    rest = len(found) - len(shown)
    more = f"; {rest} more no longer in use or on trial: --all" if rest else ""
    click.echo(f"{domain}: {swept} node{'s' * (swept != 1)} in use{more}")


def _nothing_known(domain: str, config: Config, kept: list[str]) -> NoReturn:
    """In words, with the domains that there are; exit code 1."""
    measured = {item.domain for customer in config.customers for item in customer.objects}
    click.echo(
        f"cdn-probe: no nodes of {domain} are known yet; it is measured, and its look-ups led to none"
        if domain in measured
        else f"cdn-probe: no nodes of {domain} are known, and it is not measured",
        err=True,
    )
    names = ", ".join(kept) or "none"
    click.echo(f"nodes are known of: {names}", err=True)
    raise click.exceptions.Exit(1)
