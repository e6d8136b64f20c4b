"""Rule: what agent.yaml says of incidents: when trouble is one, and who is called."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from probe.core.calls.target import Target, Via
from probe.core.config import types as t
from probe.core.incidents.rules import Rules
from probe.core.model.task import SecretRef
from probe.core.model.units import DurationUs
from probe.core.records.verdict import Outcome
from probe.core.syntax.values import is_loopback_url, parse_call_url, parse_field_value

DAY_US = 86_400_000_000
CallUrl = Annotated[str, StringConstraints(max_length=2000), AfterValidator(parse_call_url)]
Span = Annotated[DurationUs, Field(ge=1_000_000, le=30 * DAY_US)]


class IncidentsConfig(t.Strict):
    """When trouble is an incident, and when it is over."""

    vantage_points: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1,
        description="So many vantage points must see it at a time; where fewer look, all of these, in two rows each",
    )
    calm: Span = Field(
        default=Rules().calm_us,
        description="It is over when all who saw it saw it well for so long, at least twice",
    )
    outcomes: Annotated[tuple[Literal["failed", "stale", "slow"], ...], Field(min_length=1)] = Field(
        default=("failed", "stale", "slow"), description="What is trouble"
    )
    forget: Span = Field(
        default=Rules().forget_us,
        description="Who has seen nothing for so long is waited for no longer: it ends as unknown",
    )

    def rules(self, *, several: bool = False) -> Rules:
        """As incidents are found by. `several`: in rows of several agents."""
        return Rules(
            vantage_points=self.vantage_points,
            calm_us=self.calm,
            outcomes=tuple(map(Outcome, self.outcomes)),
            forget_us=self.forget,
            several=several,
        )


class CallConfig(t.Strict):
    """One who is called when an incident opens, changes and closes: an Alertmanager or a webhook."""

    name: t.OwnName = Field(description="What events and log call it")
    alertmanager: CallUrl | None = Field(
        default=None,
        description="Address of a Prometheus Alertmanager, without /api/v2",
        examples=["http://127.0.0.1:9093"],
    )
    webhook: CallUrl | None = Field(
        default=None, description="Address that is sent JSON", examples=["https://desk.example.net/cdn-probe"]
    )
    customers: Annotated[tuple[t.OwnName | Literal["*"], ...], Field(min_length=1)] = Field(
        default=("*",), description='Customers of whose incidents it is told; ["*"]: all'
    )
    exclusions: Literal["mark", "silence"] = Field(
        default="mark",
        description="What begins in a declared exclusion: told with its reason, or only if it outlasts it",
    )
    repeat: Annotated[DurationUs, Field(ge=10_000_000, le=3_600_000_000)] = Field(
        default=60_000_000, description="How often an Alertmanager is told of what is open"
    )
    secret: t.Password | None = Field(
        default=None, description="Reference to the secret that a webhook's messages are signed with"
    )
    bearer: t.Password | None = Field(default=None, description="Reference to a bearer token to send")
    user: t.OneLine | None = Field(default=None, description="User name to send (RFC 7617)")
    password: t.Password | None = Field(default=None, description="Reference to its password")
    ca: t.CaFile | None = Field(
        default=None, description="PEM file of trusted authorities; none: those of the system"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> CallConfig:
        if (self.alertmanager is None) == (self.webhook is None):
            raise ValueError("a call is either to an alertmanager or to a webhook: give one of them")
        if self.webhook is None and self.secret is not None:
            raise ValueError("an alertmanager reads no signature: secret is for a webhook")
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together: give both or neither")
        if self.user is not None and ":" in self.user:
            raise ValueError("a user name holds no colon (RFC 7617)")
        if self.bearer is not None and self.user is not None:
            raise ValueError("give bearer, or user and password, not both")
        shown = self.bearer is not None or self.password is not None
        if shown and not self.url.startswith("https://") and not is_loopback_url(self.url):
            raise ValueError("bearer and password would go over the network in the open: use https://")
        return self

    @property
    def url(self) -> str:
        """Whichever it is."""
        return self.alertmanager or self.webhook or ""

    def target(self) -> Target:
        """As calls are made to it."""
        return Target(
            name=self.name,
            via=Via.WEBHOOK if self.alertmanager is None else Via.ALERTMANAGER,
            url=self.url,
            customers=self.customers,
            repeat_us=self.repeat,
            silent_in_exclusions=self.exclusions == "silence",
            ca=self.ca,
            secret=_ref(self.secret),
            bearer=_ref(self.bearer),
            user=self.user,
            password=_ref(self.password),
        )


class OverCopiesConfig(t.Strict):
    """The file of `cdn-probe incidents COPY... --calls FILE`: one caller for the rows of many agents."""

    name: t.OwnName = Field(description="Who calls, as alerts and messages name it in place of an agent")
    incidents: IncidentsConfig = Field(
        default=IncidentsConfig(), description="When trouble is an incident, over all agents"
    )
    calls: Annotated[tuple[CallConfig, ...], Field(min_length=1)] = Field(description="Who is called")

    @model_validator(mode="after")
    def _each_once(self) -> OverCopiesConfig:
        if len({call.name for call in self.calls}) < len(self.calls):
            raise ValueError("two calls have one name")
        return self


class MetricsConfig(t.Strict):
    """How much of the results is shown as metrics."""

    domains: Annotated[int, Field(ge=0, le=2000)] = Field(
        default=200,
        description="So many domains have series of their own; the others share `other`; 0: none. By a restart",
    )


def _ref(text: str | None) -> SecretRef | None:
    if text is None:
        return None
    found = parse_field_value(text)
    assert not isinstance(found, str), "validated as a reference"
    return found
