"""A browser's way to the page, without a browser: forms, cookies, what fields a browser adds by itself."""

from __future__ import annotations

import re
import time
from typing import Any

from probe.core.model.value import replace
from probe.core.records.rows import Record, SlotRecord
from probe.core.records.verdict import Fault, Finding, Outcome, Severity
from tests.api.served import TOKENS, Answer, Served
from tests.support.build import refused, seen
from tests.support.rows import START_S, slot

OWN = {"Sec-Fetch-Site": "same-origin"}


def now_s() -> int:
    """Seconds after `START_S`."""
    return int(time.time()) - START_S


def well(ago_s: int, **more: Any) -> SlotRecord:
    """A slot of so many seconds ago."""
    return slot(now_s() - ago_s, observations=(seen(address="192.0.2.1"),), **more)


def failed(ago_s: int, **more: Any) -> SlotRecord:
    """One that accuses the CDN."""
    finding = Finding(
        check="availability", reason="tcp.refused", severity=Severity.ERROR, outcome=Outcome.FAILED, fault=Fault.CDN,
        observation=0, address="192.0.2.1", confirmed=True,
    )  # fmt: skip
    return replace(
        well(ago_s, **more),
        observations=(refused(address="192.0.2.1"),),
        outcome=Outcome.FAILED,
        fault=Fault.CDN,
        reason="tcp.refused",
        confirmed=True,
        summary="192.0.2.1 refused the connection",
        findings=(finding,),
    )


def some_rows() -> list[Record]:
    """Of two customers: one domain that fails, one that is well."""
    return [
        well(40, customer="acme", domain="a.example"),
        failed(30, customer="acme", domain="a.example"),
        failed(20, customer="acme", domain="a.example"),
        well(20, customer="zeta", domain="z.example", id="2" * 16),
    ]


async def sign_in(api: Served, name: str = "acme", *, token: str | None = None, **headers: str) -> Answer:
    """Type a token into the form."""
    return await api.ask(
        "/sign-in",
        None,
        method="POST",
        headers={**OWN, **headers},
        data={"credential": token or TOKENS[name]},
        allow_redirects=False,
    )


def cookie_of(answer: Answer) -> str:
    """What the browser sends back."""
    found = re.match(r"([^=]+=[^;]+);", answer.headers["Set-Cookie"])
    assert found is not None
    return found[1]


async def look(api: Served, path: str, cookie: str | None = None, **headers: str) -> Answer:
    """A page, with a cookie or without one."""
    sent = {**headers, **({"Cookie": cookie} if cookie is not None else {})}
    return await api.ask(path, None, headers=sent, allow_redirects=False)
