"""Rule: a validator is sent back only as it came, whole, and only if it is one."""

from __future__ import annotations

import re

from probe.core.model.times import http_date_s
from probe.core.text.redaction import REDACTED

LONGEST = 1024
_TAG = re.compile(r'(W/)?"[\x21\x23-\x7e\x80-\xff]*"')  # RFC 9110 section 8.8.3


def usable_tag(text: str | None) -> str | None:
    """An entity tag that can be sent back; None for garbage, what was cut, and what held a secret of ours."""
    if text is None or len(text) > LONGEST or REDACTED in text:
        return None
    return text if _TAG.fullmatch(text) else None


def usable_date(text: str | None) -> str | None:
    """A Last-Modified that can be sent back."""
    return text if text is not None and len(text) <= 64 and http_date_s(text) is not None else None
