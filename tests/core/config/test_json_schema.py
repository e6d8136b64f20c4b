"""The schemas in config/schema are current, and say yes and no to the right files."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from probe.checks import CHECKS
from probe.core.config.json_schema import DIALECT, agent_schema, customer_schema
from probe.core.syntax.yaml import read_document

ROOT = Path(__file__).parents[3]
SCHEMAS = {"agent": agent_schema(), "customer": customer_schema(CHECKS)}
EXAMPLES = {"agent": ROOT / "config/agent.yaml", "customer": ROOT / "config/customers/acme.yaml"}


def errors(which: str, text: str) -> list[str]:
    document, problems = read_document(text, which)
    assert document is not None
    assert not problems
    return [e.message for e in jsonschema.Draft202012Validator(SCHEMAS[which]).iter_errors(document.plain())]


@pytest.mark.parametrize("which", SCHEMAS)
def test_the_schema_files_are_current(which: str) -> None:
    """Renew with `cdn-probe schema agent > config/schema/agent.schema.json`, likewise customer."""
    file = ROOT / f"config/schema/{which}.schema.json"
    assert json.loads(file.read_text(encoding="utf-8")) == SCHEMAS[which]


@pytest.mark.parametrize("which", SCHEMAS)
def test_the_schema_is_a_schema(which: str) -> None:
    assert SCHEMAS[which]["$schema"] == DIALECT
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[which])
    assert '"null"' not in json.dumps(SCHEMAS[which])


@pytest.mark.parametrize("which", SCHEMAS)
def test_the_examples_validate_and_name_their_schema(which: str) -> None:
    text = EXAMPLES[which].read_text(encoding="utf-8")
    assert errors(which, text) == []
    first = text.splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (EXAMPLES[which].parent / first.partition("=")[2]).resolve().is_file()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("interval: 60s", "interval: soon"),
        ("interval: 60s", "intervall: 60s"),
        ("edges: all", "edges: some"),
        ("ip: [4]", "ip: [5]"),
        ("status: [200]", "status: [99]"),
        ("integrity: {mode: exact}", "integrity: {mode: vague}"),
        ("integrity:", "integritty:"),
        ("ttfb: 500ms", "ttfb: 500"),
        ("port: 443", "port: 0"),
        ("customer: acme", "customer: ../acme"),
    ],
)
def test_the_schema_refuses(old: str, new: str) -> None:
    text = EXAMPLES["customer"].read_text(encoding="utf-8")
    assert old in text
    assert errors("customer", text.replace(old, new))
