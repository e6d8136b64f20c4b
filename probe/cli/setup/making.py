"""What `init` does: ask for what was not typed, look at the domain once, write two files that pass `check-config`."""

from __future__ import annotations

import os
import re
import shlex
import socket
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from probe.checks import CHECKS
from probe.cli.actions.trace import literal_version, origin_of, request_of, task_of, with_line
from probe.cli.render.slots import evidence
from probe.cli.render.terminal import console
from probe.cli.setup.first_files import (
    FirstAgent,
    FirstCustomer,
    agent_text,
    customer_text,
    proposed_suffixes,
)
from probe.core.config.load import AgentConfig, parse_agent, parse_customer
from probe.core.model.addresses import refusal
from probe.core.model.task import OriginSpec, Request, TlsPolicy, VantagePoint
from probe.core.records.rows import SlotRecord
from probe.core.syntax.values import OWN_NAME
from probe.measure.oneshot import measure_alone
from probe.net.event_loop import run
from probe.settings.agent_file import SYSTEM_FILE, read_agent_text, usual_file

SYSTEM_RESULTS = "/var/lib/cdn-probe"
SCHEMAS = Path("/usr/share/cdn-probe/schema")
LOOK_US = 10_000_000
EXAMPLE_NAME = "my-mon-01"  # of the agent.yaml that is shipped
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What was typed or answered."""

    customer: str
    request: Request
    origin: OriginSpec


def make(
    directory: Path | None,
    *,
    url: str | None,
    origin: str | None,
    customer: str | None,
    ca: str | None,
    ip_version: str,
    look: bool,
    vantage: str | None,
    resolvers: tuple[str, ...],
    allow: tuple[str, ...],
    **host: str | None,
) -> None:
    """`host`: agent, results, region, carrier. Raises ClickException or ConfigError; overwrites nothing."""
    agent_file = usual_file() if directory is None else directory / "agent.yaml"
    _demand_answers(domain=url, origin=origin)
    tls = TlsPolicy(ca=ca)
    wanted = _wanted(customer, url, origin, tls)
    customer_file = agent_file.parent / "customers" / f"{wanted.customer}.yaml"
    if os.path.exists(customer_file):
        raise click.ClickException(f"{customer_file} is there already: edit it, or give another --customer")
    text, settings = _agent(agent_file, vantage or "local", resolvers, allow, host)
    points = tuple(point.name for point in settings.vantage_points)
    if vantage is not None and vantage not in points:
        raise click.ClickException(f"{agent_file} has no vantage point {vantage!r}: {', '.join(points)}")
    version = literal_version(wanted.request.host) or int(ip_version)
    row = _look(wanted, resolvers, version, tls) if look else None
    made = customer_text(_first_customer(wanted, row, version, vantage or points[0], ca))
    parse_customer(made, str(customer_file), kinds=CHECKS, vantage_points=points)
    if text is not None:
        _write(agent_file, text)
    _write(customer_file, made)
    for words in (
        *_refused(row, wanted, settings.allow_addresses),
        *_unread(agent_file, customer_file, settings),
    ):
        click.echo(f"warning: {words}", err=True)
    click.echo(_next_steps(agent_file))


def _agent(
    agent_file: Path,
    vantage: str,
    resolvers: tuple[str, ...],
    allow: tuple[str, ...],
    host: dict[str, str | None],
) -> tuple[str | None, AgentConfig]:
    """The text of agent.yaml that is to be written, None where one is there already; and what it says."""
    if os.path.exists(agent_file):
        click.echo(f"{agent_file} is there already and stays as it is.")
        return None, parse_agent(read_agent_text(agent_file), str(agent_file))
    first = FirstAgent(
        agent=host["agent"] or _host_name(),
        results=host["results"] or _results(agent_file),
        vantage_point=vantage,
        region=host["region"],
        carrier=host["carrier"],
        resolvers=resolvers,
        allow_addresses=allow,
        schema=_schema("agent"),
    )
    text = agent_text(first)
    return text, parse_agent(text, str(agent_file))


def _first_customer(
    wanted: _Wanted, row: SlotRecord | None, version: int, vantage: str, ca: str | None
) -> FirstCustomer:
    request, origin = wanted.request, wanted.origin
    chain = () if row is None or row.resolution is None else row.resolution.cname_chain
    targets = tuple(link.target for link in chain)
    return FirstCustomer(
        customer=wanted.customer,
        domain=request.host,
        scheme=request.scheme,
        port=request.port,
        path=request.path,
        ip_version=version,
        origin_address=origin.address,
        origin_scheme=origin.request.scheme,
        origin_port=origin.request.port,
        vantage_point=vantage,
        targets=targets,
        suffixes=proposed_suffixes(request.host, targets),
        ca=None if ca is None else f"file:{os.path.abspath(ca)}",
        schema=_schema("customer"),
    )


def _demand_answers(**needed: str | None) -> None:
    lacking = [f"--{'domain' if name == 'url' else name}" for name, value in needed.items() if value is None]
    if lacking and not _can_ask():
        raise click.UsageError(f"there is no terminal to ask on: give {' and '.join(lacking)}")


def _can_ask() -> bool:
    return sys.stdin.isatty()


def _wanted(customer: str | None, url: str | None, origin: str | None, tls: TlsPolicy) -> _Wanted:
    request = _answer("Accelerated domain, or a URL of it", url, _public_url)

    def origin_spec(text: str) -> OriginSpec:
        found = origin_of(text, request, tls)
        assert found is not None, "a text was given"
        return found

    spec = _answer("Address of the customer's origin", origin, origin_spec)
    typed = customer
    if typed is None and not _can_ask():
        typed = _customer_name(request.host)
    name = _answer("Name of the customer", typed, _own_name, _customer_name(request.host))
    return _Wanted(name, request, spec)


def _answer(words: str, typed: str | None, read: Callable[[str], T], default: str | None = None) -> T:
    """What was typed, else what is answered; asked again until it can be read."""
    if typed is not None:
        try:
            return read(typed)
        except ValueError as error:
            raise click.ClickException(str(error)) from None

    def process(text: str) -> T:
        try:
            return read(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    answered: T = click.prompt(words, default=default, value_proc=process)
    return answered


def _public_url(text: str) -> Request:
    request = request_of(text.strip())
    if literal_version(request.host) is not None:
        raise ValueError(
            f"{request.host} is an address: give the accelerated domain, such as www.acme.example"
        )
    return request


def _own_name(text: str) -> str:
    if not OWN_NAME.fullmatch(text):
        raise ValueError(f"{text!r} is no name: 1 to 63 characters of a-z, 0-9 and -, such as acme-2")
    return text


def _customer_name(domain: str) -> str:
    labels = domain.lower().split(".")
    return _as_name(labels[-2] if len(labels) > 1 else labels[0], "customer")


def _host_name() -> str:
    return _as_name(socket.gethostname().partition(".")[0].lower(), EXAMPLE_NAME)


def _as_name(text: str, otherwise: str) -> str:
    cleaned = re.sub(r"[^a-z0-9-]+", "-", text).strip("-")[:63]
    return cleaned if OWN_NAME.fullmatch(cleaned) else otherwise


def _results(agent_file: Path) -> str:
    if agent_file.parent == SYSTEM_FILE.parent:
        return SYSTEM_RESULTS
    return "../results" if agent_file.parent.name == "config" else "results"


def _schema(which: str) -> str | None:
    file = SCHEMAS / f"{which}.schema.json"
    return str(file) if file.exists() else None


def _look(wanted: _Wanted, resolvers: tuple[str, ...], version: int, tls: TlsPolicy) -> SlotRecord:
    """One measurement, shown; nothing of it is kept."""
    click.echo(f"Looking at {wanted.request.scheme}://{wanted.request.host}{wanted.request.path} ...")
    try:
        point = with_line(VantagePoint(name="here"), resolvers=resolvers)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    row = run(measure_alone(task_of(wanted.request, point, version, tls, wanted.origin, LOOK_US)))
    console().print(evidence(row))
    return row


def _refused(row: SlotRecord | None, wanted: _Wanted, allowed: Collection[str]) -> Iterator[str]:
    """Addresses that the daemon will not ask unless they are allowed: better said now than found as rows."""
    seen = [] if row is None or row.resolution is None else [a.address for a in row.resolution.addresses]
    if literal_version(wanted.origin.address) is not None:
        seen.append(wanted.origin.address)
    for address in dict.fromkeys(seen):
        reason = refusal(address, allowed)
        if reason is not None:
            yield f"{address} is {reason}: it is refused until allow_addresses in agent.yaml holds it"


def _unread(agent_file: Path, customer_file: Path, settings: AgentConfig) -> Iterator[str]:
    """What an agent.yaml that was there already says otherwise than this command expects."""
    places = [Path(os.path.abspath(place)) for place in settings.customers]
    if customer_file.absolute().parent not in places and customer_file.absolute() not in places:
        yield f"{agent_file} does not read {customer_file}: its customers are in {', '.join(map(str, places))}"
    if settings.agent == EXAMPLE_NAME:
        yield f"{agent_file} still calls this host {EXAMPLE_NAME}: give it its own name before the first start"


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "x", encoding="utf-8") as stream:
            stream.write(text)
            if SYSTEM_FILE.parent in file.parents:  # the service's group reads it whatever root's umask is
                os.fchown(stream.fileno(), -1, SYSTEM_FILE.parent.stat().st_gid)
                os.fchmod(stream.fileno(), 0o640)
    except OSError as error:
        hint = ": run this as root, or give --into" if isinstance(error, PermissionError) else ""
        raise click.ClickException(f"{file} could not be written: {error.strerror}{hint}") from None
    click.echo(f"wrote {file}")


def _next_steps(agent_file: Path) -> str:
    given = "" if agent_file == usual_file() else f" -c {shlex.quote(str(agent_file))}"
    steps = [("check-config", "what was written, with what it means"), ("once", "everything once, now")]
    lines = [f"  cdn-probe {command}{given}   # {words}" for command, words in steps]
    if agent_file == SYSTEM_FILE:
        lines.append("  systemctl enable --now cdn-probe   # measure from now on")
    else:
        lines.append(f"  cdn-probe run{given}   # measure from now on")
    return "Next:\n" + "\n".join(lines)
