"""Rule: without trust anchors every certificate would fail: that is our own lack, reported before any request is made.

Whether a file of authorities, or the system's store, holds any certificate (RFC 5280 section 6.1: trust anchors).
"""

from __future__ import annotations

import os
import re
import ssl

_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")  # how OpenSSL finds a certificate in a directory


def trust_problem(ca: str | None) -> str | None:
    """Why no certificate can be verified by this PEM file (None: by the system's store), for people; None: it can."""
    return _of_file(ca) if ca is not None else _of_system()


def system_store() -> tuple[str | None, str | None]:
    """The file and the directory of the system's store that hold authorities; OpenSSL's places, or as the environment
    names them (SSL_CERT_FILE, SSL_CERT_DIR). None for what is not there or holds none.
    """
    file, directory = _places()
    usable = file is not None and _of_file(file) is None
    return file if usable else None, directory if directory is not None and _any_hashed(directory) else None


def stamp_of(ca: str | None) -> int:
    """Changes when the file does, or the system's. Raises OSError for a file that is not there."""
    path = ca if ca is not None else _places()[0]
    return 0 if path is None else os.stat(path).st_mtime_ns


def _places() -> tuple[str | None, str | None]:
    paths = ssl.get_default_verify_paths()
    return paths.cafile or None, paths.capath or None  # None where it does not exist, whatever the stubs say


def _of_system() -> str | None:
    if any(system_store()):
        return None
    paths = ssl.get_default_verify_paths()
    file, directory = (
        os.environ.get(name, default)
        for name, default in (
            (paths.openssl_cafile_env, paths.openssl_cafile),
            (paths.openssl_capath_env, paths.openssl_capath),
        )
    )
    return (
        f"this host trusts no authority: neither {file} nor {directory} holds a certificate;"
        " install ca-certificates, or name a file by tls.ca"
    )


def _of_file(path: str) -> str | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        return f"{path} holds no certificate in PEM form"
    except OSError as error:
        return f"{path} cannot be read: {error.strerror or error}"
    return None if context.cert_store_stats()["x509"] else f"{path} holds no certificate in PEM form"


def _any_hashed(directory: str) -> bool:
    try:
        with os.scandir(directory) as entries:
            return any(_HASHED.fullmatch(entry.name) for entry in entries)
    except OSError:
        return False
