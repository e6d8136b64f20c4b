"""docs/troubleshooting.md has every event of the log, sentence of `status`, message of a start, own reason and alert.

Messages are read out of the source, so that a new one without a row fails here; so does a row of one that is gone.
"""

from __future__ import annotations

import ast
import logging
import re
from functools import cache

import yaml

from probe.core.calls.queue import DELIVERED, FAILED
from probe.core.incidents.incident import EVENTS
from probe.core.proof.stamp import STAMPED
from probe.core.results.concerns import SENTENCES
from probe.core.results.witnessing import FIRST_PULLED
from tests.documents.markdown import ROOT, parse

PAGE = ROOT / "docs" / "troubleshooting.md"
LEVELS = {name.lower() for name in logging.getLevelNamesMapping()} | {"exception", "log"}
# What these say ends a command or stands in `status`: of the store, keys, secrets, the control socket, authorities.
ENDS_A_COMMAND = {
    "StoreError",
    "StoreLocked",
    "StoreClosed",
    "KeyFileError",
    "SecretError",
    "ControlError",
    "NotRunning",
    "ApiDbError",
    "CaFileError",
    "AuthorityFileError",
}
OURS = re.compile(r"(?:agent|vantage|pace|budget|host)\.[a-z_.]+")


@cache
def _section(name: str) -> dict[str, tuple[str, str]]:
    """Of each code in the first cells of a section's table: the other cells."""
    text = PAGE.read_text(encoding="utf-8")
    match = re.search(rf"^## {re.escape(name)}$(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert match, name
    found: dict[str, tuple[str, str]] = {}
    for first, *rest in parse(match[1]).rows[1:]:
        assert all(cell.strip() for cell in (first, *rest)), f"an empty cell beside {first}"
        for code in re.findall(r"`([^`]+)`", first):
            assert code not in found, f"twice: {code}"
            found[code] = (rest[0], rest[-1])
    assert found
    return found


@cache
def _nodes() -> tuple[ast.AST, ...]:
    """Every call, `raise` and text of the program, read once."""
    wanted = (ast.Call, ast.Raise, ast.JoinedStr, ast.Constant)
    return tuple(
        node
        for path in sorted((ROOT / "probe").rglob("*.py"))
        if "lab" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, wanted)
    )


def _words(node: ast.expr) -> tuple[str, ...]:
    """The fixed parts of a text: of f"{path}: it is {x} bytes" `: it is ` and ` bytes`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return (node.value,)
    if isinstance(node, ast.JoinedStr):
        parts = [part.value for part in node.values if isinstance(part, ast.Constant)]
        return tuple(str(part) for part in parts if re.search(r"[a-z]{2}", str(part)))
    return ()


def logged() -> set[str]:
    """Every event that the code logs by a name of its own, and those that the log has of itself."""
    found = {"log.lines_lost", "log.suppressed"}
    for call in _nodes():
        function = call.func if isinstance(call, ast.Call) else None
        if not isinstance(call, ast.Call) or not isinstance(function, ast.Attribute):
            continue
        if function.attr not in LEVELS:
            continue
        if isinstance(function.value, ast.Name) and function.value.id in ("log", "_log"):
            texts = [argument for argument in call.args if isinstance(argument, ast.Constant)]
            found |= {str(text.value).partition(": %")[0] for text in texts if isinstance(text.value, str)}
    return found


def recorded() -> set[str]:
    """Every event of streams that docs/records.md has; a test of its own holds that page."""
    text = (ROOT / "docs" / "records.md").read_text(encoding="utf-8")
    [row] = re.findall(r"^\| `event` \| \| (`agent\.started`.*)$", text, re.M)
    return {code for code in re.findall(r"`([a-z_]+\.[a-z_]+)`", row) if not code.endswith(".md")}


def appended() -> set[str]:
    """Events that the code appends to streams by a name that stands there."""
    found = set()
    for call in _nodes():
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.args:
            first = call.args[0]
            words = str(first.value) if isinstance(first, ast.Constant) else ""
            if call.func.attr in ("append", "append_soon") and re.fullmatch(r"[a-z]+\.[a-z_]+", words):
                found |= {words} if len(call.args) > 1 else set()
    return found


def messages() -> set[tuple[str, ...]]:
    """The fixed parts of what those exceptions say; of those that pass on another's words nothing."""
    found = set()
    for node in _nodes():
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            named = node.exc.func
            if isinstance(named, ast.Name) and named.id in ENDS_A_COMMAND:
                found.add(_words(node.exc.args[0]))
    return found - {()}


def sentences() -> set[tuple[str, ...]]:
    """The fixed parts of the sentences in which `status` says what is to be acted on."""
    fixed = (re.split(r"\{\w+\}", text) for text in SENTENCES.values())
    return {tuple(part for part in parts if re.search(r"[a-z]{2}", part)) for parts in fixed}


def _without_a_row(texts: set[tuple[str, ...]], *sections: str) -> list[str]:
    codes = [code for section in sections for code in _section(section)]
    return sorted(" ... ".join(text) for text in texts if not any(c in part for c in codes for part in text))


STATUS, ENDS = "What `cdn-probe status` says", "Messages that end a command"


def test_every_event_of_the_log_has_a_row_and_no_other_is_told_of() -> None:
    told = set(_section("Events of the log"))
    assert len(logged()) > 70
    assert sorted(logged() | recorded()) == sorted(told)


def test_every_event_of_streams_is_in_the_page_of_records() -> None:
    named = {*EVENTS, DELIVERED, FAILED, FIRST_PULLED, STAMPED}
    assert len(appended()) > 7
    assert sorted((appended() | named) - recorded()) == []


def test_the_rows_of_events_are_in_order() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("## Events of the log\n")[2].partition("\n## ")[0]
    firsts = [re.findall(r"`([^`]+)`", row)[0] for row in re.findall(r"^\| (`.*?) \|", text, re.M)]
    assert firsts == sorted(firsts)


def test_every_sentence_of_status_has_a_row() -> None:
    assert len(sentences()) >= 14
    assert _without_a_row(sentences(), STATUS) == []


def test_every_message_that_ends_a_command_has_a_row() -> None:
    assert len(messages()) > 45
    assert _without_a_row(messages(), STATUS, ENDS) == []


def test_no_row_tells_of_words_that_nothing_says() -> None:
    source = "\n".join(
        part for node in _nodes() if isinstance(node, ast.Constant | ast.JoinedStr) for part in _words(node)
    )
    assert [words for name in (STATUS, ENDS) for words in _section(name) if words not in source] == []


def test_every_reason_of_our_own_has_a_row() -> None:
    text = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8").partition("## Sentences\n")[0]
    text += (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8").partition("## Known limits")[2]
    codes = set(re.findall(r"^\| `([a-z_.]+)` \|", text, re.M))
    vantage = {
        code for code in codes if re.search(rf"^\| `{re.escape(code)}` \|[^|]*\| vantage \|", text, re.M)
    }
    ours = {code for code in codes if OURS.fullmatch(code)} | vantage
    told = set(_section("Reasons of our own in rows"))
    assert len(ours) > 40
    assert sorted(ours - told) == []
    assert sorted(told - codes) == []


def test_every_alert_has_a_row() -> None:
    rules = yaml.safe_load((ROOT / "docs" / "monitoring" / "alerts.yml").read_text(encoding="utf-8"))
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}
    assert alerts == set(_section("Alerts"))


def test_a_new_message_would_be_missed() -> None:
    assert _without_a_row({("the moon is ", " away")}, STATUS, ENDS) == ["the moon is  ...  away"]
