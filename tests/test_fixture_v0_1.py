"""What version 0.1.0 wrote is read, verified, judged, written on and pulled by the present version as it was then.

tests/fixtures/v0.1 is frozen; its README.md says what it holds. A test that fails here is a user who lost results.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from click.testing import CliRunner

from probe.cli.main import cli
from probe.host.clock import SystemClock
from probe.pull.layout import read_lines
from probe.store.read.reader import Reader
from probe.store.store import Store
from tests.fixtures.counting import facts_of
from tests.fixtures.frozen import V0_1, unpacked
from tests.support.agent_process import cdn_probe, start

FACTS: dict[str, Any] = json.loads((V0_1 / "facts.json").read_text())
STREAMS: dict[str, Any] = FACTS["store"]["streams"]
AGENT = "lab-agent"
OURS = {name: stream for name, stream in STREAMS.items() if name.startswith(f"{AGENT}/")}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results directory; not for writing."""
    return unpacked("results", tmp_path_factory.mktemp("v0.1"))


@pytest.fixture
def writable(results: Path, tmp_path: Path) -> Path:
    """A results directory for one test."""
    return Path(shutil.copytree(results, tmp_path / "results"))


def command(*arguments: str | Path) -> str:
    """What a command prints; it ends well. In this process: a start of its own takes more than a second."""
    done = CliRunner().invoke(cli, [*map(str, arguments)], standalone_mode=False, catch_exceptions=False)
    assert not done.return_value, done.output  # as `main` takes it for the exit code
    return done.stdout


def verified(path: Path, *more: str | Path) -> dict[str, Any]:
    """Streams by name, as `results verify` reports them; all is well."""
    report = json.loads(command("results", "verify", path, "--json", *more))
    assert report["good"]
    return {f"{stream['agent']}/{stream['customer']}": stream for stream in report["streams"]}


# --- reading ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STREAMS)
def test_every_line_of_a_stream_is_handed_out_as_it_was(results: Path, name: str) -> None:
    agent, customer = name.split("/")
    with Reader.open(results, agent) as reader:
        assert (agent, customer, STREAMS[name]["last_seq"]) in reader.streams()
        lines = [line.text for line in reader.lines(customer, 0, 10_000)]
        assert facts_of(lines) == STREAMS[name]
        head = reader.head(customer)
        assert (head.seq, head.digest) == (STREAMS[name]["last_seq"], STREAMS[name]["last_digest"])


def test_every_record_is_decoded_with_what_belongs_to_it(results: Path) -> None:
    with Reader.open(results) as reader:
        assert reader.agent == AGENT
        records = list(reader.follow({}))
        evidence = [found for record in records if (found := getattr(record, "evidence_id", None))]
        bundles = [reader.bundle(found) for found in evidence]
        slots = [record for record in records if record.kind == "slot"]
        definitions = {slot.definition for slot in slots if slot.state == "measured"}
        assert all(reader.definition(digest) for digest in definitions)
        assert [digest for digest, _, _ in reader.config_versions()] == FACTS["store"]["configs"]
        assert len(list(reader.nodes())) == FACTS["store"]["nodes"]
        assert len(list(reader.all_origin_versions())) == FACTS["store"]["origin_versions"]
    assert len(slots) == sum(stream["slots"] for stream in OURS.values())
    assert len(records) - len(slots) == sum(sum(stream["events"].values()) for stream in OURS.values())
    assert None not in bundles
    assert len(bundles) == FACTS["store"]["bundles"]


def test_results_list(results: Path) -> None:
    out = command("results", "-d", results, "list", "--json", "--limit", "10000")
    listed = [json.loads(line) for line in out.splitlines()]
    slots = [record for record in listed if record["kind"] == "slot"]
    for count, field in (("states", "state"), ("missed", "missed_reason")):
        wanted = sum((Counter(stream[count]) for stream in OURS.values()), Counter())
        assert Counter(slot[field] for slot in slots if slot[field]) == wanted


@pytest.mark.parametrize("reason", FACTS["store"]["one_of_each_reason"])
def test_results_show(results: Path, reason: str) -> None:
    which = FACTS["store"]["one_of_each_reason"][reason]
    shown = command("results", "-d", results, "show", which, "--evidence")
    assert reason in shown
    assert which in shown


# --- proof and judgement ------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["results", "copy", "segments"])
def test_results_verify(tmp_path: Path, what: str) -> None:
    place = unpacked(what, tmp_path)
    key = shutil.copy(next(place.rglob("agent.pub")), tmp_path / "kept.pub")
    found = verified(place, "--key", key)
    assert found.keys() == FACTS["verify"][what]["streams"].keys()
    for name, facts in FACTS["verify"][what]["streams"].items():
        assert {field: found[name][field] for field in facts} == facts


def test_segments_and_store_verify_together(writable: Path, tmp_path: Path) -> None:
    shutil.copytree(unpacked("segments", tmp_path), writable, dirs_exist_ok=True)
    assert verified(writable).keys() == STREAMS.keys()


def test_replay_changes_no_verdict(results: Path) -> None:
    assert " ".join(command("replay", "-d", results).split()) == FACTS["replay"]


# --- writing and pulling on ---------------------------------------------------------------------------


async def test_the_chain_is_continued(writable: Path) -> None:
    facts = STREAMS[f"{AGENT}/shop"]
    with Reader.open(writable) as reader:
        row = next(record for record in reader.list("shop", outcome="ok"))
    store = Store.open(writable, AGENT, SystemClock())
    try:
        (stored,) = await store.append([msgspec.structs.replace(row, seq=None, previous=None)])
    finally:
        await store.close(within_s=10)
    assert (stored.seq, stored.previous) == (facts["last_seq"] + 1, facts["last_digest"])
    with Reader.open(writable) as reader:
        *old, new = [line.text for line in reader.lines("shop", 0, 10_000)]
    assert facts_of(old) == facts
    assert json.loads(new)["previous"] == facts["last_digest"]
    assert verified(writable)[f"{AGENT}/shop"]["last_seq"] == facts["last_seq"] + 1


@asynccontextmanager
async def served(results: Path, directory: Path) -> AsyncIterator[tuple[str, str]]:
    """`cdn-probe serve` over these results: its address, and a token for all of them."""
    made = json.loads(command("token", "evaluator", "--customer", "*", "--json"))
    config = directory / "agent.yaml"
    content = {
        "agent": AGENT,
        "results": str(results),
        "customers": "customers/",
        "vantage_points": [{"name": "local"}],
        "api": {"listen": "127.0.0.1:0", "tokens": [made["entry"]]},
    }
    config.write_text(yaml.safe_dump(content))
    server = await start("serve", "-c", config)
    try:
        assert server.stdout is not None
        async with asyncio.timeout(60):
            address = (await server.stdout.readline()).decode().strip()
        yield f"http://{address}", made["token"]
    finally:
        server.send_signal(signal.SIGTERM)
        await asyncio.wait_for(server.communicate(), 60)


async def test_an_old_copy_is_pulled_on(writable: Path, tmp_path: Path) -> None:
    copy = unpacked("copy", tmp_path)
    before = {file: file.read_bytes() for file in copy.rglob("*.ndjson")}
    async with served(writable, tmp_path) as (url, token):
        done = await cdn_probe("pull", "--from", url, "--into", copy, env={"CDN_PROBE_TOKEN": token})
    assert done.code == 0, done.out + done.err
    for file, had in before.items():  # its lines, though a full file is packed
        assert b"".join(line + b"\n" for line, _ in read_lines(file)).startswith(had)
    found = verified(copy, "--key", writable / "agent.pub")
    assert found.keys() == STREAMS.keys()
    for name, stream in STREAMS.items():
        assert found[name]["last_seq"] == found[name]["signed_up_to"] == stream["last_seq"]
        assert found[name]["last_digest"] == stream["last_digest"]
