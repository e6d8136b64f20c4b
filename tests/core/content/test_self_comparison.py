"""An origin that is the CDN: by address, by name, by redirect."""

from __future__ import annotations

import pytest

from probe.core.content.self_comparison import is_itself
from probe.core.model.task import OriginSpec
from probe.core.model.value import replace
from probe.core.records.observation import Observation, Role
from tests.support import build


def redirect(location: str, status: int = 302) -> Observation:
    return build.seen(Role.ORIGIN, status=status, digest=None, fields=(("location", location),))


TASK = build.task()
WELL = build.seen(Role.ORIGIN)


@pytest.mark.parametrize(
    ("look", "itself"),
    [
        (WELL, False),
        (None, False),
        (replace(WELL, address=build.EDGE), True),
        (build.refused(Role.ORIGIN, address=build.EDGE), True),
        (redirect("https://www.acme.example/a.js"), True),
        (redirect("https://www.acme.example:443/a.js"), True),
        (redirect("https://www.acme.example/new"), False),
        (redirect("http://www.acme.example/a.js"), False),
        (redirect("https://www.acme.example:8443/a.js"), False),
        (redirect("https://elsewhere.example/a.js"), False),
        (redirect("/relative"), False),
        (redirect("https://[broken/"), False),
        (redirect("https://www.acme.example:99999/a.js"), False),
        (redirect("https://www.acme.example/a.js", status=304), False),
        (replace(redirect("https://www.acme.example/a.js"), role=Role.EDGE), False),
    ],
)
def test_what_the_origin_did(look: Observation | None, itself: bool) -> None:
    assert is_itself(TASK, [build.EDGE, build.EDGE_2], [look]) is itself


def test_the_configured_address() -> None:
    assert TASK.origin is not None
    at_edge = build.task(origin=OriginSpec(address=build.EDGE, request=TASK.request))
    assert is_itself(at_edge, [build.EDGE], [])
    assert not is_itself(at_edge, [build.EDGE_2], [])
    assert not is_itself(build.task(origin=None), [build.EDGE], [])
