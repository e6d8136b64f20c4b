"""Every code that a row can show, by where it stands; read out of the source, so that none is forgotten.

What events and log lines are called is not among them.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from probe.core.caching import staleness
from probe.core.records.failure import FailureType
from probe.core.verdict.symptoms import PACED

PROBE = Path(__file__).parents[2] / "probe"
ORIGINS = "origin.<failure type>"
"""The family of `origin.` and what it suffered from: a failure type, or `http.error`."""
_JUDGING = ("core/verdict", "core/content", "core/vantage", "checks")
_MISSING = ("core/results", "host/last_run.py", "schedule/scheduler.py", "store/base/rows.py", "workers")
_CODE = re.compile(r"(?!probe\.)[a-z]+(\.[a-z0-9_]+)+")
_OF_NO_ROW = re.compile(
    r"agent\.store_full|(loop|slot|worker|clock|store|ledger)\..*"
)  # events and log lines


def failures() -> set[str]:
    """Failure types."""
    return {kind.value for kind in FailureType}


def reasons() -> set[str]:
    """The judge's own reasons, and those of notes."""
    stale = {"stale_fresh", "stale_lifetime_unknown", staleness.WHILE_REVALIDATE, staleness.IF_ERROR}
    made = {*stale, staleness.DISCONNECTED, "dns.doubled_cname", "dns.ecs_ignored", ORIGINS}
    made |= {f"pace.{what}_left_out" for what in PACED} | {"budget.body_left_out"}
    return (_constants(_JUDGING) | made) - failures()


def missed() -> set[str]:
    """Why a slot was not measured."""
    said = {code for code in _constants(_MISSING) if code.startswith(("agent.", "host."))}
    return {*said, FailureType.AGENT_INTERNAL_ERROR.value}


def whole() -> set[str]:
    """The closed list."""
    return failures() | reasons() | missed()


def stands_for(code: str) -> str:
    """The code of the list that `code` is one of."""
    of_origin = code.removeprefix("origin.")
    return ORIGINS if of_origin != code and of_origin in {*failures(), "http.error"} else code


def _constants(places: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    for place in places:
        files = [PROBE / place] if place.endswith(".py") else sorted((PROBE / place).rglob("*.py"))
        for file in files:
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.add(node.value)
    return {text for text in found if _CODE.fullmatch(text) and not _OF_NO_ROW.fullmatch(text)}
