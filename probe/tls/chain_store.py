"""Rule: a chain that came by another way than a session is verified as a session verifies it, by the same OpenSSL.

QUIC's handshake is made by another library, which gives the certificates. `ChainStores` verifies them with the trust,
purpose and names of a `BundledClient` (RFC 5280, RFC 9525). Below it, what both use of the bindings.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from probe.tls.errors import ssl_error, verification_error
from probe.tls.openssl_bindings import ffi as _ffi
from probe.tls.openssl_bindings import lib as _lib

_NULL = _ffi.NULL
_ERR_LIB_SSL = 20
_RECORD_LAYER_FAILURE = 313  # SSL_R_RECORD_LAYER_FAILURE (openssl/sslerr.h)


class ChainStores:
    """The trust anchors of a client, read when they are first needed. `ca_file`, `ca_directory`: as the client's."""

    def __init__(self, ca_file: str | None, ca_directory: str | None) -> None:
        self._file, self._directory = ca_file, ca_directory
        self._stores: dict[bool, Any] = {}

    def verified(
        self, chain: Sequence[bytes], identity: tuple[bytes, bytes], server_name: str
    ) -> tuple[bytes, ...]:
        """The chain in use, up to the trust anchor (DER, leaf first). `identity`: host or address, the other empty.

        Raises ssl.SSLCertVerificationError, ssl.SSLError for what is no certificate.
        """
        return _verified(self._store_for(*identity), chain, server_name)

    def _store_for(self, host: bytes, address: bytes) -> Any:
        """One for names, one for addresses: a store forgets the name that it expected only for another name."""
        store = self._stores.get(bool(host))
        if store is None:
            store = self._stores[bool(host)] = _ffi.gc(_lib.X509_STORE_new(), _lib.X509_STORE_free)
            if self._file is not None:
                load(_lib.X509_STORE_load_locations(store, os.fsencode(self._file), _NULL))
            if self._directory is not None:
                load(_lib.X509_STORE_load_locations(store, _NULL, os.fsencode(self._directory)))
            demand(_lib.X509_STORE_set_purpose(store, _lib.X509_PURPOSE_SSL_SERVER))
        wanted = _ffi.gc(_lib.X509_VERIFY_PARAM_new(), _lib.X509_VERIFY_PARAM_free)
        expect(wanted, host, address)
        demand(_lib.X509_STORE_set1_param(store, wanted))
        return store


def _verified(store: Any, chain: Sequence[bytes], server_name: str) -> tuple[bytes, ...]:
    """The chain in use up to the trust anchor. Raises ssl.SSLError for what is no certificate or cannot be verified."""
    presented = _ffi.gc(_lib.sk_X509_new_null(), _lib.sk_X509_free)
    certificates = [_parsed(der) for der in chain]  # they live as long as this list
    for certificate in certificates:
        _lib.sk_X509_push(presented, certificate)
    work = _ffi.gc(_lib.X509_STORE_CTX_new(), _lib.X509_STORE_CTX_free)
    demand(_lib.X509_STORE_CTX_init(work, store, certificates[0], presented))
    if _lib.X509_verify_cert(work) != 1:
        verdict = _lib.X509_STORE_CTX_get_error(work)
        _lib.ERR_clear_error()
        raise verification_error(
            verdict, text(_lib.X509_verify_cert_error_string(verdict)) or "", server_name
        )
    used, where = _lib.X509_STORE_CTX_get1_chain(work), _ffi.new("char **")
    try:
        ours = [_ffi.gc(_lib.sk_X509_value(used, n), _lib.X509_free) for n in range(_lib.sk_X509_num(used))]
        return tuple(der(certificate, where) for certificate in ours)
    finally:
        _lib.sk_X509_free(used)


@lru_cache(maxsize=512)
def _parsed(der: bytes) -> Any:
    bio = _lib.BIO_new(_lib.BIO_s_mem())
    try:
        _lib.BIO_write(bio, _ffi.from_buffer(der), len(der))
        certificate = _lib.d2i_X509_bio(bio, _NULL)
    finally:
        _lib.BIO_free(bio)
    if certificate == _NULL:
        raise last_error()
    return _ffi.gc(certificate, _lib.X509_free)


# --- of the bindings, for sessions too ---------------------------------------------------------------


def expect(wanted: Any, host: bytes, address: bytes) -> None:
    """What is demanded of a chain, and of whose name: the host's or the address's, if either is given."""
    demand(_lib.X509_VERIFY_PARAM_set_flags(wanted, _lib.X509_V_FLAG_PARTIAL_CHAIN))
    # The subject's common name alone is no name (RFC 9525 section 2).
    flags = _lib.X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | _lib.X509_CHECK_FLAG_NEVER_CHECK_SUBJECT
    _lib.X509_VERIFY_PARAM_set_hostflags(wanted, flags)
    if host:
        demand(_lib.X509_VERIFY_PARAM_set1_host(wanted, host, len(host)))
    elif address:
        demand(_lib.X509_VERIFY_PARAM_set1_ip(wanted, address, len(address)))


@lru_cache(maxsize=256)
def _decoded(words: bytes) -> str:
    return words.decode()


def text(words: Any) -> str | None:
    return None if words == _NULL else _decoded(_ffi.string(words))


def der(certificate: Any, where: Any) -> bytes:
    bio = _lib.BIO_new(_lib.BIO_s_mem())
    try:
        demand(_lib.i2d_X509_bio(bio, certificate))
        count = _lib.BIO_get_mem_data(bio, where)
        return bytes(_ffi.buffer(where[0], count))
    finally:
        _lib.BIO_free(bio)


def load(done: int) -> None:
    if not done:
        raise last_error()


def demand(done: int) -> None:
    """Raises RuntimeError: a setting of ours was refused, which is no fault of a server, so it is no ssl.SSLError."""
    if not done:
        raise RuntimeError(f"OpenSSL refused what we set: {last_error()}")


def last_error() -> ssl.SSLError:
    """The last error of OpenSSL's queue, unless it says only that the record layer failed. Empties the queue."""
    last = 0
    while code := _lib.ERR_get_error():
        if not last or _lib.ERR_GET_REASON(code) != _RECORD_LAYER_FAILURE:
            last = code
    library = (
        "SSL" if last >> 23 & 0xFF == _ERR_LIB_SSL else text(_lib.ERR_lib_error_string(last)) or "OpenSSL"
    )
    return ssl_error(library, text(_lib.ERR_reason_error_string(last)) or f"error {last:X}")
