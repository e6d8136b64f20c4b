"""Requests of an HTTP version count in a contract only where it names the version."""

from __future__ import annotations

from random import Random

import pytest

from probe.core.model.protocols import PROTOCOLS
from probe.core.model.value import replace
from probe.core.sla.contract.profile import GrainTerms, Profile
from probe.core.sla.spans import Span
from probe.sla.engines.duckdb_engine import DuckDbEngine
from probe.sla.engines.engine import Engine, PlainEngine, Question
from tests.sla.made import CUSTOMERS, DOMAINS, FROM_US, fact, look

DAY_US = 86_400_000_000


def test_where_none_is_named_http_1_counts() -> None:
    for model in (GrainTerms, Profile):
        assert model.model_fields["protocols"].default == ("h1",)


@pytest.mark.parametrize("made", [PlainEngine, lambda: DuckDbEngine(threads=1)], ids=["plain", "duckdb"])
@pytest.mark.parametrize("named", [("h1",), ("h2",), ("h1", "h3"), ("auto",), PROTOCOLS])
def test_what_is_not_named_is_not_counted(made: type[PlainEngine], named: tuple[str, ...]) -> None:
    engine: Engine = made()
    draw = Random(7)
    facts = [
        replace(
            fact(number, draw),
            customer=CUSTOMERS[0],
            domain=DOMAINS[0],
            task=f"t{number}",
            protocol=PROTOCOLS[number % 4],
        )
        for number in range(40)
    ]
    engine.take(facts, [look(one, draw) for one in facts])
    engine.settle()
    asked = Question(
        customer=CUSTOMERS[0],
        domain=DOMAINS[0],
        span=Span(FROM_US, FROM_US + DAY_US),
        protocols=named,
        excluded=(),
    )
    try:
        assert {row.protocol for row in engine.facts(asked)} == set(named)
        assert len(list(engine.facts(asked))) == 10 * len(named)
    finally:
        engine.close()
