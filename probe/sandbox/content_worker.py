"""Rule: a parser of untrusted content runs where it can do no harm: without secrets, in bounded memory and time.

The main of a process that `probe.sandbox.content_reader` keeps. Reads questions from standard input (two lengths, then
the rules as JSON and the content), writes answers (a length, then ContentFacts as JSON). What a content may cost is
bounded by `core.content` in bytes, nodes and steps. Memory and time of the processor are bounded here as the last
safety net: the kernel ends the process, which says nothing about the content (`not_read`).
"""

from __future__ import annotations

import resource
import signal
import struct
import sys
from typing import BinaryIO

import msgspec

from probe.core.content.reading import Reading, read_content
from probe.core.content.unreadable import NOT_READ
from probe.core.records.response import ContentFacts

QUESTION, ANSWER = struct.Struct("!II"), struct.Struct("!I")
MEMORY_BYTES = 768 * 1024 * 1024  # of addresses; 4 MiB of ordinary HTML take a fifth
CPU_S = 8.0  # 4 MiB of ordinary HTML take a twentieth


def main() -> None:
    """Until standard input ends."""
    confine()
    serve(sys.stdin.buffer, sys.stdout.buffer)


def confine() -> None:
    """Give up what reading does not need; for the life of this process."""
    for what, limit in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 16),
    ):
        hard = resource.getrlimit(what)[1]
        bound = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (bound, bound))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer one by one."""
    while len(head := questions.read(QUESTION.size)) == QUESTION.size:
        rules_bytes, body_bytes = QUESTION.unpack(head)
        reading = msgspec.json.decode(questions.read(rules_bytes), type=Reading)
        facts = msgspec.json.encode(_read(reading, questions.read(body_bytes)))
        answers.write(ANSWER.pack(len(facts)) + facts)
        answers.flush()


def _read(reading: Reading, body: bytes) -> ContentFacts:
    signal.setitimer(signal.ITIMER_PROF, CPU_S)  # the signal ends the process, whatever a parser is doing
    try:
        return read_content(reading, body)
    except MemoryError:
        return ContentFacts(rules=reading.rules, flags=(NOT_READ,))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


if __name__ == "__main__":
    main()
