"""Write what docs/monitoring shows of a webhook: `python -m tests.core.calls.documents`."""

from __future__ import annotations

import json

from probe.core.calls.messages import webhook, webhook_schema
from tests.core.calls.made import WEBHOOK, story
from tests.core.calls.test_messages import MONITORING, NOW_US, delivery


def main() -> None:
    """The schema; and an example where there is none: the one kept comes from a run of the lab."""
    (MONITORING / "call.schema.json").write_text(json.dumps(webhook_schema(), indent=1) + "\n")
    example = MONITORING / "call.example.json"
    if not example.exists():
        made = json.loads(webhook(delivery(story()[1], WEBHOOK), "probe-1", NOW_US))
        example.write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
