"""The documents say what the code does: commands, record fields, failure types, links, the README's size."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from probe.cli.main import cli
from probe.core.model.value import Value
from probe.core.records import (
    dns,
    failure,
    observation,
    origin,
    response,
    rows,
    surroundings,
    transport,
    verdict,
)
from probe.core.records.failure import FailureType
from tests import exception_tree

ROOT = Path(__file__).parent.parent
RECORDS = (ROOT / "docs" / "records.md").read_text(encoding="utf-8")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "results" / "README.md"])


def _classes() -> Iterator[type[Value]]:
    """The records that leave the process: Evidence never does."""
    for module in (dns, failure, observation, origin, response, rows, surroundings, transport, verdict):
        for value in vars(module).values():
            own = isinstance(value, type) and value.__module__ == module.__name__
            if own and issubclass(value, Value) and value.__name__ != "Evidence":
                yield value


def _section(name: str) -> str:
    match = re.search(rf"^#+ {name}$(.*?)(?=^#|\Z)", RECORDS, re.M | re.S)
    assert match, f"docs/records.md has no section {name}"
    return match[1]


def test_every_module_that_a_module_names_is_there() -> None:
    """`core.dns.answers` in a docstring or comment leads to a module, and what stands behind it is said in there."""
    missing = []
    for path in sorted(ROOT.glob("probe/**/*.py")):
        for name in re.findall(r"`(?:probe\.)?(core(?:\.\w+)+)`", path.read_text(encoding="utf-8")):
            parts = name.split(".")
            depth = max((n for n in range(2, len(parts) + 1) if _module(parts[:n]).is_file()), default=0)
            inside = parts[depth:]
            if not depth or (inside and inside[0] not in _module(parts[:depth]).read_text(encoding="utf-8")):
                missing.append(f"{path.relative_to(ROOT)}: {name}")
    assert not missing


def _module(parts: list[str]) -> Path:
    place = ROOT.joinpath("probe", *parts)
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


@pytest.mark.parametrize(
    "record", [c for c in _classes() if c.__name__ != "Verdict"], ids=lambda c: c.__name__
)
def test_every_field_of_every_record_is_documented(record: type[Value]) -> None:
    told = set(re.findall(r"^\| `([a-z0-9_]+)` \|", _section(record.__name__), re.M))
    assert told == set(record.__struct_fields__)


def test_every_failure_type_is_documented() -> None:
    told = set(re.findall(r"^\| `([a-z0-9_.]+)` \|", _section("Failure types"), re.M))
    assert told == {kind.value for kind in FailureType}


def _commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{prefix}{name}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{prefix}{name} ")


@pytest.mark.parametrize(
    ("name", "command"), list(_commands(cli)), ids=lambda v: v if isinstance(v, str) else ""
)
def test_every_command_and_option_is_documented(name: str, command: click.Command) -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    match = re.search(rf"^#+ `cdn-probe {re.escape(name)}\b.*?$(.*?)(?=^#|\Z)", text, re.M | re.S)
    assert match, f"docs/commands.md has no section for cdn-probe {name}"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert any(f"`{option}`" in match[1] or f"`{option} " in match[1] for option in parameter.opts), (
                f"{name}: {parameter.opts} is not in docs/commands.md"
            )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document}: {target}"


def test_readme_is_short() -> None:
    assert (ROOT / "README.md").read_text(encoding="utf-8").count("\n") < 150


def test_documents_and_code_name_no_place_of_this_machine() -> None:
    for document in DOCUMENTS:
        assert "/work/" not in document.read_text(encoding="utf-8"), document


def test_every_module_in_the_architecture_exists() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for name in re.findall(r"\b((?:[a-z_]+/)+[a-z_]+\.py)\b", text):
        assert (ROOT / "probe" / name).is_file() or (ROOT / name).is_file(), name


_TERM = re.compile(r"- \*\*([^*]+)\*\*: (.+) \(([^()]+)\)")


def _terms() -> list[tuple[str, str, str]]:
    """Term, meaning and source of each entry of docs/glossary.md."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    entries = [line for line in text.splitlines() if line.startswith("-")]
    parsed = [_TERM.fullmatch(entry) for entry in entries]
    broken = [entry for entry, match in zip(entries, parsed, strict=True) if match is None]
    assert not broken, f"not of the form `- **term**: meaning (source)`: {broken}"
    return [(match[1], match[2], match[3]) for match in parsed if match]


def test_the_glossary_is_sorted_and_has_one_line_a_term() -> None:
    terms = [term.lower() for term, _, _ in _terms()]
    assert len(terms) > 80
    assert terms == sorted(terms)
    assert len(terms) == len(set(terms))


def test_terms_of_our_own_are_in_use() -> None:
    pages = [*ROOT.glob("probe/**/*.py"), *ROOT.glob("docs/**/*.md"), ROOT / "README.md"]
    texts = [page.read_text(encoding="utf-8") for page in pages if page.name != "glossary.md"]
    text = re.sub(r"\s+", " ", " ".join(texts)).lower()
    ours = [term.lower() for term, _, source in _terms() if "ours" in re.split(r",\s*", source)]
    assert len(ours) > 50
    unused = [term for term in ours if not re.search(rf"\b{re.escape(term)}(?:s|es)?\b", text)]
    assert not unused


def test_the_page_of_exceptions_is_the_tree_of_classes() -> None:
    now = exception_tree.page()
    assert ": \n" not in now, "an exception class without a docstring"
    assert exception_tree.PAGE.read_text(encoding="utf-8") == now, "run python -m tests.exception_tree"
