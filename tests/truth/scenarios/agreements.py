"""Header fields, HEAD, ranges, conditions, hotlink protection, lifetimes: what was agreed beside the content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.truth import parts
from tests.truth.scenario import OK
from tests.truth.scenarios.content import FILES, KEEP, RELAY, at_edge

_SAME_REPLY = ["failed origin origin.same_reply"]


def _checks(**kinds: Mapping[str, Any]) -> dict[str, Any]:
    return {"availability": {}, "integrity": {}, **kinds}


_FIELD = "X-Frame-Options"
_PRESENT = _checks(headers={"present": [_FIELD]})
_ABSENT = _checks(headers={"absent": ["X-Secret"]})
_AS_ORIGIN = _checks(headers={"same_as_origin": [_FIELD]})
_LANGUAGE = _checks(headers={"equal": {"Content-Language": "zh-CN"}})


def _origin_with(*fields: str) -> parts.Part:
    added = " ".join(f"add_header {field};" for field in fields)
    return parts.origin_as(f"{KEEP} {added} {FILES}")


def _relay(*lines: str) -> str:
    return f"location / {{ proxy_pass http://ORIGIN; {' '.join(lines)} }}"


_HEAD = _checks(negotiation={"ranges": "none", "conditional": "none"})
_RANGES = _checks(negotiation={"head": False, "ranges": "required", "conditional": "none"})
_RANGES_MAY = _checks(negotiation={"head": False, "ranges": "allowed", "conditional": "none"})
_CONDITIONAL = _checks(negotiation={"head": False, "ranges": "none", "conditional": "required"})
_CONDITIONAL_MAY = _checks(negotiation={"head": False, "ranges": "none"})
_OWN, _FOREIGN = "https://www.acme.example/", "https://leech.test/"
_HOTLINK = _checks(hotlink={"allowed": [_OWN], "denied": [_FOREIGN]})
_GUARD = "valid_referers none server_names *.acme.example; if ($invalid_referer) {{ return {status}; }}"
_LIFETIME = _checks(freshness={"max_age": {"at_least": "10s", "at_most": "1h"}})
_HIDE = "proxy_hide_header Cache-Control;"

SCENARIOS = (
    # --- header fields ---
    at_edge("headers-there", "nobody", "the agreed field is there", [OK], _relay(), _origin_with(f"{_FIELD} DENY"),
            checks=_PRESENT),
    at_edge(
        "headers-other-case", "nobody", "field names have no case (RFC 9110 section 5.1)", [OK],
        _relay(f"proxy_hide_header {_FIELD}; add_header x-FRAME-options DENY;"), _origin_with(f"{_FIELD} DENY"),
        checks=_PRESENT,
    ),
    at_edge(
        "headers-missing", "cdn", "the edge drops an agreed field", ["failed cdn headers.missing"],
        _relay(f"proxy_hide_header {_FIELD};"), _origin_with(f"{_FIELD} DENY"), checks=_PRESENT,
    ),
    at_edge("headers-missing-at-both", "origin", "the origin lacks the agreed field", _SAME_REPLY, _relay(),
            checks=_PRESENT),
    at_edge(
        "headers-forbidden", "cdn", "the edge adds a field that must not be there", ["failed cdn headers.forbidden"],
        _relay("add_header X-Secret token;"), checks=_ABSENT,
    ),
    at_edge(
        "headers-forbidden-at-both", "origin", "the origin sends it", _SAME_REPLY, _relay(),
        _origin_with("X-Secret token"), checks=_ABSENT,
    ),
    at_edge(
        "headers-as-the-origins", "nobody", "the edge's field is the origin's", [OK], _relay(),
        _origin_with(f"{_FIELD} DENY"), checks=_AS_ORIGIN,
    ),
    at_edge(
        "headers-other-than-the-origins", "cdn", "another value than the origin's, of a reply without a lifetime",
        ["failed cdn headers.differs"],
        _relay(f"proxy_hide_header {_FIELD}; {_HIDE} add_header {_FIELD} ALLOWALL;"),
        _origin_with(f"{_FIELD} DENY"), checks=_AS_ORIGIN,
    ),
    at_edge(
        "headers-other-value", "cdn", "another value than agreed, and the origin has the agreed one",
        ["failed cdn headers.differs"], _relay("proxy_hide_header Content-Language; add_header Content-Language en;"),
        _origin_with("Content-Language zh-CN"), checks=_LANGUAGE,
    ),
    at_edge(
        "headers-other-value-at-both", "origin", "the origin has another value than agreed", _SAME_REPLY, _relay(),
        _origin_with("Content-Language en"), checks=_LANGUAGE,
    ),
    # --- HEAD ---
    at_edge("head-equal", "nobody", "HEAD is answered as GET", [OK], RELAY, checks=_HEAD),
    at_edge(
        "head-refused", "cdn", "the edge refuses HEAD", ["failed cdn negotiation.head_differs"],
        "if ($request_method = HEAD) { return 405; } " + RELAY, checks=_HEAD,
    ),
    at_edge(
        "head-refused-by-both", "origin", "the origin refuses HEAD too",
        ["failed origin origin.same_reply", "failed origin origin.same_status"],
        "if ($request_method = HEAD) { return 405; } " + RELAY,
        parts.origin_as(f"if ($request_method = HEAD) {{ return 405; }} {KEEP} {FILES}"), checks=_HEAD,
    ),
    # --- ranges ---
    at_edge("range-given", "nobody", "ranges are given", [OK], RELAY, checks=_RANGES),
    at_edge(
        "range-refused", "cdn", "ranges were agreed, the edge gives none", ["failed cdn negotiation.range_wrong"],
        _relay("proxy_set_header Range ''; proxy_hide_header Accept-Ranges; max_ranges 0;"), checks=_RANGES,
    ),
    at_edge(
        "range-refused-not-agreed", "nobody", "the edge gives no ranges, which nobody agreed on", [OK],
        _relay("proxy_set_header Range ''; proxy_hide_header Accept-Ranges; max_ranges 0;"), checks=_RANGES_MAY,
    ),
    at_edge(
        "range-never-satisfiable", "cdn", "416 to every range", ["failed cdn negotiation.range_wrong"],
        "if ($http_range) { return 416; } " + RELAY, checks=_RANGES_MAY,
    ),
    at_edge(
        "range-of-another-place", "cdn", "206 with other bytes than those asked for",
        ["failed cdn negotiation.range_wrong"],
        "set $which $http_range; if ($http_range) { set $which bytes=50-149; } "
        + _relay("proxy_set_header Range $which;"), checks=_RANGES_MAY,
    ),
    at_edge(
        "range-refused-by-both", "origin", "ranges were agreed, the origin gives none either", _SAME_REPLY,
        _relay("proxy_set_header Range ''; proxy_hide_header Accept-Ranges; max_ranges 0;"),
        parts.origin_as(f"max_ranges 0; {KEEP} {FILES}"), checks=_RANGES,
    ),
    # --- conditional requests ---
    at_edge("conditional-answered", "nobody", "304 where it is due", [OK], RELAY, checks=_CONDITIONAL),
    at_edge(
        "conditional-ignored", "cdn", "304 was agreed, the edge always sends the whole",
        ["failed cdn negotiation.conditional_wrong"],
        f"etag on; if_modified_since off; {_relay('proxy_set_header If-None-Match x; add_header X-A b;')} ",
        checks=_CONDITIONAL,
    ),
    at_edge(
        "conditional-always-304", "cdn", "304 to every condition, also to a tag that nobody has",
        ["failed cdn negotiation.conditional_wrong"],
        "if ($http_if_none_match) { return 304; } " + RELAY, checks=_CONDITIONAL_MAY,
    ),
    # --- hotlink protection ---
    at_edge("hotlink-as-agreed", "nobody", "the own page passes, a foreign one is refused", [OK],
            _GUARD.format(status=403) + RELAY, checks=_HOTLINK),
    at_edge("hotlink-open", "cdn", "a foreign page passes", ["failed cdn hotlink.denied_served"], RELAY,
            checks=_HOTLINK),
    at_edge(
        "hotlink-closed", "cdn", "the own page is refused", ["failed cdn hotlink.allowed_refused"],
        "if ($http_referer) { return 403; } " + RELAY, checks=_HOTLINK,
    ),
    at_edge(
        "hotlink-refused-otherwise", "nobody", "refused with 404, where 403 was agreed: refused is refused", [OK],
        _GUARD.format(status=404) + RELAY, checks=_HOTLINK,
    ),
    # --- lifetimes ---
    at_edge("lifetime-as-agreed", "nobody", "the lifetime is within its bounds", [OK], RELAY, checks=_LIFETIME),
    at_edge(
        "lifetime-too-long", "cdn", "the edge declares a longer lifetime than agreed",
        ["failed cdn freshness.lifetime_outside"], _relay(_HIDE, "add_header Cache-Control max-age=86400;"),
        checks=_LIFETIME,
    ),
    at_edge(
        "lifetime-none", "cdn", "the edge drops the origin's lifetime", ["failed cdn freshness.lifetime_outside"],
        _relay(_HIDE), checks=_LIFETIME,
    ),
    at_edge(
        "lifetime-too-long-at-both", "origin", "the origin declares it", _SAME_REPLY, _relay(),
        parts.origin_as(f"root ROOT; add_header Cache-Control max-age=86400; {FILES}"), checks=_LIFETIME,
    ),
    at_edge(
        "lifetime-two-digit-year", "nobody", "R4: Expires with a year of two digits, an hour ahead", [OK],
        _relay(_HIDE, "add_header Expires 'Sunday, 06-Nov-94 08:49:37 GMT'; add_header Cache-Control max-age=60;"),
        checks=_LIFETIME,
    ),
    at_edge(
        "lifetime-invalid-expires", "cdn", "R4: an Expires that is no date is already expired",
        ["failed cdn freshness.lifetime_outside"], _relay(_HIDE, "add_header Expires 'in an hour';"),
        checks=_LIFETIME,
    ),
)  # fmt: skip
