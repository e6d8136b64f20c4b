"""Runs inside the booted machine, by the package's own interpreter: all records, as often as a line comes in.

A process that stays, for a command that starts anew at each look would keep a small machine busy.
"""

from __future__ import annotations

import sys
from pathlib import Path

from probe.core.records.codec import encode
from probe.store.read.reader import Reader
from probe.store.store import StoreError

for _ in sys.stdin:
    try:
        with Reader.open(Path(sys.argv[1])) as reader:
            for record in reader.follow({}):
                print(encode(record).decode())
    except StoreError as error:  # there is none yet
        print(error, file=sys.stderr)
    print("end", flush=True)
