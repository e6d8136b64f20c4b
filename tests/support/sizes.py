"""How much a test tries: little in `make test`, as much as it says in `make long`.

A test that is marked `scaled` runs in both: LONG=1, which `make long` sets, gives it the full number. Properties
(Hypothesis) are scaled in the same way without a mark. TIMES=10 beside it gives each ten times its full number.
"""

from __future__ import annotations

import os

LONG = os.environ.get("LONG") == "1"
TIMES = int(os.environ.get("TIMES", "1"))


def scaled(full: int, few: int | None = None) -> int:
    """`full` in the long run, times TIMES; else `few`, by default a tenth of it and at least 20."""
    if LONG:
        return full * TIMES
    return few if few is not None else min(full, max(20, full // 10))
