"""Rule: each small text that a person types (an address, a header) has one parser, which says what is wrong.

Every function raises ValueError with words for a person and never repeats a value that may be secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network

from probe.core.model.task import AnchorSpec, EdgePolicy, FieldValue, ResolverSpec, SecretRef
from probe.core.syntax.lookalikes import lookalike

OWN_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # RFC 9110 section 5.6.2
_FIELD_VALUE = re.compile(r"[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?")
_REFERENCES = {
    "env": (re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}"), "env:NAME, a name of letters, digits and _"),
    "file": (re.compile(r"[^\x00-\x1f\x7f]{1,4096}"), "file:/path/to/file"),
    "credential": (re.compile(r"(?!\.)[A-Za-z0-9_.-]{1,255}"), "credential:name, without slashes"),
}
_OWN_FIELDS = {
    "host": "the domain gives it; for the origin write origin.host",
    "accept-encoding": "write accept_encoding",
    "connection": "every observation has a connection of its own",
    "content-length": "requests have no body",
    "transfer-encoding": "requests have no body",
    "expect": "requests have no body",
    "trailer": "requests have no body",
    "te": "hop-by-hop fields are the client's own",
    "keep-alive": "hop-by-hop fields are the client's own",
    "upgrade": "hop-by-hop fields are the client's own",
}
_CREDENTIAL_FIELDS = frozenset(("authorization", "proxy-authorization", "cookie"))
_CREDENTIAL_WORDS = re.compile(r"token|secret|passw|credential|api-?_?key|auth-?_?key", re.IGNORECASE)
_CODINGS = ("identity", "gzip", "deflate", "br", "zstd", "x-gzip")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)")
_DOH_PATH = "/dns-query"


@dataclass(frozen=True, slots=True)
class ResolverScheme:
    """What the URL of a resolver may hold: `named`, a name to verify; `has_path`, a path (RFC 8484 section 4.1)."""

    port: int
    named: bool = False
    has_path: bool = False


RESOLVER_SCHEMES = {
    "udp": ResolverScheme(53),
    "tcp": ResolverScheme(53),
    "tls": ResolverScheme(853, named=True),
    "https": ResolverScheme(443, named=True, has_path=True),
}
"""By scheme; each has a class in `probe.resolver.transports`."""


def parse_name(text: str) -> str:
    """A DNS name (RFC 1035, with underscores) in lower case, without its final dot."""
    name = text.lower()
    if not name.isascii():
        if (odd := lookalike(text)) is not None:
            raise ValueError(f"{text[:80]!r} is no domain name: {odd}")
        raise ValueError(f"write {text!r} in its ASCII form (xn--...)")
    if name.endswith("."):
        raise ValueError(f"leave out the final dot of {text!r}")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError(f"{text[:80]!r} is no domain name, such as www.acme.example")
    if re.fullmatch(r"[0-9.]+", name):
        raise ValueError(f"{text!r} is an address; here a domain name is wanted, such as www.acme.example")
    return name


def parse_suffix(text: str) -> str:
    """A name under which CDN names lie; `.cdn.example.net` and `*.cdn.example.net` mean the same."""
    return parse_name(text.removeprefix("*").removeprefix("."))


def parse_address(text: str) -> str:
    """An IP address, normalised. A zone (`fe80::1%eth0`) is refused."""
    try:
        if "%" in text:
            raise ValueError
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f"{text[:80]!r} is no IP address, such as 203.0.113.10 or 2001:db8::10") from None


def parse_prefix(text: str) -> str:
    """A CIDR prefix, normalised; bits beyond its length must be 0."""
    try:
        return str(ip_network(text))
    except ValueError as error:
        hint = " (bits are set beyond the prefix length)" if "host bits" in str(error) else ""
        raise ValueError(f"{text[:80]!r} is no CIDR prefix, such as 203.0.113.0/24{hint}") from None


def parse_host(text: str) -> str:
    """An IP address or a DNS name, normalised. An IPv6 address may stand in brackets."""
    if "://" in text:
        raise ValueError(f"{text[:80]!r} is a URL: write its host alone, an IP address or a name")
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if re.fullmatch(r"[^:]+:[0-9]{1,5}", inner):
        raise ValueError(
            f"{text[:80]!r} has a port: write the host alone here, the port has a key of its own"
        )
    return parse_address(inner) if ":" in inner or re.fullmatch(r"[0-9.]+", inner) else parse_name(inner)


def split_host_port(text: str, default: int | None) -> tuple[str, int]:
    """`host`, `host:port`, `[2001:db8::1]:port`. `default` None: the port must be given."""
    if text.count(":") > 1 and not text.startswith("["):  # an IPv6 address without a port
        host, port = text, ""
    else:
        match = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(?::(.*))?", text, re.DOTALL)
        if match is None:
            raise ValueError(f"{text[:80]!r} is no host, host:port or [IPv6 address]:port")
        host, port = match[1], match[2] or ""
    if not port:
        if default is None:
            raise ValueError(f"{text[:80]!r} has no port: write host:port")
        return parse_host(host), default
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise ValueError(f"{port[:20]!r} is no port: write a number from 1 to 65535")
    return parse_host(host), int(port)


def parse_resolver(text: str) -> ResolverSpec:
    """`udp://192.0.2.53[:port]`, `tcp://`, `tls://name[@address][:port]`, `https://name[@address][:port][/path]`.

    A bare address means udp, port 53.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "udp", text
    kind = RESOLVER_SCHEMES.get(scheme)
    if kind is None:
        *most, last = (f"{known}://" for known in RESOLVER_SCHEMES)
        raise ValueError(f"{scheme[:20]!r} is no transport of a resolver: use {', '.join(most)} or {last}")
    rest, path = _split_path(rest) if kind.has_path else (rest, None)
    name, at, rest = rest.rpartition("@")
    address, port = split_host_port(rest, kind.port)
    is_name = not _is_address(address)
    if not kind.named and (at or is_name):
        raise ValueError(f"a {scheme}:// resolver is given by its IP address, such as {scheme}://192.0.2.53")
    if at and is_name:
        raise ValueError(f"after @ stands the resolver's IP address: {scheme}://dns.example.net@192.0.2.1")
    tls_name = parse_name(name) if at else address if is_name else None
    return ResolverSpec(transport=scheme, address=address, port=port, tls_name=tls_name, path=path)


def _split_path(text: str) -> tuple[str, str]:
    """Authority and path of a DNS-over-HTTPS URL; `{?dns}` of a template is left out, since we POST."""
    authority, slash, path = text.removesuffix("{?dns}").partition("/")
    return authority, parse_path(f"/{path}") if slash and path else _DOH_PATH


def parse_proxy(text: str) -> tuple[str, str, int]:
    """`socks5://host:port` or `http://host:port` -> scheme, host, port."""
    scheme, _, rest = text.partition("://")
    if scheme not in ("socks5", "http"):
        raise ValueError("a proxy is socks5://host:port, or http://host:port for CONNECT")
    if "@" in rest:
        raise ValueError(
            "a proxy's address holds no user name or password: write user and password beside url"
        )
    host, port = split_host_port(rest.removesuffix("/"), {"socks5": 1080}.get(scheme))
    return scheme, host, port


def parse_anchor(text: str) -> AnchorSpec:
    """`https://host[:port][/path]`, `http://...`, `quic://...`, `tcp://host:port` or `dns://address[:port][/name]`."""
    scheme, _, rest = text.partition("://")
    if scheme not in ("http", "https", "quic", "tcp", "dns"):
        raise ValueError(
            "an anchor is https://host/path, http://host/path, quic://host/path, tcp://host:port or"
            " dns://address/name"
        )
    if "@" in rest:
        raise ValueError("an anchor's address holds no user name or password")
    authority, slash, path = rest.partition("/")
    if scheme == "tcp" and slash:
        raise ValueError("a tcp:// anchor has no path: tcp://host:port")
    host, port = split_host_port(authority, {"http": 80, "https": 443, "quic": 443, "dns": 53}.get(scheme))
    if scheme == "dns":
        if not _is_address(host):
            raise ValueError(
                "a dns:// anchor is given by its IP address, such as dns://192.0.2.53/example.net"
            )
        path = parse_name(path) if path not in ("", ".") else "."
    return AnchorSpec(scheme=scheme, host=host, port=port, path=parse_path(f"/{path}"))


def parse_authority_url(text: str) -> str:
    """`https://host[:port][/path]` or `http://...`: the address of a time-stamping authority."""
    return _own_url(
        text,
        scheme="a time-stamping authority is http://host/path or https://host/path",
        user="an authority's address holds no user name or password",
    )


def parse_call_url(text: str) -> str:
    """`https://host[:port][/path]` or `http://...`: the address of an Alertmanager or a webhook."""
    return _own_url(
        text,
        scheme="who is called has an address such as https://host/path or http://host:9093",
        user="the address holds no user name or password: use user and password, or bearer",
    )


def _own_url(text: str, *, scheme: str, user: str) -> str:
    """An address that the agent itself posts to. `scheme`, `user`: what is said of a wrong one."""
    named, _, rest = text.partition("://")
    if named not in ("http", "https"):
        raise ValueError(scheme)
    if "@" in rest:
        raise ValueError(user)
    authority, _, path = rest.partition("/")
    split_host_port(authority, 443)
    parse_path(f"/{path}")
    return text


def is_loopback_url(url: str) -> bool:
    """Whether what is sent there stays on this host."""
    host, _ = split_host_port(url.partition("://")[2].partition("/")[0], 443)
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def parse_path(text: str) -> str:
    """The path of a URL with its query: begins with /, ASCII, no spaces, no fragment."""
    if not text.startswith("/"):
        raise ValueError("a path begins with / (the domain and scheme have keys of their own)")
    if re.match(r"//[^/?]*@", text):
        raise ValueError("a path holds no user name or password: use headers with a reference (env:NAME)")
    if not text.isascii():
        raise ValueError("write characters beyond ASCII percent-encoded, such as %C3%A9")
    if re.search(r"[\x00-\x20\x7f#]", text):
        raise ValueError("a path has neither spaces, control characters nor #: write them percent-encoded")
    return text


def parse_field_name(text: str) -> str:
    """The name of a header field that a customer may set."""
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"{text[:60]!r} is no name of a header field, such as X-Test")
    if (why := _OWN_FIELDS.get(text.lower())) is not None:
        raise ValueError(f"{text} cannot be set here: {why}")
    return text


def parse_field_value(text: str) -> FieldValue:
    """The value of a header field, or the reference to a secret: env:NAME, file:/path, credential:name."""
    scheme, separator, name = text.partition(":")
    if separator and scheme in _REFERENCES:
        pattern, form = _REFERENCES[scheme]
        if not pattern.fullmatch(name):
            raise ValueError(f"not a reference to a secret: write {form}")
        return SecretRef(scheme=scheme, name=name)
    if text and not _FIELD_VALUE.fullmatch(text):
        raise ValueError("a header's value has no control characters and no spaces at its ends")
    return text


def is_credential_field(name: str) -> bool:
    """Whether a header of this name carries a credential, so that its value must be a reference."""
    return name.lower() in _CREDENTIAL_FIELDS or _CREDENTIAL_WORDS.search(name) is not None


def parse_accept_encoding(text: str) -> str:
    """The Accept-Encoding to send (RFC 9110 section 12.5.3); only codings that we can decode."""
    for part in text.split(","):
        coding, _, weight = part.strip().partition(";")
        if coding.strip().lower() not in _CODINGS:
            raise ValueError(
                f"{coding.strip()[:40]!r} is no coding that we can decode: {', '.join(_CODINGS)}"
            )
        if weight and not re.fullmatch(r"\s*q=(0(\.\d{0,3})?|1(\.0{0,3})?)\s*", weight):
            raise ValueError("a weight is written ;q=0.5")
    return text


def parse_edges(text: str) -> EdgePolicy:
    """`all`, `one` or `sample:3`."""
    kind, _, count = text.partition(":")
    if kind == "sample" and re.fullmatch(r"[1-9][0-9]{0,2}", count):
        return EdgePolicy(kind="sample", count=int(count))
    if text not in ("all", "one"):
        raise ValueError(
            f"edges is all, one, or sample:N with N from 1 to 999, such as sample:3; found {text[:40]!r}"
        )
    return EdgePolicy(kind=text)


def parse_time(text: str) -> str:
    """RFC 3339 with an offset -> the same moment in UTC, as records write it."""
    if not _RFC3339.fullmatch(text):
        raise ValueError(
            "a time is RFC 3339 with its offset, such as 2026-11-25T00:00:00+08:00 or 2026-11-24T16:00:00Z; "
            f"found {text[:40]!r}"
        )
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"there is no such time: {error}") from None
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def has_userinfo(text: str, *, resolver: bool = False) -> bool:
    """Whether a text is a URL with a user name or password in it.

    What stands before @ in `tls://name@address`, and for a `resolver` in `https://name@address`, is no user.
    """
    match = re.search(r"\b([a-z][a-z0-9+.-]*)://([^/\s?#]*)@([^/\s?#]*)", text, re.IGNORECASE)
    if match is None:
        return False
    named = [scheme for scheme, kind in RESOLVER_SCHEMES.items() if kind.named] if resolver else ["tls"]
    return not (match[1].lower() in named and _names_resolver(match[2], match[3]))


def _names_resolver(name: str, rest: str) -> bool:
    try:
        parse_name(name)
        host, _ = split_host_port(rest, 1)
    except ValueError:
        return False
    return _is_address(host)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
