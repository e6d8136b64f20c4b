"""Rule: what is sent is what the task says; our own fields stand back where it names the same."""

from __future__ import annotations

from probe import __version__
from probe.core.records.failure import Failure, FailureType, Phase
from probe.core.records.observation import Observation
from probe.core.text.redaction import without_secret_query
from probe.fetch.target import FetchTarget
from probe.settings.redactor import Redactor

USER_AGENT = f"cdn-probe/{__version__}"


def request_fields(target: FetchTarget, own: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The request's fields in the order sent; `own`: the task's, with secrets revealed."""
    request = target.request
    name = f"[{request.host}]" if ":" in request.host else request.host
    default = {"http": 80, "https": 443}.get(request.scheme)
    ours = [
        ("Host", name if request.port == default else f"{name}:{request.port}"),
        ("User-Agent", USER_AGENT),
        ("Accept", "*/*"),
        ("Accept-Encoding", request.accept_encoding),
        ("Connection", "close"),
    ]
    theirs = {name.lower() for name, _ in own}
    fields = [field for field in ours if field[0].lower() not in theirs] + own + list(target.validators)
    if "host" not in theirs:
        return fields
    named = [field for field in fields if field[0].lower() == "host"]
    return named[-1:] + [
        field for field in fields if field not in named
    ]  # first, and once (RFC 9110 section 7.2)


def check_path(path: str) -> None:
    """Raises ValueError for what would break the request line."""
    if not path.startswith("/") or any(char <= " " or char in "\x7f#" for char in path):
        raise ValueError("a path must begin with / and have neither spaces, control characters nor #")


def tcp_url(target: FetchTarget) -> str:
    """How a target is written of which nothing but the connection is asked."""
    host = target.request.host
    return f"tcp://{f'[{host}]' if ':' in host else host}:{target.request.port}"


def blocked(reason: str, target: FetchTarget) -> Failure:
    """The failure of an address that our own policy refuses."""
    return Failure(
        phase=Phase.TCP,
        type=FailureType.TCP_ADDRESS_BLOCKED,
        operation="connect",
        detail=f"{target.address} is refused as {reason}; allow_addresses in agent.yaml can allow it",
    )


def unsent(target: FetchTarget, failure: Failure, redact: Redactor) -> Observation:
    """The observation that ended before its connection: nothing was sent."""
    return Observation(
        role=target.role,
        address=target.address,
        port=target.request.port,
        url=redact(without_secret_query(target.request.url)),
        method=target.request.method,
        failure=failure,
        of=target.of,
    )
