"""Requests as they are sent to webhooks and Alertmanagers, and what is made of each answer."""

from __future__ import annotations

import asyncio
import hmac
import json
from pathlib import Path

import pytest

from probe.calls.caller import Caller
from probe.calls.sender import CallError, HttpSender
from probe.core.calls.queue import CallQueue, Delivery, Told
from probe.core.calls.target import Target
from probe.core.model.task import SecretRef
from probe.core.model.value import replace
from probe.host.clock import SystemClock
from probe.lab.pki import Pki
from tests.calls.listening import listening
from tests.core.calls.made import ALERTMANAGER, WEBHOOK, story

NOW_US = 1_800_000_000_000_000
SECRET = "correct horse battery staple"


def delivery(target: Target) -> Delivery:
    told = story()[0]
    return Delivery(target, told.stage, told.incident, 1)


@pytest.fixture
def ref(tmp_path: Path) -> SecretRef:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    file.chmod(0o600)
    return SecretRef(scheme="file", name=str(file))


async def test_a_webhook_is_signed(ref: SecretRef) -> None:
    async with listening() as heard:
        await HttpSender("probe-1")(
            delivery(replace(WEBHOOK, url=f"{heard.url}/hook?a=1", secret=ref)), NOW_US
        )
    ((fields, body),) = heard.requests
    timestamp = fields["CDN-Probe-Timestamp"]
    assert timestamp == "1800000000"
    expected = hmac.new(SECRET.encode(), timestamp.encode() + b"." + body, "sha256").hexdigest()
    assert fields["CDN-Probe-Signature"] == f"v1={expected}"
    assert fields["CDN-Probe-Delivery"] == json.loads(body)["delivery"]
    assert fields["Content-Type"] == "application/json"
    assert "Authorization" not in fields
    assert SECRET not in f"{fields} {body.decode()}"


async def test_an_alertmanager_is_sent_a_list_of_one(ref: SecretRef) -> None:
    async with listening() as heard:
        target = replace(ALERTMANAGER, url=heard.url + "/", user="ops", password=ref)
        await HttpSender("probe-1")(delivery(target), NOW_US)
        await HttpSender("probe-1")(delivery(replace(ALERTMANAGER, url=heard.url, bearer=ref)), NOW_US)
    (basic, body), (bearer, _) = heard.requests
    assert len(json.loads(body)) == 1
    assert basic["Authorization"].startswith("Basic ")
    assert bearer["Authorization"] == f"Bearer {SECRET}"
    assert "CDN-Probe-Signature" not in basic


@pytest.mark.parametrize(
    ("status", "headers", "words", "refused", "pause_s"),
    [
        (302, {"Location": "http://127.0.0.1:1/"}, "HTTP 302: it points elsewhere", False, 0),
        (400, {}, "HTTP 400", True, 0),
        (401, {}, "HTTP 401", False, 0),
        (413, {}, "HTTP 413", True, 0),
        (429, {"Retry-After": "7"}, "HTTP 429", False, 7),
        (500, {}, "HTTP 500", False, 0),
        (503, {"Retry-After": "86400"}, "HTTP 503", False, 60),
    ],
)
async def test_what_is_not_taken_is_said(
    status: int, headers: dict[str, str], words: str, refused: bool, pause_s: int
) -> None:
    async with listening() as heard:
        heard.answers.append((status, headers))
        with pytest.raises(CallError, match=words) as caught:
            await HttpSender("probe-1")(delivery(replace(WEBHOOK, url=heard.url)), NOW_US)
    assert len(heard.requests) == 1
    assert (caught.value.refused, caught.value.pause_us) == (refused, pause_s * 1_000_000)


async def test_who_is_not_there_or_silent_is_named_without_a_secret(ref: SecretRef, unused: int) -> None:
    target = replace(WEBHOOK, url=f"http://127.0.0.1:{unused}/?token=hidden", secret=ref)
    with pytest.raises(CallError, match="it was not reached: Connect") as caught:
        await HttpSender("probe-1")(delivery(target), NOW_US)
    assert "hidden" not in str(caught.value)
    connected: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: connected.append(writer), "127.0.0.1", 0)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        with pytest.raises(CallError, match="did not answer in time"):
            await HttpSender("probe-1", total_s=0.1)(
                delivery(replace(WEBHOOK, url=f"http://127.0.0.1:{port}/")), NOW_US
            )
        for writer in connected:
            writer.close()


@pytest.fixture
async def unused() -> int:
    """A port on which nobody listens: it was free a moment ago."""
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


@pytest.mark.parametrize("trusted", [False, True], ids=["unknown authority", "another name"])
async def test_a_wrong_certificate_is_told_nothing(tmp_path: Path, trusted: bool) -> None:
    pki = Pki(tmp_path / "pki")
    async with listening(ssl_context=pki.server_context("x", ["other.example"])) as heard:
        url = heard.url.replace("http:", "https:")
        target = replace(WEBHOOK, url=url, ca=str(pki.ca_file) if trusted else None)
        with pytest.raises(CallError, match="certificate"):
            await HttpSender("probe-1")(delivery(target), NOW_US)
    assert not heard.requests


async def test_a_secret_that_cannot_be_read_sends_nothing(tmp_path: Path) -> None:
    missing = SecretRef(scheme="file", name=str(tmp_path / "no"))
    async with listening() as heard:
        for changes in ({"secret": missing}, {"bearer": missing}):
            with pytest.raises(CallError, match="cannot be read"):
                await HttpSender("p")(delivery(replace(WEBHOOK, url=heard.url, **changes)), NOW_US)
        over_tls = replace(WEBHOOK, url=heard.url.replace("http:", "https:"), ca=str(tmp_path / "no"))
        with pytest.raises(CallError, match="its `ca` cannot be used"):
            await HttpSender("p")(delivery(over_tls), NOW_US)
    assert not heard.requests


async def test_one_that_hangs_holds_up_no_other() -> None:
    hung, told = asyncio.Event(), list[Told]()

    async def record(one: Told) -> None:
        told.append(one)

    async with listening() as heard:
        sender = HttpSender("probe-1")

        async def send(delivery: Delivery, now_us: int) -> None:
            if delivery.target.name == "ops":
                await hung.wait()
            await sender(delivery, now_us)

        targets = [replace(ALERTMANAGER, url=heard.url), replace(WEBHOOK, url=heard.url)]
        queue = CallQueue(targets)
        queue.put(story()[0], NOW_US)
        caller = Caller(queue, send, SystemClock(), record)
        round_ = asyncio.create_task(caller.run())
        async with asyncio.timeout(60):
            while not told:
                await asyncio.sleep(0.01)
        assert [one.detail["target"] for one in told] == ["desk"]
        for step in story()[1:]:  # nor does it hold up what comes up while it hangs
            queue.put(step, SystemClock().time_ns() // 1000)
        async with asyncio.timeout(60):
            while [one.detail["stage"] for one in told] != ["opened", "changed", "closed"]:
                await asyncio.sleep(0.01)
        assert {one.detail["target"] for one in told} == {"desk"}
        assert not round_.done()
        hung.set()
        assert await round_ is None
    assert {state.target: (state.delivered, state.waiting) for state in caller.states()}["desk"] == (3, 0)


async def test_trouble_is_the_jobs_until_it_is_over() -> None:
    async with listening() as heard:
        queue = CallQueue([replace(WEBHOOK, url=heard.url)])
        clock = _Clock()
        caller = Caller(queue, HttpSender("probe-1"), clock, _ignored)
        heard.answers.append((500, {}))
        queue.put(story()[0], clock.time_ns() // 1000)
        assert await caller.run() == "desk: HTTP 500"
        assert caller.states()[0].problem == "HTTP 500"
        clock.wall_s += 2
        assert await caller.run() is None
        assert caller.states()[0].problem is None


async def _ignored(_: Told) -> None:
    """What became of a call is of no interest here."""


class _Clock(SystemClock):
    wall_s = 1_800_000_000.0

    def time_ns(self) -> int:
        return round(self.wall_s * 1e9)
