"""The table of check kinds: what every row of it must keep, whoever adds one."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import probe.checks
from probe.checks import CHECKS
from probe.core.kinds import CheckKind
from tests.build import evidence, task


@pytest.mark.parametrize(("key", "kind"), CHECKS.items())
def test_a_row_is_consistent(key: str, kind: CheckKind) -> None:
    assert kind.name == key
    assert kind.summary.strip()
    assert kind.params.model_config["extra"] == "forbid"
    assert kind.params.model_config["frozen"] is True
    undescribed = [name for name, field in kind.params.model_fields.items() if not field.description]
    assert undescribed == []


def test_every_module_is_in_the_table_under_its_own_name() -> None:
    modules = {module.name for module in pkgutil.iter_modules(probe.checks.__path__)}
    assert modules == set(CHECKS)
    for name in modules:
        assert importlib.import_module(f"probe.checks.{name}").KIND is CHECKS[name]


def test_the_table_cannot_be_changed_from_outside() -> None:
    with pytest.raises(TypeError):
        CHECKS["another"] = CHECKS["alias"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("key", "params"),
    [
        ("availability", {}),
        ("response_time", {"ttfb": "1s"}),
        ("integrity", {}),
        ("alias", {}),
        ("redirect", {"location": "/"}),
        ("hotlink", {"denied": [""]}),
        ("freshness", {"refresh": "1m"}),
        ("certificate", {}),
        ("headers", {"present": ["etag"]}),
        ("throughput", {"at_least": "1Mbps"}),
        ("negotiation", {}),
    ],
)
def test_nothing_observed_is_no_symptom(key: str, params: dict[str, object]) -> None:
    kind = CHECKS[key]
    nothing = evidence(resolution=None)
    assert list(kind.examine(kind.params.model_validate(params), task(), nothing)) == []
