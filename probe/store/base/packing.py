"""Rule: what is unpacked is bounded, whatever it says of itself.

Evidence bundles as they are stored: their text (`core.results.bundle`), packed by `probe.evidence.packed`.
"""

from __future__ import annotations

from probe.core.results.bundle import Bundle, BundleError, bundle_digest, bundle_text, read_bundle
from probe.evidence import packed as evidence_packed
from probe.store.base.schema import StoreError


def pack(bundle: Bundle) -> bytes:
    """As it is stored."""
    return packed(bundle)[0]


def packed(bundle: Bundle) -> tuple[bytes, str]:
    """As it is stored, and the digest that its row is to name."""
    text = bundle_text(bundle)
    return evidence_packed.pack_text(text), bundle_digest(text)


def unpack(body: bytes) -> Bundle:
    """What `pack` was given. Raises StoreError."""
    try:
        return read_bundle(unpack_text(body))
    except BundleError as error:
        raise StoreError(str(error)) from error


def unpack_text(body: bytes) -> bytes:
    """The text of a bundle. Raises StoreError."""
    try:
        return evidence_packed.unpack_text(body)
    except BundleError as error:
        raise StoreError(str(error)) from error
