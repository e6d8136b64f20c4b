"""The package in a booted systemd: one machine for all tests here, which follow each other in its life.

A small CDN runs on the machine's loopback. What the agent measured of it is read at the end as its users read it,
and every slot between the first start and the last stop is there once, or says why it was missed.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.packaged import debian_package
from tests.system.booted import Machine, booted
from tests.system.frozen import frozen_thread
from tests.system.life import Life, observed, results, slots

pytestmark = pytest.mark.system

HERE = Path(__file__).parent
PERIOD_S = 2
TASKS = 10
PYTHON = "/usr/lib/cdn-probe/bin/python"
SECRET = "s3cret-of-the-shop"
DROP_INS = "/run/systemd/system/cdn-probe.service.d"
QUICK = "[Service]\nWatchdogSec=3\nTimeoutAbortSec=2\nRestartSec=1\n"
EXAMPLES = "/usr/share/doc/cdn-probe/examples"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Booted, the package's file in it, nothing installed."""
    package = debian_package()
    with booted(tmp_path_factory.mktemp("machine")) as made:
        (made.root / "opt/cdn-probe.deb").write_bytes(package.read_bytes())
        yield made


@pytest.fixture(scope="module")
def installed(machine: Machine) -> Machine:
    """The package is installed; what dpkg said is kept."""
    said = machine.run("dpkg", "-i", "/opt/cdn-probe.deb", timeout_s=120)
    assert "warning" not in said, said
    return machine


@pytest.fixture(scope="module")
def configured(installed: Machine) -> Machine:
    """A CDN on loopback, its agent.yaml in /etc/cdn-probe, a secret in it that systemd hands over; not started."""
    for name in ("lab", "rows", "sandbox"):
        installed.write(f"/opt/{name}.py", (HERE / f"{name}_in_machine.py").read_text())
    command = (PYTHON, "-I", "/opt/lab.py", "/etc/cdn-probe", "/var/lib/cdn-probe", f"{PERIOD_S}s")
    installed.run("systemd-run", "--unit=lab", "--service-type=exec", *command)
    installed.until((installed.root / "etc/cdn-probe/lab-is-up").exists, "the lab is up")
    shop = installed.root / "etc/cdn-probe/customers/shop.yaml"
    shop.write_text(
        shop.read_text().replace("defaults:\n", "defaults:\n  headers: {X-Shop: credential:shop}\n")
    )
    installed.write("/etc/cdn-probe/credentials/shop", f"{SECRET}\n", 0o600)
    installed.write(f"{DROP_INS}/quick.conf", QUICK)
    installed.run("systemctl", "daemon-reload")
    return installed


@pytest.fixture(scope="module")
def running(configured: Machine) -> Machine:
    """Started, with its credential; `systemctl start` returns once it is ready."""
    credential = "[Service]\nLoadCredential=shop:/etc/cdn-probe/credentials/shop\n"
    configured.write(f"{DROP_INS}/credential.conf", credential)
    configured.run("systemctl", "daemon-reload")
    configured.run("systemctl", "start", "cdn-probe")
    return configured


@pytest.fixture(scope="module")
def life(running: Machine) -> Iterator[Life]:
    """What the agent stores and which process it is."""
    with observed(running, [PYTHON, "-I", "/opt/rows.py", "/var/lib/cdn-probe"], TASKS) as made:
        yield made


# --- installing ---------------------------------------------------------------------------------------


def test_the_package_enables_and_starts_nothing(installed: Machine) -> None:
    assert installed.run("systemctl", "is-enabled", "cdn-probe", check=False).strip() == "disabled"
    assert installed.run("systemctl", "is-active", "cdn-probe", check=False).strip() == "inactive"
    assert installed.journal("cdn-probe") == ""


def test_account_and_directories_are_made_with_their_modes(installed: Machine) -> None:
    places = (
        "/etc/cdn-probe",
        "/etc/cdn-probe/customers",
        "/etc/cdn-probe/credentials",
        "/var/lib/cdn-probe",
    )
    assert installed.run("stat", "-c", "%A %U %G %n", *places).splitlines() == [
        "drwxr-x--- root cdn-probe /etc/cdn-probe",
        "drwxr-x--- root cdn-probe /etc/cdn-probe/customers",
        "drwx------ root root /etc/cdn-probe/credentials",
        "drwx------ cdn-probe cdn-probe /var/lib/cdn-probe",
    ]
    assert installed.run("getent", "passwd", "cdn-probe").strip().endswith(":/usr/sbin/nologin")


def test_unconfigured_it_measures_nothing_and_says_what_is_missing(installed: Machine) -> None:
    said = installed.run("cdn-probe", "check-config", "-c", "/etc/cdn-probe/agent.yaml", check=False)
    missing = "/etc/cdn-probe/agent.yaml: there is no such file; `cdn-probe init` writes a first one"
    assert missing in said.replace("\n", " ")
    installed.run("systemctl", "start", "cdn-probe", check=False)
    installed.run("systemctl", "stop", "cdn-probe")
    assert missing in installed.journal("cdn-probe")
    assert list((installed.root / "var/lib/cdn-probe").iterdir()) == []


def test_the_examples_are_valid_once_they_are_named_so(installed: Machine) -> None:
    files = ("agent.yaml", "customers/acme.yaml")
    for file in files:
        installed.run("cp", f"/etc/cdn-probe/{file}.example", f"/etc/cdn-probe/{file}")
    try:
        installed.run("cdn-probe", "check-config")
    finally:
        installed.run("sh", "-c", f"cd /etc/cdn-probe && rm {' '.join(files)}")


def test_the_units_are_flawless_to_systemd_itself(installed: Machine) -> None:
    said = installed.run("systemd-analyze", "verify", "/usr/lib/systemd/system/cdn-probe.service")
    assert "cdn-probe" not in said, said


# --- the sandbox --------------------------------------------------------------------------------------

ALLOWED = {
    "write state": "ok",
    "write runtime": "ok",
    "write tmp": "ok",
    "read configuration": "ok",
    "read the clock's state": "ok",
    "connect by IPv4": "ok",
    "connect by IPv6": "ok",
    "bind to an interface": "ok",
    "lower its priority": "ok",
}
DENIED = {
    "write /etc": "EACCES",
    "write /etc/cdn-probe": "EACCES",
    "write /usr": "EROFS",
    "write its own code": "EROFS",
    "write /var/lib": "EACCES",
    "write /proc/sys": "EROFS",
    "read /home": "EACCES",
    "read /root": "EACCES",
    "read credentials of others": "EACCES",
    "see /tmp of others": "ENOENT",
    "see a process of others": "ENOENT",
    "signal a process of others": "EPERM",
    "trace its own child": "EPERM",
    "mount": "EPERM",
    "new user namespace": "EPERM",
    "enter a network namespace": "EPERM",
    "set a mark": "EPERM",
    "raw packets": "EPERM",
    "packet socket": "EAFNOSUPPORT",
    "netlink": "EAFNOSUPPORT",
    "set the clock": "EPERM",
    "become root": "EPERM",
    "write and execute memory": "EPERM",
    "execute what it stored": "EACCES",
    "execute from /tmp": "EACCES",
    "execute from /run": "EACCES",
    "raise its priority": "EPERM",
    "capabilities": "0000000000000000",
    "capabilities ever": "0000000000000000",
    "no new privileges": "1",
    "seccomp": "2",
    "core size": 0,
    "devices": ["null", "urandom"],
}
TRIAL = f"""[Service]
Type=oneshot
Restart=no
WatchdogSec=0
ExecReload=
ExecStart=
ExecStart={PYTHON} -I /opt/sandbox.py 1 /run/netns/line
StandardOutput=truncate:/run/trial.json
"""


def in_the_sandbox(machine: Machine, example: str | None = None) -> dict[str, object]:
    """What the unit's limits allow to a program in the agent's place, with an example's drop-in or without."""
    machine.write("/tmp/of-another", "x")
    machine.run("sh", "-c", "cp /usr/lib/systemd/system/cdn-probe.service /run/systemd/system/trial.service")
    machine.run(
        "sh", "-c", "rm -rf /run/systemd/system/trial.service.d; ip netns add line 2>/dev/null || true"
    )
    machine.write("/run/systemd/system/trial.service.d/trial.conf", TRIAL)
    if example is not None:
        machine.run("cp", f"{EXAMPLES}/{example}.conf", "/run/systemd/system/trial.service.d/")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "trial")
    seen: dict[str, object] = json.loads((machine.root / "run/trial.json").read_text())
    return seen


def test_the_sandbox_allows_what_measuring_needs_and_nothing_else(configured: Machine) -> None:
    seen = in_the_sandbox(configured)
    files = seen.pop("open files")
    assert seen == {**ALLOWED, **DENIED}
    assert isinstance(files, int)
    assert files <= 65536  # less where the machine's own limit is lower


@pytest.mark.parametrize(
    ("example", "allows", "capability"),
    [
        ("interface", {"bind to an interface", "raw packets", "set a mark"}, 1 << 13),
        ("mark", {"set a mark"}, 1 << 12),
        ("netns", {"enter a network namespace"}, 1 << 21),
    ],
)
def test_a_drop_in_allows_its_one_thing(
    configured: Machine, example: str, allows: set[str], capability: int
) -> None:
    seen = in_the_sandbox(configured, example)
    more = {name for name, outcome in DENIED.items() if seen[name] != outcome}
    assert more == (allows | {"capabilities", "capabilities ever"}) - ALLOWED.keys()
    assert all(seen[name] == "ok" for name in allows)
    assert seen["capabilities"] == seen["capabilities ever"] == f"{capability:016x}"


# --- a life -------------------------------------------------------------------------------------------


def test_without_its_credential_it_says_which_and_accuses_nobody(configured: Machine) -> None:
    configured.run("systemctl", "start", "cdn-probe", check=False)
    configured.until(
        lambda: "LoadCredential=shop:" in configured.journal("cdn-probe"), "it says what is missing"
    )
    configured.run("systemctl", "stop", "cdn-probe")
    if (configured.root / "var/lib/cdn-probe").exists():
        assert [
            row for row in slots(results(configured)) if row["customer"] == "shop" and row["fault"] == "cdn"
        ] == []
        configured.run("find", "/var/lib/cdn-probe", "-mindepth", "1", "-delete")


def test_it_becomes_ready_and_measures_as_its_own_user(running: Machine, life: Life) -> None:
    assert running.show("cdn-probe", "ActiveState") == "active"
    assert running.show("cdn-probe", "Type") == "notify"
    assert running.show("cdn-probe", "MemoryMax") == str(2 << 30)
    assert running.show("cdn-probe", "TasksMax") == "512"
    running.until(lambda: len(life.measured()) >= 10, "ten slots are measured")
    status = Path(f"/proc/{life.main_pid()}/status").read_text()
    account = running.run("id", "-u", "cdn-probe").strip()
    assert f"Uid:\t{account}\t{account}\t{account}\t{account}\n" in status
    first = life.measured()
    assert {row["outcome"] for row in first} == {"ok"}
    assert all(row["host"]["clock_synchronised"] is not None for row in first)  # the sandbox lets it ask
    running.until(
        lambda: f"{TASKS} tasks" in running.show("cdn-probe", "StatusText"), "its status tells the tasks"
    )


def test_the_secret_is_used_and_shown_nowhere(running: Machine, life: Life) -> None:
    life.until_measured_again()
    shop = [row for row in life.measured() if row["customer"] == "shop"]
    assert shop
    assert {row["outcome"] for row in shop} == {"ok"}
    pid = life.main_pid()
    for place in ("environ", "cmdline"):
        assert SECRET.encode() not in Path(f"/proc/{pid}/{place}").read_bytes()
    assert SECRET not in json.dumps(life.rows())
    assert SECRET not in running.journal("cdn-probe")
    found = running.run("grep", "-rlaF", SECRET, "/var/lib/cdn-probe", "/run/cdn-probe", check=False)
    assert found == ""


def test_killed_it_comes_back_and_says_that_it_crashed(running: Machine, life: Life) -> None:
    life.until_measured_again()
    before = life.main_pid()
    restarts = life.restarts()
    os.kill(before, signal.SIGKILL)
    running.until(lambda: life.restarts() == restarts + 1, "systemd restarts it")
    life.until_measured_again()
    assert life.main_pid() != before
    assert life.missed()["agent.crashed"] > 0


def test_a_loop_that_stands_still_is_killed_and_tells_where_it_stood(running: Machine, life: Life) -> None:
    """Only the main thread stands still: the process lives, its writer and other threads go on."""
    restarts = life.restarts()
    with frozen_thread(life.main_pid()):
        running.until(lambda: life.restarts() > restarts, "the watchdog bites")
    life.until_measured_again()
    journal = running.journal("cdn-probe")
    assert "Watchdog timeout" in journal
    assert "Fatal Python error: Aborted" in journal
    assert re.search(r'File ".*/asyncio/base_events.py", line \d+ in _run_once', journal)  # in the loop


def test_a_process_that_stands_still_whole_is_killed_too(running: Machine, life: Life) -> None:
    """SIGABRT does not reach it: SIGKILL follows."""
    restarts = life.restarts()
    os.kill(life.main_pid(), signal.SIGSTOP)
    running.until(lambda: life.restarts() > restarts, "the watchdog bites")
    life.until_measured_again()


def test_a_reload_takes_one_file_over_and_leaves_the_process(running: Machine, life: Life) -> None:
    before = life.main_pid()
    file = running.root / "etc/cdn-probe/customers/media.yaml"
    good = file.read_text()
    file.write_text(good.replace("timeout: 2s", "timeout: 3s"))
    running.run("systemctl", "reload", "cdn-probe")
    running.until(lambda: "config.changed" in life.events("media"), "the file is taken over")
    file.write_text("customer: media\ndomains: nonsense\n")
    running.run("systemctl", "reload", "cdn-probe")
    running.until(lambda: "config.rejected" in life.events("media"), "the bad file is told")
    file.write_text(good)
    running.run("systemctl", "reload", "cdn-probe")
    life.until_measured_again()
    assert life.main_pid() == before
    assert running.show("cdn-probe", "ActiveState") == "active"
    assert not {"config.changed", "config.rejected"} & set(life.events("shop"))


def test_it_drains_and_says_so_when_it_is_stopped(running: Machine, life: Life) -> None:
    running.run("systemctl", "stop", "cdn-probe")
    assert running.show("cdn-probe", "Result") == "success"
    assert [row["event"] for row in life.rows() if row["kind"] == "event"][-1] == "agent.stopped"
    running.run("sleep", str(PERIOD_S))
    running.run("systemctl", "start", "cdn-probe")
    life.until_measured_again()
    assert life.missed()["agent.stopped"] > 0


def test_an_upgrade_gives_a_running_agent_its_new_code(running: Machine, life: Life) -> None:
    before = life.main_pid()
    running.run("dpkg", "-i", "/opt/cdn-probe.deb", timeout_s=120)
    assert running.show("cdn-probe", "ActiveState") == "active"
    assert life.main_pid() != before
    assert running.run("systemctl", "is-enabled", "cdn-probe", check=False).strip() == "disabled"
    life.until_measured_again()


def test_with_workers_it_lives_within_the_same_limits(running: Machine, life: Life) -> None:
    """They measure with its account and its secret; one that is killed is begun again by the agent, not by systemd."""
    file = running.root / "etc/cdn-probe/agent.yaml"
    alone = file.read_text()
    file.write_text(f"{alone}limits: {{workers: 2}}\n")
    running.run("systemctl", "restart", "cdn-probe")
    running.until(lambda: len(life.workers()) == 2, "both workers have begun")
    life.until_measured_again()
    agent, restarts, workers = life.main_pid(), life.restarts(), life.workers()
    account = running.run("id", "-u", "cdn-probe").strip()
    for pid in workers:
        process = Path(f"/proc/{pid}")
        assert f"Uid:\t{account}\t{account}\t{account}\t{account}\n" in (process / "status").read_text()
        assert "Seccomp:\t2\n" in (process / "status").read_text()
        assert SECRET.encode() not in (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
    os.kill(workers[0], signal.SIGKILL)
    running.until(lambda: len(set(life.workers()) - {workers[0]}) == 2, "the killed one has a successor")
    life.until_measured_again()
    assert (life.main_pid(), life.restarts()) == (agent, restarts)
    assert "worker.lost" in life.events("shop") + life.events("media")
    workers = life.workers()
    running.run("systemctl", "stop", "cdn-probe")
    assert running.show("cdn-probe", "Result") == "success"
    assert [pid for pid in workers if Path(f"/proc/{pid}").exists()] == []
    file.write_text(alone)
    running.run("systemctl", "start", "cdn-probe")
    life.until_measured_again()


def test_every_slot_of_this_life_is_there_once(running: Machine, life: Life) -> None:
    times: dict[str, list[datetime]] = defaultdict(list)
    for row in slots(results(running)):
        times[row["task"]].append(datetime.fromisoformat(row["scheduled_at"]))
        assert row["state"] == "measured" or row["missed_reason"].startswith(
            "agent."
        )  # a busy host has its own
    assert len(times) == TASKS
    for due in times.values():
        due.sort()
        assert {b - a for a, b in pairwise(due)} == {timedelta(seconds=PERIOD_S)}
    accused = [
        (row["seq"], row["reason"], row["summary"]) for row in life.measured() if row["fault"] == "cdn"
    ]
    assert accused == []


# --- its end ------------------------------------------------------------------------------------------


def test_removing_stops_it_and_keeps_results_and_configuration(running: Machine) -> None:
    count = len(results(running))
    said = running.run("dpkg", "-r", "cdn-probe", timeout_s=120)
    assert "warning" not in said.replace("not empty so not removed", "").replace(
        "dpkg: warning: while removing", ""
    )
    assert running.run("systemctl", "is-active", "cdn-probe", check=False).strip() in ("inactive", "unknown")
    assert not (running.root / "usr/lib/cdn-probe").exists()
    assert (running.root / "etc/cdn-probe/customers/shop.yaml").exists()
    running.run("dpkg", "-i", "/opt/cdn-probe.deb", timeout_s=120)
    assert running.run("systemctl", "is-active", "cdn-probe", check=False).strip() == "inactive"
    assert len(results(running)) > count  # nothing lost, and the end is told


def test_purging_removes_the_configuration_and_keeps_the_results(running: Machine) -> None:
    digests = ("sh", "-c", "find /var/lib/cdn-probe -type f | sort | xargs sha256sum")
    before = running.run(*digests)
    running.run("systemctl", "enable", "cdn-probe")
    said = running.run("dpkg", "-P", "cdn-probe", timeout_s=120)
    assert "the results in /var/lib/cdn-probe are kept" in said
    assert not (running.root / "etc/cdn-probe").exists()
    assert not os.path.lexists(running.root / "etc/systemd/system/multi-user.target.wants/cdn-probe.service")
    assert running.run("stat", "-c", "%U", "/var/lib/cdn-probe").strip() == "cdn-probe"
    assert before
    assert running.run(*digests) == before
