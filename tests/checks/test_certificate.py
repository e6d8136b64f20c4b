"""certificate: names as RFC 9525 compares them, days left, protocol, cipher suite, issuer."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from probe.checks.certificate import KIND, Certificate
from probe.core.content.check_kind import Symptom
from probe.core.model.value import replace
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.transport import Tls
from probe.core.records.verdict import Evidence
from probe.core.text.certificate_names import FAMILIES, covered, is_cipher
from tests.support import build
from tests.support.build import broken, evidence, seen, task

TLS = Tls(
    version="TLSv1.3",
    cipher="TLS_AES_256_GCM_SHA384",
    names=("www.acme.example", "*.static.acme.example", "192.0.2.1"),
    issuer="CN=R11,O=Let's Encrypt,C=US",
    not_after="2027-02-01T00:00:00Z",  # 70.6 days after the slot
    chain_sha256=("0" * 64,),
)


def shown(**changes: object) -> Observation:
    return seen(tls=replace(TLS, **changes))


def symptoms(of: Evidence, **params: object) -> list[Symptom]:
    return list(KIND.examine(Certificate.model_validate(params), task(), of))


def told(observation: Observation, **params: object) -> list[tuple[str, str, str | None]]:
    return [(s.kind.value, s.reason, s.detail) for s in symptoms(evidence(observation), **params)]


def test_all_as_agreed_is_no_symptom() -> None:
    params = {
        "names": ["www.acme.example", "a.static.acme.example", "192.0.2.1"],
        "days_left": 70,
        "minimum_version": "TLSv1.3",
        "ciphers": {"forbid": ["RC4", "CBC", "RSA", "*-SHA"]},
        "issuers": ["Let's Encrypt"],
    }
    assert told(shown(), **params) == []


@pytest.mark.parametrize(
    ("name", "presented", "expected"),
    [
        ("a.example", ["a.example"], True),
        ("A.EXAMPLE", ["a.Example."], True),
        ("a.example", ["b.example", "a.example"], True),
        ("a.example", [], False),
        ("a.acme.example", ["*.acme.example"], True),
        ("acme.example", ["*.acme.example"], False),
        ("a.b.acme.example", ["*.acme.example"], False),
        ("a.acme.example", ["*.example"], False),
        ("acme.example", ["*.example"], False),
        ("aa.acme.example", ["a*.acme.example"], False),
        ("a.acme.example", ["a.*.example"], False),
        ("a.acme.example", ["*"], False),
        ("a.acme.example.evil.example", ["*.acme.example"], False),
        ("192.0.2.1", ["192.0.2.1"], True),
        ("192.0.2.1", ["*.0.2.1"], False),
        ("2001:db8::1", ["2001:0db8:0:0:0:0:0:1"], True),
        ("192.0.2.1", ["192.0.2.2", "a.example"], False),
        ("a.example", ["192.0.2.1"], False),
    ],
)
def test_names_are_covered_as_rfc_9525_says(name: str, presented: list[str], expected: bool) -> None:
    assert covered(name, presented) is expected


def test_a_name_that_is_not_covered() -> None:
    assert told(shown(names=("a.example",)), names=["a.example", "b.example", "c.example"]) == [
        ("policy", "certificate.name_missing", "b.example, c.example not among a.example")
    ]
    assert told(shown(names=()), names=["a.example"]) == [
        ("policy", "certificate.name_missing", "a.example not among no names")
    ]


@pytest.mark.parametrize(
    ("not_after", "days", "words"),
    [
        ("2026-12-06T10:00:00Z", 14, None),
        ("2026-12-06T09:59:59Z", 14, "valid until 2026-12-06T09:59:59Z, 14.0 days from now; limit 14 days"),
        ("2026-11-22T22:00:00Z", 1, "valid until 2026-11-22T22:00:00Z, 0.5 days from now; limit 1 days"),
        ("2026-11-21T10:00:00Z", 14, "valid until 2026-11-21T10:00:00Z, -1.0 days from now; limit 14 days"),
        (None, 14, None),
    ],
)
def test_days_left_are_a_note(not_after: str | None, days: int, words: str | None) -> None:
    expected = [] if words is None else [("note", "certificate.expires_soon", words)]
    assert told(shown(not_after=not_after), days_left=days) == expected


def test_a_certificate_that_still_holds_fails_nobody_but_warns() -> None:
    checked = build.task(checks=build.checks(certificate={}))
    verdict = build.verdict(evidence(shown(not_after="2026-11-23T00:00:00Z"), seen(Role.ORIGIN)), checked)
    assert (verdict.outcome, verdict.fault) == ("ok", None)
    assert [(f.reason, f.severity.value) for f in verdict.findings] == [
        ("certificate.expires_soon", "warning")
    ]


@pytest.mark.parametrize(
    ("version", "minimum", "off"),
    [
        ("TLSv1.2", "TLSv1.2", False),
        ("TLSv1.2", "TLSv1.3", True),
        ("TLSv1", "TLSv1.1", True),
        ("TLSv1.4", "TLSv1.3", False),
        (None, "TLSv1.3", False),
    ],
)
def test_the_protocol(version: str | None, minimum: str, off: bool) -> None:
    found = told(shown(version=version), minimum_version=minimum)
    words = f"{version}, agreed at least {minimum}"
    assert found == ([("policy", "certificate.protocol_below", words)] if off else [])


@pytest.mark.parametrize(
    ("cipher", "families"),
    [
        ("TLS_AES_128_GCM_SHA256", set()),
        ("TLS_CHACHA20_POLY1305_SHA256", set()),
        ("ECDHE-RSA-AES128-GCM-SHA256", set()),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", set()),
        ("DHE-RSA-AES256-CCM8", set()),
        ("ECDHE-RSA-AES128-SHA256", {"CBC"}),
        ("ECDHE-RSA-AES128-SHA", {"CBC", "SHA1"}),
        ("AES128-GCM-SHA256", {"RSA"}),
        ("AES256-SHA", {"CBC", "SHA1", "RSA"}),
        ("DES-CBC3-SHA", {"3DES", "DES", "CBC", "SHA1", "RSA"}),
        ("RC4-MD5", {"RC4", "MD5", "RSA"}),
        ("ADH-AES128-SHA", {"ANON", "CBC", "SHA1"}),
        ("NULL-SHA256", {"NULL", "RSA"}),
        ("EXP-RC4-MD5", {"EXPORT", "RC4", "MD5", "RSA"}),
    ],
)
def test_families_of_cipher_suites(cipher: str, families: set[str]) -> None:
    assert {name for name in FAMILIES if is_cipher(cipher, name)} == families


@pytest.mark.parametrize("forbidden", ["AES256-SHA", "aes256-sha", "*-SHA", "AES256*", "cbc"])
def test_a_forbidden_cipher_suite(forbidden: str) -> None:
    found = told(shown(cipher="AES256-SHA", version="TLSv1.2"), ciphers={"forbid": ["RC4", forbidden]})
    assert found == [("policy", "certificate.cipher_forbidden", "AES256-SHA with TLSv1.2")]
    assert told(shown(cipher="AES256-SHA384"), ciphers={"forbid": [forbidden]})[1:] == []


@pytest.mark.parametrize(
    ("issuers", "right"),
    [
        (["Let's Encrypt"], True),
        (["let's encrypt"], True),
        (["R11"], True),
        (["CN=R11,O=Let's Encrypt,C=US"], True),
        (["Other", "R11"], True),
        (["US"], False),
        (["Encrypt"], False),
        (["Other"], False),
    ],
)
def test_the_issuer(issuers: list[str], right: bool) -> None:
    found = told(shown(), issuers=issuers)
    words = f"CN=R11,O=Let's Encrypt,C=US; agreed: {', '.join(issuers)}"
    assert found == ([] if right else [("policy", "certificate.issuer_unexpected", words)])


def test_an_issuer_with_a_comma_in_its_name() -> None:
    assert told(shown(issuer=r"CN=Acme\, Inc. CA,O=Acme"), issuers=["Acme, Inc. CA"]) == []


@pytest.mark.parametrize(
    "observation",
    [seen(), broken(FailureType.TLS_CERT_DATE_INVALID, Phase.TLS, tls=TLS), seen(tls=Tls())],
    ids=["plain http", "failed handshake", "nothing shown"],
)
def test_what_was_not_shown_is_not_judged(observation: Observation) -> None:
    params = {"names": ["b.example"], "minimum_version": "TLSv1.3", "ciphers": {"forbid": ["CBC"]},
              "issuers": ["x"], "days_left": 3650}  # fmt: skip
    assert told(observation, **params) == []


def test_wrong_names_are_the_cdns_and_the_paths_at_a_foreign_address() -> None:
    checked = build.task(checks=build.checks(certificate={"names": ["b.example"]}))
    assert build.triple(evidence(shown()), checked) == ("failed", "cdn", "certificate.name_missing")
    elsewhere = replace(checked, cdn_prefixes=("203.0.113.0/24",))
    assert build.triple(evidence(shown()), elsewhere) == ("failed", "path", "dns.hijacked")


def test_a_second_look_is_of_the_certificate() -> None:
    again = replace(shown(names=("b.example",)), role=Role.CONFIRM, of=0)
    assert [s.again for s in symptoms(evidence(shown(), again), names=["b.example"])] == [False]
    again = replace(shown(), role=Role.CONFIRM, of=0)
    assert [s.again for s in symptoms(evidence(shown(), again), names=["b.example"])] == [True]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"names": ["*.acme.example"]}, "no domain name"),
        ({"days_left": -1}, "greater than or equal to 0"),
        ({"minimum_version": "SSLv3"}, "TLSv1.2"),
        ({"ciphers": {"forbid": []}}, "at least 1"),
        ({"ciphers": {"forbid": ["RC2"]}}, "neither a family"),
        ({"ciphers": {"forbid": ["***"]}}, "neither a family"),
        ({"ciphers": {"forbid": ["A B-C"]}}, "neither a family"),
        ({"ciphers": ["RC4"]}, "Ciphers"),
        ({"issuers": [""]}, "at least 1"),
        ({"ocsp": True}, "not permitted"),
    ],
)
def test_wrong_parameters_are_refused_with_words(params: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Certificate.model_validate(params)


def test_an_intermediate_that_ends_first_is_named() -> None:
    early = shown(chain_not_after="2026-11-30T00:00:00Z", chain_not_after_of="CN=Middle")
    (said,) = told(early)
    assert said[:2] == ("note", "certificate.expires_soon")
    assert said[2] is not None
    assert said[2].startswith("valid until 2026-11-30T00:00:00Z (CN=Middle), ")
    same = shown(chain_not_after=TLS.not_after, chain_not_after_of="CN=leaf")
    (said,) = told(same, days_left=100)
    assert said[2] is not None
    assert said[2].startswith(f"valid until {TLS.not_after}, ")


@pytest.mark.parametrize(
    ("must_staple", "staple", "found"),
    [
        (True, "absent", True),
        (True, "invalid", True),
        (True, "unknown", True),
        (True, "good", False),
        (True, None, False),  # nobody looked
        (False, "absent", False),
    ],
)
def test_a_staple_that_the_certificate_demands(must_staple: bool, staple: str | None, found: bool) -> None:
    said = told(shown(must_staple=must_staple, staple=staple))
    assert [reason for _, reason, _ in said] == (["certificate.staple_missing"] if found else [])
