"""Rule: TLS by the OpenSSL that `cryptography` brings, through the bindings that it keeps for pyOpenSSL.

It takes a fifth less of a whole slot over HTTPS than the one that most Pythons are built with (docs/performance.md),
and offers the server the same. `BundledClient` takes trust and policy and gives a `BundledSession` for each
connection, behind the interface of `probe.tls.session`. It takes OpenSSL's names from `probe.tls.openssl_bindings`.
One thread at a time may use a session.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from probe.core.model.protocols import HTTP_1_1
from probe.tls.chain_store import ChainStores, demand, der, expect, last_error, load, text
from probe.tls.errors import verification_error
from probe.tls.offer import OLD_VERSIONS
from probe.tls.openssl_bindings import ffi as _ffi
from probe.tls.openssl_bindings import lib as _lib
from probe.tls.session import OVER
from probe.tls.stapling import staple_of
from probe.tls.verified import NOT_VERIFIED, Verified, refuse, verified_by

_NULL = _ffi.NULL

_new, _free, _set_bio, _set_connect_state = (
    _lib.SSL_new,
    _lib.SSL_free,
    _lib.SSL_set_bio,
    _lib.SSL_set_connect_state,
)
_do_handshake, _read, _write, _shutdown = (
    _lib.SSL_do_handshake,
    _lib.SSL_read,
    _lib.SSL_write,
    _lib.SSL_shutdown,
)
_pending, _get_error, _get_shutdown = _lib.SSL_pending, _lib.SSL_get_error, _lib.SSL_get_shutdown
_bio_read, _bio_write, _bio_data = _lib.BIO_read, _lib.BIO_write, _lib.BIO_get_mem_data
_new_bio, _memory = _lib.BIO_new, _lib.BIO_s_mem
_forget_errors = _lib.ERR_clear_error
_RECEIVED_SHUTDOWN = _lib.SSL_RECEIVED_SHUTDOWN
_WANTS_MORE = frozenset({_lib.SSL_ERROR_WANT_READ, _lib.SSL_ERROR_WANT_WRITE})
_ZERO_RETURN = _lib.SSL_ERROR_ZERO_RETURN

_VERSIONS = {"TLSv1": 0x301, "TLSv1.1": 0x302, "TLSv1.2": 0x303, "TLSv1.3": 0x304}
# The groups of OpenSSL 3.0; newer releases add a second, larger key share that most servers ignore.
_GROUPS = b"X25519:P-256:X448:P-521:P-384:ffdhe2048:ffdhe3072:ffdhe4096:ffdhe6144:ffdhe8192"
# In the order in which browsers ask: the first is the cheapest for both ends where processors know AES and SHA-256.
_SUITES_OF_TLS_1_3 = b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

OPENSSL_VERSION: str = _ffi.string(_lib.OpenSSL_version(_lib.OPENSSL_VERSION)).decode()


class BundledClient:
    """A `TlsClient` that trusts, verifies and offers as `probe.tls.system` does, and reads what is stapled.

    `ca_file` and `ca_directory`: PEM, either may be None. `minimum`: such as TLSv1.2. `ciphers`: OpenSSL's list,
    with its security level; of the suites of TLS 1.3 all are offered. `alpn`: protocols, the preferred one first.
    Raises ssl.SSLError for a CA file that cannot be used.
    """

    def __init__(
        self,
        *,
        ca_file: str | None,
        ca_directory: str | None,
        verify: bool,
        minimum: str,
        ciphers: str,
        alpn: tuple[str, ...] = (HTTP_1_1,),
    ) -> None:
        self._verify = verify
        self._any_strength = minimum in OLD_VERSIONS
        self._chains = ChainStores(ca_file, ca_directory)
        self._context = context = _ffi.gc(_lib.SSL_CTX_new(_lib.TLS_client_method()), _lib.SSL_CTX_free)
        if ca_file is not None:
            load(_lib.SSL_CTX_load_verify_locations(context, os.fsencode(ca_file), _NULL))
        if ca_directory is not None:
            load(_lib.SSL_CTX_load_verify_locations(context, _NULL, os.fsencode(ca_directory)))
        _lib.SSL_CTX_set_options(context, _lib.SSL_OP_ALL | _lib.SSL_OP_NO_COMPRESSION)
        demand(_lib.SSL_CTX_set_cipher_list(context, ciphers.encode()))
        demand(_lib.SSL_CTX_set_ciphersuites(context, _SUITES_OF_TLS_1_3))
        demand(_lib.SSL_CTX_set_min_proto_version(context, _VERSIONS[minimum]))
        demand(_lib.SSL_CTX_set1_curves_list(context, _GROUPS))
        offered = b"".join(bytes((len(name),)) + name.encode() for name in alpn)
        demand(_lib.SSL_CTX_set_alpn_protos(context, offered, len(offered)) == 0)
        _lib.SSL_CTX_set_verify(context, _lib.SSL_VERIFY_PEER if verify else _lib.SSL_VERIFY_NONE, _NULL)
        expect(_lib.SSL_CTX_get0_param(context), b"", b"")

    def session(self, server_name: str, room: memoryview) -> BundledSession:
        """As the protocol says."""
        host, address = _identity(server_name)
        session = _new(self._context)
        if session == _NULL:
            raise MemoryError
        made = BundledSession(
            session, server_name, room, verify=self._verify, any_strength=self._any_strength
        )
        demand(_lib.SSL_set_tlsext_status_type(session, _lib.TLSEXT_STATUSTYPE_ocsp))
        if host:
            _lib.SSL_set_tlsext_host_name(session, host)
        if self._verify:
            expect(_lib.SSL_get0_param(session), host, address)
        return made

    def verified(self, chain: Sequence[bytes], staple: bytes, server_name: str) -> Verified:
        """As the protocol says: by the same store, names, purpose and strength as a session."""
        if not self._verify:
            return NOT_VERIFIED
        used = self._chains.verified(chain, _identity(server_name), server_name)
        verified = Verified(used, staple_of(staple, used, datetime.now(UTC)))
        refuse(verified, server_name, any_strength=True)
        return verified


class BundledSession:
    """A `TlsSession` of the library's SSL, which it owns."""

    def __init__(
        self, session: Any, server_name: str, room: memoryview, *, verify: bool, any_strength: bool
    ) -> None:
        self._session = _ffi.gc(session, _free)
        self._verify, self._any_strength = verify, any_strength
        self._name = server_name
        self._verified = NOT_VERIFIED
        # Of what is beneath the view: before Python 3.13 the collector crashes on a view of a view in a cycle.
        self._room = _ffi.from_buffer("char[]", room.obj)
        self._incoming, self._outgoing = _new_bio(_memory()), _new_bio(_memory())
        _set_bio(session, self._incoming, self._outgoing)  # they are freed with it
        _set_connect_state(session)
        self._where = _ffi.new("char **")
        self._at = _ffi.new("const unsigned char **")

    def feed(self, count: int) -> None:
        """As the protocol says, like all the others."""
        _bio_write(self._incoming, self._room, count)

    def drain(self) -> bytes | bytearray:
        return _drained(self._outgoing, self._where)

    def unread_bytes(self) -> int:
        return int(_bio_data(self._incoming, self._where))

    def decrypted_bytes(self) -> int:
        return int(_pending(self._session))

    def handshake(self) -> bool:
        _forget_errors()
        said = _do_handshake(self._session)
        if said != 1:
            return self._wants_more(said)
        if self._verify:
            self._verified = verified_by(self)
            refuse(self._verified, self._name, any_strength=self._any_strength)
        return True

    def read(self, at: int, count: int) -> int:
        _forget_errors()
        said: int = _read(self._session, self._room + at, count)
        if said > 0:
            return said
        code = _get_error(self._session, said)
        if code in _WANTS_MORE:
            return 0
        if code == _ZERO_RETURN:
            return OVER
        raise self._error(code)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        _forget_errors()
        said = _write(self._session, _ffi.from_buffer(data), len(data))
        if said <= 0:
            raise self._error(_get_error(self._session, said))

    def say_end(self) -> None:
        _forget_errors()
        _shutdown(self._session)

    def announced_end(self) -> bool:
        """Asks the session's state: a read could take data away."""
        return bool(_get_shutdown(self._session) & _RECEIVED_SHUTDOWN)

    def version(self) -> str | None:
        return text(_lib.SSL_get_version(self._session))

    def alpn(self) -> str | None:
        count = _ffi.new("unsigned int *")
        _lib.SSL_get0_alpn_selected(self._session, self._at, count)
        return bytes(_ffi.buffer(self._at[0], count[0])).decode("ascii", "replace") if count[0] else None

    def cipher(self) -> str | None:
        cipher = _lib.SSL_get_current_cipher(self._session)
        return None if cipher == _NULL else text(_lib.SSL_CIPHER_get_name(cipher))

    def chain(self) -> tuple[bytes, ...]:
        sent = _lib.SSL_get_peer_cert_chain(self._session)
        if sent == _NULL:
            return ()
        return self._certificates(sent)

    def verified(self) -> Verified:
        return self._verified

    def verified_chain(self) -> tuple[bytes, ...]:
        used = _lib.SSL_get0_verified_chain(self._session)
        return () if used == _NULL else self._certificates(used)

    def staple(self) -> bytes:
        count = _lib.SSL_get_tlsext_status_ocsp_resp(self._session, self._at)
        return bytes(_ffi.buffer(self._at[0], count)) if count > 0 else b""

    def _certificates(self, stack: Any) -> tuple[bytes, ...]:
        return tuple(der(_lib.sk_X509_value(stack, n), self._where) for n in range(_lib.sk_X509_num(stack)))

    def _wants_more(self, said: int) -> bool:
        """False where the handshake needs more bytes; raises OpenSSL's error otherwise."""
        code = _get_error(self._session, said)
        if code not in _WANTS_MORE:
            raise self._error(code)
        return False

    def _error(self, code: int) -> ssl.SSLError:
        if code == _ZERO_RETURN:
            return ssl.SSLZeroReturnError(code, "TLS/SSL connection has been closed (EOF)")
        exc = last_error()
        if exc.reason != "CERTIFICATE_VERIFY_FAILED":
            return exc
        verdict = _lib.SSL_get_verify_result(self._session)
        words = text(_lib.X509_verify_cert_error_string(verdict)) or ""
        return verification_error(verdict, words, self._name)


@lru_cache(maxsize=4096)
def _identity(server_name: str) -> tuple[bytes, bytes]:
    """The host name or the address, packed; the other is empty. Raises ValueError for neither."""
    try:
        return b"", ip_address(server_name).packed
    except ValueError:
        if not server_name or server_name.startswith("."):
            raise ValueError(
                "server_hostname cannot be an empty string or start with a leading dot."
            ) from None
        return server_name.encode("idna"), b""


def _drained(bio: Any, where: Any) -> bytes | bytearray:
    count = _bio_data(bio, where)
    if not count:
        return b""
    data = bytearray(count)
    _bio_read(bio, _ffi.from_buffer(data), count)
    return data
