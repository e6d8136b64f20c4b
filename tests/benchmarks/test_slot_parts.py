"""A sample of a slot's time belongs to the part whose code ran; what all parts use, to the part that called it."""

from __future__ import annotations

import time

import pytest

from benchmarks.slot_parts import LOOP, PROBE, part_of, sampled

LOOKUP, REQUEST = "look-up over UDP", "connection, request and response"


@pytest.mark.parametrize(
    ("files", "part"),
    [
        (["resolver/walk.py", "measure/pipeline.py"], LOOKUP),
        (["net/line.py", "resolver/exchange.py", "measure/pipeline.py"], LOOKUP),
        (["net/line.py", "fetch/connector.py", "measure/pipeline.py"], REQUEST),
        (["core/model/value.py", "core/records/observation.py", "fetch/attempt.py"], REQUEST),
        (["fetch/body.py", "fetch/versions/http1.py"], "SHA-256 and counting of the body"),
        (["net/tls_transport.py", "net/transport.py"], "TLS: OpenSSL and its buffers"),
        (["net/event_loop.py"], LOOP),
    ],
)
def test_the_innermost_function_of_one_part_has_the_sample(files: list[str], part: str) -> None:
    stack = [
        "/usr/lib/python3/socket.py",
        *(f"{PROBE}{file}" for file in files),
        "/usr/lib/python3/asyncio.py",
    ]
    assert part_of(iter(stack)) == part


def test_what_runs_elsewhere_is_the_loops() -> None:
    assert part_of(iter(["/usr/lib/python3/asyncio/base_events.py", "/elsewhere/resolver/walk.py"])) == LOOP


def test_samples_weigh_the_time_that_this_thread_used() -> None:
    began_s = time.thread_time()
    with sampled() as parts:
        while time.thread_time() < began_s + 0.05 or not parts:
            pass
        spent_s = time.thread_time() - began_s
    assert set(parts) == {LOOP}
    assert 0 < parts[LOOP] <= spent_s
