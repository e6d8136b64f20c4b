"""Lines in real namespaces: what is wrong with one is our own trouble, by HTTP and by DNS alike, and ends with it.

A namespace `here` is the vantage point's; over a veth pair it reaches `far`, where nginx and nsd are. The tests run in
the namespace of the host, which has no way there: what leaves by the wrong line arrives nowhere.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from probe.core.model.task import Deadlines, Limits, Request, ResolverSpec, TlsPolicy, VantagePoint
from probe.core.model.value import replace
from probe.core.records.dns import Resolution
from probe.core.records.failure import Failure, FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.fetch.fetcher import FetchTarget, HttpFetcher
from probe.host.clock import SystemClock
from probe.net.line import line_problem
from probe.net.netns import close_namespaces
from probe.resolver.resolver import Resolver
from probe.watch.line_watch import LineWatch
from tests.support.jobs import running_jobs
from tests.system.dns_programs import nsd_files
from tests.system.netns import add, assign, delete, inside, ip, link, namespace, need_root, run_in
from tests.system.programs import find, need
from tests.system.sites import Site, until

pytestmark = pytest.mark.system

NAME = "www.line.example"
OURS, SECOND, FAR, BEYOND = "10.92.0.2", "10.92.0.3", "10.92.0.1", "10.92.9.1"
OURS_V6, FAR_V6, BEYOND_V6 = "fd92::2", "fd92::1", "fd92:9::1"
ALLOWED = ("10.92.0.0/16", "fd92::/16", "fd92:9::/32")
ZONE = f"""$ORIGIN line.example.
$TTL 60
@ SOA ns1 host 1 3600 600 86400 60
@ NS ns1
ns1 A {FAR}
www A {FAR}
www AAAA {FAR_V6}
"""
DOWN, GONE = FailureType.VANTAGE_NETWORK_DOWN, FailureType.VANTAGE_SOURCE_UNAVAILABLE


@dataclass(slots=True)
class Line:
    """The namespace `here` and what stands at the other end."""

    here: str
    far: str
    site: Site
    clock: SystemClock = field(default_factory=SystemClock)

    def lay(self) -> None:
        """Make `here` with its line to `far`."""
        add(self.here)
        link(self.here, "uplink", self.far, "peer")
        assign(self.here, "uplink", f"{OURS}/24", f"{SECOND}/24", f"{OURS_V6}/64")
        assign(self.far, "peer", f"{FAR}/24", f"{FAR_V6}/64")
        ip("link", "set", "uplink", "up", ns=self.here)
        ip("link", "set", "peer", "up", ns=self.far)
        self.route()

    def route(self) -> None:
        ip("route", "replace", "default", "via", FAR, ns=self.here)
        ip("route", "replace", "default", "via", FAR_V6, ns=self.here)

    def remove(self) -> None:
        """Its owner deletes it; its line goes with it, unless somebody holds on to it."""
        delete(self.here)
        links = [*inside(self.far), str(find("ip")), "link", "show", "peer"]
        gone = partial(subprocess.run, links, capture_output=True, check=False, timeout=30)
        until(lambda: gone().returncode != 0, f"{self.here} was deleted, and is still there")

    def vantage(self, **more: object) -> VantagePoint:
        plain = VantagePoint(name="here", netns=self.here, source_v4=OURS, source_v6=OURS_V6)
        return replace(plain, **more)

    async def fetch(self, vantage: VantagePoint, address: str = BEYOND) -> Observation:
        fetcher = HttpFetcher(self.clock, str, ALLOWED)
        return await fetcher.fetch(
            FetchTarget(
                role=Role.EDGE,
                address=address,
                request=Request(scheme="http", host=NAME, port=80, path="/app.js"),
                tls=TlsPolicy(),
                deadlines=Deadlines(total_us=5_000_000, connect_us=3_000_000),
                limits=Limits(),
                vantage=vantage,
                slot_start_ns=self.clock.monotonic_ns(),
            )
        )

    async def ask(self, vantage: VantagePoint, transport: str = "udp", address: str = BEYOND) -> Resolution:
        spec = ResolverSpec(transport=transport, address=address, port=53)
        return await Resolver(self.clock, ALLOWED).resolve(
            NAME, "A", replace(vantage, resolvers=(spec,)), slot_start_ns=self.clock.monotonic_ns(),
            deadline_us=3_000_000,
        )  # fmt: skip

    async def failures(self, vantage: VantagePoint, v6: bool = False) -> dict[str, Failure | None]:
        """How it fails by HTTP, and by DNS over UDP and TCP."""
        to = BEYOND_V6 if v6 else BEYOND
        fetched = await self.fetch(vantage, to)
        udp, tcp = await self.ask(vantage, "udp", to), await self.ask(vantage, "tcp", to)
        return {"http": fetched.failure, "udp": udp.failure, "tcp": tcp.failure}


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Site]]:
    need_root()
    need("nginx", "nsd", "dig", "setpriv", "sysctl")
    directory = tmp_path_factory.mktemp("far")
    for parent in (directory, directory.parent, directory.parent.parent):
        parent.chmod(0o755)
    root = directory / "root"
    root.mkdir()
    (root / "app.js").write_text("x\n")
    with namespace("far", f"{BEYOND}/32", f"{BEYOND_V6}/128") as name, ExitStack() as stack:
        site = Site(directory / "nginx", root, ("0.0.0.0", "[::]"), inside(name))
        stack.callback(site.stop)
        site.start()
        zones = {"line.example": ZONE}
        listen = [BEYOND, BEYOND_V6]
        stack.enter_context(nsd_files(directory / "nsd", zones, listen=listen, prefix=inside(name)))
        yield name, site


@pytest.fixture
def line(far: tuple[str, Site]) -> Iterator[Line]:
    name, site = far
    made = Line(here=f"{name}-here", far=name, site=site)
    try:
        made.lay()
        yield made
    finally:
        close_namespaces()
        made.remove()


def types(failures: dict[str, Failure | None]) -> dict[str, FailureType | None]:
    for failure in failures.values():
        assert failure is None or failure.phase is Phase.HOST, failures
    return {how: None if failure is None else failure.type for how, failure in failures.items()}


def each(type_: FailureType | None) -> dict[str, FailureType | None]:
    return dict.fromkeys(("http", "udp", "tcp"), type_)


async def well(line: Line, vantage: VantagePoint) -> None:
    assert await line_problem(vantage) is None
    assert types(await line.failures(vantage)) == each(None)
    assert types(await line.failures(vantage, v6=True)) == each(None)


# --- as it should be ----------------------------------------------------------------------------------


@pytest.mark.parametrize("named", ["name", "path"])
@pytest.mark.parametrize("interface", [None, "uplink"])
async def test_by_the_line_and_from_its_source(line: Line, interface: str | None, named: str) -> None:
    netns = line.here if named == "name" else f"/run/netns/{line.here}"
    vantage = line.vantage(netns=netns, interface=interface, source_v4=SECOND)
    await well(line, vantage)
    for to, source in ((FAR, SECOND), (FAR_V6, OURS_V6)):
        before = len(line.site.requests())
        observation = await line.fetch(vantage, to)
        assert observation.failure is None
        client, own, _ = line.site.requests()[before]
        assert client.rpartition(":")[0] == source
        assert own == to
        assert observation.source is not None
        assert observation.source.replace("[", "").replace("]", "") == client, "as the server's log has it"


async def test_the_same_without_its_namespace_arrives_nowhere(line: Line) -> None:
    """The host itself has no way there: so whatever arrived in these tests went by the line."""
    assert types(await line.failures(line.vantage(netns=None))) == each(GONE)


async def test_many_lines_at_once_keep_to_themselves(line: Line) -> None:
    """A hundred connections from two addresses, all at once, while another namespace is used beside."""
    one, other = line.vantage(), line.vantage(source_v4=SECOND)
    elsewhere = line.vantage(netns=line.far, source_v4=None, source_v6=None)
    expected = {OURS: one, SECOND: other, BEYOND: elsewhere}
    asked = [(source, vantage) for _ in range(34) for source, vantage in expected.items()]
    found = await asyncio.gather(*(line.fetch(vantage) for _, vantage in asked))
    for (source, _), observation in zip(asked, found, strict=True):
        assert observation.failure is None
        assert observation.source is not None
        assert observation.source.rpartition(":")[0] == source


# --- what goes wrong, and ends ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trouble:
    """`begin` and `end` it; how everything fails meanwhile, and what is said of the line."""

    begin: Callable[[Line], object]
    end: Callable[[Line], object]
    type: FailureType
    problem: str | None
    interface: str | None = None


NOT_ASSIGNED = (
    "source {source} in network namespace {ns}: it is not assigned; `ip address` shows those that are"
)
TROUBLES = {
    "source removed": Trouble(
        lambda line: [
            ip("address", "del", f"{OURS}/24", "dev", "uplink", ns=line.here),
            ip("address", "del", f"{OURS_V6}/64", "dev", "uplink", ns=line.here),
        ],
        lambda line: [assign(line.here, "uplink", f"{OURS}/24", f"{OURS_V6}/64"), line.route()],
        GONE,
        f"{NOT_ASSIGNED.replace('{source}', OURS)}; {NOT_ASSIGNED.replace('{source}', OURS_V6)}",
    ),
    "interface deleted": Trouble(
        lambda line: ip("link", "del", "uplink", ns=line.here),
        lambda line: [line.remove(), line.lay()],
        GONE,
        "interface uplink in network namespace {ns}: it does not exist; `ip link` shows those that do",
        interface="uplink",
    ),
    "interface down": Trouble(
        lambda line: ip("link", "set", "uplink", "down", ns=line.here),
        lambda line: [
            ip("link", "set", "uplink", "up", ns=line.here),
            ip("address", "replace", f"{OURS_V6}/64", "dev", "uplink", "nodad", ns=line.here),
            line.route(),
        ],
        DOWN,
        "interface uplink in network namespace {ns}: it is down; `ip link set uplink up`",
        interface="uplink",
    ),
    "no route": Trouble(
        lambda line: ip("route", "del", "default", ns=line.here), Line.route, DOWN, None
    ),
    "route prohibited": Trouble(
        lambda line: ip("route", "add", "prohibit", BEYOND, ns=line.here),
        lambda line: ip("route", "del", "prohibit", BEYOND, ns=line.here),
        DOWN,
        None,
    ),
    "namespace deleted": Trouble(
        Line.remove,
        Line.lay,
        GONE,
        "network namespace {ns}: it does not exist; `ip netns list` shows those that do",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TROUBLES)
async def test_trouble_of_the_line_is_ours_and_ends_with_it(line: Line, name: str) -> None:
    trouble = TROUBLES[name]
    vantage = line.vantage(interface=trouble.interface)
    await well(line, vantage)
    trouble.begin(line)
    assert types(await line.failures(vantage)) == each(trouble.type)
    problem = trouble.problem
    assert await line_problem(vantage) == (None if problem is None else problem.replace("{ns}", line.here))
    trouble.end(line)
    await well(line, vantage)


@pytest.mark.parametrize(
    "name", ["source removed", "interface deleted", "interface down", "namespace deleted"]
)
async def test_the_same_over_ipv6(line: Line, name: str) -> None:
    """A source that is on an interface that goes down goes with it, unlike IPv4's."""
    trouble = TROUBLES[name]
    vantage = line.vantage(interface=trouble.interface, source_v4=None)
    trouble.begin(line)
    expected = GONE if name == "interface down" else trouble.type
    assert types(await line.failures(vantage, v6=True)) == each(expected)
    assert await line_problem(vantage) is not None
    trouble.end(line)
    await well(line, line.vantage(interface=trouble.interface))


async def test_a_line_whose_link_is_gone(line: Line) -> None:
    ip("link", "set", "peer", "down", ns=line.far)
    problem = None
    async with asyncio.timeout(60):
        while problem is None:  # the kernel tells the other end of it a moment later
            problem = await line_problem(line.vantage(interface="uplink"))
    assert problem == f"interface uplink in network namespace {line.here}: it is up, and its link is not"


async def test_a_namespace_is_not_held_by_whoever_looked_from_it(line: Line) -> None:
    """Deleted, it goes at once, and its line with it, although its thread is there for the next work."""
    await well(line, line.vantage())
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("netns")] == [
        f"netns {line.here}"
    ]
    line.remove()


async def test_a_namespace_that_was_made_anew_is_the_one_that_counts(line: Line) -> None:
    await well(line, line.vantage())
    line.remove()
    add(line.here)  # without a line
    vantage = line.vantage(source_v4=None, source_v6=None)
    assert types(await line.failures(vantage)) == each(DOWN)
    line.remove()
    line.lay()
    await well(line, line.vantage())


async def test_any_address_can_be_bound_to_and_is_not_ours_for_that(line: Line) -> None:
    for version in ("ipv4", "ipv6"):
        run_in(line.here, str(find("sysctl")), "-qw", f"net.{version}.ip_nonlocal_bind=1")
    await well(line, line.vantage())
    stranger = line.vantage(source_v4="10.92.0.77", source_v6="fd92::77")
    assert await line_problem(stranger) == "; ".join(
        NOT_ASSIGNED.format(source=source, ns=line.here) for source in ("10.92.0.77", "fd92::77")
    )


async def test_the_watch_tells_what_happens_to_a_real_line(line: Line) -> None:
    told: asyncio.Queue[str | None] = asyncio.Queue()
    vantage = line.vantage(interface="uplink")
    async with running_jobs(line.clock) as jobs:
        watch = LineWatch(
            jobs, line.clock, [vantage], lambda _, problem: told.put_nowait(problem), interval_s=0.05
        )
        await watch.start()
        for name in ("interface down", "namespace deleted", "source removed"):
            trouble = TROUBLES[name]
            trouble.begin(line)
            async with asyncio.timeout(60):
                problem = await told.get()
            assert problem is not None
            assert watch.problem("here") is not None
            trouble.end(line)
            async with asyncio.timeout(60):
                while await told.get() is not None:
                    """What is half made again is told too."""
            assert watch.problem("here") is None


# --- by source, by mark -------------------------------------------------------------------------------


async def test_a_source_and_a_mark_choose_the_line_by_policy_routing(line: Line) -> None:
    """As the documentation has it: one table for each line, and a rule by source address or by mark."""
    ip("route", "del", "default", ns=line.here)
    by_source, by_mark = line.vantage(), line.vantage(source_v4=None, source_v6=None, mark=0x1F)
    nothing = line.vantage(source_v4=None, source_v6=None)
    for vantage in (by_source, by_mark, nothing):
        assert types(await line.failures(vantage)) == each(DOWN)
    ip("route", "add", "default", "via", FAR, "dev", "uplink", "table", "101", ns=line.here)
    ip("rule", "add", "from", OURS, "table", "101", ns=line.here)
    assert types(await line.failures(by_source)) == each(None)
    assert types(await line.failures(by_mark)) == each(DOWN)
    ip("rule", "add", "fwmark", "0x1f", "table", "101", ns=line.here)
    assert types(await line.failures(by_mark)) == each(None)
    assert types(await line.failures(nothing)) == each(DOWN), "without source and mark no rule fits"


# --- rights -------------------------------------------------------------------------------------------

ASK = """
import asyncio, sys
from probe.core.model.task import VantagePoint
from probe.net.line import line_problem
async def main():
    for point in (VantagePoint(name="n", netns=sys.argv[1]), VantagePoint(name="m", mark=7),
                  VantagePoint(name="s", source_v4="127.0.0.9")):
        print(await line_problem(point))
asyncio.run(main())
"""


@pytest.mark.parametrize("rights", ["none", "all"])
def test_rights_that_the_process_lacks_are_named(line: Line, rights: str) -> None:
    prefix = ["--bounding-set", "-all", "--inh-caps", "-all", "--"] if rights == "none" else ["--"]
    done = subprocess.run(
        [str(find("setpriv")), *prefix, sys.executable, "-c", ASK, line.here],
        capture_output=True, text=True, timeout=60, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stderr == ""
    if rights == "all":
        assert done.stdout.splitlines() == ["None"] * 3
    else:
        assert done.stdout.splitlines() == [
            f"network namespace {line.here}: entering it (setns) needs CAP_SYS_ADMIN",
            "mark 0x7: using it needs CAP_NET_ADMIN",
            "None",
        ]
