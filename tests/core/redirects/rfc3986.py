"""Resolution and normalisation of URIs, written anew from the pseudo-code of RFC 3986; nothing of the product is used.

Section 5.2.2 (transform references), 5.2.3 (merge), 5.2.4 (remove dot segments: two buffers, step by step), 5.3
(recompose), 6.2.2 (normalisation) and the default port and empty path of 6.2.3.
"""

from __future__ import annotations

from string import ascii_letters, digits, hexdigits

UNRESERVED = frozenset(ascii_letters + digits + "-._~")
DEFAULT_PORTS = {"http": "80", "https": "443"}
Parts = tuple[str | None, str | None, str, str | None, str | None]


def parts_of(text: str) -> Parts:
    """Scheme, authority, path, query, fragment: cut off from the end and from the beginning in turn."""
    rest, hash_, fragment = text.partition("#")
    rest, mark, query = rest.partition("?")
    scheme: str | None = None
    before, colon, after = rest.partition(":")
    valid = before[:1] in set(ascii_letters) and set(before) <= set(ascii_letters + digits + "+-.")
    if colon and valid and "/" not in before:
        scheme, rest = before, after
    authority: str | None = None
    if rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
    return scheme, authority, rest, query if mark else None, fragment if hash_ else None


def remove_dot_segments(path: str) -> str:
    """Section 5.2.4, steps 2A to 2E."""
    given, output = path, ""
    while given:
        if given.startswith("../"):
            given = given[3:]
        elif given.startswith(("./", "/./")):
            given = given[2:]
        elif given == "/.":
            given = "/"
        elif given.startswith("/../"):
            given, output = given[3:], output[: max(output.rfind("/"), 0)]
        elif given == "/..":
            given, output = "/", output[: max(output.rfind("/"), 0)]
        elif given in (".", ".."):
            given = ""
        else:
            end = given.find("/", 1)
            end = len(given) if end < 0 else end
            output, given = output + given[:end], given[end:]
    return output


def transformed(base: str, reference: str) -> Parts:
    """Section 5.2.2, strict."""
    b, r = parts_of(base), parts_of(reference)
    if r[0] is not None:
        return r[0], r[1], remove_dot_segments(r[2]), r[3], r[4]
    if r[1] is not None:
        return b[0], r[1], remove_dot_segments(r[2]), r[3], r[4]
    if r[2] == "":
        return b[0], b[1], b[2], b[3] if r[3] is None else r[3], r[4]
    if r[2].startswith("/"):
        path = r[2]
    elif b[1] is not None and b[2] == "":
        path = "/" + r[2]
    else:
        path = b[2][: b[2].rfind("/") + 1] + r[2]
    return b[0], b[1], remove_dot_segments(path), r[3], r[4]


def percent_encoded(text: str) -> str:
    """What cannot stand in a URI, as browsers encode it: each byte of raw UTF-8 by itself."""
    stays = UNRESERVED | set("%:/?#[]@!$&'()*+,;=")
    return "".join(c if c in stays else "".join(f"%{b:02X}" for b in c.encode("latin-1")) for c in text)


def codes_normal(text: str) -> str:
    """Sections 6.2.2.1 and 6.2.2.2."""
    made, at = "", 0
    while at < len(text):
        code = text[at + 1 : at + 3]
        if text[at] == "%" and len(code) == 2 and set(code) <= set(hexdigits):
            character = chr(int(code, 16))
            made += character if character in UNRESERVED else "%" + code.upper()
            at += 3
        else:
            made += text[at]
            at += 1
    return made


def in_the_dns(host: str) -> str:
    """Section 3.2.2: a name in percent-encoded UTF-8 is looked up as IDNA has it; what is none stays."""
    data, at = bytearray(), 0
    while at < len(host):
        code = host[at + 1 : at + 3] if host[at] == "%" else ""
        is_code = len(code) == 2 and set(code) <= set(hexdigits)
        data += bytes([int(code, 16)]) if is_code else host[at].encode()
        at += 3 if is_code else 1
    try:
        name = data.decode()
        named = name.encode("idna").decode()
    except UnicodeError:
        return host
    return named if not name.isascii() and set(named) <= UNRESERVED - {"~"} else host


def place(base: str, location: str) -> str:
    """The one text for all spellings of where a Location at `base` leads."""
    scheme, authority, path, query, fragment = transformed(base, percent_encoded(location))
    assert scheme is not None
    scheme = scheme.lower()
    if authority is not None:
        user, at, host = authority.rpartition("@")
        host, port = _without_default_port(host, DEFAULT_PORTS.get(scheme))
        authority = codes_normal(user) + at + in_the_dns(codes_normal(host).lower()) + port
        path = remove_dot_segments(codes_normal(path)) or "/"
    else:
        path = codes_normal(path)
    made = scheme + ":" + ("" if authority is None else "//" + authority) + path
    made += "" if query is None else "?" + codes_normal(query)
    return made + ("" if fragment is None else "#" + codes_normal(fragment))


def _without_default_port(host: str, default: str | None) -> tuple[str, str]:
    name, colon, port = host.rpartition(":")
    if not colon or not (set(port) <= set(digits)):
        return host, ""
    return name, "" if port in ("", default) else ":" + port
