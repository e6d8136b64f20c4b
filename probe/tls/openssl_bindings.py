"""Rule: what is used of the private bindings of `cryptography` is named here, and is there or nothing of it is used.

`lib` has OpenSSL's functions and constants, `ffi` is cffi's door to their memory; `cryptography` keeps both for
pyOpenSSL and promises nothing to others. Nothing else in the project imports them. Importing this module raises
ImportError with the missing names where a release lacks one of NAMES: `probe.tls.client` then takes Python's own
`ssl`, and no connection fails half-way. Why: docs/decisions/0019. Held by tests/libraries/test_private_parts.py.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.bindings.openssl.binding import Binding

lib: Any = Binding.lib
ffi: Any = Binding.ffi

NAMES = frozenset(
    {
        "BIO_free",
        "BIO_get_mem_data",
        "BIO_new",
        "BIO_read",
        "BIO_s_mem",
        "BIO_write",
        "ERR_GET_REASON",
        "ERR_clear_error",
        "ERR_get_error",
        "ERR_lib_error_string",
        "ERR_reason_error_string",
        "OPENSSL_VERSION",
        "OpenSSL_version",
        "SSL_CIPHER_get_name",
        "SSL_CTX_free",
        "SSL_CTX_get0_param",
        "SSL_CTX_load_verify_locations",
        "SSL_CTX_new",
        "SSL_CTX_set1_curves_list",
        "SSL_CTX_set_alpn_protos",
        "SSL_CTX_set_cipher_list",
        "SSL_CTX_set_ciphersuites",
        "SSL_CTX_set_min_proto_version",
        "SSL_CTX_set_options",
        "SSL_CTX_set_verify",
        "SSL_ERROR_WANT_READ",
        "SSL_ERROR_WANT_WRITE",
        "SSL_ERROR_ZERO_RETURN",
        "SSL_OP_ALL",
        "SSL_OP_NO_COMPRESSION",
        "SSL_RECEIVED_SHUTDOWN",
        "SSL_VERIFY_NONE",
        "SSL_VERIFY_PEER",
        "SSL_do_handshake",
        "SSL_free",
        "SSL_get0_alpn_selected",
        "SSL_get0_param",
        "SSL_get0_verified_chain",
        "SSL_get_current_cipher",
        "SSL_get_error",
        "SSL_get_peer_cert_chain",
        "SSL_get_shutdown",
        "SSL_get_tlsext_status_ocsp_resp",
        "SSL_get_verify_result",
        "SSL_get_version",
        "SSL_new",
        "SSL_pending",
        "SSL_read",
        "SSL_set_bio",
        "SSL_set_connect_state",
        "SSL_set_tlsext_host_name",
        "SSL_set_tlsext_status_type",
        "SSL_shutdown",
        "SSL_write",
        "TLSEXT_STATUSTYPE_ocsp",
        "TLS_client_method",
        "X509_CHECK_FLAG_NEVER_CHECK_SUBJECT",
        "X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS",
        "X509_PURPOSE_SSL_SERVER",
        "X509_STORE_CTX_free",
        "X509_STORE_CTX_get1_chain",
        "X509_STORE_CTX_get_error",
        "X509_STORE_CTX_init",
        "X509_STORE_CTX_new",
        "X509_STORE_free",
        "X509_STORE_load_locations",
        "X509_STORE_new",
        "X509_STORE_set1_param",
        "X509_STORE_set_purpose",
        "X509_VERIFY_PARAM_free",
        "X509_VERIFY_PARAM_new",
        "X509_VERIFY_PARAM_set1_host",
        "X509_VERIFY_PARAM_set1_ip",
        "X509_VERIFY_PARAM_set_flags",
        "X509_VERIFY_PARAM_set_hostflags",
        "X509_V_FLAG_PARTIAL_CHAIN",
        "X509_free",
        "X509_verify_cert",
        "X509_verify_cert_error_string",
        "d2i_X509_bio",
        "i2d_X509_bio",
        "sk_X509_free",
        "sk_X509_new_null",
        "sk_X509_num",
        "sk_X509_push",
        "sk_X509_value",
    }
)
FFI_NAMES = frozenset({"NULL", "buffer", "from_buffer", "gc", "new", "string"})

if missing := [*(NAMES - set(dir(lib))), *(FFI_NAMES - set(dir(ffi)))]:
    raise ImportError(f"cryptography has no {', '.join(sorted(missing))} in its bindings of OpenSSL")
