"""Redirects over real sockets: every hop an observation, nothing sent where it must not go (rows 28, 29)."""

from __future__ import annotations

import asyncio
import re

import pytest

from probe.core.model.task import RedirectPolicy, Request, SecretRef, TlsPolicy
from probe.core.records.failure import Failure, FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.fetch.redirects import follow
from tests.support.http_server import HOST, Script, make_fetcher, make_target, response, serve

SECRETS = {"TOKEN": "hush"}
FIELDS = (("X-Key", SecretRef(scheme="env", name="TOKEN")), ("X-Open", "1"))


def redirect(location: str, status: str = "302 Found") -> Script:
    return response(b"moved", f"Location: {location}", status=status)


async def run(
    table: dict[str, Script | str], policy: RedirectPolicy, lookup: object = None, **changes: object
) -> tuple[list[Observation], Failure | None, list[bytes], list[str]]:
    looked_up: list[str] = []

    async def loopback(request: Request) -> str | Failure:
        looked_up.append(request.host)
        return lookup if isinstance(lookup, str | Failure) else "127.0.0.1"

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made = table[server.requests[-1].split(b" ")[1].decode()]
        await (redirect(made.replace("PORT", str(server.port))) if isinstance(made, str) else made)(
            reader, writer
        )

    async with serve(script) as server:
        fetcher = make_fetcher(SECRETS)
        target = make_target(server.port, path="/start", fields=FIELDS, **changes)
        first = await fetcher.fetch(target)
        hops, failure = await follow(first, 4, target, policy, fetcher, loopback)
    return hops, failure, server.requests, looked_up


async def test_chain_is_followed_and_every_hop_kept() -> None:
    sunk: list[bytes] = []
    hops, failure, requests, looked_up = await run(
        {"/start": "/one", "/one": f"http://{HOST}:PORT/two", "/two": response(b"there")},
        RedirectPolicy(limit=2),
        validators=(("If-None-Match", '"v"'),),
        body_sink=sunk.append,
    )
    assert failure is None
    assert [(hop.role, hop.of) for hop in hops] == [(Role.REDIRECT, 4)] * 2
    assert [hop.response.status_code for hop in hops if hop.response] == [302, 200]
    assert hops[1].url.endswith("/two")
    assert looked_up == [HOST, HOST]
    assert len(requests) == 3
    assert all(b"X-Key: hush" in request for request in requests)
    assert [b"If-None-Match" in request for request in requests] == [True, False, False]
    assert b"".join(sunk) == b"moved"


async def test_credentials_are_stripped_off_host() -> None:
    hops, failure, requests, _ = await run(
        {"/start": "http://other.example:PORT/there", "/there": response(b"there")},
        RedirectPolicy(limit=2, hosts=("other.example",)),
        tls=TlsPolicy(server_name="sni.example"),
    )
    assert failure is None
    assert len(hops) == 1
    assert re.search(rb"Host: other\.example:\d+\r\n", requests[1])
    assert b"X-Open: 1" in requests[1]
    assert b"hush" not in requests[1]


@pytest.mark.parametrize(
    ("table", "type_", "hops"),
    [
        ({"/start": "/one", "/one": "/start"}, FailureType.HTTP_REDIRECT_LOOP, 1),
        ({"/start": "/start"}, FailureType.HTTP_REDIRECT_LOOP, 0),
        ({"/start": "/1", "/1": "/2", "/2": "/3", "/3": "/4"}, FailureType.AGENT_LIMIT_REDIRECTS, 3),
        ({"/start": response(b"", status="302 Found")}, FailureType.HTTP_REDIRECT_INVALID, 0),
        (
            {"/start": response(b"", "Location: /a", "Location: /b", status="301 Moved")},
            FailureType.HTTP_REDIRECT_INVALID,
            0,
        ),
        ({"/start": "file:///etc/passwd"}, FailureType.HTTP_REDIRECT_BLOCKED, 0),
        ({"/start": "http://169.254.169.254/latest"}, FailureType.HTTP_REDIRECT_BLOCKED, 0),
        ({"/start": "http://evil.example/"}, FailureType.HTTP_REDIRECT_BLOCKED, 0),
    ],
)
async def test_where_following_stops(table: dict[str, Script | str], type_: FailureType, hops: int) -> None:
    made, failure, requests, _ = await run(table, RedirectPolicy(limit=3))
    assert failure is not None
    assert (failure.phase, failure.type) == (Phase.HTTP, type_)
    assert len(made) == hops
    assert len(requests) == 1 + hops


async def test_hop_to_a_forbidden_address_is_blocked_before_the_connection() -> None:
    policy = RedirectPolicy(limit=3, hosts=("169.254.169.254", "inside.example"))
    for location in ("http://169.254.169.254/latest", "http://inside.example/"):
        hops, failure, requests, _ = await run({"/start": location}, policy, "169.254.169.254")
        assert failure is None
        assert len(hops) == len(requests) == 1
        assert hops[0].failure is not None
        assert hops[0].failure.type is FailureType.TCP_ADDRESS_BLOCKED
        assert hops[0].timing.connect_start_us is None


async def test_hop_whose_name_does_not_resolve() -> None:
    missing = Failure(phase=Phase.DNS, type=FailureType.DNS_NAME_NOT_RESOLVED)
    hops, failure, _, _ = await run({"/start": "/one"}, RedirectPolicy(limit=3), missing)
    assert (hops, failure) == ([], missing)


async def test_limit_0_and_a_failed_first_reply_are_left_alone() -> None:
    hops, failure, requests, _ = await run({"/start": "/one"}, RedirectPolicy())
    assert (hops, failure, len(requests)) == ([], None, 1)
