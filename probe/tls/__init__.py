"""TLS client sessions over bytes, by one of two implementations, and the description of certificates.

In: bytes received, a `core.model.task.TlsPolicy`, a server name. Out: bytes to send and decrypted data
(`session.TlsSession`, the interface of `bundled` and `system`), and `core.records.transport.Tls` (`client.describe`).
Failures are raised as Python's `ssl` raises them, whichever OpenSSL met them (`errors`).
"""
