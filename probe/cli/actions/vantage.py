"""What `vantage list` and `vantage check` do: the vantage points as configured, and as they are now, asked live."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from probe.checks import CHECKS
from probe.cli.render.json_lines import print_json
from probe.cli.render.terminal import console
from probe.cli.render.vantage import point_look, points_table
from probe.core.config.load import Config
from probe.core.config.plan import Plan, make_plan
from probe.core.model.task import VantagePoint
from probe.core.records.codec import encode_any
from probe.core.vantage.report import PointLook
from probe.fetch.fetcher import HttpFetcher
from probe.host.clock import SystemClock
from probe.net.event_loop import run
from probe.net.netns import close_namespaces
from probe.resolver.lookups import Lookups
from probe.resolver.resolver import Resolver
from probe.settings.config_files import load_config
from probe.settings.secrets import reveal
from probe.watch.vantage_check import VantageCheck

AT_ONCE = 4  # more would wait for each other in one loop and show that as the network


def list_(config_file: Path, as_json: bool) -> None:
    """Each vantage point with its line, resolvers, anchors and number of tasks. Nothing is asked."""
    config = load_config(config_file, CHECKS)
    plan = make_plan(config)
    points = [(point, _versions(point, plan), _tasks(point, plan)) for point in points_of(config)]
    if not as_json:
        console().print(points_table(points))
        return
    for point, versions, tasks in points:
        made = {**msgspec.to_builtins(point), "ip_versions": list(versions), "tasks": tasks}
        print_json(encode_any(made))


def check(config_file: Path, name: str | None, as_json: bool) -> None:
    """Ask each vantage point's resolvers and anchors now, from its own line. Exit code 1 if one is not well."""
    config = load_config(config_file, CHECKS)
    points = points_of(config) if name is None else (point_named(config, name),)
    for point in points:
        if point.proxy is not None and point.proxy.password is not None:
            reveal(point.proxy.password)
    looks = run(_look(config, points))
    if as_json:
        for look in looks:
            print_json(encode_any(look))
    else:
        _print(looks)
    if not all(look.well for look in looks):
        raise click.exceptions.Exit(1)


def points_of(config: Config) -> tuple[VantagePoint, ...]:
    """The configured vantage points, in the order of the file."""
    return tuple(point.vantage_point() for point in config.agent.vantage_points)


def point_named(config: Config, name: str) -> VantagePoint:
    """The vantage point of that name. Raises ClickException with the names that there are."""
    points = points_of(config)
    for point in points:
        if point.name == name:
            return point
    known = ", ".join(point.name for point in points)
    raise click.ClickException(f"no vantage point is named {name!r}; configured: {known}")


def _print(looks: Sequence[PointLook]) -> None:
    out = console()
    for look in looks:
        out.print(point_look(look))
    well = sum(look.well for look in looks)
    click.echo(f"{well} of {len(looks)} vantage points well")


async def _look(config: Config, points: Sequence[VantagePoint]) -> list[PointLook]:
    """At most AT_ONCE at a time; in the order given."""
    clock = SystemClock()
    allow = tuple(str(prefix) for prefix in config.agent.allow_addresses)
    fetcher = HttpFetcher(clock, reveal, allow)
    looks = VantageCheck(clock, fetcher, Lookups(Resolver(clock, allow)).address_from)
    plan, admitted = make_plan(config), asyncio.Semaphore(AT_ONCE)
    columns = TextColumn("asking"), BarColumn(), MofNCompleteColumn()
    try:
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("vantage points", total=len(points))

            async def one(point: VantagePoint) -> PointLook:
                async with admitted:
                    look = await looks.look(point, _versions(point, plan), _asked_for(point, plan))
                progress.advance(bar)
                return look

            return list(await asyncio.gather(*map(one, points)))
    finally:
        await fetcher.close()
        close_namespaces()


def _versions(point: VantagePoint, plan: Plan) -> tuple[int, ...]:
    """The IP versions that are measured there; without tasks those that its line carries."""
    measured = {task.ip_version for task in plan.tasks if task.vantage_point.name == point.name}
    return tuple(sorted(measured)) or point.ip_versions or (4,)


def _tasks(point: VantagePoint, plan: Plan) -> int:
    return sum(task.vantage_point.name == point.name for task in plan.tasks)


def _asked_for(point: VantagePoint, plan: Plan) -> str:
    """A domain that its slots look up; without any the root's servers."""
    domains = (task.domain for task in plan.tasks if task.vantage_point.name == point.name)
    return next((domain for domain in domains if not _is_literal(domain)), ".")


def _is_literal(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
