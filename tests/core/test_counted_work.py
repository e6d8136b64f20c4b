"""The count of work that tests hold cheap things to: the same each time, and it tells a square from a line."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import Any

import pytest

from tests.support.awake import Awake
from tests.support.virtual import VirtualTime, run
from tests.support.work import counted, linear


def _each_once(text: str) -> int:
    number = 0
    for character in text:
        number += character == "a"
    return number


def _each_with_each(text: str) -> int:
    number = 0
    for one in text:
        for other in text:
            number += one == other
    return number


def _found_again_and_again(text: str) -> list[int]:
    """A square that only the calls of C show."""
    return [text.count(character, at) for at, character in enumerate(text) for _ in text]


def test_the_same_number_each_time_and_in_line_with_the_length() -> None:
    some, twice = (counted(lambda text=text: _each_once(text)) for text in ("ab" * 500, "ab" * 1000))  # type: ignore[misc]
    assert some == counted(lambda: _each_once("ab" * 500))
    assert (some[0], twice[0]) == (500, 1000)
    assert 1.9 < twice[1] / some[1] < 2.1


def test_what_is_linear_passes_and_gives_its_result() -> None:
    assert linear(lambda: _each_once("ab" * 5000), 10_000, each=3) == 5000


@pytest.mark.parametrize("square", [_each_with_each, _found_again_and_again])
def test_what_takes_the_square_fails(square: Any) -> None:
    with pytest.raises(AssertionError, match="calls and lines for 1000"):
        linear(lambda: square("ab" * 500), 1000, each=3)


def test_who_looked_on_before_does_so_afterwards_whatever_happens() -> None:
    def look(_frame: Any, _event: str, _argument: Any) -> None:
        return None

    traced = sys.gettrace()
    sys.setprofile(look)
    try:
        with pytest.raises(ZeroDivisionError):
            counted(lambda: 1 // 0)
        assert sys.getprofile() is look
    finally:
        sys.setprofile(None)
    assert sys.gettrace() is traced
    assert gc.isenabled()


def test_of_a_loop_what_it_waits_counts_and_not_what_holds_it_up() -> None:
    time = VirtualTime()

    async def work() -> None:
        async with Awake() as awake:
            time.advance(30)
            await asyncio.sleep(0.1)
            time.advance(30)
        assert awake.seconds == pytest.approx(0.1)
        async with Awake() as awake:
            late = asyncio.timeout(0.1)
            with pytest.raises(TimeoutError):
                await _held_up(late, time)
        assert awake.seconds == 0

    run(time, work())


async def _held_up(late: asyncio.Timeout, time: VirtualTime) -> None:
    async with late:
        time.advance(30)
        await asyncio.Event().wait()
