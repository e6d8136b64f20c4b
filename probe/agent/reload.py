"""Rule: a reload either takes a whole file over or leaves the old one in force; what stays is reported, with why.

Reading, checking and planning are done off the event loop, so that no slot waits for them. What cannot be changed in
a running agent (its name, its results directory, where its API listens, its workers) refuses the whole reload: what is
on record as in force is then exactly what is in force.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from probe.core.config.agent import AgentConfig
from probe.core.config.load import Config, Problem
from probe.core.config.plan import Plan, make_plan, task_to_json
from probe.core.content.check_kind import Kinds
from probe.core.model.value import replace
from probe.core.records.codec import encode_any
from probe.schedule.jobs import Job, Jobs
from probe.settings.config_files import reload_config
from probe.settings.file_watch import EVERY_S, FileWatch
from probe.settings.preflight import missing
from probe.telemetry.logs import fields

log = logging.getLogger("probe.reload")

EVENT_CHARACTERS = 4000
DEPARTURE_LOOK_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigUpdate:
    """What a look at the files makes of the configuration in force.

    `rejected`: customer -> problems of its file, which stays as it was; under "" those that are nobody's own.
    `added`, `removed`: customers that this host measures from now on, or no longer; `changed`: others whose
    configuration is another one. `definitions`: digest and text of each task's definition that is new. `missing`: what
    the configuration needs and the host does not have.
    """

    config: Config
    plan: Plan
    rejected: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    definitions: tuple[tuple[str, str], ...] = ()
    missing: tuple[Problem, ...] = ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that keeps parts of the configuration as they were."""
        return tuple(problem for problems in self.rejected.values() for problem in problems)


def read_again(config: Config, plan: Plan, agent_file: Path, kinds: Kinds) -> ConfigUpdate:
    """Read the files anew. For a thread of its own: takes seconds where there is much."""
    made, problems = reload_config(config, agent_file, kinds)
    if refused := tuple(_unchangeable(config.agent, made, agent_file)):
        made, problems = config, (*problems, *refused)
    rejected = _by_customer(problems, config, agent_file)
    if made.digest == config.digest:
        return ConfigUpdate(config=config, plan=plan, rejected=rejected)
    new = make_plan(made)
    before, after = plan.customers, new.customers
    known = {task.definition for task in plan.tasks}
    return ConfigUpdate(
        config=made,
        plan=new,
        rejected=rejected,
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        changed=tuple(name for name in after if name in before and _differs(name, config, made, agent_file)),
        definitions=tuple(
            (task.definition, encode_any(task_to_json(task)).decode())
            for task in new.tasks
            if task.definition not in known
        ),
        missing=missing(made),
    )


def rejection(
    owner: str, problems: tuple[Problem, ...], base: Path
) -> tuple[str, dict[str, str], tuple[str, ...] | None]:
    """The event `config.rejected`, its detail, and into whose stream: the customer's, or (owner "") everybody's.

    What is wrong in a file that is not a customer's own is reported to all by its place only: it may speak of others.
    """
    shown = tuple(replace(p, file=p.file.removeprefix(f"{base}/")) for p in problems)
    files = ", ".join(dict.fromkeys(p.file for p in shown))
    if owner:
        return "config.rejected", {"file": files, "problems": _cut("; ".join(map(str, shown)))}, (owner,)
    at = ", ".join(str(replace(p, message="")).removesuffix(": ") for p in shown)
    return "config.rejected", {"file": files, "at": _cut(at)}, None


def _cut(text: str) -> str:
    return text if len(text) <= EVENT_CHARACTERS else f"{text[:EVENT_CHARACTERS]} ..."


def _unchangeable(before: AgentConfig, made: Config, agent_file: Path) -> Iterator[Problem]:
    agent, text = made.agent, made.texts.get(agent_file.name, "")
    listens = [None if one.api is None else one.api.listen for one in (before, agent)]
    fixed: tuple[tuple[str, object, object], ...] = (
        ("agent", before.agent, agent.agent),
        ("results", before.results, agent.results),
        ("api.listen", listens[0], listens[1]),
        ("limits.workers", before.limits.workers, agent.limits.workers),
    )
    for name, was, is_now in fixed:
        if was != is_now:
            key = name.rpartition(".")[2]
            message = (
                f"{name} cannot be changed while the agent runs: everything stays as it was; "
                "restart the agent, or put it back"
            )
            yield Problem(str(agent_file), *_place(text, key), message)


def _place(text: str, key: str) -> tuple[int, int]:
    """Line and column of the first mapping key of this name; 0, 0 where it does not stand."""
    found = re.search(rf"(?m)(?:^|[{{,])[ ]*({key})[ ]*:", text)
    if found is None:
        return 0, 0
    start = found.start(1)
    return text.count("\n", 0, start) + 1, start - (text.rfind("\n", 0, start) + 1) + 1


def _by_customer(
    problems: tuple[Problem, ...], config: Config, agent_file: Path
) -> dict[str, tuple[Problem, ...]]:
    owners = {str(agent_file.parent / name): customer for name, customer in config.sources.items()}
    found: dict[str, tuple[Problem, ...]] = {}
    for problem in problems:
        owner = owners.get(problem.file, "")
        found[owner] = (*found.get(owner, ()), problem)
    return found


def _differs(customer: str, before: Config, after: Config, agent_file: Path) -> bool:
    return any(
        one(before) != one(after)
        for one in (lambda c: c.texts.get(agent_file.name), lambda c: _text_of(customer, c))
    )


def _text_of(customer: str, config: Config) -> str | None:
    return next((config.texts.get(name) for name, owner in config.sources.items() if owner == customer), None)


class Departures:
    """Customers that are no longer measured here: the last event in the stream of each says so, after its last slot."""

    def __init__(self, record: Callable[[str, dict[str, str]], Awaitable[None]]) -> None:
        """`record(customer, change)` appends the event."""
        self._record = record
        self._leaving: dict[str, asyncio.Task[None]] = {}

    @property
    def pending(self) -> tuple[str, ...]:
        """Those whose event has not been appended yet."""
        return tuple(self._leaving)

    def begin(self, customer: str, change: dict[str, str], is_open: Callable[[str], bool]) -> None:
        """`is_open(customer)`: one of its slots is not accounted for yet."""
        if customer not in self._leaving:
            self._leaving[customer] = asyncio.create_task(self._finish(customer, change, is_open))

    async def finish(self) -> None:
        """Until every event is appended."""
        await asyncio.gather(*self._leaving.values())

    async def _finish(self, customer: str, change: dict[str, str], is_open: Callable[[str], bool]) -> None:
        while is_open(customer):  # noqa: ASYNC110 - rare, and an event would have to be set for each slot
            await asyncio.sleep(DEPARTURE_LOOK_S)
        del self._leaving[customer]
        await self._record(customer, change)


class Reloader:
    """One look at a time; requests that come while one goes on share the next one."""

    def __init__(
        self,
        agent_file: Path,
        kinds: Kinds,
        in_force: Callable[[], tuple[Config, Plan]],
        take_over: Callable[[ConfigUpdate], Awaitable[None]],
    ) -> None:
        """`take_over` is given each look's outcome, on the loop, also where nothing changed."""
        self._agent_file = agent_file
        self._kinds = kinds
        self._in_force = in_force
        self._apply = take_over
        self._lock = asyncio.Lock()
        self._next: asyncio.Task[tuple[Problem, ...]] | None = None
        self._watching: tuple[Jobs, Job] | None = None
        self._asked: asyncio.Future[tuple[Problem, ...]] | None = (
            None  # by the watch; held so that it is not lost
        )
        self._reported: dict[str, tuple[Problem, ...]] = {}
        self.counts: Counter[str] = Counter()  # reloads, changed, rejected (files), failed

    @property
    def base(self) -> Path:
        """The directory of agent.yaml."""
        return self._agent_file.parent

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What keeps parts of the files from being in force, as the last reload reported it."""
        return tuple(problem for problems in self._reported.values() for problem in problems)

    def watch_files(self, jobs: Jobs, enabled: Callable[[], bool]) -> None:
        """Reload when the files in force change, from now until `finish`; `enabled` is asked at each change."""

        def changed() -> None:
            if enabled():
                self._asked = asyncio.ensure_future(self.reload())

        watch = FileWatch(self._places, changed)
        self._watching = jobs, jobs.add("files", watch.look, lambda: EVERY_S, first_s=0.0)

    def _places(self) -> tuple[Path, ...]:
        config, _ = self._in_force()
        return (self._agent_file, *map(Path, config.agent.customers))

    async def reload(self) -> tuple[Problem, ...]:
        """Read the files anew and take over what is good. The problems that keep parts as they were; raises nothing."""
        if self._next is None:
            self._next = asyncio.create_task(self._reload(), name="reload")
        return await asyncio.shield(self._next)

    async def finish(self) -> None:
        """Watch no more, and wait for what goes on."""
        if self._watching is not None:
            jobs, job = self._watching
            await jobs.remove(job)
        while self._next is not None or self._lock.locked():
            async with self._lock:
                pass
            await asyncio.sleep(0)

    def is_new(self, owner: str, problems: tuple[Problem, ...]) -> bool:
        """Whether these problems of a customer's file ("": of no one's) were not in the last reload's report."""
        return self._reported.get(owner) != problems

    async def _reload(self) -> tuple[Problem, ...]:
        async with self._lock:
            self._next = None
            self.counts["reloads"] += 1
            config, plan = self._in_force()
            try:
                update = await asyncio.to_thread(read_again, config, plan, self._agent_file, self._kinds)
                await self._apply(update)
            except Exception as error:
                self.counts["failed"] += 1
                log.error("config.reload_failed", exc_info=error)
                message = "it could not be taken over by our own fault: see the log; restart to take it over"
                return (Problem(str(self._agent_file), 0, 0, message),)
            self._count(update, config)
            return update.problems

    def _count(self, update: ConfigUpdate, before: Config) -> None:
        self._reported = dict(update.rejected)
        self.counts["changed"] += update.config.digest != before.digest
        self.counts["rejected"] += len({problem.file for problem in update.problems})
        for problem in update.problems:
            log.error("config.rejected", extra=fields(problem=str(problem)))
        for problem in update.missing:
            log.error("config.missing", extra=fields(problem=str(problem)))
