"""Rule: what needs action stands first, in sentences; figures follow; what is healthy takes little room.

A look at an agent as lines and tables. Reads values, decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from probe.cli.render.layout import Table, Text
from probe.core.model.times import epoch_s
from probe.core.results.live_state import CallState, CustomerState, JobState, LiveState, StampState
from probe.services.status import Status, TaskState

NONE = "–"
MOST_TASKS = 20
MOST_INCIDENTS = 5
_STATE = {"online": "green", "offline": "bold red", "unknown": "yellow"}
_OUTCOME = {"ok": "green", "slow": "yellow", "stale": "yellow", "inconclusive": "cyan", "failed": "bold red"}


def status_view(status: Status, now_s: float, *, all_tasks: bool = False) -> list[Text | Table]:
    """The whole view; `now_s` seconds since the epoch."""
    parts: list[Text | Table] = [_headline(status, now_s)]
    parts.extend(Text(f"  ! {words}", style="bold red") for words in status.problems)
    if status.live is not None:
        parts += [Text(), _figures(status.live, now_s)]
        if status.live.vantage_points:
            parts += [Text(), _vantage_points(status.live, now_s)]
        if status.live.jobs:
            parts += [Text(), _jobs(status.live, now_s)]
    if status.heads:
        parts += [Text(), _customers(status, now_s)]
    if status.tasks:
        parts += [Text(), *_tasks(status.tasks, now_s, all_tasks=all_tasks)]
    return parts


def _headline(status: Status, now_s: float) -> Text:
    live = status.live
    if live is not None:
        state = "stopping" if live.stopping else "measuring" if live.ready else "starting"
        style = "bold green" if state == "measuring" and not status.problems else "bold yellow"
        line = Text().append(f"{live.agent} ", style="bold").append(state, style=style)
        since = f", process {live.pid}, for {_span(now_s - epoch_s(live.started_at))}"
        return line.append(
            f"  cdn-probe {live.agent_version}{since}, configuration {live.config_digest[:12]}"
        )
    words = "does not answer" if status.running else "not running"
    line = Text().append(f"{status.agent} ", style="bold").append(words, style="bold red")
    if status.last_event is not None and status.last_event_at is not None:
        line.append(f"  last on record: {status.last_event}, {_ago(status.last_event_at, now_s)}")
    return line


def _figures(live: LiveState, now_s: float) -> Table:
    slots, late, queue, clock = live.slots, live.lateness, live.queue, live.clock
    missed = ", ".join(f"{count} {reason}" for reason, count in sorted(slots.missed.items())) or "none"
    lines = (
        ("tasks", f"{slots.tasks}; {slots.running} run, {slots.waiting} wait for room"),
        ("slots", f"{slots.due} due, {slots.finished} finished, {slots.aborted} aborted; missed: {missed}"),
        (
            "lateness",
            f"p50 {_ms(late.p50_us)}, p99 {_ms(late.p99_us)}, worst {_ms(late.worst_us)}"
            f" over {_span(late.over_s)}; loop lag {_ms(live.loop_lag_us)}",
        ),
        ("queue", f"{queue.queued} wait, {queue.written} written, {queue.shed} shed, {queue.lost} lost"),
        ("disk", f"{_size(live.disk.store_bytes)} taken, {_size(live.disk.free_bytes)} free"),
        ("clock", _clock(clock.synchronised, clock.max_error_us) + _steps(live, now_s)),
    )
    table = Table()
    for name, words in lines:
        table.add_row(Text(name, style="bold"), Text(words))
    if live.stamps is not None:
        table.add_row(Text("stamps", style="bold"), _stamps(live.stamps, now_s))
    if live.incidents:
        table.add_row(Text("incidents", style="bold"), _incidents(live))
    for call in live.calls:
        table.add_row(Text("calls", style="bold"), _call(call))
    if live.workers:
        table.add_row(Text("workers", style="bold"), Text(_workers(live)))
    return table


def _incidents(live: LiveState) -> Text:
    about = [one.domain or f"vantage point {one.vantage_point}" for one in live.incidents]
    more = f" and {len(about) - MOST_INCIDENTS} more" if len(about) > MOST_INCIDENTS else ""
    words = f"{len(about)} open: {', '.join(about[:MOST_INCIDENTS])}{more} (cdn-probe incidents)"
    return Text(words, style="bold red")


def _call(call: CallState) -> Text:
    words = f"{call.target}: {call.delivered} delivered, {call.failed} failed, {call.waiting} wait"
    return Text(
        words if call.problem is None else f"{words}: {call.problem}", "bold yellow" if call.problem else ""
    )


def _workers(live: LiveState) -> str:
    """How many measure, what they take, and how the slots are shared; what is wrong stands among the problems."""
    workers = live.workers
    restarts = sum(max(0, worker.starts - 1) for worker in workers)
    memory = _size(sum(worker.rss_bytes for worker in workers))
    slots = ", ".join(str(worker.slots) for worker in workers)
    measuring = sum(worker.measuring for worker in workers)
    return (
        f"{measuring} of {len(workers)} measure, begun again {restarts} times; slots {slots}; memory {memory}"
    )


def _stamps(stamps: StampState, now_s: float) -> Text:
    words = f"{stamps.stamped} received, the last {_ago(stamps.last_at, now_s)}; {stamps.waiting} heads wait"
    return Text(words, style="bold yellow" if stamps.problem else "")


def _clock(synchronised: bool | None, max_error_us: int | None) -> str:
    state = {True: "synchronised", False: "not synchronised", None: "unknown"}[synchronised]
    return f"{state}, error at most {_ms(max_error_us)}"


def _steps(live: LiveState, now_s: float) -> str:
    clock = live.clock
    if not clock.steps or clock.last_step_us is None or clock.last_step_at is None:
        return ""
    ago = _ago(clock.last_step_at, now_s)
    return f"; set {clock.steps} times, last by {clock.last_step_us / 1e6:+.1f} s {ago}"


def _vantage_points(live: LiveState, now_s: float) -> Table:
    table = Table("vantage point", "IP", "anchors", "since", "line")
    for point in live.vantage_points:
        state = point.state if point.anchors else "none"
        table.add_row(
            point.name,
            f"IPv{point.ip_version}",
            Text(state, style=_STATE.get(state, "dim")),
            _ago(point.since, now_s),
            Text(point.problem, style="bold red") if point.problem else "there",
        )
    return table


def _jobs(live: LiveState, now_s: float) -> Table:
    """A row a name: where several jobs have it, the newest last run and the earliest next one."""
    named: dict[str, list[JobState]] = {}
    for job in live.jobs:
        named.setdefault(job.name, []).append(job)
    table = Table("beside measuring", "last run", "took", "next run")
    for name, jobs in named.items():
        newest = max(jobs, key=lambda job: job.last_at or "")
        upcoming = min((job.next_at for job in jobs if job.next_at is not None), default=None)
        table.add_row(
            name if len(jobs) == 1 else f"{name}, {len(jobs)} lines",
            _ago(newest.last_at, now_s),
            _ms(newest.took_us),
            "runs now" if upcoming is None else f"in {_span(epoch_s(upcoming) - now_s)}",
        )
    return table


def _customers(status: Status, now_s: float) -> Table:
    known = {customer.name: customer for customer in status.live.customers} if status.live else {}
    over = next((_span(customer.over_s) for customer in known.values()), "")
    table = Table(
        "customer", "tasks", f"last {over}".strip(), "newest", "complete up to", "rows", "confirmed by"
    )
    for head in status.heads:
        customer = known.get(head.customer)
        complete = head.complete_up_to
        if status.live is not None:
            complete = status.live.complete_up_to.get(head.customer, complete)
        pulls = [p for p in status.pulls if p.customer == head.customer]
        table.add_row(
            head.customer,
            str(customer.tasks) if customer else NONE,
            _outcomes(customer),
            _ago(customer.last_at if customer else None, now_s),
            _ago(complete, now_s),
            str(head.seq),
            "\n".join(f"{p.reader}: {p.seq} ({head.seq - p.seq} behind), {_ago(p.at, now_s)}" for p in pulls)
            or NONE,
        )
    return table


def _outcomes(customer: CustomerState | None) -> Text:
    if customer is None:
        return Text(NONE)
    text = Text()
    for outcome, count in sorted(customer.outcomes.items()):
        text.append(f"{count} {outcome}  ", style=_OUTCOME.get(outcome, ""))
    if customer.missed:
        text.append(f"{customer.missed} missed", style="bold red")
    return text if text.pieces else Text(NONE)


def _tasks(tasks: tuple[TaskState, ...], now_s: float, *, all_tasks: bool) -> Iterator[Text | Table]:
    well = sum(task.outcome == "ok" for task in tasks)
    off = [task for task in tasks if task.outcome != "ok"]
    groups = [[task] for task in tasks] if all_tasks else _troubles(off)
    shown = groups if all_tasks else groups[:MOST_TASKS]
    if shown:
        yield _task_table(shown, now_s)
    rest = len(tasks) - well - sum(map(len, shown))
    more = f"; {rest} more are not: --all" if rest > 0 and not all_tasks else ""
    yield Text(f"{well} of {len(tasks)} tasks were ok when they were measured last{more}", style="dim")


def _troubles(tasks: Iterable[TaskState]) -> list[list[TaskState]]:
    """What is one trouble: the same verdict, fault and reason at one domain, whatever path and vantage point."""
    groups: dict[tuple[str | None, ...], list[TaskState]] = {}
    for task in tasks:
        key = (task.customer, task.domain, task.state, task.outcome, task.fault, task.reason)
        groups.setdefault(key, []).append(task)
    return list(groups.values())


def _task_table(groups: Iterable[list[TaskState]], now_s: float) -> Table:
    table = Table("object", "from", "when", "verdict", "", whole=("when", "verdict"))
    for group in groups:
        task = max(group, key=lambda one: one.at)
        verdict = "/".join(filter(None, (task.outcome or task.state, task.fault)))
        table.add_row(
            f"{task.customer} {task.domain}{_paths(group)}",
            _points(group),
            _ago(task.at, now_s),
            Text(verdict, style=_OUTCOME.get(task.outcome or "", "dim")),
            task.summary or task.reason or "",
        )
    return table


def _paths(group: list[TaskState]) -> str:
    paths = {task.path for task in group}
    return next(iter(paths)) if len(paths) == 1 else f", {len(paths)} objects"


def _points(group: list[TaskState]) -> str:
    names = {task.vantage_point for task in group}
    versions = "+".join(map(str, sorted({task.ip_version for task in group})))
    return f"{next(iter(names)) if len(names) == 1 else f'{len(names)} vantage points'} IPv{versions}"


def _ms(value_us: int | None) -> str:
    return NONE if value_us is None else f"{value_us / 1000:.1f} ms"


def _size(value: int | None) -> str:
    if value is None:
        return NONE
    for unit, bytes_ in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if value >= bytes_:
            return f"{value / bytes_:.1f} {unit}"
    return f"{value / 1024:.0f} KiB"


def _ago(moment: str | None, now_s: float) -> str:
    return NONE if moment is None else f"{_span(now_s - epoch_s(moment))} ago"


def _span(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
