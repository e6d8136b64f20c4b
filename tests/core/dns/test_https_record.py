"""HTTPS records (RFC 9460) as they are answered, well-formed or not."""

from __future__ import annotations

import pytest

from probe.core.dns.https_record import https_records, question_name
from probe.core.http.alternatives import of_records
from probe.core.records.dns import AddressRecord, HttpsRecord


def read(*texts: str) -> tuple[HttpsRecord, ...]:
    return https_records("www.acme.example", [AddressRecord(address=text, ttl_s=300) for text in texts])


def test_whose_records_are_asked_for() -> None:
    assert question_name("a.example", 443) == "a.example"
    assert question_name("a.example", 8443) == "_8443._https.a.example"


def test_what_a_record_says() -> None:
    (record,) = read(
        '1 svc.example. mandatory="alpn,port" alpn="h2,h3" no-default-alpn port="8443" key65400="x"'
    )
    assert record == HttpsRecord(
        owner="www.acme.example",
        ttl_s=300,
        priority=1,
        target="svc.example",
        alpn=("h2", "h3"),
        default_alpn=False,
        port=8443,
        keys=("mandatory", "alpn", "no-default-alpn", "port", "key65400"),
    )


@pytest.mark.parametrize(
    "text", ["", "nonsense", "1", '1 . port="99999"', '1 . ech="AAAA"', "\\# 3 000000", "1 . alpn=h3 alpn=h2"]
)
def test_what_cannot_be_read_is_left_out(text: str) -> None:
    assert read(text, '1 . alpn="h3"')[-1].alpn == ("h3",)
    assert len(read(text)) <= 1


def test_no_answer_is_kept_without_bound() -> None:
    assert len(read(*(f'{n} . alpn="h3"' for n in range(1, 1000)))) == 16


def test_what_they_advertise() -> None:
    records = read(
        '2 far.example. alpn="h3"',
        '1 . alpn="h2"',
        "0 alias.example.",
        '3 acme.cdn.example. alpn="h3" port="444"',
    )
    found = of_records(records, ["www.acme.example", "acme.cdn.example"], 443)
    assert [str(each) for each in found] == [
        'h2=":443"',
        'http/1.1=":443"',
        'h3="far.example:443"',
        'http/1.1="far.example:443"',
        'h3=":444"',
        'http/1.1=":444"',
    ]
    assert {each.by for each in found} == {"https"}
