"""Rule: the plan is a value: the same configuration gives the same tasks, ids and phases, on any host, at any time.

One task for each object, vantage point, IP version and HTTP version. A task's id depends on what is measured; its
definition on everything; its phase spreads tasks over their period, the same after every restart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import msgspec
from pydantic import BaseModel

from probe.core.config.effective import CustomerConfig, MeasuredObject
from probe.core.config.load import Config
from probe.core.content.check_kind import Kinds
from probe.core.model.protocols import H1
from probe.core.model.task import CheckSpec, Limits, Task, VantagePoint
from probe.core.model.value import replace
from probe.core.scheduling.shard import Shard


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that is to be measured by this host. `shard`: which part of the whole that is; None: all."""

    tasks: tuple[Task, ...]
    shard: Shard | None = None

    @property
    def customers(self) -> dict[str, None]:
        """Who is measured, in the order of the tasks."""
        return dict.fromkeys(task.customer for task in self.tasks)

    @property
    def budgeted(self) -> set[str]:
        """Customers whose bytes of a day are bounded."""
        return {task.customer for task in self.tasks if task.bytes_per_day is not None}


def make_plan(config: Config) -> Plan:
    """The tasks of a configuration, by customer, then in the order of the files.

    Of hosts that share them (`shard`) each makes its own part of the same tasks: ids and phases are the same on all.
    A vantage point whose line does not carry an IP version gives no task for it; `uncarried` names those left out.
    """
    points = {point.name: point.vantage_point() for point in config.agent.vantage_points}
    limits = config.agent.limits.limits()
    shard = config.agent.part()
    return Plan(
        tasks=tuple(
            task
            for customer in config.customers
            for item in customer.objects
            for task in _tasks(customer, item, points, limits, shard)
        ),
        shard=shard,
    )


def with_selected(plan: Plan, **wanted: str | None) -> Plan:
    """The tasks whose customer, domain and vantage point are the wanted ones (None: any)."""
    names = {
        "customer": lambda t: t.customer,
        "domain": lambda t: t.domain,
        "vantage": lambda t: t.vantage_point.name,
    }
    tasks = tuple(
        task
        for task in plan.tasks
        if all(value is None or names[key](task) == value for key, value in wanted.items())
    )
    return replace(plan, tasks=tasks)


def uncarried(config: Config) -> Iterator[tuple[str, str, int]]:
    """(customer, URL, IP version) of each object that no vantage point of its own can look at over that version."""
    carried = {p.name: p.vantage_point().ip_versions for p in config.agent.vantage_points}
    for customer in config.customers:
        for item in customer.objects:
            lines = [carried[name] for name in item.vantage_points or carried]
            for version in item.ip_versions:
                if not any(not versions or version in versions for versions in lines):
                    yield customer.customer, item.request.url, version


def task_id(
    customer: str, item: MeasuredObject, vantage_point: str, ip_version: int, protocol: str = H1
) -> str:
    """16 hexadecimal digits that name what is measured: the same under other periods, limits and checks.

    HTTP/1.1 is not named in it: ids from before other versions were measured stay as they are.
    """
    request = item.request
    parts = (customer, request.scheme, item.domain, request.port, request.path, request.method)
    further = () if protocol == H1 else (protocol,)
    return _digest(msgspec.json.encode((*parts, vantage_point, ip_version, *further)), 8)


def phase_us(identifier: str, period_us: int) -> int:
    """The offset of a task in its period, microseconds: spread evenly, and always the same."""
    return int(_digest(b"phase " + identifier.encode(), 8), 16) % period_us


def define(task: Task) -> str:
    """32 hexadecimal digits over everything that a task says; its own `definition` does not count."""
    return _digest(_encode(replace(task, definition="")), 16)


def task_to_json(task: Task) -> dict[str, Any]:
    """A task as JSON-able values. Secrets stay references, {"scheme": "env", "name": "NAME"}; in paths they go."""
    task = replace(task, request=replace(task.request, path=task.request.shown_path))
    if task.origin is not None:
        asked = task.origin.request
        task = replace(task, origin=replace(task.origin, request=replace(asked, path=asked.shown_path)))
    made: dict[str, Any] = msgspec.to_builtins(task, enc_hook=params_to_json)
    return made


def task_from_json(data: object, kinds: Kinds) -> Task:
    """What `task_to_json` gave, also by an earlier version. Raises ValueError where it cannot be read."""
    try:
        task = msgspec.convert(data, Task)
    except msgspec.ValidationError as error:
        raise ValueError(f"not a task's definition: {error}") from error
    return replace(task, checks=tuple(check_from_json(check, kinds) for check in task.checks))


def _tasks(
    customer: CustomerConfig,
    item: MeasuredObject,
    points: dict[str, VantagePoint],
    limits: Limits,
    shard: Shard | None,
) -> Iterator[Task]:
    for name in item.vantage_points or points:
        carried = points[name].ip_versions or item.ip_versions
        for version, protocol in product((v for v in item.ip_versions if v in carried), item.protocols):
            identifier = task_id(customer.customer, item, name, version, protocol)
            if shard is not None and not shard.takes(identifier):
                continue
            task = Task(
                id=identifier,
                definition="",
                customer=customer.customer,
                domain=item.domain,
                request=replace(item.request, protocol=protocol),
                vantage_point=points[name],
                ip_version=version,
                period_us=item.interval_us,
                phase_us=phase_us(identifier, item.interval_us),
                deadlines=item.deadlines,
                limits=limits,
                tls=item.tls,
                cdn_suffixes=item.cdn_suffixes,
                cdn_prefixes=item.cdn_prefixes,
                carrier_prefixes=item.carrier_prefixes,
                edges=item.edges,
                redirects=item.redirects,
                origin=item.origin,
                checks=item.checks,
                exclusions=customer.exclusions,
                bytes_per_day=customer.bytes_per_day,
            )
            yield replace(task, definition=define(task))


def _encode(task: Task) -> bytes:
    return msgspec.json.encode(task, enc_hook=params_to_json, order="sorted")


def params_to_json(value: object) -> object:
    """A check's parameters as plain values: msgspec's hook for what it does not know.

    Raises NotImplementedError for anything else, which is how such a hook says so to msgspec.
    """
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    raise NotImplementedError(f"a {type(value).__name__} in a task cannot be written as JSON")


def check_from_json(check: CheckSpec, kinds: Kinds) -> CheckSpec:
    """The check with its parameters read from plain values. Raises ValueError."""
    if check.kind not in kinds:
        raise ValueError(f"the definition uses the check '{check.kind}', which this version does not know")
    text = msgspec.json.encode(check.params)
    return replace(
        check, params=kinds[check.kind].params.model_validate_json(text, by_alias=True, by_name=False)
    )


def _digest(data: bytes, size: int) -> str:
    return hashlib.blake2b(data, digest_size=size).hexdigest()
