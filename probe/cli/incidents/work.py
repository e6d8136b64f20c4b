"""The work of `incidents`: read, find, print; with `--calls` also call."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import msgspec

from probe.calls.sender import HttpSender
from probe.cli.incidents.text import incidents_view, transition_view
from probe.cli.render.json_lines import print_json
from probe.cli.render.layout import Table, Text, drawn, for_standard_output
from probe.control.client import ask
from probe.control.socket_place import ControlError, NotRunning
from probe.core.config.calls import OverCopiesConfig
from probe.core.config.load import parse_calls
from probe.core.incidents.incident import Incident, Transition, shown
from probe.core.incidents.rules import Rules
from probe.core.incidents.sentence import sentence
from probe.core.model.value import replace
from probe.core.records.codec import CodecError
from probe.host.clock import SystemClock
from probe.net.event_loop import on_signals, run
from probe.services.incidents.calling import Calling
from probe.services.incidents.copies import CopyIncidents
from probe.settings.agent_file import whereabouts
from probe.store.read.reader import Reader
from probe.store.read.told import incidents_of

ROUND_S = 2.0
ANSWERS_WITHIN_S = 2.0


def selection(typed: Mapping[str, Any]) -> dict[str, Any]:
    """What to show."""
    return {name: typed[name] for name in ("customer", "domain", "also_closed")}


def of_agent(
    config_file: Path, *, as_json: bool, customer: str | None, domain: str | None, also_closed: bool
) -> int:
    """Of the results that the configuration names."""
    where = whereabouts(config_file)
    with Reader.open(where.results, where.agent) as reader:
        found = incidents_of(reader, [name for name in reader.heads() if customer in (None, name)])
    code = _shown(_selected(found, None, domain, also_closed=also_closed), as_json=as_json)
    if code:
        _say_if_nobody_measures(where.results)
    return code


def _say_if_nobody_measures(results: Path) -> None:
    """What is open was so when the agent looked last: that it goes on is not known."""
    try:
        ask(results, {"ask": "live"}, ANSWERS_WITHIN_S)
    except NotRunning:
        click.echo("no agent runs here: what is open was open when it looked last", err=True)
    except ControlError as error:
        click.echo(f"whether it still is open is not known: {error}", err=True)


def of_copies(copies: tuple[Path, ...], *, as_json: bool, follow: bool, typed: Mapping[str, Any]) -> int:
    """Of all these together."""
    config = None if typed["calls_file"] is None else _read(typed["calls_file"])
    rules = Rules(several=True) if config is None else config.incidents.rules(several=True)
    if typed["vantage_points"] is not None:
        rules = replace(rules, vantage_points=typed["vantage_points"])
    of = CopyIncidents(copies, rules)
    calling = None
    if config is not None:
        targets = [call.target() for call in config.calls]
        calling = Calling(of, targets, typed["state"], HttpSender(config.name), SystemClock())
    try:
        if follow:
            run(_follow(of, calling, as_json=as_json, typed=typed))
            return 0
        for _ in of.more():
            pass
    except CodecError as error:
        raise click.ClickException(str(error)) from None
    found = _selected(of.incidents(), typed["customer"], typed["domain"], also_closed=typed["also_closed"])
    return _shown(found, as_json=as_json)


async def _follow(
    of: CopyIncidents, calling: Calling | None, *, as_json: bool, typed: Mapping[str, Any]
) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    until = None if typed["seconds"] is None else loop.time() + typed["seconds"]
    with on_signals((signal.SIGINT, signal.SIGTERM), stop.set):
        while True:
            # To a list: what is found is told when all that came is read.
            for each in await asyncio.to_thread(lambda: [*of.more(), *of.tick(time.time_ns() // 1000)]):
                if calling is not None:
                    await calling.put(each)
                if _wanted(each.incident, typed["customer"], typed["domain"]):
                    _print_step(each, as_json=as_json)
            if calling is not None and (problem := await calling.round()) is not None:
                click.echo(f"not delivered yet: {problem}", err=True)
            if stop.is_set() or (until is not None and loop.time() >= until):
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(ROUND_S):
                    await stop.wait()


def _read(file: Path) -> OverCopiesConfig:
    return parse_calls(file.read_text(encoding="utf-8"), str(file))


def _selected(
    found: Iterable[Incident], customer: str | None, domain: str | None, *, also_closed: bool
) -> Iterator[Incident]:
    return (one for one in found if (also_closed or one.is_open) and _wanted(one, customer, domain))


def _wanted(one: Incident, customer: str | None, domain: str | None) -> bool:
    return customer in (None, one.customer) and domain in (None, one.domain)


def _shown(found: Iterable[Incident], *, as_json: bool) -> int:
    listed = list(found)
    if as_json:
        for one in listed:
            print_json(msgspec.json.encode({**shown(one), "sentence": sentence(one)}))
    else:
        _draw(incidents_view(listed, time.time_ns() // 1000))
    return int(any(one.is_open for one in listed))


def _print_step(each: Transition, *, as_json: bool) -> None:
    if as_json:
        incident = {**shown(each.incident), "sentence": sentence(each.incident)}
        print_json(msgspec.json.encode({"event": each.event, "incident": incident}))
    else:
        _draw(transition_view(each, time.time_ns() // 1000))


def _draw(parts: Iterable[Text | Table]) -> None:
    width, styles = for_standard_output()
    click.echo(drawn(parts, min(width, 80), styles=styles), nl=False)
