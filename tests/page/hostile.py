"""A store in which others put their payloads wherever something from outside is kept."""

from __future__ import annotations

from pathlib import Path

from probe.core.model.value import replace
from probe.core.records.dns import AddressRecord, CnameLink, Resolution
from probe.core.records.failure import Failure, FailureType, Phase
from probe.core.records.observation import Comparison, Relation
from probe.core.records.response import Response
from probe.core.records.rows import SlotRecord
from probe.core.records.transport import Tls
from probe.core.records.verdict import Fault, Finding, Outcome, Severity
from probe.core.results.bundle import Bundle, Difference, Exchange
from probe.host.clock import SystemClock
from probe.store.store import Store
from tests.api.page.signed import well
from tests.page.payloads import PAYLOADS
from tests.support.build import reference, refused, seen, version

DOMAIN = "x.example"


def row(number: int, text: str, *, domain: str = DOMAIN) -> SlotRecord:
    """A row in trouble with a payload in each text of it, and its evidence."""
    tls = Tls(
        version=text,
        cipher=text,
        server_name=text,
        names=(text, "x.example"),
        subject=text,
        issuer=text,
        not_before="2026-01-01T00:00:00Z",
        not_after="2036-01-01T00:00:00Z",
        chain_sha256=("0" * 64,),
        verify_error=text,
    )
    replied = seen(address="192.0.2.1")
    assert replied.response is not None
    response: Response = replace(
        replied.response, fields=((text, text), ("via", text)), reason_phrase=text, content_codings=(text,)
    )
    failure = Failure(phase=Phase.TCP, type=FailureType.TCP_REFUSED, operation=text, detail=text)
    compared = Comparison(
        mode="exact", relation=Relation.OLDER, behind_s=3.0, propagated_after_s_at_most=5.0, detail=text
    )
    finding = Finding(
        check=text,
        reason=text,
        severity=Severity.ERROR,
        outcome=Outcome.FAILED,
        fault=Fault.CDN,
        observation=0,
        address="192.0.2.1",
        confirmed=True,
        detail=text,
    )
    chain = (CnameLink(owner=domain, target=text, ttl_s=60, resolver=text),)
    return replace(
        well(600 - number, customer="acme", domain=domain, id=f"{number:016x}"),
        path=text,
        vantage_point=text,
        region=text,
        carrier=text,
        outcome=Outcome.FAILED,
        fault=Fault.CDN,
        reason=text,
        confirmed=True,
        summary=text,
        exclusions=(text,),
        findings=(finding,),
        resolution=Resolution(
            qname=text,
            qtype="A",
            rcode=text,
            cname_chain=chain,
            canonical_name=text,
            addresses=(AddressRecord(address="192.0.2.1", ttl_s=5, refused=text),),
            ttl_s=5,
            resolver=text,
            transport=text,
        ),
        observations=(
            replace(replied, response=response, tls=tls, url=text, comparison=compared, proxy=text),
            replace(refused(address=text), failure=failure, url=text),
        ),
        reference=reference(version(etag=text)),
        evidence_id=f"{number:032x}",
    )


async def fill(directory: Path) -> None:
    """One row for each payload; and one each with the payload as the name of its domain."""
    store = Store.open(directory, "a1", SystemClock())
    try:
        for number, text in enumerate(PAYLOADS):
            record = row(number, text)
            raw = text.encode("utf-8", "surrogatepass")
            difference = Difference(
                offset=1, from_byte=0, edge=raw, origin=raw, edge_bytes=len(raw), origin_bytes=len(raw)
            )
            exchange = Exchange(observation=0, request_head=text, response_head=raw, difference=difference)
            assert record.evidence_id is not None
            store.put_bundle(
                Bundle(
                    bundle_version=1,
                    id=record.evidence_id,
                    record=record,
                    definition="{}",
                    exchanges=(exchange, Exchange(observation=1, body_head=raw)),
                )
            )
            await store.append([record])
            await store.append([replace(row(number + 100, text, domain=text), evidence_id=None)])
    finally:
        await store.close(within_s=20)
