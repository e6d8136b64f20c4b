"""alias: the chain passes a name of the CDN."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from probe.checks.alias import KIND, Alias
from probe.core.content.check_kind import Symptom, SymptomKind
from probe.core.model.task import Task
from probe.core.model.value import replace
from probe.core.records.dns import CnameLink, Resolution
from probe.core.records.failure import FailureType
from tests.support.build import evidence, resolution, seen, task, unresolved


def symptoms(of: Resolution | None, made_for: Task | None = None, **params: object) -> list[Symptom]:
    found = evidence(seen(), resolution=of)
    return list(KIND.examine(Alias.model_validate(params), made_for or task(), found))


def off(detail: str) -> Symptom:
    return Symptom(check="alias", kind=SymptomKind.ALIAS, reason="dns.alias_changed", detail=detail)


def chain(*names: str, doubled: bool = False) -> Resolution:
    owners = ("www.acme.example", *names)
    links = tuple(
        CnameLink(owner=owner, target=target, ttl_s=60, resolver="udp://192.0.2.53:53", doubled=doubled)
        for owner, target in zip(owners, names, strict=False)
    )
    return resolution(cname_chain=links, canonical_name=owners[-1])


def test_chain_through_the_cdn_is_no_symptom() -> None:
    assert symptoms(resolution()) == []


def test_the_suffix_may_be_passed_in_the_middle_of_the_chain() -> None:
    assert symptoms(chain("acme.cdn.example.net", "node.other.example")) == []


def test_chain_elsewhere_is_told_name_by_name() -> None:
    assert symptoms(chain("a.other.example", "b.other.example")) == [
        off(
            "www.acme.example -> a.other.example -> b.other.example; expected a name under cdn.example.net",
        )
    ]


def test_no_alias_at_all_is_a_changed_alias() -> None:
    assert symptoms(chain()) == [off("www.acme.example; expected a name under cdn.example.net")]


def test_a_name_that_merely_ends_alike_is_not_under_the_suffix() -> None:
    assert symptoms(chain("evilcdn.example.net")) == [
        off("www.acme.example -> evilcdn.example.net; expected a name under cdn.example.net")
    ]


def test_second_cname_at_one_owner_does_not_count() -> None:
    doubled = chain("acme.cdn.example.net", doubled=True)
    assert len(symptoms(replace(doubled, canonical_name="www.acme.example"))) == 1


def test_further_suffixes_count_beside_the_domains_own() -> None:
    elsewhere = chain("acme.second.example")
    assert symptoms(elsewhere, suffixes=["second.example"]) == []
    assert symptoms(resolution(), suffixes=["second.example"]) == []
    assert symptoms(elsewhere, suffixes=["third.example"]) == [
        off("www.acme.example -> acme.second.example; expected a name under cdn.example.net, third.example")
    ]


def test_nothing_expected_or_nothing_resolved_is_no_symptom() -> None:
    assert symptoms(chain(), task(cdn_suffixes=())) == []
    assert symptoms(None) == []
    assert symptoms(unresolved(FailureType.DNS_NAME_NOT_RESOLVED, "www.acme.example")) == []


def test_unknown_parameter_is_an_error() -> None:
    with pytest.raises(ValidationError) as error:
        Alias.model_validate({"suffix": "cdn.example.net"})
    assert [problem["loc"] for problem in error.value.errors()] == [("suffix",)]
