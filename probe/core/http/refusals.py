"""Rule: a reply that refuses us as a visitor says nothing of what was asked.

Of a 429 (RFC 6585 section 4) and of a challenge page the next visitor sees nothing; a 503 with Retry-After (RFC 9110
section 15.6.4) to a further question of ours says only that we asked too much.
"""

from __future__ import annotations

from probe.core.records.response import Response

RATE_LIMITED = "http.rate_limited"
CHALLENGED = "http.challenged"

# (field, value it begins with, where it is documented)
CHALLENGE_MARKS = (
    (
        "cf-mitigated",
        "challenge",
        "https://developers.cloudflare.com/cloudflare-challenges/challenge-types/challenge-pages/detect-response/",
    ),
)


def refusal(response: Response | None, *, further: bool) -> str | None:
    """The reason where this reply refuses us and not the content; `further`: to a question beside the object's own."""
    if response is None:
        return None
    for field, value, _source in CHALLENGE_MARKS:
        if any(name == field and given.strip().lower().startswith(value) for name, given in response.fields):
            return CHALLENGED
    if response.status_code == 429:
        return RATE_LIMITED
    asks_for_time = any(name == "retry-after" for name, _ in response.fields)
    return RATE_LIMITED if further and response.status_code == 503 and asks_for_time else None
