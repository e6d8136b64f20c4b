"""What is written is read again the same; what is no record says so."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probe.core.model.value import replace
from probe.core.records.codec import CodecError, decode, encode, encode_any
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.origin import OriginVersion
from probe.core.records.rows import EventRecord, SlotRecord
from probe.core.results.rows import missed_row
from tests.support.build import task
from tests.support.rows import HOST, slot
from tests.support.sizes import scaled

# Unions of dataclasses do not occur within a slot, so that hypothesis can build whole ones from the annotations.
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))  # JSON has no others


@given(st.builds(SlotRecord, kind=st.just("slot")))
@settings(max_examples=scaled(40), deadline=None, suppress_health_check=list(HealthCheck))
def test_a_slot_survives_the_round_trip(record: SlotRecord) -> None:
    data = encode(record)
    assert b"\n" not in data
    assert decode(data) == record
    assert encode(decode(data)) == data


@given(st.builds(EventRecord, kind=st.just("event")))
@settings(max_examples=scaled(50), deadline=None)
def test_an_event_survives_the_round_trip(record: EventRecord) -> None:
    assert decode(encode(record).decode()) == record


def test_keys_come_in_the_order_declared() -> None:
    keys = list(json.loads(encode(slot(0))))
    assert keys[:4] == ["schema_version", "kind", "seq", "task"]
    assert keys[-1] == "previous"


def test_a_later_version_may_add_keys() -> None:
    row = slot(0)
    data = json.loads(encode(row))
    data["brand_new"] = {"x": 1}
    data["host"]["brand_new"] = 1
    assert decode(json.dumps(data)) == row


@pytest.mark.parametrize(
    "data",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"kind":"other"}',
        '{"kind":1}',
        '{"kind":"slot"}',
        b'{"kind":"\xff"}',
        "nonsense",
    ],
)
def test_what_is_no_record_is_an_error(data: bytes | str) -> None:
    with pytest.raises(CodecError):
        decode(data)


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("seq", "1", "$.seq"),
        ("outcome", "superb", "$.outcome"),
        ("findings", [{"check": 1}], "$.findings[0]"),
        ("task", None, "$.task"),
    ],
)
def test_a_wrong_type_is_an_error_that_says_where(key: str, value: object, place: str) -> None:
    data = json.loads(encode(slot(0)))
    data[key] = value
    with pytest.raises(CodecError, match=place.replace("$", r"\$").replace("[", r"\[")):
        decode(json.dumps(data))


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(CodecError, match="slot, event"):
        decode('{"kind":"other"}')


def test_text_that_is_no_unicode_does_not_lose_the_row() -> None:
    row = replace(
        missed_row(task(), "2026-11-22T10:00:00.000000Z", "agent.stalled", HOST), summary="a\udc80b"
    )
    again = decode(encode(row))
    assert isinstance(again, SlotRecord)
    assert again.summary == "a\\udc80b"
    assert again.task == row.task


def test_a_number_that_is_too_great_does_not_lose_the_row() -> None:
    again = decode(encode(slot(0, seq=10**30)))
    assert again.seq == 10**30


def test_what_cannot_be_written_is_an_error() -> None:
    with pytest.raises(CodecError, match="object"):
        encode_any(object())


def test_any_frozen_record_can_be_written() -> None:
    version = OriginVersion(
        content_digest="d",
        decoded_body_bytes=None,
        status_code=200,
        etag=None,
        last_modified=None,
        first_seen="a",
        last_seen="b",
    )
    assert json.loads(encode_any(version))["status_code"] == 200
    assert encode_any({"a": (1, 2), "b": Phase.DNS, "c": FailureType.TCP_RESET}) == (
        b'{"a":[1,2],"b":"dns","c":"tcp.reset"}'
    )


def test_enums_are_read_as_enums() -> None:
    row = replace(slot(0), observations=(Observation(role=Role.EDGE, address="192.0.2.1", port=1, url="u"),))
    again = decode(encode(row))
    assert isinstance(again, SlotRecord)
    assert again.observations[0].role is Role.EDGE
