"""What each path answers besides results, and that the OpenAPI document says the same as the server does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from probe.api.openapi import document
from probe.api.request.ports import AgentView
from probe.api.routes import ROUTES
from probe.api.server import Options
from probe.checks import CHECKS
from probe.core.config.load import Config
from probe.core.config.plan import make_plan
from probe.core.config.snapshot import apart, together
from probe.core.model.times import utc_text
from probe.core.model.value import replace
from probe.core.nodes.values import Changes, Sighting
from probe.core.proof.chain import line_digest
from probe.core.records.rows import Record, SlotRecord
from probe.core.records.verdict import Outcome
from probe.core.results.bundle import Bundle
from probe.host.clock import SystemClock
from probe.settings.config_files import load_config
from probe.store.confirmations import Confirmations
from probe.store.read.reader import Reader
from probe.store.store import Store
from tests.api.served import Served, fill, rows, served, write_agent
from tests.support.rows import at, event, missed, slot

DOC = document(ROUTES)


# --- the document -----------------------------------------------------------------------------------


async def test_the_document_names_every_route_and_nothing_else(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(1))
    async with served(tmp_path) as api:
        shown = (await api.ask("/v1/openapi.json", None)).json
        assert shown == json.loads(json.dumps(DOC))
        told = {(path, method.upper()) for path, methods in shown["paths"].items() for method in methods}
        assert told == {(route.path, route.method) for route in ROUTES}
        for path, method in told:  # each is served: none is 404 for its path or 405
            answer = await api.ask(path.replace("{id}", "0" * 32), "all", method=method)
            assert answer.status not in (405, 500), path
            assert answer.status != 404 or "evidence" in path
    assert shown["openapi"] == "3.1.0"


def test_the_schemas_are_json_schema_and_every_reference_leads_somewhere() -> None:
    schemas = DOC["components"]["schemas"]
    for name, schema in schemas.items():
        jsonschema.Draft202012Validator.check_schema(schema)
        for target in _references(schema):
            assert target.rpartition("/")[2] in schemas, name
    for target in _references(DOC["paths"]):
        assert target.rpartition("/")[2] in schemas


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [r for item in value.values() for r in _references(item)]
    return [r for item in value for r in _references(item)] if isinstance(value, list) else []


def _valid(value: Any, name: str) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOC["components"]}
    jsonschema.validate(value, schema)


def test_every_route_is_in_the_guide() -> None:
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    for route in ROUTES:
        assert f"`{route.method} {route.path}`" in text, route.path
        for param in route.params:
            assert f"`{param.name}`" in text, (route.path, param.name)


async def test_lines_are_what_the_document_says(tmp_path: Path) -> None:
    await fill(tmp_path / "r", [*rows(2), event("agent.started"), missed(9)])
    async with served(tmp_path) as api:
        answer = await api.ask("/v1/results?customer=acme")
        seen = await api.ask("/v1/events?customer=acme")
    names = {"slot": "SlotRecord", "event": "EventRecord", "page": "Page"}
    for line in map(json.loads, answer.lines):
        _valid(line, names[line["kind"]])
    _valid(seen.page, "EventPage")


# --- confirmations ------------------------------------------------------------------------------------


async def test_a_confirmation_is_kept_and_never_goes_back(tmp_path: Path) -> None:
    await fill(tmp_path / "r", [*rows(10), *rows(4, "zeta")])
    with Reader.open(tmp_path / "r") as reader:
        digests = [line_digest(line.text.encode()) for line in reader.lines("acme", 0, 100)]
    async with served(tmp_path) as api:

        async def ack(seq: int, digest: str, token: str = "acme", customer: str = "acme") -> tuple[int, Any]:
            body = {"customer": customer, "seq": seq, "digest": digest}
            answer = await api.ask("/v1/ack", token, method="POST", json=body)
            return answer.status, answer.json

        status, told = await ack(7, digests[6])
        assert (status, told["seq"], told["reader"]) == (200, 7, "acme")
        _valid(told, "Ack")
        assert (await ack(3, digests[2]))[1]["seq"] == 7
        assert (await ack(8, digests[6]))[0] == 409
        assert (await ack(11, digests[6]))[0] == 409
        status, told = await ack(9, "0" * 64)
        assert (status, told["head"]["seq"]) == (409, 10)
        assert (await ack(5, digests[4], "both"))[0] == 200
        own = (await api.ask("/v1/acks")).json["acks"]
        assert [(a["reader"], a["customer"], a["seq"]) for a in own] == [("acme", "acme", 7)]
    known = Confirmations(tmp_path / "r", "a1")
    assert known.confirmed("acme", ["acme", "both"]) == 5
    assert known.confirmed("acme", ["acme"]) == 7
    assert known.confirmed("acme", ["acme", "all"]) == 0
    assert known.confirmed("zeta", ["both"]) == 0
    assert known.confirmed("acme", []) == 0


async def test_when_a_row_was_first_pulled(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(30))
    clock = Settable()
    async with served(tmp_path, options=Options(clock=clock)) as api:
        clock.seconds = 1_800_000_000
        await api.ask("/v1/results?customer=acme&after=10&limit=5")
        clock.seconds += 60
        await api.ask("/v1/results?customer=acme&limit=12", "both")
        clock.seconds += 60
        await api.ask("/v1/results?customer=acme&limit=100")
        await api.ask("/healthz", None)
    known = Confirmations(tmp_path / "r", "a1")
    firsts = {seq: known.first_seen("acme", seq) for seq in (1, 10, 11, 15, 16, 30, 31)}
    first, second, third = (f"2027-01-15T08:0{minute}:00.000000Z" for minute in (0, 1, 2))
    assert firsts == {1: second, 10: second, 11: first, 15: first, 16: third, 30: third, 31: None}


class Settable(SystemClock):
    """A wall clock that a test sets."""

    seconds = 1_800_000_000

    def time_ns(self) -> int:
        return self.seconds * 1_000_000_000


# --- streams, events, coverage -------------------------------------------------------------------------


async def test_streams_are_those_that_may_be_seen(tmp_path: Path) -> None:
    await fill(tmp_path / "r", [*rows(3), *rows(5, "zeta")])
    async with served(tmp_path) as api:
        api.agent.seen = AgentView(complete_up_to={"acme": at(999)})
        for token, wanted in {
            "acme": {"acme": 3},
            "other": {"zeta": 5},
            "all": {"acme": 3, "zeta": 5},
        }.items():
            told = (await api.ask("/v1/streams", token)).json["streams"]
            assert {s["customer"]: s["seq"] for s in told} == wanted
            assert {s["customer"]: s["head"]["seq"] for s in told} == wanted
        acme = (await api.ask("/v1/streams")).json["streams"][0]
        assert acme["complete_up_to"] == at(999)


async def test_events_are_found_among_many_slots(tmp_path: Path) -> None:
    records: list[Record] = [
        event("agent.started"),
        *rows(1500),
        event("clock.stepped"),
        *rows(700, first=2000),
    ]
    await fill(tmp_path / "r", [*records, replace(event("agent.stopped"), at=at(5000))])
    async with served(tmp_path) as api:
        whole = await api.ask("/v1/events?customer=acme")
        assert [json.loads(line)["event"] for line in whole.lines[:-1]] == [
            "agent.started", "clock.stepped", "agent.stopped",
        ]  # fmt: skip
        assert (whole.page["next"], whole.page["more"]) == (len(records) + 1, False)
        first = await api.ask("/v1/events?customer=acme&limit=1")
        assert (first.page["rows"], first.page["more"]) == (1, True)
        second = await api.ask(f"/v1/events?customer=acme&limit=1&after={first.page['next']}")
        assert json.loads(second.lines[0])["event"] == "clock.stepped"
        late = await api.ask(f"/v1/events?customer=acme&since={at(4000)}")
        assert [json.loads(line)["event"] for line in late.lines[:-1]] == ["agent.stopped"]
        early = await api.ask(f"/v1/events?customer=acme&until={at(4000)}")
        assert early.page["rows"] == 2


CUSTOMER = """customer: acme
defaults: {interval: 60s, timeout: 10s, vantage_points: [local]}
domains:
  - domain: www.acme.example
    cdn: {suffixes: [cdn.example.net]}
    objects: [{path: /a.js, checks: {availability: {}}}]
"""


async def test_coverage_says_due_measured_missed_and_gaps(tmp_path: Path) -> None:
    async with configured(tmp_path) as (api, config):
        (task,) = make_plan(config).tasks
        first = -(-(1_700_000_000_000_000 - task.phase_us) // 60_000_000) * 60_000_000 + task.phase_us
        times = [first + k * 60_000_000 for k in range(12)]
        records: list[Record] = []
        for index, time_us in enumerate(times):
            row = missed(0, "agent.overloaded", id=task.id) if index in (3, 4) else slot(0, id=task.id)
            if index not in (8, 9):
                records.append(replace(row, scheduled_at=text(time_us)))
        records.append(replace(missed(0, id=task.id), scheduled_at=text(times[11] + 60_000_000)))
        await fill(tmp_path / "r", records)
        api.agent.seen = AgentView(complete_up_to={"acme": text(times[11] + 1)})
        day = "since=2023-11-14&until=2023-11-15T12:00:00Z"
        answer = await api.ask(f"/v1/coverage?customer=acme&{day}")
        other = await api.ask(f"/v1/coverage?customer=acme&{day}&task={'0' * 16}")
        only = await api.ask(f"/v1/coverage?customer=acme&{day}&task={task.id}")
        config_file = tmp_path / "customers" / "acme.yaml"
        assert load_config(tmp_path / "agent.yaml", CHECKS).digest == config.digest
        assert config_file.exists()
    (told,) = answer.json["tasks"]
    _valid(told, "TaskCoverage")
    assert told["grid"] == {"period_us": 60_000_000, "phase_us": task.phase_us}
    counts = {k: told[k] for k in ("due", "measured", "missed", "aborted", "unaccounted", "doubled")}
    assert counts == {"due": 13, "measured": 8, "missed": 3, "aborted": 0, "unaccounted": 2, "doubled": 0}
    assert told["domain"] == "www.acme.example"
    assert [(gap["slots"], gap["reason"]) for gap in told["gaps"]] == [
        (2, "agent.overloaded"), (2, "unaccounted"), (1, "agent.stalled"),
    ]  # fmt: skip
    assert told["gaps"][1]["first"] == text(times[8])
    assert other.json["tasks"] == []
    assert only.json["tasks"] == [told]


async def test_coverage_of_another_period_goes_by_the_rows(tmp_path: Path) -> None:
    async with configured(tmp_path) as (api, config):
        (task,) = make_plan(config).tasks
        await fill(tmp_path / "r", [slot(7 * k, id=task.id) for k in range(20)])
        without = await api.ask("/v1/coverage?customer=acme&since=2023-11-14&until=2023-11-16")
        api.agent.seen = AgentView(complete_up_to={"acme": at(10_000)})
        answer = await api.ask("/v1/coverage?customer=acme&since=2023-11-14&until=2023-11-16")
    for told in (*without.json["tasks"], *answer.json["tasks"]):
        assert (told["grid"], told["due"], told["measured"], told["unaccounted"]) == (None, 20, 20, 0)
    assert len(without.json["tasks"]) == len(answer.json["tasks"]) == 1


def text(time_us: int) -> str:
    return utc_text(time_us / 1e6)


# --- evidence, nodes, configuration ----------------------------------------------------------------------


async def test_evidence_of_ones_own_rows(tmp_path: Path) -> None:
    directory = tmp_path / "r"
    store = Store.open(directory, "a1", SystemClock())
    for customer, name in (("acme", "a" * 32), ("zeta", "b" * 32)):
        row = slot(customer=customer, outcome=Outcome.FAILED, evidence_id=name)
        assert isinstance(row, SlotRecord)
        store.put_bundle(Bundle(bundle_version=1, id=name, record=row, definition="{}"))
        await store.append([row])
    await store.close()
    async with served(tmp_path) as api:
        mine = await api.ask(f"/v1/evidence/{'a' * 32}")
        har = await api.ask(f"/v1/evidence/{'a' * 32}?format=har")
        theirs = await api.ask(f"/v1/evidence/{'b' * 32}")
        nobodys = await api.ask(f"/v1/evidence/{'c' * 32}")
        all_ = await api.ask(f"/v1/evidence/{'b' * 32}", "all")
    assert (mine.status, mine.json["record"]["customer"]) == (200, "acme")
    assert har.json["log"]["version"] == "1.2"
    assert (theirs.status, nobodys.status, theirs.body) == (404, 404, nobodys.body)
    assert all_.json["id"] == "b" * 32


async def test_nodes_are_a_customers_own(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "r", "a1", SystemClock())
    store.put_nodes(
        Changes(
            nodes=tuple(
                Sighting(
                    customer=customer, domain="www.acme.example", ip_version=4, address=address, vantage_point="v",
                    suffix="cdn.example.net", first_seen=at(0), last_seen=at(1), on_trial=False,
                )
                for customer, address in (("acme", "192.0.2.1"), ("zeta", "192.0.2.2"))
            ),
            learning=(),
        )
    )  # fmt: skip
    await store.append(rows(1))
    await store.close()
    async with served(tmp_path) as api:
        told = (await api.ask("/v1/nodes?customer=acme")).json["nodes"]
        other = (await api.ask("/v1/nodes?customer=acme&domain=www.other.example")).json["nodes"]
    assert [node["address"] for node in told] == ["192.0.2.1"]
    _valid(told[0], "ListedNode")
    assert other == []


async def test_configuration_is_shown_by_file_to_whom_it_concerns(tmp_path: Path) -> None:
    digest, old = "1" * 64, "0" * 64
    store = Store.open(tmp_path / "r", "a1", SystemClock())
    store.put_config(old, "agent: a1\ncustomer: zeta", at(0))
    texts = {
        "agent.yaml": "agent: a1\n",
        "customers/acme.yaml": "customer: acme\n# file customers/zeta.yaml, customer acme, 3 characters\n",
        "customers/zeta.yaml": "customer: zeta",
    }
    sources = {"customers/acme.yaml": "acme", "customers/zeta.yaml": "zeta"}
    store.put_config(digest, together(texts, sources), at(1))
    await store.append(rows(1))
    await store.close()
    async with served(tmp_path) as api:
        listed = (await api.ask("/v1/config")).json["versions"]
        mine = (await api.ask(f"/v1/config?digest={digest}")).json["versions"][0]
        before = (await api.ask(f"/v1/config?digest={old}")).json["versions"][0]
        whole = (await api.ask("/v1/config?text=yes", "all")).json["versions"]
        absent = await api.ask(f"/v1/config?digest={'2' * 64}")
    assert listed == [{"digest": old, "at": at(0)}, {"digest": digest, "at": at(1)}]
    assert [f["name"] for f in mine["files"]] == ["customers/acme.yaml"]
    assert mine["files"][0]["text"] == texts["customers/acme.yaml"]
    assert before["files"] == []
    assert {f["name"]: f["text"] for f in whole[1]["files"]} == texts
    assert whole[0]["files"][0]["text"] == "agent: a1\ncustomer: zeta"
    assert absent.status == 404


@pytest.mark.parametrize("cut", [0, 5, 30, -1])
def test_a_text_that_was_not_put_together_is_not_taken_apart(cut: int) -> None:
    whole = together({"a.yaml": "x: 1\n", "ü\n.yaml": "y: 2"}, {"a.yaml": "acme"})
    assert [f.text for f in apart(whole)] == ["x: 1\n", "y: 2"]
    assert apart(whole[:cut] if cut else "x: 1") == []


# --- health ----------------------------------------------------------------------------------------------


async def test_health_readiness_and_metrics(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(2))
    async with served(tmp_path, open_metrics=True) as api:
        assert (await api.ask("/healthz", None)).json == {"alive": True}
        assert (await api.ask("/readyz", None)).status == 200
        api.agent.seen = AgentView(trouble="No space left on device")
        full = await api.ask("/readyz", None)
        assert (full.status, full.headers["Retry-After"]) == (503, "5")
        assert "No space" not in full.body.decode()
        api.agent.seen = None
        assert (await api.ask("/readyz", None)).status == 503
        await api.ask("/v1/results?customer=acme")
        metrics = (await api.ask("/metrics", None)).body.decode()
        assert "agent_rows_total 3\n" in metrics
        assert "cdn_probe_api_rows_total 2.0\n" in metrics
        assert 'cdn_probe_api_requests_total{route="/v1/results",status="200"} 1.0' in metrics
        api.agent.text = None
        metrics = (await api.ask("/metrics", None)).body.decode()
        assert "cdn_probe_api_agent_answers 0.0" in metrics


# --- helpers -----------------------------------------------------------------------------------------------


@asynccontextmanager
async def configured(tmp_path: Path) -> AsyncIterator[tuple[Served, Config]]:
    """A server beside a whole configuration."""
    (tmp_path / "customers").mkdir()
    (tmp_path / "customers" / "acme.yaml").write_text(CUSTOMER)
    file = tmp_path / "agent.yaml"
    write_agent(file)
    (tmp_path / "r").mkdir()
    config = load_config(file, CHECKS)
    async with served(tmp_path, options=Options(whole=lambda: load_config(file, CHECKS))) as api:
        yield api, config
