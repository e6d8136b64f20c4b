"""Rule: characters that a terminal obeys are data like all others in what is stored, and never reach a terminal.

C0 and C1 controls (ECMA-48), line and paragraph separators, and what reorders text (Unicode bidirectional controls).
A line feed is none of them: it is for whoever writes lines to say what one is.
"""

from __future__ import annotations

import re

CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def escaped_in_json(text: str) -> str:
    """The same JSON (RFC 8259 section 7) with such characters as `\\u009b`: JSON lets some of them stand."""
    return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
