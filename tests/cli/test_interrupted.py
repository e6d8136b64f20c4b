"""Ctrl-C at any moment of any command ends it without a traceback, with 130 or, where it ends in order, its own code.

Moments are counted (`tests.support.interrupting`): imports, and calls and returns of functions; nothing is timed. Calls
of a body are not the same in number from run to run, so that a moment near its end may never come: then nothing was
sent, and the command must have ended as it does by itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import zstandard

from probe.lab.lab import Lab
from probe.lab.servers.world import BEIJING
from probe.pull import Copy
from probe.services.verification import verify
from tests.api import served
from tests.api.served import TOKENS
from tests.fixtures.frozen import unpacked
from tests.pull.server import TOKEN, FakeAgent, make_lines, serving
from tests.pull.test_evidence import filled
from tests.pull.test_real_server import signed
from tests.support.agent_process import WITHIN_S
from tests.support.interrupting import SENT
from tests.support.sizes import scaled
from tests.support.with_parent import WITH_PARENT

INTERRUPTED = {130, -signal.SIGINT}  # a shell shows both as 130
MOMENTS = scaled(10, 2)
MISSED = 5  # so often a moment may be sought again, in the shortest run seen
WWW = "www.shop.example"
LEFT_BEHIND = ("Traceback", "never retrieved", "Exception ignored", "was destroyed", "Unclosed", "Warning:")
COMPLETION = {"COMP_WORDS": "cdn-probe res", "COMP_CWORD": "1", "_CDN_PROBE_COMPLETE": "bash_complete"}


@dataclass(frozen=True, slots=True)
class Typed:
    """A command; `{new}` in it is a path that no run has used. `own`: codes by which it may end in order.

    `leaves`: what may be at that path, looked at after each run, raises AssertionError where it is half a thing.
    """

    words: str
    own: frozenset[int] = frozenset()
    env: dict[str, str] = field(default_factory=dict)
    leaves: Callable[[Path], None] = lambda path: None


def whole_file_or_none(path: Path) -> None:
    """A dispute file is there and holds, or nothing is: neither under its name nor beside it."""
    assert not list(path.parent.glob(f".{path.name}*")), "left behind beside it"
    if path.exists():
        found = verify(path)
        assert found.good, found
        assert found.streams[0].records > 0


def good_copy(path: Path) -> None:
    """What was pulled holds together; what is named as a bundle is a whole one."""
    if (path / "a1" / "acme").exists():
        assert [found.problem for found in Copy(path).verify() if not found.ok] == []
        for file in path.glob("a1/acme/evidence/*.zst"):
            assert json.loads(zstandard.decompress(file.read_bytes()))["id"] == file.name[13:45]


COMMANDS = {
    "completion": Typed("", env=COMPLETION),
    "--version": Typed("--version"),
    "schema": Typed("schema customer"),
    "token": Typed("token reader"),
    "status": Typed("status -c {agent}"),
    "check-config": Typed("check-config -c {agent}"),
    "run": Typed("run -c {agent} --seconds 2", frozenset({0})),
    "once": Typed("once -c {agent}"),
    "once --into": Typed(
        "once -c {agent} --customer shop --vantage {vantage} --into {new}",
        frozenset({0, 1}),
        leaves=whole_file_or_none,
    ),
    "trace": Typed(f"trace -c {{agent}} --vantage {{vantage}} https://{WWW}/app.js"),
    "vantage list": Typed("vantage list -c {agent}"),
    "vantage check": Typed("vantage check -c {agent}"),
    "serve": Typed("serve -c {api} --while-stdin-open", frozenset({0})),
    "pull": Typed("pull --from {url} --into {new}", frozenset({0, 1}), {"CDN_PROBE_TOKEN": TOKEN}),
    "pull --follow": Typed(
        "pull --from {url} --into {new} --follow --seconds 1", frozenset({0, 1}), {"CDN_PROBE_TOKEN": TOKEN}
    ),
    "pull --evidence": Typed(
        "pull --from {evidence_url} --into {new} --evidence",
        frozenset({0, 1}),
        {"CDN_PROBE_TOKEN": TOKENS["both"]},
        leaves=good_copy,
    ),
    "demo": Typed("demo --seconds 1 --dir {new}", frozenset({0, 1})),
    "nodes": Typed(f"nodes -c {{frozen_agent}} {WWW}"),
    "replay": Typed("replay -d {frozen}"),
    "results list": Typed("results -d {frozen} list"),
    "results show": Typed("results -d {frozen} show shop/600"),
    "results evidence": Typed("results -d {frozen} evidence shop/600"),
    "results follow": Typed("results -d {frozen} follow --seconds 1"),
    "results export": Typed("results -d {frozen} export --into {new}"),
    "results propagation": Typed("results -d {frozen} propagation"),
    "results verify": Typed("results -d {frozen} verify"),
    "results bundle": Typed(
        "results -d {frozen} bundle --customer shop --seq 610..620 --into {new}", leaves=whole_file_or_none
    ),
}
OFTEN = {"status", "serve", "pull --follow"}
"""In every run of the tests; the others in the long one."""


async def run(what: str, at: int, words: list[str], env: dict[str, str]) -> tuple[int, str]:
    """Exit code and standard error of the command that was sent SIGINT at that step, as a terminal sends it: to all."""
    process = await asyncio.create_subprocess_exec(
        *(*WITH_PARENT, sys.executable, "-m", "tests.support.interrupting", what, str(at), *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **env},
        start_new_session=True,
    )
    try:
        _, err = await asyncio.wait_for(process.communicate(), WITHIN_S)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    assert process.returncode is not None
    return process.returncode, err.decode()


async def assert_ends_well(
    what: str,
    typed: Typed,
    words: Callable[[], list[str]],
    first: Sequence[int],
    after: Callable[[], None] = lambda: None,
) -> None:
    async def sent(at: int) -> int:
        """Steps of a run that ended before this moment came, 0 where it came; either way it ended as it ought."""
        code, err = await run(what, at, words(), typed.env)
        after()
        assert not [words for words in LEFT_BEHIND if words in err], (at, err)
        was_sent = SENT in err.splitlines()
        assert code in (INTERRUPTED | typed.own if was_sent else {by_itself}), (at, code, err)
        return 0 if was_sent else int(err.splitlines()[-1])

    by_itself, whole = await run(what, 0, words(), typed.env)
    steps = int(whole.splitlines()[-1])
    assert steps > 20, whole
    for at in first:
        await sent(at)
    for part in range(1, MOMENTS + 1):
        for _ in range(MISSED):
            shorter = await sent(steps * part // (MOMENTS + 1))
            if not shorter:
                break
            steps = min(steps, shorter)
        else:
            raise AssertionError(f"moment {part} of {MOMENTS} never came, of {steps} steps")


def bare(words: str, tmp_path: Path) -> list[str]:
    (tmp_path / "agent.yaml").write_text("agent: one\nresults: .\n")
    return words.format(agent=tmp_path / "agent.yaml").split()


@pytest.mark.scaled
@pytest.mark.parametrize("what", ["import", "event"])
@pytest.mark.parametrize(
    "name",
    [
        "completion",
        "status",
        *(pytest.param(name, marks=pytest.mark.long) for name in ("--version", "schema")),
    ],
)
async def test_while_it_is_loaded(what: str, name: str, tmp_path: Path) -> None:
    typed = COMMANDS[name]
    await assert_ends_well(what, typed, lambda: bare(typed.words, tmp_path), (1, 2, 3, 5, 8))


@pytest.mark.scaled
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in OFTEN else [pytest.mark.long])
        for name in COMMANDS
        if name not in ("completion", "--version")
    ],
)
async def test_in_its_body(name: str, tmp_path: Path) -> None:
    typed = COMMANDS[name]
    places: dict[str, object] = {}
    made = 0

    def words() -> list[str]:
        nonlocal made
        made += 1
        return [word.format(**places, new=tmp_path / f"new{made}") for word in typed.words.split()]

    async with AsyncExitStack() as around:
        if "{agent}" in typed.words:
            lab = await around.enter_async_context(Lab())
            await lab.warm()
            places["agent"] = lab.write_config(tmp_path)
            places["vantage"] = BEIJING.name
        if "{url}" in typed.words:
            agent = FakeAgent(streams={"acme": make_lines(50), "zeta": make_lines(5, "zeta")})
            places["url"] = (await around.enter_async_context(serving(agent))).url
        if "{api}" in typed.words:
            await served.fill(tmp_path / "r", served.rows(5))
            served.write_agent(tmp_path / "agent.yaml", listen="127.0.0.1:0")
            places["api"] = tmp_path / "agent.yaml"
        if "{frozen" in typed.words:
            places["frozen"] = unpacked("results", tmp_path)
            (tmp_path / "frozen.yaml").write_text("agent: lab-agent\nresults: results\n")
            places["frozen_agent"] = tmp_path / "frozen.yaml"
        if "{evidence_url}" in typed.words:
            await filled(tmp_path / "r", 12)
            api = await around.enter_async_context(served.served(tmp_path, options=signed(tmp_path)))
            places["evidence_url"] = api.url

        def after() -> None:
            typed.leaves(tmp_path / f"new{made}")

        await assert_ends_well("body", typed, words, (1, 2), after)
