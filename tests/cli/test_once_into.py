"""once --into: an acceptance run that is kept, chained and signed as a dispute file is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from probe.cli.main import cli
from probe.core.records.codec import decode
from probe.core.records.rows import SlotRecord
from probe.dispute.contents import PAGE, SUMMARY
from probe.seal.keys import Keys
from tests.agent.test_parts import CUSTOMER, config_of
from tests.dispute.made import File, problems


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A configuration whose resolver, anchor and origin refuse: every slot is measured at once, and not well."""
    line = {"name": "bj-ct", "anchors": ["tcp://127.0.0.1:9"], "resolvers": ["udp://127.0.0.1:9"]}
    config_of(tmp_path, vantage_points=[line], results=str(tmp_path / "results"))
    return tmp_path


def run(directory: Path, *typed: str) -> Result:
    return CliRunner().invoke(cli, ["once", "-c", str(directory / "agent.yaml"), *typed])


def test_the_records_of_the_run_are_in_the_file_with_their_evidence(directory: Path) -> None:
    done = run(directory, "--json", "--into", str(directory / "a.zip"))
    assert done.exit_code == 1, done.output
    file = File(directory / "a.zip", directory / "results" / "agent.pub")
    found = file.verified()
    assert (found.good, found.independent) == (True, True), problems(found)
    (report,) = found.streams
    (printed,) = [decode(line) for line in done.stdout.splitlines()]
    assert isinstance(printed, SlotRecord)
    assert (printed.seq, printed.host.agent, report.signed_up_to) == (1, report.agent, 1)
    assert report.agent.startswith("bj-mon-01-once-2")
    told = json.loads(file.members[SUMMARY])
    assert (told["slots"], told["evidence"], told["config_digests"]) == (1, 1, [printed.host.config_digest])
    assert b"www.acme.example" in file.members[PAGE]
    assert "records 1 to 1 of acme, signed; 1 evidence bundles" in done.stderr
    assert sorted(path.name for path in (directory / "results").iterdir()) == ["_agent.key", "agent.pub"]


def test_two_runs_are_no_second_history(directory: Path) -> None:
    """Each has a name of its own, so that no two heads signed with one key speak of one record."""
    keys = Keys.open(_made(directory / "results"))
    names = set()
    for name in ("a.zip", "b.zip"):
        assert run(directory, "--into", str(directory / name)).exit_code == 1
        found = File(directory / name, directory / "results" / "agent.pub").verified()
        assert (found.good, found.keys) == (True, (keys.id,)), "the agent's own key signs"
        names.add(found.streams[0].agent)
    assert len(names) == 2
    assert "bj-mon-01" not in names


def _made(path: Path) -> Path:
    path.mkdir()
    return path


def test_what_cannot_be_kept_is_said_before_anything_is_measured(directory: Path) -> None:
    (directory / "there.zip").write_text("mine")
    done = run(directory, "--into", str(directory / "there.zip"))
    assert (done.exit_code, "exists already" in str(done.exception or done.output)) == (1, True), done.output
    assert (directory / "there.zip").read_text() == "mine"
    other = {
        **CUSTOMER,
        "customer": "zeta",
        "domains": [{**CUSTOMER["domains"][0], "domain": "www.zeta.example"}],
    }  # type: ignore[dict-item]
    (directory / "customers" / "zeta.yaml").write_text(yaml.safe_dump(other))
    done = run(directory, "--into", str(directory / "x.zip"))
    assert "--customer, of acme, zeta" in str(done.exception or done.output)
    assert not (directory / "x.zip").exists()
    assert run(directory, "--customer", "zeta", "--into", str(directory / "x.zip")).exit_code == 1
    assert (directory / "x.zip").exists()
