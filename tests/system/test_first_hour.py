"""docs/first-hour.md, typed line by line in two booted Debians; then the upgrade from version 0.1.0.

A CDN of real programs runs beside the first (`public_cdn`), which serves both tests, for booting and installing are
dear; results are pulled by the second. With `-s` the times are printed: `pytest -s tests/system/test_first_hour.py`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from probe import __version__
from tests.documents.console import Typed, typed
from tests.support.packaged import CHECKOUT, debian_package
from tests.system import public_cdn, version_before
from tests.system.booted import Machine, booted
from tests.system.life import results, slots

pytestmark = [pytest.mark.system, pytest.mark.long, pytest.mark.timeout(1800)]

PAGE = CHECKOUT / "docs" / "first-hour.md"
EVALUATOR = ("setpriv", "--reuid", "evaluator", "--regid", "evaluator", "--clear-groups")
SHOWN = "acme/6"  # the row in trouble, as the page has it
NO_CERTIFICATE = "curl -s https://192.0.2.1:8640/healthz"
NOT_DECIDED = "not decided"
PATIENCE_S = 600.0  # ends what hangs: a puller that waited for the agent starts anew when the machine lets it
CONFIG = "/etc/cdn-probe/agent.yaml"
PULL = "cdn-probe pull --from https://192.0.2.1:8640 --into copy --token-file token --key agent.pub"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Booted; the CDN answers; the package's file lies where root stands, nothing of it is installed."""
    with booted(tmp_path_factory.mktemp("machine")) as made:
        public_cdn.start(made)
        _brings_the_package(made)
        for name in ("cert", "key"):
            kept = {"cert": "api.pem", "key": "api.key"}[name]
            made.run("install", "-m", "600", f"/srv/{name}.pem", f"/root/{kept}")
        yield made


@pytest.fixture
def desk(machine: Machine, tmp_path: Path) -> Iterator[Machine]:
    """Another machine, whose one line leads to the first; the package's file lies there too."""
    with booted(tmp_path) as made:
        public_cdn.join(machine, made)
        _brings_the_package(made)
        made.run("useradd", "--create-home", "evaluator")
        yield made


def _brings_the_package(made: Machine) -> None:
    package = debian_package()
    (made.root / "root" / package.name).write_bytes(package.read_bytes())
    # an index of all pages at each of six installations
    made.run("rm", "-f", "/var/lib/man-db/auto-update")


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of version 0.1.0."""
    return version_before.package(tmp_path_factory.mktemp("before"))


@dataclass(slots=True)
class Hour:
    """Two people who type the page. `printed`: what each command printed, by its text as the page has it.

    `beside`: what root of the desk does while the other goes on.
    """

    machine: Machine
    desk: Machine
    beside: list[Future[str]] = field(default_factory=list)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    printed: dict[str, str] = field(default_factory=dict)
    row: str = SHOWN
    first: str = SHOWN

    def type(self, command: Typed) -> None:
        """It has to end with 0."""
        text = command.text.replace(SHOWN, self.row)
        if "cat > token)" in text:  # a person pastes it
            text = f"cat /opt/handed-over | {text}"
        place, who = ("/root", ()) if command.root else ("/home/evaluator", EVALUATOR)
        shell = ("env", f"HOME={place}", *who, "sh", "-c", f"cd {place}\n{text}")
        if command.who == "desk" and command.root:
            self.beside.append(self.pool.submit(self.desk.run, *shell, timeout_s=300))
            return
        if command.who == "desk":
            self.desk_is_ready()
        machine = self.machine if command.who == "host" else self.desk
        self.printed[command.text] = machine.run(*shell, timeout_s=300)

    def desk_is_ready(self) -> None:
        while self.beside:
            self.beside.pop().result()

    def said(self, beginning: str) -> str:
        """What the one command that begins so printed."""
        (found,) = [printed for text, printed in self.printed.items() if text.startswith(beginning)]
        return found

    # --- what happens beside the typing ---------------------------------------------------------------

    def until_listed(self, *options: str) -> None:
        def listed() -> bool:
            time.sleep(1)  # a command starts anew at each look
            out = self.machine.run("cdn-probe", "results", "list", *options, check=False)
            return "www.acme.example" in out

        self.machine.until(listed, f"results list {options}", PATIENCE_S)

    def edge_goes_down(self) -> None:
        self.machine.run("systemctl", "stop", "edge2")
        self.until_listed("--outcome", "failed")

    def row_is_picked(self) -> None:
        listed = self.said("cdn-probe results list --outcome failed")
        rows = [word for word in listed.split() if word.startswith("acme/")]
        self.row, self.first = rows[0], rows[-1]  # the newest stands first

    def edge_is_well_again(self) -> None:
        self.machine.run("systemctl", "start", "edge2")

    def api_listens(self, times: int) -> None:
        self.machine.until(
            lambda: self.machine.journal("cdn-probe").count("api.listening") >= times,
            "the API listens",
            PATIENCE_S,
        )

    def token_is_handed_over(self) -> None:
        self.api_listens(1)
        (token,) = [
            line
            for line in (self.machine.root / "root/token.txt").read_text().splitlines()
            if line.startswith("cdnp_")
        ]
        self.desk.write("/opt/handed-over", f"{token}\n")
        key = (self.machine.root / "var/lib/cdn-probe/agent.pub").read_text()
        self.desk.write("/home/evaluator/agent.pub", key)
        self.desk.run("chown", "evaluator", "/home/evaluator", "/home/evaluator/agent.pub")

    def certificate_is_handed_over(self) -> None:
        made = (self.desk.root / "home/evaluator/reader.pem").read_text()
        self.machine.write("/root/reader.pem", made)


def test_a_new_user_goes_the_whole_way(
    machine: Machine, desk: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    hour = Hour(machine, desk)
    before: dict[str, Callable[[], None]] = {
        "See a fault": hour.edge_goes_down,
        "Open its evidence": hour.row_is_picked,
        "Let a reader in": hour.edge_is_well_again,
        "Pull and verify": hour.token_is_handed_over,
    }
    before_lines: dict[str, Callable[[], None]] = {
        "cdn-probe results list": hour.until_listed,
        "install -m 644 reader.pem /etc/cdn-probe/tls/readers.pem": hour.certificate_is_handed_over,
        f"{NO_CERTIFICATE} || echo no certificate, no answer": lambda: hour.api_listens(2),
    }
    took = []
    for heading, commands in groupby(typed(PAGE), key=lambda command: command.heading):
        begun = time.monotonic()
        before.pop(heading, lambda: None)()
        for command in (lines := list(commands)):
            before_lines.pop(command.text, lambda: None)()
            hour.type(command)
        took.append((heading, len(lines), time.monotonic() - begun))
    assert (before, before_lines) == ({}, {})
    hour.pool.shutdown()
    with capsys.disabled():
        print()
        for heading, number, seconds in took:
            print(f"| {heading} | {number} | {seconds:.1f} |")
        print(f"| all | {sum(n for _, n, _ in took)} | {sum(s for _, _, s in took):.1f} |")

    assert "cdn-probe, version" in hour.said("cdn-probe --version")
    assert "wrote /etc/cdn-probe/agent.yaml" in hour.said("cdn-probe init")
    assert "warning" not in hour.said("cdn-probe init")
    customer = (machine.root / "etc/cdn-probe/customers/acme.yaml").read_text()
    assert 'cdn: {suffixes: ["cdn.example.net"]}' in customer  # proposed from the chain
    assert "good. 1 customer, 1 vantage point, 1 task" in hour.said("cdn-probe check-config")
    assert "active (running)" in hour.said("systemctl --no-pager status")
    assert "vm measuring" in hour.said("cdn-probe status").replace(machine.run("hostname").strip(), "vm")
    assert "failed · cdn · tcp.refused" in hour.said("cdn-probe results list --outcome failed")
    assert "tcp.refused, the CDN's fault" in " ".join(hour.said("cdn-probe incidents").split())
    shown = hour.said("cdn-probe results show")
    assert "Edge 198.51.100.2 refused the connection" in shown
    assert "> GET /app.js HTTP/1.1" in shown  # the bytes
    har = json.loads((machine.root / "root/fault.har").read_text())
    assert {entry["serverIPAddress"] for entry in har["log"]["entries"]} >= {
        "198.51.100.2",
        public_cdn.ORIGIN,
    }
    assert "nothing altered was found" in hour.printed["cdn-probe results verify"]
    assert "complete" in hour.printed[f"{PULL} --evidence --ack"]
    assert hour.said(NO_CERTIFICATE) == "no certificate, no answer\n"
    assert "complete" in hour.printed[f"{PULL} --ack --cert reader.pem --client-key reader.key"]
    assert "by the key given" in hour.said("cdn-probe results verify copy")  # as typed the second time
    assert "<html" in (desk.root / "home/evaluator/page.html").read_text()
    report = " ".join(hour.said("cdn-probe sla report").split())
    assert NOT_DECIDED in report
    assert f"tcp.refused; {hour.first}" in report
    accused = {row["reason"] for row in slots(results(machine)) if row["fault"] == "cdn"}
    assert accused == {"tcp.refused"}


# --- the upgrade ----------------------------------------------------------------------------------------


def agents(rows: list[dict[str, Any]]) -> set[str]:
    """The versions that measured them."""
    return {row["host"]["agent_version"] for row in slots(rows, "measured")}


def verified(said: str) -> list[dict[str, Any]]:
    """The streams of what `results verify --json` printed; nothing is wrong."""
    report: dict[str, Any] = json.loads(said)
    assert report["good"]
    return list(report["streams"])


def test_an_upgrade_under_load_loses_nothing_and_there_is_a_way_back(
    machine: Machine, before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Measuring and being pulled across the seam; then back, which is refused, and forward again."""
    package = debian_package().name
    machine.run("dpkg", "-P", "cdn-probe", timeout_s=180)
    machine.run("sh", "-c", "rm -rf /var/lib/cdn-probe /etc/cdn-probe")
    (machine.root / "opt/before.deb").write_bytes(before.read_bytes())
    machine.run("dpkg", "-i", "/opt/before.deb", timeout_s=180)
    token = version_before.configure(machine)
    machine.run("systemctl", "start", "cdn-probe")
    machine.until(lambda: "api.listening" in machine.journal("cdn-probe"), "0.1.0 can be pulled", PATIENCE_S)
    store = machine.root / "var/lib/cdn-probe"
    key = (store / "agent.pub").read_text()
    (tmp_path / "kept.pub").write_text(key)
    machine.write("/opt/kept.pub", key)
    verify = ("cdn-probe", "results", "verify", "--json")

    with version_before.pulled(machine, tmp_path, token) as copy:
        machine.until(lambda: bool(list(copy.rglob("*.ndjson"))), "0.1.0 is pulled", PATIENCE_S)
        machine.run("dpkg-deb", "-x", f"/root/{package}", "/tmp/new")
        home = "/tmp/new/usr/lib/cdn-probe/bin"
        good = machine.run(f"{home}/python", "-I", f"{home}/cdn-probe", "check-config", "-c", CONFIG)
        assert f"good. 1 customer, 1 vantage point, {version_before.OBJECTS} tasks" in good
        begun = time.monotonic()
        said = machine.run("dpkg", "-i", f"/root/{package}", timeout_s=180)
        took_s = time.monotonic() - begun
        assert "onffile" not in said, said  # nobody is asked about a file of theirs
        had = _copied(copy)
        machine.until(
            lambda: _copied(copy) > had + 4 * version_before.OBJECTS, "it measures and is pulled", PATIENCE_S
        )
        machine.run("systemctl", "stop", "cdn-probe")
        rows = results(machine)
        assert agents(rows) == {"0.1.0", __version__}
        assert version_before.problems(rows) == []
        why = Counter(row["missed_reason"] for row in slots(rows, "missed"))
        assert why["agent.stopped"] > 0
        verified(machine.run(*verify, "/var/lib/cdn-probe", "--key", "/opt/kept.pub"))
        machine.run("systemctl", "start", "cdn-probe")
        machine.until(lambda: _copied(copy) >= len(rows), "all is pulled across the seam", PATIENCE_S)
    command = (sys.executable, "-m", "probe", *verify[1:], copy, "--key", tmp_path / "kept.pub")
    there = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=CHECKOUT)
    assert [stream["last_seq"] >= len(rows) for stream in verified(there.stdout)] == [True]

    # Back: refused, said so, and nothing is touched by it.
    back = machine.run("dpkg", "-i", "/opt/before.deb", timeout_s=180, check=False)
    assert "0.1.0 does not start on results that 0.2.0 wrote" in back
    machine.run("systemctl", "stop", "cdn-probe")
    had = _copied(copy)
    other = "s/^agent: mon-01$/agent: mon-01-back/; s,^results: .*,results: /var/lib/cdn-probe/back,"
    machine.run("sed", "-i", other, CONFIG)
    machine.run("systemctl", "start", "cdn-probe")  # as docs/operations.md says
    machine.until(
        lambda: len(list(store.glob("back/_parts/*.db"))) > 0, "0.1.0 measures under another name", PATIENCE_S
    )
    first = "s/^agent: mon-01-back$/agent: mon-01/; s,^results: .*,results: /var/lib/cdn-probe,"
    machine.run("sed", "-i", first, CONFIG)
    machine.run("systemctl", "stop", "cdn-probe")
    machine.run("mv", "/var/lib/cdn-probe/back", "/var/lib/cdn-probe-back")
    machine.run("dpkg", "-i", f"/root/{package}", timeout_s=180)
    machine.run("systemctl", "start", "cdn-probe")
    with version_before.pulled(machine, tmp_path, token) as copy:
        machine.until(
            lambda: _copied(copy) > had + 4 * version_before.OBJECTS, "it goes on and is pulled", PATIENCE_S
        )
        machine.run("systemctl", "stop", "cdn-probe")
    assert version_before.problems(results(machine)) == []
    verified(machine.run(*verify, "/var/lib/cdn-probe", "--key", "/opt/kept.pub"))
    verified(machine.run(*verify, "/var/lib/cdn-probe-back"))
    with capsys.disabled():
        print(f"\nupgrade: {took_s:.1f} s by dpkg, {len(rows)} rows, missed {dict(why)}")


def _copied(copy: Path) -> int:
    return sum(len(file.read_bytes().splitlines()) for file in copy.rglob("0*.ndjson"))
