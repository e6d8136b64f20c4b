"""Fed row by row it finds what the evaluator's function finds over the whole period."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from probe.core.incidents.incident import Stage
from probe.core.incidents.looks import Sight
from probe.core.incidents.rules import Rules
from probe.core.incidents.tracker import Tracker
from probe.core.sla.episodes import Look as WholeLook
from probe.core.sla.episodes import Sight as WholeSight
from probe.core.sla.episodes import episodes
from probe.core.sla.incidents import Seen, incidents
from tests.core.incidents.looking import MINUTE_US, fed, minutes

CALM_US = 5 * MINUTE_US
WELL = "." * 12  # a calm end, so that nothing is left open


@given(st.lists(st.text(".X", min_size=30, max_size=30), min_size=1, max_size=3))
def test_the_same_incidents(signs: list[str]) -> None:
    points = {f"p{number}": text + WELL for number, text in enumerate(signs)}
    looks = list(minutes(points))
    told = fed(Tracker(Rules()), looks)
    live = [each.incident for each in told if each.stage is Stage.CLOSED]
    seen = [
        Seen(episode=episode, customer="acme", domain="www.example.net", vantage_point=point)
        for point in points
        for episode in episodes(
            WholeLook(
                at_us=one.at_us,
                sight=WholeSight.TROUBLE if one.domain_sight is Sight.TROUBLE else WholeSight.WELL,
                confirmed=one.confirmed,
                key=f"{one.customer}/{one.seq}",
                nodes=one.nodes,
                fault=one.fault,
                reason=one.reason,
                evidence_id=one.evidence_id,
            )
            for one in looks
            if one.vantage_point == point
        )
    ]
    # An episode's end is when it was seen well, a minute after its last trouble; calm counts from the trouble.
    whole = incidents(seen, CALM_US - MINUTE_US)
    assert [(one.first_failing_us, one.last_failing_us) for one in live] == [
        (one.first_failing_us, one.last_failing_us) for one in whole
    ]
    for one, other in zip(live, whole, strict=True):
        assert one.well_after_us == other.well_after_us
        assert one.vantage_points == other.vantage_points
        assert one.rows == len(other.keys)
        assert one.faults == other.faults
        assert one.reasons == other.reasons
        assert one.nodes == other.nodes
        assert one.confirmed_us == other.first_confirmed_us
