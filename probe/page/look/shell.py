"""Rule: every page says at its head as of when it is, how far it is complete, and what is wrong with who measures.

The document around what a page shows: policy, style, script, languages, zones.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from htpy import (
    Element,
    Node,
    a,
    body,
    button,
    div,
    footer,
    form,
    h1,
    head,
    header,
    html,
    label,
    li,
    main,
    meta,
    nav,
    noscript,
    p,
    script,
    span,
    style,
    title,
    ul,
)
from htpy import (
    input as input_,
)
from markupsafe import Markup

from probe.page.look.clock import Clock
from probe.page.look.pieces import plain
from probe.page.look.script import SCRIPT
from probe.page.look.style import CSS, PATTERNS, digest_of
from probe.page.look.words import Tongue
from probe.page.model.values import Looking, Standing

_SOURCES = f"default-src 'none'; style-src {digest_of(CSS)}; script-src {digest_of(SCRIPT)}; base-uri 'none'"
FILE_POLICY = f"{_SOURCES}; form-action 'none'"
SERVED_POLICY = f"{_SOURCES}; connect-src 'self'; form-action 'self'; frame-ancestors 'none'"
LANGUAGES = {"en": "English", "zh": "中文"}
ZONES = ("UTC", "Asia/Shanghai")
_VOUCHED = {"kernel": "vouched for by the kernel", "dates": "vouched for by dates of others"}


def document(
    name: str,
    inside: Node,
    looking: Looking,
    standing: Standing | None,
    *,
    home: str = "",
    to_language: Callable[[str], str],
    to_zone: Callable[[str], str] | None = None,
) -> str:
    """One page. `home`: the overview's address; `to_language`, `to_zone`: of this page otherwise."""
    say, clock = Tongue(looking.language), Clock(looking.zone)
    page = html(lang="zh-CN" if say.zh else "en")[
        head[
            meta(charset="utf-8"),
            meta(http_equiv="Content-Security-Policy", content=FILE_POLICY) if looking.static else None,
            meta(name="viewport", content="width=device-width, initial-scale=1"),
            meta(name="color-scheme", content="light dark"),
            meta(name="referrer", content="same-origin"),
            _refresh(standing),
            title[f"{plain(name)} · cdn-probe"],
            style[Markup(CSS)],  # noqa: S704 - ours
        ],
        body(**_facts(looking, standing))[
            Markup(PATTERNS),  # noqa: S704 - ours
            a(".skip", href="#content")[say("skip to the content")],
            header[
                h1[plain(name)],
                nav(aria_label=say("Overview"))[a(href=home)[say("Overview")]] if home else None,
                _languages(looking, to_language),
                _zones(looking, say, to_zone),
                _reader(looking, say),
            ],
            _standing(standing, say, clock) if standing is not None else None,
            main(id="content")[inside],
            footer(".dim.small")[_foot(standing, looking, say)],
            script[Markup(SCRIPT)],  # noqa: S704 - ours
        ],
    ]
    return f"{page}\n"


def _refresh(standing: Standing | None) -> Node:
    """Without a script the browser asks again by itself; the script does it with more care."""
    if standing is None or standing.refresh_s is None:
        return None
    return noscript[meta(http_equiv="refresh", content=str(standing.refresh_s))]


def _facts(looking: Looking, standing: Standing | None) -> dict[str, str]:
    """What the script is told."""
    made = {"data-zone": looking.zone}
    if looking.static:
        made["data-static"] = "yes"
    if standing is not None:
        made["data-as-of"] = datetime.fromtimestamp(standing.as_of_us // 1_000_000, UTC).isoformat()
        if standing.refresh_s is not None:
            made["data-refresh"] = str(standing.refresh_s)
    return made


def _languages(looking: Looking, to: Callable[[str], str]) -> Element:
    links = [
        a(
            href=to(language),
            hreflang=language,
            lang=language,
            aria_current="true" if language == looking.language else None,
        )[LANGUAGES[language]]
        for language in looking.languages
    ]
    return nav(".languages", aria_label="Language / 语言")[links]


def _zones(looking: Looking, say: Tongue, to: Callable[[str], str] | None) -> Element:
    links = [
        a(href=to(zone), aria_current="true" if zone == looking.zone else None)[zone]
        for zone in dict.fromkeys((*ZONES, looking.zone))
        if to is not None
    ]
    shown: Node = links or span(".zone")[looking.zone]
    return nav(".zones", aria_label=say("times in"))[
        span(".dim")[say("times in")], " ", shown, " ", span(id="own-zone", data_words=say("your zone"))
    ]


def _reader(looking: Looking, say: Tongue) -> Node:
    if looking.reader is None:
        return None
    return form(method="post", action="/sign-out")[
        span(".dim")[f"{say('signed in as')} {looking.reader} "], button(type="submit")[say("Sign out")]
    ]


def _standing(of: Standing, say: Tongue, clock: Clock) -> Node:
    clocks = {source.clock for source in of.sources}
    vouched = sorted({say(_VOUCHED.get(one or "", "vouched for by nobody")) for one in clocks})
    return [
        div(".standing", role="status")[
            span[f"{say('as of')} ", clock.shown(of.as_of_us)],
            span[f"{say('complete up to')} ", clock.shown(of.complete_up_to_us)],
            span[f"{say('clock')}: {', '.join(vouched) or say('unknown')}"],
            span[say("no trouble of the agent's own")] if not of.trouble else None,
        ],
        div(".alarm", role="alert", id="old", hidden=of.fed)[
            say("This page is no longer fed: what it shows is as old as it says.")
        ],
        div(".alarm", role="alert")[
            say("Trouble of the agent's own"),
            ": ",
            ul[(li[plain(say.concern(one), 400)] for one in of.trouble)],
        ]
        if of.trouble
        else None,
    ]


def _foot(standing: Standing | None, looking: Looking, say: Tongue) -> Node:
    if standing is None or standing.refresh_s is None:
        return p[f"cdn-probe · {say('times in')} ", span(".zone")[looking.zone]]
    return p[
        f"cdn-probe · {say('times in')} ",
        span(".zone")[looking.zone],
        f" · {say('refreshed every')} {standing.refresh_s} s ",
        label(hidden=True)[input_(type="checkbox", id="pause"), " ", say("pause refreshing")],
    ]
