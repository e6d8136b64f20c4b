"""The agent is asked seldom, never held on to, and its silence costs little."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from probe.api.agent_link import KEPT_S, METRICS_WITHIN_S, SILENT_S, WITHIN_S, ControlLink
from probe.api.request.ports import AgentView
from probe.control.server import ControlServer
from probe.core.results.concerns import Concern
from probe.core.results.live_state import LiveState, to_json
from tests.support.rows import at


class Ticking:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Agent:
    """Answers as the agent does, and counts."""

    def __init__(self) -> None:
        self.asked = 0
        self.metrics_take_s = 0.0
        self.answer: Mapping[str, Any] = to_json(
            LiveState(
                agent="a1", agent_version="0", pid=1, started_at=at(0), at=at(1), config_digest="c", ready=True,
                complete_up_to={"acme": at(5)},
            )
        )  # fmt: skip

    async def live(self) -> Mapping[str, Any]:
        self.asked += 1
        await asyncio.sleep(0.01)
        return self.answer

    async def metrics(self) -> Mapping[str, Any]:
        await asyncio.sleep(self.metrics_take_s)
        return {"text": "a 1\n"}

    def server(self, directory: Path) -> ControlServer:
        return ControlServer(directory, {"live": self.live, "metrics": self.metrics})


async def test_one_question_for_all_and_again_only_after_a_while(tmp_path: Path) -> None:
    agent, clock = Agent(), Ticking()
    server = agent.server(tmp_path)
    await server.start()
    try:
        link = ControlLink(tmp_path, now=clock)
        views = await asyncio.gather(*(link.view() for _ in range(50)))
        assert views == [AgentView(complete_up_to={"acme": at(5)})] * 50
        assert agent.asked == 1
        await link.view()
        assert agent.asked == 1
        clock.now += KEPT_S + 0.1
        await link.view()
        assert agent.asked == 2
        assert await link.metrics() == "a 1\n"
        clock.now += KEPT_S + 0.1
        agent.answer = {**agent.answer, "trouble": "No space left on device"}
        assert await link.view() == AgentView(
            complete_up_to={"acme": at(5)},
            trouble="No space left on device",
            concerns=(Concern("interference", (("problem", "No space left on device"),)),),
        )
        clock.now += KEPT_S + 0.1
        agent.answer = {**agent.answer, "trouble": None, "ready": False}
        view = await link.view()
        assert view is not None
        assert view.trouble == "it does not measure at this moment"
        clock.now += KEPT_S + 0.1
        agent.answer = {"nonsense": 1}
        assert await link.view() is None
    finally:
        await server.stop()


async def test_an_agent_that_is_silent_is_left_alone_for_a_while(tmp_path: Path) -> None:
    agent, clock = Agent(), Ticking()
    link = ControlLink(tmp_path, now=clock)
    assert await link.view() is None
    server = agent.server(tmp_path)
    await server.start()
    try:
        assert await link.view() is None
        assert await link.metrics() is None
        clock.now += SILENT_S
        assert await link.view() is not None
    finally:
        await server.stop()


async def test_metrics_that_take_longer_to_make_than_an_answer_about_itself_are_waited_for(
    tmp_path: Path,
) -> None:
    """Two thousand domains are 5 MB: an agent that makes them is not taken for silent, nor its page for unfed."""
    assert METRICS_WITHIN_S > 2 * WITHIN_S
    agent = Agent()
    agent.metrics_take_s = 1.1 * WITHIN_S
    server = agent.server(tmp_path)
    await server.start()
    try:
        link = ControlLink(tmp_path)
        assert await link.metrics() == "a 1\n"
        assert await link.view() is not None
    finally:
        await server.stop()


async def test_one_that_goes_away_does_not_take_the_others_answer_along(tmp_path: Path) -> None:
    agent = Agent()
    server = agent.server(tmp_path)
    await server.start()
    try:
        link = ControlLink(tmp_path, now=Ticking())
        first, second = asyncio.create_task(link.view()), asyncio.create_task(link.view())
        await asyncio.sleep(0)
        first.cancel()
        assert await second is not None
        assert agent.asked == 1
    finally:
        await server.stop()
