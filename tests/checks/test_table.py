"""The table of check kinds: what every row of it must keep, whoever adds one."""

from __future__ import annotations

import importlib
import json
import pkgutil
from typing import Any

import pytest

import probe.checks
from probe.checks import CHECKS
from probe.core.config.plan import task_from_json, task_to_json
from probe.core.content.check_kind import CheckKind
from probe.core.records.codec import encode_any
from tests.support.build import checks, evidence, task


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


PARAMS: dict[str, dict[str, Any]] = {
    "availability": {"status": [200, 404]},
    "response_time": {"ttfb": "500ms", "total": "2s"},
    "integrity": {"mode": "none"},
    "alias": {"suffixes": ["cdn.example.net"]},
    "redirect": {
        "location_pattern": "/new.*",
        "chain": {"hops": [{"status": 302, "location": "/x"}], "url": "/y"},
    },
    "hotlink": {
        "allowed": ["https://a.example/"],
        "denied": [""],
        "refused": {"status": [403, 404], "redirect_to": "x"},
    },
    "freshness": {"refresh": "10m", "max_age": {"at_least": "1s", "at_most": "1h"}},
    "certificate": {"names": ["a.example"], "ciphers": {"forbid": ["RC4", "*-SHA"]}, "issuers": ["R11"]},
    "headers": {"present": ["A"], "equal": {"B": "1"}, "match": {"C": "[0-9]+"}, "same_as_origin": ["D"]},
    "throughput": {"at_least": "10Mbps", "size_at_least": "4MiB"},
    "negotiation": {"head": False, "ranges": "required"},
    "advertised": {"protocols": ["h3"]},
}


@pytest.mark.parametrize("key", CHECKS)
def test_a_kept_definition_reads_back_as_it_was(key: str) -> None:
    made = task(checks=checks(**{key: PARAMS[key]}))
    kept = json.loads(encode_any(task_to_json(made)))
    assert task_from_json(kept, CHECKS).checks == made.checks


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
        ("advertised", {}),
    ],
)
def test_nothing_observed_is_no_symptom(key: str, params: dict[str, object]) -> None:
    kind = CHECKS[key]
    nothing = evidence(resolution=None)
    assert list(kind.examine(kind.params.model_validate(params), task(), nothing)) == []
