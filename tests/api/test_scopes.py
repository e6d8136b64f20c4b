"""What a token may see, asked of every route of the table: a route that is added is asked too, or this fails."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from probe.api.request.calls import Route
from probe.api.routes import ROUTES
from probe.core.config.results import VERBS
from probe.core.config.snapshot import together
from probe.core.nodes.values import Changes
from probe.core.proof.chain import line_digest
from probe.core.records.codec import encode
from probe.core.records.verdict import Outcome
from probe.core.results.bundle import BUNDLE_VERSION, Bundle
from probe.core.text import tokens
from probe.core.text.tokens import hash_token, make_token
from probe.host.clock import SystemClock
from probe.store.acks import ApiDb
from probe.store.confirmations import Ack
from probe.store.store import Store
from tests.api.served import Answer, Served, served, write_agent
from tests.store.write.test_nodes import sighting
from tests.support.rows import at, event, slot

THEIRS, OURS = "zeta-4711", "acme"
EVIDENCE = "e" * 32
NAMES = ("theirs", "ours", "nothing")
TOKENS = {name: make_token(bytes([number]) * 32) for number, name in enumerate(NAMES, 50)}

# Who asks these shows no token: a route that joins them is a decision, and this is where it is taken.
PUBLIC = {"/healthz", "/readyz", "/v1/openapi.json"}
# What they answer is the agent's, by the verb alone: figures of all customers by name (docs/monitoring.md).
OF_THE_AGENT = {"/metrics"}


@asynccontextmanager
async def two_customers(tmp_path: Path) -> Any:
    """A server over what two customers have, and the digest of the first line of the one that is not ours."""
    directory = tmp_path / "r"
    store = Store.open(directory, "a1", SystemClock())
    failed = slot(0, customer=THEIRS, outcome=Outcome.FAILED, evidence_id=EVIDENCE)
    sha256 = store.put_bundle(
        Bundle(bundle_version=BUNDLE_VERSION, id=EVIDENCE, record=failed, definition="{}")
    )
    texts = {"agent.yaml": "agent: a1\n", "z.yaml": f"customer: {THEIRS}\n", "a.yaml": f"customer: {OURS}\n"}
    store.put_config("c" * 64, together(texts, {"z.yaml": THEIRS, "a.yaml": OURS}), at(0))
    store.put_nodes(Changes(nodes=(sighting(customer=THEIRS), sighting(customer=OURS))))
    first, *_ = await store.append(
        [
            type(failed)(**{**_fields(failed), "evidence_sha256": sha256}),
            event("agent.started", THEIRS),
            slot(0),
        ]
    )
    await store.close()
    digest = line_digest(encode(first))
    db = await ApiDb.open(directory, at(0))
    await db.acknowledge(Ack(reader="theirs", agent="a1", customer=THEIRS, seq=1, digest=digest, at=at(0)))
    await db.close()
    entries = [
        {"name": "theirs", "hash": hash_token(TOKENS["theirs"]), "customers": [THEIRS], "may": list(VERBS)},
        {"name": "ours", "hash": hash_token(TOKENS["ours"]), "customers": [OURS], "may": list(VERBS)},
        {"name": "nothing", "hash": hash_token(TOKENS["nothing"]), "customers": [THEIRS], "may": []},
    ]
    write_agent(tmp_path / "agent.yaml", tokens=[entry for entry in entries if entry["may"]])
    async with served(tmp_path) as api:
        yield api, digest


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def asked(route: Route, digest: str) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Targets that ask the route for what is the other customer's, with every choice that it offers."""
    path = route.path.replace("{id}", EVIDENCE)
    assert "{" not in path, f"{route.path}: say here what of the other customer it names"
    if route.method == "POST":
        yield path, {"customer": THEIRS, "seq": 1, "digest": digest}
        return
    query = {"customer": THEIRS} if any(param.name == "customer" for param in route.params) else {}
    offered: list[dict[str, str]] = [{}]
    for param in route.params:
        offered += [{param.name: value} for value in param.schema.get("enum", ())]
        if param.name == "agent":
            offered.append({"agent": "a1"})
        if param.name == "digest" and route.path == "/v1/config":
            offered.append({"digest": "c" * 64})
    for more in offered:
        words = "&".join(f"{name}={value}" for name, value in {**query, **more}.items())
        yield path + (f"?{words}" if words else ""), None


async def ask(api: Served, route: Route, target: str, body: Any, name: str | None) -> Answer:
    more = {} if body is None else {"json": body}
    token = None if name is None else TOKENS[name]
    return await api.ask(target, None, method=route.method, raw_token=token, **more)


PRIVATE = [route for route in ROUTES if route.verb is not None]


def test_what_needs_no_token_is_known_by_name() -> None:
    assert {route.path for route in ROUTES if route.verb is None} == PUBLIC
    assert {route.path for route in PRIVATE} >= OF_THE_AGENT


@pytest.mark.parametrize("route", PRIVATE, ids=lambda route: f"{route.method} {route.path}")
async def test_nobody_sees_what_is_another_customers(tmp_path: Path, route: Route) -> None:
    async with two_customers(tmp_path) as (api, digest):
        shown = False
        for target, body in asked(route, digest):
            for stranger in (None, "nothing"):  # of no token, and of one that is not configured
                assert (await ask(api, route, target, body, stranger)).status == 401, target
            theirs = await ask(api, route, target, body, "theirs")
            assert theirs.status == 200, (target, theirs.body)
            shown |= THEIRS.encode() in theirs.body
            ours = await ask(api, route, target, body, "ours")
            if route.path in OF_THE_AGENT:
                continue
            assert ours.status in (200, 404), (target, ours.body)
            assert THEIRS.encode() not in ours.body, target
            assert EVIDENCE.encode() not in ours.body, target
            if "customer=" in target or body is not None or EVIDENCE in target:
                assert ours.status == 404, target
        assert shown or route.path in OF_THE_AGENT, (
            "it shows what is theirs to them, so that it would be seen here"
        )


@pytest.mark.parametrize("route", [r for r in ROUTES if r.verb is None], ids=lambda route: route.path)
async def test_what_needs_no_token_shows_nothing_of_anybody(tmp_path: Path, route: Route) -> None:
    async with two_customers(tmp_path) as (api, _):
        answer = await ask(api, route, route.path, None, None)
        assert answer.status in (200, 503)
        for secret in (THEIRS, OURS, EVIDENCE, 'a1"'):
            assert secret.encode() not in answer.body


@pytest.mark.parametrize("route", PRIVATE, ids=lambda route: f"{route.method} {route.path}")
async def test_a_verb_that_is_missing_is_403_whatever_is_asked(tmp_path: Path, route: Route) -> None:
    async with two_customers(tmp_path) as (api, digest):
        others = [verb for verb in VERBS if verb != route.verb]
        entry = {"name": "theirs", "hash": hash_token(TOKENS["theirs"]), "customers": [THEIRS], "may": others}
        write_agent(api.file, tokens=[entry])
        for target, body in asked(route, digest):
            for _ in range(200):  # the changed file is read with one of the next requests
                answer = await ask(api, route, target, body, "theirs")
                if answer.status == 403:
                    break
            assert answer.status == 403, target
            assert json.loads(answer.body)["status"] == 403
            assert THEIRS.encode() not in answer.body


def test_tokens_are_compared_in_constant_time_and_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes by `hmac.compare_digest`; the first that fits does not end it, so that its place does not show."""
    compared: list[bytes] = []
    compare = hmac.compare_digest

    def counted(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return compare(one, other)

    monkeypatch.setattr(tokens.hmac, "compare_digest", counted)
    hashes = [hash_token(token) for token in TOKENS.values()]
    for number, token in enumerate(TOKENS.values()):
        compared.clear()
        assert tokens.find(token, hashes) == number
        assert compared == [known.encode() for known in hashes]
    compared.clear()
    assert tokens.find("cdnp_wrong", hashes) is None
    assert len(compared) == len(hashes)
