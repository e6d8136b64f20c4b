"""The example role for Ansible, played against a booted machine: it installs, configures and starts the agent.

Ansible's own connection `ssh` is used; in the place of the program ssh stands one that enters the machine.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.packaged import CHECKOUT, debian_package
from tests.system.booted import Machine, booted

pytestmark = [pytest.mark.system, pytest.mark.long, pytest.mark.timeout(1800)]

PLAYBOOK = CHECKOUT / "packaging" / "ansible" / "playbook.yml"
SSH = """#!/bin/sh
# The last word is what ssh would have a shell run there.
for last; do :; done
exec nsenter -t {leader} -m -u -i -n -p -C -- sh -c "$last"
"""
CUSTOMER = """\
customer: acme
domains:
  - domain: www.acme.example
    objects: [{path: /app.js}]
"""
TO_CONFIGURE = ("--start-at-task", "Install the customers' files")


class Host:
    """A machine with nothing but Debian, and who plays the playbook on it."""

    def __init__(self, machine: Machine, directory: Path) -> None:
        self.machine = machine
        self.customers = directory / "customers"
        self.customers.mkdir()
        (self.customers / "acme.yaml").write_text(CUSTOMER)
        ssh = directory / "ssh"
        ssh.write_text(SSH.format(leader=machine.leader))
        ssh.chmod(0o755)
        (directory / "inventory").write_text("[cdn_probe]\nmon-01\n")
        self._directory, self._ssh = directory, ssh

    def play(self, *options: str, code: int = 0) -> str:
        """All that it said."""
        variables = {
            "ansible_ssh_executable": self._ssh,
            "ansible_ssh_transfer_method": "piped",
            "ansible_become": "false",  # whoever enters is root
            "cdn_probe_package": debian_package(),
            "cdn_probe_customers": f"{self.customers}/",
        }
        set_here = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
        ansible = Path(sys.executable).with_name("ansible-playbook")
        done = subprocess.run(
            [ansible, "-i", self._directory / "inventory", *set_here, *options, PLAYBOOK],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env={
                **os.environ,
                "ANSIBLE_HOME": str(self._directory / "ansible"),
                "ANSIBLE_PIPELINING": "1",
                "ANSIBLE_NOCOLOR": "1",
                "LC_ALL": "C.UTF-8",
            },
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def active(self) -> tuple[str, str]:
        """Whether it runs, and is started with the machine."""
        return self.machine.show("cdn-probe", "ActiveState"), self.machine.show("cdn-probe", "UnitFileState")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    directory = tmp_path_factory.mktemp("ansible")
    with booted(directory) as machine:
        yield Host(machine, directory)


def changed(said: str) -> int:
    found = re.search(r"^mon-01 .* changed=(\d+) ", said, re.M)
    assert found is not None, said
    return int(found[1])


def test_it_installs_configures_and_starts_and_the_second_time_changes_nothing(host: Host) -> None:
    assert changed(host.play()) > 0
    assert host.active() == ("active", "enabled")
    agent = (host.machine.root / "etc/cdn-probe/agent.yaml").read_text()
    assert "\nagent: mon-01\n" in agent
    assert "1 customer, 1 vantage point" in host.machine.run("cdn-probe", "check-config")
    assert changed(host.play()) == 0


def test_a_wrong_file_of_a_customer_ends_the_play_with_its_place_and_the_agent_goes_on(host: Host) -> None:
    (host.customers / "acme.yaml").write_text(CUSTOMER.replace("path", "pth"))
    begun = host.machine.show("cdn-probe", "ExecMainPID")
    assert "acme.yaml:4:16: unknown key 'pth': did you mean 'path'?" in host.play(*TO_CONFIGURE, code=2)
    assert host.active() == ("active", "enabled")
    (host.customers / "acme.yaml").write_text(CUSTOMER)
    assert changed(host.play(*TO_CONFIGURE)) > 0
    assert host.machine.show("cdn-probe", "ExecMainPID") == begun
