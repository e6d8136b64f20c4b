"""The modes of the integrity check as whole slots through real servers: who is accused of what, and who is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from probe.checks.integrity import Integrity
from probe.core.records.rows import SlotRecord
from tests.codes.provoking import provokes
from tests.support import build
from tests.support.http_server import Script, response
from tests.support.slots import ETAG, FRESH, Setting, measure

OK = ("ok", None, None)
PAGE = "<html><head><script nonce={}>x()</script></head><body><h1>Welcome</h1><i id=ad>{}</i></body></html>"


def page(nonce: str, ad: str = "buy") -> Script:
    return response(PAGE.format(nonce, ad).encode(), "Content-Type: text/html", FRESH)


def data(body: Any) -> Script:
    return response(json.dumps(body).encode(), "Content-Type: application/json", FRESH)


async def slot(directory: Path, edge: Script, origin: Script, **integrity: Any) -> SlotRecord:
    checks = build.checks(availability={}, integrity=integrity)
    _, row = await measure(Setting(edge=edge, origin=origin, checks=checks), directory)
    return row


def triple(row: SlotRecord) -> tuple[str | None, str | None, str | None]:
    return row.outcome, row.fault, row.reason


HTML = {"mode": "normalised", "remove": {"html": ["script[nonce]", "#ad"]}}
JSON = {"mode": "normalised", "remove": {"json": ["$.time", "$.items[*].id"]}}
PATTERN = {"mode": "normalised", "remove": {"patterns": [r"nonce=\w+", r"<i id=ad>.*?</i>"]}}


@pytest.mark.parametrize("integrity", [HTML, PATTERN], ids=["selectors", "patterns"])
async def test_what_is_declared_to_change_changes_nothing(tmp_path: Path, integrity: dict[str, Any]) -> None:
    row = await slot(tmp_path, page("a1"), page("b2", ad="sell"), **integrity)
    assert triple(row) == OK
    (edge,) = [o for o in row.observations if o.role == "edge"]
    assert edge.comparison is not None
    assert (edge.comparison.mode, edge.comparison.relation) == ("normalised", "equal")


@pytest.mark.parametrize("integrity", [HTML, PATTERN], ids=["selectors", "patterns"])
async def test_anything_else_convicts(tmp_path: Path, integrity: dict[str, Any]) -> None:
    tampered = response(
        PAGE.replace("Welcome", "Hacked").format("a1", "buy").encode(), "Content-Type: text/html"
    )
    row = await slot(tmp_path, tampered, page("b2"), **integrity)
    assert triple(row) == ("failed", "cdn", "content.mismatch")
    assert row.confirmed is True


async def test_json_without_what_changes(tmp_path: Path) -> None:
    one = {"time": 1, "items": [{"id": 1, "name": "a"}]}
    other = {"items": [{"name": "a", "id": 99}], "time": 2}
    assert triple(await slot(tmp_path, data(one), data(other), **JSON)) == OK


async def test_content_that_cannot_be_read_as_declared_accuses_nobody(tmp_path: Path) -> None:
    row = await slot(tmp_path, page("a"), data({"a": 1}), **JSON)
    assert triple(row) == OK
    assert "integrity.unverified" in {f.reason for f in row.findings}


async def test_exact_would_have_convicted(tmp_path: Path) -> None:
    """The pages of these tests differ in every byte that counts for `exact`."""
    bare = response(PAGE.format("a1", "buy").encode(), "Content-Type: text/html")
    row = await slot(tmp_path, bare, page("b2"), mode="exact")
    assert triple(row) == ("failed", "cdn", "content.mismatch")


def marked(params: dict[str, Any], reason: str, name: str) -> Any:
    return pytest.param(params, reason, id=name, marks=provokes(reason))


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        pytest.param({"contain": ["Welcome"]}, None, id="there"),
        marked({"contain": ["Welcome", "Grüezi"]}, "content.marker_missing", "missing"),
        marked({"not_contain": ["x()"]}, "content.marker_forbidden", "forbidden"),
        pytest.param({"contain": ["Welcome"], "not_contain": ["evil.example"]}, None, id="neither"),
    ],
)
async def test_markers(tmp_path: Path, params: dict[str, Any], reason: str | None) -> None:
    # The origin has every marker that must be there and no script.
    origin = response("<h1>Welcome Grüezi</h1>".encode(), FRESH)
    row = await slot(tmp_path, page("a"), origin, mode="markers", **params)
    assert triple(row) == (OK if reason is None else ("failed", "cdn", reason))


@provokes("origin.same_content")
async def test_markers_that_the_origin_lacks_too_are_the_origins(tmp_path: Path) -> None:
    row = await slot(tmp_path, page("a"), page("b"), mode="markers", contain=["Grüezi"])
    assert triple(row) == ("failed", "origin", "origin.same_content")


async def test_markers_do_not_care_for_bytes(tmp_path: Path) -> None:
    row = await slot(tmp_path, page("a", ad="1"), page("b", ad="2"), mode="markers", contain=["Welcome"])
    assert triple(row) == OK
    assert len([o for o in row.observations if o.role == "confirm"]) == 0


async def test_headers_stand_for_the_content(tmp_path: Path) -> None:
    one = response(b"one", "Content-Type: text/html", ETAG, FRESH)
    same = response(b"other bytes", "Content-Type: text/html", ETAG, FRESH)
    wrong = response(b"one", "Content-Type: text/plain", ETAG, FRESH)
    assert triple(await slot(tmp_path, same, one, mode="headers")) == OK
    assert triple(await slot(tmp_path, wrong, one, mode="headers")) == ("failed", "cdn", "content.mismatch")
    assert triple(await slot(tmp_path, wrong, one, mode="headers", fields=["ETag"])) == OK


@pytest.mark.parametrize("integrity", [{"mode": "none"}, {"mode": "markers", "contain": ["Welcome"]}])
async def test_content_that_nothing_is_held_against_is_not_asked_for_again(
    tmp_path: Path, integrity: dict[str, Any]
) -> None:
    """Content that differs each time cost a round of confirmation in every slot."""
    row = await slot(tmp_path, page("a"), response(b"Welcome, other", ETAG), **integrity)
    assert triple(row) == OK
    assert [o.role for o in row.observations if o.role not in ("edge", "origin")] == []
    assert row.confirmed is None


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"mode": "normalised"}, "needs remove"),
        ({"mode": "normalised", "remove": {}}, "at least one of patterns"),
        ({"mode": "normalised", "remove": {"patterns": ["("]}}, "not a regular expression"),
        ({"mode": "normalised", "remove": {"json": ["$["]}}, "not a JSONPath"),
        ({"mode": "normalised", "remove": {"html": ["p[["]}}, "not a CSS selector"),
        ({"mode": "markers"}, "needs contain or not_contain"),
        ({"mode": "exact", "contain": ["x"]}, "contain belongs to mode markers, this is mode exact"),
        ({"mode": "sampled", "fields": ["etag"]}, "fields belongs to mode headers"),
        ({"mode": "headers", "fields": ["no spaces"]}, "pattern"),
    ],
)
def test_keys_of_another_mode_are_refused_in_words(params: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Integrity.model_validate(params)
