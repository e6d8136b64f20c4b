"""What a schema cannot say of an agreement: its declarations fit the contract and its own domains."""

from __future__ import annotations

from collections.abc import Iterator

from probe.core.sla.contract.agreement import Agreement
from probe.core.sla.contract.computed import not_computed_of
from probe.core.sla.contract.load import Agreed, problem_at
from probe.core.sla.contract.profile import Credit
from probe.core.sla.periods import instant_us
from probe.core.syntax.problem import Problem
from probe.core.syntax.yaml import Document, Loc

_WAYS = {"grain": "by grains", "incidents": "by incidents", "down": "by time down", "criteria": "by criteria"}


def inconsistencies(agreed: Agreed, file: str, document: Document | None = None) -> list[Problem]:
    """Everything in an agreement that contradicts its contract or itself, with its place."""
    return [problem_at(loc, words, file, document) for loc, words in _found(agreed)]


def ways(agreed: Agreed) -> tuple[str, ...]:
    """How the contract is computed: by grains, incidents, time down, criteria; none: nothing can be."""
    return tuple(words for name, words in _WAYS.items() if getattr(agreed.profile, name))


def _found(agreed: Agreed) -> Iterator[tuple[Loc, str]]:
    agreement, profile = agreed.agreement, agreed.profile
    reasons = [one.reason for one in profile.exclusions.by_declaration]
    known = set(agreement.domains)
    for number, domain in enumerate(agreement.domains):
        if domain in agreement.domains[:number]:
            words = f"{domain} is named twice: it would be reported on, and owed for, twice"
            yield ("domains", number), words
    for number, one in enumerate(agreement.exclusions):
        if one.reason not in reasons:
            words = f"the contract names no reason {one.reason}. It names: {', '.join(reasons) or 'none'}"
            yield ("exclusions", number, "reason"), words
        if strangers := sorted(set(one.scope.domains) - known):
            yield ("exclusions", number, "scope", "domains"), _stranger(strangers)
    yield from _against_time(agreement)
    for number, purge in enumerate(agreement.purges):
        if purge.domain not in known:
            yield ("purges", number, "domain"), _stranger([purge.domain])
    if isinstance(profile.credit, Credit) and agreement.fee is None:
        yield ("agreement",), "the contract owes a share of the fee, and the agreement names no fee"
    for key, words in not_computed_of(profile):
        yield ("overrides", *key.split(".")), f"{key} is not computed by this version: {words}"
    if not ways(agreed):
        yield ("profile",), f"{profile.profile} has nothing by which it could be computed"


def _against_time(agreement: Agreement) -> Iterator[tuple[Loc, str]]:
    """What was answered or reported before there was anything: a day or a month that was mistyped."""
    for number, one in enumerate(agreement.incidents):
        for key, told in (("reported_at", one.reported_at), ("responded_at", one.responded_at)):
            if told is not None and instant_us(told) < instant_us(one.from_):
                yield ("incidents", number, key), f"{told} is before the incident began, {one.from_}"
    for number, of in enumerate(agreement.complaints):
        if of.reported_at is not None and instant_us(of.reported_at) < instant_us(of.complaint_at):
            yield ("complaints", number, "reported_at"), f"{of.reported_at} is before the complaint"


def _stranger(names: list[str]) -> str:
    return f"not a domain of this agreement: {', '.join(names)}"
