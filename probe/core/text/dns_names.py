"""Rule: names are compared as the DNS compares them: label by label, ASCII case aside (RFC 4343, RFC 9499).

In lower case without the final dot; an escaped dot is part of its label (RFC 1035 section 5.1).
"""

from __future__ import annotations

import re
from functools import lru_cache

_LABEL = re.compile(r"(?:[^.\\]|\\.)+", re.DOTALL)
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


@lru_cache(maxsize=4096)
def normal_name(name: str) -> str:
    """Lower case (ASCII only, RFC 4343), without the final dot; the root is `.`."""
    lowered = name.lower() if name.isascii() else name.translate(_LOWER)
    final_dot = lowered.endswith(".") and not lowered.endswith("\\.") and len(lowered) > 1
    return lowered[:-1] if final_dot else lowered


def labels(name: str) -> list[str]:
    """The labels of a name in normal form, the deepest first; none for the root."""
    return _LABEL.findall(normal_name(name))


def parent(name: str) -> str:
    """The name without its first label; the root's is the root."""
    return ".".join(labels(name)[1:]) or "."


@lru_cache(maxsize=4096)
def under_suffix(name: str, suffix: str) -> bool:
    """Whether `name` is `suffix` or lies under it, compared label by label. Nothing lies under the root here."""
    wanted = labels(suffix)
    return bool(wanted) and labels(name)[-len(wanted) :] == wanted
