"""Rule: a check kind is one file here and one row in CHECKS; nothing else in the agent names it.

In: a check's parameters (pydantic), the task, and the `Evidence` of a slot. Out: a `core.content.check_kind.Symptom`
for each thing that is off, without blame, and a `FollowUpRequest` for each further request that it wants made. Pure:
no I/O.
"""

from __future__ import annotations

from types import MappingProxyType

from probe.checks import (
    advertised,
    alias,
    availability,
    certificate,
    freshness,
    headers,
    hotlink,
    integrity,
    negotiation,
    redirect,
    response_time,
    throughput,
)
from probe.core.content.check_kind import Kinds

CHECKS: Kinds = MappingProxyType(
    {
        module.KIND.name: module.KIND
        for module in (
            availability,
            response_time,
            integrity,
            alias,
            redirect,
            hotlink,
            freshness,
            certificate,
            headers,
            throughput,
            negotiation,
            advertised,
        )
    }
)
