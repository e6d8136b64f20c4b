"""Rule: what is unpacked is bounded, whatever it says of itself.

Evidence bundles as they are stored: their text (`core.results.bundle`), compressed with Zstandard.
"""

from __future__ import annotations

import zstandard

from probe.core.results.bundle import (
    BUNDLE_MOST_BYTES,
    Bundle,
    BundleError,
    bundle_digest,
    bundle_text,
    read_bundle,
)
from probe.store.base.schema import StoreError


def pack(bundle: Bundle) -> bytes:
    """As it is stored."""
    return packed(bundle)[0]


def packed(bundle: Bundle) -> tuple[bytes, str]:
    """As it is stored, and the digest that its row is to name."""
    text = bundle_text(bundle)
    return zstandard.compress(text), bundle_digest(text)


def unpack(body: bytes) -> Bundle:
    """What `pack` was given. Raises StoreError."""
    try:
        return read_bundle(unpack_text(body))
    except BundleError as error:
        raise StoreError(str(error)) from error


def unpack_text(body: bytes) -> bytes:
    """The text of a bundle; never more than BUNDLE_MOST_BYTES of memory. Raises StoreError."""
    try:
        size = zstandard.frame_content_size(body)
        if size > BUNDLE_MOST_BYTES:
            raise StoreError(f"an evidence bundle cannot be read: it says that it is {size} bytes long")
        return zstandard.decompress(body, max_output_size=BUNDLE_MOST_BYTES)
    except zstandard.ZstdError as error:
        raise StoreError(f"an evidence bundle cannot be read: {error}") from error
