"""The interfaces through which the server uses the running agent and its key; `api.server` wires them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from probe.core.config.load import Config
from probe.core.proof.chain import Head
from probe.core.results.concerns import Concern


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """What only the running agent knows.

    `complete_up_to`: customer -> time (RFC 3339) before which every slot due is stored. `trouble`: why the store
    cannot be written to at this moment, in words; None: it can. `concerns`: all that its operator is to act on.
    """

    complete_up_to: Mapping[str, str] = field(default_factory=dict)
    trouble: str | None = None
    concerns: tuple[Concern, ...] = ()


class AgentLink(Protocol):
    """Queries the agent. None where it does not answer."""

    async def view(self) -> AgentView | None:
        """What it knows now: nothing of it is older than the call."""
        ...

    async def metrics(self) -> str | None:
        """Its metrics, in Prometheus' text format."""
        ...


class HeadSigner(Protocol):
    """Signs what is given away."""

    def sign(self, head: Head) -> dict[str, Any]:
        """The signed head as it is handed out."""
        ...


class Whole(Protocol):
    """The whole configuration, where it can be read; may wait for the disk."""

    def __call__(self) -> Config | None:
        """None where it cannot be used at this moment."""
        ...


class NoAgent:
    """Where no agent runs beside the server."""

    async def view(self) -> AgentView | None:
        """Nobody knows."""
        return None

    async def metrics(self) -> str | None:
        """There are none."""
        return None


class Unsigned:
    """Where there is no key: the head as it is, and no signature, so that nobody takes it for one."""

    def sign(self, head: Head) -> dict[str, Any]:
        """The head with `signature` null."""
        return {
            "agent": head.agent,
            "customer": head.customer,
            "seq": head.seq,
            "digest": head.digest,
            "complete_up_to": head.complete_up_to,
            "signature": None,
        }
