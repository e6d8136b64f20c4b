"""Rule: a code that says that the server did nothing with the request is told from one that ended a reply.

RFC 9113 section 7, as failures: of a stream that was reset, and of a connection that ends with GOAWAY below it.
"""

from __future__ import annotations

from h2.errors import ErrorCodes

from probe.core.http.tolerance import HeadError
from probe.core.records.failure import FailureType


def code_name(code: int) -> str:
    """An error code as RFC 9113 section 7 names it."""
    return next((each.name for each in ErrorCodes if each == code), f"code {code}")


def reset_error(code: int, body_bytes: int) -> HeadError:
    """RST_STREAM of our stream, after so many bytes of the body."""
    if code == ErrorCodes.REFUSED_STREAM:
        detail = "RST_STREAM (REFUSED_STREAM): the request was not processed"
        return HeadError(FailureType.HTTP_STREAM_REFUSED, detail)
    detail = f"RST_STREAM ({code_name(code)}) after {body_bytes} bytes of the body"
    required = code == ErrorCodes.HTTP_1_1_REQUIRED
    return HeadError(FailureType.HTTP_1_1_REQUIRED if required else FailureType.HTTP_STREAM_RESET, detail)


def goaway_error(code: int) -> HeadError:
    """GOAWAY for all streams, ours too."""
    detail = f"GOAWAY ({code_name(code)}) for all streams: the request was not processed"
    required = code == ErrorCodes.HTTP_1_1_REQUIRED
    return HeadError(FailureType.HTTP_1_1_REQUIRED if required else FailureType.HTTP_STREAM_REFUSED, detail)
