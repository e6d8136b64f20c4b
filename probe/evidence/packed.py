"""Rule: what is unpacked is bounded, whatever it says of itself.

The text of a bundle (`core.results.bundle`) compressed with Zstandard, as stores and copies keep it.
"""

from __future__ import annotations

import zstandard

from probe.core.results.bundle import BUNDLE_MOST_BYTES, BundleError


def pack_text(text: bytes) -> bytes:
    """As it is kept."""
    return zstandard.compress(text)


def unpack_text(body: bytes) -> bytes:
    """The text; never more than BUNDLE_MOST_BYTES of memory. Raises BundleError."""
    try:
        size = zstandard.frame_content_size(body)
        if size > BUNDLE_MOST_BYTES:
            raise BundleError(f"an evidence bundle cannot be read: it says that it is {size} bytes long")
        return zstandard.decompress(body, max_output_size=BUNDLE_MOST_BYTES)
    except zstandard.ZstdError as error:
        raise BundleError(f"an evidence bundle cannot be read: {error}") from error
