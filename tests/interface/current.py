"""What users, their files and their programs know of cdn-probe, as this code has it; each as one text.

By way of the command line and of the source text where that will do, so that modules may move.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from probe.api.openapi import document
from probe.api.routes import ROUTES
from probe.core.proof.manifest import Manifest
from probe.core.records.rows import EventRecord, SlotRecord
from probe.core.results.bundle import Bundle
from tests.fixtures.frozen import unpacked
from tests.interface.command import cdn_probe

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

# The first words of what is told by code: events, verdicts, reasons, failures, log lines. "probe" names modules.
_CODE = re.compile(r"(?!probe\.)[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_NO_CODE = re.compile(
    r".*\.(yaml|pub|pem|json|ndjson|db|conf|example|log|parquet)|limits\.workers|api\.listen|(py)?spark\..*"
)


def snapshots(directory: Path) -> dict[str, str]:
    """File name -> text. `directory`: an empty one to work in."""
    store, copy = (unpacked(name, directory) for name in ("results", "copy"))
    return {
        "help.txt": help_of_all(store),
        "agent.schema.json": _schema("agent"),
        "customer.schema.json": _schema("customer"),
        "agreement.schema.json": _schema("agreement"),
        "profile.schema.json": _schema("profile"),
        "report.schema.json": _schema("report"),
        "openapi.json": openapi(),
        "fields.txt": fields(),
        "columns.txt": columns(store, directory),
        "codes.txt": codes(),
        "exit_codes.txt": exit_codes(store, copy, directory),
    }


# --- the command line ---------------------------------------------------------------------------------


def help_of_all(store: Path) -> str:
    """`--help` of every command, 80 columns wide."""
    return "\n".join(
        f"$ cdn-probe {' '.join((*names, '--help'))}\n{text}" for names, text in _helps((), store)
    )


def _helps(names: tuple[str, ...], store: Path) -> Iterator[tuple[tuple[str, ...], str]]:
    # `results` opens what it is to read before its own commands are asked for help.
    typed = ("results", "-d", str(store), *names[1:]) if names[:1] == ("results",) else names
    done = cdn_probe(*typed, "--help")
    assert done.code == 0, done.err
    yield names, done.out
    _, _, listed = done.out.partition("\nCommands:\n")
    for name in re.findall(r"^  (\S+)", listed, re.M):
        yield from _helps((*names, name), store)


def _schema(which: str) -> str:
    return _pretty(json.loads(cdn_probe("schema", which).out))


def exit_codes(store: Path, copy: Path, directory: Path) -> str:
    """Exit codes of commands that are well, that find something, that cannot run."""
    altered, empty, configs = directory / "altered", directory / "empty", directory / "config"
    shutil.copytree(copy, altered)
    lines = next(altered.glob("*/shop/0*.ndjson"))
    lines.write_text(lines.read_text().replace('"fault":"cdn"', '"fault":"origin"', 1))
    empty.mkdir()
    shutil.copytree(ROOT / "config", configs)
    config, broken = configs / "agent.yaml", configs / "broken.yaml"
    content = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**content, "results": str(empty)}))
    broken.write_text(yaml.safe_dump({**content, "colour": "blue"}))
    cases: dict[str, tuple[str | Path, ...]] = {
        "--version": ("--version",),
        "an unknown command": ("measure",),
        "an unknown option": ("schema", "agent", "--colour"),
        "check-config, good": ("check-config", "-c", config),
        "check-config, an unknown key": ("check-config", "-c", broken),
        "check-config, no such file": ("check-config", "-c", empty / "agent.yaml"),
        "status, no agent runs": ("status", "-c", config),
        "results list": ("results", "-d", store, "list"),
        "incidents, one is open": ("incidents", "-c", config, copy),
        "incidents, nothing there": ("incidents", empty),
        "results list, no store": ("results", "-d", empty, "list"),
        "results show, no such record": ("results", "-d", store, "show", "shop/999999"),
        "results verify, a clean copy": ("results", "verify", copy),
        "results verify, an altered copy": ("results", "verify", altered),
        "results verify, nothing there": ("results", "verify", empty),
        "replay, no change": ("replay", "-d", store),
        "pull, no file with the token": (
            *("pull", "--from", "http://127.0.0.1:1", "--into", directory / "into"),
            *("--token-file", empty / "token"),
        ),
    }
    return "".join(f"{cdn_probe(*typed).code}  {words}\n" for words, typed in cases.items())


# --- files and answers --------------------------------------------------------------------------------


def openapi() -> str:
    """What /v1/openapi.json says, without the version and without descriptions, which are words for people."""
    made = _without_descriptions(json.loads(json.dumps(document(ROUTES))))
    del made["info"]["version"]
    return _pretty(made)


def fields() -> str:
    """Name and type of every field of records, evidence bundles and manifests, in the order of writing."""
    _, components = msgspec.json.schema_components([SlotRecord, EventRecord, Bundle, Manifest])
    return "\n".join(_fields_of(name, schema) for name, schema in sorted(components.items()))


def _fields_of(name: str, schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return "\n".join((f"{name}, one of", *(f"  {value}" for value in schema["enum"]), ""))
    must = schema.get("required", ())
    told = [
        f"  {field}{'' if field in must else '?'}: {_type(kind)}"
        for field, kind in schema["properties"].items()
    ]
    return "\n".join((name, *told, ""))


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " | ".join(_type(kind) for kind in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        parts = schema.get("prefixItems") or [schema.get("items") or {}]
        return f"[{', '.join(map(_type, parts))}]"
    if kind == "object":
        return f"{{text: {_type(schema.get('additionalProperties') or {})}}}"
    return schema.get("contentEncoding", kind)


def columns(store: Path, directory: Path) -> str:
    """The columns of an export, one a line."""
    file = directory / "all.csv"
    done = cdn_probe(
        "results", "-d", store, "export", "--customer", "shop", "--format", "csv", "--output", file
    )
    assert done.code == 0, done.err
    with file.open(encoding="utf-8", newline="") as rows:
        return rows.readline().strip().replace(",", "\n") + "\n"


def codes() -> str:
    """Every event, verdict's reason, reason of a missed slot, failure and log line that has a code in the source."""
    found: set[str] = set()
    for file in (ROOT / "probe").rglob("*.py"):
        if "lab" in file.relative_to(ROOT).parts or file.stem == "demo":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE.fullmatch(node.value):
                found.add(node.value)
    return "".join(f"{code}\n" for code in sorted(found) if not _NO_CODE.fullmatch(code))


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _without_descriptions(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if not (k == "description" and isinstance(v, str))}
        return {k: _without_descriptions(v) for k, v in kept.items()}
    return [_without_descriptions(v) for v in value] if isinstance(value, list) else value
