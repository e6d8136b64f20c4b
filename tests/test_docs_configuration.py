"""docs/configuration.md names every key that the models take, and what it shows is what the agent does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from click.testing import CliRunner
from pydantic import BaseModel

from probe.checks import CHECKS
from probe.cli.main import cli
from probe.core.config.agent import AgentConfig
from probe.core.config.customer import CustomerFile
from probe.core.config.load import ConfigError, parse_customer
from probe.settings.config_files import load_config

DOCUMENT = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text(encoding="utf-8")


def models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model and all that its fields lead to."""
    yield model
    for field in model.model_fields.values():
        for inner in _models_in(field.annotation):
            yield from models(inner)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


MODELS = {m.__name__: m for root in (AgentConfig, CustomerFile) for m in models(root)}
KEYS = sorted({(m.__name__, f.alias or n) for m in MODELS.values() for n, f in m.model_fields.items()})
PARAMS = [(kind.name, f.alias or n) for kind in CHECKS.values() for n, f in kind.params.model_fields.items()]


def test_the_walk_finds_the_models() -> None:
    assert {"VantagePointConfig", "LimitsConfig", "TokenConfig", "OriginConfig", "ExclusionConfig"} <= set(
        MODELS
    )


def test_every_key_has_a_row() -> None:
    told = set(re.findall(r"^\| `([^`]+)` \|", DOCUMENT, re.M))
    assert KEYS
    assert [(model, key) for model, key in KEYS if key not in told] == [], "not in the document"


def test_every_parameter_of_every_check_has_a_row() -> None:
    assert PARAMS
    assert [(kind, key) for kind, key in PARAMS if f"| `{kind}` | `{key}` |" not in DOCUMENT] == []


def test_no_row_tells_of_a_key_that_is_none() -> None:
    known = {key for _, key in KEYS} | {kind for kind, _ in PARAMS}
    tables = DOCUMENT[DOCUMENT.index("## agent.yaml") : DOCUMENT.index("## Secrets")]
    assert set(re.findall(r"^\| `([a-z_]+)` \|", tables, re.M)) <= known


def _examples(language: str) -> list[str]:
    found = re.findall(r"^( *)```(\w*)\n(.*?)^ *```$", DOCUMENT, re.M | re.S)
    return [re.sub(rf"^{indent}", "", text, flags=re.M) for indent, told, text in found if told == language]


def test_whole_files_that_are_shown_are_good_or_fail_as_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [text for text in _examples("yaml") if text.startswith("customer:")]
    good, bad = whole
    made = parse_customer(good, "acme.yaml", kinds=CHECKS, vantage_points=["local"])
    assert made.objects[0].request.path == "/static/app.js"
    (tmp_path / "customers").mkdir()
    (tmp_path / "agent.yaml").write_text(
        "agent: a\nresults: r\ncustomers: customers/\nvantage_points: [{name: local}]\n"
    )
    (tmp_path / "customers" / "acme.yaml").write_text(bad)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_config(Path("agent.yaml"), CHECKS)
    [shown] = [text for text in _examples("") if "cdn-probe:" in text]
    *problems, count = shown.splitlines()
    assert [str(problem) for problem in caught.value.problems] == problems
    assert count == f"cdn-probe: {len(problems)} problems in the configuration; nothing was started"
    (tmp_path / "customers" / "acme.yaml").write_text(good)
    result = CliRunner().invoke(cli, ["check-config", "-c", "agent.yaml"])
    assert (result.exit_code, "1 tasks" in result.output or "1 task" in result.output) == (0, True)


def test_parts_that_are_shown_are_yaml() -> None:
    for text in _examples("yaml"):
        yaml.safe_load(text)
