"""Rule: each row names the vendor's document and says as much as it does; no value's meaning is guessed.

Vendors' cache fields, field by field; in each field the first pattern that fits the whole value counts, without
regard to case. `documented` is the title of the vendor's page or manual; where none could be found it says so, and the
row claims nothing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VendorWord:
    """What one value of one field means in the words of RFC 9211. None: the document does not say."""

    product: str
    documented: str
    pattern: str
    hit: bool | None = None
    fwd: str | None = None
    fwd_status: int | None = None
    stored: bool | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VendorField:
    """One field. `nearest_last`: each cache appends its value; else their order means nothing."""

    name: str
    words: tuple[VendorWord, ...]
    nearest_last: bool = True


def _words(
    product: str, documented: str, *rows: tuple[str, bool | None, str | None, int | None]
) -> tuple[VendorWord, ...]:
    return tuple(
        VendorWord(product, documented, pattern, hit, fwd, status) for pattern, hit, fwd, status in rows
    )


def _parent(product: str, documented: str, pattern: str) -> VendorWord:
    """A cache of the vendor's had it, but not the nearest one."""
    return VendorWord(product, documented, pattern, flags=("parent_hit",))


_TCP = (  # Akamai documents these; Squid's and Alibaba Cloud's logs use the same words
    (r"TCP_REFRESH_FAIL_HIT", True, None, None),
    (r"TCP_REFRESH_HIT", False, "stale", 304),
    (r"TCP_REFRESH_MISS", False, "stale", 200),
    (r"TCP_(?:MEM_|IMS_|NEGATIVE_)?HIT", True, None, None),
    (r"TCP_MISS", False, "miss", None),
)
_NGINX_WORDS = (
    (r"HIT", True, None, None),
    (r"STALE|UPDATING", True, None, None),  # served from the cache although past its lifetime
    (r"MISS", False, "miss", None),
    (r"BYPASS", False, "bypass", None),
    (r"EXPIRED", False, "stale", 200),
    (r"REVALIDATED", False, "stale", 304),
)
_X_CACHE = VendorField(
    "x-cache",
    (
        *_words(
            "Amazon CloudFront",
            "Developer Guide, standard log field x-edge-result-type",
            (r"Hit from cloudfront", True, None, None),
            (r"RefreshHit from cloudfront", False, "stale", None),
            (r"Miss from cloudfront", False, "miss", None),
        ),
        _parent(
            "Amazon CloudFront",
            "Developer Guide, standard log field x-edge-result-type",
            r"OriginShieldHit from cloudfront",
        ),
        *_words(
            "Akamai",
            "Edge Diagnostics, Pragma headers",
            *((rf"{word} from .*", hit, fwd, status) for word, hit, fwd, status in _TCP),
        ),
        *_words(
            "Alibaba Cloud CDN",
            "Cache-related FAQ, X-Cache",
            *((rf"(?:HIT|MISS) {word}(?: .*)?", hit, fwd, status) for word, hit, fwd, status in _TCP),
            (r"HIT\b.* dirn:.*", True, None, None),
            (r"MISS\b.* dirn:.*", False, "miss", None),
        ),
        *_words(
            "Squid",
            "Squid FAQ, X-Cache",
            (r"HIT from \S+", True, None, None),
            (r"MISS from \S+", False, "miss", None),
        ),
        *_words(
            "Fastly",
            "HTTP headers reference, X-Cache",
            (r"HIT", True, None, None),
            (r"MISS", False, "miss", None),
        ),
        *_words("Akamai", "Edge Diagnostics, Pragma headers", *_TCP),
        # `add_header X-Cache $upstream_cache_status`, as many set-ups of nginx have it
        *_words("nginx", "ngx_http_upstream_module, $upstream_cache_status", *_NGINX_WORDS),
        # A stale hit may have been served, validated or replaced: the document does not say.
        *_words(
            "Apache Traffic Server",
            "Administrator's Guide, XDebug Plugin, X-Cache",
            (r"hit-fresh", True, None, None),
            (r"hit-stale", None, None, None),
            (r"skipped|none", False, "bypass", None),
        ),
    ),
)
_CLOUDFLARE = (*_NGINX_WORDS, (r"DYNAMIC", False, "bypass", None))
_VERCEL = (
    (r"HIT|STALE|PRERENDER", True, None, None),
    (r"MISS", False, "miss", None),
    (r"BYPASS", False, "bypass", None),
    (r"REVALIDATED", False, "request", None),
)
_LOOKUP = VendorField(
    "x-cache-lookup",
    (
        *_words(
            "Tencent Cloud CDN",
            "FAQ, cache hit of a node",
            (r"(?:Hit From (?:MemCache|Disktank)\w*|Cache Hit)", True, None, None),
            (r"Cache Miss", False, "miss", None),
        ),
        _parent(
            "Tencent Cloud CDN, Huawei Cloud CDN", "FAQ, cache hit", r"Hit From (?:Upstream|Inner Cluster)"
        ),
        # Squid says whether it has an entry, not whether it used it.
        VendorWord("Squid", "Squid FAQ, X-Cache-Lookup", r"(?:HIT|NONE) from \S+"),
        *_words("Squid", "Squid FAQ, X-Cache-Lookup", (r"MISS from \S+", False, "miss", None)),
    ),
    nearest_last=False,
)
_TIMING = VendorField(
    "server-timing",
    (
        *_words(
            "Amazon CloudFront",
            "Developer Guide, Server-Timing header",
            (r"cdn-cache-hit(?:;.*)?", True, None, None),
            (r"cdn-cache-refresh(?:;.*)?", False, "stale", None),
            (r"cdn-cache-miss(?:;.*)?", False, "miss", None),
        ),
        *_words(
            "Akamai",
            "mPulse, Server-Timing",
            (r'cdn-cache; ?desc="?HIT"?', True, None, None),
            (r'cdn-cache; ?desc="?MISS"?', False, "miss", None),
            (r'cdn-cache; ?desc="?REVALIDATE"?', False, "stale", None),
        ),
    ),
)
_VARNISH = VendorField(
    "x-varnish",
    (
        VendorWord("Varnish", "Varnish documentation, X-Varnish", r"[0-9]+ [0-9]+", hit=True, stored=True),
        # One number is a miss or a pass.
        VendorWord("Varnish", "Varnish documentation, X-Varnish", r"[0-9]+", hit=False, fwd="miss"),
    ),
)
_HITS = VendorField(
    "x-cache-hits",
    _words("Fastly", "HTTP headers reference, X-Cache-Hits", (r"0*[1-9][0-9]*", True, None, None)),
)
_HUAWEI = VendorField(
    "x-hcs-proxy-type",
    _words(
        "Huawei Cloud CDN",
        "FAQ, How Do I Check Whether a Cache Is Hit?",
        (r"1", True, None, None),
        (r"0", False, "miss", None),
    ),
)
# No page of Google's names this field: the users of Cloud CDN name it, and this name is the usual one. That a hit is
# called so is documented; what the other words say of the way to the origin could not be confirmed.
_GOOGLE = VendorField(
    "x-goog-cache-status",
    _words(
        "Google Cloud CDN",
        "Create custom headers in backend services, variable cdn_cache_status",
        (r"hit", True, None, None),
        (r"miss", False, None, None),
    ),
)
# A miss of the edge may have come from a further store of bunny.net's (Perma-Cache): it does not say which.
_BUNNY = VendorField(
    "cdn-cache",
    _words(
        "bunny.net CDN",
        "CDN-Cache and Perma-Cache Headers Explained",
        (r"HIT", True, None, None),
        (r"MISS", False, None, None),
    ),
)
# Who passed the response on stands there; whether any of them had it no public page says for all forms.
_WANGSU = VendorField(
    "x-via",
    (VendorWord("Wangsu CDN", "no public page found; as its replies have it", r"1\.[01] \S+ \(.*\).*"),),
)
_BAIDU = VendorField(
    "ohc-cache-hit",
    (
        VendorWord(
            "Baidu AI Cloud CDN", "no public page found; as its replies have it", r"\w+(?: \[[0-9]+\])?"
        ),
    ),
)
_SAVED = VendorField(
    "x-swift-savetime",
    (VendorWord("Alibaba Cloud CDN", "Cache-related FAQ, X-Swift-SaveTime", r"\w{3}, .* GMT", stored=True),),
)
TABLE = (
    _X_CACHE,
    VendorField(
        "x-cache-status",
        _words("nginx", "ngx_http_upstream_module, $upstream_cache_status", *_NGINX_WORDS),
    ),
    _BUNNY,
    _GOOGLE,
    VendorField("cf-cache-status", _words("Cloudflare", "Cloudflare cache responses", *_CLOUDFLARE)),
    VendorField("x-vercel-cache", _words("Vercel", "Cache status", *_VERCEL)),
    _HUAWEI,
    _LOOKUP,
    _TIMING,
    _HITS,
    _VARNISH,
    _SAVED,
    _WANGSU,
    _BAIDU,
)
# A value of these fields is one of many things; one that we do not know gives neither a cache status nor a flag.
MIXED = frozenset({"server-timing", "x-cache-hits", "x-swift-savetime", "x-via", "ohc-cache-hit"})
