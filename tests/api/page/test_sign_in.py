"""Who looks: a token typed once becomes a cookie that is worth what the token is, and nobody else's page can use it."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import pytest

from probe.api.page.sessions import LASTS_S, MOST_EACH, Sessions, cookie, sent
from probe.api.request.auth import Caller
from probe.core.config.results import TokenConfig
from tests.api.page.signed import OWN, cookie_of, look, sign_in, some_rows
from tests.api.served import TOKENS, fill, served, token_entry, write_agent


@pytest.fixture(autouse=True)
async def _filled(tmp_path: Path) -> None:
    await fill(tmp_path / "r", some_rows())


async def test_without_a_page_in_the_configuration_there_is_none(tmp_path: Path) -> None:
    async with served(tmp_path) as api:
        for path in ("/", "/sign-in", "/row/a1/acme/1"):
            assert (await look(api, path)).status == 404


async def test_a_token_typed_once_becomes_a_cookie_that_shows_what_the_token_shows(tmp_path: Path) -> None:
    async with served(tmp_path, page={}) as api:
        before = await look(api, "/")
        assert (before.status, before.headers["Location"]) == (303, "/sign-in?lang=en")
        form = await look(api, "/sign-in")
        assert b'type="password"' in form.body
        done = await sign_in(api)
        assert (done.status, done.headers["Location"]) == (303, "/?lang=en")
        told = done.headers["Set-Cookie"]
        assert "; HttpOnly; SameSite=Strict; " in told
        assert "Path=/" in told
        assert TOKENS["acme"] not in told
        page = await look(api, "/", cookie_of(done))
        assert page.status == 200
        assert b"a.example" in page.body
        assert b"a.example fails, the fault of the CDN, tcp.refused" in page.body
        assert b"z.example" not in page.body, "another customer's"
        assert b"z.example" in (await look(api, "/", cookie_of(await sign_in(api, "all")))).body


async def test_every_page_refuses_frames_scripts_and_caches(tmp_path: Path) -> None:
    async with served(tmp_path, page={}) as api:
        signed = cookie_of(await sign_in(api))
        for path in ("/", "/sign-in", "/nothing-here/", "/incident/0123"):
            answer = await look(api, path, signed)
            if answer.status == 404 and answer.headers["Content-Type"] == "application/problem+json":
                continue
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; style-src 'sha256-")
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_token_taken_out_of_the_file_takes_its_cookies_with_it(tmp_path: Path) -> None:
    async with served(tmp_path, page={}) as api:
        signed = cookie_of(await sign_in(api))
        assert (await look(api, "/", signed)).status == 200
        write_agent(api.file, [token_entry("all")], page={})
        assert (await look(api, "/", signed)).status == 303
        write_agent(api.file, page={})
        assert (await look(api, "/", signed)).status == 303, "and they do not come back with it"


async def test_a_form_of_somebody_elses_page_is_refused(tmp_path: Path) -> None:
    """Signing somebody in or out unasked (CSRF): by what a browser says, which no page can forge."""
    async with served(tmp_path, page={}) as api:
        host = f"127.0.0.1:{api.port}"
        for headers in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "none"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": f"http://{host}", "Sec-Fetch-Site": "cross-site"},
            {},
        ):
            for path in ("/sign-in", "/sign-out"):
                answer = await api.ask(
                    path, None, method="POST", headers=headers, data={"credential": TOKENS["acme"]}
                )
                assert answer.status == 403, headers
                assert "Set-Cookie" not in answer.headers
        old = await api.ask(
            "/sign-in", None, method="POST", headers={"Origin": f"http://{host}"},
            data={"credential": TOKENS["acme"]}, allow_redirects=False,
        )  # fmt: skip
        assert old.status == 303, "a browser that sends Origin alone"


async def test_a_session_that_somebody_else_named_is_never_taken_over(tmp_path: Path) -> None:
    async with served(tmp_path, page={}) as api:
        planted = "cdn-probe=" + "A" * 43
        done = await sign_in(api, Cookie=planted)
        assert cookie_of(done) != planted
        assert (await look(api, "/", planted)).status == 303
        again = await sign_in(api, Cookie=cookie_of(done))
        assert cookie_of(again) != cookie_of(done)
        assert (await look(api, "/", cookie_of(done))).status == 303, "the one before has ended"
        both = f"{cookie_of(again)}; {planted}"
        assert (await look(api, "/", both)).status == 303, "two of one name: one of them was planted"


async def test_signing_out_ends_it_and_no_get_changes_anything(tmp_path: Path) -> None:
    async with served(tmp_path, page={}) as api:
        signed = cookie_of(await sign_in(api))
        assert (await look(api, "/sign-out", signed)).status == 405
        assert (await look(api, "/", signed)).status == 200
        out = await api.ask(
            "/sign-out", None, method="POST", headers={**OWN, "Cookie": signed}, allow_redirects=False
        )
        assert (out.status, out.headers["Location"]) == (303, "/sign-in")
        assert "Max-Age=0" in out.headers["Set-Cookie"]
        assert (await look(api, "/", signed)).status == 303
        assert (await api.ask("/", None, method="DELETE")).status == 405


async def test_wrong_tokens_are_refused_and_soon_too_many(tmp_path: Path) -> None:
    async with served(tmp_path, page={}) as api:
        answers = [await sign_in(api, token="cdnp_wrong") for _ in range(40)]
        assert answers[0].status == 403
        assert b"This token is not known here." in answers[0].body
        assert answers[-1].status == 429
        assert (await sign_in(api)).status == 303, "a right one is never refused because of wrong ones"
        assert (await sign_in(api, "prometheus")).status == 403, "it may not look at results"


async def test_a_token_is_never_taken_from_an_address_and_the_rate_is_the_apis(tmp_path: Path) -> None:
    async with served(tmp_path, page={}, requests_per_minute=5) as api:
        assert (await look(api, f"/?q={TOKENS['acme']}")).status == 400
        signed = cookie_of(await sign_in(api))
        seen = [await look(api, f"/?q={number}", signed) for number in range(8)]
        assert [one.status for one in seen[:3]] == [200] * 3
        assert seen[-1].status == 429, "pages that nobody looks at count whole"
        assert seen[-1].headers["Refresh"] == seen[-1].headers["Retry-After"], "a page on a wall comes back"
        assert "Refresh" not in seen[0].headers


async def test_rows_and_files_count_whole_however_often_they_are_asked_for(tmp_path: Path) -> None:
    async with served(tmp_path, page={}, requests_per_minute=5) as api:
        signed = cookie_of(await sign_in(api))
        seen = [(await look(api, "/row/a1/acme/2", signed)).status for _ in range(8)]
    assert seen[:3] == [200] * 3
    assert seen[-1] == 429


async def test_an_office_behind_one_token_looks_at_one_page(tmp_path: Path) -> None:
    """Fifty browsers: signing in counts whole, a page that others look at a tenth, and the API has room left."""
    async with served(tmp_path, page={}, requests_per_minute=80) as api:
        browsers = [cookie_of(await sign_in(api)) for _ in range(50)]
        seen = Counter([(await look(api, "/", signed)).status for _ in range(3) for signed in browsers])
        assert seen == {200: 150}
        own = Counter([(await look(api, f"/?q={number}", browsers[0])).status for number in range(80)])
        assert own[429] > 0, "and it is no way around the ceiling"


async def test_a_browser_that_asks_without_end_is_refused_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probe.api.page.app._BROWSER_PER_MINUTE", 4)
    async with served(tmp_path, page={}) as api:
        mad, calm = [cookie_of(await sign_in(api)) for _ in range(2)]
        answers = [await look(api, "/", mad) for _ in range(8)]
        assert [one.status for one in answers[:4]] == [200] * 4
        assert answers[-1].status == 429
        assert b"this browser asks for more than 4 pages a minute" in answers[-1].body
        assert (await look(api, "/", calm)).status == 200


def test_who_signs_in_without_end_ends_sessions_of_its_own_token_alone() -> None:
    sessions = Sessions(lambda: 0.0)
    many, other = (TokenConfig(name=name, hash=f"sha256:{name * 64}") for name in "ab")
    kept = sessions.begin(Caller(other))
    values = [sessions.begin(Caller(many)) for _ in range(3 * MOST_EACH)]
    assert sessions.caller(kept, [many, other]) == Caller(other)
    living = [value for value in values if sessions.caller(value, [many, other]) is not None]
    assert living == values[-MOST_EACH:]
    sessions.end(living[0])
    sessions.begin(Caller(many))
    assert sessions.caller(living[1], [many]) is not None, "one that ended made room"


def test_all_sessions_together_are_bounded_and_the_greatest_share_gives_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("probe.api.page.sessions.MOST", 10)
    sessions = Sessions(lambda: 0.0)
    many, other = (TokenConfig(name=name, hash=f"sha256:{name * 64}") for name in "ab")
    first = [sessions.begin(Caller(many)) for _ in range(10)]
    kept = [sessions.begin(Caller(other)) for _ in range(3)]
    assert all(sessions.caller(value, [other]) is not None for value in kept)
    assert [value for value in first if sessions.caller(value, [many]) is not None] == first[3:]


async def test_anybody_sees_the_domains_that_are_named_and_nothing_else(tmp_path: Path) -> None:
    async with served(tmp_path, page={"anonymous": ["z.example"]}) as api:
        page = await look(api, "/")
        assert page.status == 200
        assert b"z.example" in page.body
        assert b"a.example" not in page.body
        assert (await look(api, "/domain/acme/a.example")).status == 404
        assert (await look(api, "/row/a1/zeta/1")).status == 404


async def test_an_agent_that_does_not_answer_is_said_to_and_the_page_is_small_on_the_wire(
    tmp_path: Path,
) -> None:
    async with served(tmp_path, page={}) as api:
        signed = cookie_of(await sign_in(api))
        api.agent.seen = None
        page = await look(api, "/", signed, **{"Accept-Encoding": "gzip"})
        text = gzip.decompress(page.body).decode()
        assert "the agent does not answer: nothing new is measured" in text
        assert 'id="old">' in text, "shown, not hidden"


async def test_language_and_zone_are_what_the_address_or_the_browser_says(tmp_path: Path) -> None:
    async with served(tmp_path, page={}) as api:
        signed = cookie_of(await sign_in(api))
        assert b'lang="zh-CN"' in (await look(api, "/?lang=zh", signed)).body
        assert b'lang="zh-CN"' in (await look(api, "/", signed, **{"Accept-Language": "zh-CN,en;q=0.5"})).body
        shown = (await look(api, "/?zone=Asia/Shanghai", signed)).body
        assert b'data-zone="Asia/Shanghai"' in shown
        for odd in ("zone=../../etc/passwd", "zone=No/Where", "span=1y", "page=0", "page=99999", "lang=xx"):
            assert (await look(api, f"/?{odd}", signed)).status == 200, odd


def test_a_cookie_is_bound_to_its_token_and_its_time() -> None:
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    token, other = (
        TokenConfig(name="a", hash="sha256:" + "0" * 64),
        TokenConfig(name="a", hash="sha256:" + "1" * 64),
    )
    value = sessions.begin(Caller(token))
    assert sessions.caller(value, [token]) == Caller(token)
    now[0] = LASTS_S - 1
    assert sessions.caller(value, [other]) is None, "of the same name, and another token"
    value = sessions.begin(Caller(token))
    now[0] += LASTS_S
    assert sessions.caller(value, [token]) is None


def test_over_tls_the_cookie_is_for_this_host_alone() -> None:
    made = cookie("A" * 43, secure=True)
    assert made.startswith("__Host-cdn-probe=")
    assert made.endswith("; Secure")
    assert sent(f"cdn-probe={'B' * 43}; __Host-cdn-probe={'A' * 43}", secure=True) == "A" * 43
    assert sent(f"cdn-probe={'B' * 43}", secure=True) is None
    assert sent("cdn-probe=short; x", secure=False) is None
