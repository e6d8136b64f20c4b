"""What edges and origin do wrong, each in the words of its own program. ROOT is the content's directory."""

from __future__ import annotations

from tests.truth.internet import ORIGIN

_SYNTHETIC = "sub vcl_recv {{ return (synth({})); }}"

# (program, what it does): its configuration in place of that by which it serves well
EDGES: dict[tuple[str, str], str] = {
    ("nginx", "error"): "location / { return 503; }",
    ("varnish", "error"): _SYNTHETIC.format("503"),
    ("haproxy", "error"): "default_backend nowhere",
    ("nginx", "other_content"): "location /s/ { rewrite ^/s/[^/]+/(.*)$ /$1 last; } root ROOT/other;",
    (
        "haproxy",
        "other_content",
    ): "http-request set-path %[path,regsub(^/s/[^/]+/,/other/)]\n  default_backend origin",
    ("varnish", "other_content"): 'sub vcl_recv { set req.url = regsub(req.url, "^/s/[^/]+/", "/other/"); }',
    ("nginx", "missing"): "location / { return 404; }",
    ("nginx", "redirects"): "location / { return 302 http://elsewhere.test/; }",
    ("varnish", "slow"): "sub vcl_deliver { vtc.sleep(1.4s); }",
    # as an origin, which has no cache to speak of
    ("varnish", "slow_and_plain"): "sub vcl_deliver { vtc.sleep(1.4s); unset resp.http.X-Varnish; "
    "unset resp.http.Via; unset resp.http.Age; }",
    ("nginx", "trickles"): f"location / {{ proxy_pass http://{ORIGIN}; limit_rate 2k; }}",
    ("nginx", "limits_rate"): f"location / {{ limit_req zone=few; limit_req_status 429; "
    f"proxy_pass http://{ORIGIN}; }} error_page 429 = @later; "
    "location @later { add_header Retry-After 5 always; return 429; }",
    ("haproxy", "challenges"): "http-request return status 403 content-type text/html "
    'string "<title>Just a moment...</title>" hdr cf-mitigated challenge',
    ("nginx", "no_reply"): "location / { return 444; }",
    ("nginx", "admits_long_head"): f"location / {{ proxy_pass http://{ORIGIN}; proxy_buffer_size 128k; "
    "proxy_buffers 8 128k; proxy_busy_buffers_size 256k; }",
}
_KEEP = "root ROOT; add_header Cache-Control max-age=60;"
_FILES = "location /s/ { rewrite ^/s/[^/]+/(.*)$ /$1 last; }"

ORIGINS: dict[str, str] = {
    "error": "location / { return 500; }",
    "missing": "location / { return 404; }",
    "forbids_us": f"{_KEEP} deny 10.94.1.0/24; allow all; {_FILES}",
    "long_head": f"{_KEEP} {_FILES} " + " ".join(f"add_header X-Long-{n} {'x' * 900};" for n in range(40)),
    "trickles": f"{_KEEP} {_FILES} limit_rate 2k;",
}
